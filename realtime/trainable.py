"""What training asks of a machine and of its user: PyTorch, a device, the terms of the photos."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

# Everything heavy is imported where it is used, so that --help answers at once.
if TYPE_CHECKING:
    import torch


def require_torch() -> None:
    """Raise RealtimeError where PyTorch is not installed."""
    from importlib.util import find_spec

    from realtime.frame import RealtimeError

    if find_spec("torch") is None:
        raise RealtimeError("Training needs PyTorch: pip install 'swapcam[train]'.")


def device_of(name: str) -> torch.device:
    """The device that auto, cpu or cuda means here.  Raises RealtimeError."""
    import torch

    from realtime.frame import RealtimeError

    if name not in ("auto", "cpu", "cuda"):
        raise RealtimeError(f"--device {name} is unknown; expected auto, cpu or cuda.")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise RealtimeError("PyTorch finds no CUDA device here; take --device cpu, or install the CUDA build of PyTorch and its driver.")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def terms_of(folder: Path, layouts: Mapping[str, int]) -> str:
    """The terms of a folder's photos, asked for.  Raises RealtimeError where nobody can be asked."""
    from models.training.data.layouts import TERMS
    from realtime.frame import RealtimeError

    known = "; ".join(f"{layout}: {TERMS[layout]}" for layout in layouts if layout in TERMS)
    asked = f"Under which terms do the photos of {folder} come? Weights carry them"
    if not sys.stdin.isatty():
        raise RealtimeError(f'{asked}; say them with --terms, as "{known or "own photos, everybody in them agreed"}".')
    return str(typer.prompt(asked, default=known or None, err=True))


__all__ = ["device_of", "require_torch", "terms_of"]
