"""Whether the face looks as if the same camera had seen it: seam, lines on the skin, sharpness and noise against the target."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import zone
from benchmarks.quality.shot import Shot
from realtime.frame import Image

Reals = NDArray[np.float64]
Floats = NDArray[np.float32]

# The seam is looked at in a face this high, in so many sectors about its middle, from this far inside to this far outside.
_HEIGHT = 128
_SECTORS = 36
_REACH = 2.0
# The band of detail: what a blur of the second deviation takes away from a blur of the first.
_FINE, _COARSE = 0.8, 1.6
# How much of the skin, at its sharpest edges, tells of a line that no skin has.
_STRONGEST = 0.02
# How far inside the patch (share of its height) sharpness and noise are read: its fading rim is half target.
_INSIDE = 0.03
# Less noise than this (grey levels) is rounding and compression, not grain; less detail is a flat wall.
_LEAST = 0.15


def measure(shots: Sequence[Shot]) -> dict[str, float]:
    """All figures of this module; those of which nothing could be measured are left out."""
    swapped = [shot for shot in shots if shot.mask.any()]
    seams = [pair for shot in swapped if (pair := seam(shot)) is not None]
    looks = [quad for shot in swapped if (quad := look(shot)) is not None]
    new = [value for shot in swapped if (value := lines(shot)) is not None]
    figures: dict[str, float | None] = {}
    if new:
        figures["skin_lines_delta_e"] = float(np.mean(new))
    if seams:
        added, ours, theirs = (float(value) for value in np.array(seams).mean(axis=0))
        figures |= {"seam_step_delta_e": added, "seam_energy_delta_e": ours - theirs, "seam_target_delta_e": theirs}
    if looks:
        sharp, sharp_target, noise, noise_target = np.array(looks).mean(axis=0)
        figures["sharpness_ratio"] = float(sharp / sharp_target) if sharp_target > _LEAST else None
        figures["noise_ratio"] = float(noise / noise_target) if noise_target > _LEAST else None
        figures["noise_target_levels"] = float(noise_target)
    return zone.known(figures)


def seam(shot: Shot) -> tuple[float, float, float] | None:
    """Colour steps across the patch's outer boundary, delta E 1976: added by the swap, in the result, in the target.

    In a face 128 px high, 2 px inside the mask's 50 % contour against 2 px outside it (3 % of the face's height), averaged
    over 10 degrees of the contour before its size is taken: pores, noise and strands cancel, a seam does not.  The target
    has steps of its own there (jaw, hairline), beside which a seam's size alone would drown: what was added is the size of
    the difference of the two steps, 0 where the boundary is as it was.  None where there is no boundary.
    """
    area = _patch_box(shot.mask)
    if area is None:
        return None
    left, top, right, bottom = area
    factor = min(1.0, _HEIGHT / max(bottom - top, 1))
    size = (max(8, round((right - left) * factor)), max(8, round((bottom - top) * factor)))
    mask = np.asarray(cv2.resize(zone.cut(shot.mask, area), size, interpolation=cv2.INTER_AREA), np.uint8)
    inside, outside, sector = _across(mask)
    if len(sector) < 16:
        return None
    ours, theirs = (_steps(zone.cut(image, area), size, inside, outside, sector) for image in (shot.result, shot.image))
    added, result, target = (float(np.linalg.norm(steps, axis=1).mean()) for steps in (ours - theirs, ours, theirs))
    return added, result, target


def _steps(part: Image, size: tuple[int, int], inside: Floats, outside: Floats, sector: NDArray[np.int64]) -> Reals:
    """Mean Lab step (sectors, 3) across the boundary in each sector that it passes through."""
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    laboratory = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2LAB), np.float32)
    step = _at(laboratory, inside) - _at(laboratory, outside)
    counts = np.bincount(sector, minlength=_SECTORS)
    sums = np.stack([np.bincount(sector, step[:, channel], _SECTORS) for channel in range(3)], axis=1)
    return np.asarray(sums[counts > 0] / counts[counts > 0, None], np.float64)


def lines(shot: Shot) -> float | None:
    """The strongest lines on bare skin under the patch where the target has none; None where no skin is covered.

    Hair of a photo on the forehead, a smear or a ghost of lips or brows lies inside the patch, where no seam is looked for.
    Colour change over 3 % of the height of a face 128 px high, less the target's largest within another 3 %: the mean of the
    strongest 2 % of the skin, delta E 1976.
    """
    area = zone.box(shot.landmarks, shot.image.shape, 0.05)
    if area is None:
        return None
    left, top, right, bottom = area
    factor = min(1.0, _HEIGHT / max(bottom - top, 1))
    size = (max(8, round((right - left) * factor)), max(8, round((bottom - top) * factor)))
    scale = np.array([size[0] / (right - left), size[1] / (bottom - top)], np.float32)
    points = np.asarray((shot.landmarks[:, :2] - np.array([left, top], np.float32)) * scale, np.float32)
    covered = cv2.resize(zone.cut(shot.mask, area), size, interpolation=cv2.INTER_AREA)
    # As far from lids, lips and rim as the difference reaches, or those would be the strongest edges.
    reach = np.ones((7, 7), np.uint8)
    bare = cv2.erode(np.minimum(zone.skin(points, size[::-1]), np.asarray(covered, np.uint8)), reach, borderValue=0) > 127
    if bare.sum() < 64:
        return None
    ours, theirs = (_changes(zone.cut(image, area), size) for image in (shot.result, shot.image))
    new = np.maximum(ours - cv2.dilate(theirs, np.ones((9, 9), np.uint8)), 0)[bare]
    return float(np.sort(new)[-max(1, round(_STRONGEST * new.size)) :].mean())


def _changes(part: Image, size: tuple[int, int]) -> Floats:
    """Change of colour over 4 px, delta E, at every pixel of the part made so large."""
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    laboratory = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2LAB), (0, 0), 0.8)
    reach = int(_REACH)
    wide = cv2.copyMakeBorder(laboratory, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    across = wide[reach:-reach, 2 * reach :] - wide[reach:-reach, : -2 * reach]
    down = wide[2 * reach :, reach:-reach] - wide[: -2 * reach, reach:-reach]
    return np.asarray(np.sqrt((across**2).sum(axis=2) + (down**2).sum(axis=2)), np.float32)


def look(shot: Shot) -> tuple[float, float, float, float] | None:
    """Sharpness of result and target, noise of result and target, all in grey levels, well inside the patch."""
    area = _patch_box(shot.mask)
    if area is None:
        return None
    mask = zone.cut(shot.mask, area)
    radius = max(1, round(_INSIDE * mask.shape[0]))
    shown = cv2.erode(mask, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 250
    if shown.sum() < 256:
        return None
    ours, theirs = zone.cut(shot.result, area), zone.cut(shot.image, area)
    return sharpness(ours, shown), sharpness(theirs, shown), noise(ours, shown), noise(theirs, shown)


def sharpness(image: Image, shown: NDArray[np.bool_]) -> float:
    """Mean size of the finest detail in grey levels where `shown`, less what noise alone would make of it.

    A band-pass between blurs of 0.8 and 1.6 px; another measure than the one by which the blend stage blurs its patches.
    """
    grey = _grey(image)
    band = np.abs(cv2.GaussianBlur(grey, (0, 0), _FINE) - cv2.GaussianBlur(grey, (0, 0), _COARSE))[shown]
    heard = noise(image, shown) * _band_gain() * np.sqrt(2 / np.pi)
    return float(np.sqrt(max(0.0, float(band.mean()) ** 2 - heard**2)))


def noise(image: Image, shown: NDArray[np.bool_]) -> float:
    """Deviation of the noise in grey levels where `shown`.

    Immerkaer 1996, "Fast noise variance estimation", by the median so that edges have no say.
    """
    response = np.abs(cv2.filter2D(_grey(image), cv2.CV_32F, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)))
    return float(np.median(response[shown]) / 0.6745 / 6.0)


def _grey(image: Image) -> Floats:
    """Brightness without rounding, which would hide noise below one level."""
    return np.asarray(image.astype(np.float32) @ np.array([0.114, 0.587, 0.299], np.float32), np.float32)


def _band_gain() -> float:
    """Deviation that white noise of deviation 1 has in the band."""
    impulse = np.zeros((33, 33), np.float32)
    impulse[16, 16] = 1
    kernel = cv2.GaussianBlur(impulse, (0, 0), _FINE) - cv2.GaussianBlur(impulse, (0, 0), _COARSE)
    return float(np.sqrt((kernel**2).sum()))


def _patch_box(mask: Image) -> zone.Box | None:
    """The box of what the mask covers with a tenth around it."""
    x, y, width, height = cv2.boundingRect(mask)
    if width < 16 or height < 16:
        return None
    corners = np.array([[x, y], [x + width, y + height]], np.float32)
    return zone.box(corners, mask.shape, 0.1)


def _across(mask: Image) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Places (n, 2) inside and outside of the outer 50 % contour, and the sector (n,) of each about the middle."""
    contours, _ = cv2.findContours((mask > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    nothing = np.zeros((0, 2), np.float32)
    if not contours:
        return nothing, nothing, np.zeros(0, np.int64)
    outline = max(contours, key=cv2.contourArea)
    solid = cv2.drawContours(np.zeros(mask.shape, np.uint8), [outline], -1, 255, cv2.FILLED)
    places = outline[:, 0].astype(np.float32)
    # How the drawn-out outline falls off says which way is out, smoothly round its stairs.
    soft = cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 3.0)
    slope = np.stack([_at(cv2.Sobel(soft, cv2.CV_32F, 1, 0), places), _at(cv2.Sobel(soft, cv2.CV_32F, 0, 1), places)], axis=1)
    out = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
    # The contour runs through the outermost pixels that are in; the boundary itself lies half a pixel further out.
    inside, outside = places + (0.5 - _REACH) * out, places + (0.5 + _REACH) * out
    # Where the picture itself ends there is no seam.
    rim = _REACH + 1
    there = ((places >= rim) & (places <= np.array(mask.shape[::-1]) - 1 - rim)).all(axis=1)
    way = places - places.mean(axis=0)
    sector = ((np.arctan2(way[:, 1], way[:, 0]) / (2 * np.pi) + 0.5) * _SECTORS).astype(np.int64) % _SECTORS
    return inside[there], outside[there], sector[there]


def _at(picture: Floats, places: Floats) -> Floats:
    """Values of a float picture at places (n, 2), interpolated: (n,) or (n, channels)."""
    found = cv2.remap(picture, places[None, :, 0], places[None, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[0], np.float32)


__all__ = ["lines", "look", "measure", "noise", "seam", "sharpness"]
