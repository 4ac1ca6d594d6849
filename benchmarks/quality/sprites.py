"""Pictures of a hand, a mug, a microphone, hair, a phone and a sheet of paper, drawn by rule with alpha."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Tone = tuple[int, int, int]
Bone = tuple[tuple[float, float], tuple[float, float], float, float]

# A sprite reaches so many face heights from its anchor, and has so many pixels across.
REACH = 1.5
_ACROSS = 960
_UNIT = _ACROSS / (2 * REACH)
_LAMP = np.array([-0.45, -0.55, 0.70], np.float32)

# Bones of a hand in face heights from the middle of its palm, fingers up: start, end, radius at both.
_FINGERS = (
    ((-0.19, -0.10), (-0.27, -0.42), 0.058, 0.046),
    ((-0.07, -0.17), (-0.09, -0.55), 0.060, 0.048),
    ((0.05, -0.17), (0.07, -0.53), 0.059, 0.047),
    ((0.16, -0.11), (0.21, -0.41), 0.053, 0.041),
    ((-0.20, 0.14), (-0.42, -0.10), 0.075, 0.055),
)
_TWO_FINGERS = (_FINGERS[1], _FINGERS[2])


@functools.lru_cache(maxsize=8)
def draw(name: str, tone: Tone) -> Floats:
    """(960, 960, 4) float32: colour 0..255 times alpha, BGR, and alpha 0..1; the anchor is in the middle.

    tone: BGR of the skin, from which hands are made and by which everything else is lit.
    Raises ValueError for a name that is not known.
    """
    if name not in _DRAWERS:
        raise ValueError(f"got object {name!r}, expected one of {sorted(_DRAWERS)}")
    colour, alpha = _DRAWERS[name](np.array(tone, np.float32))
    alpha = np.clip(alpha, 0.0, 1.0)[..., None]
    return np.asarray(np.concatenate([np.clip(colour, 0, 255) * alpha, alpha], axis=2), np.float32)


@functools.cache
def _grid() -> tuple[Floats, Floats]:
    """x and y in face heights of every sprite pixel."""
    line = (np.arange(_ACROSS, dtype=np.float32) + 0.5) / _UNIT - REACH
    x, y = np.meshgrid(line, line)
    return x, y


def _noise(blur: float, seed: int) -> Floats:
    """Unit noise, as coarse as `blur` face heights."""
    coarse = np.random.default_rng(seed).normal(0, 1, (_ACROSS, _ACROSS)).astype(np.float32)
    soft = cv2.GaussianBlur(coarse, (0, 0), max(0.5, blur * _UNIT))
    return np.asarray(soft / soft.std(), np.float32)


def _cover(distance: Floats) -> Floats:
    """Alpha from a signed distance in face heights, negative inside."""
    return np.asarray(np.clip(0.5 - distance * _UNIT, 0.0, 1.0), np.float32)


def _capsule(start: tuple[float, float], end: tuple[float, float], first: float, last: float) -> tuple[Floats, Floats, Floats]:
    """Signed distance to a bone with flesh, its height above the plane, and how far along it (0..1) each pixel lies."""
    x, y = _grid()
    (ax, ay), (bx, by) = start, end
    dx, dy = bx - ax, by - ay
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0.0, 1.0).astype(np.float32)
    radius = first + (last - first) * along
    away = np.hypot(x - ax - along * dx, y - ay - along * dy)
    return away - radius, np.sqrt(np.maximum(radius**2 - away**2, 0.0)), along


def _shaded(height: Floats, strength: float = 1.0) -> Floats:
    """Light on a relief (face heights): 1 on a plane that looks at the lamp's mean direction."""
    soft = cv2.GaussianBlur(height, (0, 0), 0.008 * _UNIT) * _UNIT
    slope_x, slope_y = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.125)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    light = (-slope_x * _LAMP[0] - slope_y * _LAMP[1] + _LAMP[2]) / length
    return np.asarray(1 + strength * (np.clip(light, 0.0, 1.0) - _LAMP[2]), np.float32)


