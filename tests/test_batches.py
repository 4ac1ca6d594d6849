"""What the generator is trained on is what it will see live, mirrored, covered and shared out as asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces import find
from numpy.typing import NDArray
from sets import mean_landmarks, write_set

from models import align
from models.detector import Detector
from models.generator import view as live
from models.landmarks import Landmarker

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.training import batches  # noqa: E402  after the skip
from models.training.batches import Batch, Batches  # noqa: E402
from models.training.settings import Shares  # noqa: E402
from models.training.smooth import blur  # noqa: E402

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]
_MIXED = Shares(itself=0.25, same=0.45)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def crop(collins: Picture, detector: Detector, landmarker: Landmarker) -> tuple[Picture, Points]:
    """A real face in the generator's crop, and its landmarks there."""
    landmarks = find(collins, detector, landmarker)
    matrix = live.placing(landmarks)
    placed = landmarks.copy()
    placed[:, :2] = landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return align.crop(collins, matrix, live.SIDE, cv2.BORDER_REPLICATE), placed.astype(np.float32)


def _both(crop: Picture, zone: Picture, mask: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The view as it is made live and as it is made for training."""
    guide = np.ascontiguousarray(crop[:, ::-1] // 2 + 40)
    shown = torch.from_numpy(zone)[None, None]
    made = batches.see(
        batches.pictures(crop[None]), batches.pictures(guide[None]), torch.from_numpy(mask)[None, None].float() / 255,
        (shown == live.SKIN).float(), (shown != live.OUTSIDE).float(),
    )
    return live.view(crop, guide, mask, zone), made.numpy()


def test_training_sees_what_is_seen_live(crop: tuple[Picture, Points]) -> None:
    image, landmarks = crop
    zone = live.zones(landmarks)
    mask = cv2.GaussianBlur((zone != live.OUTSIDE).astype(np.uint8) * 255, (0, 0), 2)
    mask[60:100, 30:60] = 0
    wanted, got = _both(image, zone, mask)
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_a_face_cut_by_the_rim_is_seen_nearly_the_same(crop: tuple[Picture, Points]) -> None:
    """cv2 mirrors the outline's softness at the rim where training repeats it: the last pixels may differ, no others."""
    image, landmarks = crop
    zone = live.zones(landmarks + np.array([0, 40, 0], np.float32))
    assert zone[-1].any()
    wanted, got = _both(image, zone, np.full((128, 128), 255, np.uint8))
    np.testing.assert_allclose(got[:, :, :-8], wanted[:, :, :-8], atol=1e-3)
    np.testing.assert_allclose(got, wanted, atol=0.02)


def test_nothing_of_the_skin_is_seen_where_none_is(crop: tuple[Picture, Points]) -> None:
    wanted, got = _both(crop[0], np.zeros((128, 128), np.uint8), np.zeros((128, 128), np.uint8))
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_the_same_seed_gives_the_same_batch(folder: Path) -> None:
    first, second = (Batches(folder, _MIXED) for _ in range(2))
    rows = first.rows((3, 7), 8)
    assert rows.tolist() == second.rows((3, 7), 8).tolist()
    assert rows.tolist() != second.rows((3, 8), 8).tolist()
    torch.manual_seed(1)
    one = first(rows, 64, 5)
    torch.manual_seed(2)
    same, other = second(rows, 64, 5), second(rows, 64, 6)
    assert all(_equal(getattr(one, name), getattr(same, name)) for name in Batch.__slots__)
    assert not _equal(one.view, other.view)


def _equal(one: object, other: object) -> bool:
    return bool((np.asarray(one) == np.asarray(other)).all())


def test_kinds_come_as_often_as_asked(folder: Path) -> None:
    data = Batches(folder, _MIXED)
    batch = data(data.rows((0,), 64), 32, None)
    counts = data.rows((0,), 4000)
    true, itself = data.true[counts].mean(), data.itself[counts].mean()
    assert itself == pytest.approx(0.25, abs=0.03)
    assert true - itself == pytest.approx(0.45, abs=0.03)
    assert (batch.itself <= batch.true).all()
    only = Batches(folder, Shares(itself=0, same=1))
    assert only.true[only.rows((0,), 100)].all()
    assert not only.itself[only.rows((0,), 100)].any()


def test_without_a_seed_the_picture_is_the_photo(folder: Path) -> None:
    data = Batches(folder, _MIXED)
    rows = np.arange(len(data))
    batch = data(rows, 128, None)
    wanted = data.photos.take("crop", data.target[rows])
    np.testing.assert_array_equal((batch.target * 255).round().byte().permute(0, 2, 3, 1).numpy()[..., ::-1], wanted)
    assert not batch.mirrored.any()


def test_a_mirrored_batch_says_so_and_keeps_its_landmarks(folder: Path) -> None:
    """Turned back, a mirrored target shows the photo that its landmarks were found in."""
    data = Batches(folder, _MIXED)
    rows = np.arange(24)
    plain, varied = data(rows, 128, None), data(rows, 128, 4)
    assert 4 <= int(varied.mirrored.sum()) <= 20
    torch.testing.assert_close(varied.landmarks, plain.landmarks)
    back = torch.where(varied.mirrored[:, None, None, None], varied.feature.flip(-1), varied.feature)
    torch.testing.assert_close(back, plain.feature)


def test_landmarks_follow_the_pixels_of_a_smaller_picture(folder: Path) -> None:
    """The middle of the first two pixels, 0.5, is the middle of the first of half as many, 0."""
    data = Batches(folder, _MIXED)
    large, small = (data(np.arange(4), side, None) for side in (128, 64))
    torch.testing.assert_close(small.landmarks[..., :2], (large.landmarks[..., :2] - 0.5) / 2)
    torch.testing.assert_close(small.landmarks[..., 2], large.landmarks[..., 2] / 2)
    torch.testing.assert_close(small.target, torch.nn.functional.avg_pool2d(large.target, 2))


def test_holes_uncover_and_never_cover(folder: Path) -> None:
    data = Batches(folder, _MIXED)
    rows = np.arange(36)
    plain, varied = data(rows, 64, None), data(rows, 64, 9)
    mask = torch.where(varied.mirrored[:, None, None, None], varied.mask.flip(-1), varied.mask)
    assert (mask <= plain.mask + 1e-6).all()
    holed = int(((plain.mask - mask).amax(dim=(1, 2, 3)) > 0.5).sum())
    assert 3 <= holed <= 24


def test_light_is_that_of_the_skin_alone() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, :, :, 32:] = torch.tensor([0.6, 0.5, 0.4])[None, :, None, None]
    weight = torch.zeros(1, 1, 64, 64)
    weight[..., 32:] = 1
    light = batches.skin_light(picture, weight)
    torch.testing.assert_close(light, torch.tensor([0.6, 0.5, 0.4])[None, :, None, None].expand(1, 3, 64, 64))


