"""Detectors of every family find drawn faces to the pixel, and nothing when fed wrongly; YuNet finds what OpenCV's YuNet finds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx_seeing as made
import pytest
from numpy.typing import NDArray
from onnx_seeing import Drawn

from models.detector import Detector
from models.families.detectors import FAMILIES, Finder, alone, open_finder
from models.families.form import SIGNED, UNIT, Form
from models.landmarks import Landmarker, region_from_detection, region_from_landmarks
from models.network import Array, NetworkError, Port
from models.session import Session

Bytes = NDArray[np.uint8]

_HALF = (127.5,) * 3
_RGB, _BGR = Form("rgb", _HALF, (128.0,) * 3), Form("bgr", _HALF, (128.0,) * 3)
_FIVE = (8, 16, 32, 64, 128)
_MAKERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "scrfd": ("scrfd", lambda path: made.scrfd(path, _RGB)),
    "scrfd, as FaceFusion has it": ("scrfd", lambda path: made.scrfd(path, _BGR, "input", size=640)),
    "scrfd, batched": ("scrfd", lambda path: made.scrfd(path, _RGB, batched=True)),
    "scrfd, 6 outputs": ("scrfd", lambda path: made.scrfd(path, _RGB, points=False)),
    "scrfd, 15 outputs": ("scrfd", lambda path: made.scrfd(path, _RGB, strides=_FIVE)),
    "scrfd, 10 outputs": ("scrfd", lambda path: made.scrfd(path, _RGB, strides=_FIVE, points=False)),
    "yunet": ("yunet", made.yunet),
    "yunet, any size": ("yunet", lambda path: made.yunet(path, None)),
    "yoloface": ("yoloface", lambda path: made.yoloface(path, UNIT)),
    "yoloface, as FaceFusion has it": ("yoloface", lambda path: made.yoloface(path, Form("bgr"), "input")),
    "yolov5face": ("yolov5face", made.yolov5face),
    "rfb": ("rfb", made.rfb),
}
_SCENES = {
    "square": (640, 640, Drawn(200.3, 150.7, 90)),
    "720p": (1280, 720, Drawn(900, 300, 200.5)),
    "720p, right below": (1280, 720, Drawn(1235, 655, 90.3)),
    "1080p": (1920, 1080, Drawn(700.4, 500.6, 330)),
    "upright": (720, 1280, Drawn(333.2, 1100.1, 150)),
    "small, odd": (333, 517, Drawn(150.6, 201.3, 40)),
    "smaller than the input": (100, 80, Drawn(50.5, 40.5, 30)),
}


class Given:
    """A network that gives the same whatever it sees."""

    def __init__(self, like: Session, outputs: list[Array]) -> None:
        self.inputs, self.outputs = like.inputs, like.outputs
        self._given = outputs

    def __call__(self, feeds: Mapping[str, Array]) -> list[Array]:
        return self._given


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    folder = tmp_path_factory.mktemp("detectors")
    return {name: Session(maker(folder / f"{number}.onnx")) for number, (name, (_, maker)) in enumerate(_MAKERS.items())}


def _exact(finder: Finder, image: Bytes, face: Drawn) -> bool:
    """Whether exactly one face is found, and that to one pixel."""
    rows = finder.look(image, (0, 0, image.shape[1], image.shape[0]), 0.5)
    if len(rows) != 1 or np.abs(rows[0, :4] - face.box).max() > 1:
        return False
    points = rows[0, 5:].reshape(5, 2)
    return bool(np.isnan(points).all() or np.abs(points - face.five).max() <= 1)


@pytest.mark.parametrize("scene", _SCENES)
@pytest.mark.parametrize("name", _MAKERS)
def test_a_drawn_face_is_found_to_a_pixel(name: str, scene: str, sessions: dict[str, Session]) -> None:
    width, height, face = _SCENES[scene]
    finder = open_finder(sessions[name], tiles=False)
    assert finder.family.name == _MAKERS[name][0]
    image = made.draw(width, height, [face])
    before = image.copy()
    rows = finder.look(image, (0, 0, width, height), 0.5)
    assert len(rows) == 1
    assert np.abs(rows[0, :4] - face.box).max() <= 1
    assert rows[0, 4] == pytest.approx(made.SCORE, abs=1e-3)
    pointless = "6" in name or "10" in name or name == "rfb"
    assert np.isnan(rows[0, 5:]).all() == pointless
    if not pointless:
        assert np.abs(rows[0, 5:].reshape(5, 2) - face.five).max() <= 1
    assert (image == before).all()


@pytest.mark.parametrize("name", _MAKERS)
def test_swapped_colours_and_a_wrong_range_find_nothing_or_elsewhere(name: str, sessions: dict[str, Session]) -> None:
    width, height, face = _SCENES["720p"]
    image = made.draw(width, height, [face])
    right = open_finder(sessions[name], tiles=False)
    form = right.family.form
    assert _exact(right, image, face)
    swapped = replace(right.family, form=replace(form, colour="bgr" if form.colour == "rgb" else "rgb"))
    assert len(Finder(sessions[name], swapped, tiles=False)(image)) == 0
    ranges = {_HALF: (127.5, 128.0), (0.0,) * 3: (0.0, 255.0), (255.0,) * 3: (0.0, 1.0)}
    for mean, deviation in ranges.values():
        wrong = replace(form, mean=(mean,) * 3, deviation=(deviation,) * 3)
        if abs(wrong.deviation[0] - form.deviation[0]) > 1:
            assert not _exact(Finder(sessions[name], replace(right.family, form=wrong), tiles=False), image, face)


@pytest.mark.parametrize("name", _MAKERS)
def test_what_comes_out_is_what_the_detector_gives(name: str, sessions: dict[str, Session]) -> None:
    """Detections as MediaPipe's: two faces, best first, squares, eyes first, the mouth's middle, no ears."""
    faces = [Drawn(200, 400, 150), Drawn(1080, 300, 250)]
    found = open_finder(sessions[name], tiles=False)(made.draw(1280, 720, faces))
    assert found.boxes.shape == (2, 4)
    assert found.points.shape == (2, 6, 2)
    assert found.boxes.dtype == found.scores.dtype == found.points.dtype == np.float32
    order = np.argsort(found.boxes[:, 0])
    family = open_finder(sessions[name]).family
    for face, box, points in zip(faces, found.boxes[order], found.points[order], strict=True):
        side = family.larger * face.height * np.sqrt(made.ASPECT)
        assert box[2] - box[0] == pytest.approx(box[3] - box[1], abs=1e-3) == pytest.approx(side, abs=1.5)
        five, middle = face.five, np.array([face.x, face.y])
        across = (five[1] - five[0]) / np.linalg.norm(five[1] - five[0]) if np.isfinite(points[:2]).all() else np.array([1.0, 0.0])
        assert np.abs((box[:2] + box[2:]) / 2 - middle - family.lower * side * np.array([-across[1], across[0]])).max() <= 1
        assert np.isnan(points[4:]).all()
        if np.isfinite(points[:4]).all():
            assert np.abs(points[:3] - five[:3]).max() <= 1
            assert np.abs(points[3] - five[3:].mean(axis=0)).max() <= 1
        region = region_from_detection(box, points)
        assert np.isfinite([region.x, region.y, region.size, region.rotation]).all()


@pytest.mark.parametrize("name", ["scrfd", "yunet", "rfb"])
def test_small_faces_in_large_pictures_are_found_in_squares_and_by_turns(name: str, sessions: dict[str, Session]) -> None:
    near = 240 if name == "rfb" else 640
    width, height = 6 * near, 3 * near
    tall = 21.5
    faces = [Drawn(width * 0.31, height * 0.42, tall), Drawn(width * 0.86, height * 0.13, tall)]
    image = made.draw(width, height, faces)
    assert len(open_finder(sessions[name], tiles=False)(image)) == 0, "too small for one look"
    finder = open_finder(sessions[name])
    squares = finder.squares(width, height)
    assert 4 < len(squares) < 30
    found = finder(image)
    assert len(found) == 2
    order = np.argsort(found.boxes[:, 0])
    middles = (found.boxes[order, :2] + found.boxes[order, 2:]) / 2
    assert np.abs(middles - [(face.x, face.y + 0.071 * 0.9 * tall) for face in faces]).max() < 2
    if name != "rfb":
        assert np.abs(found.points[order, :3] - np.stack([face.five[:3] for face in faces])).max() < 1
    rounds = [finder(image, looks=2).boxes[:, 0] for _ in range(-(-len(squares) // 2))]
    assert any(len(seen) < 2 for seen in rounds), "two squares do not show both"
    both = np.concatenate(rounds)
    assert (both < width / 2).any(), "in one round every square has had its turn"
    assert (both > width / 2).any()


def test_squares_lie_in_the_picture_and_small_pictures_have_none(sessions: dict[str, Session]) -> None:
    finder = open_finder(sessions["yunet"])
    for width, height in ((640, 640), (800, 600), (1280, 720), (320, 240), (4000, 20)):
        assert finder.squares(width, height) == []
    for width, height in ((1920, 1080), (1080, 1920), (3840, 2160), (2000, 170), (170, 2000), (1601, 1599)):
        squares = finder.squares(width, height)
        covered = np.zeros((height, width), bool)
        for left, top, right, bottom in squares:
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
            covered[top:bottom, left:right] = True
        assert covered.all()


def test_a_face_at_the_edge_of_a_square_is_left_to_the_next(sessions: dict[str, Session]) -> None:
    finder = open_finder(sessions["yunet"])
    _, top, right, bottom = finder.squares(3840, 2160)[0]
    face = Drawn(right, (top + bottom) / 2, 40)
    found = finder(made.draw(3840, 2160, [face]))
    assert len(found) == 1
    assert abs(found.boxes[0, [0, 2]].mean() - face.x) < 2


def test_a_face_that_fills_the_picture_is_found_in_a_second_look(sessions: dict[str, Session]) -> None:
    """SCRFD looks again at a fifth of the size, as insightface does."""
    face = Drawn(640, 360, 700)
    image = made.draw(1280, 720, [face])
    for name in ("scrfd", "scrfd, as FaceFusion has it"):
        finder = open_finder(sessions[name])
        found = finder(image)
        assert len(found) == 1
        assert np.abs((found.boxes[0, :2] + found.boxes[0, 2:]) / 2 - (640, 360)).max() < 0.08 * 700
        assert len(Finder(sessions[name], replace(finder.family, again=0.0))(image)) == 0


class Slow:
    """A network that lets another thread in between its run and what is made of it, with one set of buffers as real ones have."""

    def __init__(self, session: Session) -> None:
        self.inputs, self.outputs, self._session = session.inputs, session.outputs, session
        self._buffers: list[Array] = []

    def __call__(self, feeds: Mapping[str, Array]) -> list[Array]:
        given = [output.copy() for output in self._session(feeds)]
        self._buffers = self._buffers or [output.copy() for output in given]
        for buffer, output in zip(self._buffers, given, strict=True):
            buffer[...] = output
        time.sleep(0.002)
        return self._buffers


def test_overlapping_boxes_are_one_face_and_the_best_stays() -> None:
    def rows(*boxes: tuple[float, ...]) -> NDArray[np.float32]:
        return np.array(boxes, np.float32)

    table = rows((0, 0, 10, 10, 0.6), (1, 0, 11, 10, 0.9), (20, 0, 30, 10, 0.7), (0, 0, 10, 4, 0.95))
    assert alone(table, 0.4).tolist() == [3, 1, 2]
    assert alone(table, 0.9).tolist() == [3, 1, 2, 0]
    assert alone(table, 0.2).tolist() == [3, 2]
    assert alone(np.zeros((0, 15), np.float32), 0.4).tolist() == []
    # Against the plain way to say it.
    draws = np.random.default_rng(1)
    corners = draws.uniform(0, 100, (200, 2))
    scores = draws.permutation(200)[:, None] / 200
    table = np.concatenate([corners, corners + draws.uniform(5, 40, (200, 2)), scores], axis=1).astype(np.float32)
    kept: list[int] = []
    for index in np.argsort(-table[:, 4]):
        box = table[index]

        def share(other: NDArray[np.float32], box: NDArray[np.float32] = box) -> float:
            wide, high = np.minimum(box[2:4], other[2:4]) - np.maximum(box[:2], other[:2])
            common = max(wide, 0) * max(high, 0)
            return float(common / ((box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1]) - common))

        if all(share(table[other]) <= 0.4 for other in kept):
            kept.append(int(index))
    assert alone(table, 0.4).tolist() == kept


@pytest.mark.parametrize("name", _MAKERS)
def test_output_that_is_no_number_is_no_empty_room(name: str, sessions: dict[str, Session]) -> None:
    """Scores that are no numbers are below any limit: nobody would be found, and a face shown that should be swapped."""
    image = made.draw(640, 640, [Drawn(300, 300, 90)])
    fed = {sessions[name].inputs[0].name: np.zeros((1, 3, 240, 320) if name == "rfb" else (1, 3, 640, 640), np.float32)}
    real = [output.copy() for output in sessions[name](fed)]
    family = replace(open_finder(sessions[name]).family, again=0.0)
    for value in (np.nan, np.inf, -np.inf):
        given = [real[0].copy(), *real[1:]]
        given[0].flat[0] = value
        with pytest.raises(NetworkError, match="no number"):
            Finder(Given(sessions[name], given), family, tiles=False)(image)


def test_outputs_of_another_size_than_the_input_calls_for_are_named(sessions: dict[str, Session]) -> None:
    for name in ("scrfd", "yunet", "yoloface"):
        fed = {sessions[name].inputs[0].name: np.zeros((1, 3, 640, 640), np.float32)}
        short = [output[..., :-4] if name == "yoloface" else output[..., :-4, :] for output in sessions[name](fed)]
        with pytest.raises(NetworkError, match=r"expected one of .* rows for its input"):
            open_finder(Given(sessions[name], short))


def test_networks_of_other_kinds_are_refused_in_words(tmp_path: Path, sessions: dict[str, Session]) -> None:
    with pytest.raises(NetworkError, match=r"no detector that is known .*scrfd.*input.1"):
        open_finder(Session(made.recogniser(tmp_path / "recogniser.onnx")))
    with pytest.raises(NetworkError, match="no detector of the family yunet"):
        open_finder(sessions["scrfd"], name="yunet")
    assert open_finder(sessions["scrfd, 15 outputs"], name="scrfd").family.step == 128
    with pytest.raises(ValueError, match="confidence: got 1"):
        open_finder(sessions["scrfd"], confidence=1.0)


@pytest.mark.parametrize("name", _MAKERS)
def test_every_file_is_of_one_family_alone(name: str, sessions: dict[str, Session]) -> None:
    session = sessions[name]
    assert [family.name for family in FAMILIES if family.fits(session.inputs, session.outputs)] == [_MAKERS[name][0]]
    double = [replace_type(port) for port in session.inputs]
    assert not any(family.fits(double, session.outputs) for family in FAMILIES)


def replace_type(port: Port) -> Port:
    return Port(port.name, port.shape, "float64")


def test_pictures_too_small_or_of_another_kind(sessions: dict[str, Session]) -> None:
    finder = open_finder(sessions["yunet"])
    assert len(finder(np.zeros((15, 200, 3), np.uint8))) == 0
    assert len(finder(np.zeros((16, 16, 3), np.uint8))) == 0
    assert len(finder(np.zeros((4000, 20, 3), np.uint8))) == 0
    for wrong in (np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32)):
        with pytest.raises(ValueError, match=r"expected uint8 \(h, w, 3\)"):
            finder(wrong)
    finder.close()


# With the real networks.


def _fixed(path: Path, width: int, height: int, least: float, overlap: float) -> cv2.FaceDetectorYN:
    """OpenCV's own YuNet; it reads no file that leaves the size of its input open."""
    import onnx

    model = onnx.load(str(path))
    for size, value in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, height, width), strict=True):
        size.dim_value = value
    data = np.frombuffer(model.SerializeToString(), np.uint8)
    return cv2.FaceDetectorYN.create("onnx", data, np.zeros(0, np.uint8), (width, height), least, overlap, 1000)


