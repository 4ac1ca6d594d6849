"""Text to pixels, in any script that the DejaVu fonts (which matplotlib carries) know; OpenCV's own fonts know ASCII only."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from realtime.frame import Image

_PLATE = (0, 0, 0, 150)


def letter(text: str, size: int, colour: str, *, plate: bool, mono: bool = False) -> Image:
    """The text in one or more lines, BGRA (h, w, 4) uint8.

    size: height of a line of letters in pixels.  colour: "#rrggbb".  plate: a dark translucent plate behind it, else a
    thin dark outline.  mono: letters of equal width.
    """
    font = _font(size, mono)
    rim = 0 if plate else max(1, size // 12)
    edge = max(2, size * 2 // 5) if plate else rim
    left, top, right, bottom = ImageDraw.Draw(Picture.new("L", (1, 1))).multiline_textbbox((0, 0), text, font=font, stroke_width=rim)
    # The plate keeps the height of full lines, so that a clock does not make it jump.
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (size, 0)
    top, bottom = min(top, 0), max(bottom + (descent if "\n" in text else 0), ascent + descent)
    picture = Picture.new("RGBA", (max(1, round(right - left) + 2 * edge), max(1, round(bottom - top) + edge)), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    if plate:
        draw.rounded_rectangle((0, 0, picture.width - 1, picture.height - 1), radius=edge, fill=_PLATE)
    place = (edge - left, edge // 2 - top)
    draw.multiline_text(place, text, font=font, fill=colour, stroke_width=rim, stroke_fill=(0, 0, 0, 255))
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[..., [2, 1, 0, 3]])


def _font(size: int, mono: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    spec = importlib.util.find_spec("matplotlib")
    if spec and spec.origin:
        path = Path(spec.origin).parent / "mpl-data/fonts/ttf" / ("DejaVuSansMono.ttf" if mono else "DejaVuSans-Bold.ttf")
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
