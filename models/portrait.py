"""Portraits: the few pictures of a source, cut to the face, from which networks read who it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.align import crop, five, similarity, template
from models.mesh.pose import fit
from models.mesh.topology import VERTICES

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE = 512
"""Of a portrait in pixels."""
# Recognisers are made for faces that look at the camera, more or less.
_ASIDE = 40.0
_MOST = 4


@dataclass(frozen=True, slots=True)
class Portrait:
    """A face in the crop "ffhq_512", which shows more of it than all other templates that swappers and recognisers use.

    image: (512, 512, 3) uint8 BGR.  landmarks: (478, 3) float32 px in it.
    """

    image: Bytes
    landmarks: Floats

    def __post_init__(self) -> None:
        good = self.image.shape == (SIDE, SIDE, 3) and self.image.dtype == np.uint8
        if not good or self.landmarks.ndim != 2 or len(self.landmarks) < VERTICES or not np.isfinite(self.landmarks).all():
            got = f"{self.image.dtype} {self.image.shape} with landmarks {self.landmarks.shape}"
            raise ValueError(f"portrait: got {got}, expected uint8 ({SIDE}, {SIDE}, 3) with finite landmarks (478, 3)")


def portraits(views: Sequence[tuple[Bytes, Floats]]) -> tuple[Portrait, ...]:
    """At most four portraits from pictures (h, w, 3) uint8 BGR of one person with landmarks (478, 3) px, the most frontal first.

    Views from the side are left out as long as there is one other.
    """
    order = sorted(views, key=lambda view: fit(view[1]).aside)
    chosen = [view for view in order if fit(view[1]).aside <= _ASIDE][:_MOST] or order[:1]
    return tuple(_portrait(*view) for view in chosen)


def _portrait(image: Bytes, landmarks: Floats) -> Portrait:
    matrix = similarity(five(landmarks), template("ffhq_512", SIDE))
    placed = landmarks.astype(np.float64)
    placed[:, :2] = placed[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    placed[:, 2] *= np.hypot(*matrix[0, :2])
    return Portrait(crop(image, matrix, SIDE, cv2.BORDER_REPLICATE), placed.astype(np.float32))


__all__ = ["SIDE", "Portrait", "portraits"]
