"""Landmark networks: 2d106det, 1k3d68, 2dfan4, peppa_wutz; a row a family, and one Pointer for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.align import crop
from models.align import five as mesh_five
from models.families.form import Form
from models.families.pick import pick
from models.families.ports import Want, fit
from models.network import Array, Network, Port

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

# The longer side of the box that face detectors give, and how far up its middle lies, both as shares of the longer side of the
# mesh of an upright face; measured with YuNet on 120 portraits.
_BOX, _UP = 1.141, 0.069
# Points that lie further from the mesh's than this share of its longer side belong to something else.
_STRAY = 0.25
_LEAST = 0.5
_DARK = 30

# Where the five lie among the points: their means.  68: the iBUG order.  106: the eyes by corners and lids, as LivePortrait
# reads 2d106det, since the pupils (38, 88) go with the gaze; nose and mouth as everybody reads it.
_FIVE_68 = (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,))
_FIVE_106 = ((33, 35, 39, 40), (87, 89, 93, 94), (86,), (52,), (61,))


@dataclass(frozen=True, slots=True)
class Family:
    """A family of landmark networks.

    size: side of the crop in pixels.  share: side of the crop / longer side of the face's box.
    decode: outputs -> points (n, 2) in shares of the crop, and a score 0..1.
    five: which points' means are the image-left eye, image-right eye, nose, image-left and image-right mouth corner.
    lighten: a dark crop is equalised first.
    """

    name: str
    inputs: tuple[Want, ...]
    outputs: tuple[Want, ...]
    form: Form
    size: int
    share: float
    decode: Callable[[Sequence[Array]], tuple[Floats, float]]
    five: tuple[tuple[int, ...], ...]
    lighten: bool = False
    role: str = "landmarks"

    def fits(self, inputs: Sequence[Port], outputs: Sequence[Port]) -> bool:
        """Whether a network with these ports is of this family."""
        return fit(self.inputs, inputs) and fit(self.outputs, outputs)


def _signed(outputs: Sequence[Array], numbers: int, last: int) -> tuple[Floats, float]:
    """Of insightface: points of so many numbers, -1..1 over the crop, of which the last ones count; it gives no score."""
    points = outputs[0].reshape(-1, numbers)[-last:, :2]
    return np.asarray((points + 1) / 2, np.float32), 1.0


def _grid(outputs: Sequence[Array]) -> tuple[Floats, float]:
    """Of 2dfan4: points 0..64 over the crop; the score is how high the heat maps rise, 0.9 being all.

    Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?", 2017.
    """
    points = outputs[0].reshape(-1, 3)[:, :2]
    peak = float(outputs[1].reshape(len(points), -1).max(axis=1).mean())
    return np.asarray(points / 64, np.float32), float(np.clip(peak / 0.9, 0, 1))


def _scored(outputs: Sequence[Array]) -> tuple[Floats, float]:
    """Of peppa_wutz: points 0..64 over the crop with a score each, 0.95 being all."""
    table = outputs[0].reshape(-1, 3)
    return np.asarray(table[:, :2] / 64, np.float32), float(np.clip(table[:, 2].mean() / 0.95, 0, 1))


_BYTES = Form("rgb", deviation=(1.0, 1.0, 1.0))
_192, _256 = (Want((1, 3, 192, 192)),), (Want((1, 3, 256, 256)),)

FAMILIES = (
    Family("2d106", _192, (Want((1, 212)),), _BYTES, 192, 1.5, partial(_signed, numbers=2, last=106), _FIVE_106),
    Family("1k3d68", _192, (Want((1, 3309)),), _BYTES, 192, 1.5, partial(_signed, numbers=3, last=68), _FIVE_68),
    Family(
        "2dfan4", _256, (Want((1, 68, 3)), Want((1, 68, 64, 64))), Form("bgr"), 256, 256 / 195, _grid, _FIVE_68, lighten=True
    ),
    Family("peppa_wutz", _256, (Want((1, 204)),), Form("bgr"), 256, 256 / 195, _scored, _FIVE_68, lighten=True),
    Family("peppa_wutz", _256, (Want((1, 68, 3)),), Form("bgr"), 256, 256 / 195, _scored, _FIVE_68, lighten=True),
)


class Pointer:
    """A network of a family that finds the landmarks of one face."""

    def __init__(self, network: Network, family: Family) -> None:
        self.family = family
        self._network = network

    def __call__(self, image: Bytes, box: NDArray[np.floating[Any]], rotation: float = 0.0) -> tuple[Floats, float]:
        """The family's points (n, 2) px and their score 0..1 of the face in a box of a picture (h, w, 3) uint8 BGR.

        box: (4,) left, top, right, bottom px, forehead to chin.  rotation: of the face, radians, clockwise on the screen.
        Raises ValueError for a box without area or that is not finite, and NetworkError as the network does.
        """
        centre, side = np.array([box[0] + box[2], box[1] + box[3]], np.float64) / 2, float(max(box[2] - box[0], box[3] - box[1]))
        if not (np.isfinite(centre).all() and np.isfinite(side) and side > 0):
            raise ValueError(f"got a box {np.asarray(box).tolist()}, expected left < right and top < bottom")
        size, scale = self.family.size, self.family.size / (side * self.family.share)
        turn = scale * np.array([[np.cos(rotation), np.sin(rotation)], [-np.sin(rotation), np.cos(rotation)]])
        matrix = np.concatenate([turn, (size / 2 - turn @ centre)[:, None]], axis=1)
        part = crop(image, matrix, size)
        part = _lighter(part) if self.family.lighten else part
        points, score = self.family.decode(self._network({self._network.inputs[0].name: self.family.form.pack(part)}))
        back = (points.astype(np.float64) * size - matrix[:, 2]) @ np.linalg.inv(turn).T
        return back.astype(np.float32), score

    def five(self, image: Bytes, landmarks: Floats) -> Reals | None:
        """The image-left eye, image-right eye, nose, image-left and image-right mouth corner (5, 2) px; None where it finds no face.

        landmarks: (478, 2 or 3) px of the face's mesh, which say where to look and which way is up.
        """
        known = mesh_five(landmarks)
        if not np.isfinite(known).all():
            return None
        across = known[1] - known[0]
        rotation = float(np.arctan2(across[1], across[0]))
        upright = np.array([[np.cos(rotation), np.sin(rotation)], [-np.sin(rotation), np.cos(rotation)]])
        mesh = landmarks[:, :2].astype(np.float64) @ upright.T
        low, high = mesh.min(axis=0), mesh.max(axis=0)
        side = float((high - low).max())
        if not side > 1:
            return None
        centre = upright.T @ ((low + high) / 2 - (0, _UP * side))
        half = _BOX * side / 2
        points, score = self(image, np.concatenate([centre - half, centre + half]), rotation)
        found = np.stack([points[list(which)].mean(axis=0) for which in self.family.five]).astype(np.float64)
        near = np.isfinite(found).all() and np.linalg.norm(found - known, axis=1).max() <= _STRAY * side
        return found if near and score >= _LEAST else None


def open_pointer(network: Network, name: str | None = None) -> Pointer:
    """The pointer of a network, its family recognised by its ports or said by its name; raises NetworkError where it is of none."""
    return Pointer(network, pick(FAMILIES, network.inputs, network.outputs, name))


def _lighter(image: Bytes) -> Bytes:
    """A dark crop equalised, as the tool does that these networks come from: it reads BGR as RGB here."""
    lab = np.array(cv2.cvtColor(image, cv2.COLOR_RGB2Lab), np.uint8)
    if lab[..., 0].mean() >= _DARK:
        return image
    lab[..., 0] = cv2.createCLAHE(clipLimit=2).apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), np.uint8)


__all__ = ["FAMILIES", "Family", "Pointer", "open_pointer"]
