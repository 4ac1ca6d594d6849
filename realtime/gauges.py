"""How far long work is: bars and figures on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import typer

from realtime.terminal import heard, moving

# Everything heavy is imported where it is used, so that --help answers at once.
if TYPE_CHECKING:
    from rich.console import Console

    from models.training.settings import TrainSettings

Advance = Callable[[int, int], None]
Tell = Callable[[int, Mapping[str, float]], None]
# Seconds from line to line.
_TERMINAL, _LOG = 1.0, 30.0


def say(line: str) -> None:
    """One line on standard output."""
    with heard():
        typer.echo(line)


def counted(counts: Mapping[str, int]) -> str:
    """Counts in words."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "nothing"


@contextmanager
def going_on(words: str) -> Iterator[None]:
    """Say what became of the work where Ctrl-C ends it."""
    try:
        yield
    except KeyboardInterrupt:
        with heard():
            typer.echo(f"Stopped. {words}", err=True)
        raise


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
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with moving(console, *columns) as move:
        move()
        yield lambda done, total: move(completed=done, total=total)


@contextmanager
def course(console: Console, settings: TrainSettings) -> Iterator[Tell]:
    """What to tell the figures of a run's steps: a line that changes on a terminal, one now and then elsewhere."""
    status = console.status("") if console.is_terminal else None
    with status or nullcontext():
        yield _Course(status.update if status else say, settings, _TERMINAL if status else _LOG)


class _Course:
    """Says now and then how far a run is, and how long it will take as far as one can tell from its pixels."""

    def __init__(self, line: Callable[[str], None], settings: TrainSettings, every: float) -> None:
        self._line, self._settings, self._every = line, settings, every
        self._told = self._began = time.monotonic()
        self._first: float | None = None

    def __call__(self, step: int, figures: Mapping[str, float]) -> None:
        from models.training.runs import work

        now, left, end = time.monotonic(), work(self._settings, step), self._settings.phases[-1].until
        if self._first is None:
            self._first, self._began = left, now
        if now - self._told < self._every and step < end:
            return
        self._told = now
        done = self._first - left
        parts = [f"step {step:,} of {end:,}", f"{figures.get('faces_per_second', 0):.0f} faces/s"]
        parts += [f"{_time((now - self._began) * left / done)} left"] if done else []
        self._line(", ".join(parts + [f"{name} {value:.3g}" for name, value in figures.items() if name != "faces_per_second"]))


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


__all__ = ["Advance", "Tell", "bar", "counted", "course", "going_on", "say"]
