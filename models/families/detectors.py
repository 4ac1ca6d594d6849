"""Face detectors: SCRFD and RetinaFace-10g, YuNet, YOLO-face, YoloV5Face, RFB; a row a family, and one Finder for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detector import Detections, Tile, crosses, gather, grid, in_turn, stricter
from models.families.boxes import anchored, corners, listed, middles, places, sides
from models.families.form import UNIT, Form
from models.families.pick import pick
from models.families.ports import Want, fit
from models.network import Array, Network, NetworkError, Port

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SMALLEST = 16
_FINE = 0.55
# Where a picture is seen at this share of its size, a face of 40 px is still 18 px and is found.
_ENOUGH = 0.45
# Found among this many of the best candidates; more are noise.
_CANDIDATES = 1000
_YUNET = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
_PICTURE = (1, 3, None, None)
# The exports that call their input `input` are fed BGR by the tool that made them, the original ones RGB.
_EXPORT, _ORIGINAL = Want(_PICTURE, ("input",)), Want(_PICTURE, unlike=("input",))
_HALF = (127.5, 127.5, 127.5)
_RGB, _BGR = Form("rgb", _HALF, (128.0, 128.0, 128.0)), Form("bgr", _HALF, (128.0, 128.0, 128.0))


@dataclass(frozen=True, slots=True)
class Family:
    """A family of detectors.

    form: of the picture; where it is smaller than the input, black fills right and below.
    decode: (outputs, (height, width) of the input, least score) -> (n, 15), see models.families.boxes.
    size, step: longer side of the input where the file leaves it open, and what its sides must be a multiple of.
    overlap: intersection over union above which two boxes are one face.
    again: at which share of the size a picture in which nobody was found is looked at once more, for faces that fill it; 0: not.
    larger, lower: what makes a box into a square about as MediaPipe's: its side / root of the box's area, and how far down its
        centre lies from the box's, in its sides; measured with YuNet and RFB, and taken for all that learned from the boxes of
        WIDER FACE.
    """

    name: str
    inputs: tuple[Want, ...]
    outputs: tuple[Want, ...]
    form: Form
    decode: Callable[[Sequence[Array], tuple[int, int], float], Floats]
    size: int = 640
    step: int = 32
    overlap: float = 0.4
    again: float = 0.0
    larger: float = 1.034
    lower: float = 0.071
    role: str = "detector"

    def fits(self, inputs: Sequence[Port], outputs: Sequence[Port]) -> bool:
        """Whether a network with these ports is of this family."""
        return fit(self.inputs, inputs) and fit(self.outputs, outputs)


def _scrfd(port: Want, form: Form) -> tuple[Family, ...]:
    """SCRFD's four shapes: three strides with two boxes at a place or five with one, with and without points."""
    rows = []
    for strides, anchors in (((8, 16, 32), 2), ((8, 16, 32, 64, 128), 1)):
        for tails in ((1, 4, 10), (1, 4)):
            outputs = tuple(Want((..., tail)) for tail in tails for _ in strides)
            decode = partial(places, strides=strides, anchors=anchors, scores=1, box=sides)
            rows.append(Family("scrfd", (port,), outputs, form, decode, step=strides[-1], again=0.2))
    return tuple(rows)


