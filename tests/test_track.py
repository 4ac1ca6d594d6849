"""Who is where: on the moved portraits, on real clips, and on what a landmark model may say at its worst."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.detector import Detector
from models.landmarks import Landmarker, Region, region_from_detection
from realtime.config import AnimatedInput, DetectSettings, TrackSettings
from realtime.frame import Face, Frame
from realtime.sources.animated import Animated
from realtime.stages.detect import Detect
from realtime.stages.track import Track

Image = NDArray[np.uint8]
Points = NDArray[np.float32]


def _loop(detector: Detector, landmarker: Landmarker, frames: Iterator[Frame], settings: TrackSettings | None = None) -> Iterator[Frame]:
    track = Track(landmarker, settings or TrackSettings())
    detect = Detect(detector, DetectSettings(), lambda: track.searching)
    for frame in frames:
        yield track(detect(frame))


def _clip(path: Path) -> Iterator[Frame]:
    with av.open(str(path)) as file:
        for index, frame in enumerate(file.decode(video=0)):
            yield Frame(frame.to_ndarray(format="bgr24"), index, float(frame.time or 0))


def _at(frame: Frame, landmarks: Points) -> list[Face]:
    """The faces, lost ones too, whose landmarks are nearly those."""
    size = float(np.ptp(landmarks[:, 0]))
    near = []
    for face in frame.faces:
        if face.landmarks is not None and np.hypot(*(face.landmarks - landmarks)[:, :2].mean(axis=0)) < 0.4 * size:
            near.append(face)
    return near


def test_landmarks_follow_the_truth_and_numbers_stay(detector: Detector, landmarker: Landmarker) -> None:
    source = Animated(AnimatedInput(people=2, seconds=2, realtime=False, speed=2))
    numbers: list[list[int | None]] = []
    for frame in _loop(detector, landmarker, iter(source)):
        assert len(frame.faces) == 2
        numbers.append([])
        for truth in source.truth(frame.index):
            (face,) = _at(frame, truth)
            assert face.landmarks is not None
            assert not face.lost
            assert face.landmarks.dtype == np.float32
            assert np.abs(face.landmarks - truth)[:, :2].mean() < 0.05 * np.ptp(truth[:, 0])
            numbers[-1].append(face.track)
    assert len({tuple(row) for row in numbers}) == 1
    assert sorted(numbers[0]) == [1, 2]


@pytest.mark.parametrize("kind", ["kalman", "one-euro", "none"])
def test_a_hidden_face_is_lost_at_once_and_found_in_the_frame_it_is_back(detector: Detector, landmarker: Landmarker, kind: str) -> None:
    """Hidden for half a second: never shown as if measured, its box covers the place, and it comes back as the same person."""
    source = Animated(AnimatedInput(seconds=2, realtime=False, noise=1), hide=lambda index: 20 <= index < 35)
    settings = TrackSettings(filter=kind)  # type: ignore[arg-type]
    doubt = []
    for frame in _loop(detector, landmarker, iter(source), settings):
        (face,) = frame.faces
        truth = source.truth(frame.index)[0]
        assert face.track == 1
        assert face.lost == (20 <= frame.index < 35), f"frame {frame.index}"
        if face.lost:
            doubt.append(float(np.prod(face.box[2:] - face.box[:2])))
            assert (face.box[:2] < truth[:, :2].min(axis=0) + 3).all()
            assert (face.box[2:] > truth[:, :2].max(axis=0) - 3).all()
    assert doubt[-1] > 1.5 * doubt[0]


def test_a_lost_face_ends_after_patience_and_is_somebody_new_later(detector: Detector, landmarker: Landmarker) -> None:
    source = Animated(AnimatedInput(seconds=3, realtime=False), hide=lambda index: 10 <= index < 60)
    seen = [
        [(face.track, face.lost) for face in frame.faces]
        for frame in _loop(detector, landmarker, iter(source), TrackSettings(patience=0.5))
    ]
    assert seen[9] == [(1, False)]
    assert seen[10] == [(1, True)]
    assert seen[23] == [(1, True)]
    assert seen[26:60] == [[]] * 34
    assert seen[60] == [(2, False)]


def _crossing(collins: Image, hopper: Image, frames: int) -> Iterator[tuple[Frame, tuple[int, int]]]:
    """Two portraits that pass through one another and back, one before the other, and where they are (centre, px)."""
    cards = []
    for image, box in ((hopper, (60, 420, 90, 430)), (collins, (20, 280, 90, 370))):
        card = cv2.resize(image[box[0] : box[1], box[2] : box[3]], (240, 230))
        soft = np.zeros((230, 240), np.float32)
        cv2.ellipse(soft, (120, 115), (108, 108), 0, 0, 360, 1.0, -1)
        cards.append((card, cv2.GaussianBlur(soft, (0, 0), 4)[..., None]))
    for index in range(frames):
        along = 1 - abs(2 * index / (frames - 1) - 1)
        places = (round(680 - 640 * along), round(40 + 640 * along))
        image = np.full((340, 960, 3), 110, np.uint8) + np.random.default_rng(index).integers(0, 6, (340, 960, 3), dtype=np.uint8)
        for (card, soft), left in zip(cards, places, strict=True):
            part = image[55:285, left : left + 240]
            part[:] = part * (1 - soft) + card * soft
        yield Frame(image, index, index / 30), (places[0] + 120, places[1] + 120)


@pytest.mark.parametrize("frames", [41, 61, 91])
def test_numbers_survive_crossings(detector: Detector, landmarker: Landmarker, hopper: Image, collins: Image, frames: int) -> None:
    """The one behind is gone for a while; afterwards both have their own numbers, on both ways."""
    places: list[tuple[int, int]] = []

    def source() -> Iterator[Frame]:
        for frame, centres in _crossing(collins, hopper, frames):
            places.append(centres)
            yield frame

    owners: dict[int, set[int | None]] = {0: set(), 1: set()}
    for frame in _loop(detector, landmarker, source()):
        centres = places[frame.index]
        if abs(centres[0] - centres[1]) > 260:
            for person, centre in enumerate(centres):
                near = [face.track for face in frame.faces if not face.lost and abs((face.box[0] + face.box[2]) / 2 - centre) < 60]
                assert len(near) <= 1
                owners[person].update(near)
    assert [len(numbers) for numbers in owners.values()] == [1, 1]
    assert owners[0] != owners[1]


def test_no_more_faces_than_asked_for_and_the_biggest_first(detector: Detector, landmarker: Landmarker) -> None:
    source = Animated(AnimatedInput(people=3, seconds=0.4, realtime=False))
    sizes = [float(np.ptp(truth[:, 1])) for truth in source.truth(0)]
    frames = list(_loop(detector, landmarker, iter(source), TrackSettings(faces=1)))
    assert all(sum(face.track is not None for face in frame.faces) == 1 for frame in frames)
    assert _at(frames[0], source.truth(0)[int(np.argmax(sizes))])
    # The others are known to be there, so that a swap of all faces can cover them.
    assert all(sum(face.lost for face in frame.faces) == 2 for frame in frames)
    assert all(len(frame.faces) == 3 for frame in _loop(detector, landmarker, iter(source), TrackSettings(faces=4)))


def test_a_face_that_leaves_the_picture(detector: Detector, landmarker: Landmarker, collins: Image) -> None:
    """Out over each edge, step by step: nothing fails, it ends lost, and it comes back as the same person."""
    for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        steps = [*range(0, 12), *range(11, -1, -1)]
        track = Track(landmarker, TrackSettings())
        detect = Detect(detector, DetectSettings(), lambda track=track: track.searching)  # type: ignore[misc]
        seen = []
        for index, step in enumerate(steps):
            move = np.array([[1, 0, 40.0 * step * across], [0, 1, 40.0 * step * down]])
            image = cv2.warpAffine(collins, move, (512, 512), borderValue=(90, 90, 90))
            frame = track(detect(Frame(np.asarray(image, np.uint8), index, index / 10)))
            seen.append([(face.track, face.lost) for face in frame.faces if face.track is not None])
        assert seen[0] == [(1, False)]
        assert seen[12] == [(1, True)]
        assert seen[-1] == [(1, False)]


class Scripted:
    """A landmark model that says, call by call, what it is told to; regions get the landmarks of the nearest true face."""

    def __init__(self, answer: Callable[[int, Region], Points | None]) -> None:
        self.answer, self.calls = answer, 0

    def __call__(self, image: Image, regions: Sequence[Region]) -> list[Points | None]:
        self.calls += bool(regions)
        return [self.answer(self.calls, region) for region in regions]


def _mesh(x: float, y: float, width: float = 100.0) -> Points:
    draw = np.random.default_rng(0).uniform(-0.5, 0.5, (478, 3)).astype(np.float32)
    draw[10], draw[152], draw[33], draw[263] = (0, -0.6, 0), (0, 0.6, 0), (-0.3, -0.1, 0), (0.3, -0.1, 0)
    return np.asarray(draw * np.float32([width, width, width]) + np.float32([x, y, 0]), np.float32)


def _face(x: float, y: float, width: float = 100.0, score: float = 0.9) -> Face:
    return Face(np.array([x - width / 2, y - width / 2, x + width / 2, y + width / 2], np.float32), score=score)


_EMPTY = np.full((480, 640, 3), 128, np.uint8)


@pytest.mark.parametrize(
    "bad",
    [None, np.full((478, 3), np.nan, np.float32), _mesh(320, 200, 400), _mesh(320, 200, 20), _mesh(520, 200), _mesh(-200, 200)],
    ids=["none", "nan", "huge", "tiny", "far", "outside"],
)
def test_landmarks_that_cannot_be_are_a_lost_face(bad: Points | None) -> None:
    model = Scripted(lambda call, region: bad if call == 4 else _mesh(320, 200))
    track = Track(model, TrackSettings())  # type: ignore[arg-type]
    assert track.searching
    out = [track(Frame(_EMPTY, index, index / 30, (_face(320, 200),) if index == 0 else ())) for index in range(3)]
    assert not track.searching
    out.append(track(Frame(_EMPTY, 3, 0.1)))
    assert [[face.lost for face in frame.faces] for frame in out] == [[False], [False], [False], [True]]
    assert track.searching
    (lost,) = out[3].faces
    assert lost.landmarks is not None
    assert np.isfinite(lost.landmarks).all()
    assert np.isfinite(lost.box).all()
    (back,) = track(Frame(_EMPTY, 4, 4 / 30)).faces
    assert (back.track, back.lost) == (1, False)


def test_two_people_never_share_one_face() -> None:
    """From the fifth frame on the model sees the left face wherever it looks."""
    model = Scripted(lambda call, region: _mesh(200, 200) if call > 4 or region.x < 320 else _mesh(440, 200))
    track = Track(model, TrackSettings())  # type: ignore[arg-type]
    model.answer = lambda call, region: _mesh(200 if region.x < 320 else 440, 200)
    for index in range(4):
        track(Frame(_EMPTY, index, index / 30, (_face(200, 200), _face(440, 200)) if index == 0 else ()))
    model.answer = lambda call, region: _mesh(200, 200)
    faces = track(Frame(_EMPTY, 4, 4 / 30)).faces
    assert sorted((face.lost, float(face.box[0]) < 200) for face in faces) == [(False, True), (True, False)]


def test_a_detection_without_landmarks_is_a_lost_box_until_it_is_clear() -> None:
    model = Scripted(lambda call, region: None)
    track = Track(model, TrackSettings())  # type: ignore[arg-type]
    face = _face(300, 200)
    (box,) = track(Frame(_EMPTY, 0, 0.0, (face,))).faces
    assert (box.track, box.lost, box.landmarks) == (None, True, None)
    assert (box.box[:2] <= face.box[:2]).all()
    assert (box.box[2:] >= face.box[2:]).all()
    (later,) = track(Frame(_EMPTY, 1, 0.5)).faces
    assert later.box[0] < box.box[0]
    model.answer = lambda call, region: _mesh(300, 200)
    (clear,) = track(Frame(_EMPTY, 2, 0.53)).faces
    assert (clear.track, clear.lost) == (1, False)
    model.answer = lambda call, region: None
    other = Track(model, TrackSettings())  # type: ignore[arg-type]
    other(Frame(_EMPTY, 0, 0.0, (face,)))
    assert other(Frame(_EMPTY, 1, 1.0)).faces == ()


def test_strangers_need_a_better_score_than_known_people() -> None:
    model = Scripted(lambda call, region: _mesh(region.x, region.y))
    track = Track(model, TrackSettings())  # type: ignore[arg-type]
    assert track(Frame(_EMPTY, 0, 0.0, (_face(300, 200, score=0.55),))).faces == ()
    assert len(track(Frame(_EMPTY, 1, 0.1, (_face(300, 200, score=0.8),))).faces) == 1
    model.answer = lambda call, region: None
    assert track(Frame(_EMPTY, 2, 0.2)).faces[0].lost
    model.answer = lambda call, region: _mesh(region.x, region.y)
    (back,) = track(Frame(_EMPTY, 3, 0.3, (_face(310, 200, score=0.55),))).faces
    assert (back.track, back.lost) == (1, False)


def test_times_that_stand_still_or_go_back_a_little() -> None:
    model = Scripted(lambda call, region: _mesh(300, 200))
    track = Track(model, TrackSettings())  # type: ignore[arg-type]
    for index, time in enumerate((0.0, 0.0, 0.03, 0.02, 0.02, 0.06, 0.5, 0.49, 2.9)):
        (face,) = track(Frame(_EMPTY, index, time, (_face(300, 200),) if index == 0 else ())).faces
        assert (face.track, face.lost) == (1, False)
        assert face.landmarks is not None
        assert np.abs(face.landmarks - _mesh(300, 200)).max() < 0.5


def test_another_picture_size_or_an_earlier_time_starts_anew() -> None:
    model = Scripted(lambda call, region: _mesh(300, 200))
    track = Track(model, TrackSettings())  # type: ignore[arg-type]
    track(Frame(_EMPTY, 0, 5.0, (_face(300, 200),)))
    assert track(Frame(np.zeros((360, 640, 3), np.uint8), 1, 5.03)).faces == ()
    assert track.searching
    track(Frame(_EMPTY, 2, 5.06, (_face(300, 200),)))
    assert track(Frame(_EMPTY, 3, 1.0)).faces == ()


def test_the_filter_changes_live_and_the_input_is_not_written() -> None:
    model = Scripted(lambda call, region: _mesh(300 + call, 200))
    track = Track(model, TrackSettings(filter="kalman"))  # type: ignore[arg-type]
    image = _EMPTY.copy()
    image.flags.writeable = False
    track(Frame(image, 0, 0.0, (_face(300, 200),)))
    for index, kind in enumerate(("none", "one-euro", "none", "kalman", "none"), 1):
        track.settings = TrackSettings(filter=kind)  # type: ignore[arg-type]
        (face,) = track(Frame(image, index, index / 30)).faces
        assert (face.track, face.lost) == (1, False)
    assert face.landmarks is not None
    assert np.array_equal(face.landmarks, _mesh(300 + model.calls, 200))


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 700), (9, 9)])
def test_pictures_that_are_hardly_any(detector: Detector, landmarker: Landmarker, shape: tuple[int, int]) -> None:
    frames = (Frame(np.zeros((*shape, 3), np.uint8), index, index / 30) for index in range(3))
    assert all(frame.faces == () for frame in _loop(detector, landmarker, frames))


@pytest.mark.parametrize(
    ("clip", "people", "share"),
    [
        ("address.mp4", 1, 1.0),
        ("d12.mp4", 1, 1.0),
        ("s29.mp4", 1, 1.0),
        ("two-people-turning.gif", 2, 1.0),
        ("three-people.gif", 3, 1.0),
        ("head-turns-a.gif", 1, 1.0),
        ("walking-in.gif", 2, 0.75),  # tiny faces once ran away: the size's own velocity shrank the region that it is measured in
        ("s18.mp4", 1, 1.0),  # a pattern in the background once became a second person
    ],
)
def test_real_clips(detector: Detector, landmarker: Landmarker, shared: Path, clip: str, people: int, share: float) -> None:
    """Everybody is followed under one number, nobody else is, in (nearly) every frame."""
    counts: dict[int | None, int] = {}
    frames = 0
    for frame in _loop(detector, landmarker, _clip(shared / "clips" / clip)):
        frames += 1
        for face in frame.faces:
            if not face.lost:
                counts[face.track] = counts.get(face.track, 0) + 1
    assert len(counts) == people
    assert min(counts.values()) >= share * frames - 1e-9


def test_a_place_is_not_given_to_somebody_who_looks_different(
    landmarker: Landmarker, detector: Detector, hopper: Image, collins: Image
) -> None:
    """Collins goes and Hopper comes into the same place within the patience: another number."""
    hidden = np.full_like(collins, 110)
    images = [collins] * 3 + [hidden] * 5 + [np.ascontiguousarray(hopper[:512])] * 3
    frames = (Frame(image, index, index / 30) for index, image in enumerate(images))
    seen = [[face.track for face in frame.faces if not face.lost] for frame in _loop(detector, landmarker, frames)]
    assert seen[2] == [1]
    assert seen[-1] == [2]
    found = detector(collins)
    assert landmarker(collins, [region_from_detection(found.boxes[0])])[0] is not None
