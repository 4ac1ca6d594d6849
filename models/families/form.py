"""How a network wants a picture, and a picture of what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from models.network import Array

Bytes = NDArray[np.uint8]

# numba knows no half floats; their bits are whole numbers that a table holds as well.
_BITS = {np.dtype(np.float16): np.dtype(np.uint16)}
_MOST = np.float32(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Form:
    """A network's picture: value = (pixel - mean) / deviation, channel by channel in its own order of colours.

    mean, deviation: in pixel values 0..255, in the order of `colour`.  layout: nchw (1, 3, h, w) or nhwc (1, h, w, 3).
    """

    colour: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (255.0, 255.0, 255.0)
    layout: Literal["nchw", "nhwc"] = "nchw"

    def shape(self, side: int) -> tuple[int, int, int, int]:
        """The shape of a square picture of a side in pixels."""
        return (1, 3, side, side) if self.layout == "nchw" else (1, side, side, 3)

    def pack(self, image: Bytes, out: Array | None = None) -> Array:
        """A picture (h, w, 3) uint8 BGR as the network's input with a batch of one, float32 or of the type of `out`.

        out: is filled and given back instead of a new array.  Raises ValueError for another picture or an `out` of another shape.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"got a picture {image.shape} {image.dtype}, expected (h, w, 3) uint8")
        rows, columns = image.shape[:2]
        shape = (1, 3, rows, columns) if self.layout == "nchw" else (1, rows, columns, 3)
        if out is None:
            out = np.empty(shape, np.float32)
        elif out.shape != shape:
            raise ValueError(f"got an array {out.shape} to fill, expected {shape}")
        pixels = np.arange(256, dtype=np.float32)[:, None]
        table = ((pixels - np.array(self.mean, np.float32)) / np.array(self.deviation, np.float32)).T.astype(out.dtype)
        whole = _BITS.get(out.dtype, out.dtype)
        shown = out.view(whole)[0]
        places = shown.transpose(1, 2, 0) if self.layout == "nchw" else shown
        if self.colour == "rgb":
            table, places = table[::-1], places[..., ::-1]
        _look_up(_constant(image), np.ascontiguousarray(table).view(whole), places)
        return out

    def unpack(self, values: Array) -> Bytes:
        """A network's output of this form, with or without the batch of one, as a picture (h, w, 3) uint8 BGR, cut to 0..255.

        Raises ValueError where it holds what is no number, and for another shape.
        """
        shown = values[0] if values.ndim == 4 and len(values) == 1 else values
        if shown.ndim != 3 or shown.shape[0 if self.layout == "nchw" else 2] != 3:
            expected = "(1, 3, h, w)" if self.layout == "nchw" else "(1, h, w, 3)"
            raise ValueError(f"got an output {values.shape}, expected a picture {expected}")
        shown = np.ascontiguousarray(shown, np.float32)
        channels = shown if self.layout == "nchw" else cv2.split(shown)
        planes = [plane(*channel) for channel in zip(channels, self.deviation, self.mean, strict=True)]
        return np.asarray(cv2.merge(planes[::-1] if self.colour == "rgb" else planes), np.uint8)


def plane(values: Array, deviation: float = 255.0, mean: float = 0.0) -> Bytes:
    """One channel (h, w) of a network's output as pixels uint8 = values * deviation + mean, rounded and cut to 0..255.

    Raises ValueError where it holds what is no number.
    """
    shown = np.ascontiguousarray(values, np.float32)
    out = np.empty(shown.shape, np.uint8)
    if _round(_constant(shown).reshape(-1), np.float32(deviation), np.float32(mean), out.reshape(-1)):
        raise ValueError("got an output that is not finite, expected a picture")
    return out


def copy(image: Bytes, out: Bytes) -> None:
    """Copy pixels (h, w, 3) uint8 that lie apart, or are to; numpy takes nine times as long."""
    if image.shape != out.shape:
        raise ValueError(f"got a picture {image.shape}, expected {out.shape}")
    # Turned like this all pictures are of one type to numba, wherever their pixels lie.
    _copy(_locked(image).transpose(2, 0, 1), out.transpose(2, 0, 1))


def _constant(array: Array) -> Array:
    return _locked(np.ascontiguousarray(array))


def _locked(array: Array) -> Array:
    # What may be written and what may not are two types to numba, and would be compiled twice.
    shown = array.view()
    shown.flags.writeable = False
    return shown


@numba.njit(cache=True, nogil=True)
def _look_up(image: Bytes, table: Array, out: Array) -> None:
    """What the table (3, 256) has for each of the pixels (h, w, 3); twice as fast as arithmetic, and exact."""
    height, width = image.shape[:2]
    for y in range(height):
        for x in range(width):
            out[y, x, 0] = table[0, image[y, x, 0]]
            out[y, x, 1] = table[1, image[y, x, 1]]
            out[y, x, 2] = table[2, image[y, x, 2]]


@numba.njit(cache=True, nogil=True)
def _copy(image: Bytes, out: Bytes) -> None:
    """Planes (3, h, w) into others."""
    height, width = image.shape[1:]
    for y in range(height):
        for x in range(width):
            out[0, y, x] = image[0, y, x]
            out[1, y, x] = image[1, y, x]
            out[2, y, x] = image[2, y, x]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _round(values: Any, deviation: Any, mean: Any, out: Any) -> int:
    """Pixels of one channel (n,); gives how many are no numbers."""
    wrong = 0
    low, high = np.float32(0.0), np.float32(255.0)
    for i in range(values.size):
        value = values[i] * deviation + mean
        wrong += not abs(value) <= _MOST
        # By way of a whole number: this is what the compiler makes vector instructions of.
        out[i] = np.uint8(np.int32(np.rint(min(max(value, low), high))))
    return wrong


UNIT = Form()
"""RGB 0..1."""
SIGNED = Form(mean=(127.5, 127.5, 127.5), deviation=(127.5, 127.5, 127.5))
"""RGB -1..1."""
IMAGENET = Form(mean=(123.675, 116.28, 103.53), deviation=(58.395, 57.12, 57.375))
"""RGB with the mean and deviation of ImageNet."""

__all__ = ["Form", "IMAGENET", "SIGNED", "UNIT", "copy", "plane"]
