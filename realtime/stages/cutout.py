"""Only what the loop has put into a picture, with its alpha, for a program that lays it over the raw camera itself."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from realtime.config import BlendSettings
from realtime.frame import Face, Frame, Image
from realtime.stages.blend import place
from realtime.stages.lost import ellipse
from realtime.stages.overlay import Overlay


class Cutout:
    """The faces, covers and overlay of a finished frame on nothing: BGRA (h, w, 4) uint8, colour not multiplied by alpha.

    settings: gives the settings that the frame was blended with.  overlay: what outputs carry, the label with it.
    """

    def __init__(self, settings: Callable[[], BlendSettings], overlay: Overlay) -> None:
        self._settings, self._overlay = settings, overlay

    def __call__(self, frame: Frame) -> Image:
        """The picture; laid over frame.raw it gives what the other outputs show, within a grey level or two."""
        return self._overlay.over(cut(frame, self._settings()))


def cut(frame: Frame, settings: BlendSettings) -> Image:
    """The faces and covers of a blended frame: BGRA (h, w, 4) uint8, colour not multiplied by alpha, 0 where nothing was set.

    Alpha is what the faces were set in with: mask, opacity, and the cover of a lost face, so that no real face shows
    through it.  The colour is un-mixed: over frame.raw it gives frame.image.  Where that asks for more alpha than the
    settings tell (they have just changed, a patch was held), it has more.
    """
    height, width = frame.image.shape[:2]
    if frame.raw is None:
        return np.zeros((height, width, 4), np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    for face in frame.faces:
        _add(alpha, face, settings)
    out = np.empty((height, width, 4), np.uint8)
    _unmix(frame.image, frame.raw, alpha, out)
    return out


def packed(image: Image, height: int | None = None) -> Image:
    """A picture with alpha as one without, for codecs that know none: colour times alpha, and below it alpha as grey.

    image: BGRA (h, w, 4) uint8.  height: rows to scale it down to.  Returns BGR (2 n, m, 3) uint8, n and m even.
    Multiplied, because what a codec makes of invisible colour would shine in at the edges.
    """
    rows, columns = image.shape[:2]
    scale = min(1.0, height / rows) if height else 1.0
    width, lines = max(2, round(columns * scale / 2) * 2), max(2, round(rows * scale / 2) * 2)
    colour, alpha = np.empty((rows, columns, 3), np.uint8), np.empty((rows, columns), np.uint8)
    _multiply(image, colour, alpha)
    if (width, lines) != (columns, rows):
        colour, alpha = (np.asarray(cv2.resize(part, (width, lines), interpolation=cv2.INTER_AREA), np.uint8) for part in (colour, alpha))
    out = np.empty((2 * lines, width, 3), np.uint8)
    out[:lines] = colour
    cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR, dst=out[lines:])
    return out


def _add(alpha: Image, face: Face, settings: BlendSettings) -> None:
    """Lay the opacity of one face, as Blend sets it in, over what is there."""
    height, width = alpha.shape
    if face.patch is None and not face.lost:
        return
    fade = face.patch.fade if face.patch is not None else 1.0
    if fade and settings.on_lost != "pass":
        area, share = ellipse(face.box, height, width)
        _over(alpha[area], share * np.float32(min(1.0, 2 * fade)))
    placed = place(face.patch, height, width) if face.patch is not None else None
    if placed is not None:
        _, mask, (left, top) = placed
        opacity = settings.opacity * min(1.0, 2 * (1 - fade))
        _over(alpha[top : top + mask.shape[0], left : left + mask.shape[1]], mask * np.float32(opacity / 255))


def _over(below: Image, share: NDArray[np.float32]) -> None:
    # Rounded up: a colour can be found for every alpha that is too large, and for none that is too small.
    below[:] = np.ceil(255 - (255 - below.astype(np.float32)) * (1 - share) - np.float32(1e-3))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _unmix(image: Image, raw: Image, alpha: Image, out: Image) -> None:
    """Write to `out` the colour and alpha that give `image` over `raw`; alpha: what is asked for at least."""
    height, width = alpha.shape
    for y in range(height):
        for x in range(width):
            share = np.float32(alpha[y, x])
            for k in range(3):
                above, below = np.float32(image[y, x, k]), np.float32(raw[y, x, k])
                if above > below:
                    share = max(share, np.ceil((above - below) * np.float32(255) / (np.float32(255) - below) - np.float32(1e-3)))
                elif above < below:
                    share = max(share, np.ceil((below - above) * np.float32(255) / below - np.float32(1e-3)))
            out[y, x, 3] = np.uint8(share)
            for k in range(3):
                if share == 0:
                    out[y, x, k] = 0
                else:
                    above, below = np.float32(image[y, x, k]), np.float32(raw[y, x, k])
                    value = below + (above - below) * np.float32(255) / share
                    out[y, x, k] = np.uint8(min(max(value, np.float32(0)), np.float32(255)) + np.float32(0.5))


@numba.njit(cache=True, nogil=True)
def _multiply(image: Image, colour: Image, alpha: Image) -> None:
    """Take a picture with alpha apart into colour times alpha, and alpha."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            share = np.uint32(image[y, x, 3])
            alpha[y, x] = image[y, x, 3]
            for k in range(3):
                colour[y, x, k] = np.uint8((np.uint32(image[y, x, k]) * share + np.uint32(127)) // np.uint32(255))


__all__ = ["Cutout", "cut", "packed"]
