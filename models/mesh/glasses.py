"""Glasses on a face, in texture space: rims, bridge, the beginnings of the temples, and glare on the lenses.

A rim is a closed path of thin, odd-coloured texels about each eye; a brow, a bag under the eye or a wrinkle is a part of
such a path at most.  So the best closed path is sought (dynamic programming over angle and radius), and glasses are
believed only where its lower half, which no brow follows, stands out about both eyes, and a bar crosses the nose as well.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from models.fill import push_pull
from models.mesh.skin import plain_zone
from models.mesh.topology import LEFT_EYE, RIGHT_EYE, UV

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SIZE = 192
_ANGLES, _RADII = 72, 28
_NEAREST, _FURTHEST = 0.07, 0.21
# What is wider than this (texels) is no rim.
_WIDEST = 17
# Lab, 0..255 a channel.  Of 128 portraits those with glasses have evidence above 4.3 (but for one blurred, rimless pair),
# those without below 2.7.
_RIM, _BRIDGE, _ENOUGH = 16.0, 30.0, 3.5
# Where cheeks are smoother than this, rims may be fainter; by how much they have to stand out there.
_SMOOTH = 3.2
_FAINT_BRIDGE, _FAINT_RIM = 1.9, 0.95
_CAP = 30.0
# Half of a rim's greatest thickness, texels.
_THICK = 4
_LOWER = slice(4, 33)
_CENTRES = np.stack([UV[RIGHT_EYE].mean(axis=0), UV[LEFT_EYE].mean(axis=0)])


class Signs(NamedTuple):
    """What in a face looks like glasses; `plain` or `faint` above 0: it wears some.

    odd: (SIZE, SIZE), how far each texel is off its surroundings.  lab, middle: (SIZE, SIZE, 3), the face and those
    surroundings, 0..255.  rims: by eye, radius and oddity by angle.  row: of the bridge.  rough: oddity of plain skin.
    """

    odd: Floats
    lab: Floats
    middle: Floats
    rims: list[tuple[NDArray[np.int64], Floats]]
    row: int
    rough: float
    plain: float
    faint: float


def glasses(texture: Bytes, known: Mask) -> Floats:
    """How sure it is that a texel shows glasses, float32 0..1 in the texture's size; 0 everywhere without glasses.

    texture: (s, s, 3) uint8 BGR, an unwrapped face.  known: (s, s) bool, where it was seen.
    """
    return np.asarray(cv2.resize(outline(signs(texture, known)), texture.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def signs(texture: Bytes, known: Mask) -> Signs:
    """Look for glasses in a face as for `glasses`; where they are is a question for `outline`."""
    odd, lab, middle = _odd(texture, known)
    rims = [_rim(odd, eye) for eye in range(2)]
    across = min(float(np.minimum(odd_there[_LOWER], _CAP).mean()) for _, odd_there in rims)
    row, over = _bridge(lab, middle)
    plain = (across - _RIM) / 2.0 + (over - _BRIDGE) / 4.0 - _ENOUGH
    rough = float(np.median(odd[_cheeks()]))
    faint = _faint(odd, lab, rims, rough) if rough < _SMOOTH else -np.inf
    return Signs(odd, lab, middle, rims, row, rough, plain, faint)


def outline(found: Signs) -> Floats:
    """How sure it is that a texel shows glasses, (SIZE, SIZE) float32 0..1."""
    sure = 1 / (1 + np.exp(-np.clip(4.0 * max(found.plain, found.faint), -20, 20)))
    if sure < 0.5:
        return np.zeros((SIZE, SIZE), np.float32)
    frame = _frame(found.odd, found.rims, found.row, float(np.clip(2.2 * found.rough / 9.0, 0.38, 1.0)))
    mask = np.maximum(np.maximum(frame, _thick(found.lab, found.rims)), _glare(found.lab, found.middle, found.rims))
    return np.asarray(mask * np.float32(sure), np.float32)


def _odd(texture: Bytes, known: Mask) -> tuple[Floats, Floats, Floats]:
    """How far each texel is off its surroundings (SIZE, SIZE), the picture in Lab, and those surroundings."""
    small = cv2.resize(texture, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    seen = (cv2.resize(known.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA) > 0.99).astype(np.float32)
    whole = np.clip(push_pull(small, seen), 0, 255).astype(np.uint8)
    lab = cv2.cvtColor(whole, cv2.COLOR_BGR2LAB)
    middle = cv2.medianBlur(lab, _WIDEST).astype(np.float32)
    away = lab.astype(np.float32) - middle
    return np.sqrt((away**2).sum(axis=2)), lab.astype(np.float32), middle


@functools.cache
def _rays(eye: int) -> tuple[Floats, Floats]:
    """Texels (radii, angles) about an eye; the first angle points to the temple, a quarter further down."""
    angles = np.arange(_ANGLES) / _ANGLES * 2 * np.pi
    outward = -1.0 if _CENTRES[eye, 0] < 0.5 else 1.0
    radii = np.linspace(_NEAREST, _FURTHEST, _RADII)[:, None]
    # Lenses are wider than high, and hang a little below the eyes.
    x = _CENTRES[eye, 0] + outward * np.cos(angles) * radii
    y = _CENTRES[eye, 1] + 0.02 + 0.85 * np.sin(angles) * radii
    return (x * (SIZE - 1)).astype(np.float32), (y * (SIZE - 1)).astype(np.float32)


def _rim(odd: Floats, eye: int) -> tuple[NDArray[np.int64], Floats]:
    """The closed path that stands out most: its radius (angles,) as an index, and how far its texels are off."""
    x, y = _rays(eye)
    rays = cv2.remap(odd, x, y, cv2.INTER_LINEAR)
    path = _best_path(np.ascontiguousarray(np.minimum(rays, _CAP).T / 10.0, np.float32))
    return path, np.asarray(rays[path, np.arange(_ANGLES)], np.float32)


@numba.njit(cache=True, nogil=True)
def _best_path(gain: Floats) -> NDArray[np.int64]:
    """Radius by angle with the greatest sum of `gain` (angles, radii), each step at most one radius further; it closes."""
    angles, radii = gain.shape
    best, after = gain[0].copy(), np.empty(radii, np.float32)
    ways = np.zeros((2 * angles, radii), np.int64)
    # Twice about, so that the middle of the path closes on itself.
    for k in range(1, 2 * angles):
        for r in range(radii):
            value, way = best[r], r
            for other in (r - 1, r + 1):
                if 0 <= other < radii and best[other] - 0.6 > value:
                    value, way = best[other] - 0.6, other
            after[r] = value + gain[k % angles, r]
            ways[k, r] = way
        best[:] = after
    path = np.zeros(angles, np.int64)
    place = int(np.argmax(best))
    for k in range(2 * angles - 1, angles // 2 - 1, -1):
        if k < angles // 2 + angles:
            path[k % angles] = place
        place = ways[k, place]
    return path


def _bridge(lab: Floats, middle: Floats) -> tuple[int, float]:
    """Row of the darkest or most coloured bar across the nose, and how far off its surroundings it is."""
    level = float(_CENTRES[:, 1].mean())
    rows = slice(round((level - 0.09) * SIZE), round((level + 0.09) * SIZE))
    columns = slice(round(0.475 * SIZE), round(0.525 * SIZE) + 1)
    away = (lab - middle)[rows, columns]
    # Noses shine: what is only brighter is no bar.
    away[..., 0] = np.where(away[..., 0] > 0, 0.4 * away[..., 0], away[..., 0])
    bars = np.minimum(np.sqrt((away**2).sum(axis=2)), 60.0).mean(axis=1)
    return rows.start + int(bars.argmax()), float(bars.max())


def _faint(odd: Floats, lab: Floats, rims: list[tuple[NDArray[np.int64], Floats]], rough: float) -> float:
    """Evidence for thin rims in a picture that many frames of a video were averaged to: by what its own skin is like.

    Skin is smooth there, so that a bar across the nose, bright or dark, and rims against both their sides tell enough.
    """
    beside, there = [], []
    for eye, (path, along) in enumerate(rims):
        rays = cv2.remap(odd, *_rays(eye), cv2.INTER_LINEAR)
        sides = [rays[np.clip(path + way, 0, _RADII - 1), np.arange(_ANGLES)][_LOWER] for way in (-7, -6, -5, 5, 6, 7)]
        beside.append(float(np.mean(sides)))
        there.append(float(along[_LOWER].mean()))
    level = float(_CENTRES[:, 1].mean())
    rows = slice(round((level - 0.09) * SIZE), round((level + 0.09) * SIZE))
    profile = lab[:, round(0.475 * SIZE) : round(0.525 * SIZE) + 1].mean(axis=1)
    around = np.median(np.lib.stride_tricks.sliding_window_view(profile[rows.start - 6 : rows.stop + 6], 13, axis=0), axis=-1)
    bar = float(np.sqrt(((profile[rows] - around) ** 2).sum(axis=1)).max())
    return min((bar / (rough + 3.0) - _FAINT_BRIDGE) / 0.2, (float(np.mean(there)) / (float(np.mean(beside)) + 2.0) - _FAINT_RIM) / 0.05)


@functools.cache
def _cheeks() -> Mask:
    """(SIZE, SIZE) bool, plain skin below the lenses."""
    plain = cv2.resize(plain_zone().astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) > 0
    plain[: SIZE // 2] = False
    return np.asarray(plain)


def _frame(odd: Floats, rims: list[tuple[NDArray[np.int64], Floats]], row: int, least: float) -> Floats:
    """Rims, bridge and temples: odd texels along the paths, and those that hang on them.

    least: 0..1, the less, the fainter the lines that count.
    """
    limit = np.full((SIZE, SIZE), np.inf, np.float32)
    for eye, (path, there) in enumerate(rims):
        x, y = (plane[path, np.arange(_ANGLES)] for plane in _rays(eye))
        strength = np.mean([np.roll(np.minimum(there, 60.0), shift) for shift in range(-2, 3)], axis=0)
        for k in np.flatnonzero(there > 9 * least):
            cv2.circle(limit, (round(float(x[k])), round(float(y[k]))), _THICK, max(9.0 * least, 0.45 * float(strength[k])), -1)
    bar = slice(row - 5, row + 6), slice(round(0.42 * SIZE), round(0.58 * SIZE) + 1)
    limit[bar] = np.minimum(limit[bar], 14.0 * least)
    strong = (odd > 12.0 * least).astype(np.uint8)
    mask = (odd > limit).astype(np.uint8)
    # Temples run outwards from the rims to the ears.
    level = round(float(_CENTRES[:, 1].mean()) * SIZE)
    beside = np.zeros_like(mask)
    beside[level - 16 : level + 14, : round(0.24 * SIZE)] = 1
    beside[level - 16 : level + 14, -round(0.24 * SIZE) :] = 1
    long = cv2.morphologyEx(strong & beside, cv2.MORPH_OPEN, np.ones((1, 9), np.uint8))
    _, pieces = cv2.connectedComponents(np.asarray(mask | long, np.uint8))
    hanging = np.isin(pieces, np.unique(pieces[(mask > 0) & (pieces > 0)]))
    mask = mask | (long & hanging.astype(np.uint8))
    mask = cv2.morphologyEx(np.asarray(mask, np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 0.8), np.float32)


def _thick(lab: Floats, rims: list[tuple[NDArray[np.int64], Floats]]) -> Floats:
    """The lower rims where they are too thick to be lines: along the paths, and far darker or of another hue than cheeks."""
    along = np.zeros((SIZE, SIZE), np.uint8)
    for eye, (path, _) in enumerate(rims):
        x, y = _rays(eye)
        for way in range(-3, 8, 2):
            angle = np.arange(-4, 37)
            radius = np.clip(path + way, 0, _RADII - 1)[angle]
            outline = np.stack([x[radius, angle], y[radius, angle]], axis=1)
            cv2.polylines(along, [np.rint(outline).astype(np.int32)], False, 1, 2)
    off = lab - np.median(lab[_cheeks()], axis=0)
    far = (off[..., 0] < -60) | (np.hypot(off[..., 1], off[..., 2]) > 24)
    found = cv2.morphologyEx((far & (along > 0)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return np.asarray(cv2.GaussianBlur(cv2.dilate(found, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 0.8), np.float32)


def _glare(lab: Floats, middle: Floats, rims: list[tuple[NDArray[np.int64], Floats]]) -> Floats:
    """Reflections: bright or bluish spots within the rims."""
    lenses = np.zeros((SIZE, SIZE), np.uint8)
    for eye, (path, _) in enumerate(rims):
        outline = np.stack([plane[path, np.arange(_ANGLES)] for plane in _rays(eye)], axis=1)
        cv2.fillPoly(lenses, [np.rint(outline).astype(np.int32)], 1)
    tone = np.median(middle[round(0.55 * SIZE) : round(0.65 * SIZE), round(0.2 * SIZE) : round(0.8 * SIZE)].reshape(-1, 3), axis=0)
    off = lab - tone
    grey = np.hypot(*(tone[1:] - 128)) - np.hypot(lab[..., 1] - 128, lab[..., 2] - 128)
    spots = ((off[..., 0] > 34) & (grey > 6)) | (off[..., 2] < -26)
    found = cv2.morphologyEx((spots & (lenses > 0)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return np.asarray(cv2.GaussianBlur(cv2.dilate(found, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 0.8), np.float32)
