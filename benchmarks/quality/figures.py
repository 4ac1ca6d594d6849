"""Which way each figure is better, what is asked of it, and the tables that sum them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.quality.meanings import FIGURES, Figure

_IDENTITY: dict[str, Figure] = {
    "source": Figure("cosine result - source", "cosine", "higher"),
    "target": Figure("cosine result - target, the same frame untouched", "cosine", "lower"),
    "target_mean": Figure("cosine result - target, the clip's mean", "cosine", "lower"),
    "base": Figure("cosine source - target", "cosine", "none"),
    "rescaled": Figure("cosine result - source, strangers 0 and one person's photos 1", "1 = the same person", "higher"),
    "nearer": Figure("frames in which the result is nearer the source than the target", "share", "higher"),
    "retrieved": Figure("frames in which the source is the nearest of all sources and the target", "share", "higher"),
    "spread": Figure("how far the frames of the result lie about their mean", "1 - cosine", "lower"),
    "spread_target": Figure("the same in the target", "1 - cosine", "none"),
    "distance": Figure("Euclidean distance result - source", "distance", "lower"),
    "distance_target": Figure("Euclidean distance result - target", "distance", "higher"),
    "distance_base": Figure("Euclidean distance source - target", "distance", "none"),
    "same": Figure("frames in which the judge takes the result for the source", "share", "higher"),
    "worn": Figure("frames with the new face on", "share", "higher"),
    "lost": Figure("frames in which somebody was lost and covered", "share", "lower"),
}
_OBJECTS = {"mean_iou": Figure("overlap of what was kept on top and what lay there, mean over the objects", "IoU", "higher", 0.85)}
_PARTS = ("_half", "_frontal")
# What the project asks of strangers, of dlib's distance and of the frontal cosines of the ArcFace family.
_ASKED = {"nearer_half": 0.95, "distance": 0.45}
_ASKED_COSINES = {"source_frontal": 0.60, "target_frontal": 0.28}
TABLE = (
    ("source", "source"),
    ("target", "target"),
    ("base", "base"),
    ("rescaled", "rescaled"),
    ("distance", "distance"),
    ("nearer_half", "nearer < 30°"),
    ("retrieved", "retrieved"),
    ("source_frontal", "source < 15°"),
    ("target_frontal", "target < 15°"),
)
"""The identity figures that tables show of every judge, with their headings."""
KEPT = (
    ("pose_error_deg", "pose °"),
    ("expression_error_percent", "expression %"),
    ("mouth_error_percent", "mouth %"),
    ("gaze_error_percent", "gaze %"),
    ("light_error_delta_e", "light ΔE"),
    ("background_changed_px", "background px"),
)
STEADY = (
    ("seam_step_delta_e", "seam ΔE"),
    ("sharpness_ratio", "sharpness"),
    ("noise_ratio", "noise"),
    ("jitter_ratio", "jitter"),
    ("flicker_still_ratio", "flicker"),
    ("warping_ratio", "warping"),
    ("lost", "lost"),
)
"""The other figures that tables show, with their headings."""


def meaning(name: str, distances: bool = True) -> Figure | None:
    """What is known of a figure, `judge.name` or a measure's; None for one that nobody has described.

    distances: whether the judge's own measure is a distance, which decides what is asked of it.
    """
    judged, plain = "." in name, name.rpartition(".")[2]
    if not judged and plain in FIGURES:
        return FIGURES[plain]
    bare = plain
    for part in _PARTS:
        bare = bare.removesuffix(part)
    known = _IDENTITY.get(bare) or _OBJECTS.get(plain)
    asked = _ASKED if distances else _ASKED_COSINES
    return replace(known, limit=asked[plain]) if known and judged and plain in asked else known


def cost(name: str, value: float) -> float | None:
    """How bad a figure is, the less the better; None for one that is neither good nor bad."""
    known = meaning(name)
    return None if known is None or known.better == "none" else known.cost(value)


def demands(document: Mapping[str, Any]) -> list[tuple[str, list[str], list[list[object]]]]:
    """(title, columns, lines) of what is asked of each engine of a report."""
    covered = document.get("occlusion", [])
    more = {"mean_iou": float(np.mean([row["metrics"]["mean_iou"] for row in covered]))} if covered else {}
    columns = ["figure", "asked", "found", "kept"]
    return [
        (f"What is asked of {engine}", columns, asked(found | more, document["judges"]))
        for engine, found in document["overall"].items()
    ]


def asked(found: Mapping[str, float], judges: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    """(figure, asked, found, whether it is kept) of everything that the project asks."""
    distances = {judge["name"]: judge["distances"] for judge in judges}
    lines: list[list[object]] = []
    for name, value in found.items():
        known = meaning(name, distances.get(name.rpartition(".")[0], True))
        if known is not None and known.limit is not None:
            sign = "at least" if known.better == "higher" else "at most"
            lines.append([name, f"{sign} {known.limit:g}", f"{value:.3f}", "yes" if known.kept(value) else "no"])
    return lines


def overall(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean of every figure over the cases that have it."""
    names = dict.fromkeys(name for row in rows for name in row["metrics"])
    return {name: float(np.mean([row["metrics"][name] for row in rows if name in row["metrics"]])) for name in names}


def tables(rows: Sequence[Mapping[str, Any]], judges: Sequence[str]) -> list[tuple[str, list[str], list[list[object]]]]:
    """(title, columns, lines) of one table for each judge and one for everything else; the last line of each is the mean."""
    several = len({row["engine"] for row in rows}) > 1
    whole = [{"name": _name(row, several), "metrics": row["metrics"]} for row in rows]
    for engine in dict.fromkeys(row["engine"] for row in rows):
        name = f"mean, {engine}" if several else "mean"
        whole.append({"name": name, "metrics": overall([row for row in rows if row["engine"] == engine])})
    result = []
    for judge in judges:
        wanted = [(f"{judge}.{name}", heading) for name, heading in TABLE]
        result.append((f"Identity, judge {judge}", *_table(whole, wanted)))
    result.append(("What is kept of the target (errors)", *_table(whole, KEPT)))
    result.append(("How steady and how real (errors, or ratios result / target)", *_table(whole, STEADY)))
    return result


def _table(rows: Sequence[Mapping[str, Any]], wanted: Sequence[tuple[str, str]]) -> tuple[list[str], list[list[object]]]:
    there = [(name, heading) for name, heading in wanted if any(name in row["metrics"] for row in rows)]
    lines = [[row["name"], *(_places(name, row["metrics"].get(name)) for name, _ in there)] for row in rows]
    return ["case", *(heading for _, heading in there)], lines


def _places(name: str, value: float | None) -> object:
    """Cosines and distances to three places, as their differences are small."""
    return value if value is None or "." not in name else f"{value:.3f}"


def _name(row: Mapping[str, Any], several: bool) -> str:
    return f"{row['clip']} + {row['source']}" + (f", {row['engine']}" if several else "")


__all__ = ["KEPT", "STEADY", "TABLE", "asked", "cost", "demands", "meaning", "overall", "tables"]
