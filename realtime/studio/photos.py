"""Photos that come from a browser: looked at before they are decoded, decoded small enough, and written anew."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from realtime.frame import Image, RealtimeError
from realtime.sources.decode import on_white

# The only decoders that get to see what somebody has sent.
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_PIXELS = 50_000_000
_SIDE = 20_000
_LARGEST = 3072


def decoded(data: bytes, kind: str) -> Image:
    """The picture (h, w, 3) BGR uint8, upright, its longer side at most 3072 px.

    kind: the media type that it was sent with, one of FORMATS.  Raises RealtimeError for another type, for data of another
    type than declared, for more than 50 megapixels (told by the header, before anything is decoded), and for what is cut
    off or damaged.
    """
    if kind not in FORMATS:
        raise RealtimeError(f"A photo has to be JPEG, PNG or WebP; this is {kind[:40] or 'of no type'}.")
    try:
        with Pillow.open(io.BytesIO(data), formats=[FORMATS[kind]]) as picture:
            width, height = picture.size
            if width * height > _PIXELS or max(width, height) > _SIDE:
                raise RealtimeError(f"This photo has {width}x{height} pixels; expected at most 50 megapixels and {_SIDE} a side.")
            # JPEG can be read at an eighth, a quarter or half its size without ever being larger in memory.
            picture.draft("RGB", (_LARGEST, _LARGEST))
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):
                upright = Pillow.fromarray((np.asarray(upright).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
            upright.thumbnail((_LARGEST, _LARGEST))
            rgba = np.asarray(upright.convert("RGBA"), np.uint8)
    except RealtimeError:
        raise
    except Pillow.DecompressionBombError:
        raise RealtimeError("This photo has too many pixels; make it smaller than 50 megapixels.") from None
    except (OSError, ValueError, SyntaxError, LookupError, ArithmeticError, MemoryError, TypeError, EOFError, struct.error, zlib.error):
        # Pillow's words for cut off, damaged and something else than it says; found by sending it 140 000 damaged files.
        raise RealtimeError("This is no photo that can be read, or it is cut off; save it again as JPEG or PNG.") from None
    return on_white(np.ascontiguousarray(rgba[..., [2, 1, 0, 3]]))


__all__ = ["FORMATS", "decoded"]
