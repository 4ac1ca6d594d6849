"""Where the face lies in a shot: its box, its skin, its eyes; and which shots follow one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from benchmarks.quality.shot import Shot
from models.generator.view import SKIN, zones
from realtime.frame import Image, Points

Box = tuple[int, int, int, int]
# A step in time this much longer than the usual one is a gap: the face was lost, or it is another clip.
_GAP = 1.6


def box(points: Points, shape: tuple[int, ...], margin: float = 0.1) -> Box | None:
    """Left, top, right, bottom of a face (n, 2 or 3) px with `margin` of its size around it, inside a picture (h, w, ...).

    None when less than 8 px of it lie there.
    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    grow = margin * (high - low)
    left, top = (max(0, int(value)) for value in np.floor(low - grow))
    right, bottom = int(np.ceil(high[0] + grow[0])), int(np.ceil(high[1] + grow[1]))
    right, bottom = min(shape[1], right), min(shape[0], bottom)
    return (left, top, right, bottom) if right - left >= 8 and bottom - top >= 8 else None


def cut(image: Image, area: Box) -> Image:
    """The part of a picture or mask under a box; a view."""
    left, top, right, bottom = area
    return image[top:bottom, left:right]


def skin(points: Points, size: tuple[int, int]) -> Image:
    """255 on the face's skin, 0 on eyes, brows, lips and outside: (h, w) uint8.

    points: (468+, 2 or 3) in the pixels of a picture of `size` (height, width).
    """
    return np.asarray(np.where(zones(points, size) == SKIN, np.uint8(255), np.uint8(0)), np.uint8)


def eye_distance(points: Points) -> float:
    """Pixels between the middles of the eyes' corners (3-D where z is given, so that turning the head changes little)."""
    right, left = points[[33, 133]].mean(axis=0), points[[263, 362]].mean(axis=0)
    return float(np.linalg.norm(left - right))


def runs(shots: Sequence[Shot]) -> Iterator[list[Shot]]:
    """Stretches of one person without a gap in time, each in the order of time; none is shorter than two."""
    ordered: dict[int | None, list[Shot]] = {}
    for shot in sorted(shots, key=lambda shot: shot.index):
        ordered.setdefault(shot.track, []).append(shot)
    for person in ordered.values():
        steps = [later.time - earlier.time for earlier, later in pairwise(person)]
        limit = _GAP * float(np.median(steps)) + 1e-6 if steps else 0.0
        stretch = person[:1]
        for shot, step in zip(person[1:], steps, strict=True):
            if step > limit:
                if len(stretch) > 1:
                    yield stretch
                stretch = []
            stretch.append(shot)
        if len(stretch) > 1:
            yield stretch


def mean(values: Sequence[float]) -> float | None:
    """The mean of what is finite, None when nothing is."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else None


def known(figures: dict[str, float | None]) -> dict[str, float]:
    """The figures that could be measured."""
    return {name: value for name, value in figures.items() if value is not None and np.isfinite(value)}
