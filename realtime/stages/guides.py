"""Lines over the preview that help to place a face; in no output."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2

from realtime.frame import Frame

Kind = Literal["none", "action", "title", "thirds"]

# Of each side, what screens may cut off: 93 % are safe for action, 90 % for text (SMPTE RP 2046-1).
_MARGINS = {"action": (0.035,), "title": (0.035, 0.05)}


class Guides:
    """Stage that draws safe areas, or lines at the thirds; `kind` may be switched at any time."""

    def __init__(self, kind: Kind = "none") -> None:
        self.kind: Kind = kind

    def __call__(self, frame: Frame) -> Frame:
        """The frame with the lines on it."""
        if self.kind == "none" or frame.image.size == 0:
            return frame
        image = frame.image.copy()
        height, width = image.shape[:2]
        lines: list[tuple[float, float, float, float]] = []
        for margin in _MARGINS.get(self.kind, ()):
            low, high = margin, 1 - margin
            lines += [(low, low, high, low), (low, high, high, high), (low, low, low, high), (high, low, high, high)]
        if self.kind == "thirds":
            lines += [(part, 0, part, 1) for part in (1 / 3, 2 / 3)] + [(0, part, 1, part) for part in (1 / 3, 2 / 3)]
        # Light within dark is seen on any ground.
        for thickness, shade in ((3, 0), (1, 255)):
            for left, top, right, bottom in lines:
                ends = (round(left * (width - 1)), round(top * (height - 1))), (round(right * (width - 1)), round(bottom * (height - 1)))
                cv2.line(image, *ends, (shade, shade, shade), thickness)
        return replace(frame, image=image)


__all__ = ["Guides", "Kind"]
