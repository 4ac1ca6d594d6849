"""Which texels of a photo are skin, where hair, caps and background like to lie over a face."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.topology import BROWS, EYES, OUTER_LIPS, PLAIN_SKIN, TEXTURE_SIZE, UV, VERTICES
from models.mesh.unwrap import spread_many

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


def border_zone() -> Floats:
    """(512, 512) float32, 1 where hair may cover a face (forehead, temples, sides), 0 about eyes, nose, mouth and beard."""
    brow_line = float(UV[BROWS, 1].min()) - 0.01
    mouth_line = float(UV[OUTER_LIPS, 1].min())
    v, u = np.mgrid[0:TEXTURE_SIZE, 0:TEXTURE_SIZE].astype(np.float32) / (TEXTURE_SIZE - 1)
    # Between the outer corners of the eyes and the temples; locks beside the brows come in further.
    half = 0.34 - 0.045 * np.clip((float(UV[EYES[0], 1].mean()) - v) / 0.04, 0.0, 1.0)
    above = np.clip((brow_line - v) / 0.03, 0.0, 1.0)
    beside = np.clip((np.abs(u - 0.5) - half) / 0.04, 0.0, 1.0) * np.clip((mouth_line - v) / 0.05, 0.0, 1.0)
    # Below the mouth only the outermost rim is tested: a beard belongs to the face, a collar and long hair do not.
    jaw = np.clip((np.abs(u - 0.5) - 0.34) / 0.03, 0.0, 1.0)
    zone = np.maximum(np.maximum(above, beside), jaw).astype(np.float32)
    brows = np.zeros_like(zone)
    for side in (BROWS[:10], BROWS[10:]):
        outline = cv2.convexHull(np.rint(UV[side] * (TEXTURE_SIZE - 1)).astype(np.int32))
        cv2.fillConvexPoly(brows, outline, 1.0)
    return np.asarray(zone * (1 - cv2.GaussianBlur(cv2.dilate(brows, np.ones((13, 13), np.uint8)), (0, 0), 4)), np.float32)


def plain_zone() -> NDArray[np.bool_]:
    """(512, 512) bool, True where a face shows nothing but skin: no brow, lid, lip, nostril or hairline."""
    plain = np.isin(np.arange(VERTICES), PLAIN_SKIN).astype(np.float32)
    return np.asarray(spread_many(plain[:, None], TEXTURE_SIZE)[..., 0] > 0.99)


@functools.cache
def features() -> Floats:
    """(512, 512) float32, 1 on brows, eyes with their lids, nostrils and lips: what differs from skin in everybody."""
    areas = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.uint8)
    for outline, margin in ((BROWS[:10], 15), (BROWS[10:], 15), (EYES[0], 17), (EYES[1], 17), (OUTER_LIPS, 9)):
        area = np.zeros_like(areas)
        cv2.fillConvexPoly(area, cv2.convexHull(np.rint(UV[outline] * (TEXTURE_SIZE - 1)).astype(np.int32)), 1)
        areas |= cv2.dilate(area, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin)))
    for nostril in (98, 327, 2):
        x, y = np.rint(UV[nostril] * (TEXTURE_SIZE - 1)).astype(int)
        cv2.circle(areas, (int(x), int(y)), 14, 1, -1)
    return np.asarray(cv2.GaussianBlur(areas.astype(np.float32), (0, 0), 4), np.float32)


def skin_confidence(colours: Bytes, weight: Floats) -> Floats:
    """How sure it is that a texel is skin, (512, 512) float32 0..1; 1 everywhere outside `border_zone`.

    colours: (512, 512, 3) uint8 BGR unwrapped photo.  weight: (512, 512) 0..1, where the photo shows the face at all.
    The model is the median and spread of the inner face in Lab; darker counts as further off than lighter, as hair does.
    """
    zone = border_zone()
    lab = cv2.cvtColor(cv2.GaussianBlur(colours, (0, 0), 1.5), cv2.COLOR_BGR2LAB).astype(np.float32)
    core = plain_zone() & (weight > 0.3)
    if core.sum() < 500:
        return np.ones_like(weight)
    middle = np.median(lab[core], axis=0)
    spread = 1.48 * np.median(np.abs(lab[core] - middle), axis=0) + np.array([5.0, 2.5, 3.0])
    off = (lab - middle) / spread
    off[..., 0] = np.where(off[..., 0] < 0, off[..., 0] * 1.2, off[..., 0] * 0.7)
    distance = np.sqrt((off**2).sum(axis=2))
    skin = 1.0 / (1.0 + np.exp((distance - 2.5) * 2.0))
    # Beyond the first hair only what hangs together with the inner face is believed, then a rim is left to the strands.
    _, pieces = cv2.connectedComponents(np.asarray((skin > 0.5) | (zone < 0.01), np.uint8))
    skin = np.where(pieces == np.bincount(pieces[core]).argmax(), skin, 0.0)
    skin = cv2.erode(skin.astype(np.float32), np.ones((15, 15), np.uint8))
    skin = cv2.GaussianBlur(skin, (0, 0), 3)
    return np.asarray((1 - zone * (1 - skin)) * (1 - _foreign(lab, middle, weight)), np.float32)


def _foreign(lab: Floats, middle: Floats, weight: Floats) -> Floats:
    """(512, 512) float32, 1 where a hue that no skin has comes in from the rim: a wall behind the cheek, a collar."""
    hue = (middle[1:] - 128) / max(float(np.linalg.norm(middle[1:] - 128)), 1.0)
    other = ((lab[..., 1:] - 128) @ hue < -8.0) & (features() < 0.1)
    _, pieces = cv2.connectedComponents(np.asarray(other, np.uint8))
    outer = cv2.dilate((weight == 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    reaching = np.isin(pieces, np.unique(pieces[outer & other])) & other
    return np.asarray(cv2.GaussianBlur(cv2.dilate(reaching.astype(np.float32), np.ones((9, 9), np.uint8)), (0, 0), 2), np.float32)
