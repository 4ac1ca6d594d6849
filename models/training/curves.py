"""How a run went: its figures as lines of JSON and for TensorBoard, pictures of what it makes, and its curves as one picture."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.training import losses
from models.training.batches import Batch, Batches, pictures
from models.training.networks import Generator
from models.training.trainer import Judges
from models.whole import replacing

FIGURES, DRAWN = "figures.jsonl", "curves.png"
_COLUMNS = 3
# Figures over a run are smoothed over this share of it.
_SMOOTH = 1 / 60


class Curves:
    """Keeps the figures of a run: figures.jsonl, one line a step told; TensorBoard's files; sheet-STEP.png.

    folder: of the run.  step: where it goes on; whatever was told of later steps is cut off.  board: whether TensorBoard's
    files are written.  Raises OSError.
    """

    def __init__(self, folder: Path, step: int, board: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        kept = [line for line in figures(folder) if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        with replacing(folder / FIGURES, None) as file:
            file.write(text.encode())
        self._began = time.perf_counter() - (kept[-1].get("seconds", 0.0) if kept else 0.0)
        self._board = _board(folder / "board", step) if board else None

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._board:
            self._board.close()

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the figures of a step.  Raises OSError."""
        seconds = round(time.perf_counter() - self._began, 1)
        line = {"step": step, "seconds": seconds, **{name: round(value, 5) for name, value in values.items()}}
        with (self._folder / FIGURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def show(self, step: int, picture: Tensor) -> None:
        """Keep a picture (3, h, w) RGB 0..1.  Raises OSError."""
        levels = (picture.float().clamp(0, 1) * 255).round().byte().cpu()
        if self._board:
            self._board.add_image("sheet", levels, step)
        written = cv2.imencode(".png", np.ascontiguousarray(levels.permute(1, 2, 0).numpy()[..., ::-1]))[1]
        (self._folder / f"sheet-{step:06d}.png").write_bytes(written.tobytes())


def _board(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


def figures(folder: Path) -> list[dict[str, float]]:
    """What was told of a run, in the order of its steps; lines that a kill cut short, or that a later start told again, are left out."""
    path = folder / FIGURES
    found: dict[int, dict[str, float]] = {}
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
            step = int(line["step"])
        except (ValueError, KeyError, TypeError):
            continue
        # A run that went back to its checkpoint tells again what came after it.
        found = {known: value for known, value in found.items() if known < step} if found and step <= max(found) else found
        found[step] = line
    return list(found.values())


@torch.no_grad()
def sheet(generator: Generator, data: Batches, judges: Judges, device: torch.device, count: int = 8, side: int = 128) -> Tensor:
    """A picture (3, h, w) RGB 0..1: source, target, guide, face set in, alpha; a row for each of some pairs."""
    batch = data(data.rows((1, 2, 3), count), side, None).to(device)
    source = functional.interpolate(pictures(data.photos.take("crop", batch.source)).to(device), (side, side), mode="area")
    return torch.cat([torch.cat(list(source), dim=1), made_of(generator, batch, judges)], dim=2)


@torch.no_grad()
def made_of(generator: Generator, batch: Batch, judges: Judges) -> Tensor:
    """The same of a batch, without the sources."""
    generator.eval()
    face, alpha = generator(batch.view, judges.vectors[batch.source].to(batch.view.device))
    columns = [batch.target, batch.view[:, 3:6], losses.compose(face, alpha, batch).whole, alpha.expand(-1, 3, -1, -1)]
    return torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)


def curves(folder: Path) -> Path:
    """Draw the figures of a run as curves.png in its folder: every figure against its step, and smoothed, losses on a log scale.

    Raises ValueError for a folder without figures, OSError.
    """
    import matplotlib as mpl

    lines = figures(folder)
    if not lines:
        raise ValueError(f"{folder}: got no {FIGURES}, expected a folder that a run was trained in")
    names = list(dict.fromkeys(name for line in lines for name in line if name not in ("step", "seconds")))
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = math.ceil(len(names) / _COLUMNS)
    canvas, axes = plt.subplots(rows, _COLUMNS, figsize=(4.2 * _COLUMNS, 2.4 * rows), layout="constrained", squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        _draw(axis, name, [(line["step"], line[name]) for line in lines if name in line])
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    path = folder / DRAWN
    canvas.savefig(path, dpi=100)
    plt.close(canvas)
    return path


def _draw(axis: Any, name: str, points: Sequence[tuple[float, float]]) -> None:
    from matplotlib.ticker import NullFormatter

    steps, values = (np.array(column, np.float64) for column in zip(*points, strict=True))
    axis.plot(steps, values, color="0.8", linewidth=0.8)
    axis.plot(steps, smoothed(values), color="tab:blue", linewidth=1.6)
    if (values >= 0).all() and values.any():
        # A batch without a kind of pair has no loss of that kind.
        axis.set_yscale("log", nonpositive="mask")
        low, high = np.quantile(values[values > 0], (0.002, 1))
        axis.set_ylim(low / 1.2, high * 1.2)
        if high > 5 * low:
            axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_title(name, fontsize=10)
    axis.set_xlabel("step", fontsize=8)
    axis.grid(True, which="both", color="0.93")
    axis.tick_params(labelsize=8)


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n,) blurred along their order, ends by what there is of them."""
    deviation = max(1.0, len(values) * _SMOOTH)
    reach = min(len(values) - 1, math.ceil(3 * deviation))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    total, share = (np.convolve(line, taps, mode="full")[reach : reach + len(values)] for line in (values, np.ones(len(values))))
    return np.asarray(total / share, np.float64)


__all__ = ["DRAWN", "FIGURES", "Curves", "curves", "figures", "made_of", "sheet", "smoothed"]
