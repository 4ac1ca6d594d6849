"""The training loop, top to bottom: batches in, a checkpoint and its curves out.

A step is a function of the checkpoint before it and its own number alone, so that a run that was killed goes on exactly.
Several GPUs: `torchrun --nproc-per-node=N -m models.training.run SET OUT [CONFIG]`; on CUDA batch statistics are those of all
processes (SyncBatchNorm), on CPU each keeps its own and the first process's are written.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

from models.network import NetworkError
from models.training import checkpoint, losses
from models.training.batches import Batch, Batches
from models.training.curves import Curves, sheet
from models.training.interrupt import stopping
from models.training.trainer import Judges, Trainer, agreed, architecture, half, make, processes, rank

if TYPE_CHECKING:
    # Not needed to run: a machine that only trains has no pydantic.
    from models.training.settings import Phase, TrainSettings, Weights

CHECKPOINT = "checkpoint.pt"
TOLD = 10
"""Figures are looked at every so many steps: each look makes a GPU wait."""
_WARM = 200


def train(
    data: Batches,
    judges: Judges,
    out: Path,
    settings: TrainSettings,
    device: torch.device,
    tell: Callable[[int, dict[str, float]], None] | None = None,
    show: Callable[[int, Tensor], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trainer:
    """Train until the last phase ends, from the checkpoint in `out` where there is one.

    tell: told the step and its figures every ten steps and at the last.  show: told the step and a picture (3, h, w) RGB 0..1 at times.
    stop: asked after every step; where it says so, the step is saved and the run returns; by default SIGINT and SIGTERM say so.
    Raises ValueError for a checkpoint of another architecture or of other photos and where a phase misses the teacher,
    FloatingPointError when a loss is no number (the last good checkpoint stays), OSError when the disk is full (likewise).
    """
    judges.ready(settings)
    path, end = out / CHECKPOINT, settings.phases[-1].until
    judges, trainer = judges.to(device), make(settings, device)
    about = {"architecture": architecture(settings), "set": {**data.about(), "encoder": judges.check()}}
    if path.exists():
        trainer.restore(checkpoint.load(path, about["architecture"], None if settings.other_set else about["set"]))
    out.mkdir(parents=True, exist_ok=True)
    watch = Watch(path)
    with stopping() if stop is None else nullcontext(stop) as asked:
        for batch in ahead(lambda number: _batch(data, settings, number), trainer.step, end):
            phase = settings.phase(trainer.step)
            trainer.set_rate(rate(settings, trainer.step))
            random = torch.Generator(device).manual_seed(_seed(settings, trainer.step))
            figures = step(trainer, batch.to(device), judges, settings.weights, phase, random)
            trainer.follow(settings.average)
            trainer.step += 1
            watch.see(trainer.step, figures, len(batch.source))
            ending = agreed(asked(), device) or trainer.step == end
            saving = ending or trainer.step % settings.save_every == 0
            if saving or trainer.step % TOLD == 0:
                values = watch.look()
                if tell and rank() == 0 and (ending or trainer.step % TOLD == 0):
                    tell(trainer.step, values)
            if show and rank() == 0 and trainer.step % settings.show_every == 0:
                show(trainer.step, sheet(trainer.average, data, judges, device))
            if saving and rank() == 0:
                save(path, trainer, about)
            if ending:
                break
    return trainer


def step(trainer: Trainer, batch: Batch, judges: Judges, weights: Weights, phase: Phase, random: torch.Generator) -> dict[str, Tensor]:
    """One step of the generator and, once it may judge, one of the discriminator; the figures are still on the device.

    random: what the losses draw from, on that device.
    """
    device, count = batch.view.device, len(batch.view)
    view, identity = batch.view, judges.vectors[batch.source]
    seen = losses.again(batch, random) if phase.steady else None
    if seen:
        # In one batch: apart, the two would differ by their batch statistics most of all.
        view, identity = torch.cat([view, seen.view]), torch.cat([identity, identity[: len(seen.view)]])
    with half(device):
        faces, alpha = trainer.draw(view.contiguous(memory_format=torch.channels_last), identity)
    faces = faces.float()
    made = losses.compose(faces[:count], alpha[:count].float(), batch)
    found = losses.losses(made, batch, judges.encoder)
    loss = losses.total(found, weights)
    if phase.identity:
        found["identity"] = losses.identity(made.whole, batch, judges)
        loss = loss + phase.identity * found["identity"]
    if seen:
        found["steady"] = losses.steady(made.face, faces[count:], batch, seen)
        loss = loss + phase.steady * found["steady"]
    if phase.adversarial:
        trainer.discriminator.requires_grad_(False)
        with half(device):
            found["adversarial"] = losses.convincing(trainer.discriminator(made.whole))
        loss = loss + phase.adversarial * found["adversarial"]
    trainer.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    found["gradient"] = nn.utils.clip_grad_norm_(trainer.generator.parameters(), 1.0)
    trainer.optimiser.step()
    if phase.adversarial:
        trainer.discriminator.requires_grad_(True)
        with half(device):
            found["opponent"] = losses.hinge(trainer.judge(batch.target), trainer.judge(made.whole.detach()))
        trainer.opponent.zero_grad(set_to_none=True)
        found["opponent"].backward()  # type: ignore[no-untyped-call]
        trainer.opponent.step()
    return {"total": loss.detach(), **{name: value.detach() for name, value in found.items()}}


def rate(settings: TrainSettings, number: int) -> float:
    """The learning rate of a step: it warms up at the start of each phase, and falls by a cosine to a twentieth in the last."""
    phase = settings.phase(number)
    start = settings.starts()[settings.phases.index(phase)]
    part = (number - start) / (phase.until - start) if phase is settings.phases[-1] else 0.0
    fall = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * part))
    return phase.rate * fall * min(1.0, (number - start + 1) / _WARM)


def ahead(prepare: Callable[[int], Batch], first: int, last: int) -> Iterator[Batch]:
    """The batches of steps, each made while the step before it runs."""
    with ThreadPoolExecutor(1, "batches") as worker:
        coming = worker.submit(prepare, first)
        for number in range(first, last):
            batch = coming.result()
            if number + 1 < last:
                coming = worker.submit(prepare, number + 1)
            yield batch


class Watch:
    """Figures as they come, looked at together; raises FloatingPointError for the first that is no number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began, self._faces = time.perf_counter(), 0
        self._kept: list[tuple[int, dict[str, Tensor]]] = []

    def see(self, number: int, figures: dict[str, Tensor], faces: int) -> None:
        """Keep the figures of a step of so many faces."""
        self._kept.append((number, figures))
        self._faces += faces * processes()

    def look(self) -> dict[str, float]:
        """The figures of the last step, and faces a second since the last look; nothing when no step was taken since."""
        kept, self._kept = self._kept, []
        if not kept:
            return {}
        flat = iter(torch.stack([value.float() for _, figures in kept for value in figures.values()]).tolist())
        values: dict[str, float] = {}
        for number, figures in kept:
            values = {name: next(flat) for name in figures}
            _refuse(self._path, number, [name for name, value in values.items() if not math.isfinite(value)])
        speed = self._faces / max(1e-9, time.perf_counter() - self._began)
        self._began, self._faces = time.perf_counter(), 0
        return values | {"faces_per_second": speed}


