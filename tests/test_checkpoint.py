"""A checkpoint is whole or it is the one before; whatever else lies in its place is refused in one sentence."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.training import checkpoint  # noqa: E402  after the skip
from models.training.settings import TrainSettings  # noqa: E402
from models.training.trainer import architecture, make  # noqa: E402

_KIND = {"widths": [8, 8]}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _state(step: int, size: int = 1000) -> dict[str, Any]:
    return {"architecture": _KIND, "step": step, "generator": {"weight": torch.full((size,), float(step))}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint of step 1."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, _state(1))
    return path


def _refuses_to_write(path: Path, state: dict[str, Any]) -> str:
    with pytest.raises(OSError, match="the checkpoint could not be written") as told:
        checkpoint.save(path, state)
    assert not list(path.parent.glob("*.part"))
    assert "\n" not in str(told.value)
    return str(told.value)


def test_what_was_saved_is_loaded(path: Path) -> None:
    checkpoint.save(path, _state(2))
    state = checkpoint.load(path, _KIND)
    assert state["step"] == checkpoint.reached(path) == 2
    assert torch.equal(state["generator"]["weight"], torch.full((1000,), 2.0))
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_nothing_has_reached_no_step(tmp_path: Path) -> None:
    assert checkpoint.reached(tmp_path / "checkpoint.pt") == 0


def test_a_full_disk_leaves_the_checkpoint_before_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert "could not be written (No space left on device); the one before it is kept" in _refuses_to_write(path, _state(2))
    assert checkpoint.load(path, _KIND)["step"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files cannot be limited here")
@pytest.mark.parametrize("room", [0, 3000, 20_000])
def test_a_disk_that_fills_up_while_writing_leaves_the_checkpoint_before_it(room: int, path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        said = _refuses_to_write(path, _state(2, 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "the one before it is kept" in said
    assert checkpoint.load(path, _KIND)["step"] == 1


def test_the_first_checkpoint_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    assert "there is none before it" in _refuses_to_write(tmp_path / "missing" / "checkpoint.pt", _state(2))


def test_a_writer_that_fails_in_its_own_way_is_a_full_disk_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(state: object, file: Any) -> None:
        file.write(b"half of it")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(checkpoint.torch, "save", broken)
    _refuses_to_write(path, _state(2))
    monkeypatch.undo()
    assert checkpoint.load(path, _KIND)["step"] == 1


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 nor an archive" * 20, b"\x80\x02}q\x00."])
def test_another_file_is_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint\.pt: (cannot be read as a checkpoint|got format None)") as told:
        checkpoint.load(path, _KIND)
    assert "\n" not in str(told.value)
    assert "delete it or use another folder" in str(told.value)


def test_a_checkpoint_cut_short_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
            checkpoint.load(path, _KIND)


@pytest.mark.parametrize("found", [{"weight": torch.zeros(3)}, [1, 2], {"format": 99}])
def test_what_torch_saved_for_something_else_is_refused(found: object, path: Path) -> None:
    torch.save(found, path)
    with pytest.raises(ValueError, match="expected a checkpoint of format 1"):
        checkpoint.load(path, _KIND)


def test_nothing_in_a_checkpoint_is_run(path: Path) -> None:
    """A pickle may name any function; only plain values and tensors are taken."""
    torch.save({"format": 1, "architecture": _KIND, "made": Path("somewhere")}, path)
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        checkpoint.load(path, _KIND)


def test_another_architecture_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match=r"got a checkpoint of \{'widths': \[8, 8\]\}, expected \{'widths': \[8, 16\]\}"):
        checkpoint.load(path, {"widths": [8, 16]})


def test_networks_of_another_version_are_refused(path: Path) -> None:
    settings = TrainSettings(widths=(4, 8))
    trainer = make(settings, torch.device("cpu"))
    state = trainer.state()
    fewer = {**state, "generator": dict(list(state["generator"].items())[1:])}
    for wrong in (fewer, {**state, "optimiser": {}}, {name: value for name, value in state.items() if name != "discriminator"}):
        with pytest.raises(ValueError, match="of another version") as told:
            trainer.restore(wrong)
        assert "\n" not in str(told.value)
    checkpoint.save(path, {"architecture": _KIND})
    with pytest.raises(ValueError, match="of another version, it does not say its step"):
        checkpoint.reached(path)


def test_any_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    checkpoint.whole(path, lambda file: file.write(b"first"))

    def full(file: Any) -> None:
        file.write(b"half")
        raise RuntimeError("no room")

    with pytest.raises(OSError, match=r"the encoder could not be written \(no room\); the one before it is kept"):
        checkpoint.whole(path, full, "encoder")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"first")]


def test_a_whole_run_takes_less_than_40_megabytes(tmp_path: Path) -> None:
    """At the default widths, with both optimisers' moments."""
    settings = TrainSettings()
    trainer = make(settings, torch.device("cpu"))
    for network, optimiser in ((trainer.generator, trainer.optimiser), (trainer.discriminator, trainer.opponent)):
        for value in network.parameters():
            value.grad = torch.zeros_like(value)
        optimiser.step()
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"architecture": architecture(settings), **trainer.state()})
    assert 10e6 < path.stat().st_size < 20e6
    other = make(settings.model_copy(update={"seed": 1}), torch.device("cpu"))
    other.restore(checkpoint.load(path, architecture(settings)))
    assert torch.equal(other.generator.start.weight, trainer.generator.start.weight)
    assert len(other.optimiser.state) == len(trainer.optimiser.state)
