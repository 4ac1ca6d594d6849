"""What the figures are called, which way is better, and how they are summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_HIGHER = frozenset({"source", "nearer", "retrieved", "rescaled", "same", "worn"})
_LOWER = frozenset({"target", "target_mean", "distance", "spread", "lost"})
_PARTS = ("_half", "_frontal")
# What only describes the clip or the source, or says how a figure is made up.
_NEUTRAL = ("base", "distance_base", "spread_target", "skin_tone_offset_delta_e", "flicker_still_percent")
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
    ("seam_energy_delta_e", "seam ΔE"),
    ("sharpness_ratio", "sharpness"),
    ("noise_ratio", "noise"),
    ("jitter_ratio", "jitter"),
    ("flicker_still_ratio", "flicker"),
    ("warping_ratio", "warping"),
    ("lost", "lost"),
)
"""The other figures that tables show, with their headings."""


def distance_from_best(name: str, value: float) -> float | None:
    """How bad a figure is, the less the better; None for one that is neither good nor bad.

    Ratios result / target are best at 1; errors, offsets and distances at 0; the rest as their names say.
    """
    plain = name.rpartition(".")[2]
    for part in _PARTS:
        plain = plain.removesuffix(part)
    if plain in _NEUTRAL or plain.startswith("pose_offset") or "_target_" in plain or plain == "codec_kbps":
        return None
    if plain.endswith("_ratio"):
        return abs(value - 1)
    if plain in _HIGHER or plain.endswith("iou"):
        return -value
    if plain == "distance_target":
        return -value
    errors = ("_error", "_px", "_delta_e", "_levels", "_percent", "_deg", "_ms", "_share", "_worst", "_db")
    return value if plain in _LOWER or any(ending in plain for ending in errors) else None


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


__all__ = ["KEPT", "STEADY", "TABLE", "distance_from_best", "overall", "tables"]
