"""Small ONNX files with the real signatures of networks that look at faces; what they see of drawn faces is known.

A drawn face is a red rectangle, three quarters as wide as high, on grey.  The detectors here measure it: place and size come from the
sums of red about each place, so that what they answer is exact, in whatever form their family answers; other colours or another
range of values is nothing to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx_making import Graph

from models.families.boxes import _ANCHORS as YOLO_ANCHORS
from models.families.form import Form

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

ASPECT = 0.75
# Eyes, nose and mouth corners from the middle, in widths and heights.
FIVE = ((-0.2, -0.15), (0.22, -0.12), (0.01, 0.05), (-0.15, 0.25), (0.17, 0.28))
# Of each stride the heights that it answers to, in pixels.
HEIGHTS = {8: (8, 24), 16: (24, 64), 32: (64, 200), 64: (200, 400), 128: (400, 600)}
SCORE = 0.9


@dataclass(frozen=True)
class Drawn:
    """A drawn face: its middle and height in pixels, edges counted (a pixel reaches from its number to the next)."""

    x: float
    y: float
    height: float

    @property
    def box(self) -> Floats:
        half = np.array([self.height * ASPECT, self.height]) / 2
        middle = np.array([self.x, self.y])
        return np.concatenate([middle - half, middle + half]).astype(np.float32)

    @property
    def five(self) -> Floats:
        return np.array([(self.x + x * self.height * ASPECT, self.y + y * self.height) for x, y in FIVE], np.float32)


def draw(width: int, height: int, faces: Sequence[Drawn], seed: int = 0) -> Bytes:
    """A picture (h, w, 3) uint8 BGR of grey noise and drawn faces, whose edges lie between pixels where they must."""
    noise = np.random.default_rng(seed).integers(60, 200, (-(-height // 8), -(-width // 8), 1))
    image = np.repeat(np.repeat(np.repeat(noise, 8, axis=0), 8, axis=1)[:height, :width], 3, axis=2).astype(np.float64)
    for face in faces:
        left, top, right, bottom = face.box
        across = np.clip(np.minimum(np.arange(width) + 1, right) - np.maximum(np.arange(width), left), 0, 1)
        down = np.clip(np.minimum(np.arange(height) + 1, bottom) - np.maximum(np.arange(height), top), 0, 1)
        cover = (down[:, None] * across)[..., None]
        image = image * (1 - cover) + cover * np.array([0, 0, 255])
    return np.rint(image).astype(np.uint8)


@dataclass(frozen=True)
class _Level:
    """What is seen about the places of one stride, each (1, 1, h, w): the middle from the place, width, height in px, score."""

    x: str
    y: str
    width: str
    height: str
    score: str


def _planes(graph: Graph, picture: str, form: Form) -> tuple[str, str, str]:
    """Red, green and blue (1, 1, h, w) 0..255 of an input of a form."""
    scale = graph.constant(np.array(form.deviation, np.float32).reshape(1, 3, 1, 1))
    values = graph.add("Add", graph.add("Mul", picture, scale), graph.constant(np.array(form.mean, np.float32).reshape(1, 3, 1, 1)))
    order = (0, 1, 2) if form.colour == "rgb" else (2, 1, 0)
    red, green, blue = (graph.add("Gather", values, graph.constant(np.array([channel])), axis=1) for channel in order)
    return red, green, blue


def _above(graph: Graph, first: str, others: Sequence[str]) -> str:
    """Where a plane is more than 16 above others: 0..1, and past that for values out of range."""
    most = graph.add("Max", *others)
    more = graph.add("Sub", graph.add("Sub", first, most), graph.constant(np.float32(16)))
    return graph.add("Mul", graph.add("Relu", more), graph.constant(np.float32(1 / 239)))


def _level(graph: Graph, red: str, stride: int, heights: tuple[float, float]) -> _Level:
    reach = int(np.ceil((heights[1] / 2 + stride) / stride)) * stride
    offsets = np.arange(2 * reach) - reach + 0.5
    kernel = np.stack([np.ones((2 * reach, 2 * reach)), *np.meshgrid(offsets, offsets)])[:, None].astype(np.float32)
    pads = [reach, reach, reach - stride, reach - stride]
    sums = graph.add("Conv", red, graph.constant(kernel), strides=[stride, stride], pads=pads)
    mass, x, y = (graph.add("Gather", sums, graph.constant(np.array([channel])), axis=1) for channel in range(3))
    mass = graph.add("Max", mass, graph.constant(np.float32(1)))
    x, y = graph.add("Div", x, mass), graph.add("Div", y, mass)
    height = graph.add("Sqrt", graph.add("Div", mass, graph.constant(np.float32(ASPECT))))
    width = graph.add("Mul", height, graph.constant(np.float32(ASPECT)))
    seen = graph.add("Less", height, graph.constant(np.float32(heights[1])))
    seen = graph.add("And", seen, graph.add("Greater", height, graph.constant(np.float32(heights[0] - 0.01))))
    for offset in (x, y):
        near = graph.add("Less", graph.add("Abs", offset), graph.constant(np.float32(stride / 2 + 0.01)))
        seen = graph.add("And", seen, near)
    return _Level(x, y, width, height, graph.add("Mul", graph.add("Cast", seen, to=1), graph.constant(np.float32(SCORE))))


def _sum(graph: Graph, *terms: tuple[str, float]) -> str:
    parts = [graph.add("Mul", name, graph.constant(np.float32(factor))) for name, factor in terms]
    return graph.add("Sum", *parts)


def _five(graph: Graph, level: _Level, unit: float) -> list[str]:
    """The five points from the place, in units of pixels."""
    points = []
    for x, y in FIVE:
        points += [_sum(graph, (level.x, 1 / unit), (level.width, x / unit)), _sum(graph, (level.y, 1 / unit), (level.height, y / unit))]
    return points


def _rows(graph: Graph, planes: Sequence[str], shape: Sequence[int]) -> str:
    """Planes (1, 1, h, w) as a table, a row a place."""
    table = graph.add("Transpose", graph.add("Concat", *planes, axis=1), perm=[0, 2, 3, 1])
    return graph.add("Reshape", table, graph.constant(np.array(shape)))


def scrfd(
    path: Path,
    form: Form,
    port: str = "input.1",
    strides: Sequence[int] = (8, 16, 32),
    points: bool = True,
    batched: bool = False,
    size: int | None = None,
) -> Path:
    """SCRFD: with three strides two boxes at a place, of which the second is less sure and larger; with five strides one."""
    graph = Graph()
    red, green, blue = _planes(graph, graph.take(port, [1, 3, size or "?", size or "?"]), form)
    seen = _above(graph, red, (green, blue))
    anchors = 2 if len(strides) == 3 else 1
    parts: dict[str, list[str]] = {"score": [], "bbox": [], "kps": []}
    for stride in strides:
        level = _level(graph, seen, stride, HEIGHTS[stride])
        scores, boxes, marks = [level.score], [], _five(graph, level, stride)
        for sign in (-1, 1):
            boxes += [_sum(graph, (level.width, 0.5 / stride), (level.x, sign / stride))]
            boxes += [_sum(graph, (level.height, 0.5 / stride), (level.y, sign / stride))]
        if anchors == 2:
            scores.append(_sum(graph, (level.score, 0.8)))
            boxes += [graph.add("Add", box, graph.constant(np.float32(3 / stride))) for box in boxes]
            marks += marks
        for name, planes, wide in (("score", scores, 1), ("bbox", boxes, 4), ("kps", marks, 10)):
            parts[name].append(_rows(graph, planes, [1, -1, wide] if batched else [-1, wide]))
    for name, wide in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride, made in zip(strides, parts[name], strict=True):
            if points or name != "kps":
                # The names of the originals are numbers; the rows are said to be those of 640 px, whatever the input is.
                rows = (640 // stride) ** 2 * anchors
                graph.give(f"{name}_{stride}", [1, rows, wide] if batched else [rows, wide], made)
    return graph.save(path, 13)


def yunet(path: Path, size: int | None = 640) -> Path:
    """YuNet 2023mar; class 0.95 and object make the score."""
    graph, form = Graph(), Form("bgr", deviation=(1.0, 1.0, 1.0))
    batch = 1 if size else "batch"
    red, green, blue = _planes(graph, graph.take("input", [batch, 3, size or "height", size or "width"]), form)
    seen = _above(graph, red, (green, blue))
    parts: dict[str, list[str]] = {"cls": [], "obj": [], "bbox": [], "kps": []}
    for stride in (8, 16, 32):
        level = _level(graph, seen, stride, HEIGHTS[stride])
        sure = graph.add("Add", _sum(graph, (level.score, 0.0)), graph.constant(np.float32(0.95)))
        sizes = [graph.add("Log", _sum(graph, (length, 1 / stride))) for length in (level.width, level.height)]
        box = [_sum(graph, (level.x, 1 / stride)), _sum(graph, (level.y, 1 / stride)), *sizes]
        objects = [_sum(graph, (level.score, 1 / 0.95))]
        for name, planes in (("cls", [sure]), ("obj", objects), ("bbox", box), ("kps", _five(graph, level, stride))):
            parts[name].append(_rows(graph, planes, [1, -1, len(planes)]))
    for name, wide in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride, made in zip((8, 16, 32), parts[name], strict=True):
            graph.give(f"{name}_{stride}", [batch, (size // stride) ** 2 if size else "dim", wide], made)
    return graph.save(path, 13)


def _places(graph: Graph, size: int, stride: int) -> tuple[str, str]:
    steps = np.arange(size // stride, dtype=np.float32) * stride
    return graph.constant(steps[None, None, None, :]), graph.constant(steps[None, None, :, None])


def yoloface(path: Path, form: Form, port: str = "images", size: int = 640) -> Path:
    """YOLO-face 8n: one output (1, 20, n), everything in pixels of the input."""
    graph = Graph()
    red, green, blue = _planes(graph, graph.take(port, [1, 3, size, size]), form)
    seen = _above(graph, red, (green, blue))
    columns = []
    for stride in (8, 16, 32):
        level = _level(graph, seen, stride, HEIGHTS[stride])
        across, down = _places(graph, size, stride)
        planes = [graph.add("Add", level.x, across), graph.add("Add", level.y, down), level.width, level.height, level.score]
        for number, mark in enumerate(_five(graph, level, 1)):
            planes.append(graph.add("Add", mark, down if number % 2 else across))
            planes += [level.score] if number % 2 else []
        columns.append(graph.add("Reshape", graph.add("Concat", *planes, axis=1), graph.constant(np.array([1, 20, -1]))))
    count = sum((size // stride) ** 2 for stride in (8, 16, 32))
    graph.give("output0", [1, 20, count], graph.add("Concat", *columns, axis=2))
    return graph.save(path, 13)


def yolov5face(path: Path) -> Path:
    """DeepFaceLive's YoloV5Face: of the three boxes at a place the last one answers, before the logistic function."""
    graph = Graph()
    red, green, blue = _planes(graph, graph.take("in", ["n", 3, "h", "w"]), Form("bgr"))
    seen = _above(graph, red, (green, blue))

    def logit(value: str) -> str:
        clear = graph.add("Clip", value, graph.constant(np.float32(1e-5)), graph.constant(np.float32(1 - 1e-5)))
        rest = graph.add("Sub", graph.constant(np.float32(1)), clear)
        return graph.add("Log", graph.add("Div", clear, rest))

    for number, (stride, shapes) in enumerate(YOLO_ANCHORS):
        level = _level(graph, seen, stride, HEIGHTS[stride])
        wide, high = shapes[2]
        half = graph.constant(np.float32(0.25))
        planes = [logit(graph.add("Add", _sum(graph, (offset, 0.5 / stride)), half)) for offset in (level.x, level.y)]
        for length, anchor in ((level.width, wide), (level.height, high)):
            planes.append(logit(_sum(graph, (graph.add("Sqrt", _sum(graph, (length, 1 / anchor))), 0.5))))
        planes.append(logit(level.score))
        for place, mark in enumerate(_five(graph, level, 1)):
            planes.append(_sum(graph, (mark, 1 / (high if place % 2 else wide))))
        planes.append(logit(level.score))
        none = [logit(_sum(graph, (level.score, 0.0)))] * 32
        graph.give(f"out{number}", ["n", 48, f"h{number}", f"w{number}"], graph.add("Concat", *none, *planes, axis=1))
    return graph.save(path, 13)


