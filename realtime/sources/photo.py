"""Reading a photo as people see it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from realtime.frame import Image, RealtimeError
from realtime.machine.home import expanded
from realtime.sources.decode import on_white

# Brands in the header of the picture files that iPhones write.
_APPLE = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def read_photo(place: str | Path) -> Image:
    """The picture (h, w, 3) BGR uint8: upright as its EXIF data says, 16 bits brought to 8, transparent parts white.

    Of an animation the first one.  Raises RealtimeError for what is missing, a folder, empty, cut off, not a picture or
    in Apple's HEIC format.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps

    path = expanded(place)
    if path.is_dir():
        raise RealtimeError(f"{place} is a folder; give one photo in it.")
    if not path.exists():
        raise RealtimeError(f"There is no file {place}; check the name.")
    if path.stat().st_size == 0:
        raise RealtimeError(f"{place} is empty (0 bytes); copy it again from where it came.")
    try:
        with Pillow.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I;16"):
                picture = Pillow.fromarray((np.asarray(picture, np.uint16) >> 8).astype(np.uint8))
            rgba = np.asarray(picture.convert("RGBA"), np.uint8)
    except PermissionError as error:
        raise RealtimeError(f"{place} may not be read; change its permissions.") from error
    except Pillow.DecompressionBombError as error:
        raise RealtimeError(f"{place} has too many pixels to be a photo; make it smaller.") from error
    except (OSError, ValueError, SyntaxError, TypeError, struct.error) as error:  # Pillow's words for cut off and not a picture
        if _is_apple(path):
            raise RealtimeError(f"{place} is in Apple's HEIC format, which is not read; save it as JPEG and give that.") from error
        raise RealtimeError(f"{place} is not a picture that can be read, or it is cut off; save it again as JPEG or PNG.") from error
    return on_white(np.ascontiguousarray(rgba[..., [2, 1, 0, 3]]))


def _is_apple(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(12)
    return header[4:8] == b"ftyp" and header[8:] in _APPLE
