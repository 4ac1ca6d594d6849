"""What is drawn over the finished picture: the label, images, texts with a clock, the statistics panel; and the mirror."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.config import Corner, ImageOverlay, OverlaySettings
from realtime.frame import Frame, Image, RealtimeError
from realtime.stages.lettering import letter

_SMALLEST_LETTERS = 12


@dataclass(frozen=True, slots=True)
class _Patch:
    # Colour times alpha, and 255 minus alpha, both (h, w, 3) uint8, so that painting is one product and one sum.
    colour: Image
    keep: Image


class Overlay:
    """Stage that draws the label, then the images, then the texts, on a copy of the picture.

    settings: may be replaced at any time; raises RealtimeError (the old ones stay) where an image cannot be read.
    Texts stand at x, y of the room that is left beside them: 0 is left or top, 0.5 the middle, 1 right or bottom.
    """

    def __init__(self, settings: OverlaySettings) -> None:
        self._patches: dict[object, _Patch] = {}
        self.settings = settings

    @property
    def settings(self) -> OverlaySettings:
        """The settings in use."""
        return self._content[0]

    @settings.setter
    def settings(self, settings: OverlaySettings) -> None:
        self._content = settings, tuple((image, _read(image.path)) for image in settings.images)

    def __call__(self, frame: Frame) -> Frame:
        """The frame with everything drawn on it; the frame itself where there is nothing to draw."""
        return _painted(frame, self._placed(*frame.image.shape[:2]))

    def over(self, image: Image) -> Image:
        """The same on a picture with alpha, BGRA (h, w, 4) uint8, drawn in place: over any other picture it looks as if drawn there."""
        for patch, x, y in self._placed(*image.shape[:2]):
            found = _region(patch, x, y, image)
            if found is not None:
                region, colour, keep = found
                left = region[..., 3:] * (keep.astype(np.float32) / 255)
                alpha = left + (255 - keep)
                region[..., :3] = np.minimum((region[..., :3] * left + colour * np.float32(255)) / np.maximum(alpha, 1) + 0.5, 255)
                region[..., 3] = np.rint(alpha[..., 0])
        return image

    def _placed(self, height: int, width: int) -> list[tuple[_Patch, float, float]]:
        """What is to be drawn on a frame of that size, and its left top corner."""
        settings, images = self._content
        placed: list[tuple[_Patch, float, float]] = []
        used: dict[object, _Patch] = {}
        for image, pixels in images:
            key: object = (image, id(pixels), width, height)
            used[key] = self._patches.get(key) or _scaled(image, pixels, width)
            placed.append((used[key], image.x * width, image.y * height))
        for text in settings.texts:
            shown = _clock(text.text)
            if shown.strip():
                key = (text, shown, width, height)
                patch = used[key] = self._patches.get(key) or _text(shown, text.size, text.colour, width, height, plate=False)
                placed.append((patch, text.x * (width - patch.colour.shape[1]), text.y * (height - patch.colour.shape[0])))
        if not label_off(settings):
            # Last, so that no picture of the user's can hide it.
            key = ("label", settings.label, settings.size, width, height)
            used[key] = self._patches.get(key) or _text(settings.label, settings.size, "#ffffff", width, height, plate=True)
            placed.append((used[key], *_corner(settings.corner, used[key], width, height)))
        self._patches = used
        return placed


class Mirror:
    """Stage that flips the picture left to right, as people know themselves; faces are left out, they would not fit any more."""

    def __call__(self, frame: Frame) -> Frame:
        """The flipped frame."""
        return replace(frame, image=np.asarray(cv2.flip(frame.image, 1), np.uint8), faces=(), raw=None) if frame.image.size else frame


class Statistics:
    """Stage that shows lines of text in a panel at the top left, for the preview only.

    read: gives the lines; asked every `interval` seconds.  shown: may be switched at any time.
    """

    def __init__(self, read: Callable[[], Sequence[str]], shown: bool = True, interval: float = 0.5) -> None:
        self.read = read
        self.shown = shown
        self.interval = interval
        self._due = -np.inf
        self._key: object = None
        self._patch: _Patch | None = None

    def __call__(self, frame: Frame) -> Frame:
        """The frame with the panel on it."""
        if not self.shown:
            return frame
        height, width = frame.image.shape[:2]
        now = time.perf_counter()
        if now >= self._due or self._key != (width, height):
            self._due, self._key = now + self.interval, (width, height)
            text = "\n".join(self.read())
            self._patch = _text(text, 0.024, "#ffffff", width, height, plate=True, mono=True) if text.strip() else None
        return _painted(frame, [(self._patch, *_corner("top-left", self._patch, width, height))]) if self._patch else frame


def label_off(settings: OverlaySettings) -> bool:
    """Whether the disclosure label was turned off ("none" or an empty text)."""
    return settings.label.strip().lower() in ("", "none")


def _painted(frame: Frame, placed: Sequence[tuple[_Patch, float, float]]) -> Frame:
    if not placed or frame.image.size == 0:
        return frame
    image = frame.image.copy()
    for patch, x, y in placed:
        found = _region(patch, x, y, image)
        if found is not None:
            region, colour, keep = found
            cv2.add(cv2.multiply(region, keep, scale=1 / 255), colour, dst=region)
    return replace(frame, image=image)


def _region(patch: _Patch, x: float, y: float, image: Image) -> tuple[Image, Image, Image] | None:
    """The part of a picture that a patch is drawn on, and the patch's colour and keep there; None where it lies outside."""
    left, top = round(x), round(y)
    height, width = min(patch.colour.shape[0], image.shape[0] - top), min(patch.colour.shape[1], image.shape[1] - left)
    if left < 0 or top < 0 or height <= 0 or width <= 0:
        return None
    return image[top : top + height, left : left + width], patch.colour[:height, :width], patch.keep[:height, :width]