def rfb(path: Path) -> Path:
    """RFB-320: scores (1, 4420, 2) and boxes (1, 4420, 4) in shares of 320 x 240; only the first 1200 places answer."""
    graph = Graph()
    red, green, blue = _planes(graph, graph.take("input", [1, 3, 240, 320]), Form("rgb", (127.0,) * 3, (128.0,) * 3))
    level = _level(graph, _above(graph, red, (green, blue)), 8, (8, 120))
    across = graph.constant(np.arange(40, dtype=np.float32)[None, None, None, :] * 8)
    down = graph.constant(np.arange(30, dtype=np.float32)[None, None, :, None] * 8)
    x, y = graph.add("Add", level.x, across), graph.add("Add", level.y, down)
    box = [_sum(graph, (x, 1 / 320), (level.width, -0.5 / 320)), _sum(graph, (y, 1 / 240), (level.height, -0.5 / 240))]
    box += [_sum(graph, (x, 1 / 320), (level.width, 0.5 / 320)), _sum(graph, (y, 1 / 240), (level.height, 0.5 / 240))]
    nothing = graph.add("Sub", graph.constant(np.float32(1)), level.score)
    rest = graph.constant(np.tile(np.array([1, 0], np.float32), (1, 4420 - 1200, 1)))
    graph.give("scores", [1, 4420, 2], graph.add("Concat", _rows(graph, [nothing, level.score], [1, -1, 2]), rest, axis=1))
    rest = graph.constant(np.zeros((1, 4420 - 1200, 4), np.float32))
    graph.give("boxes", [1, 4420, 4], graph.add("Concat", _rows(graph, box, [1, -1, 4]), rest, axis=1))
    return graph.save(path, 13)


