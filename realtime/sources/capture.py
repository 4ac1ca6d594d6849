"""Finding and opening a camera with OpenCV, and saying why that fails."""

from __future__ import annotations

import errno
import os
import platform
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from realtime.config import CameraInput
from realtime.frame import Image, RealtimeError

# V4L2 and AVFoundation are the systems' own.  On Windows DirectShow: Media Foundation takes up to half a minute to open
# and does not let the pixel format be chosen.
_BACKENDS = {"Linux": cv2.CAP_V4L2, "Darwin": cv2.CAP_AVFOUNDATION, "Windows": cv2.CAP_DSHOW}
_USB2 = 24e6
_REQUEST_BUFFERS = 0xC0145608


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera is; path and name only where the system tells them (Linux)."""

    index: int
    path: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"Camera {self.index}" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True, slots=True)
class Opened:
    """A running camera; rate: what it promises, format: FourCC or ""."""

    capture: cv2.VideoCapture
    rate: float
    format: str


def find(device: int | str) -> Place:
    """The camera of that number, device file or (part of a) name; RealtimeError lists the cameras that are there."""
    text = str(device).strip()
    if platform.system() != "Linux":
        if not text.isdecimal():
            raise RealtimeError(f"Cameras are chosen by number on this system; got {text!r}, expected 0, 1, ...")
        return Place(int(text))
    from realtime.machine.devices import cameras

    there = cameras()
    path = f"/dev/video{int(text)}" if text.isdecimal() else os.path.realpath(text) if text.startswith("/") else ""
    for camera in there:
        if camera.path == path or (not path and text and text.lower() in camera.name.lower()):
            if camera.problem:
                raise RealtimeError(f"{camera.path} {camera.problem}")
            return Place(camera.index, camera.path, camera.name)
    what = f"There is no camera {text!r}."
    if path.startswith("/dev/video") and Path(path).exists():
        what = f"{path} gives no pictures now (a virtual camera does only while a program feeds it)."
    have = ", ".join(f"{camera.index} ({camera.name})" for camera in there)
    raise RealtimeError(f"{what} " + (f"There are: {have}." if have else "No camera was found at all; plug one in."))


def find_again(place: Place, device: int | str) -> Place | None:
    """The same camera after it was away, perhaps under another number; None while it is not there."""
    if not place.path:
        return place
    from realtime.machine.devices import cameras

    same = [camera for camera in cameras() if camera.name == place.name and not camera.problem]
    at = os.path.realpath(device) if isinstance(device, str) and device.startswith("/") else place.path
    same.sort(key=lambda camera: camera.path != at)
    return Place(same[0].index, same[0].path, same[0].name) if same else None


def start(place: Place, settings: CameraInput) -> Opened:
    """Open the camera in the mode nearest to the settings; RealtimeError says why it does not."""
    capture = cv2.VideoCapture(place.index, _BACKENDS.get(platform.system(), cv2.CAP_ANY))
    if not capture.isOpened():
        raise RealtimeError(_reason(place))
    for code in _formats(place, settings):
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*code))
        if _format(capture) == code:
            break
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.fps)
    # Two, not one: the driver fills one while the other is decoded; with one, cameras lose every second picture.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    rate = capture.get(cv2.CAP_PROP_FPS)
    return Opened(capture, rate if 0 < rate <= 240 else settings.fps, _format(capture))


def asked(place: Place, settings: CameraInput) -> str:
    """The mode that start() asks for first, for people."""
    return f"{settings.width}x{settings.height} at {settings.fps:g} ({_formats(place, settings)[0]})"


def retrieve(capture: cv2.VideoCapture) -> Image | None:
    """The grabbed picture as (h, w, 3) BGR uint8, None where the camera sent rubbish."""
    done, got = capture.retrieve()
    if not done or got is None or not got.size:
        return None
    image = np.asarray(got, np.uint8)
    width, height = round(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if image.size == width * height * 3:  # some formats come as one long row
        return image.reshape(height, width, 3)
    if image.ndim == 2 and min(image.shape) > 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return image if image.ndim == 3 and image.shape[2] == 3 else None


def quiet(silent: bool) -> None:
    """Keep OpenCV from writing its own lines between ours; every failure here is told in ours."""
    library: Any = cv2
    library.setLogLevel(0 if silent else 3)


def why_no_picture(place: Place) -> str:
    """A sentence for a camera that was opened and gives nothing."""
    return _reason(place) if _busy(place) else f"{place} gives no picture; unplug it and plug it in again, or try another one."


def _formats(place: Place, settings: CameraInput) -> tuple[str, ...]:
    """Pixel formats to try, best first: uncompressed where the camera has it at that rate, or where USB 2 can carry it."""
    if settings.format != "auto":
        return ("MJPG", "YUYV") if settings.format == "mjpeg" else ("YUYV",)
    plain = settings.width * settings.height * 2 * settings.fps <= _USB2
    if place.path:
        from realtime.machine.devices import cameras

        for camera in cameras():
            modes = [mode for mode in camera.modes if (mode.width, mode.height) == (settings.width, settings.height)]
            if camera.path == place.path and modes:
                plain = any(mode.format == "YUYV" and max(mode.rates, default=0.0) >= settings.fps - 1 for mode in modes)
                plain = plain or all(mode.format != "MJPG" for mode in modes)
    return ("YUYV",) if plain else ("MJPG", "YUYV")


def _format(capture: cv2.VideoCapture) -> str:
    return struct.pack("<i", int(capture.get(cv2.CAP_PROP_FOURCC))).decode("ascii", errors="replace").strip("\0 ")


def _busy(place: Place) -> bool:
    """Whether another program has the camera's buffers (Linux)."""
    if not place.path:
        return False
    import fcntl

    from realtime.machine import v4l2

    # One memory-mapped capture buffer asked for and, when granted, given back.
    try:
        with v4l2.opened(place.path) as descriptor:
            fcntl.ioctl(descriptor, _REQUEST_BUFFERS, bytearray(struct.pack("5I", 1, 1, 1, 0, 0)))
            with suppress(OSError):
                fcntl.ioctl(descriptor, _REQUEST_BUFFERS, bytearray(struct.pack("5I", 0, 1, 1, 0, 0)))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _reason(place: Place) -> str:
    """Why a camera that is listed does not open."""
    if not place.path:
        return f"{place} cannot be opened: it is not there, in use, or this program may not use cameras (privacy settings)."
    if _busy(place):
        from realtime.machine.loopback import users

        by = ", ".join(users(place.path))
        return f"{place} is in use by {by or 'another program'}; close that first."
    return f"{place} cannot be opened; unplug it and plug it in again, or try another one."