@pytest.mark.parametrize("name", ["yunet_n_640_640", "yunet_n_dynamic", "yunet_s_dynamic"])
def test_yunet_finds_what_opencv_finds(name: str, shared: Path) -> None:
    """Boxes and points to a hundredth of a pixel, scores to 1e-4; OpenCV's score is the root of ours."""
    path = shared / "models" / f"{name}.onnx"
    finder = open_finder(Session(path), tiles=False)
    photos = [*sorted((shared / "photos/portraits").glob("*.jpg"))[::12], *sorted((shared / "photos/hard").glob("*.jpg"))[::3]]
    theirs: dict[tuple[int, int], cv2.FaceDetectorYN] = {}
    count = 0
    for photo in [*photos, shared / "photos/groups/solvay1927.jpg"]:
        image = np.asarray(cv2.imread(str(photo)), np.uint8)
        height, width = image.shape[:2]
        scale = min(640 / max(width, height), 1.0)
        small = image
        shown = max(1, round(width * scale)), max(1, round(height * scale))
        if scale < 1:
            small = np.asarray(cv2.resize(image, shown, interpolation=cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA), np.uint8)
        across, down = (640, 640) if "640" in name else (-(-shown[0] // 32) * 32, -(-shown[1] // 32) * 32)
        padded = np.zeros((down, across, 3), np.uint8)
        padded[: shown[1], : shown[0]] = small
        if (across, down) not in theirs:
            theirs[across, down] = _fixed(path, across, down, 0.25**0.5, finder.family.overlap)
        _, expected = theirs[across, down].detect(padded)
        rows = finder.look(image, (0, 0, width, height), 0.25)
        assert len(rows) == (0 if expected is None else len(expected)), photo.name
        stretch = np.array([width / shown[0], height / shown[1]])
        for row in rows:
            best = expected[np.argmin(np.abs(expected[:, 4:14] * np.tile(stretch, 5) - row[5:]).max(axis=1))]
            box = np.concatenate([best[:2], best[:2] + best[2:4]]) * np.tile(stretch, 2)
            assert np.abs(box - row[:4]).max() < 0.01
            assert np.abs(best[4:14] * np.tile(stretch, 5) - row[5:]).max() < 0.01
            assert abs(best[14] - np.sqrt(row[4])) < 1e-4
            count += 1
    assert count > 50


@pytest.mark.parametrize(("name", "typical"), [("yunet_n_640_640", 1.2), ("yunet_s_dynamic", 1.2), ("version-RFB-320", 1.5)])
def test_landmarks_start_as_well_from_these_faces_as_from_mediapipes(
    name: str, typical: float, shared: Path, detector: Detector, landmarker: Landmarker
) -> None:
    """As near to where the landmarks settle as from MediaPipe's own faces, which leave 1 px on these portraits."""
    finder = open_finder(Session(shared / "models" / f"{name}.onnx"))
    errors: dict[str, list[float]] = {"mediapipe": [], "onnx": []}
    for photo in sorted((shared / "photos/portraits").glob("*.jpg"))[::5]:
        image = np.asarray(cv2.imread(str(photo)), np.uint8)
        for who, search in (("mediapipe", detector), ("onnx", finder)):
            found = search(image)
            assert len(found) >= 1
            first = landmarker(image, [region_from_detection(found.boxes[0], found.points[0])])[0]
            assert first is not None
            settled = first
            for _ in range(3):
                again = landmarker(image, [region_from_landmarks(settled)])[0]
                assert again is not None
                settled = again
            errors[who].append(float(np.linalg.norm((first - settled)[:, :2], axis=1).mean()))
    assert np.median(errors["onnx"]) < typical * np.median(errors["mediapipe"])


@pytest.mark.parametrize("name", ["yunet_n_640_640", "yunet_n_dynamic"])
def test_everybody_at_solvay_is_found_at_once(name: str, shared: Path) -> None:
    image = np.asarray(cv2.imread(str(shared / "photos/groups/solvay1927.jpg")), np.uint8)
    found = open_finder(Session(shared / "models" / f"{name}.onnx"))(image, looks=0)
    assert len(found) == 29
    assert (found.points[:, 0, 0] < found.points[:, 1, 0]).all(), "the person's right eye is on the left"
    assert (found.points[:, 3, 1] > found.points[:, 2, 1]).all(), "the mouth is below the nose"


def test_signed_and_unit_are_no_forms_of_yunet(shared: Path, hopper: Bytes) -> None:
    session = Session(shared / "models/yunet_n_640_640.onnx")
    family = open_finder(session).family
    assert len(Finder(session, family)(hopper)) == 1
    for form in (SIGNED, UNIT):
        assert len(Finder(session, replace(family, form=form))(hopper)) == 0


def test_close_may_be_called_twice(sessions: dict[str, Session]) -> None:
    finder = open_finder(sessions["rfb"])
    finder.close()
    finder.close()




def test_two_threads_look_at_once_and_each_sees_its_own_picture(sessions: dict[str, Session]) -> None:
    """What a network gives is good until its next call: the search beside the loop and the one in it share the network."""
    finder = Finder(Slow(sessions["yunet"]), open_finder(sessions["yunet"]).family, tiles=False)
    pictures = [made.draw(640, 640, [Drawn(300, 300, 90)]), made.draw(640, 640, [])]
    found: dict[int, list[int]] = {0: [], 1: []}

    def look(which: int) -> None:
        for _ in range(10):
            found[which].append(len(finder(pictures[which])))

    threads = [threading.Thread(target=look, args=(which,)) for which in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {0: [1] * 10, 1: [0] * 10}
