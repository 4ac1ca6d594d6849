"""What every benchmark says besides its figures: the machine, the versions, the command; tables, JSON and plots."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import typer

_PACKAGES = ("swapcam", "mediapipe", "numpy", "opencv-contrib-python", "numba", "onnxruntime", "onnxruntime-gpu", "av", "pyvirtualcam")


@contextmanager
def plainly(benchmark: str) -> Iterator[None]:
    """What the user can fix as one sentence and exit status 2."""
    from models.network import NetworkError
    from realtime.frame import RealtimeError

    try:
        yield
    except (RealtimeError, NetworkError) as error:
        typer.echo(f"benchmarks {benchmark}: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def machine() -> dict[str, object]:
    """The processor, cores, memory and system; no name of the computer or its user."""
    return {
        "cpu": _processor(),
        "cores": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process(), "cpu_affinity") else psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Python and the packages that the figures depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def command(arguments: Sequence[str] | None = None) -> str:
    """The command line, without the folders of this machine."""
    return " ".join(["python -m benchmarks", *(_bare(argument) for argument in (sys.argv[1:] if arguments is None else arguments))])


def write(path: Path, figures: dict[str, Any]) -> None:
    """Write the figures as JSON with machine, versions and command before them."""
    path.write_text(document(figures), encoding="utf-8")


def document(figures: dict[str, Any]) -> str:
    """The figures as JSON with machine, versions and command before them."""
    return json.dumps({"machine": machine(), "versions": versions(), "command": command(), **figures}, indent=1) + "\n"


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Show a table: first column to the left, numbers to the right; plain where there is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(title=title, title_justify="left", box=box.SIMPLE if console.is_terminal else box.ASCII2)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    console.print(table)


def say(text: str) -> None:
    """One line on the terminal."""
    from rich.console import Console

    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def cell(value: object) -> str:
    """A value as a table shows it: three significant places, no more than two behind the point."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return "" if value is None else str(value)


def canvas(rows: int = 1, height: float = 3.0) -> tuple[Any, Any]:
    """A figure with axes below each other, drawn without a display; save it with `figure.savefig`."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, 1, figsize=(9, height * rows), layout="constrained", squeeze=False)
    return figure, axes[:, 0]


def _bare(argument: str) -> str:
    name, equals, value = argument.partition("=")
    if equals and Path(value).is_absolute():
        return f"{name}={Path(value).name}"
    return Path(argument).name if Path(argument).is_absolute() else argument


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


__all__ = ["canvas", "cell", "command", "document", "machine", "plainly", "say", "show", "versions", "write"]
