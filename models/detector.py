"""Detector: faces of any size in a picture, by MediaPipe's full-range model on the whole picture and on tiles of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.graph import Graph, Region

_OVERLAP = 0.22
_FINE = 0.55
_SMALLEST = 16
_GRAPH = """
output_stream: "detections"
node {
  calculator: "FaceDetectionFullRange"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  output_stream: "DETECTIONS:detections"
  options { [mediapipe.FaceDetectionOptions.ext] { min_score_thresh: %f delegate { xnnpack { } } } }
}
"""
Tile = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Detections:
    """The faces of one picture, best first.

    boxes: (n, 4) float32 left, top, right, bottom px.  scores: (n,) float32 0..1.
    points: (n, 6, 2) float32 px: right eye, left eye, nose, mouth, right ear, left ear (the person's own right).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    points: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)


class Finds(Protocol):
    """What finds the faces of a picture; see Detector."""

    def __call__(self, image: NDArray[np.uint8], looks: int | None = None) -> Detections: ...


class Detector:
    """MediaPipe's full-range face detector; with tiles it also finds small and far faces.

    The model sees 192x192 px and finds faces from about a tenth of what it is shown.  Shown are: the whole picture;
    squares as high as the picture; smaller squares of about half that (faces from 40 px in 720p).  One look costs 3-6 ms.
    confidence: 0..1; a face seen in small squares only needs a fifth of the way from there to 1 more, as many looks
    make many false alarms.
    """

    def __init__(self, confidence: float = 0.5, tiles: bool = True) -> None:
        if not 0 < confidence < 1:
            raise ValueError(f"confidence: got {confidence}, expected more than 0, less than 1")
        self._confidence = confidence
        self._tiles = tiles
        self._next = 0
        self._graph = Graph(_GRAPH % confidence, ("detections",))
        from mediapipe.framework.formats import detection_pb2

        self._parse = detection_pb2.Detection.FromString

    def __call__(self, image: NDArray[np.uint8], looks: int | None = None) -> Detections:
        """All faces of a picture (h, w, 3) uint8 BGR.

        looks: how many of the small squares to search, taking turns over successive calls (video); None: all of them.
        A picture under 16 px wide or high has none.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image: got {image.dtype} {image.shape}, expected uint8 (h, w, 3)")
        height, width = image.shape[:2]
        if min(height, width) < _SMALLEST:
            return gather([])
        coarse, fine = tiles(width, height) if self._tiles else ([(0, 0, width, height)], [])
        fine, self._next = in_turn(fine, looks, self._next)
        shown = coarse + fine
        packets = self._graph.run(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), [_region(tile) for tile in shown])
        strict = stricter(self._confidence)
        found = []
        for number, (tile, packet) in enumerate(zip(shown, packets, strict=True)):
            least = self._confidence if number < len(coarse) else strict
            rows = self._decode(packet.get("detections"), width, height)
            found += [row for row in rows if row[4] >= least and not crosses(row, tile, width, height)]
        return gather(found)

    def _decode(self, packet: object, width: int, height: int) -> list[NDArray[np.float32]]:
        """One row of 17 per face: box, score, points; all in pixels of the whole picture."""
        rows = []
        for data in self._graph.serialized_list(packet) if packet is not None else []:
            face = self._parse(data)
            box = face.location_data.relative_bounding_box
            row = [box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height, face.score[0]]
            row += [value for point in face.location_data.relative_keypoints for value in (point.x, point.y)]
            scale = [width, height, width, height, 1] + [width, height] * 6
            if len(row) == len(scale) and np.isfinite(row).all():
                rows.append(np.multiply(row, scale).astype(np.float32))
        return rows

    def close(self) -> None:
        """Free the model; may be called again."""
        self._graph.close()


def tiles(width: int, height: int) -> tuple[list[Tile], list[Tile]]:
    """What the detector looks at: (the whole picture and its high squares, the small squares), as left, top, right, bottom.

    Pictures whose short side is under 200 px have no high squares, under 480 px no small ones.
    """
    short = min(width, height)
    coarse = [(0, 0, width, height)]
    if short >= 200 and max(width, height) > 1.2 * short:
        coarse += grid(width, height, short)
    return coarse, grid(width, height, round(short * _FINE)) if short >= 480 else []


def grid(width: int, height: int, side: int) -> list[Tile]:
    """Overlapping squares that cover the picture."""
    starts = []
    for length in (width, height):
        count = int(np.ceil(max(0.0, length - side) / (side * (1 - _OVERLAP)))) + 1
        starts.append(np.linspace(0, length - side, count).round().astype(int).tolist())
    return [(x, y, x + side, y + side) for y in starts[1] for x in starts[0]]


def stricter(confidence: float) -> float:
    """The score that a face in small squares needs: many looks make many false alarms."""
    return confidence + 0.2 * (1 - confidence)


def in_turn(fine: list[Tile], looks: int | None, first: int) -> tuple[list[Tile], int]:
    """So many of the squares, from the one whose turn it is, and whose turn it is then; None: all of them."""
    if looks is None or looks >= len(fine):
        return fine, first
    return [fine[(first + step) % len(fine)] for step in range(looks)], first + looks


def _region(tile: Tile) -> tuple[Region, float]:
    """A tile as the graph wants it, with its height / its width."""
    left, top, right, bottom = tile
    return Region((left + right) / 2, (top + bottom) / 2, right - left), (bottom - top) / (right - left)


def crosses(row: NDArray[np.float32], tile: Tile, width: int, height: int) -> bool:
    """Whether a face touches an edge of its tile that is not an edge of the picture."""
    left, top, right, bottom = tile
    margin = 0.01 * (right - left)
    return bool(
        (left > 0 and row[0] < left + margin)
        or (top > 0 and row[1] < top + margin)
        or (right < width and row[2] > right - margin)
        or (bottom < height and row[3] > bottom - margin)
    )


def gather(rows: list[NDArray[np.float32]]) -> Detections:
    """Each face once: of boxes of which one lies mostly in the other, the better one stays."""
    table = np.stack(rows) if rows else np.zeros((0, 17), np.float32)
    table = table[np.argsort(-table[:, 4], kind="stable")]
    kept: list[int] = []
    for index, row in enumerate(table):
        others = table[kept]
        size = np.minimum(row[2:4], others[:, 2:4]) - np.maximum(row[:2], others[:, :2])
        common = np.prod(np.maximum(size, 0), axis=1)
        smaller = np.minimum(np.prod(row[2:4] - row[:2]), np.prod(others[:, 2:4] - others[:, :2], axis=1))
        if not (common > 0.5 * smaller).any():
            kept.append(index)
    table = table[kept]
    return Detections(table[:, :4].copy(), table[:, 4].copy(), table[:, 5:].reshape(-1, 6, 2).copy())