def test_blur_is_cv2s(crop: tuple[Picture, Points]) -> None:
    image = crop[0].astype(np.float32)
    wanted = cv2.GaussianBlur(image, (0, 0), 3.0, borderType=cv2.BORDER_REPLICATE)
    got = blur(torch.from_numpy(image).permute(2, 0, 1)[None], 3.0)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(got, wanted, atol=0.05)


def test_blur_first_used_without_gradients_serves_training_later() -> None:
    with torch.inference_mode():
        blur(torch.zeros(1, 1, 40, 40), 1.25)
    picture = torch.rand(1, 1, 40, 40, requires_grad=True)
    blur(picture, 1.25).sum().backward()
    assert picture.grad is not None


def test_two_sets_are_told_apart(folder: Path, tmp_path: Path) -> None:
    data = Batches(folder, _MIXED)
    assert data.about() == Batches(write_set(tmp_path / "again"), _MIXED).about()
    assert data.about() != Batches(write_set(tmp_path / "more", people=5), _MIXED).about()


def test_a_set_without_what_is_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got no data, expected shards"):
        Batches(tmp_path, _MIXED)
    alone = write_set(tmp_path / "alone", people=3, photos_each=1)
    with pytest.raises(ValueError, match="none of a kind that shares ask for"):
        Batches(alone, Shares(itself=0, same=1))


def test_the_drawn_faces_of_these_tests_lie_as_aligned_faces_do() -> None:
    five = align.five(mean_landmarks())
    np.testing.assert_allclose(five, align.template(live.TEMPLATE, live.SIDE), atol=3)


def _shifted(folder: Path, out: Path, number: int) -> Path:
    """A set without one of its photo shards."""
    shutil.copytree(folder, out)
    shutil.rmtree(out / "photos" / f"{number:04d}")
    return out


def test_photos_that_are_not_those_that_were_drawn_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"photos: got no shard 0000, and 0001 after it; prepare again"):
        Batches(_shifted(folder, tmp_path / "first", 0), _MIXED)
    with pytest.raises(ValueError, match=r"no longer has; delete .*pairs and prepare again"):
        Batches(_shifted(folder, tmp_path / "last", 1), _MIXED)
    other = shutil.copytree(folder, tmp_path / "other")
    shutil.rmtree(other / "photos")
    shutil.copytree(write_set(tmp_path / "seed", seed=1) / "photos", other / "photos")
    with pytest.raises(ValueError, match="no longer has"):
        Batches(other, _MIXED)


def test_pairs_that_do_not_say_what_they_were_drawn_from_are_refused(folder: Path, tmp_path: Path) -> None:
    out = shutil.copytree(folder, tmp_path / "set")
    about = out / "pairs" / "0000" / "shard.json"
    said = json.loads(about.read_text())
    del said["photos"]
    about.write_text(json.dumps(said))
    with pytest.raises(ValueError, match=r"pairs.0000: broken shard, got no photos in shard\.json; delete the folder and prepare again"):
        Batches(out, _MIXED)
