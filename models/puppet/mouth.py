"""What is seen when lips part: the photo's own teeth where it shows them, else a dark mouth with a row of teeth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Inner edges of the lips from corner to corner (both rows hold both corners), and all points of either lip.
UPPER = np.array([78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308], np.int32)
LOWER = np.array([78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308], np.int32)
COLUMNS = len(UPPER)
UPPER_LIP = np.concatenate(
    [
        [185, 40, 39, 37, 0, 267, 269, 270, 409, 184, 74, 73, 72, 11, 302, 303, 304, 408],
        [183, 42, 41, 38, 12, 268, 271, 272, 407, 191, 80, 81, 82, 13, 312, 311, 310, 415],
    ],
    dtype=np.int32,
)
LOWER_LIP = np.concatenate(
    [
        [146, 91, 181, 84, 17, 314, 405, 321, 375, 77, 90, 180, 85, 16, 315, 404, 320, 307],
        [96, 89, 179, 86, 15, 316, 403, 319, 325, 95, 88, 178, 87, 14, 317, 402, 318, 324],
    ],
    dtype=np.int32,
)
# Colours in BGR of a mouth in full light: its depth, tongue and teeth.
_DEPTH = np.array([22, 16, 38], np.float32)
_TONGUE = np.array([72, 66, 128], np.float32)
_TEETH = np.array([172, 190, 202], np.float32)
_SKIN = np.array([132, 150, 190], np.float32)


def behind(image: Bytes, landmarks: Floats, across: Floats) -> tuple[Bytes, Floats]:
    """A picture of the inside of the mouth, and the place (2,) of its first pixel in the photo.

    image: (h, w, 3) uint8.  landmarks: (478, 3) px in it.  across: (2,) unit vector from eye to eye.
    """
    corners = landmarks[[78, 308], :2]
    middle = corners.mean(axis=0)
    half = max(float(np.linalg.norm(corners[1] - corners[0])) / 2, 3.0)
    origin = np.floor(middle - 1.8 * half)
    side = int(np.ceil(3.6 * half)) + 1
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32)
    local = np.stack([xs, ys], axis=2) + origin.astype(np.float32) - middle
    down = np.array([-across[1], across[0]], np.float32)
    u, v = local @ across / half, local @ down / half
    edge = float(((landmarks[13, :2] - middle) @ down) / half)
    gap = float(((landmarks[14, :2] - landmarks[13, :2]) @ down) / half)
    own = gap > 0.12
    # Lit as the cheeks are, in brightness and half in hue: white teeth in a warm photo look blue.
    light = np.clip(np.median(image[_around(landmarks, image.shape)], axis=0) / _SKIN, 0.15, 1.3)
    inside = _painted(u, v - edge, teeth=not own) * np.sqrt(light * light.mean())
    if own:
        x, y = origin.astype(int)
        photo = cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_REPLICATE)[y + side : y + 2 * side, x + side : x + 2 * side]
        outline = np.concatenate([landmarks[UPPER, :2], landmarks[LOWER[::-1], :2]]) - origin
        mask = np.zeros((side, side), np.uint8)
        cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 255, shift=4)
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.6, 0.02 * half))[..., None] / np.float32(255)
        inside = photo * soft + inside * (1 - soft)
    return np.asarray(np.clip(np.rint(inside), 0, 255), np.uint8), origin.astype(np.float32)


def _around(landmarks: Floats, shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pixels of the cheeks: how brightly the face is lit."""
    points = np.rint(landmarks[[50, 280, 205, 425, 101, 330], :2]).astype(np.intp)
    return np.clip(points[:, 1], 0, shape[0] - 1), np.clip(points[:, 0], 0, shape[1] - 1)


def _painted(u: Floats, v: Floats, teeth: bool) -> Floats:
    """A mouth from its corner at u = -1 to 1 at u = 1, v down from the upper lip in the same unit."""
    colour = np.broadcast_to(_DEPTH, (*u.shape, 3)).astype(np.float32)
    tongue = np.clip(1.2 - (u / 0.62) ** 2 - ((v - 0.78) / 0.34) ** 2, 0, 1)[..., None]
    colour += (_TONGUE - colour) * tongue * 0.75
    if teeth:
        length = 0.3 * np.sqrt(np.clip(1 - (u / 0.86) ** 2, 0, 1)) + 0.015 * np.cos(u * 16)
        row = np.clip((length - v) / 0.05, 0, 1) * np.clip((0.86 - np.abs(u)) / 0.12, 0, 1)
        shade = (1 - 0.55 * u**2) * np.clip(0.62 + v * 1.6, 0.5, 1)
        gaps = 1 - 0.22 * np.exp(-((np.abs(np.mod(u / 0.2 + 0.5, 1.0) - 0.5) / 0.09) ** 2)) * (np.abs(u) > 0.05)
        colour += (_TEETH * (shade * gaps)[..., None] - colour) * row[..., None]
    # The corners lie in the shadow of the lips.
    return np.asarray(colour * np.clip(1.15 - 0.6 * u**2, 0.3, 1)[..., None], np.float32)
