"""Pictures for people: face crops of target and result, and contact sheets of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.quality.shot import Shot
from models.whole import replacing
from realtime.frame import Image

SIDE = 256
_MARGIN = 1.5
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]


@dataclass(frozen=True, slots=True)
class Still:
    """One frame's face before and after, as JPEG files of 256 x 256 px."""

    index: int
    target: bytes
    result: bytes


def still(shot: Shot) -> Still:
    """The face of a shot with half as much around it, before and after."""
    low, high = shot.landmarks[:, :2].min(axis=0), shot.landmarks[:, :2].max(axis=0)
    centre, side = (low + high) / 2, _MARGIN * float((high - low).max())
    return Still(shot.index, *(_jpeg(_square(image, centre[0], centre[1], side)) for image in (shot.image, shot.result)))


def sheet(path: Path, rows: Mapping[str, Sequence[Image]]) -> None:
    """Write a contact sheet: a row of equal pictures each with its name before it; the file comes whole or not at all."""
    width = max(len(pictures) for pictures in rows.values())
    label = 150
    canvas = np.full((SIDE * len(rows), label + SIDE * width, 3), 24, np.uint8)
    for row, (name, pictures) in enumerate(rows.items()):
        for line, text in enumerate(name.split("\n")):
            place = (8, row * SIDE + 28 + 22 * line)
            cv2.putText(canvas, text[:18], place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 1, cv2.LINE_AA)
        for column, picture in enumerate(pictures):
            left = label + column * SIDE
            canvas[row * SIDE : (row + 1) * SIDE, left : left + SIDE] = picture
    with replacing(path, None) as file:
        file.write(cv2.imencode(path.suffix, canvas, _QUALITY)[1].tobytes())


def contact(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the sheet of a report: for each clip the target's row, and under it each source's over evenly spread frames."""
    lines: dict[str, list[Image]] = {}
    for row in rows:
        stills = row["stills"]
        pictures = [stills["pictures"][str(position)] for position in stills["spread"]]
        shown = {side: [decoded(base64.b64decode(picture[side])) for picture in pictures] for side in ("target", "result")}
        if pictures:
            lines.setdefault(f"{row['clip']}\ntarget", shown["target"])
            lines[f"{row['clip']}\n{row['source']}\n{row['engine']}"] = shown["result"]
    if lines:
        sheet(path, lines)


def decoded(data: bytes) -> Image:
    """A picture (h, w, 3) uint8 BGR from a JPEG file's content."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def text(data: bytes) -> str:
    """A file's content as JSON can hold it."""
    return base64.b64encode(data).decode("ascii")


def evenly(count: int, wanted: int) -> list[int]:
    """Up to `wanted` positions of `count`, evenly spread, the first and last at half a step from the ends."""
    return sorted({int((step + 0.5) * count / wanted) for step in range(wanted)}) if count else []


def _square(image: Image, x: float, y: float, side: float) -> Image:
    """A square about a point, 256 px wide and high; grey beyond the picture."""
    scale = SIDE / max(side, 1.0)
    matrix = np.array([[scale, 0, SIDE / 2 - scale * x], [0, scale, SIDE / 2 - scale * y]])
    smooth = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    left, top = max(0, int(x - side / 2) - 1), max(0, int(y - side / 2) - 1)
    part = image[top : int(y + side / 2) + 2, left : int(x + side / 2) + 2]
    if scale < 1 and part.size:
        part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=smooth)
        matrix = np.array([[1.0, 0, SIDE / 2 - scale * (x - left)], [0, 1.0, SIDE / 2 - scale * (y - top)]])
        return np.asarray(cv2.warpAffine(part, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderValue=(64, 64, 64)), np.uint8)
    return np.asarray(cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=smooth, borderValue=(64, 64, 64)), np.uint8)


def _jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image, _QUALITY)[1].tobytes()


__all__ = ["SIDE", "Still", "contact", "decoded", "evenly", "sheet", "still", "text"]
