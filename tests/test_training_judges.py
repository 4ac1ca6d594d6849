"""What an encoder says of each photo is kept with its set, and with that alone; it is written whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sets import write_set

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.network import NetworkError  # noqa: E402  after the skip
from models.training import distil, judges  # noqa: E402
from models.training.judges import ENCODER, VECTORS, open_judges, save_encoder  # noqa: E402
from models.training.networks import IdentityEncoder  # noqa: E402
from models.training.teacher import Teacher  # noqa: E402

_CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set with an encoder and without a teacher."""

    def missing() -> None:
        raise NetworkError("no teacher")

    monkeypatch.setattr(Teacher, "open", missing)
    return _set(tmp_path / "set")


def _set(folder: Path, seed: int = 0) -> Path:
    write_set(folder, people=2, photos_each=2, seed=seed)
    torch.manual_seed(4)
    save_encoder(folder / ENCODER, IdentityEncoder())
    return folder


def _looks(folder: Path) -> bool:
    """Whether the encoder looks at the photos."""
    told: list[int] = []
    open_judges(folder, _CPU, lambda done, count: told.append(done))
    return bool(told)


def test_vectors_are_those_of_the_photos_and_the_encoder(folder: Path, tmp_path: Path) -> None:
    assert _looks(folder)
    assert not _looks(folder)
    other = _set(tmp_path / "other", seed=9)
    (other / VECTORS).write_bytes((folder / VECTORS).read_bytes())
    assert _looks(other)
    torch.manual_seed(5)
    save_encoder(folder / ENCODER, IdentityEncoder())
    assert _looks(folder)


def test_vectors_that_do_not_say_of_which_photos_they_are_are_made_anew(folder: Path) -> None:
    assert _looks(folder)
    with np.load(folder / VECTORS) as known:
        vectors, encoder = known["vectors"], known["encoder"]
    np.savez(folder / VECTORS, vectors=vectors, encoder=encoder)
    assert _looks(folder)
    assert not _looks(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04garbage", b"garbage", b"\x93NUMPY", b"cut"])
def test_damaged_vectors_are_made_anew(content: bytes, folder: Path) -> None:
    if content == b"cut":
        assert _looks(folder)
        content = (folder / VECTORS).read_bytes()[:-40]
    (folder / VECTORS).write_bytes(content)
    assert _looks(folder)
    assert not _looks(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files cannot be limited here")
def test_a_full_disk_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    before = (folder / ENCODER).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=r"encoder\.pt: the encoder could not be written .*the one before it is kept"):
            save_encoder(folder / ENCODER, IdentityEncoder())
        with pytest.raises(OSError, match=r"vectors\.npz: the file could not be written .*there is none before it"):
            open_judges(folder, _CPU)
        monkeypatch.setattr(distil, "Teacher", _Blind)
        with pytest.raises(OSError, match=r"teacher\.npz: the file could not be written"):
            distil.describe(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (folder / ENCODER).read_bytes() == before
    assert not list(folder.glob("*.part*"))
    assert judges.load_encoder(folder / ENCODER)


class _Blind:
    @classmethod
    def open(cls) -> _Blind:
        return cls()

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(crops), 128)
