"""The hot keys of the preview: each is a change of the settings, and signals do the same."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

# The command line shows HELP, and is to answer at once.
if TYPE_CHECKING:
    from realtime.config import Output, Settings, WindowOutput

HELP = {
    "s": "swap on and off (the space bar too)",
    "n": "next source",
    "l": "label on and off",
    "i": "statistics on and off",
    "m": "mirror on and off",
    "p": "snapshot (PNG in the working folder)",
    "q": "quit (Escape too)",
}
QUIT, SNAPSHOT = ("q", "esc"), "p"


def press(key: str, settings: Settings, label: str = "AI-altered") -> Settings:
    """The settings after a key; `label` is what comes back when it is switched on.  Other keys change nothing."""
    if key in ("s", "space"):
        return settings.model_copy(update={"swap": settings.swap.model_copy(update={"enabled": not settings.swap.enabled})})
    if key == "n":
        return settings.model_copy(update={"swap": settings.swap.model_copy(update={"sources": _turned(settings.swap.sources)})})
    if key == "l":
        text = label if settings.overlay.label.strip().lower() in ("", "none") else "none"
        return settings.model_copy(update={"overlay": settings.overlay.model_copy(update={"label": text})})
    if key == "i":
        return _windows(settings, lambda window: window.model_copy(update={"statistics": not window.statistics}))
    if key == "m":
        return _windows(settings, lambda window: window.model_copy(update={"mirror": not window.mirror}))
    return settings


def free_path(folder: Path, ending: str = ".png") -> Path:
    """A free name for a picture or film taken now: swapcam-YEARMONTHDAY-TIME.png, numbered where that exists."""
    stem = time.strftime("swapcam-%Y%m%d-%H%M%S")
    path, number = folder / f"{stem}{ending}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{ending}", number + 1
    return path


@contextmanager
def signals(quit: Callable[[], None], toggle: Callable[[], None], reload: Callable[[], None] | None) -> Iterator[None]:
    """While inside: Ctrl-C and SIGTERM quit (a second Ctrl-C interrupts at once), SIGUSR1 toggles the swap and SIGHUP
    reads the settings file again, where the platform has them.  Without `reload` SIGHUP, which a terminal sends when it
    is closed, quits as well, unless it is ignored (nohup).  The functions are called inside a signal handler and may do
    no more than leave a mark.
    """

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        quit()

    def hang_up(number: int, _: FrameType | None) -> None:
        if reload:
            reload()
            return
        # Shells send it a second time, which must not end the process while its files are being closed.
        before[number] = signal.SIG_IGN
        quit()

    handlers: dict[str, Callable[[int, FrameType | None], None]] = {
        "SIGINT": end,
        "SIGTERM": end,
        "SIGUSR1": lambda _number, _frame: toggle(),
        "SIGHUP": hang_up,
    }
    before: dict[int, Any] = {}
    for name, handler in handlers.items():
        number = getattr(signal, name, None)
        ignored = name == "SIGHUP" and not reload and number is not None and signal.getsignal(number) is signal.SIG_IGN
        if number is not None and not ignored:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def _turned(sources: tuple[str, ...]) -> tuple[str, ...]:
    return sources[1:] + sources[:1]


def _windows(settings: Settings, change: Callable[[WindowOutput], WindowOutput]) -> Settings:
    outputs: tuple[Output, ...] = tuple(change(output) if output.kind == "window" else output for output in settings.outputs)
    return settings.model_copy(update={"outputs": outputs})


__all__ = ["HELP", "QUIT", "SNAPSHOT", "free_path", "press", "signals"]
