"""The camera loop over OpenCV's own capture of a clip, and how cameras are found; real devices are in the vm tests."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from clips import flat, make

from realtime.config import CameraInput
from realtime.frame import Frame, RealtimeError
from realtime.machine import devices
from realtime.machine.devices import CameraDevice, Mode
from realtime.sources import camera as module
from realtime.sources import capture
from realtime.sources.camera import Camera
from realtime.sources.capture import Opened, Place, find, find_again
from realtime.sources.card import card

WHITE = (255, 255, 255)
linux = pytest.mark.skipif(platform.system() != "Linux", reason="only Linux tells names and device files of cameras")


class Paced:
    """OpenCV's capture of a clip at a webcam's pace; fails when told to, or when the clip is over."""

    def __init__(self, path: Path, hang: threading.Event | None = None) -> None:
        self.inner, self.hang, self.unplugged, self.released = cv2.VideoCapture(str(path)), hang, False, False

    def grab(self) -> bool:
        if self.hang is not None:
            self.hang.wait(5)
        time.sleep(0.01)
        return not self.unplugged and self.inner.grab()

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return self.inner.retrieve()

    def get(self, what: int) -> float:
        return self.inner.get(what)

    def release(self) -> None:
        self.released = True
        self.inner.release()


class Bench:
    """A place with one camera that can be plugged in and out; `size` of its pictures may change meanwhile."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path, self.there, self.name, self.index = tmp_path, True, "Webcam", 0
        self.size, self.opened, self.hang = (64, 48), list[Paced](), None
        self.said: list[str] = []

    def find(self, device: int | str) -> Place:
        return Place(self.index, f"/dev/video{self.index}", self.name)

    def find_again(self, place: Place, device: int | str) -> Place | None:
        return Place(self.index, f"/dev/video{self.index}", self.name) if self.there else None

    def start(self, place: Place, settings: CameraInput) -> Opened:
        path = self.tmp_path / f"{self.size[0]}x{self.size[1]}.mkv"
        if not path.exists():
            make(path, [flat(*self.size, WHITE)] * 400, codec="mjpeg", pixels="yuvj420p")
        self.opened.append(Paced(path, self.hang))
        return Opened(self.opened[-1], 100.0, "MJPG")  # type: ignore[arg-type]

    def unplug(self) -> None:
        self.there = False
        self.opened[-1].unplugged = True


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr(module, "find", made.find)
    monkeypatch.setattr(module, "find_again", made.find_again)
    monkeypatch.setattr(module, "start", made.start)
    monkeypatch.setattr(module, "asked", lambda place, settings: "1280x720 at 30 (MJPG)")
    monkeypatch.setattr(module, "_SILENCE", 0.05)
    monkeypatch.setattr(module, "_PAUSES", (0.02, 0.05))
    return made


def until(frames: Iterator[Frame], wanted: Callable[[Frame], bool]) -> list[Frame]:
    """Frames up to the first wanted one."""
    got = []
    for frame in frames:
        got.append(frame)
        if wanted(frame) or len(got) > 2000:
            break
    return got


def is_card(frame: Frame) -> bool:
    return bool((frame.image == card((frame.image.shape[1], frame.image.shape[0]))).all())


def test_mode_is_told_and_frames_are_fresh(bench: Bench) -> None:
    camera = Camera(CameraInput(), bench.said.append)
    assert (camera.live, camera.size, camera.rate) == (True, (64, 48), 100.0)
    assert bench.said == ["Camera 0 (Webcam): asked 1280x720 at 30 (MJPG), got 64x48 at 100 (MJPG)."]
    got = until(iter(camera), lambda frame: frame.index >= 30)
    camera.close()
    assert all(time.perf_counter() - frame.time < 5 and not is_card(frame) for frame in got)
    assert [frame.time for frame in got] == sorted({frame.time for frame in got})


def test_a_slow_reader_gets_the_newest_and_the_index_tells_what_was_lost(bench: Bench) -> None:
    camera = Camera(CameraInput(), bench.said.append)
    frames = iter(camera)
    first = next(frames)
    time.sleep(0.5)
    asked = time.perf_counter()
    second = next(frames)
    camera.close()
    assert second.index > first.index + 10
    assert asked - second.time < 0.2


