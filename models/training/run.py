"""The training loop, top to bottom: batches in, a checkpoint and its curves out.

A step is a function of the checkpoint before it and its own number alone, so that a run that was killed goes on exactly.
Several GPUs: `torchrun --nproc-per-node=N -m models.training.run SET OUT [CONFIG]`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training import checkpoint, losses
from models.training.batches import Batch, Batches
from models.training.distil import pictures_of
from models.training.networks import Discriminator, Generator, IdentityEncoder
from models.training.settings import Phase, TrainSettings
from models.training.teacher import Teacher, look

CHECKPOINT = "checkpoint.pt"


@dataclass(slots=True)
class Trainer:
    """The networks and their optimisers; average: the generator's moving average, which is what is exported."""

    generator: nn.Module
    average: Generator
    discriminator: nn.Module
    optimiser: torch.optim.Optimizer
    opponent: torch.optim.Optimizer
    step: int = 0

    def state(self, settings: TrainSettings) -> dict[str, Any]:
        return {
            "architecture": architecture(settings),
            "step": self.step,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "opponent": self.opponent.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name in ("generator", "average", "discriminator", "optimiser", "opponent"):
            getattr(self, name).load_state_dict(state[name])
        self.step = int(state["step"])


def architecture(settings: TrainSettings) -> dict[str, Any]:
    """What two checkpoints must share for one to go on from the other."""
    return {"widths": list(settings.widths)}


def make(settings: TrainSettings, device: torch.device) -> Trainer:
    """Fresh networks, the same for the same seed."""
    torch.manual_seed(settings.seed)
    generator = Generator(settings.widths).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    discriminator = Discriminator().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    rate = settings.phases[0].rate
    return Trainer(
        generator,
        deepcopy(generator).eval().requires_grad_(False),
        discriminator,
        torch.optim.Adam(generator.parameters(), rate, betas=(0.5, 0.99)),
        torch.optim.Adam(discriminator.parameters(), rate, betas=(0.0, 0.99)),
    )


@dataclass(frozen=True, slots=True)
class Judges:
    """Frozen networks: encoder conditions the generator and lends its features, teacher (None without) says who a face is.

    vectors: (photos, 128) of the encoder.  wanted: (photos, 128) of the teacher.
    """

    encoder: IdentityEncoder
    vectors: Tensor
    teacher: Teacher | None
    wanted: Tensor | None


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

    tell: told the step and its figures every ten steps.  show: told the step and a picture (3, h, w) RGB 0..1 at times.
    stop: asked after every step; where it says so, the step is saved and the run returns.
    Raises ValueError for a checkpoint of another architecture, FloatingPointError when a loss is no number (the last good
    checkpoint stays), OSError when the disk is full (likewise).
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / CHECKPOINT
    trainer = make(settings, device)
    if path.exists():
        trainer.restore(checkpoint.load(path, architecture(settings)))
    end = settings.phases[-1].until
    began, seen = time.perf_counter(), 0
    while trainer.step < end:
        phase = settings.phase(trainer.step)
        batch = _batch(data, settings, phase, trainer.step, device)
        figures = _step(trainer, batch, judges, settings, phase)
        trainer.step += 1
        seen += len(batch.source)
        stopped = stop is not None and stop()
        if trainer.step % 10 == 0 or stopped:
            # One look at all figures: each would make a GPU wait.
            values = torch.stack(list(figures.values())).tolist()
            if not all(map(math.isfinite, values)):
                named = ", ".join(name for name, value in zip(figures, values, strict=True) if not math.isfinite(value))
                raise FloatingPointError(f"step {trainer.step}: {named} is no number; {path} holds the last good step, lower the rate")
            if tell:
                tell(trainer.step, dict(zip(figures, values, strict=True)) | {"faces_per_second": seen / (time.perf_counter() - began)})
        if show and trainer.step % settings.show_every == 0:
            show(trainer.step, sheet(trainer.average, data, judges, device))
        if trainer.step % settings.save_every == 0 or trainer.step == end or stopped:
            checkpoint.save(path, trainer.state(settings))
        if stopped:
            break
    return trainer


def _batch(data: Batches, settings: TrainSettings, phase: Phase, step: int, device: torch.device) -> Batch:
    rows = data.rows((settings.seed, step), phase.batch)
    return data(rows, phase.side, settings.seed * 1_000_003 + step).to(device)


def _step(trainer: Trainer, batch: Batch, judges: Judges, settings: TrainSettings, phase: Phase) -> dict[str, Tensor]:
    """One step of the generator and, once it may judge, one of the discriminator; the figures are still on the device."""
    _set_rate(trainer, settings)
    identity = judges.vectors[batch.source].to(batch.view.device)
    with torch.autocast(batch.view.device.type, torch.bfloat16, enabled=batch.view.device.type == "cuda"):
        face, alpha = trainer.generator(batch.view.contiguous(memory_format=torch.channels_last), identity)
    made = losses.compose(face.float(), alpha.float(), batch)
    found = losses.losses(made, batch, judges.encoder)
    loss = losses.total(found, settings.weights)
    if phase.identity and judges.teacher is not None and judges.wanted is not None:
        found["identity"] = _identity(made.whole, batch, judges)
        loss = loss + phase.identity * found["identity"]
    if phase.steady:
        found["steady"] = _steady(trainer.generator, batch, identity, face)
        loss = loss + phase.steady * found["steady"]
    if phase.adversarial:
        trainer.discriminator.requires_grad_(False)
        found["adversarial"] = losses.convincing(trainer.discriminator(made.whole))
        loss = loss + phase.adversarial * found["adversarial"]
    trainer.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    found["gradient"] = nn.utils.clip_grad_norm_(trainer.generator.parameters(), 1.0)
    trainer.optimiser.step()
    if phase.adversarial:
        trainer.discriminator.requires_grad_(True)
        found["opponent"] = losses.hinge(trainer.discriminator(batch.target), trainer.discriminator(made.whole.detach()))
        trainer.opponent.zero_grad(set_to_none=True)
        found["opponent"].backward()  # type: ignore[no-untyped-call]
        trainer.opponent.step()
    _follow(trainer, settings.average)
    return {"total": loss.detach(), **{name: value.detach() for name, value in found.items()}}


def _identity(whole: Tensor, batch: Batch, judges: Judges) -> Tensor:
    """How far the teacher finds the results from their sources; mirrored pictures are turned back first."""
    assert judges.teacher is not None
    assert judges.wanted is not None
    # Who it is shows on strangers: on the same person the target itself says it.
    rows = torch.nonzero(batch.true == 0)[:, 0]
    if not len(rows):
        return whole.sum() * 0
    seen = torch.where(batch.mirrored[rows][:, None, None, None], whole[rows].flip(-1), whole[rows])
    found = judges.teacher(look(seen, batch.landmarks[rows]))
    return losses.likeness(found, judges.wanted[batch.source[rows.cpu().numpy()]].to(whole.device))


def _steady(generator: nn.Module, batch: Batch, identity: Tensor, face: Tensor) -> Tensor:
    """How much the face changes when the same moment is seen again a fraction of a pixel aside and through other noise."""
    rows = max(2, len(batch.view) // 4)
    shift = torch.zeros(rows, 2, 3, device=face.device)
    shift[:, 0, 0] = shift[:, 1, 1] = 1
    shift[:, :, 2] = (torch.rand(rows, 2, device=face.device) - 0.5) * 3 / batch.view.shape[-1]
    grid = functional.affine_grid(shift, list(batch.view[:rows].shape), align_corners=False)
    again = functional.grid_sample(batch.view[:rows], grid, padding_mode="border", align_corners=False)
    again = torch.cat([again[:, :6] + 0.01 * torch.randn_like(again[:, :6]), again[:, 6:]], dim=1)
    # Only what the network adds: the guide's own change is not its fault.
    before = functional.grid_sample(face[:rows] - batch.view[:rows, 3:6], grid[..., :2], padding_mode="border", align_corners=False)
    return (generator(again, identity[:rows])[0] - again[:, 3:6] - before.detach()).abs().mul(again[:, 6:]).mean()


def _set_rate(trainer: Trainer, settings: TrainSettings) -> None:
    """Warm up over 200 steps, then fall by a cosine to a twentieth within each phase."""
    starts = [0, *(phase.until for phase in settings.phases)]
    index = next((k for k, phase in enumerate(settings.phases) if trainer.step < phase.until), len(settings.phases) - 1)
    part = (trainer.step - starts[index]) / max(1, starts[index + 1] - starts[index])
    last = index == len(settings.phases) - 1
    fall = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * part)) if last else 1.0
    rate = settings.phases[index].rate * fall * min(1.0, (trainer.step - starts[index] + 1) / 200)
    for optimiser in (trainer.optimiser, trainer.opponent):
        for group in optimiser.param_groups:
            group["lr"] = rate


@torch.no_grad()
def _follow(trainer: Trainer, average: float) -> None:
    """The moving average takes in the generator; early, when that changes fast, more of it."""
    rate = min(average, (1 + trainer.step) / (10 + trainer.step))
    own = cast(Generator, getattr(trainer.generator, "module", trainer.generator))
    for kept, new in zip(trainer.average.state_dict().values(), own.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - rate)
        else:
            kept.copy_(new)


@torch.no_grad()
def sheet(generator: Generator, data: Batches, judges: Judges, device: torch.device, count: int = 8, side: int = 128) -> Tensor:
    """A picture (3, h, w) RGB 0..1: source, target, guide, face set in, alpha; a row for each of some pairs."""
    batch = data(data.rows((1, 2, 3), count), side, None).to(device)
    generator.eval()
    face, alpha = generator(batch.view, judges.vectors[batch.source].to(device))
    made = losses.compose(face, alpha, batch)
    source = functional.interpolate(pictures_of(data.photos, batch.source).to(device), (side, side), mode="area")
    columns = [source, batch.target, batch.view[:, 3:6], made.whole, alpha.expand(-1, 3, -1, -1)]
    return torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
