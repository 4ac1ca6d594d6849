"""Which texels of a photo are skin, where hair, caps and background like to lie over a face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.topology import BROWS, OUTER_LIPS, PLAIN_SKIN, TEXTURE_SIZE, UV, VERTICES
from models.mesh.unwrap import spread_many

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


def border_zone() -> Floats:
    """(512, 512) float32, 1 where hair may cover a face (forehead, temples, sides), 0 about eyes, nose, mouth and beard."""
    brow_line = float(UV[BROWS, 1].min()) - 0.01
    mouth_line = float(UV[OUTER_LIPS, 1].min())
    # Between the outer corners of the eyes and the temples.
    half = 0.34
    v, u = np.mgrid[0:TEXTURE_SIZE, 0:TEXTURE_SIZE].astype(np.float32) / (TEXTURE_SIZE - 1)
    above = np.clip((brow_line - v) / 0.03, 0.0, 1.0)
    beside = np.clip((np.abs(u - 0.5) - half) / 0.04, 0.0, 1.0) * np.clip((mouth_line - v) / 0.05, 0.0, 1.0)
    # Below the mouth only the outermost rim is tested: a beard belongs to the face, a collar and long hair do not.
    jaw = np.clip((np.abs(u - 0.5) - 0.34) / 0.03, 0.0, 1.0)
    zone = np.maximum(np.maximum(above, beside), jaw).astype(np.float32)
    brows = np.zeros_like(zone)
    for side in (BROWS[:10], BROWS[10:]):
        outline = cv2.convexHull(np.rint(UV[side] * (TEXTURE_SIZE - 1)).astype(np.int32))
        cv2.fillConvexPoly(brows, outline, 1.0)
    return np.asarray(zone * (1 - cv2.GaussianBlur(cv2.dilate(brows, np.ones((27, 27), np.uint8)), (0, 0), 4)), np.float32)


def plain_zone() -> NDArray[np.bool_]:
    """(512, 512) bool, True where a face shows nothing but skin: no brow, lid, lip, nostril or hairline."""
    plain = np.isin(np.arange(VERTICES), PLAIN_SKIN).astype(np.float32)
    return np.asarray(spread_many(plain[:, None], TEXTURE_SIZE)[..., 0] > 0.99)


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
    skin = 1.0 / (1.0 + np.exp((distance - 3.0) * 2.0))
    # Beyond the first hair only what hangs together with the inner face is believed, then a rim is left to the strands.
    _, pieces = cv2.connectedComponents(np.asarray((skin > 0.5) | (zone < 0.01), np.uint8))
    skin = np.where(pieces == np.bincount(pieces[core]).argmax(), skin, 0.0)
    skin = cv2.erode(skin.astype(np.float32), np.ones((9, 9), np.uint8))
    skin = cv2.GaussianBlur(skin, (0, 0), 3)
    return np.asarray(1 - zone * (1 - skin), np.float32)
