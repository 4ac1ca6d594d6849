"""The time code: a strip of black and white cells above the picture, by which a page measures the way there and back."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Image

CELLS = 24
"""White, black, sixteen bits of milliseconds, six bits of a check sum; most significant first."""
_BITS, _CHECK = 16, 6
_START = 0b101010


def cut(image: Image, share: float) -> tuple[Image, Image]:
    """The strip and the picture below it, views of `image`; share: 0..1 of the height that is strip."""
    rows = round(image.shape[0] * share)
    return image[:rows], image[rows:]


def joined(strip: Image, picture: Image) -> Image:
    """The strip above the picture again."""
    if strip.shape[0] == 0:
        return picture
    if strip.shape[1] != picture.shape[1]:
        strip = np.asarray(cv2.resize(strip, (picture.shape[1], strip.shape[0]), interpolation=cv2.INTER_NEAREST), np.uint8)
    return np.concatenate((strip, picture))


def draw(milliseconds: int, width: int, rows: int) -> Image:
    """The strip (rows, width, 3) uint8 for a moment; only its lowest sixteen bits are kept."""
    value = milliseconds % (1 << _BITS)
    bits = [1, 0] + [value >> n & 1 for n in reversed(range(_BITS))] + [_check(value) >> n & 1 for n in reversed(range(_CHECK))]
    edges = np.rint(np.arange(CELLS + 1) * width / CELLS).astype(int)
    out = np.zeros((rows, width, 3), np.uint8)
    for bit, left, right in zip(bits, edges[:-1], edges[1:], strict=True):
        out[:, left:right] = 255 * bit
    return out


def read(strip: Image) -> int | None:
    """The milliseconds in a strip (rows, width, 3), or None where it cannot be read."""
    rows, width = strip.shape[:2]
    if rows < 2 or width < 2 * CELLS:
        return None
    middle = strip[rows // 4 : max(rows // 4 + 1, rows - rows // 4)].mean(axis=(0, 2))
    centres = (np.arange(CELLS) + 0.5) * width / CELLS
    reach = width / CELLS / 4
    levels = [float(middle[int(c - reach) : max(int(c - reach) + 1, int(c + reach))].mean()) for c in centres]
    if levels[0] - levels[1] < 40:
        return None
    limit = (levels[0] + levels[1]) / 2
    number = 0
    for level in levels[2:]:
        number = number << 1 | (level > limit)
    value, check = number >> _CHECK, number & ((1 << _CHECK) - 1)
    return value if check == _check(value) else None


def _check(value: int) -> int:
    """Six bits that change with any one, two or neighbouring bits of the sixteen."""
    check = _START
    for n in reversed(range(_BITS)):
        check = check << 1 | (value >> n & 1)
        if check & 1 << _CHECK:
            check ^= 0b1000011  # x^6 + x + 1
    for _ in range(_CHECK):
        check <<= 1
        if check & 1 << _CHECK:
            check ^= 0b1000011
    return check


__all__ = ["CELLS", "cut", "draw", "joined", "read"]
