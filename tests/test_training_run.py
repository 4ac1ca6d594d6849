"""A run that was killed goes on as if nothing had happened; one that cannot go on says so and loses nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sets import write_set

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.network import NetworkError  # noqa: E402  after the skip
from models.training import checkpoint, losses, run  # noqa: E402
from models.training.batches import Batch, Batches, assemble  # noqa: E402
from models.training.curves import figures  # noqa: E402
from models.training.judges import ENCODER, save_encoder  # noqa: E402
from models.training.networks import IdentityEncoder  # noqa: E402
from models.training.settings import Phase, TrainSettings, read  # noqa: E402
from models.training.teacher import Teacher  # noqa: E402
from models.training.trainer import Judges, Trainer, make  # noqa: E402

_ROOT = Path(__file__).resolve().parents[1]
_CPU = torch.device("cpu")
_END = 16
_PLAIN = Phase(side=32, until=6, batch=4)
_FULL = Phase(side=32, until=_END, batch=4, adversarial=0.02, steady=2.0)
SETTINGS = TrainSettings(seed=3, widths=(8, 8, 8, 8), phases=(_PLAIN, _FULL), save_every=2, show_every=8)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


def parts(folder: Path, settings: TrainSettings = SETTINGS) -> tuple[Batches, Judges]:
    """The data of a set, and an untaught encoder."""
    data = Batches(folder, settings.shares)
    torch.manual_seed(11)
    encoder = IdentityEncoder((8, 8, 8, 8)).eval().requires_grad_(False)
    return data, Judges(encoder, torch.nn.functional.normalize(torch.randn(len(data.photos), 128), dim=1), None, None)


def _train(folder: Path, out: Path, settings: TrainSettings = SETTINGS, **more: Any) -> Trainer:
    return run.train(*parts(folder, settings), out, settings, _CPU, **more)


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two checkpoints are equal bit for bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(torch.equal(first, second)) if isinstance(first, torch.Tensor) else bool(first == second)


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The checkpoint of a run that went through."""
    out = tmp_path_factory.mktemp("whole")
    _train(folder, out)
    return checkpoint.read(out / run.CHECKPOINT)