def _hand(tone: Floats, bones: tuple[Bone, ...] = _FINGERS) -> tuple[Floats, Floats]:
    x, y = _grid()
    palm = np.hypot(np.maximum(np.abs(x) - 0.13, 0), np.maximum(np.abs(y - 0.06) - 0.16, 0)) - 0.10
    wrist, wrist_height, _ = _capsule((0.0, 0.2), (0.05, 1.6), 0.15, 0.19)
    distance, height = np.minimum(palm, wrist), 0.10 * np.sqrt(np.clip(-palm / 0.1, 0.0, 1.0))
    height = np.maximum(height, 0.6 * wrist_height)
    crease, tips, nails = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for start, end, first, last in bones:
        near, relief, along = _capsule(start, end, first, last)
        # Where one finger lies beside another or leaves the palm, there is a dark fold.
        crease = np.maximum(crease, np.exp(-((near / 0.010) ** 2)) * (distance < 0.01) * (along > 0.12))
        for joint in (0.45, 0.75):
            crease = np.maximum(crease, 0.45 * np.exp(-(((along - joint) / 0.018) ** 2)) * (near < -0.012))
        tips = np.maximum(tips, np.clip((along - 0.7) / 0.3, 0, 1) * (near < 0))
        tip = np.array(end) - 0.01
        nails = np.maximum(nails, np.clip(1.5 - np.hypot((x - tip[0]) / 0.026, (y - tip[1] + 0.012) / 0.034) * 1.5, 0, 1) * (near < -0.012))
        distance, height = np.minimum(distance, near), np.maximum(height, relief)
    light = _shaded(height, 0.75) * (1 - 0.42 * cv2.GaussianBlur(crease, (0, 0), 1.2))
    light *= 1 + 0.018 * _noise(0.04, 1) + 0.015 * _noise(0.005, 2)
    red = 1 + (0.05 * tips + 0.012 * _noise(0.06, 3))[..., None] * np.array([-0.6, -0.6, 1.0], np.float32)
    colour = tone * light[..., None] * red
    colour += nails[..., None] * 0.35 * (tone * np.array([1.15, 1.1, 1.12]) + 12 - colour)
    return colour.astype(np.float32), _cover(distance)


def _mug(tone: Floats) -> tuple[Floats, Floats]:
    x, y = _grid()
    half, top, bottom = 0.24, -0.22, 0.34
    bend = 0.05 * np.sqrt(np.clip(1 - (x / half) ** 2, 0.0, 1.0))
    body = np.maximum(np.abs(x) - half, np.maximum(top - bend - y, y - bottom - bend))
    mouth = (x / half) ** 2 + ((y - top) / 0.05) ** 2 - 1
    ring = np.abs(np.hypot((x - half) / 0.75, y - 0.06) - 0.17) - 0.032
    handle = np.maximum(ring, half - 0.02 - x)
    across = np.clip(x / half, -1.0, 1.0)
    light = 0.72 + 0.34 * np.sqrt(1 - across**2) - 0.18 * across + 0.22 * np.exp(-(((across + 0.45) / 0.1) ** 2))
    light = np.where(x > half, 0.85, light) * (1 + 0.01 * _noise(0.02, 4))
    lit = min(1.1, float(tone.mean()) / 140)
    glaze, stripe = np.array([215, 222, 226], np.float32), np.array([150, 90, 40], np.float32)
    colour = np.where((np.abs(y - 0.12 - bend) < 0.06)[..., None] & (np.abs(x) < half)[..., None], stripe, glaze)
    colour = np.where((mouth < 0)[..., None], np.array([60, 85, 110], np.float32), colour) * light[..., None] * lit
    return colour.astype(np.float32), np.maximum(_cover(body), _cover(handle))


def _microphone(tone: Floats) -> tuple[Floats, Floats]:
    x, y = _grid()
    lit = min(1.1, float(tone.mean()) / 140)
    ball = np.hypot(x, y) - 0.145
    round_ = np.sqrt(np.clip(1 - (np.hypot(x, y) / 0.145) ** 2, 0.0, 1.0))
    mesh = 0.5 + 0.5 * np.cos(x * 2 * np.pi / 0.016) * np.cos(y * 2 * np.pi / 0.016)
    grille = (34 + 70 * round_ * (0.6 - 0.5 * (x + y) / 0.2)) * (0.55 + 0.6 * mesh)
    collar = np.maximum(np.abs(x) - 0.105, np.abs(y - 0.145) - 0.03)
    stick, _, _ = _capsule((0.0, 0.2), (0.0, 1.6), 0.078, 0.055)
    across = np.clip(x / 0.075, -1, 1)
    shaft = 26 + 42 * np.sqrt(1 - across**2) + 90 * np.exp(-(((across + 0.4) / 0.12) ** 2))
    grey = np.where(ball < 0, grille, np.where(collar < 0, 120 + 60 * np.cos(4 * across), shaft)) * lit
    distance = np.minimum(np.minimum(ball, collar), stick)
    return grey[..., None] * np.array([1.0, 0.99, 0.97], np.float32), _cover(distance)