def test_unplugged_shows_the_card_and_comes_back_in_the_old_size(bench: Bench) -> None:
    camera = Camera(CameraInput(), bench.said.append)
    frames = iter(camera)
    got = until(frames, lambda frame: frame.index >= 5)
    bench.unplug()
    got += until(frames, is_card)
    away = [next(frames) for _ in range(30)]
    assert all(is_card(frame) for frame in away)
    assert np.diff([frame.time for frame in away]).mean() == pytest.approx(0.01, abs=0.004)
    bench.index, bench.size, bench.there = 3, (32, 48), True
    got += away + until(frames, lambda frame: not is_card(frame))
    camera.close()
    assert {frame.image.shape for frame in got} == {(48, 64, 3)}
    assert got[-1].image[24, 32].min() > 200
    assert got[-1].image[24, 2].max() < 30
    assert bench.said[1:] == [
        "Camera 0 (Webcam) is gone; showing a card until it is back.",
        "Camera 3 (Webcam) is back: 100 frames per second (MJPG).",
    ]
    for values in ([frame.index for frame in got], [frame.time for frame in got]):
        assert values == sorted(set(values))
    assert all(opened.released for opened in bench.opened)


FAILURES = [cv2.error("error: (-215:Assertion failed) !empty()"), OSError(19, "No such device")]


@pytest.mark.parametrize("error", FAILURES, ids=["OpenCV", "system"])
@pytest.mark.parametrize("step", ["grab", "retrieve", "fit", "release", "find_again", "start"])
def test_a_failure_in_its_own_thread_is_a_camera_that_is_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    """The thread was dead then, and the card stayed for ever."""
    failed = 0

    def fail(*_: object) -> Any:
        nonlocal failed
        failed += 1
        raise error

    camera = Camera(CameraInput(), bench.said.append)
    frames = iter(camera)
    until(frames, lambda frame: frame.index >= 3)
    with monkeypatch.context() as broken:
        broken.setattr(Paced if hasattr(Paced, step) else module, step, fail)
        if step in ("release", "find_again", "start"):
            bench.opened[-1].unplugged = True
        # Three times what also happens while the camera is looked for.
        until(frames, lambda frame: is_card(frame) and failed >= (3 if step in ("grab", "find_again", "start") else 1))
    back = until(frames, lambda frame: not is_card(frame))
    camera.close()
    assert failed
    assert not is_card(back[-1])
    assert bench.said[1:3] == [
        "Camera 0 (Webcam) is gone; showing a card until it is back.",
        "Camera 0 (Webcam) is back: 100 frames per second (MJPG).",
    ]
    assert not camera._thread.is_alive()
    assert all(opened.released for opened in bench.opened) or step == "release"


def test_stalled_camera_shows_the_card_and_close_does_not_wait_for_it(bench: Bench) -> None:
    bench.hang = threading.Event()
    bench.hang.set()
    camera = Camera(CameraInput(), bench.said.append)
    frames = iter(camera)
    until(frames, lambda frame: frame.index >= 3)
    bench.hang.clear()
    until(frames, is_card)
    began = time.perf_counter()
    camera.close()
    assert time.perf_counter() - began < 1.0
    assert next(frames, None) is None or next(frames, None) is None
    bench.hang.set()
    camera._thread.join(5)
    assert bench.opened[-1].released


def test_close_while_away_is_quick_and_ends_the_iteration(bench: Bench) -> None:
    camera = Camera(CameraInput(), bench.said.append)
    reader = threading.Thread(target=lambda: list(camera))
    reader.start()
    bench.unplug()
    time.sleep(0.2)
    began = time.perf_counter()
    camera.close()
    camera.close()
    reader.join(1)
    assert time.perf_counter() - began < 1.0
    assert not reader.is_alive()


def test_opened_and_closed_fifty_times_leaves_nothing(bench: Bench) -> None:
    process = psutil.Process()
    Camera(CameraInput(), bench.said.append).close()
    files, threads = len(process.open_files()), threading.active_count()
    for _ in range(50):
        camera = Camera(CameraInput(), bench.said.append)
        next(iter(camera))
        camera.close()
    assert threading.active_count() == threads
    assert len(process.open_files()) == files


def test_a_camera_without_pictures_is_an_error_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = bench.start

    def dead(place: Place, settings: CameraInput) -> Opened:
        opened = begin(place, settings)
        bench.opened[-1].unplugged = True
        return opened

    monkeypatch.setattr(module, "start", dead)
    with pytest.raises(RealtimeError, match="gives no picture"):
        Camera(CameraInput(), bench.said.append)
    assert bench.opened[-1].released