def save(path: Path, trainer: Trainer, about: dict[str, Any]) -> None:
    """Write a checkpoint, unless a weight is no number: raises FloatingPointError then, OSError as checkpoint.save."""
    broken = trainer.broken()
    _refuse(path, trainer.step, [broken] if broken else [])
    checkpoint.save(path, {**about, **trainer.state()})


def _refuse(path: Path, number: int, names: list[str]) -> None:
    if names:
        where = f"{path} holds the last good step" if path.exists() else "nothing was saved yet"
        raise FloatingPointError(f"step {number}: {', '.join(names)} is no number; {where}, go on with a lower rate")


def _batch(data: Batches, settings: TrainSettings, number: int) -> Batch:
    phase = settings.phase(number)
    seed = (settings.seed, number, rank()) if rank() else (settings.seed, number)
    return data(data.rows(seed, phase.batch), phase.side, _seed(settings, number))


def _seed(settings: TrainSettings, number: int) -> int:
    return settings.seed * 1_000_003 + number + rank() * 15_485_863


def main(folder: Path, out: Path, config: Path | None = None) -> None:
    """Train on a set with its own encoder, in every process that torchrun started; raises as `train`, and as what it opens."""
    from models.training import runs
    from models.training.judges import open_judges
    from models.training.settings import read

    settings, cuda = read(config), torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("nccl" if cuda else "gloo", device_id=device if cuda else None)
    try:
        data = Batches(folder, settings.shares)
        # The first process writes what the judges say of each photo; the others read it.
        if rank() > 0:
            distributed.barrier()
        judges = open_judges(folder, device)
        if processes() > 1 and rank() == 0:
            distributed.barrier()
        if rank() > 0:
            train(data, judges, out, settings, device)
            return
        remember = cache(lambda: runs.begin(out, folder, settings))
        with Curves(out, checkpoint.reached(out / CHECKPOINT)) as curves:

            def told(step: int, figures: dict[str, float]) -> None:
                # A run that refuses these settings, or this set, must not remember them.
                remember()
                curves.tell(step, figures)

            train(data, judges, out, settings, device, told, curves.show)
    finally:
        if processes() > 1:
            distributed.destroy_process_group()


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        raise SystemExit("usage: python -m models.training.run SET OUT [CONFIG]")
    try:
        main(*map(Path, sys.argv[1:]))
    except (NetworkError, ValueError, FloatingPointError, OSError) as error:
        raise SystemExit(str(error)) from None
