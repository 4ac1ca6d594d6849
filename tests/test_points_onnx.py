"""Landmark networks of every family put their points where they belong, however the face lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx_seeing as made
import pytest
from faces import find
from numpy.typing import NDArray

from models.align import five as mesh_five
from models.detector import Detector
from models.families import points
from models.families.points import FAMILIES, Pointer, open_pointer
from models.landmarks import Landmarker
from models.network import NetworkError
from models.session import Session

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# As public sources number the points, written down once more.
_68 = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))
_106 = ((33, 35, 40, 39), (87, 89, 94, 93), (86,), (52,), (61,))
_MAKERS: dict[str, Callable[[Path], Path]] = {
    "2d106": lambda path: made.insightface(path, _106),
    "1k3d68": lambda path: made.insightface(path, _68, 68, 3),
    "2dfan4": lambda path: made.fan(path, _68),
    "peppa_wutz": lambda path: made.peppa(path, _68),
}
_SCORES = {"2d106": 1.0, "1k3d68": 1.0, "2dfan4": made.PEAK / 0.9, "peppa_wutz": made.PEAK / 0.95}


@pytest.fixture(scope="module")
def pointers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pointer]:
    folder = tmp_path_factory.mktemp("points")
    return {name: open_pointer(Session(maker(folder / f"{name}.onnx"))) for name, maker in _MAKERS.items()}


@pytest.fixture(scope="module")
def mesh(hopper: Bytes, detector: Detector, landmarker: Landmarker) -> Floats:
    """A real face's mesh about its own middle, 200 px high."""
    found = find(hopper, detector, landmarker)[:, :2]
    low, high = found.min(axis=0), found.max(axis=0)
    return np.asarray((found - (low + high) / 2) * 200 / (high - low).max(), np.float32)


def _placed(mesh: Floats, x: float, y: float, scale: float, degrees: float) -> Floats:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(scale * mesh @ turn.T + (x, y), np.float32)


@pytest.mark.parametrize(
    ("x", "y", "scale", "degrees"), [(320, 240, 1, 0), (300.4, 251.7, 1.3, 25), (320, 240, 0.5, -80), (330, 245, 1.1, 178)]
)
@pytest.mark.parametrize("name", _MAKERS)
def test_five_are_found_however_the_face_lies(
    name: str, x: float, y: float, scale: float, degrees: float, mesh: Floats, pointers: dict[str, Pointer]
) -> None:
    landmarks = _placed(mesh, x, y, scale, degrees)
    truth = mesh_five(landmarks) + np.array([[2, 1], [-1, 2], [0, 3], [1, -2], [2, 2]]) * scale
    image = made.discs(640, 480, truth, 9 * scale)
    found = pointers[name].five(image, landmarks)
    assert found is not None
    assert found.dtype == np.float64
    assert np.abs(found - truth).max() < 0.5
    assert np.abs(found - mesh_five(landmarks)).max() > 1, "it is measured, not repeated"


def test_the_crop_is_turned_upright(mesh: Floats, pointers: dict[str, Pointer]) -> None:
    """What the network puts at 0 is the left upper corner of the crop, as the face sees left and up."""
    pointer = pointers["2d106"]
    image = np.zeros((480, 640, 3), np.uint8)
    for degrees in (0, 30, -100):
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        found, _ = pointer(image, np.array([270, 180, 370, 300], np.float32), angle)
        assert found[0] == pytest.approx(np.array([320, 240]) + turn @ np.array([-90, -90]), abs=1e-2)
        # A face that is turned further is looked at in a box turned as far.
        seen = []
        for more in (0, degrees):
            landmarks = _placed(mesh, 320, 240, 1, more)
            spy = _Spy(pointer)
            spy.five(image, landmarks)
            seen.append(spy.asked)
        (upright, first), (turned, second) = seen
        middles = [(box[:2] + box[2:]) / 2 - (320, 240) for box in (upright, turned)]
        assert np.degrees(second - first) == pytest.approx(degrees, abs=1e-2)
        assert middles[1] == pytest.approx(turn @ middles[0], abs=0.05)
        assert middles[0][1] < -5, "the box reaches further up than the mesh"
        assert turned[2:] - turned[:2] == pytest.approx(upright[2:] - upright[:2], rel=1e-3)


class _Spy(Pointer):
    """Keeps where it was to look, and finds nothing."""

    def __init__(self, like: Pointer) -> None:
        super().__init__(like._network, like.family)

    def __call__(self, image: Bytes, box: NDArray[np.floating], rotation: float = 0.0) -> tuple[Floats, float]:
        self.asked = np.asarray(box), rotation
        return np.full((106, 2), np.nan, np.float32), 1.0


@pytest.mark.parametrize("name", _MAKERS)
def test_a_face_half_outside_the_picture(name: str, mesh: Floats, pointers: dict[str, Pointer]) -> None:
    landmarks = _placed(mesh, 5, 240, 1, 0)
    truth = mesh_five(landmarks)
    assert truth[0, 0] < 0
    assert pointers[name].five(made.discs(640, 480, truth, 9), landmarks) is None


