"""Where finished frames go: the virtual camera, nothing, or another sink after a last layer of paint."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from realtime.config import VirtualCameraOutput
from realtime.fit import fit
from realtime.frame import Frame, Image, RealtimeError, Sink, Stage
from realtime.machine import loopback

_PLATFORMS = {"Linux": ("v4l2loopback",), "Darwin": ("obs",), "Windows": ("obs", "unitycapture")}
_CURES = {
    "Darwin": "Install OBS (26.1 or newer), start its virtual camera once, stop it again, and leave OBS.",
    "Windows": "Install OBS (26.1 or newer), or UnityCapture, and end any other program that sends to it.",
}


class VirtualCamera:
    """The camera that video-call programs see; opened at the first frame, reopened by itself when it vanishes.

    settings: device, back end, rate and size (None: the first frame's).  rate: frames per second of the source.
    say: takes one sentence when the device goes and when it comes back.
    Raises RealtimeError at once where no virtual camera can be opened, with every back end's reason and the cure.
    """

    def __init__(self, settings: VirtualCameraOutput, rate: float, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.rate = settings.fps or rate
        self.say = say
        self._device: _Device | None = None
        self._size: tuple[int, int] | None = None
        self._last: tuple[int, float] | None = None
        self._sent = self._retry = -np.inf
        self._repeated = self._lost = False
        self._reason = ""
        probe(settings, self.rate)

    @property
    def repeat(self) -> float:
        """Seconds of silence after which the last frame is sent again: patient with a late frame, steady in a stall."""
        return (1.0 if self._repeated else 1.5) / self.rate

    @property
    def state(self) -> str:
        """Whether it is `on air`, or `waiting` for a device that is gone."""
        return "waiting" if self._lost else "on air"

    @property
    def problem(self) -> str:
        """Why it waits; "" while it does not."""
        return self._reason if self._lost else ""

    def send(self, frame: Frame) -> None:
        """Show the frame, letterboxed into the size the camera was opened with; a device that is gone never raises."""
        now = time.perf_counter()
        self._repeated, self._last = (frame.index, frame.time) == self._last, (frame.index, frame.time)
        if frame.image.size == 0 or (self.settings.fps and now < self._sent + 0.75 / self.rate):
            return
        try:
            if self._device is None and now >= self._retry:
                self._open(frame.image)
            if self._device is not None:
                self._device.send(frame.image, now)
                self._sent = now
        except (OSError, RuntimeError, ValueError, RealtimeError) as error:
            self._drop(str(error), now)

    def close(self) -> None:
        """Let the device go; further frames are ignored."""
        self._retry = np.inf
        if self._device is not None:
            self._device.close()
            self._device = None

    def _open(self, image: Image) -> None:
        height, width = image.shape[:2]
        self._size = self._size or _even(self.settings.width or width, self.settings.height or height)
        self._device = _Device(self.settings, *self._size, self.rate)
        if self._lost:
            self.say(f"The virtual camera {self._device.name} is back.")
        self._lost = False

    def _drop(self, reason: str, now: float) -> None:
        if self._device is not None:
            with suppress(OSError, RuntimeError):
                self._device.close()
            self._device = None
        if not self._lost:
            self.say(f"The virtual camera is gone; trying again every second. {reason}")
        self._lost, self._retry, self._reason = True, now + 1.0, f"The virtual camera is gone. {reason}"


class Nothing:
    """Frames are finished and thrown away (measuring)."""

    def send(self, frame: Frame) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Painted:
    """A sink with stages of its own before it: label, mirror, statistics.  Everything else is the sink's."""

    def __init__(self, sink: Sink, stages: Sequence[Stage]) -> None:
        self.sink = sink
        self.stages = tuple(stages)

    def send(self, frame: Frame) -> None:
        """Paint, then send."""
        for stage in self.stages:
            frame = stage(frame)
        self.sink.send(frame)

    def close(self) -> None:
        """Close the sink, and stages that can be closed."""
        self.sink.close()
        for stage in self.stages:
            if hasattr(stage, "close"):
                stage.close()

    def __getattr__(self, name: str) -> Any:
        if name in ("main", "repeat", "poll", "state", "problem"):
            return getattr(self.sink, name)
        raise AttributeError(f"{type(self).__name__} has no {name}")


def probe(settings: VirtualCameraOutput, rate: float = 30.0) -> str:
    """Name of the virtual camera that would be used; raises RealtimeError with each back end's reason and the cure."""
    if platform.system() == "Linux":
        _backend(settings)
        return loopback.choose(settings.device)
    # Only opening tells on these systems; the size does not matter yet.
    try:
        camera = _camera(settings, settings.device, settings.width or 1280, settings.height or 720, rate)
    except (OSError, RuntimeError, ValueError) as error:
        reasons = "; ".join(str(error).splitlines())
        raise RealtimeError(f"No virtual camera can be opened ({reasons}). {_CURES.get(platform.system(), '')}") from error
    name = str(camera.device)
    camera.close()
    return name


class _Device:
    """One opened device; raises OSError, RuntimeError, RealtimeError."""

    def __init__(self, settings: VirtualCameraOutput, width: int, height: int, rate: float) -> None:
        self._hold: loopback.Hold | None = None
        self._first, self._checked = True, -np.inf
        device = probe(settings, rate) if platform.system() == "Linux" else settings.device
        held = loopback.format_now(device) if device and platform.system() == "Linux" else None
        if held is not None:
            # A reader that stayed keeps the device at its format; other bytes would show as noise.
            if held[0] != "YU12":
                raise RealtimeError(f"{device} is held at the format {held[0]} by the program that reads it; close that program.")
            width, height = held[1:]
        self._size = width, height
        self._camera = _camera(settings, device, width, height, rate)
        self.name = str(self._camera.device)
        if platform.system() == "Linux":
            self._hold = loopback.Hold(self.name, rate)

    def send(self, image: Image, now: float) -> None:
        self._camera.send(fit(image, self._size))
        if self._hold is not None and self._first:
            self._hold.started()
        if self._hold is not None and now > self._checked + 1.0:
            self._hold.check()
            self._checked = now
        self._first = False

    def close(self) -> None:
        self._camera.close()
        if self._hold is not None:
            self._hold.close()


def _camera(settings: VirtualCameraOutput, device: str | None, width: int, height: int, rate: float) -> Any:
    # pyvirtualcam is GPL-2.0: imported here and nowhere else, and only when a virtual camera is wanted.
    import pyvirtualcam

    return pyvirtualcam.Camera(
        width=width, height=height, fps=rate, fmt=pyvirtualcam.PixelFormat.BGR, device=device, backend=_backend(settings)
    )


def _backend(settings: VirtualCameraOutput) -> str | None:
    here = _PLATFORMS.get(platform.system(), ())
    if settings.backend != "auto" and settings.backend not in here:
        raise RealtimeError(
            f"The virtual camera back end {settings.backend} does not exist on {platform.system()}; here: {', '.join(here) or 'none'}."
        )
    return None if settings.backend == "auto" else settings.backend


def _even(width: int, height: int) -> tuple[int, int]:
    # The device's format (I420) has half the rows and columns of colour.
    return max(16, width // 2 * 2), max(16, height // 2 * 2)


__all__ = ["Nothing", "Painted", "VirtualCamera", "probe"]
