"""Bones: the source's resting face put under the target's expression, with lids that close and lips that part as the target's do."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.mesh.pose import Pose
from models.mesh.topology import EYES, INNER_MOUTH, MEAN, STEPS_FROM_EYES, STEPS_FROM_MOUTH, STEPS_FROM_OVAL, VERTICES

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

# The outline stays the target's, so that the background is whole.
_SAY = np.array([0.0, 0.35, 0.8, 1.0], np.float32)[np.minimum(STEPS_FROM_OVAL, 3)]
_NEUTRAL_SECONDS = 4.0
# How far an opening reaches into the skin about it, by edges from its rim: a lid is short, lips are thick.
_LID_REACH = np.array([1.0, 0.7, 0.35, 0.1, 0.0], np.float32)
_LIP_REACH = np.array([1.0, 1.0, 1.0, 0.8, 0.55, 0.3, 0.1, 0.0], np.float32)
_WIDEST = 1.3


@dataclass(frozen=True)
class _Opening:
    """A ring of vertices that opens and closes: upper and lower rim in pairs, and who moves along with which pair."""

    upper: Indices
    lower: Indices
    followers: Indices
    pair: Indices
    way: Floats


def _opening(ring: NDArray[np.int32], steps: NDArray[np.int32], reach: Floats) -> _Opening:
    """ring: from one corner along the lower rim (or the upper: both are told apart by height) to the other and back."""
    half = len(ring) // 2
    first, second = ring[1:half].astype(np.int64), ring[:half:-1].astype(np.int64)
    upper, lower = (first, second) if MEAN[first, 1].mean() < MEAN[second, 1].mean() else (second, first)
    apart = np.linalg.norm(MEAN[:VERTICES, None, :2] - MEAN[None, np.concatenate([upper, lower]), :2], axis=2)
    nearest, rim = apart.argmin(axis=1), MEAN[ring].mean(axis=0)
    near = np.linalg.norm(MEAN[:VERTICES, :2] - rim[:2], axis=1) < 0.75
    share = reach[np.minimum(steps, len(reach) - 1)] * near
    followers = np.flatnonzero(share > 0)
    # Up is negative: the upper rim goes up by half of what the gap grows, the lower rim down; corners stay.
    side = np.where(nearest < len(upper), -1.0, 1.0)
    corners = np.isin(np.arange(VERTICES), ring[[0, half]])
    way = (share * side * ~corners)[followers].astype(np.float32)
    return _Opening(upper, lower, followers, (nearest % len(upper))[followers], way)


_LIDS = tuple(_opening(ring, STEPS_FROM_EYES, _LID_REACH) for ring in EYES)
_MOUTH = _opening(INNER_MOUTH, STEPS_FROM_MOUTH, _LIP_REACH)


@dataclass
class Resting:
    """How one target's face looks at rest, learned while they are seen.

    neutral: (468, 3) float32 in mean-face units.  seen: seconds of squarely seen face that went into it.
    """

    neutral: Floats = field(default_factory=lambda: MEAN[:VERTICES].copy())
    seen: float = 0.0

    def learn(self, points: Floats, pose: Pose, seconds: float) -> Floats:
        """Take in a measured face, `seconds` after the last one; the face (468, 3) without its pose."""
        now = pose.remove(points)
        squarely = max(0.0, float(np.cos(np.radians(pose.yaw)) * np.cos(np.radians(pose.pitch)))) ** 4
        self.seen += seconds * squarely
        # The first second settles quickly, later ones refine.
        rate = 1.0 if self.seen == 0.0 else squarely * seconds / (seconds + min(_NEUTRAL_SECONDS, 0.3 + self.seen))
        self.neutral += np.float32(rate) * (now - self.neutral)
        return now


def offsets(source: Floats, neutral: Floats, now: Floats) -> Floats:
    """What has to be added to the face `now` so that it has the source's bones; all (468, 3), mean-face units.

    A lid's gap is scaled by how much wider the source's eyes are, so that a closed eye stays closed; the gap between the
    lips stays the target's, as it is speech.
    """
    change = source - neutral
    for lid in _LIDS:
        rest = float((neutral[lid.lower, 1] - neutral[lid.upper, 1]).mean())
        gap = float((now[lid.lower, 1] - now[lid.upper, 1]).mean())
        _scale(change, lid, float(np.clip(gap / max(rest, 1e-3), 0.0, _WIDEST)))
    _scale(change, _MOUTH, 0.0)
    return np.asarray(change * _SAY[:, None], np.float32)


def _scale(change: Floats, opening: _Opening, share: float) -> None:
    """Keep only a share of what the change does to a gap, in place."""
    half = (change[opening.lower, 1] - change[opening.upper, 1]) / 2
    change[opening.followers, 1] += opening.way * (share - 1.0) * half[opening.pair]
