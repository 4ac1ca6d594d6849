"""What the generator sees of a face: the target with its inside hidden behind its own smooth skin light, and the guide.

The true face of the target must not shine through, or the generator would give it back; of the inside it is told only how
light and coloured the skin is, smoothly, without brows, eyes or lips.  Everything else of the face comes from the guide.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.align import five, similarity, template
from models.mesh.topology import BROWS, LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

SIDE = 128
"""Of the crop in pixels."""
TEMPLATE = "ffhq_512"
CHANNELS = 7
"""Of a view: hidden target (3), guide (3), guide's mask (1)."""
OUTSIDE, FEATURE, SKIN = 0, 1, 2
"""What a pixel of a zone map shows."""
# Holes for eyes, brows and lips are grown about their own middle: lashes and lip contour stay out of the light.
_GROWN = 1.3
# Light is measured in a crop this large, blurred by this many of its pixels: about a twelfth of a face's width.
LIGHT_SIDE, LIGHT_BLUR = 32, 1.5
# Each pixel's hint of light where no skin is near, so that nothing is divided by nothing.
LIGHT_FLOOR = 0.003
# The hidden inside fades into the picture over this many pixels inside the face's outline.
EDGE = 2.0


def placing(landmarks: Floats, side: int = SIDE) -> Reals:
    """The matrix (2, 3) from the picture of landmarks (478, 2 or 3) px to the crop of `side` px."""
    return similarity(five(landmarks), template(TEMPLATE, side))


def zones(landmarks: Floats, size: tuple[int, int] = (SIDE, SIDE)) -> Bytes:
    """Where in a picture of a size (height, width) lie skin, features and the outside: uint8.  landmarks: (468+, 2 or 3) px in it."""
    drawn = np.zeros(size, np.uint8)
    cv2.fillPoly(drawn, [np.rint(landmarks[OVAL, :2]).astype(np.int32)], SKIN)
    features = np.zeros_like(drawn)
    for part in (RIGHT_EYE, LEFT_EYE, OUTER_LIPS, BROWS[:10], BROWS[10:]):
        outline = landmarks[part, :2]
        middle = outline.mean(axis=0)
        hull = cv2.convexHull(np.rint(middle + _GROWN * (outline - middle)).astype(np.int32))
        cv2.fillConvexPoly(features, hull, FEATURE)
    return np.asarray(np.where((features > 0) & (drawn > 0), np.uint8(FEATURE), drawn), np.uint8)


def skin_light(crop: Floats, skin: Floats) -> Floats:
    """The smooth light and colour of the skin (side, side, 3), everywhere, also where there is none.

    crop: (side, side, 3) float32.  skin: (side, side) float32 0..1, where it shows skin.
    A normalised convolution: Knutsson and Westin 1993, "Normalized and differential convolution".
    """
    weighted = cv2.merge([*(plane * skin for plane in cv2.split(crop)), skin])
    small = cv2.resize(weighted, (LIGHT_SIDE, LIGHT_SIDE), interpolation=cv2.INTER_AREA)
    mean = small[..., :3].sum(axis=(0, 1)) / max(float(small[..., 3].sum()), 1e-6)
    small = cv2.GaussianBlur(small, (13, 13), LIGHT_BLUR, borderType=cv2.BORDER_REPLICATE)
    weight = small[..., 3:]
    light = (small[..., :3] + LIGHT_FLOOR * mean) / (weight + LIGHT_FLOOR)
    return np.asarray(cv2.resize(light, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def view(target: Bytes, guide: Bytes, mask: Bytes, zone: Bytes) -> Floats:
    """The generator's input (1, 7, side, side) float32, RGB 0..1.

    target, guide: (side, side, 3) uint8 BGR crops.  mask: (side, side) uint8, 255 where the guide replaces the target.
    zone: of `zones`.
    """
    picture = target.astype(np.float32) / 255.0
    cover = mask.astype(np.float32) / 255.0
    # What stays on top of the face is not skin, and would tint the light.
    seen = (zone == SKIN) * cover
    inside = cv2.GaussianBlur((zone != OUTSIDE).astype(np.float32), (0, 0), EDGE)
    inside = np.clip(2 * inside - 1, 0.0, 1.0)
    light = skin_light(picture, np.asarray(seen, np.float32))
    whole = np.empty((CHANNELS, *mask.shape), np.float32)
    # Plane by plane, red first: several times as fast as pixel by pixel.
    planes = (cv2.split(image)[::-1] for image in (picture, light, guide))
    for channel, (shown, smooth, ours) in enumerate(zip(*planes, strict=True)):
        hidden = shown + inside * (smooth - shown)
        whole[channel] = hidden
        whole[channel + 3] = hidden + cover * (ours.astype(np.float32) / 255.0 - hidden)
    whole[-1] = cover
    return whole[None]


__all__ = ["CHANNELS", "SIDE", "TEMPLATE", "placing", "skin_light", "view", "zones"]
