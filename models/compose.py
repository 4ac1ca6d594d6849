"""Setting a generated face into a picture: seam, sharpness, grain and the mixing itself; for every engine alike."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from models.fill import push_pull

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SMALL = 56
# A boundary difference of this many grey levels is more likely hair, a collar or background than light.
_UNLIKELY = 30.0
_HUE = 0.4
_BLURS = (0.0, 0.5, 0.8, 1.2, 1.7, 2.4)
# What white noise of deviation 1 leaves between blurs of 0.7 and 1.4 px.
_NOISE_GAIN = 0.28
# What is left of the rim's difference in the middle of a face, and the share of its width over which it falls off.
_MIDDLE, _INWARDS = 0.3, 0.15


def membrane(target: Bytes, patch: Bytes, mask: Bytes) -> Floats:
    """What must be added to the patch so that it meets the target without a seam: (s, s, 3) float32, a small picture.

    target, patch: (h, w, 3) uint8; the patch is black where nothing was drawn.  mask: (h, w) uint8.
    The difference along the outline is spread inwards (a membrane: Perez et al. 2003, "Poisson image editing",
    by push-pull instead of a solver).  Holes of the mask (eyes, mouth) have no say.
    """
    height, width = mask.shape
    size = (min(_SMALL, width), min(_SMALL, height))
    opacity = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    ring = _outline(opacity)
    drawn = cv2.threshold(patch[..., 1], 0, 255, cv2.THRESH_BINARY)[1]
    cover = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    ours = cv2.resize(patch, size, interpolation=cv2.INTER_AREA).astype(np.float32) / np.maximum(cover, 0.05)[..., None]
    difference = cv2.resize(target, size, interpolation=cv2.INTER_AREA).astype(np.float32) - ours
    likely = 1.0 / (1.0 + (np.abs(difference).max(axis=2) / _UNLIKELY) ** 4)
    # The pyramid trusts a lone doubtful pixel more the wider it looks, so doubtful ones are left out altogether.
    weight = np.where(ring & (cover > 0.5) & (likely > 0.3), likely, 0.0).astype(np.float32)
    # Hue at the rim is that of hair, beard and collar shining in; what a wrong light leaves over is brightness.
    grey = difference.mean(axis=2, keepdims=True)
    spread = push_pull(grey + _HUE * (difference - grey), weight)
    # In the middle the light was fitted to the skin itself, which is surer than the rim, where hair and collar shine in.
    inwards = cv2.distanceTransform(cv2.threshold(opacity, 128, 255, cv2.THRESH_BINARY)[1], cv2.DIST_L2, 3)
    return np.asarray(spread * (_MIDDLE + (1 - _MIDDLE) * np.exp(inwards / -max(_INWARDS * min(size), 1.0)))[..., None], np.float32)


def _outline(opacity: Bytes) -> NDArray[np.bool_]:
    """Pixels of the fading outer rim: half-covered ones that the outside reaches without crossing the face."""
    height, width = opacity.shape
    passable = np.zeros((height + 2, width + 2), np.uint8)
    passable[1:-1, 1:-1] = opacity > 242
    barrier = np.pad(passable, 1, constant_values=1)
    reached = passable.copy()
    cv2.floodFill(reached, barrier, (0, 0), 2)
    return np.asarray((reached[1:-1, 1:-1] == 2) & (opacity > 8))


def noise_level(image: Bytes) -> float:
    """Standard deviation of the camera's noise in grey levels.

    Source: Immerkaer 1996, "Fast noise variance estimation"; the median instead of the mean keeps edges out.
    """
    if min(image.shape[:2]) < 8:
        return 0.0
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(grey, cv2.CV_32F, kernel))[1:-1, 1:-1]
    return float(np.median(response) / 0.6745 / 6.0)


def softness(target: Bytes, patch: Bytes, mask: Bytes) -> float:
    """How far a patch has to be blurred, standard deviation in pixels, to look as sharp as the target where the mask shows it.

    target, patch: (h, w, 3) uint8.  mask: (h, w) uint8.  0..2.4; 0 where too little is shown.
    What tells a soft lens is not how much detail there is, which differs between people, but how much finer detail is
    left for each bit of coarser detail; noise is taken off the finer one.
    """
    # A patch that is cut to a line at the frame's edge has no middle left to look at.
    shown = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 250 if mask.size else np.zeros(mask.shape, np.bool_)
    if shown.sum() < 64:
        return 0.0
    theirs, ours = (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) for image in (target, patch))
    wanted = _fineness(theirs, shown, 0.0, noise_level(target))
    found = [_fineness(ours, shown, blur, 0.0) for blur in _BLURS]
    # Fineness falls with blur; where it crosses the wanted one lies the answer.
    return float(np.interp(-wanted, -np.minimum.accumulate(found), _BLURS))


def _fineness(grey: Floats, shown: NDArray[np.bool_], blur: float, noise: float) -> float:
    """Deviation of detail of about a pixel against that of about two, in a picture blurred by so much."""
    levels = [cv2.GaussianBlur(grey, (0, 0), float(np.hypot(sigma, blur))) for sigma in (0.7, 1.4, 2.8)]
    fine, coarse = (float((first - second)[shown].std()) for first, second in pairwise(levels))
    return float(np.sqrt(max(fine**2 - (_NOISE_GAIN * noise) ** 2, 0.0))) / max(coarse, 0.2)


@numba.njit(cache=True, nogil=True, fastmath=True)
def merge(area: Bytes, patch: Bytes, mask: Bytes, seam: Floats, grain: Bytes, amount: float, opacity: float) -> None:
    """Mix a patch into the frame's area, in place.

    area, patch: (h, w, 3) uint8.  mask: (h, w) uint8.  seam: (s, t, 3) float32, stretched over the area and added.
    grain: at least (h, w) uint8 noise about 128, times `amount`.  opacity: 0..1.
    """
    height, width = mask.shape
    rows, columns = seam.shape[:2]
    zero, half = np.float32(0.0), np.float32(0.5)
    step_y, step_x = np.float32(rows / height), np.float32(columns / width)
    strength = np.float32(opacity / 255.0)
    loud = np.float32(amount)
    # Where in the seam each column lies is the same in every line, and the two seam lines about a line are mixed once for it.
    cells, shares = np.empty(width, np.int32), np.empty(width, np.float32)
    for x in range(width):
        fx = min(max((np.float32(x) + half) * step_x - half, zero), np.float32(columns - 1))
        cells[x] = int(fx)
        shares[x] = fx - np.float32(cells[x])
    line = np.empty((columns + 1, 3), np.float32)
    for y in range(height):
        fy = min(max((np.float32(y) + half) * step_y - half, zero), np.float32(rows - 1))
        y0 = int(fy)
        y1 = min(y0 + 1, rows - 1)
        wy = fy - np.float32(y0)
        for x in range(columns + 1):
            for k in range(3):
                cell = min(x, columns - 1)
                line[x, k] = seam[y0, cell, k] + wy * (seam[y1, cell, k] - seam[y0, cell, k])
        for x in range(width):
            if mask[y, x] == 0:
                continue
            alpha = mask[y, x] * strength
            x0 = cells[x]
            noise = (np.float32(grain[y, x]) - np.float32(128.0)) * loud
            for k in range(3):
                value = np.float32(patch[y, x, k]) + line[x0, k] + shares[x] * (line[x0 + 1, k] - line[x0, k]) + noise
                value = min(max(value, zero), np.float32(255.0))
                below = np.float32(area[y, x, k])
                area[y, x, k] = np.uint8(below + alpha * (value - below) + half)
