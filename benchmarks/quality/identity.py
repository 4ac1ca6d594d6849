"""Whose face the result shows: the source's or the target's, frame by frame, by one judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.quality.judges import DLIB_SAME, Embedding, cosine
from benchmarks.quality.scale import Scale

HALF, FRONTAL = 30.0, 15.0
"""Degrees of yaw: up to here a face counts as seen from before, and as frontal."""


@dataclass
class Seen:
    """What one judge saw in the judged frames of one run: embeddings (d,) of the result and of the target in the same frame,
    yaw in degrees.
    """

    results: list[Embedding] = field(default_factory=list)
    targets: list[Embedding] = field(default_factory=list)
    yaws: list[float] = field(default_factory=list)


def measure(seen: Seen, gallery: Sequence[Embedding], mine: int, distances: bool, scale: Scale | None) -> dict[str, float]:
    """Figures of one run by one judge.

    gallery: one embedding of each source, from its photos.  mine: the number of the source that was put on.
    source, target, base: mean cosine result-source, result-target and source-target, the target being the same frame untouched
        (same pose, light and expression as the result: the harder comparison).
    target_mean: result and the mean of the target's embeddings over the clip.
    nearer: share of frames in which the result is nearer the source than the target; retrieved: share in which, of all sources and
        the target (clip mean), the source is nearest, as in the FaceForensics++ protocol (FaceShifter, Li et al. 2020).
    *_half: frames up to 30 degrees of yaw; *_frontal: up to 15.
    spread, spread_target: one minus the mean cosine of each frame to the mean over the clip, of result and target.
    distance, distance_target, distance_base: Euclidean, for a judge whose own measure that is; same: share of frames in
        which the distance result-source is below 0.6.
    rescaled: source on the scale where strangers are 0 and photos of one person 1, when that scale is known.
    Empty when no frame was judged.
    """
    if not seen.results:
        return {}
    results, targets, yaws = np.array(seen.results), np.array(seen.targets), np.abs(np.array(seen.yaws))
    source, middle = gallery[mine], targets.mean(axis=0)
    rows = per_frame(seen, source, distances)
    everyone = np.array([*gallery, middle])
    near = np.array([_near(result, everyone, distances) for result in results])
    rows |= {"target_mean": cosine(results, middle), "retrieved": (near.argmax(axis=1) == mine).astype(np.float64)}
    rows |= {"spread": 1 - cosine(results, results.mean(axis=0)), "spread_target": 1 - cosine(targets, middle)}
    figures = {name: float(values.mean()) for name, values in rows.items()}
    figures |= {name: float(values.mean()) for name, values in parts(rows, yaws).items()}
    if scale:
        figures["rescaled"] = scale.rescaled(figures["source"])
    return figures


def parts(rows: Mapping[str, Embedding], yaws: Embedding) -> dict[str, Embedding]:
    """Of the main series the frames up to 30 (`_half`) and up to 15 degrees of yaw (`_frontal`); those without frames are left out."""
    found: dict[str, Embedding] = {}
    for suffix, limit in (("half", HALF), ("frontal", FRONTAL)):
        inside = np.abs(yaws) <= limit
        if inside.any():
            found |= {f"{name}_{suffix}": rows[name][inside] for name in ("source", "target", "nearer", "distance") if name in rows}
    return found


def per_frame(seen: Seen, source: Embedding, distances: bool) -> dict[str, Embedding]:
    """Series (frames,): source, target, base and nearer; with `distances` also distance, distance_target, distance_base, same."""
    results, targets = np.array(seen.results), np.array(seen.targets)
    rows = {"source": cosine(results, source), "target": cosine(results, targets), "base": cosine(targets, source)}
    if not distances:
        return rows | {"nearer": (rows["source"] > rows["target"]).astype(np.float64)}
    rows["distance"] = np.linalg.norm(results - source, axis=1)
    rows["distance_target"] = np.linalg.norm(results - targets, axis=1)
    rows["distance_base"] = np.linalg.norm(targets - source, axis=1)
    rows["same"] = (rows["distance"] < DLIB_SAME).astype(np.float64)
    return rows | {"nearer": (rows["distance"] < rows["distance_target"]).astype(np.float64)}


def _near(result: Embedding, everyone: Embedding, distances: bool) -> Embedding:
    """How near each of several embeddings (k, d) is, by the judge's own measure; larger is nearer."""
    return -np.linalg.norm(everyone - result, axis=1) if distances else cosine(everyone, result)


__all__ = ["FRONTAL", "HALF", "Seen", "measure", "parts", "per_frame"]