# Of the five points the colours that the landmark networks take for them, RGB.
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 255, 255), (255, 0, 255))
# How far the points that make one of the five lie from it, in pixels of the crop.
SPREAD = 6.0
PEAK = 0.8


def discs(width: int, height: int, five: NDArray[np.floating], radius: float) -> Bytes:
    """A dark picture (h, w, 3) uint8 BGR with a disc in each of the colours at the five points (5, 2)."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    image = np.full((height, width, 3), 40, np.float32)
    for point, colour in zip(five, COLOURS, strict=True):
        cover = np.clip(radius - np.hypot(x - point[0], y - point[1]) + 0.5, 0, 1)[..., None]
        image = image * (1 - cover) + cover * np.array(colour[::-1], np.float32)
    return np.rint(image).astype(np.uint8)


def _centroids(graph: Graph, picture: str, form: Form, size: int) -> tuple[str, str]:
    """Where the five colours are in a crop, (1, 10) pixels, 0 where there are none; and how much of them there is, (1, 1)."""
    red, green, blue = _planes(graph, picture, form)
    cyan, magenta = graph.add("Min", green, blue), graph.add("Min", red, blue)
    pairs = ((red, (green, blue)), (green, (red, blue)), (blue, (red, green)), (cyan, (red,)), (magenta, (green,)))
    planes = graph.add("Concat", *(_above(graph, first, others) for first, others in pairs), axis=1)
    table = graph.add("Reshape", planes, graph.constant(np.array([5, size * size])))
    places = np.stack([np.ones((size, size)), *np.meshgrid(np.arange(size), np.arange(size))], axis=-1).reshape(-1, 3)
    sums = graph.add("MatMul", table, graph.constant(places.astype(np.float32)))
    mass, moment = (graph.add("Gather", sums, graph.constant(np.array(which)), axis=1) for which in ([0], [1, 2]))
    found = graph.add("Div", moment, graph.add("Max", mass, graph.constant(np.float32(4))))
    total = graph.add("ReduceMin", mass, axes=[0], keepdims=1)
    return graph.add("Reshape", found, graph.constant(np.array([1, 10]))), total


def _marks(
    graph: Graph, found: str, five: Sequence[Sequence[int]], count: int, skipped: int, wide: int, scale: float, shift: float
) -> str:
    """`count` points of `wide` numbers after `skipped` others, (1, all), scale * pixels + shift; all but the five at 0 px."""
    rows = np.zeros((10, skipped + count, wide), np.float32)
    away = np.zeros((skipped + count, wide), np.float32)
    for number, group in enumerate(five):
        for place, index in enumerate(group):
            angle = 2 * np.pi * place / len(group)
            rows[2 * number, skipped + index, 0] = rows[2 * number + 1, skipped + index, 1] = 1
            if len(group) > 1:
                away[skipped + index, :2] = SPREAD * np.cos(angle), SPREAD * np.sin(angle)
    made = graph.add("MatMul", found, graph.constant(rows.reshape(10, -1) * np.float32(scale)))
    return graph.add("Add", made, graph.constant(away.reshape(1, -1) * np.float32(scale) + np.float32(shift)))


def insightface(path: Path, five: Sequence[Sequence[int]], count: int = 106, wide: int = 2) -> Path:
    """2d106det, or with 68 points of 3 numbers 1k3d68: RGB 0..255 in, points -1..1 out."""
    graph, skipped = Graph(), 0 if wide == 2 else 1103 - 68
    picture = graph.take("data", ["None", 3, 192, 192])
    found, _ = _centroids(graph, picture, Form("rgb", deviation=(1.0, 1.0, 1.0)), 192)
    numbers = (skipped + count) * wide
    graph.give("fc1", [1, numbers], _marks(graph, found, five, count, skipped, wide, 1 / 96, -1.0))
    return graph.save(path)


def fan(path: Path, five: Sequence[Sequence[int]]) -> Path:
    """2dfan4: BGR 0..1 in; points 0..64 with a third number, and heat maps that rise to PEAK where all colours are there."""
    graph = Graph()
    found, least = _centroids(graph, graph.take("input", [1, 3, 256, 256]), Form("bgr"), 256)
    marks = _marks(graph, found, five, 68, 0, 3, 0.25, 0.0)
    graph.give("landmarks_xyscore", [1, 68, 3], graph.add("Reshape", marks, graph.constant(np.array([1, 68, 3]))))
    there = graph.add("Clip", least, graph.constant(np.float32(0)), graph.constant(np.float32(1)))
    maps = np.zeros((1, 68, 64, 64), np.float32)
    maps[:, :, 20, 30] = PEAK
    spread = graph.add("Reshape", there, graph.constant(np.array([1, 1, 1, 1])))
    graph.give("heatmaps", [1, 68, 64, 64], graph.add("Mul", graph.constant(maps), spread))
    return graph.save(path)


def peppa(path: Path, five: Sequence[Sequence[int]]) -> Path:
    """peppa_wutz: BGR 0..1 in; points 0..64 with a score, PEAK where all colours are there."""
    graph = Graph()
    found, least = _centroids(graph, graph.take("input", [1, 3, 256, 256]), Form("bgr"), 256)
    marks = _marks(graph, found, five, 68, 0, 3, 0.25, 0.0)
    there = graph.add("Clip", least, graph.constant(np.float32(0)), graph.constant(np.float32(1)))
    third = np.tile(np.array([0, 0, PEAK], np.float32), 68)[None]
    kept = graph.add("Mul", marks, graph.constant(np.tile(np.array([1, 1, 0], np.float32), 68)[None]))
    graph.give("output", [1, 204], graph.add("Add", kept, graph.add("Mul", there, graph.constant(third))))
    return graph.save(path)


def recogniser(path: Path, port: str = "input.1", dimensions: int = 512, batch: int | str = "None", output: str = "683") -> Path:
    """A recogniser whose embedding is its input's mean in 4 x 4 fields of each channel, and zeros."""
    graph = Graph()
    means = graph.add("AveragePool", graph.take(port, [batch, 3, 112, 112]), kernel_shape=[28, 28], strides=[28, 28])
    flat = graph.add("Reshape", means, graph.constant(np.array([-1, 48])))
    spread = np.eye(48, dimensions, dtype=np.float32)
    graph.give(output, [1, dimensions], graph.add("MatMul", flat, graph.constant(spread)))
    return graph.save(path)


def converter(path: Path) -> Path:
    """crossface: gives its input doubled and from behind."""
    graph = Graph()
    turned = graph.add("MatMul", graph.take("input", [1, 512]), graph.constant(2 * np.eye(512, dtype=np.float32)[::-1].copy()))
    graph.give("output", [1, 512], turned)
    return graph.save(path)