@pytest.mark.parametrize("name", _MAKERS)
def test_points_in_a_box_upright(name: str, mesh: Floats, pointers: dict[str, Pointer]) -> None:
    """The crop is the family's own: a disc at its middle is at its middle, and what lies beyond the crop is not seen."""
    pointer = pointers[name]
    box = np.array([200, 100, 320, 260], np.float32)
    truth = np.array([[230, 150], [290, 152], [260, 180], [236, 214], [284, 213]], np.float64)
    found, score = pointer(made.discs(640, 480, truth, 7), box)
    assert found.shape == (106 if name == "2d106" else 68, 2)
    assert found.dtype == np.float32
    assert score == pytest.approx(_SCORES[name], abs=1e-3)
    indices = _106 if name == "2d106" else _68
    assert np.abs(np.stack([found[list(which)].mean(axis=0) for which in indices]) - truth).max() < 0.5
    spread = found[list(indices[0])] - truth[0]
    crop = 160 * (1.5 if name in ("2d106", "1k3d68") else 256 / 195)
    assert np.linalg.norm(spread, axis=1) == pytest.approx(made.SPREAD * crop / pointer.family.size, abs=0.5)
    corner = found[next(index for index in range(len(found)) if not any(index in which for which in indices))]
    assert corner == pytest.approx(np.array([260, 180]) - crop / 2, abs=1e-2), "what the network puts at 0 is the crop's corner"


@pytest.mark.parametrize("name", _MAKERS)
def test_swapped_colours_and_a_wrong_range_fail(name: str, mesh: Floats, tmp_path: Path, pointers: dict[str, Pointer]) -> None:
    session = Session(_MAKERS[name](tmp_path / "model.onnx"))
    family = pointers[name].family
    landmarks = _placed(mesh, 320, 240, 1, 0)
    image = made.discs(640, 480, mesh_five(landmarks), 9)
    assert Pointer(session, family).five(image, landmarks) is not None
    swapped = replace(family.form, colour="bgr" if family.form.colour == "rgb" else "rgb")
    found = Pointer(session, replace(family, form=swapped)).five(image, landmarks)
    assert found is None or np.abs(found - mesh_five(landmarks)).max() > 10
    # A network that is fed a range of 0..1 instead of 0..255 sees nothing, and the other way round only too much.
    if family.form.deviation[0] == 1.0:
        unit = replace(family.form, deviation=(255.0,) * 3)
        assert Pointer(session, replace(family, form=unit)).five(image, landmarks) is None


def test_nobody_there_strays_and_bad_landmarks_give_none(mesh: Floats, pointers: dict[str, Pointer]) -> None:
    landmarks = _placed(mesh, 320, 240, 1, 0)
    empty = np.full((480, 640, 3), 40, np.uint8)
    for pointer in pointers.values():
        assert pointer.five(empty, landmarks) is None
        away = mesh_five(landmarks)
        away[2] += (70, 0)
        assert pointer.five(made.discs(640, 480, away, 9), landmarks) is None, "a nose that lies beside the mesh's is another's"
        assert pointer.five(empty, np.full_like(landmarks, np.nan)) is None
        assert pointer.five(empty, np.zeros_like(landmarks)) is None
        assert pointer.five(empty, landmarks + 5000) is None
        for box in ([10, 10, 10, 10], [np.nan, 0, 1, 1], [20, 0, 10, -5]):
            with pytest.raises(ValueError, match="expected left < right"):
                pointer(empty, np.array(box, np.float32))


def test_only_dark_crops_are_made_lighter(hopper: Bytes) -> None:
    assert (points._lighter(hopper) == hopper).all()
    dark = np.asarray(hopper // 10, np.uint8)
    before = dark.copy()
    lighter = points._lighter(dark)
    assert (dark == before).all()
    assert lighter.mean() > 1.2 * dark.mean()
    assert {family.name for family in FAMILIES if family.lighten} == {"2dfan4", "peppa_wutz"}


def test_every_file_is_of_one_family_alone_and_others_are_refused(tmp_path: Path, pointers: dict[str, Pointer]) -> None:
    for name, maker in _MAKERS.items():
        session = Session(maker(tmp_path / f"{name}.onnx"))
        assert [family.name for family in FAMILIES if family.fits(session.inputs, session.outputs)] == [name]
        assert pointers[name].family.name == name
    with pytest.raises(NetworkError, match="no landmark network that is known"):
        open_pointer(Session(made.recogniser(tmp_path / "recogniser.onnx")))


def test_a_crop_about_the_mesh_is_where_the_detector_has_it(
    detector: Detector, landmarker: Landmarker, shared: Path, pointers: dict[str, Pointer]
) -> None:
    """The box taken from the mesh is about the one that YuNet gives: the families learned on crops about such boxes."""
    from models.families.detectors import open_finder

    finder = open_finder(Session(shared / "models/yunet_n_640_640.onnx"), tiles=False)
    sizes, shifts = [], []
    for photo in sorted((shared / "photos/portraits").glob("*.jpg"))[::8]:
        image = np.asarray(cv2.imread(str(photo)), np.uint8)
        landmarks = find(image, detector, landmarker)
        spy = _Spy(pointers["2d106"])
        assert spy.five(image, landmarks) is None
        asked, _ = spy.asked
        box = finder.look(image, (0, 0, image.shape[1], image.shape[0]), 0.5)[0]
        tall = (box[2:4] - box[:2]).max()
        sizes.append(float((asked[2:] - asked[:2]).max() / tall))
        shifts.append(((asked[:2] + asked[2:]) - (box[:2] + box[2:4])) / 2 / tall)
    assert np.mean(sizes) == pytest.approx(1, abs=0.03)
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.02
