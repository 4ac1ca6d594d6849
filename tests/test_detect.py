"""When the detector runs, where, and what becomes of its results."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from models.detector import Detections, Detector
from models.knobs import Effort
from realtime.config import DetectSettings
from realtime.frame import Face, Frame
from realtime.stages.detect import Aside, Detect

_IMAGE = np.zeros((480, 640, 3), np.uint8)


class Noted:
    """A detector that notes each call and finds one face whose left edge is the call's number."""

    def __init__(self, width: float = 100.0, seconds: float = 0.0) -> None:
        self.width, self.seconds = width, seconds
        self.looks: list[int | None] = []
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, image: NDArray[np.uint8], looks: int | None = None) -> Detections:
        self.gate.wait(20)
        self.looks.append(looks)
        self.threads.append(threading.current_thread().name)
        left = float(len(self.looks))
        box = np.array([[left, 10, left + self.width, 10 + self.width]], np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros((1, 6, 2), np.float32))


class Broken:
    def __call__(self, image: NDArray[np.uint8], looks: int | None = None) -> Detections:
        raise RuntimeError("the model is broken")


def _frame(index: int, time: float, faces: tuple[Face, ...] = ()) -> Frame:
    return Frame(_IMAGE, index, time, faces)


def _until(condition: object) -> None:
    begin = time.perf_counter()
    while not condition():  # type: ignore[operator]
        assert time.perf_counter() - begin < 20
        time.sleep(0.002)


def test_the_interval_counts_the_frames_own_time() -> None:
    """At 30 fps and every 0.5 s each 15th frame is searched, however fast the frames are gone through."""
    detector = Noted()
    detect = Detect(detector, DetectSettings(interval=0.5))  # type: ignore[arg-type]
    searched = [index for index in range(60) if detect(_frame(index, index / 30)).faces]
    assert searched == [0, 15, 30, 45]
    assert detector.looks == [2] * 4


def test_with_less_effort_looks_are_further_apart_but_a_lost_face_is_looked_for_at_once() -> None:
    wanted: list[bool] = [False]
    detect = Detect(Noted(), DetectSettings(interval=0.5), lambda: wanted[0])  # type: ignore[arg-type]
    detect.effort = Effort(search=2.0)
    assert [index for index in range(60) if detect(_frame(index, index / 30)).faces] == [0, 30]
    wanted[0] = True
    assert all(detect(_frame(index, index / 30)).faces for index in range(61, 65))


def test_interval_zero_searches_every_frame_and_settings_change_live() -> None:
    detector = Noted()
    detect = Detect(detector, DetectSettings(interval=0))  # type: ignore[arg-type]
    assert all(detect(_frame(index, index / 30)).faces for index in range(5))
    detect.settings = DetectSettings(interval=60)
    assert not any(detect(_frame(index, index / 30)).faces for index in range(5, 20))


def test_old_faces_never_pass() -> None:
    stale = Face(np.zeros(4, np.float32))
    detect = Detect(Noted(), DetectSettings(interval=10))  # type: ignore[arg-type]
    assert detect(_frame(0, 0.0, (stale,))).faces[0] is not stale
    assert detect(_frame(1, 0.1, (stale,))).faces == ()


def test_wanted_means_now() -> None:
    wanted = [False]
    detector = Noted()
    detect = Detect(detector, DetectSettings(interval=60), lambda: wanted[0])  # type: ignore[arg-type]
    assert detect(_frame(0, 0.0)).faces
    assert not detect(_frame(1, 0.1)).faces
    wanted[0] = True
    assert detect(_frame(2, 0.2)).faces
    assert detect(_frame(3, 0.3)).faces
    assert len(detector.looks) == 3


def test_small_faces_are_looked_for_everywhere_while_wanted_and_not_for_ever() -> None:
    wanted = [False]
    detector = Noted(width=30)
    detect = Detect(detector, DetectSettings(interval=1), lambda: wanted[0])  # type: ignore[arg-type]
    detect(_frame(0, 0.0))
    wanted[0] = True
    detect(_frame(1, 0.1))
    detector.width = 200
    detect(_frame(2, 4.0))
    detect(_frame(3, 9.0))
    assert detector.looks == [2, None, None, 2]


def test_time_that_jumps_back_starts_anew() -> None:
    detect = Detect(Noted(), DetectSettings(interval=5))  # type: ignore[arg-type]
    assert detect(_frame(0, 100.0)).faces
    assert detect(_frame(1, 1.0)).faces
    assert not detect(_frame(2, 1.1)).faces


def test_the_real_detector_gives_boxes_scores_and_points(detector: Detector, collins: NDArray[np.uint8]) -> None:
    (face,) = Detect(detector, DetectSettings())(Frame(collins, 0, 0.0)).faces
    assert face.box.shape == (4,)
    assert face.points is not None
    assert face.points.shape == (6, 2)
    assert face.score > 0.8
    assert face.landmarks is None
    assert face.track is None


@pytest.fixture
def aside() -> Iterator[tuple[Noted, list[bool], Aside]]:
    detector, wanted = Noted(), [False]
    part = Aside(Detect(detector, DetectSettings(interval=0.5), lambda: wanted[0]))  # type: ignore[arg-type]
    yield detector, wanted, part
    detector.gate.set()
    part.close()


def test_aside_never_waits_and_hands_out_each_result_once(aside: tuple[Noted, list[bool], Aside]) -> None:
    detector, _, part = aside
    detector.gate.clear()
    begin = time.perf_counter()
    assert not any(part(_frame(index, index / 30)).faces for index in range(10))
    assert time.perf_counter() - begin < 10, "a search that hangs does not hold frames up"
    detector.gate.set()
    _until(lambda: part._pending is not None and part._pending.done())
    assert part(_frame(10, 10 / 30)).faces[0].box[0] == 1
    assert not part(_frame(11, 11 / 30)).faces
    assert detector.threads == ["detect_0"]


def test_aside_searches_in_line_while_somebody_is_wanted(aside: tuple[Noted, list[bool], Aside]) -> None:
    detector, wanted, part = aside
    wanted[0] = True
    for index in range(3):
        assert part(_frame(index, index / 30)).faces[0].box[0] == index + 1
    assert set(detector.threads) == {threading.current_thread().name}


def test_a_result_older_than_one_in_line_is_thrown_away(aside: tuple[Noted, list[bool], Aside]) -> None:
    detector, wanted, part = aside
    part(_frame(0, 0.0))
    _until(lambda: len(detector.looks) == 1)
    wanted[0] = True
    assert part(_frame(1, 0.03)).faces[0].box[0] == 2
    wanted[0] = False
    assert not part(_frame(2, 0.06)).faces


def test_what_the_search_raises_comes_out_of_the_stage() -> None:
    part = Aside(Detect(Broken(), DetectSettings(interval=0)))  # type: ignore[arg-type]
    part(_frame(0, 0.0))
    _until(lambda: part._pending is not None and part._pending.done())
    with pytest.raises(RuntimeError, match="the model is broken"):
        part(_frame(1, 1.0))
    part.close()


def test_closing_ends_the_thread() -> None:
    before = threading.active_count()
    for _ in range(20):
        part = Aside(Detect(Noted(), DetectSettings()))  # type: ignore[arg-type]
        part(_frame(0, 0.0))
        part.close()
        part.close()
    assert threading.active_count() == before
