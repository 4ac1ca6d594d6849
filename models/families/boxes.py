"""What the outputs of face detectors mean.

Each function takes the outputs in order, (height, width) of the input in pixels and the least score, and gives (n, 15) float32: left,
top, right, bottom, score, and x, y of the image-left eye, the image-right eye, nose, image-left and image-right mouth corner, in
the input's pixels; nan where there are no points.  All raise NetworkError for outputs of another size than the input calls for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.network import Array, NetworkError

Floats = NDArray[np.float32]
Size = tuple[int, int]

# Of YoloV5Face: width and height of three boxes at each of its three strides (Qi et al., "YOLO5Face", 2021).
_ANCHORS = (
    (8, ((4, 5), (8, 10), (13, 16))),
    (16, ((23, 29), (43, 55), (73, 105))),
    (32, ((146, 217), (231, 300), (335, 433))),
)


def sides(values: Floats, cells: Floats) -> Floats:
    """Boxes of SCRFD: how far the four sides lie from the place."""
    return np.concatenate([cells - values[:, :2], cells + values[:, 2:]], axis=1)


def middles(values: Floats, cells: Floats) -> Floats:
    """Boxes of YuNet: where the centre lies from the place, and the logarithms of width and height."""
    centres, halves = cells + values[:, :2], np.exp(np.minimum(values[:, 2:], 20)) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def places(
    outputs: Sequence[Array],
    size: Size,
    least: float,
    strides: Sequence[int],
    anchors: int,
    scores: int,
    box: Callable[[Floats, Floats], Floats],
) -> Floats:
    """Of SCRFD and YuNet: outputs are scores, boxes and perhaps points, each of all strides in turn, in units of the stride.

    anchors: rows at each place.  scores: how many outputs are multiplied to the score.
    SCRFD: Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", 2021.  YuNet: Wu et al., "YuNet: A Tiny
    Millisecond-level Face Detector", 2023; its score is class * object, while OpenCV's FaceDetectorYN takes the root of that.
    """
    found = []
    for level, stride in enumerate(strides):
        columns, rows = size[1] // stride, size[0] // stride
        parts = [_table(output, rows * columns * anchors) for output in outputs[level :: len(strides)]]
        score = np.prod([np.clip(part[:, 0], 0, 1) for part in parts[:scores]], axis=0)
        kept = np.flatnonzero(score >= least)
        y, x = np.divmod(kept // anchors, columns)
        cells = np.stack([x, y], axis=1).astype(np.float32)
        boxes = box(parts[scores][kept], cells)
        points = parts[scores + 1][kept] + np.tile(cells, 5) if len(parts) > scores + 1 else np.full((len(kept), 10), np.nan)
        found.append(_rows(boxes * stride, score[kept], points * stride))
    return np.concatenate(found)


def listed(outputs: Sequence[Array], size: Size, least: float) -> Floats:
    """Of YOLO-face 8: one output (1, 20, n): centre, width, height, score, and x, y, visibility of five points, in pixels."""
    height, width = size
    table = _table(outputs[0].reshape(20, -1).T, sum(height // stride * (width // stride) for stride in (8, 16, 32)))
    table = table[table[:, 4] >= least]
    return _rows(_about(table[:, :2], table[:, 2:4]), table[:, 4], table[:, 5:].reshape(-1, 5, 3)[..., :2].reshape(-1, 10))


def anchored(outputs: Sequence[Array], size: Size, least: float) -> Floats:
    """Of YoloV5Face: three outputs (1, 48, h, w), 16 numbers for each of three boxes, before the logistic function."""
    found = []
    for output, (stride, shapes) in zip(outputs, _ANCHORS, strict=True):
        rows, columns = size[0] // stride, size[1] // stride
        table = _table(np.moveaxis(output.reshape(3, 16, -1), 1, 2), 3 * rows * columns)
        score = _logistic(table[:, 4])
        kept = np.flatnonzero(score >= least)
        which, cell = np.divmod(kept, rows * columns)
        cells = np.stack([cell % columns, cell // columns], axis=1).astype(np.float32) * stride
        anchors = np.array(shapes, np.float32)[which]
        shares = 2 * _logistic(table[kept, :4])
        boxes = _about(cells + (shares[:, :2] - 0.5) * stride, shares[:, 2:] ** 2 * anchors)
        found.append(_rows(boxes, score[kept], table[kept, 5:15] * np.tile(anchors, 5) + np.tile(cells, 5)))
    return np.concatenate(found)


def corners(outputs: Sequence[Array], size: Size, least: float) -> Floats:
    """Of RFB: scores (1, n, 2) of nothing and of a face, boxes (1, n, 4) as shares of the input; no points."""
    score = outputs[0].reshape(-1, 2)[:, 1]
    kept = np.flatnonzero(score >= least)
    height, width = size
    boxes = _table(outputs[1], len(score))[kept] * np.array([width, height, width, height], np.float32)
    return _rows(boxes, score[kept], np.full((len(kept), 10), np.nan))


def _table(values: Array, rows: int) -> Floats:
    """An output as so many rows."""
    if rows < 1 or values.size % rows or (values.ndim > 1 and values.size // rows != values.shape[-1]):
        raise NetworkError(f"A face detector gave an output {values.shape}, expected one of {rows} rows for its input.")
    return values.reshape(rows, -1)


def _logistic(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float32)


def _about(centres: Floats, lengths: Floats) -> Floats:
    return np.concatenate([centres - lengths / 2, centres + lengths / 2], axis=1)


def _rows(boxes: Array, scores: Array, points: Array) -> Floats:
    return np.asarray(np.concatenate([boxes, scores[:, None], points], axis=1), np.float32)


__all__ = ["anchored", "corners", "listed", "middles", "places", "sides"]
