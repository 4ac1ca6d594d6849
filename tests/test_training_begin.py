"""A run begins with all that its phases will need, and notes what its weights are made of whoever starts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sets import write_set

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.training import judges, run, runs  # noqa: E402  after the skip
from models.training.batches import Batches  # noqa: E402
from models.training.networks import IdentityEncoder  # noqa: E402
from models.training.settings import Phase, Shares, TrainSettings  # noqa: E402
from models.training.trainer import Judges  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_set(tmp_path / "set")
    judges.save_encoder(folder / judges.ENCODER, IdentityEncoder())
    return folder


def test_a_missing_teacher_is_noticed_before_the_first_step(folder: Path, tmp_path: Path) -> None:
    phases = (Phase(side=32, until=5, batch=2), Phase(side=32, until=10, batch=2, identity=0.5))
    known = Judges(IdentityEncoder().eval(), torch.zeros(12, 128), None, None)
    settings = TrainSettings(widths=(4, 8), phases=phases)
    with pytest.raises(ValueError, match=r"phases\.1\.identity is 0\.5 .*pip install 'swapcam\[train\]'"):
        run.train(Batches(folder, Shares()), known, tmp_path / "out", settings, torch.device("cpu"))
    assert not (tmp_path / "out").exists()


def test_a_run_of_the_module_notes_its_set_and_settings(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text("widths: [4, 8]\nthreads: 1\nphases:\n  - {side: 32, until: 10, batch: 2}\n")
    run.main(folder, tmp_path / "out", config)
    known = runs.about(tmp_path / "out")
    assert known is not None
    assert known.data == str(folder.resolve())
    assert known.settled().widths == (4, 8)
