"""Things that come between a face and the camera, drawn by rule with exact masks: no photos, the same for the same seed.

Lengths are in face heights (forehead to chin), x to the right, y down, from the middle of the face.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import sprites

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_FOREHEAD, _CHIN = 10, 152


@dataclass(frozen=True, slots=True)
class Path:
    """Where an object comes from, where it stays (its own anchor there), how it leans (degrees) and how far it sways."""

    outside: tuple[float, float]
    there: tuple[float, float]
    lean: float = 0.0
    sway: float = 0.02


PATHS = {
    "hand": Path((1.0, 1.3), (0.16, 0.16), -24.0),
    "fingers": Path((-1.2, 0.7), (-0.22, 0.12), 42.0, 0.03),
    "mug": Path((0.5, 1.6), (0.02, 0.44)),
    "microphone": Path((-0.5, 1.5), (-0.04, 0.34), 14.0),
    "hair": Path((0.1, -0.9), (0.12, -0.42), 6.0, 0.015),
    "phone": Path((1.4, 0.5), (0.30, 0.06), 12.0),
    "paper": Path((-0.2, 1.7), (-0.05, 0.42), -6.0),
}
OBJECTS = tuple(PATHS)
# Shares of the run: nothing there, coming, staying, going, nothing again.
_COMES, _STAYS, _GOES, _GONE = 0.40, 0.52, 0.84, 0.96


def place(name: str, moment: float) -> tuple[float, float, float] | None:
    """Where the object's anchor is at `moment` 0..1 of the run, and its lean in degrees; None while it is away."""
    path = PATHS[name]
    if not _COMES <= moment < _GONE:
        return None
    near = min((moment - _COMES) / (_STAYS - _COMES), (_GONE - moment) / (_GONE - _GOES), 1.0)
    near = near * near * (3 - 2 * near)
    x, y = np.array(path.outside) * (1 - near) + np.array(path.there) * near
    turn = 2 * np.pi * moment
    return float(x + path.sway * np.sin(7 * turn)), float(y + path.sway * np.sin(5 * turn + 1)), path.lean + 6 * float(np.sin(4 * turn))


def tone_of(image: Bytes, landmarks: Floats) -> tuple[float, float, float]:
    """The skin's colour (blue, green, red) of a face: the median over its plain parts."""
    from models.mesh import relight
    from models.mesh.topology import PLAIN_SKIN

    blue, green, red = np.median(relight.sample(image, landmarks[PLAIN_SKIN, :2], 1), axis=0)
    return float(blue), float(green), float(red)


def compose(
    image: Bytes,
    landmarks: Floats,
    name: str,
    moment: float,
    step: float,
    tone: tuple[float, float, float],
    noise: float = 1.5,
    seed: int = 0,
) -> tuple[Bytes, Floats]:
    """The frame with the object before the face, and how far it covers each pixel (h, w) float32 0..1.

    landmarks: (468+, 3) px of the bare face.  moment: 0..1 of the run; step: how much of it one frame lasts, for the motion
    blur of half an open shutter.  tone: the skin's BGR colour.  noise: the camera's, grey levels.  seed: of the noise.
    """
    height, width = image.shape[:2]
    # What hangs in the air moves smoothly, whatever expression the face makes.
    up = landmarks[_FOREHEAD, :2] - landmarks[_CHIN, :2]
    size, centre = float(np.hypot(*up)), landmarks[:468, :2].mean(axis=0)
    picture, weight = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    moments = moment + step * np.linspace(-0.25, 0.25, 5)
    shown = [where for where in (place(name, float(at)) for at in moments) if where is not None]
    if not shown:
        return image, weight
    sprite = _at_size(name, _rounded(tone), max(8, 4 * round(size / 4)))
    for x, y, lean in shown:
        drawn = cv2.warpAffine(sprite, _matrix(x, y, lean, centre, size, sprite.shape[0]), (width, height), flags=cv2.INTER_LINEAR)
        picture += drawn[..., :3] / len(moments)
        weight += drawn[..., 3] / len(moments)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.6)
    weight = cv2.GaussianBlur(weight, (0, 0), 0.6)
    # Something before a face keeps some of its light away.
    shade = cv2.GaussianBlur(weight, (0, 0), 0.05 * size)
    shade = cv2.warpAffine(shade, np.array([[1, 0, 0.02 * size], [0, 1, 0.04 * size]]), (width, height))
    behind = image * (1 - 0.15 * shade[..., None])
    grain = np.random.default_rng(seed).normal(0, noise, image.shape).astype(np.float32)
    mixed = behind * (1 - weight[..., None]) + picture + grain * weight[..., None]
    near = (weight > 0) | (shade > 0.004)
    return np.where(near[..., None], np.rint(np.clip(mixed, 0, 255)), image).astype(np.uint8), np.clip(weight, 0.0, 1.0)


def _matrix(x: float, y: float, lean: float, centre: Floats, size: float, across: int) -> NDArray[np.float64]:
    """Sprite pixels to frame pixels: the sprite's middle is its anchor."""
    scale = sprites.REACH * 2 * size / across
    turn = np.radians(lean)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    goal = np.asarray(centre, np.float64) + size * np.array([x, y])
    return np.column_stack([rotation, goal - rotation @ np.array([across / 2, across / 2])])


def _rounded(tone: tuple[float, float, float]) -> tuple[int, int, int]:
    blue, green, red = tone
    return round(blue), round(green), round(red)


@functools.lru_cache(maxsize=16)
def _at_size(name: str, tone: tuple[int, int, int], size: int) -> Floats:
    """The object's picture times its alpha, and alpha: (s, s, 4) float32, for a face `size` px high."""
    whole = sprites.draw(name, tone)
    across = min(whole.shape[0], round(2 * sprites.REACH * size * 1.2))
    return np.asarray(cv2.resize(whole, (across, across), interpolation=cv2.INTER_AREA), np.float32)


__all__ = ["OBJECTS", "PATHS", "Path", "compose", "place", "tone_of"]
