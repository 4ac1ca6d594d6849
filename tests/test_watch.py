"""Watching a run: which frames are judged, which are measured together, and when it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from faces import as_face
from numpy.typing import NDArray

from benchmarks.quality.shot import Shot, opacity
from benchmarks.quality.watch import Entering, Leaving
from models.mesh.topology import MEAN
from realtime.frame import Frame, Patch

_FACE = np.concatenate([MEAN * 20 + np.float32([40, 40, 0]), np.full((10, 3), 40, np.float32)])[:478].astype(np.float32)


class _Judge:
    """Says how bright a picture is."""

    name, sha256, distances = "bright", "0", False

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
        self.looks += 1
        return np.array([float(image.mean()), 1.0])


def _watch(every: int, seconds: float | None = None, seen: bool = True) -> tuple[Leaving, _Judge, list[list[Shot]], list[bool]]:
    windows: list[list[Shot]] = []
    ended: list[bool] = []
    judge = _Judge()

    def measure(shots: Sequence[Shot]) -> Mapping[str, float]:
        windows.append(list(shots))
        return {"shots": float(len(shots))}

    def landmarker(image: Any, regions: Sequence[Any]) -> list[Any]:
        return [_FACE + 1 if seen else None for _ in regions]

    leaving = Leaving(Entering(), landmarker, [judge], [measure], every, seconds, lambda: ended.append(True), {})  # type: ignore[arg-type]
    return leaving, judge, windows, ended


def _pass(leaving: Leaving, index: int, worn: bool = True, track: int = 0) -> None:
    """One frame through both stages; the result is brighter than what went in."""
    before = np.full((80, 80, 3), 50, np.uint8)
    patch = Patch(np.zeros((10, 10, 3), np.uint8), np.full((10, 10), 255, np.uint8), np.array([[1.0, 0, 30], [0, 1.0, 20]]))
    face = as_face(_FACE, track, patch=patch if worn else None, lost=not worn)
    leaving.entering(Frame(before, index, index / 25))
    leaving(Frame(before + 50, index, index / 25, (face,)))


def test_every_nth_frame_is_judged_and_windows_are_24_frames_in_a_row() -> None:
    leaving, judge, windows, _ = _watch(every=2)
    for index in range(100):
        _pass(leaving, index)
    leaving.finish()
    assert [(window[0].index, len(window)) for window in windows] == [(0, 24), (48, 24), (96, 4)]
    assert all(later.index == earlier.index + 1 for window in windows for earlier, later in pairwise(window))
    assert [still.index for still in leaving.stills] == list(range(0, 100, 2))
    assert judge.looks == 2 * 50
    assert leaving.seen["bright"].results[0][0] == 100.0
    assert leaving.seen["bright"].targets[0][0] == 50.0
    assert not leaving.entering.images


def test_what_was_seen_of_the_target_is_not_looked_at_again() -> None:
    leaving, judge, _, _ = _watch(every=1)
    leaving.targets["bright", 0] = np.array([7.0, 7.0])
    _pass(leaving, 0)
    assert judge.looks == 1
    assert leaving.seen["bright"].targets[0][0] == 7.0


def test_a_gap_or_another_person_begins_a_new_window() -> None:
    leaving, _, windows, _ = _watch(every=1)
    for index in range(12):
        _pass(leaving, index, worn=index != 5, track=int(index > 8))
    leaving.finish()
    assert [[shot.index for shot in window] for window in windows] == [[0, 1, 2, 3, 4], [6, 7, 8], [9, 10, 11]]
    assert (leaving.counts.frames, leaving.counts.worn, leaving.counts.lost) == (12, 11, 1)


def test_a_result_without_a_face_is_counted_and_not_judged() -> None:
    leaving, judge, windows, _ = _watch(every=1, seen=False)
    _pass(leaving, 0)
    leaving.finish()
    assert (judge.looks, leaving.counts.unseen, len(windows), leaving.stills) == (0, 1, 1, [])


def test_it_ends_after_the_wanted_seconds() -> None:
    leaving, _, _, ended = _watch(every=1, seconds=0.2)
    for index in range(8):
        _pass(leaving, index)
    assert leaving.counts.frames == 5
    assert ended


def test_opacity_is_where_the_patches_lie() -> None:
    patch = Patch(np.zeros((4, 6, 3), np.uint8), np.full((4, 6), 200, np.uint8), np.array([[1.0, 0, 3], [0, 1.0, 2]]))
    frame = Frame(np.zeros((12, 16, 3), np.uint8), 0, 0.0, (as_face(_FACE, patch=patch), as_face(_FACE)))
    expected = np.zeros((12, 16), np.uint8)
    expected[2:6, 3:9] = 200
    np.testing.assert_array_equal(opacity(frame), expected)


@pytest.mark.parametrize("worn", [True, False])
def test_frames_without_a_new_face_are_only_counted(worn: bool) -> None:
    leaving, judge, _, _ = _watch(every=1)
    _pass(leaving, 0, worn)
    assert judge.looks == 2 * worn
