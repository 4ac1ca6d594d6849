"""The teacher sees what dlib sees, its crop is dlib's crop, and a file that is another is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces import find
from numpy.typing import NDArray

from models.align import dlib_crop
from models.detector import Detector
from models.landmarks import Landmarker
from models.network import NetworkError

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.training import dlib_file, teacher  # noqa: E402  after the skip

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return dlib_file.weights_file()
    except NetworkError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def known(weights: Path) -> teacher.Teacher:
    return teacher.Teacher(dlib_file.read(weights))


@pytest.fixture(scope="module")
def people(hopper: Picture, collins: Picture, detector: Detector, landmarker: Landmarker) -> list[tuple[Picture, Points]]:
    return [(image, find(image, detector, landmarker)) for image in (hopper, collins)]


def _sized(image: Picture, landmarks: Points, factor: float) -> tuple[Picture, Points]:
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=method), np.uint8)
    return scaled, ((landmarks[:, :2] + 0.5) * factor - 0.5).astype(np.float32)


def _tensor(image: Picture) -> torch.Tensor:
    """(1, 3, h, w) RGB 0..255 of a picture BGR."""
    return torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None].float()


def test_the_teacher_describes_as_dlib_does(known: teacher.Teacher, weights: Path, people: list[tuple[Picture, Points]]) -> None:
    dlib = pytest.importorskip("dlib", reason="the extra eval is not installed")
    judge = dlib.face_recognition_model_v1(str(weights))
    crops = [dlib_crop(*person) for person in people]
    crops += [crops[0][::-1], np.zeros((150, 150, 3), np.uint8)]
    wanted = [np.array(judge.compute_face_descriptor(np.ascontiguousarray(crop[..., ::-1]))) for crop in crops]
    got = known(torch.cat([_tensor(crop) for crop in crops])).numpy()
    assert got.shape == (4, 128)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_two_people_are_two(known: teacher.Teacher, people: list[tuple[Picture, Points]]) -> None:
    first, second = (known(_tensor(dlib_crop(*person)))[0] for person in people)
    again = known(_tensor(dlib_crop(*_sized(*people[0], 0.4))))[0]
    assert float((first - again).norm()) < 0.3
    assert float((first - second).norm()) > 0.6


def test_gradients_reach_the_picture_and_stop_at_the_weights(known: teacher.Teacher, people: list[tuple[Picture, Points]]) -> None:
    """Steps along the gradient bring one person nearer to the other, through the crop."""
    small, landmarks = _sized(*people[0], 0.3)
    place = torch.from_numpy(landmarks)[None]
    goal = known(_tensor(dlib_crop(*people[1])))
    image = _tensor(small) / 255
    distances = []
    for _ in range(6):
        image = image.detach().requires_grad_()
        distance = (known(teacher.look(image, place)) - goal).norm()
        distances.append(float(distance.detach()))
        (gradient,) = torch.autograd.grad(distance, image)
        image = (image - 0.004 * gradient.sign()).clamp(0, 1)
    assert distances[-1] < 0.75 * distances[0]
    assert not any(value.requires_grad for value in known.parameters())
    assert not any(value.requires_grad for value in known.buffers())


def test_features_are_the_maps_that_become_the_descriptor(known: teacher.Teacher, people: list[tuple[Picture, Points]]) -> None:
    pictures = torch.cat([_tensor(dlib_crop(*person)) for person in people])
    maps = known.features(pictures)
    assert [tuple(value.shape) for value in maps] == [(2, 32, 35, 35), (2, 64, 17, 17), (2, 128, 8, 8), (2, 256, 4, 4), (2, 256, 2, 2)]
    torch.testing.assert_close(known.describe(maps), known(pictures))


@pytest.mark.parametrize("shape", [(3, 150, 150), (1, 3, 112, 112), (1, 1, 150, 150)])
def test_another_shape_is_refused(known: teacher.Teacher, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"got pictures \(.*expected \(n, 3, 150, 150\)"):
        known(torch.zeros(shape))


@pytest.mark.parametrize("factor", [0.25, 1.0, 2.3])
def test_the_crop_is_dlibs_crop(factor: float, people: list[tuple[Picture, Points]]) -> None:
    for person in people:
        image, landmarks = _sized(*person, factor)
        got = teacher.look(_tensor(image) / 255, torch.from_numpy(landmarks)[None])
        difference = (got - _tensor(dlib_crop(image, landmarks))).abs()
        # cv2 places pixels by 1/32 and rounds to whole values.
        assert float(difference.mean()) < 0.5
        assert float(difference.max()) < 5


def test_a_batch_of_turned_faces_is_each_its_own_crop(people: list[tuple[Picture, Points]]) -> None:
    image, landmarks = _sized(*people[1], 0.5)
    middle, made = landmarks.mean(axis=0), []
    for angle in (0.0, 40.0, -150.0):
        matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, 0.9)
        turned = np.asarray(cv2.warpAffine(image, matrix, image.shape[1::-1]), np.uint8)
        made.append((turned, (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)))
    got = teacher.look(torch.cat([_tensor(image) for image, _ in made]) / 255, torch.from_numpy(np.stack([points for _, points in made])))
    for crop, person in zip(got, made, strict=True):
        assert float((crop - _tensor(dlib_crop(*person))[0]).abs().mean()) < 0.5


def test_beyond_the_picture_is_black(people: list[tuple[Picture, Points]]) -> None:
    image, landmarks = _sized(*people[1], 0.25)
    moved = landmarks - (landmarks[:, 0].mean(), 0)
    got = teacher.look(torch.ones(1, 3, *image.shape[:2]), torch.from_numpy(moved.astype(np.float32))[None])
    assert float(got[0, :, 75, :60].max()) == 0
    assert float(got[0, :, 75, 90:].min()) > 254


def test_another_side_shows_the_same_part_of_the_face(people: list[tuple[Picture, Points]]) -> None:
    landmarks = torch.from_numpy(people[0][1])[None]
    whole, half = teacher.dlib_grid(landmarks), teacher.dlib_grid(landmarks, 75)
    assert whole.shape == (1, 150, 150, 2)
    pooled = torch.nn.functional.avg_pool2d(whole.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    torch.testing.assert_close(half, pooled)


@pytest.mark.parametrize("value", [float("nan"), 7.0])
def test_landmarks_without_a_face_are_refused(value: float, people: list[tuple[Picture, Points]]) -> None:
    landmarks = torch.from_numpy(np.stack([people[0][1][:, :2], np.full((478, 2), value, np.float32)]))
    with pytest.raises(ValueError, match="expected finite faces"):
        teacher.dlib_grid(landmarks)


def test_the_export_describes_as_the_teacher(known: teacher.Teacher, tmp_path: Path, people: list[tuple[Picture, Points]]) -> None:
    from models.session import Runtime, Session

    path = tmp_path / "teacher.onnx"
    teacher.export_onnx(path)
    pictures = torch.cat([_tensor(dlib_crop(*person)) for person in people])
    session = Session(path, Runtime(("CPU",)))
    for batch in (pictures, pictures[:1]):
        np.testing.assert_allclose(session({"pictures": batch.numpy()})[0], known(batch).numpy(), atol=1e-4)


def test_a_file_cut_short_or_longer_is_refused(weights: Path, tmp_path: Path) -> None:
    content = weights.read_bytes()
    path = tmp_path / "cut.dat"
    for length in (0, 1, 100, 300, 400, 19300, 1 << 20, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=rf"cut\.dat is not .* got the end of the file after {length} bytes .* expected \d+ more"):
            dlib_file.read(path)
    path.write_bytes(content + b"\1")
    with pytest.raises(ValueError, match=r"got 1 bytes more .* expected the end of the file"):
        dlib_file.read(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"loss_metric_2", b"loss_metric_3", "got b'loss_metric_3' .* expected loss_metric_2"),
        (b"con_4", b"con_5", "got b'con_5' .* expected con_4"),
        (b"\1\x96\1\x96", b"\1\x96\1\x70", r"got size of the input \(150, 112\) .* expected \(150, 150\)"),
        (b"con_4\1\2\2\x80\x12", b"con_4\1\2\2\x81\x12", r"got tensor \(2, 4737, .* expected \(2, 4736,"),
        (b"con_4\1\2\2", b"con_4\1\2\x72", "got 0x72 .* expected the control byte of an integer"),
        (b"affine_", b"bnorm__", "got b'bnorm__' .* expected affine_"),
    ],
)
def test_another_network_is_refused(weights: Path, tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    path = tmp_path / "other.dat"
    content = weights.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        dlib_file.read(path)


def test_weights_that_are_not_finite_are_refused(weights: Path, tmp_path: Path) -> None:
    content = bytearray(weights.read_bytes())
    # Among the last layer's; numbers lie unaligned in the file, so of sixteen bytes at least three numbers are whole.
    content[-1000:-984] = b"\xff" * 16
    path = tmp_path / "nan.dat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="got weights that are not finite"):
        dlib_file.read(path)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NetworkError, match=r"pip install 'swapcam\[eval\]'"):
        teacher.Teacher.open()
