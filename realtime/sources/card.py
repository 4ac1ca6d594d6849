"""The picture shown while no camera gives one."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Image

_BACKGROUND = (58, 50, 44)
_INK = (214, 206, 198)


def card(size: tuple[int, int], title: str = "No camera", hint: str = "It comes back by itself when it is plugged in") -> Image:
    """A plain, friendly picture of `size` (width, height), BGR uint8, with nothing in it that looks like a face."""
    width, height = size
    image = np.full((height, width, 3), _BACKGROUND, np.uint8)
    unit = min(width, height) / 100
    if unit < 0.5:  # under 50 pixels there is no room for anything readable
        return image
    middle = width // 2
    _crossed_camera(image, middle, round(height * 0.38), unit)
    _line(image, title, middle, round(height * 0.68), 8 * unit)
    _line(image, hint, middle, round(height * 0.79), 3.6 * unit)
    return image


def _crossed_camera(image: Image, x: int, y: int, unit: float) -> None:
    """A camera's outline without its lens (a lens would be one round eye), struck through."""
    thick = max(1, round(1.4 * unit))

    def at(right: float, down: float) -> tuple[int, int]:
        return round(x + right * unit), round(y + down * unit)

    cv2.rectangle(image, at(-18, -11), at(9, 11), _INK, thick, cv2.LINE_AA)
    wedge = np.array([at(9, -3), at(19, -9), at(19, 9), at(9, 3)], np.int32)
    cv2.polylines(image, [wedge], True, _INK, thick, cv2.LINE_AA)
    cv2.line(image, at(-20, 16), at(20, -16), _BACKGROUND, thick * 4, cv2.LINE_AA)
    cv2.line(image, at(-20, 16), at(20, -16), _INK, thick, cv2.LINE_AA)


def _line(image: Image, text: str, middle: int, baseline: int, height: float) -> None:
    """One line of text, centred, `height` pixels tall or less where the picture is narrow."""
    thick = max(1, round(height / 12))
    (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, thick)
    scale = min(height / tall, 0.92 * image.shape[1] / wide)
    (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    cv2.putText(image, text, (middle - wide // 2, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, thick, cv2.LINE_AA)
