"""What a terminal shows: the log in plain lines, mistakes as one sentence and, for what has an end, a bar."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

# rich is imported late, so that --help and --version answer at once.
if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

    from realtime.frame import Source
    from realtime.meter import Statistics


class Plain(logging.Handler):
    """Prints above a progress bar, where there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """One line, without marks or colours."""
        with heard():
            self._console.print(record.getMessage(), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(source: Source, statistics: Callable[[], Statistics], console: Console) -> Iterator[Callable[[], None]]:
    """What to call now and then to move a bar for a file on a terminal; it does nothing for live frames and elsewhere."""
    if source.live or not console.is_terminal:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[fps]:.0f} fps"), TimeRemainingColumn())
    with moving(console, *columns, total=getattr(source, "total", None), fps=0.0) as move:

        def advance() -> None:
            figures = statistics()
            move(completed=figures.frames, fps=figures.fps_now)

        move()
        yield advance


@contextmanager
def moving(console: Console, *columns: ProgressColumn, total: float | None = None, **fields: Any) -> Iterator[Callable[..., None]]:
    """What to call to show a bar on a terminal and to move it: with `completed`, `total` and fields, by rich's names.

    It is not there before the first call, nor while it is full: what is asked before and after the work stands alone.
    """
    from rich.progress import Progress

    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task("", total=total, **fields)

    def stand(there: bool) -> None:
        # Where nothing can be drawn over, each end of a bar is a line.
        if there != bar.live.is_started:
            with heard():
                (bar.start if there else bar.stop)()

    def move(**now: Any) -> None:
        bar.update(task, **now)
        known = bar.tasks[0]
        stand(known.total is None or known.completed < known.total)

    try:
        yield move
    finally:
        stand(False)


@contextmanager
def heard() -> Iterator[None]:
    """What is said to a terminal that was closed meanwhile is lost, and ends nothing."""
    with suppress(OSError):
        yield


@contextmanager
def plainly() -> Iterator[Console]:
    """The log in plain lines on stderr; what the user can fix as one sentence and exit status 2."""
    from rich.console import Console

    from models.network import NetworkError
    from realtime.frame import RealtimeError

    console = Console(stderr=True)
    loggers = [logging.getLogger(name) for name in ("realtime", "models")]
    handler = Plain(console)
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield console
    except (RealtimeError, NetworkError) as error:
        typer.echo(f"swapcam: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def agreed(said: bool, otherwise: str) -> bool:
    """Whether the person agreed, as `said` by an option or asked for on the terminal.

    otherwise: what does not happen then.  Raises RealtimeError where there is nobody to ask.
    """
    from realtime.frame import RealtimeError

    if not said and not sys.stdin.isatty():
        raise RealtimeError(f"Has the person agreed? Without a terminal to ask on, say so with --i-have-consent. {otherwise}")
    return said or typer.confirm("Has this person agreed that you use their face in video calls and recordings?")


__all__ = ["Plain", "agreed", "heard", "moving", "plainly", "progress"]