def _hair(tone: Floats) -> tuple[Floats, Floats]:
    x, y = _grid()
    draws = np.random.default_rng(5)
    alpha, shade = np.zeros((_ACROSS, _ACROSS), np.float32), np.zeros((_ACROSS, _ACROSS), np.float32)
    run = np.linspace(0, 1, 24)
    for _ in range(150):
        root, length = draws.normal(0, 0.09), draws.uniform(0.25, 0.62)
        bend, wave = draws.normal(0.16, 0.06), draws.normal(0, 0.015)
        px = root + bend * run**2 + wave * np.sin(6 * run) + 0.04 * draws.normal() * run
        py = -0.45 + (0.45 + length) * run
        points = np.rint((np.stack([px, py], axis=1) + REACH) * _UNIT * 16).astype(np.int32)
        line = np.zeros((_ACROSS, _ACROSS), np.uint8)
        cv2.polylines(line, [points], False, 255, int(draws.integers(2, 6)), cv2.LINE_AA, 4)
        strand = line.astype(np.float32) / 255
        shade += strand * (draws.uniform(0.5, 1.5) - shade)
        alpha = np.maximum(alpha, strand)
    gloss = 1 + 0.5 * np.exp(-(((y + 0.15 - 0.4 * x) / 0.08) ** 2))
    colour = np.array([26, 34, 48], np.float32) * (shade * gloss)[..., None] * min(1.1, float(tone.mean()) / 140)
    return colour.astype(np.float32), alpha


def _phone(tone: Floats) -> tuple[Floats, Floats]:
    x, y = _grid()
    body = np.hypot(np.maximum(np.abs(x) - 0.16, 0), np.maximum(np.abs(y) - 0.38, 0)) - 0.05
    lens = np.hypot(x + 0.11, y + 0.33) - 0.035
    grey = 36 + 18 * (x + y) + 60 * np.exp(-(((x - 0.4 * y - 0.05) / 0.03) ** 2)) + 40 * (np.abs(body) < 0.012)
    grey = np.where(np.abs(lens) < 0.01, 130, np.where(lens < 0, 12, grey)) * min(1.1, float(tone.mean()) / 140)
    phone = grey[..., None] * np.array([1.05, 1.0, 0.97], np.float32)
    # Held by fingers of the target's own skin.
    colour, hold = _hand(tone, _FINGERS[:4])
    turn = cv2.getRotationMatrix2D((_ACROSS / 2, _ACROSS / 2), 78, 0.8)
    turn[:, 2] += (0.52 * _UNIT, 0.25 * _UNIT)
    hold = cv2.warpAffine(hold, turn, (_ACROSS, _ACROSS))
    colour = cv2.warpAffine(colour, turn, (_ACROSS, _ACROSS), borderMode=cv2.BORDER_REPLICATE)
    return (phone + hold[..., None] * (colour - phone)).astype(np.float32), np.maximum(_cover(body), hold).astype(np.float32)


def _paper(tone: Floats) -> tuple[Floats, Floats]:
    x, y = _grid()
    sheet = np.maximum(np.abs(x) - 0.42, np.maximum(-0.2 - y, y - 1.2))
    line = (np.mod(y, 0.07) < 0.02) & (np.abs(x) < 0.34) & (y > -0.12) & (_noise(0.02, 6) > -0.6)
    grey = (228 + 8 * _noise(0.3, 7) - 14 * x) * np.where(line, 0.55, 1.0) * min(1.1, float(tone.mean()) / 140)
    return grey[..., None] * np.array([0.97, 1.0, 1.0], np.float32), _cover(sheet)


_DRAWERS = {
    "hand": _hand,
    "fingers": lambda tone: _hand(tone, _TWO_FINGERS),
    "mug": _mug,
    "microphone": _microphone,
    "hair": _hair,
    "phone": _phone,
    "paper": _paper,
}


__all__ = ["REACH", "draw"]
