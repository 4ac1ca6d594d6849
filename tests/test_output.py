"""The virtual camera's behaviour with a stand-in for pyvirtualcam (tests/vm has the real device), and the small sinks."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.config import OverlaySettings, VirtualCameraOutput
from realtime.frame import Frame, RealtimeError, Repeating
from realtime.machine import loopback
from realtime.sinks.output import Nothing, Painted, VirtualCamera, probe
from realtime.stages.overlay import Mirror, Overlay

_ROOT = Path(__file__).resolve().parents[1]


def shot(index: int, width: int = 64, height: int = 48, value: int = 100) -> Frame:
    return Frame(np.full((height, width, 3), value, np.uint8), index, index / 30)


class Driver:
    """What stands in for the driver: which cameras were opened, what they were sent, and whether it is there."""

    def __init__(self) -> None:
        self.there = True
        self.opened: list[tuple[int, int, float, str | None, str | None]] = []
        self.closed = 0
        self.sent: list[NDArray[np.uint8]] = []

    def camera(self, *, width: int, height: int, fps: float, fmt: str, device: str | None, backend: str | None) -> _Camera:
        if not self.there:
            raise RuntimeError("'obs' backend: virtual camera output could not be started")
        assert fmt == "bgr"
        self.opened.append((width, height, fps, device, backend))
        return _Camera(self, width, height)


class _Camera:
    device = "OBS Virtual Camera"

    def __init__(self, driver: Driver, width: int, height: int) -> None:
        self._driver, self._shape = driver, (height, width, 3)

    def send(self, image: NDArray[np.uint8]) -> None:
        if not self._driver.there:
            raise RuntimeError("device is gone")
        assert image.shape == self._shape
        self._driver.sent.append(image)

    def close(self) -> None:
        self._driver.closed += 1


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A machine with OBS's virtual camera, as pyvirtualcam shows it on macOS and Windows."""
    result = Driver()
    module = ModuleType("pyvirtualcam")
    module.Camera = result.camera  # type: ignore[attr-defined]
    module.PixelFormat = type("PixelFormat", (), {"BGR": "bgr"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    return result


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def camera(driver: Driver, said: list[str]) -> Iterator[VirtualCamera]:
    result = VirtualCamera(VirtualCameraOutput(), 30.0, said.append)
    yield result
    result.close()
    assert driver.closed == len(driver.opened)


def test_it_takes_the_size_of_the_first_frame_and_keeps_it(driver: Driver, camera: VirtualCamera) -> None:
    camera.send(shot(0, 64, 48))
    camera.send(shot(1, 128, 48, 200))
    camera.send(shot(2, 24, 48, 200))
    assert driver.opened[-1][:3] == (64, 48, 30.0)
    wide, tall = driver.sent[1:]
    assert (wide[24] == 200).all()
    assert not wide[:11].any()
    assert (tall[:, 32] == 200).all()
    assert not tall[:, :19].any()


@pytest.mark.parametrize(("size", "expected"), [((63, 47), (62, 46)), ((1, 1), (16, 16)), ((1280, 3), (1280, 16))])
def test_odd_and_tiny_frames_get_a_size_that_the_format_can_have(
    driver: Driver, camera: VirtualCamera, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    camera.send(shot(0, *size))
    assert driver.opened[-1][:2] == expected
    assert len(driver.sent) == 1


def test_a_size_that_was_asked_for_is_opened(driver: Driver, said: list[str]) -> None:
    settings = VirtualCameraOutput(width=320, height=180, device="Unity Video Capture", backend="unitycapture", fps=15.0)
    sink = VirtualCamera(settings, 30.0, said.append)
    sink.send(shot(0))
    sink.close()
    assert driver.opened[-1] == (320, 180, 15.0, "Unity Video Capture", "unitycapture")
    assert driver.sent[0].shape == (180, 320, 3)


def test_an_empty_frame_is_passed_over(driver: Driver, camera: VirtualCamera) -> None:
    camera.send(Frame(np.zeros((0, 5, 3), np.uint8), 0, 0.0))
    assert not driver.sent


def test_a_rate_that_was_asked_for_thins_the_frames_out(driver: Driver, said: list[str]) -> None:
    sink = VirtualCamera(VirtualCameraOutput(fps=20.0), 100.0, said.append)
    begin = time.perf_counter()
    index = 0
    while time.perf_counter() < begin + 1.0:
        sink.send(shot(index))
        index += 1
        time.sleep(0.005)
    sink.close()
    assert 14 <= len(driver.sent) <= 27


def test_it_repeats_steadily_in_a_stall_but_waits_for_a_frame_that_is_a_little_late(camera: VirtualCamera) -> None:
    assert isinstance(camera, Repeating)
    assert isinstance(Painted(camera, []), Repeating)
    camera.send(shot(0))
    assert camera.repeat == pytest.approx(1.5 / 30)
    overlaid = Painted(camera, [Overlay(OverlaySettings())])
    for _ in range(2):
        overlaid.send(shot(0))
    assert overlaid.repeat == pytest.approx(1 / 30)
    overlaid.send(shot(1))
    assert overlaid.repeat == pytest.approx(1.5 / 30)


def test_a_camera_that_goes_is_told_once_and_comes_back_by_itself(driver: Driver, camera: VirtualCamera, said: list[str]) -> None:
    camera.send(shot(0))
    driver.there = False
    for index in range(1, 20):
        camera.send(shot(index))
    assert len(said) == 1
    assert "gone" in said[0]
    assert "device is gone" in said[0]
    driver.there = True
    camera.send(shot(20))
    assert len(driver.sent) == 1
    time.sleep(1.05)
    camera.send(shot(21))
    assert len(said) == 2
    assert "OBS Virtual Camera is back" in said[1]
    assert len(driver.sent) == 2


def test_frames_after_the_end_are_ignored(driver: Driver, camera: VirtualCamera) -> None:
    camera.send(shot(0))
    camera.close()
    camera.send(shot(1))
    camera.close()
    assert len(driver.sent) == 1


def test_a_missing_camera_fails_early_with_the_reason_and_the_cure(driver: Driver) -> None:
    driver.there = False
    with pytest.raises(RealtimeError, match=r"could not be started.*Install OBS"):
        VirtualCamera(VirtualCameraOutput(), 30.0, print)


def test_a_back_end_of_another_system_is_refused_by_name(driver: Driver) -> None:
    with pytest.raises(RealtimeError, match="v4l2loopback does not exist on Windows; here: obs, unitycapture"):
        probe(VirtualCameraOutput(backend="v4l2loopback"))


@pytest.mark.skipif(sys.platform != "linux", reason="v4l2loopback is Linux's")
@pytest.mark.skipif(bool(loopback.loopbacks()), reason="this machine has a virtual camera")
def test_linux_without_a_device_says_the_exact_command() -> None:
    with pytest.raises(RealtimeError, match=r"modprobe v4l2loopback .*exclusive_caps=1"):
        VirtualCamera(VirtualCameraOutput(), 30.0, print)
    with pytest.raises(RealtimeError, match="/dev/video77 does not exist"):
        probe(VirtualCameraOutput(device="/dev/video77"))
    with pytest.raises(RealtimeError, match="/dev/null is not a v4l2loopback device"):
        probe(VirtualCameraOutput(device="/dev/null"))


def test_pyvirtualcam_is_imported_by_one_file_and_late() -> None:
    """It is GPL-2.0; the rest must run without it, and without fcntl, which Windows does not have."""
    names = [
        path.name for path in (_ROOT / "realtime").rglob("*.py") if re.search(r"^\s*(import|from) pyvirtualcam", path.read_text(), re.M)
    ]
    assert names == ["output.py"]
    program = "import sys; sys.modules['pyvirtualcam'] = sys.modules['fcntl'] = None; import realtime.sinks.output, realtime.doctor"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=_ROOT)


class Keeper:
    """A sink that keeps what it gets."""

    main = True

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closed = self.polled = 0

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def poll(self) -> None:
        self.polled += 1

    def close(self) -> None:
        self.closed += 1


def test_painted_applies_its_stages_in_order_and_is_else_the_sink() -> None:
    keeper = Keeper()
    label = Overlay(OverlaySettings(corner="top-left"))
    painted = Painted(keeper, [Mirror(), label])
    frame = shot(3, 200, 100)
    frame.image[:, 100:] = 250
    painted.send(frame)
    expected = label(Frame(np.ascontiguousarray(frame.image[:, ::-1]), 3, 0.1))
    np.testing.assert_array_equal(keeper.frames[0].image, expected.image)
    painted.poll()
    painted.close()
    assert (painted.main, keeper.polled, keeper.closed) == (True, 1, 1)
    assert not hasattr(painted, "repeat")
    assert not hasattr(Painted(Nothing(), []), "main")


def test_nothing_takes_everything() -> None:
    sink = Nothing()
    sink.send(shot(0))
    sink.close()
