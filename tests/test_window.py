"""The preview on a real X display (Xvfb), driven by real keys (xdotool)."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.config import WindowOutput
from realtime.frame import RealtimeError
from realtime.machine.devices import display_problem
from realtime.sinks.window import Window

_ROOT = Path(__file__).resolve().parents[1]
_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="display variables are Linux's")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """Name of a fresh X display; skipped where Xvfb or xdotool is missing."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (apt install xvfb xdotool)")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as number:
            name = number.readline().strip()
        if not name:
            pytest.skip("Xvfb does not start here")
        yield f":{name}"
        server.terminate()


@_LINUX
def test_no_display_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(RealtimeError, match="DISPLAY is not set"):
        Window(WindowOutput(), lambda key: None)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert "XWayland" in display_problem()


@_LINUX
def test_a_display_that_is_named_but_not_there_does_not_end_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt aborts the process in this case."""
    monkeypatch.setenv("DISPLAY", ":987")
    assert ":987" in display_problem()
    with pytest.raises(RealtimeError, match=":987"):
        Window(WindowOutput(), lambda key: None)


# A window belongs to the main thread and one display to one process, so each test runs a program of its own.
_PROGRAM = """
import sys, time
import numpy as np
from realtime.config import WindowOutput
from realtime.frame import Frame
from realtime.sinks.output import Painted
from realtime.sinks.window import Window

keys = []
window = Painted(Window(WindowOutput(), lambda key: (keys.append(key), print(key, flush=True))), [])
assert window.main
window.poll()
image = np.zeros((480, 640, 3), np.uint8)
image[:, :320] = (200, 30, 10)
image[:, 320:] = (10, 30, 200)
window.send(Frame(np.zeros((0, 0, 3), np.uint8), 0, 0.0))
for index in range(5):
    window.send(Frame(image, index, 0.0))
print("ready", flush=True)
until = time.monotonic() + 20
while "q" not in keys and time.monotonic() < until:
    window.poll()
    time.sleep(0.01)
window.send(Frame(image, 9, 0.0))
window.close()
window.close()
print("end", keys.count("q"), flush=True)
"""


@pytest.fixture
def program(display: str) -> Iterator[subprocess.Popen[str]]:
    """The program above, its window open."""
    environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-c", _PROGRAM]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.terminate()


def _tool(display: str, *arguments: str) -> str:
    environment = {**os.environ, "DISPLAY": display}
    return subprocess.run(["xdotool", *arguments], env=environment, capture_output=True, text=True, check=True).stdout


def _window(display: str) -> str:
    return _tool(display, "search", "--name", "^swapcam$").split()[-1]


def test_a_display_that_is_there_is_found(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    assert display_problem() == ""


def test_keys_come_with_their_names(display: str, program: subprocess.Popen[str]) -> None:
    """F5 was once reported as "r", the last byte of its code."""
    window = _window(display)
    for key in ("space", "n", "l", "s", "M", "p", "F5", "Left", "Escape", "q"):
        _tool(display, "key", "--window", window, key)
        time.sleep(0.05)
    out, _ = program.communicate(timeout=30)
    assert out.split() == ["space", "n", "l", "s", "m", "p", "esc", "q", "end", "1"]
    assert program.returncode == 0


def test_the_window_shows_the_frame(display: str, program: subprocess.Popen[str], tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which takes the screenshot, is not installed")
    geometry = dict(line.split("=") for line in _tool(display, "getwindowgeometry", "--shell", _window(display)).split())
    shot = tmp_path / "screen.png"
    grab = ["ffmpeg", "-v", "error", "-f", "x11grab", "-video_size", "1400x900", "-i", display, "-frames:v", "1", str(shot)]
    subprocess.run(grab, check=True, timeout=60)
    screen = cv2.imread(str(shot))
    x, y, width, height = (int(geometry[name]) for name in ("X", "Y", "WIDTH", "HEIGHT"))
    assert (width, height) == (640, 480)
    np.testing.assert_allclose(screen[y + height // 2, x + width // 4], (200, 30, 10), atol=2)
    np.testing.assert_allclose(screen[y + height // 2, x + 3 * width // 4], (10, 30, 200), atol=2)


def test_closing_the_window_by_hand_quits_and_it_does_not_come_back(display: str, program: subprocess.Popen[str]) -> None:
    if ctypes.util.find_library("X11") is None:
        pytest.skip("libX11, which presses the close button, is not installed")
    _press_close_button(display, int(_window(display)))
    out, _ = program.communicate(timeout=30)
    assert out.split() == ["q", "end", "1"]
    assert program.returncode == 0


class _ClientMessage(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("sent", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("rest", ctypes.c_long * 24),
    )


def _press_close_button(display: str, window: int) -> None:
    """What a window manager sends when the X in the frame is pressed (WM_DELETE_WINDOW, ICCCM 4.2.8.1)."""
    library = ctypes.CDLL(str(ctypes.util.find_library("X11")))
    library.XOpenDisplay.restype = ctypes.c_void_p
    library.XInternAtom.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(library.XOpenDisplay(display.encode()))
    protocols, delete = (library.XInternAtom(connection, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    event = _ClientMessage(33, 0, 1, connection, window, protocols, 32, (ctypes.c_long * 5)(delete))
    assert library.XSendEvent(connection, ctypes.c_ulong(window), 0, 0, ctypes.byref(event))
    library.XCloseDisplay(connection)