FAMILIES = (
    Family(
        "yunet",
        (Want(_PICTURE),),
        tuple(Want((..., tail), (f"{part}_{stride}",)) for part, tail in _YUNET for stride in (8, 16, 32)),
        Form("bgr", deviation=(1.0, 1.0, 1.0)),
        partial(places, strides=(8, 16, 32), anchors=1, scores=2, box=middles),
    ),
    *_scrfd(_EXPORT, _BGR),
    *_scrfd(_ORIGINAL, _RGB),
    Family("yoloface", (_EXPORT,), (Want((1, 20, None)),), Form("bgr"), listed),
    Family("yoloface", (_ORIGINAL,), (Want((1, 20, None)),), UNIT, listed),
    Family("yolov5face", (Want(_PICTURE),), (Want((1, 48, None, None)),) * 3, Form("bgr"), anchored, overlap=0.5),
    Family(
        "rfb",
        (Want(_PICTURE),),
        (Want((1, None, 2), ("scores",)), Want((1, None, 4), ("boxes",))),
        Form("rgb", (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
        corners,
        overlap=0.3,
        larger=1.056,
        lower=0.078,
    ),
)


class Finder:
    """A network of a family as a detector; interchangeable with models.detector.Detector.

    The network sees the whole picture, made smaller to fit, and of much larger ones small squares too; it finds faces from
    about 16 px of what it sees: with 640 px that is 32 px in 720p, and with the squares 20 px in 1080p.
    confidence, tiles: as of Detector; the scores are the family's own.
    """

    def __init__(self, network: Network, family: Family, confidence: float = 0.5, tiles: bool = True) -> None:
        if not 0 < confidence < 1:
            raise ValueError(f"confidence: got {confidence}, expected more than 0, less than 1")
        self.family = family
        self._network = network
        self._confidence = confidence
        self._tiles = tiles
        self._next = 0
        self._lock = threading.Lock()
        shape = network.inputs[0].shape
        self._fixed = None if shape[2] is None or shape[3] is None else (shape[2], shape[3])

    def __call__(self, image: Bytes, looks: int | None = None) -> Detections:
        """All faces of a picture (h, w, 3) uint8 BGR, each with a square about as MediaPipe's detector gives it; ears are nan.

        looks: how many of the small squares to search, taking turns over successive calls (video); None: all of them.
        A picture under 16 px wide or high has none.  Raises NetworkError as the network does.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image: got {image.dtype} {image.shape}, expected uint8 (h, w, 3)")
        height, width = image.shape[:2]
        if min(height, width) < _SMALLEST:
            return gather([])
        whole = (0, 0, width, height)
        fine, self._next = in_turn(self.squares(width, height), looks, self._next)
        found = list(self.look(image, whole, self._confidence))
        if not found and self.family.again:
            found = list(self.look(image, whole, self._confidence, self.family.again))
        for tile in fine:
            found += [row for row in self.look(image, tile, stricter(self._confidence)) if not crosses(row, tile, width, height)]
        return gather([_square(self.family, row) for row in found])

    def squares(self, width: int, height: int) -> list[Tile]:
        """The small squares of a picture; none where the network sees all of it well enough, or where it is but a strip."""
        high, wide = self._fixed or (self.family.size, self.family.size)
        near = min(high, wide)
        side = min(max(round(_FINE * min(width, height)), near), width, height)
        worth = self._tiles and min(wide / width, high / height) < _ENOUGH and min(width, height) >= near / 4
        return grid(width, height, side) if worth else []

    def look(self, image: Bytes, tile: Tile, least: float, share: float = 1.0) -> Floats:
        """The faces in a tile that score at least so much, (n, 15): box, score, five points in pixels of the whole picture.

        share: of the size at which the network sees it else.
        """
        left, top, right, bottom = tile
        high, wide = self._fixed or self._open(right - left, bottom - top, share)
        limit = share if self._fixed else 1.0
        scale = min(limit * wide / (right - left), limit * high / (bottom - top), share)
        shown = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
        part = image[top:bottom, left:right]
        if scale < 1:
            # Bilinear down to a half, as the networks' own tools do it; what gets smaller still would lose rows.
            way = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
            part = np.asarray(cv2.resize(part, shown, interpolation=way), np.uint8)
        filled = np.zeros((high, wide, 3), np.uint8)
        filled[: part.shape[0], : part.shape[1]] = part
        rows = self._rows(self.family.form.pack(filled), (high, wide), least)
        rows = rows[alone(rows, self.family.overlap)]
        stretch = np.array([(right - left) / shown[0], (bottom - top) / shown[1]], np.float32)
        corner = np.array([left, top], np.float32)
        rows[:, :4] = rows[:, :4] * np.tile(stretch, 2) + np.tile(corner, 2)
        rows[:, 5:] = rows[:, 5:] * np.tile(stretch, 5) + np.tile(corner, 5)
        return np.asarray(rows, np.float32)

    def _rows(self, packed: Floats, size: tuple[int, int], least: float) -> Floats:
        """What the network sees in a picture of its own form, (n, 15); raises NetworkError for what is no number.

        Two threads may look at once, and what a network gives is good until its next call only.
        """
        with self._lock:
            outputs = self._network({self._network.inputs[0].name: packed})
            if not all(np.isfinite(output).all() for output in outputs):
                # Such scores pass for nobody, and a face that nobody looks for is shown.
                raise NetworkError("The detector gives what is no number.")
            return np.array(self.family.decode(outputs, size, least), np.float32)

    def _open(self, width: int, height: int, share: float) -> tuple[int, int]:
        """Height and width of an input that the file leaves open, for a tile."""
        step = self.family.step
        scale = min(self.family.size / max(width, height), 1.0) * share
        high, wide = (-(-max(1, round(length * scale)) // step) * step for length in (height, width))
        return high, wide

    def close(self) -> None:
        """Nothing to free: the network is whose who opened it."""


def open_finder(network: Network, confidence: float = 0.5, tiles: bool = True, name: str | None = None) -> Finder:
    """The finder of a network, its family recognised by its ports or said by its name; raises NetworkError where it is of none."""
    finder = Finder(network, pick(FAMILIES, network.inputs, network.outputs, name), confidence, tiles)
    finder.look(np.zeros((64, 64, 3), np.uint8), (0, 0, 64, 64), confidence)
    return finder


def alone(rows: Floats, overlap: float) -> NDArray[np.intp]:
    """Which of the rows (n, 5+): left, top, right, bottom, score, ... stay, best first, when each face is to be there once."""
    order = np.argsort(-rows[:, 4], kind="stable")[:_CANDIDATES]
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        size = np.minimum(rows[first, 2:4], rows[order, 2:4]) - np.maximum(rows[first, :2], rows[order, :2])
        common = np.prod(np.maximum(size, 0), axis=1)
        areas = np.prod(rows[:, 2:4] - rows[:, :2], axis=1)
        order = order[common <= overlap * (areas[first] + areas[order] - common)]
    return np.array(kept, np.intp)


def _square(family: Family, row: Floats) -> Floats:
    """A face (15,) as models.detector.gather wants it (17,): a square like MediaPipe's, score, points with nan for the ears."""
    points = row[5:].reshape(5, 2)
    side = family.larger * float(np.sqrt(np.prod(np.maximum(row[2:4] - row[:2], 0))))
    across = points[1] - points[0]
    length = float(np.hypot(*across))
    down = np.array([-across[1], across[0]]) / length if np.isfinite(length) and length > 0 else np.array([0.0, 1.0])
    centre = (row[:2] + row[2:4]) / 2 + family.lower * side * down
    marks = np.concatenate([points[:3], points[3:].mean(axis=0, keepdims=True), np.full((2, 2), np.nan)])
    return np.asarray(np.concatenate([centre - side / 2, centre + side / 2, row[4:5], marks.ravel()]), np.float32)


__all__ = ["FAMILIES", "Family", "Finder", "alone", "open_finder"]
