"""Cameras and the screen of this machine: what there is, before anything is opened for use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from realtime.machine import v4l2
from realtime.machine.loopback import nodes
from realtime.machine.v4l2 import Mode

_HIGHEST_INDEX = 5
_OPEN_A_WINDOW = "import cv2, os; cv2.namedWindow('swapcam', cv2.WINDOW_NORMAL); os._exit(0)"


@dataclass(frozen=True, slots=True)
class CameraDevice:
    """One camera; index: for `camera:INDEX`.  path: the device file, "" where there is none.  problem: why it has no modes."""

    index: int
    path: str
    name: str
    driver: str
    modes: tuple[Mode, ...] = ()
    problem: str = ""


def cameras() -> list[CameraDevice]:
    """Every camera that can be captured from, in the order of their indices."""
    return _linux_cameras() if platform.system() == "Linux" else _probed_cameras()


def summary(modes: Sequence[Mode]) -> str:
    """The largest modes of each pixel format in one line: "MJPG 1920x1080 at 30, 1280x720 at 60; YUYV 640x480 at 30"."""
    parts = []
    for code in dict.fromkeys(mode.format for mode in modes):
        best = sorted((mode for mode in modes if mode.format == code), key=lambda mode: -mode.width * mode.height)[:3]
        sizes = (f"{mode.width}x{mode.height}" + (f" at {mode.rates[0]:g}" if mode.rates else "") for mode in best)
        parts.append(f"{code} {', '.join(sizes)}".strip())
    return "; ".join(parts[:3]) + ("; ..." if len(parts) > 3 else "") or "tells no modes"


def display_problem() -> str:
    """Why no window can be opened here, "" where one can; on Linux tried in a process of its own.

    Qt ends the whole program where it finds no display, so a variable that merely is set does not suffice.
    """
    if platform.system() != "Linux":
        return ""
    if not os.environ.get("DISPLAY"):
        if os.environ.get("WAYLAND_DISPLAY"):
            return "this Wayland session has no XWayland (DISPLAY is not set); install xwayland and log in again."
        return "there is no display (DISPLAY is not set); leave the window out, or log in to a desktop."
    command = [sys.executable, "-c", _OPEN_A_WINDOW]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return f"the display {os.environ['DISPLAY']} does not answer."
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return f"the display {os.environ['DISPLAY']} does not take one ({lines[0].strip() if lines else f'status {done.returncode}'})."


def _linux_cameras() -> list[CameraDevice]:
    found = []
    for path in nodes():
        index = int(path.removeprefix("/dev/video"))
        try:
            with v4l2.opened(path) as descriptor:
                capability = v4l2.capability(descriptor)
                if capability.flags & v4l2.CAPTURE:
                    found.append(CameraDevice(index, path, capability.label, capability.driver, v4l2.modes(descriptor)))
        except PermissionError:
            problem = "may not be opened by this user; allow it with: sudo usermod -aG video $USER (then log in again)"
            found.append(CameraDevice(index, path, _name(path), "", problem=problem))
        except OSError:
            continue
    return found


def _name(path: str) -> str:
    with suppress(OSError):
        return Path("/sys/class/video4linux", Path(path).name, "name").read_text().strip()
    return path


def _probed_cameras() -> list[CameraDevice]:
    """Only opening tells whether an index is a camera; the current mode is the only one that OpenCV knows."""
    found = []
    logging: Any = cv2.utils.logging  # type: ignore[attr-defined]
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        for index in range(_HIGHEST_INDEX):
            capture = cv2.VideoCapture(index)
            if capture.isOpened():
                size = round(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
                rate = capture.get(cv2.CAP_PROP_FPS)
                mode = Mode("", *size, (rate,) if rate > 0 else ())
                found.append(CameraDevice(index, "", f"camera {index}", capture.getBackendName(), (mode,)))
            capture.release()
    finally:
        logging.setLogLevel(level)
    return found


__all__ = ["CameraDevice", "Mode", "cameras", "display_problem", "summary"]
