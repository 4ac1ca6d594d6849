"""How far long work is: bars and figures on a terminal, lines elsewhere; and Ctrl-C that lets a step end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from realtime.terminal import heard

# Everything heavy is imported where it is used, so that --help answers at once.
if TYPE_CHECKING:
    from rich.console import Console

    from models.training.settings import TrainSettings

Advance = Callable[[int, int], None]
Tell = Callable[[int, Mapping[str, float]], None]
# A line now and then is enough for a log, and a file of notes need not be written with every step.
_TERMINAL, _LOG = 1.0, 30.0


def say(line: str) -> None:
    """One line on standard output."""
    with heard():
        typer.echo(line)


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, which ends nothing by itself the first time."""
    pressed = threading.Event()

    def press(number: int, frame: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = {kind: signal.signal(kind, press) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pressed.is_set
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def bar(console: Console, name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line for each tenth elsewhere."""
    if not console.is_terminal:
        tenth = -1

        def line(done: int, total: int) -> None:
            nonlocal tenth
            if (now := 10 * done // max(total, 1)) > tenth:
                tenth = now
                say(f"{name} {done:,} of {total:,}")

        yield line
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def course(console: Console, out: Path, settings: TrainSettings) -> Iterator[Tell]:
    """What to tell the figures of a run's steps; they go to the terminal and into the run's notes."""
    status = console.status("") if console.is_terminal else None
    with status or nullcontext():
        yield _Course(status.update if status else say, out, settings, _TERMINAL if status else _LOG)


class _Course:
    """Says now and then how far a run is, and how long it will take as far as one can tell from its pixels."""

    def __init__(self, line: Callable[[str], None], out: Path, settings: TrainSettings, every: float) -> None:
        self._line, self._out, self._settings, self._every = line, out, settings, every
        self._told = self._began = time.monotonic()
        self._first: float | None = None

    def __call__(self, step: int, figures: Mapping[str, float]) -> None:
        from models.training import runs

        now, left, end = time.monotonic(), runs.work(self._settings, step), self._settings.phases[-1].until
        if self._first is None:
            self._first, self._began = left, now
        if now - self._told < self._every and step < end:
            return
        self._told = now
        runs.note(self._out, step, figures)
        done = self._first - left
        parts = [f"step {step:,} of {end:,}", f"{figures.get('faces_per_second', 0):.0f} faces/s"]
        parts += [f"{_time((now - self._began) * left / done)} left"] if done else []
        self._line(", ".join(parts + [f"{name} {value:.3g}" for name, value in figures.items() if name != "faces_per_second"]))


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


__all__ = ["Advance", "Tell", "bar", "course", "say", "stoppable"]
