"""The colour of eyes is the source's: light changes it as it changes the skin around them, and in no other way."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.topology import LEFT_EYE, RIGHT_EYE

Floats = NDArray[np.float32]

# BT.601, of blue, green and red.
_LUMA = np.array([[0.114, 0.587, 0.299]], np.float32)
# How far around an eye, as a share of the crop, the skin's hue is read, how much its lids are taken along, and how soft their outline is.
_AROUND, _LIDS, _SOFT = 0.12, 0.016, 0.008


def eyes_kept(face: Floats, guide: Floats, placed: Floats) -> Floats:
    """A face (s, s, 3) whose eyes differ from the guide's (s, s, 3) in brightness as it says, but in hue as the skin around them does.

    face, guide: float32 BGR grey levels.  placed: (468+, 2) px, landmarks in the crop.
    What the generator has seen of eyes is mostly brown.
    """
    side = len(face)
    eyes = np.zeros((side, side), np.float32)
    for ring in (RIGHT_EYE, LEFT_EYE):
        cv2.fillConvexPoly(eyes, cv2.convexHull(np.rint(placed[ring, :2]).astype(np.int32)), 1.0)
    left, top, width, height = cv2.boundingRect((eyes > 0).astype(np.uint8))
    if not width:
        return face
    reach = max(1, round(_AROUND * side))
    rows = slice(max(0, top - reach), min(side, top + height + reach))
    columns = slice(max(0, left - reach), min(side, left + width + reach))
    lids = 2 * round(_LIDS * side) + 1
    eyes = cv2.dilate(np.ascontiguousarray(eyes[rows, columns]), np.ones((lids, lids), np.uint8))
    eyes = np.asarray(cv2.GaussianBlur(eyes, (0, 0), _SOFT * side), np.float32)
    change = face[rows, columns] - guide[rows, columns]
    hue = change - cv2.transform(change, _LUMA)[..., None]
    skin = np.asarray(np.clip(1 - 4 * eyes, 0.001, 1), np.float32)
    around = (2 * reach + 1, 2 * reach + 1)
    usual = cv2.blur(hue * skin[..., None], around) / cv2.blur(skin, around)[..., None]
    kept = face.copy()
    kept[rows, columns] += eyes[..., None] * (usual - hue)
    return kept


__all__ = ["eyes_kept"]
