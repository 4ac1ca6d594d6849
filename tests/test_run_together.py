"""Two processes that share a run train the same networks as one with both their batches."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sets import write_set

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.training import checkpoint, run  # noqa: E402  after the skip
from models.training.batches import Batch, Batches  # noqa: E402
from models.training.networks import IdentityEncoder  # noqa: E402
from models.training.settings import Phase, TrainSettings  # noqa: E402
from models.training.trainer import Judges, Trainer, make  # noqa: E402

_ROOT = Path(__file__).resolve().parents[1]
_CPU = torch.device("cpu")
_PHASE = Phase(side=32, until=6, batch=4, adversarial=0.02)
SETTINGS = TrainSettings(seed=3, widths=(8, 8, 8, 8), phases=(_PHASE,), save_every=4)
_STEPS = 3


class _Guess(torch.nn.Module):
    """A teacher without weights."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(crops, 3).flatten(1)


def parts(folder: Path) -> tuple[Batches, Judges]:
    """The data of a set, an untaught encoder and a teacher."""
    data = Batches(folder, SETTINGS.shares)
    torch.manual_seed(11)
    encoder = IdentityEncoder((8, 8, 8, 8)).eval().requires_grad_(False)
    return data, Judges(encoder, torch.randn(len(data.photos), 128), _Guess(), torch.rand(len(data.photos), 27))  # type: ignore[arg-type]


def rows(data: Batches, number: int, process: int) -> np.ndarray[Any, Any]:
    """Unlike shares in either process: one has a single photo on itself, the other one stranger."""
    kinds = [np.flatnonzero(kind) for kind in (data.itself, data.true & ~data.itself, ~data.true)]
    picked = [(0, 1, 2, 2), (0, 0, 1, 2)][process]
    return np.array([kinds[kind][number + index] for index, kind in enumerate(picked)])


def few_steps(trainer: Trainer, batches: list[Batch], judges: Judges) -> dict[str, Any]:
    """The state after some steps without batch statistics, which on a CPU each process has of its own."""
    for layer in trainer.generator.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()
    # Adam makes a whole step of a gradient that is all but nothing, and so of the last digit of one.
    trainer.optimiser = torch.optim.SGD(trainer.generator.parameters(), 0.2)
    trainer.opponent = torch.optim.SGD(trainer.discriminator.parameters(), 0.1)
    phase = _PHASE.model_copy(update={"identity": 0.5})
    for batch in batches:
        run.step(trainer, batch, judges, SETTINGS.weights, phase, torch.Generator())
        trainer.follow(0.9)
    return {name: getattr(trainer, name).state_dict() for name in ("generator", "average", "discriminator")}


def process(folder: Path, out: Path) -> None:
    """What each process does: some steps on its own batches, then a whole short run."""
    torch.distributed.init_process_group("gloo")
    number = torch.distributed.get_rank()
    data, judges = parts(folder)
    batches = [data(rows(data, step, number), 32, 2 * step + number) for step in range(_STEPS)]
    torch.save(few_steps(make(SETTINGS, _CPU), batches, judges), out / f"steps-{number}.pt")
    told: list[int] = []
    # Only one of them is asked to stop, and both do.
    answers = iter([False] * 4 + [number == 1])
    trainer = run.train(data, judges, out / "run", SETTINGS, _CPU, lambda step, _: told.append(step), stop=answers.__next__)
    weights = [value.detach() for value in trainer.generator.parameters()]
    torch.save({"weights": weights, "told": told, "step": trainer.step}, out / f"run-{number}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The set, and the folder where two processes wrote."""
    folder, out = write_set(tmp_path_factory.mktemp("set")), tmp_path_factory.mktemp("out")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        import test_run_together, torch
        torch.set_num_threads(1)
        test_run_together.process(Path(sys.argv[2]), Path(sys.argv[3]))
    """)
    given = {"PYTHONPATH": str(_ROOT), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, str(_ROOT / "tests"), str(folder), str(out)]
    started = [subprocess.Popen(command, env={**os.environ, **given, "RANK": rank}) for rank in ("0", "1")]
    try:
        assert [process.wait(150) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    return folder, out


def test_two_processes_take_the_step_of_one_with_both_batches(both: tuple[Path, Path]) -> None:
    folder, out = both
    first, second = (torch.load(out / f"steps-{number}.pt") for number in (0, 1))
    torch.set_num_threads(1)
    data, judges = parts(folder)
    batches = [_joined(*(data(rows(data, step, number), 32, 2 * step + number) for number in (0, 1))) for step in range(_STEPS)]
    trainer = make(SETTINGS, _CPU)
    start = trainer.generator.detail.weight.detach().clone()
    alone = few_steps(trainer, batches, judges)
    assert float((alone["generator"]["detail.weight"] - start).abs().max()) > 1e-3
    for network, values in alone.items():
        for name, value in values.items():
            assert torch.equal(first[network][name], second[network][name]), name
            torch.testing.assert_close(first[network][name], value, atol=1e-5, rtol=0, msg=name)


def _joined(first: Batch, second: Batch) -> Batch:
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in Batch.__slots__}
    return Batch(**{name: torch.cat(pair) if isinstance(pair[0], torch.Tensor) else np.concatenate(pair) for name, pair in pairs.items()})


def test_two_processes_end_together_with_one_checkpoint(both: tuple[Path, Path]) -> None:
    _, out = both
    first, second = (torch.load(out / f"run-{number}.pt") for number in (0, 1))
    assert first["step"] == second["step"] == checkpoint.reached(out / "run" / run.CHECKPOINT) == 5
    assert first["told"] == [5]
    assert second["told"] == []
    assert all(map(torch.equal, first["weights"], second["weights"]))


def test_processes_draw_different_batches(both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = parts(both[0])
    first = run._batch(data, SETTINGS, 7)
    monkeypatch.setattr(run, "rank", lambda: 1)
    second = run._batch(data, SETTINGS, 7)
    assert not torch.equal(first.view, second.view)
