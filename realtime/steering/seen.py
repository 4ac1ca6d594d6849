"""Who is in the newest frame, as a page shows and chooses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2

from realtime.config import BlendSettings
from realtime.frame import Frame, Image, RealtimeError
from realtime.stages.lost import covered

_NEAR = 0.03
"""How far outside a box, as a part of the picture, a click still means it."""


@dataclass(frozen=True, slots=True)
class FaceState:
    """Somebody in the newest frame.

    track: their number.  box: left, top, right, bottom as fractions of the picture.  source: whose face they are to wear, or None.
    covered: nothing of their own face is seen, and no other either.
    """

    track: int
    box: tuple[float, float, float, float]
    source: str | None
    covered: bool = False


def seen(frame: Frame, wearing: Mapping[int, str], blend: BlendSettings) -> list[FaceState]:
    """Everybody who is followed.  wearing: source by track.  blend: what the frame was blended with."""
    height, width = frame.image.shape[:2]
    found = []
    for face in frame.faces:
        if face.track is not None and width and height:
            left, top, right, bottom = (float(value) for value in face.box)
            box = left / width, top / height, right / width, bottom / height
            parts = _part(box[0]), _part(box[1]), _part(box[2]), _part(box[3])
            found.append(FaceState(face.track, parts, wearing.get(face.track), covered(face, blend)))
    return found


def at(faces: Sequence[FaceState], x: float, y: float) -> FaceState | None:
    """Who is at a place, fractions of the picture; the smaller of two, and None where nobody is."""

    def away(face: FaceState) -> float:
        left, top, right, bottom = face.box
        return max(left - x, x - right, top - y, y - bottom)

    def area(face: FaceState) -> float:
        return (face.box[2] - face.box[0]) * (face.box[3] - face.box[1])

    return min((face for face in faces if away(face) <= _NEAR), key=lambda face: (max(away(face), 0.0), area(face)), default=None)


def png(image: Image) -> bytes:
    """A picture as a PNG file; raises RealtimeError for one without pixels."""
    if not image.size:
        raise RealtimeError("The picture has no pixels.")
    return cv2.imencode(".png", image)[1].tobytes()


def _part(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)


__all__ = ["FaceState", "at", "png", "seen"]
