"""How a network wants a picture, and a picture of what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Form:
    """A network's picture: value = (pixel - mean) / deviation, channel by channel in its own order of colours.

    mean, deviation: in pixel values 0..255, in the order of `colour`.  layout: nchw (1, 3, h, w) or nhwc (1, h, w, 3).
    """

    colour: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (255.0, 255.0, 255.0)
    layout: Literal["nchw", "nhwc"] = "nchw"

    def pack(self, image: Bytes) -> Floats:
        """A picture (h, w, 3) uint8 BGR as the network's float32 input with a batch of one."""
        shown = image[..., ::-1] if self.colour == "rgb" else image
        values = (shown.astype(np.float32) - np.array(self.mean, np.float32)) / np.array(self.deviation, np.float32)
        return np.ascontiguousarray((values.transpose(2, 0, 1) if self.layout == "nchw" else values)[None])

    def unpack(self, values: Floats) -> Bytes:
        """A network's output of this form, with or without the batch of one, as a picture (h, w, 3) uint8 BGR, cut to 0..255.

        Raises ValueError where it holds what is no number.
        """
        values = values[0] if values.ndim == 4 else values
        shown = values.transpose(1, 2, 0) if self.layout == "nchw" else values
        pixels = shown * np.array(self.deviation, np.float32) + np.array(self.mean, np.float32)
        if not np.isfinite(pixels).all():
            raise ValueError("got an output that is not finite, expected a picture")
        if self.colour == "rgb":
            pixels = pixels[..., ::-1]
        return np.ascontiguousarray(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8))


UNIT = Form()
"""RGB 0..1."""
SIGNED = Form(mean=(127.5, 127.5, 127.5), deviation=(127.5, 127.5, 127.5))
"""RGB -1..1."""
IMAGENET = Form(mean=(123.675, 116.28, 103.53), deviation=(58.395, 57.12, 57.375))
"""RGB with the mean and deviation of ImageNet."""

__all__ = ["Form", "IMAGENET", "SIGNED", "UNIT"]
