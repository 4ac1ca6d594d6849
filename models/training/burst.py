"""Minutes on a big GPU used fully: a packed set that lies on the GPU, large batches made there, everything compiled.

    python -m models.training.burst pack SET --out PACK.npz --megabytes 60 [--config FILE]
    python -m models.training.burst run PACK.npz --out DIR --minutes 8 [--resume CHECKPOINT] [--batch 256] [--side 128] [--rate 0.0015]
    python -m models.training.burst join DIR

`run` needs torch, numpy and cv2 alone.  It ends with a checkpoint that training goes on from anywhere, in pieces where it is large.
Its batches hold as many pairs of every kind each, and its rate follows the clock; other than that a step is that of `run.py`.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import torch

from models.generator.view import SIDE
from models.network import NetworkError
from models.training import checkpoint
from models.training.batches import Batch, Kinds, Pieces, assemble
from models.training.curves import Curves, made_of
from models.training.interrupt import stopping
from models.training.run import CHECKPOINT, TOLD, Watch, save, step
from models.training.trainer import Judges, Trainer, architecture, channels_last, make
from models.training.unpack import Pack, unpack
from models.whole import replacing

if TYPE_CHECKING:
    # Not there on a machine that only trains.
    from models.training.settings import TrainSettings

PIECE = 15_000_000
"""Bytes of a file that a checkpoint is cut into."""
# The rate rises over so many steps, falls to a twentieth over the time there is, and everything is kept so often (seconds).
_WARM, _KEPT = 100, 60.0
# Left for the last picture and checkpoint, as a share of the time there is and in seconds at the most.
_LEFT = (0.1, 15.0)
Say = Callable[[str], None]


class Resident:
    """A packed set on the device: pairs come as batches that are gathered and varied there."""

    def __init__(self, packed: Pack, shares: Any, device: torch.device) -> None:
        self._crop, self._zone, self._guide, self._landmarks = (
            torch.from_numpy(array).to(device) for array in (packed.crop, packed.zone, packed.guide, packed.landmarks)
        )
        self._target = torch.from_numpy(packed.target).to(device)
        self._true, self._itself = (torch.from_numpy(flags).float().to(device) for flags in (packed.true, packed.itself))
        self._source, self._device = packed.source, device
        self._kinds = Kinds(packed.true, packed.itself, shares)

    def __call__(self, seed: tuple[int, ...], size: int, side: int, random: torch.Generator | None) -> Batch:
        """A batch of pairs drawn with a seed at `side` px; random: of the augmentation, None for none."""
        rows = self._kinds.even(seed, size)
        place = torch.from_numpy(rows).to(self._device)
        target, guide = self._target[place], self._guide[place].float() / 255
        pieces = Pieces(
            self._crop[target].float() / 255, guide[:, :3], guide[:, 3:], self._zone[target], self._landmarks[target],
            self._true[place], self._itself[place], self._source[rows],
        )
        return assemble(pieces, side, random)


def run(
    packed: Pack, out: Path, minutes: float, resume: Path | None = None, batch: int = 256, side: int = 128, rate: float = 1.5e-3,
    device: torch.device | None = None, compiled: bool = True, say: Say = lambda line: None,
) -> Trainer:
    """Train on a packed set until the time is over or SIGTERM or SIGINT comes; what was trained lies in `out` then.

    resume: a checkpoint to go on from; its step is counted on.  say: told a line of figures now and then.
    Raises ValueError for another checkpoint, FloatingPointError when a loss is no number (the last good minute is kept), OSError.
    """
    began, left = time.monotonic(), 60 * minutes - min(_LEFT[0] * 60 * minutes, _LEFT[1])
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    settings = _settings(packed.settings, rate, compiled)
    phase, path = settings.phases[-1], out / CHECKPOINT
    phase.side = side
    trainer, judges = make(cast("TrainSettings", settings), device), _ready(packed.judges, device, settings.compile, phase)
    about = {"architecture": architecture(cast("TrainSettings", settings)), "set": packed.photos}
    if resume is not None:
        trainer.restore(checkpoint.load(resume, about["architecture"], about["set"]))
    data, first, watch, kept = Resident(packed, settings.shares, device), trainer.step, Watch(path), began
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        asked, curves = stack.enter_context(stopping()), stack.enter_context(Curves(out, first, board=False))
        while not asked() and time.monotonic() - began < left:
            random = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + trainer.step)
            made = data((settings.seed, trainer.step), batch, side, random)
            share = (time.monotonic() - began) / left
            trainer.set_rate(rate * min(1.0, (trainer.step - first + 1) / _WARM) * (0.05 + 0.475 * (1 + math.cos(math.pi * share))))
            figures = step(trainer, made, judges, settings.weights, phase, random)
            trainer.follow(settings.average)
            trainer.step += 1
            watch.see(trainer.step, figures, batch)
            if trainer.step % TOLD == 0:
                values = watch.look()
                curves.tell(trainer.step, values)
                told = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
                say(f"step {trainer.step}, {time.monotonic() - began:.0f} s: {told}")
            if time.monotonic() - kept > _KEPT:
                watch.look()
                save(path, trainer, about)
                kept = time.monotonic()
        if trainer.step == first:
            raise ValueError(f"got {minutes} minutes, in which not one step was taken; expected more")
        watch.look()
        save(path, trainer, about)
        curves.show(trainer.step, made_of(trainer.average, data((1, 2, 3), 8, side, None), judges))
        split(path)
    return trainer


def _main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.training.burst")
    commands = parser.add_subparsers(required=True, dest="command")
    packing, running, joining = (commands.add_parser(name) for name in ("pack", "run", "join"))
    packing.add_argument("set", type=Path)
    packing.add_argument("--out", type=Path, required=True)
    packing.add_argument("--megabytes", type=float, default=60.0)
    packing.add_argument("--quality", type=int, default=90)
    packing.add_argument("--config", type=Path)
    running.add_argument("pack", type=Path)
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--minutes", type=float, required=True)
    running.add_argument("--resume", type=Path)
    running.add_argument("--batch", type=int, default=256)
    running.add_argument("--side", type=int, default=SIDE)
    running.add_argument("--rate", type=float, default=1.5e-3)
    running.add_argument("--plain", action="store_true", help="compile nothing")
    joining.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    if given.command == "run":
        began = time.monotonic()
        packed = unpack(given.pack)
        _say(f"{given.pack}: {len(packed.source)} pairs on {len(packed.crop)} photos, decoded in {time.monotonic() - began:.0f} s")
        left = given.minutes - (time.monotonic() - began) / 60
        trainer = run(packed, given.out, left, given.resume, given.batch, given.side, given.rate, compiled=not given.plain, say=_say)
        _say(f"{given.out}: step {trainer.step}")
    elif given.command == "join":
        _say(str(join(given.folder)))
    else:
        # What packs needs more than what runs.
        from models.training.pack import pack
        from models.training.settings import read

        count = pack(given.set, given.out, read(given.config), given.megabytes, given.quality)
        _say(f"{given.out}: {count} pairs, {given.out.stat().st_size / 1e6:.1f} MB")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _settings(known: dict[str, Any], rate: float, compiled: bool) -> SimpleNamespace:
    """Settings as names, without pydantic; the last phase is the one that is trained."""
    phases = [SimpleNamespace(**phase) for phase in known["phases"]]
    phases[0].rate = rate
    parts = {name: SimpleNamespace(**known[name]) for name in ("weights", "shares")}
    return SimpleNamespace(**{**known, **parts, "phases": phases, "compile": compiled})


def _ready(judges: Judges, device: torch.device, compiled: bool, phase: SimpleNamespace) -> Judges:
    if phase.identity and judges.teacher is None:
        raise ValueError("the set was packed without a teacher, which its identity loss needs; install the extra `train` and pack again")
    judges = judges.to(device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        channels_last(judges.encoder)
        if compiled:
            # What cannot be compiled is run as it is: minutes are too few to lose them over it.
            torch._dynamo.config.suppress_errors = True
            for part in (judges.encoder.stem, *judges.encoder.levels, *([judges.teacher] if judges.teacher else [])):
                part.compile()
    return judges


def split(path: Path) -> list[Path]:
    """Cut a file larger than PIECE into FILE.0, FILE.1 ... and remove it; returns what there is then."""
    content = path.read_bytes()
    if len(content) <= PIECE:
        return [path]
    pieces = [path.with_name(f"{path.name}.{number}") for number in range(math.ceil(len(content) / PIECE))]
    for number, piece in enumerate(pieces):
        piece.write_bytes(content[number * PIECE : (number + 1) * PIECE])
    path.unlink()
    return pieces


def join(folder: Path) -> Path:
    """Put together what `split` cut; returns the checkpoint.  Raises ValueError where a piece is missing."""
    path = folder / CHECKPOINT
    pieces = sorted(folder.glob(f"{CHECKPOINT}.[0-9]*"), key=lambda piece: int(piece.suffix[1:]))
    if pieces:
        with replacing(path, None) as file:
            file.write(b"".join(piece.read_bytes() for piece in pieces))
            file.flush()
            try:
                checkpoint.read(Path(file.name))
            except ValueError as error:
                raise ValueError(f"{path}: {len(pieces)} pieces make no checkpoint; copy all of them again") from error
    checkpoint.read(path)
    return path


__all__ = ["PIECE", "Resident", "join", "run", "split"]

if __name__ == "__main__":
    try:
        _main(sys.argv[1:])
    except (NetworkError, ValueError, FloatingPointError, OSError) as error:
        raise SystemExit(str(error)) from None