def test_a_run_killed_at_any_moment_ends_as_one_that_went_through(folder: Path, whole: dict[str, Any], tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        import test_training_run, torch
        torch.set_num_threads(1)
        test_training_run._train(Path(sys.argv[2]), Path(sys.argv[3]), tell=lambda step, figures: None)
    """)
    path = tmp_path / "out" / run.CHECKPOINT
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(_ROOT / "tests"), str(folder), str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    try:
        ending = time.monotonic() + 60
        while not path.exists() and process.poll() is None and time.monotonic() < ending:
            time.sleep(0.002)
        time.sleep(random.random() * 0.3)
    finally:
        process.kill()
        process.wait()
    # A kill while a checkpoint was being written leaves the one before it, whole.
    at = checkpoint.reached(path)
    assert 2 <= at <= _END
    torch.manual_seed(at)
    trainer = _train(folder, tmp_path / "out")
    assert trainer.step == _END
    assert _same(checkpoint.read(path), whole)


def test_a_run_stopped_on_purpose_saves_the_step_it_is_at(folder: Path, whole: dict[str, Any], tmp_path: Path) -> None:
    """Whatever had been drawn from anywhere before it goes on."""
    told: list[int] = []
    for steps, at in ((5, 5), (6, 11)):
        answers = iter([False] * (steps - 1) + [True])
        trainer = _train(folder, tmp_path, tell=lambda step, _: told.append(step), stop=answers.__next__)
        assert trainer.step == checkpoint.reached(tmp_path / run.CHECKPOINT) == told[-1] == at
        torch.rand(1000)
    assert _train(folder, tmp_path).step == _END
    assert _same(checkpoint.read(tmp_path / run.CHECKPOINT), whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_end_and_saves_it(number: int, folder: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    trainer = _train(folder, tmp_path, tell=lambda step, _: os.kill(os.getpid(), number) if step == 10 else None)
    assert trainer.step == checkpoint.reached(tmp_path / run.CHECKPOINT) == 11
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_may_train(folder: Path, tmp_path: Path) -> None:
    """Signals belong to the main thread."""
    short = SETTINGS.model_copy(update={"phases": (_PLAIN.model_copy(update={"until": 2}),)})
    reached: list[int] = []
    thread = threading.Thread(target=lambda: reached.append(_train(folder, tmp_path, short).step))
    thread.start()
    thread.join(60)
    assert reached == [2]


def test_batches_come_in_the_order_of_their_steps_whoever_is_faster() -> None:
    def prepare(number: int) -> Any:
        time.sleep(0.01 * (number % 3))
        return number

    found = []
    for batch in run.ahead(prepare, 4, 12):
        time.sleep(0.01 * (len(found) % 2))
        found.append(batch)
    assert found == list(range(4, 12))
    assert list(run.ahead(prepare, 5, 5)) == []


def test_what_fails_while_a_batch_is_made_is_raised(folder: Path, tmp_path: Path) -> None:
    data, judges = parts(folder)

    def broken(number: int) -> Batch:
        raise ValueError(f"broken shard {number}")

    with pytest.raises(ValueError, match="broken shard 3"):
        list(run.ahead(broken, 3, 9))
    assert judges.check() == parts(folder)[1].check()
    assert len(data) == 36


def _spoilt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """From the step `at` on, counted from 1, the light loss is no number."""
    true, seen = run.losses.losses, []

    def losses(*given: Any) -> dict[str, Any]:
        seen.append(0)
        found: dict[str, Any] = true(*given)
        return {**found, "light": found["light"] * float("nan")} if len(seen) == at else found

    monkeypatch.setattr(run.losses, "losses", losses)


@pytest.mark.parametrize(("every", "at", "kept"), [(2, 7, 6), (5, 7, 5), (3, 12, 9)])
def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(
    every: int, at: int, kept: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the checkpoint is due before the figures are."""
    settings = SETTINGS.model_copy(update={"save_every": every})
    _spoilt(monkeypatch, at)
    with pytest.raises(FloatingPointError, match=rf"step {at}: total, light, gradient is no number; .*holds the last good step") as told:
        _train(folder, tmp_path, settings)
    assert "\n" not in str(told.value)
    state = checkpoint.read(tmp_path / run.CHECKPOINT)
    assert state["step"] == kept
    assert all(bool(torch.isfinite(value).all()) for value in state["generator"].values())


def test_weights_that_are_no_number_are_never_saved(folder: Path, tmp_path: Path) -> None:
    trainer = _train(folder, tmp_path, SETTINGS.model_copy(update={"phases": (_PLAIN.model_copy(update={"until": 2}),)}))
    with torch.no_grad():
        trainer.discriminator.judges[1][2].weight_orig[0, 0, 0, 0] = float("inf")
    with pytest.raises(FloatingPointError, match=r"discriminator\.judges\.1\.2\.weight_orig is no number"):
        run.save(tmp_path / run.CHECKPOINT, trainer, {})
    assert checkpoint.reached(tmp_path / run.CHECKPOINT) == 2


def test_another_architecture_other_photos_and_another_encoder_are_refused(folder: Path, tmp_path: Path) -> None:
    short = SETTINGS.model_copy(update={"phases": (_PLAIN.model_copy(update={"until": 2}),)})
    _train(folder, tmp_path / "out", short)
    with pytest.raises(ValueError, match=r"got a checkpoint of .*8, 8, 8, 8.*expected .*8, 8, 8, 16.*use its settings or another folder"):
        _train(folder, tmp_path / "out", short.model_copy(update={"widths": (8, 8, 8, 16)}))
    other = write_set(tmp_path / "set", people=5)
    with pytest.raises(ValueError, match=r"trained with other photos \(12 photos, 36 pairs.*got 15 photos, 45 pairs.*other_set: true"):
        _train(other, tmp_path / "out", short)
    data, judges = parts(folder)
    with pytest.raises(ValueError, match="trained by another identity encoder"):
        run.train(data, replace(judges, encoder=IdentityEncoder((8, 8, 8, 8)).eval()), tmp_path / "out", short, _CPU)
    longer = SETTINGS.model_copy(update={"other_set": True, "phases": (_PLAIN.model_copy(update={"until": 4}),)})
    assert _train(other, tmp_path / "out", longer).step == 4


def test_a_checkpoint_that_does_not_say_what_it_was_trained_on_is_refused(folder: Path, tmp_path: Path) -> None:
    _train(folder, tmp_path, stop=lambda: True)
    path = tmp_path / run.CHECKPOINT
    state = checkpoint.read(path)
    del state["set"]
    checkpoint.save(path, state)
    with pytest.raises(ValueError, match=r"checkpoint\.pt: got a checkpoint that does not say its photos .*use another folder"):
        _train(folder, tmp_path)
    assert _same(checkpoint.read(path), state)


def test_a_set_and_a_settings_file_are_enough(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `python -m models.training.run SET OUT CONFIG` starts it; a second start goes on, with its curves."""

    def absent(kind: type[Teacher]) -> Teacher:
        raise NetworkError("no teacher here")

    monkeypatch.setattr(Teacher, "open", classmethod(absent))
    torch.manual_seed(1)
    save_encoder(folder / ENCODER, IdentityEncoder())
    config = tmp_path / "settings.yaml"
    config.write_text("widths: [8, 8, 8, 8]\nthreads: 1\nphases: [{side: 32, until: 10, batch: 4}]\n")
    run.main(folder, tmp_path / "out", config)
    config.write_text(config.read_text().replace("10", "20"))
    run.main(folder, tmp_path / "out", config)
    assert checkpoint.reached(tmp_path / "out" / run.CHECKPOINT) == 20
    assert [line["step"] for line in figures(tmp_path / "out")] == [10, 20]
    assert list((tmp_path / "out" / "board").iterdir())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: [", "cannot be read as YAML"),
        ("sead: 1", "sead: (Extra inputs|unknown key)"),
        ("phases: [{until: 5}, {until: 5}]", r"phases that end at \[5, 5\]"),
        ("shares: {itself: 0.7, same: 0.7}", "shares of 0.7 and 0.7, expected no more than 1"),
        ("phases: [{until: 5, side: 50}]", "phases.0.side: Input should be a multiple of 16"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as told:
        read(path)
    assert str(told.value).startswith(str(path))
    assert "\n" not in str(told.value)


def test_the_rate_warms_up_in_every_phase_and_falls_in_the_last() -> None:
    settings = TrainSettings(phases=(Phase(until=1000, rate=1e-3), Phase(until=2000, rate=5e-4)))
    rates = [run.rate(settings, number) for number in (0, 99, 199, 999, 1000, 1500, 1999)]
    assert rates == pytest.approx([5e-6, 5e-4, 1e-3, 1e-3, 2.5e-6, 2.625e-4, 2.5e-5], rel=1e-3)


def test_half_precision_takes_nearly_the_same_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: the networks multiply with bfloat16, and every loss is still a float32."""
    settings = SETTINGS.model_copy(update={"phases": (_FULL,)})
    data, judges = parts(folder, settings)
    batch = data(np.arange(8), 32, 1)

    def first() -> dict[str, torch.Tensor]:
        trainer = make(settings, _CPU)
        trainer.set_rate(1e-3)
        for seed in range(3):
            found = run.step(trainer, batch, judges, settings.weights, _FULL, torch.Generator().manual_seed(seed))
        return found

    wanted = first()
    for place in (run, losses):
        monkeypatch.setattr(place, "half", lambda device: torch.autocast("cpu", torch.bfloat16))
    got = first()
    assert any(float(got[name]) != float(wanted[name]) for name in wanted)
    for name, value in got.items():
        assert value.dtype == torch.float32, name
        # A gradient is the sum of many that nearly cancel.
        assert name == "gradient" or float(value) == pytest.approx(float(wanted[name]), rel=0.1, abs=0.02), name


def test_four_pairs_are_learned(folder: Path) -> None:
    """What cannot overfit cannot learn: in a few dozen steps a guide half as bright comes more than twice as near."""
    settings = TrainSettings(seed=1, widths=(8, 8, 8, 8), phases=(_PLAIN,))
    data, judges = parts(folder)
    pieces = data.pieces(np.array([0, 1, 3, 4]))
    batch = assemble(pieces._replace(guide=pieces.guide * 0.5), 32, None)
    trainer = make(settings, _CPU)
    trainer.set_rate(5e-3)
    found = [run.step(trainer, batch, judges, settings.weights, _PLAIN, torch.Generator()) for _ in range(40)]
    for name in ("pixels", "blurred", "light"):
        assert float(found[-1][name]) < 0.5 * float(found[0][name]), name