def _text(text: str, size: float, colour: str, width: int, height: int, *, plate: bool, mono: bool = False) -> _Patch:
    pixels = letter(text, max(_SMALLEST_LETTERS, round(size * height)), colour, plate=plate, mono=mono)
    scale = min(1.0, width / pixels.shape[1], height / pixels.shape[0])
    return _patch(_resized(pixels, scale) if scale < 1 else pixels)


def _scaled(image: ImageOverlay, pixels: Image, width: int) -> _Patch:
    scaled = _resized(pixels, image.width * width / pixels.shape[1]) if image.width else pixels
    return _patch(scaled, image.opacity)


def _patch(pixels: Image, opacity: float = 1.0) -> _Patch:
    alpha: NDArray[np.float32] = pixels[..., 3:].astype(np.float32) * (opacity / 255)
    colour = (pixels[..., :3] * alpha + 0.5).astype(np.uint8)
    return _Patch(colour, np.repeat((255 * (1 - alpha) + 0.5).astype(np.uint8), 3, axis=2))


def _resized(pixels: Image, scale: float) -> Image:
    # Scaled with colour times alpha, or the colour of invisible pixels would bleed into the edges.
    size = max(1, int(pixels.shape[1] * scale)), max(1, int(pixels.shape[0] * scale))
    alpha = pixels[..., 3:].astype(np.float32)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(np.concatenate((pixels[..., :3] * (alpha / 255), alpha), axis=2), size, interpolation=method)
    small[..., :3] /= np.maximum(small[..., 3:] / 255, 1e-6)
    return np.asarray(np.clip(small + 0.5, 0, 255), np.uint8)


def _corner(corner: Corner, patch: _Patch, width: int, height: int) -> tuple[float, float]:
    free_x, free_y = width - patch.colour.shape[1], height - patch.colour.shape[0]
    margin = round(0.02 * min(width, height))
    x = min(margin, free_x) if corner.endswith("left") else max(0, free_x - margin)
    y = min(margin, free_y) if corner.startswith("top") else max(0, free_y - margin)
    return x, y


def _clock(text: str) -> str:
    if "%" not in text:
        return text
    try:
        return time.strftime(text)
    except ValueError:
        return text


def _read(path: str) -> Image:
    """The image file as BGRA, (h, w, 4) uint8; raises RealtimeError."""
    try:
        data = np.frombuffer(Path(path).expanduser().read_bytes(), np.uint8)
    except OSError as error:
        raise RealtimeError(f"The overlay image {path} cannot be read: {error.strerror or error}.") from error
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise RealtimeError(f"The overlay image {path} is not an image that OpenCV can read (PNG and WebP can have alpha).")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype != np.uint8 or channels not in (1, 3, 4):
        raise RealtimeError(f"The overlay image {path} has {channels} channels of {image.dtype}; expected 8 or 16 bit grey, RGB or RGBA.")
    convert = {1: cv2.COLOR_GRAY2BGRA, 3: cv2.COLOR_BGR2BGRA}
    return np.asarray(cv2.cvtColor(image, convert[channels]) if channels in convert else image, np.uint8)


__all__ = ["Mirror", "Overlay", "Statistics", "label_off"]