SLOW = Mode("YUYV", 1280, 720, (10.0,)), Mode("MJPG", 1280, 720, (30.0,))
FAST = Mode("YUYV", 1280, 720, (60.0, 30.0)), Mode("MJPG", 1280, 720, (60.0,))
THERE = [
    CameraDevice(0, "/dev/video0", "Integrated Camera: Front", "uvcvideo", SLOW),
    CameraDevice(2, "/dev/video2", "USB3 Camera", "uvcvideo", FAST),
    CameraDevice(4, "/dev/video4", "Locked", "", problem="may not be opened by this user"),
]


@linux
@pytest.mark.parametrize(("device", "index"), [(0, 0), ("2", 2), (" 02 ", 2), ("/dev/video2", 2), ("usb3", 2), ("Front", 0), ("camera", 0)])
def test_a_camera_is_found_by_number_file_or_name(monkeypatch: pytest.MonkeyPatch, device: int | str, index: int) -> None:
    monkeypatch.setattr(devices, "cameras", lambda: THERE)
    assert find(device).index == index


@linux
def test_a_link_to_a_device_is_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "cameras", lambda: THERE)
    link = tmp_path / "by-id"
    link.symlink_to("/dev/video2")
    assert find(str(link)).index == 2


@linux
@pytest.mark.parametrize("device", [7, "7", "/dev/video7", "Nothing", "/dev/null", ""])
def test_a_camera_that_is_not_there_lists_those_that_are(monkeypatch: pytest.MonkeyPatch, device: int | str) -> None:
    monkeypatch.setattr(devices, "cameras", lambda: THERE[:2])
    with pytest.raises(RealtimeError, match=r"There are: 0 \(Integrated Camera: Front\), 2 \(USB3 Camera\)\."):
        find(device)
    monkeypatch.setattr(devices, "cameras", lambda: [])
    with pytest.raises(RealtimeError, match="No camera was found at all"):
        find(device)


@pytest.mark.parametrize("system", ["Linux", "Darwin"])
def test_what_only_looks_like_a_number_is_a_name(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """int() takes no raised two, though it is a digit."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(devices, "cameras", lambda: THERE)
    with pytest.raises(RealtimeError, match="'²'"):
        find("²")


@linux
def test_a_camera_that_may_not_be_opened_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cameras", lambda: THERE)
    with pytest.raises(RealtimeError, match="may not be opened by this user"):
        find(4)


def test_the_same_camera_is_found_under_another_number(monkeypatch: pytest.MonkeyPatch) -> None:
    was = Place(0, "/dev/video0", "USB3 Camera")
    monkeypatch.setattr(devices, "cameras", lambda: THERE)
    assert find_again(was, 0) == Place(2, "/dev/video2", "USB3 Camera")
    assert find_again(Place(1, "/dev/video1", "Gone"), 1) is None
    twins = [CameraDevice(index, f"/dev/video{index}", "Twin", "uvcvideo") for index in (1, 5)]
    monkeypatch.setattr(devices, "cameras", lambda: twins)
    assert find_again(Place(5, "/dev/video5", "Twin"), 5) == Place(5, "/dev/video5", "Twin")


@pytest.mark.parametrize(
    ("index", "settings", "formats"),
    [
        (0, CameraInput(), ("MJPG", "YUYV")),
        (0, CameraInput(fps=10), ("YUYV",)),
        (2, CameraInput(), ("YUYV",)),
        (0, CameraInput(format="yuyv"), ("YUYV",)),
        (2, CameraInput(format="mjpeg"), ("MJPG", "YUYV")),
        (0, CameraInput(width=640, height=480), ("YUYV",)),
        (0, CameraInput(width=1920, height=1080), ("MJPG", "YUYV")),
    ],
)
def test_mjpeg_is_asked_for_where_it_matters(
    monkeypatch: pytest.MonkeyPatch, index: int, settings: CameraInput, formats: tuple[str, ...]
) -> None:
    monkeypatch.setattr(devices, "cameras", lambda: THERE)
    assert capture._formats(Place(index, f"/dev/video{index}", "any"), settings) == formats


@linux
def test_no_such_camera_on_this_very_machine() -> None:
    with pytest.raises(RealtimeError, match="There is no camera '4711'"):
        Camera(CameraInput(device=4711), print)
