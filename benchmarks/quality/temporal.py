"""How steady the result is from frame to frame, against the untouched target in the same frames.

What changes fast is taken as second differences over time: a constant pace has none, and white noise of deviation s gives
s * sqrt(6), by which they are divided.  All ratios are result / target: 1 is as steady as the camera's own picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import zone
from benchmarks.quality.shot import Shot
from models.mesh.topology import MEAN, RIGID, VERTICES
from realtime.frame import Image, Points

Reals = NDArray[np.float64]

# The face seen straight on, so many pixels square, in cells of an eighth: where brightness is compared over time.
_FLAT, _CELLS = 64, 8
# A head stands still while its rigid points move less than this share of the eye distance from frame to frame.
_STILL = 0.01
# A camera that hardly flickers makes any ratio: grey levels that are added to both sides, about what rounding to 8 bits leaves.
_LEAST_FLICKER = 0.05
# The least the target's own picture must fail its flow by (grey levels), for the same reason.
_LEAST_WARPING = 0.1
_FLOW_WIDTH = 160


def measure(shots: Sequence[Shot]) -> dict[str, float]:
    """All figures of this module; those of which nothing could be measured are left out.  Needs three shots in a row."""
    swapped = [shot for shot in shots if shot.mask.any()]
    return jitter(swapped) | flicker(swapped) | warping(swapped)


def fast(values: Reals) -> Reals:
    """The fast part of a series (n, ...): second differences over sqrt(6), (n - 2, ...); white noise keeps its deviation."""
    return np.asarray((values[2:] - 2 * values[1:-1] + values[:-2]) / np.sqrt(6.0), np.float64)


def jitter(shots: Sequence[Shot]) -> dict[str, float]:
    """The fast part of what the swap adds to the landmarks' motion; RMS over points and frames.

    `jitter_px` is of the difference after - before, which holds the noise of two measurements; `jitter_ratio` compares the
    fast parts of both motions, target's own acceleration included.
    """
    added, theirs, ours, sizes = [], [], [], []
    for stretch in zone.runs([shot for shot in shots if shot.before is not None and shot.after is not None]):
        seen = [(shot.before, shot.after) for shot in stretch if shot.before is not None and shot.after is not None]
        if len(seen) < 3:
            continue
        before, after = (np.array([pair[side][:VERTICES, :2] for pair in seen], np.float64) for side in (0, 1))
        sizes += [zone.eye_distance(pair[0]) for pair in seen]
        added.append((fast(after - before) ** 2).sum(axis=2))
        theirs.append((fast(before) ** 2).sum(axis=2))
        ours.append((fast(after) ** 2).sum(axis=2))
    if not added:
        return {}
    pixels, target, result = (float(np.sqrt(np.concatenate(part).mean())) for part in (added, theirs, ours))
    size = float(np.mean(sizes))
    figures = {
        "jitter_px": pixels,
        "jitter_percent": 100 * pixels / size,
        "jitter_target_percent": 100 * target / size,
        "jitter_ratio": result / target if target > 1e-6 else None,
    }
    return zone.known(figures)


def flicker(shots: Sequence[Shot]) -> dict[str, float]:
    """The fast part of brightness, RMS in grey levels: in 8 x 8 cells that move with the face, and of the face as a whole.

    `flicker_still_ratio` is over the frames in which the head hardly moves, where a camera's picture hardly changes either;
    `flicker_added_levels` is of the difference result - target, from which most of the motion has gone.
    """
    triples = [triple for stretch in zone.runs(shots) for triple in zip(stretch, stretch[1:], stretch[2:], strict=False)]
    found = [(_fast_cells(triple), _still(triple)) for triple in triples]
    if not found:
        return {}
    target, result, shown = (np.array([part[0][side] for part in found]) for side in range(3))
    still = np.array([calm for _, calm in found])
    whole = [(part * shown).sum(axis=1) / shown.sum(axis=1) for part in (target, result)]
    figures = {
        "flicker_levels": _rms(result, shown),
        "flicker_target_levels": _rms(target, shown),
        "flicker_added_levels": _rms(result - target, shown),
        "flicker_whole_levels": _rms(whole[1]),
        "flicker_ratio": _ratio(_rms(result, shown), _rms(target, shown), _LEAST_FLICKER),
        "flicker_whole_ratio": _ratio(_rms(whole[1]), _rms(whole[0]), _LEAST_FLICKER),
        "flicker_still_percent": 100 * float(still.mean()),
    }
    if still.any():
        ours, theirs = (_rms(side[still], shown[still]) for side in (result, target))
        figures["flicker_still_ratio"] = _ratio(ours, theirs, _LEAST_FLICKER)
    return figures


def _fast_cells(triple: Sequence[Shot]) -> tuple[Reals, Reals, Reals]:
    """The fast part of the cells (64,) in target and result about the middle of three frames, and how far each is covered.

    The three are brought into place as if the face had moved evenly: what trembles in the landmarks themselves then moves
    the first and the last frame in opposite ways, which second differences do not see.
    """
    first, second, third = (shot.landmarks for shot in triple)
    middle, pace = (first + second + third) / 3, (third - first) / 2
    places = [middle - pace, middle, middle + pace]
    target, result = (
        fast(np.array([cells(image, at) for image, at in zip(images, places, strict=True)]))[0]
        for images in ([shot.image for shot in triple], [shot.result for shot in triple])
    )
    return target, result, np.maximum(cells(triple[1].mask, middle) / 255, 1e-6)


def cells(image: Image, landmarks: Points) -> Reals:
    """Mean brightness (64,) of the cells of a face brought upright and to one size by its rigid landmarks (478, 3) px."""
    area = zone.box(landmarks, image.shape, 0.1)
    if area is None:
        return np.zeros(_CELLS * _CELLS)
    matrix = _upright(landmarks)
    matrix[:, 2] += matrix[:, :2] @ np.array(area[:2], np.float64)
    part = zone.cut(image, area)
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY) if part.ndim == 3 else part
    # A picture made smaller by more than two needs its average, not single pixels.
    while np.sqrt(abs(np.linalg.det(matrix[:, :2]))) < 0.6:
        grey = cv2.resize(grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        # The centre of pixel x of the half picture is at 2 x + 0.5 of the whole one.
        matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5])
        matrix[:, :2] *= 2
    flat = cv2.warpAffine(grey.astype(np.float32), matrix, (_FLAT, _FLAT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    side = _FLAT // _CELLS
    return np.asarray(flat.reshape(_CELLS, side, _CELLS, side).mean(axis=(1, 3)).ravel(), np.float64)


def warping(shots: Sequence[Shot]) -> dict[str, float]:
    """How badly each result follows from the one before by the target's own optical flow; mean grey levels under the patch.

    Lai et al. 2018, "Learning blind video temporal consistency", with DIS flow (Kroeger et al. 2016) and the target's own
    error beside it instead of a threshold for what is hidden.
    """
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    pairs = [_warped(flow, earlier, later) for stretch in zone.runs(shots) for earlier, later in pairwise(stretch)]
    measured = [pair for pair in pairs if pair is not None]
    if not measured:
        return {}
    ours, theirs = np.array(measured).mean(axis=0)
    return {
        "warping_error_levels": float(ours),
        "warping_target_levels": float(theirs),
        "warping_ratio": _ratio(float(ours), float(theirs), _LEAST_WARPING),
    }


def _warped(flow: Any, earlier: Shot, later: Shot) -> tuple[float, float] | None:
    """Errors of result and target of one pair of frames."""
    both = np.concatenate([earlier.landmarks, later.landmarks])
    area = zone.box(both, later.image.shape, 0.1)
    if area is None:
        return None
    left, top, right, bottom = area
    factor = min(1.0, _FLOW_WIDTH / (right - left))
    # The flow needs at least 12 px or so.
    size = (max(16, round((right - left) * factor)), max(16, round((bottom - top) * factor)))

    def small(image: Image) -> Image:
        return np.asarray(cv2.resize(zone.cut(image, area), size, interpolation=cv2.INTER_AREA), np.uint8)

    old, new, before, after = (
        np.asarray(cv2.cvtColor(small(image), cv2.COLOR_BGR2GRAY), np.uint8)
        for image in (earlier.image, later.image, earlier.result, later.result)
    )
    shown = np.minimum(small(earlier.mask), small(later.mask)) > 127
    if shown.sum() < 64:
        return None
    way = flow.calc(new, old, None)
    across, down = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))

    def error(previous: Image, current: Image) -> float:
        x, y = across + way[..., 0], down + way[..., 1]
        moved = cv2.remap(previous.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return float(np.abs(moved - current)[shown].mean())

    return error(before, after), error(old, new)


def _upright(landmarks: Points) -> Reals:
    """Similarity (2, 3) from the frame to the flat face, by the rigid points."""
    flat = (MEAN[RIGID, :2] + np.array([0.0, -0.35])) * _FLAT * 0.36 + _FLAT / 2 - 0.5
    seen = landmarks[RIGID, :2].astype(np.float64)
    start, goal = seen.mean(axis=0), flat.mean(axis=0)
    first, second = seen - start, flat - goal
    along = float((first * second).sum())
    across = float((first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum())
    linear = np.array([[along, -across], [across, along]]) / max(float((first**2).sum()), 1e-9)
    return np.column_stack([linear, goal - linear @ start])


def _still(triple: Sequence[Shot]) -> bool:
    """Whether no rigid point moves further than the limit from frame to frame."""
    return all(
        float(np.linalg.norm((later.landmarks - earlier.landmarks)[RIGID, :2], axis=1).max()) < _STILL * zone.eye_distance(later.landmarks)
        for earlier, later in pairwise(triple)
    )


def _rms(values: Reals, say: Reals | None = None) -> float:
    return float(np.sqrt(np.average(values**2, weights=say)))


def _ratio(ours: float, theirs: float, least: float) -> float:
    return float((ours + least) / (theirs + least))


__all__ = ["cells", "fast", "flicker", "jitter", "measure", "warping"]
