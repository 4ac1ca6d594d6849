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
_SAY = np.array([0.0, 0.6, 1.0, 1.0], np.float32)[np.minimum(STEPS_FROM_OVAL, 3)]
_NEUTRAL_SECONDS = 4.0
# How far an opening reaches into the skin about it, by edges from its rim: a lid is short, lips are thick.
_LID_REACH = np.array([1.0, 0.7, 0.35, 0.1, 0.0], np.float32)
_LIP_REACH = np.array([1.0, 1.0, 1.0, 0.8, 0.55, 0.3, 0.1, 0.0], np.float32)
_WIDEST = 1.2
_REST, _SHUT = (0.7, 1.4), 0.2


@dataclass(frozen=True)
class _Opening:
    """A ring of vertices that opens and closes: upper and lower rim in pairs, and who moves along with which pair.

    followers, pair: vertices and the pair that each follows.  way: how far, down positive.  profile: (pairs,), mean 1, how the
    gap is spread over the pairs.
    """

    upper: Indices
    lower: Indices
    followers: Indices
    pair: Indices
    way: Floats
    profile: Floats


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
    gaps = MEAN[lower, 1] - MEAN[upper, 1]
    return _Opening(upper, lower, followers, (nearest % len(upper))[followers], way, (gaps / gaps.mean()).astype(np.float32))


# An eye's skin reaches to the middle of the nose: the other eye's corner must not follow this eye's lids.
_LIDS = tuple(_opening(ring, np.where(MEAN[:VERTICES, 0] * MEAN[ring, 0].mean() > 0, STEPS_FROM_EYES, 99), _LID_REACH) for ring in EYES)
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

    A lid's gap is the source's in the target's state, so that a closed eye is closed whatever landmarks say of its lashes;
    the gap between the lips stays the target's, as it is speech.
    """
    change = source - neutral
    for lid in _LIDS:
        _open(change, lid, _height(now, lid), _lids(now, neutral, source, lid))
    _open(change, _MOUTH, 0.0, 0.0)
    return np.asarray(change * _SAY[:, None], np.float32)


def _height(face: Floats, opening: _Opening) -> float:
    return float((face[opening.lower, 1] - face[opening.upper, 1]).mean())


def _lids(now: Floats, neutral: Floats, source: Floats, lid: _Opening) -> float:
    """How wide the source's eye has to be: shut where the target's is, and as much wider or narrower than at rest."""
    # Somebody who squinted or stared while their face was learned has other eyes at rest than it seemed.
    rest = min(max(_height(neutral, lid), _REST[0] * _height(MEAN, lid)), _REST[1] * _height(MEAN, lid))
    share = _height(now, lid) / rest
    # Landmarks of a shut eye keep a fifth of its height apart.
    return _height(source, lid) * min(max((share - _SHUT) / (1 - _SHUT), 0.0), _WIDEST)


def _open(change: Floats, opening: _Opening, now: float, wanted: float) -> None:
    """Let the change bring a gap from `now` to `wanted`, in place; equal heights keep the gap as it is, pair by pair."""
    half = (change[opening.lower, 1] - change[opening.upper, 1]) / 2
    grow = np.float32((wanted - now) / 2) * opening.profile
    change[opening.followers, 1] += opening.way * (grow - half)[opening.pair]
