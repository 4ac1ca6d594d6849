"""The identity encoder comes nearer to its teacher, and an interrupted lesson ends as one that was not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sets import write_set

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.training import checkpoint, kept  # noqa: E402  after the skip
from models.training import distil as lesson  # noqa: E402
from models.training.data import shards  # noqa: E402  after the skip
from models.training.distil import TEACHER, UNFINISHED, centred, describe, distil, unfinished  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set whose teacher describes each photo by its colours."""
    folder = write_set(tmp_path / "set", people=6, photos_each=2)
    photos = shards.open_rows(folder / "photos", shards.PHOTOS)
    colours = photos.take("crop", np.arange(12)).reshape(12, -1, 128, 3).mean(axis=(1, 2)).astype(np.float32) / 255
    kept.write(folder / TEACHER, np.pad(colours, ((0, 0), (0, 125))), {"photos": shards.fingerprint(folder / "photos")})
    return folder


class _KilledError(Exception):
    pass


def test_a_lesson_that_was_interrupted_ends_as_one_that_was_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesson, "_BATCH", 4)
    monkeypatch.setattr(lesson, "_TOLD", 1)
    monkeypatch.setattr(lesson, "_KEPT", 2)
    told: list[tuple[int, float]] = []
    whole = distil(folder, 8, held=2, advance=lambda step, loss, _: told.append((step, loss)))
    assert [step for step, _ in told] == list(range(1, 9))

    def killed(step: int, loss: float, agreement: float) -> None:
        if step == 5:
            raise _KilledError

    with pytest.raises(_KilledError):
        distil(folder, 8, held=2, advance=killed)
    assert (folder / UNFINISHED).exists()
    assert unfinished(folder, 8, 0, 2)
    assert not unfinished(folder, 8, 1, 2)
    torch.manual_seed(99)
    again: list[int] = []
    rest = distil(folder, 8, held=2, advance=lambda step, *_: again.append(step))
    assert again == [5, 6, 7, 8]
    assert all(map(torch.equal, whole.state_dict().values(), rest.state_dict().values()))
    assert not rest.training
    assert not (folder / UNFINISHED).exists()


def test_a_lesson_teaches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesson, "_BATCH", 6)
    monkeypatch.setattr(lesson, "_TOLD", 15)
    told: list[float] = []
    distil(folder, 45, held=2, advance=lambda _, loss, __: told.append(loss))
    # Colours are what a lesson varies most: this teacher is hard to follow.
    assert told[2] < 0.9 * told[0]


def test_another_lesson_is_not_gone_on_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesson, "_BATCH", 4)
    (folder / UNFINISHED).write_bytes(b"nothing of the kind")
    told: list[int] = []
    monkeypatch.setattr(lesson, "_TOLD", 1)
    distil(folder, 1, held=2, advance=lambda step, *_: told.append(step))
    assert told == [1]


def test_a_set_without_enough_photos_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="got 12 photos, expected more than the 12 that are kept to measure on"):
        distil(folder, 1, held=12)


def test_descriptors_less_their_mean_have_length_one() -> None:
    random = np.random.default_rng(0)
    descriptors = (5 + random.normal(size=(200, 8))).astype(np.float32)
    made = centred(descriptors)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert abs(float((made @ made.T).mean())) < 0.02


def test_a_lesson_of_another_version_is_told(folder: Path) -> None:
    kind = lesson._kind(folder, 3, 0, 2)
    checkpoint.save(folder / UNFINISHED, {"architecture": kind, "step": 1, "encoder": {}})
    with pytest.raises(ValueError, match=r"distil\.pt: an unfinished lesson of another version of swapcam; delete it"):
        distil(folder, 3, held=2)


class _Untrained:
    """A teacher that sees nothing, and counts whom it looked at."""

    seen = 0

    @classmethod
    def open(cls) -> _Untrained:
        return cls()

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        _Untrained.seen += len(crops)
        return torch.zeros(len(crops), 128)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[_Untrained]:
    _Untrained.seen = 0
    monkeypatch.setattr(lesson, "Teacher", _Untrained)
    return _Untrained


def test_what_the_teacher_said_of_other_photos_is_not_taken(folder: Path, tmp_path: Path, counting: type[_Untrained]) -> None:
    assert describe(folder).any()
    assert counting.seen == 0
    (folder / TEACHER).unlink()
    for _ in range(2):
        assert describe(folder).shape == (12, 128)
        assert counting.seen == 12
    other = write_set(tmp_path / "other", people=6, photos_each=2, seed=9)
    (other / TEACHER).write_bytes((folder / TEACHER).read_bytes())
    describe(other)
    assert counting.seen == 24


def test_what_does_not_say_of_which_photos_it_is_is_made_anew(folder: Path, counting: type[_Untrained]) -> None:
    kept.write(folder / TEACHER, np.ones((12, 128), np.float32), {})
    assert not describe(folder).any()
    assert counting.seen == 12


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"garbage garbage", b"PK\x03\x04garbage", b"cut"])
def test_a_damaged_file_of_the_teachers_is_made_anew(content: bytes, folder: Path, counting: type[_Untrained]) -> None:
    if content == b"cut":
        content = (folder / TEACHER).read_bytes()[:-300]
    (folder / TEACHER).write_bytes(content)
    describe(folder)
    assert counting.seen == 12
    describe(folder)
    assert counting.seen == 12
