"""Show: a loop that somebody watches and steers, with its settings, their history, and what is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime import keeping
from realtime.config import Settings, WindowOutput
from realtime.frame import RealtimeError
from realtime.history import History, Snapshot, changed
from realtime.meter import Statistics
from realtime.people import identities
from realtime.ports import OutputState, Port
from realtime.runner import Runner, State
from realtime.settings import Key, Keys
from realtime.sinks.monitor import Monitor
from realtime.steps import unique

Step = Callable[[Settings], Settings]


@dataclass(frozen=True, slots=True)
class FaceState:
    """Somebody in the newest frame.

    track: their number.  box: left, top, right, bottom as fractions of the picture.  source: whose face they wear, or None.
    """

    track: int
    box: tuple[float, float, float, float]
    source: str | None


class Show:
    """Loops one after another, steered from any thread.

    monitor: gets every finished frame; close() closes it.  config: the file that save() writes; None: the one in the user's own
    folder.  folder: where recordings go.  photo_face: which face of a source photo with several.
    Photos can be sources only where the settings at the beginning name them; else a source is somebody enrolled.
    """

    def __init__(self, settings: Settings, monitor: Monitor, config: Path | None, folder: Path, photo_face: int | None = None) -> None:
        self.monitor, self.folder = monitor, folder
        self.config = config or keeping.home()
        self._kept = keeping.read(self.config)
        self._photos = _named(settings) - set(identities.names())
        self._history = History(settings)
        # What the loop is known to have, and the steps since then, which it may refuse.
        self._good: Snapshot = self._history.snapshot()
        self._since: list[tuple[Step | None, Keys | None]] = []
        self._clicked: set[int] = set()
        self._recording: Port | None = None
        self._listeners: tuple[Callable[[str], None], ...] = ()
        self._lock = threading.RLock()
        self._runner = Runner(monitor, lambda: self.settings, self._taken, self._heard, photo_face)

    @property
    def state(self) -> State:
        """stopped, starting, running, ended (the clip is over) or failed."""
        return self._runner.state

    @property
    def problem(self) -> str:
        """What went wrong last, as a sentence; "" when nothing did, or something went well since."""
        return self._runner.problem

    @property
    def settings(self) -> Settings:
        """The settings that count; the loop may still be on its way to them."""
        return self._history.settings

    @property
    def undoable(self) -> bool:
        """Whether undo() does something."""
        return self._history.undoable

    @property
    def redoable(self) -> bool:
        """Whether redo() does something."""
        return self._history.redoable

    def start(self) -> None:
        """Start the loop soon; where it runs, try again what failed of its outputs."""
        self._runner.start()

    def stop(self) -> None:
        """End the loop and wait for that."""
        self._runner.stop()

    def close(self) -> None:
        """End everything; may be called again."""
        self._runner.close()
        self.monitor.close()

    def change(self, path: Sequence[Key], value: Any) -> Settings:
        """Replace one value, as one step; raises RealtimeError.

        What takes long is done by the thread of the loop: when it cannot be, the settings of before come back, and
        `problem` tells why.
        """
        single = isinstance(value, (int, float, str)) and not isinstance(value, bool)
        return self._step(lambda settings: changed(settings, path, value), tuple(path) if single else None)

    def replace(self, settings: Settings) -> Settings:
        """Take other settings, as one step; raises RealtimeError."""
        return self._step(lambda _: settings, None)

    def undo(self) -> Settings:
        """Back to the settings before the last step; raises RealtimeError."""
        return self._turn(self._history.undo)

    def redo(self) -> Settings:
        """Forth to the settings that were undone; raises RealtimeError."""
        return self._turn(self._history.redo)

    def statistics(self) -> Statistics | None:
        """The loop's figures now; None while there is no loop."""
        loop = self._runner.loop
        return loop.statistics() if loop else None

    def outputs(self) -> list[OutputState]:
        """How each output is doing."""
        loop = self._runner.loop
        if loop is not None:
            return [state for state in loop.ports.states() if state.kind != "none"]
        kinds = [output.kind for output in self.settings.outputs if not isinstance(output, WindowOutput) and output.kind != "none"]
        return [OutputState(name, kind, "off") for name, kind in zip(unique(kinds), kinds, strict=True)]

    def listen(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have a function told, in whatever thread, what changed: state, settings, outputs, sources or presets.

        The function that this gives ends it.
        """
        with self._lock:
            self._listeners += (callback,)

        def remove() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not callback)

        return remove

    def tell(self, event: str) -> None:
        """Tell everybody who listens."""
        for listener in self._listeners:
            listener(event)

    def _step(self, step: Step, value: Keys | None) -> Settings:
        with self._lock:
            wanted = step(self.settings)
            self._check(wanted)
            if wanted == self.settings:
                return wanted
            before = self.settings
            self._history.push(wanted, value)
            self._since.append((step, value))
            self._submit()
        self._told_of(before)
        return self.settings

    def _turn(self, turn: Callable[[], bool]) -> Settings:
        with self._lock:
            before, snapshot = self.settings, self._history.snapshot()
            if not turn():
                return before
            try:
                self._check(self.settings)
            except RealtimeError:
                self._history.back(snapshot)
                raise
            self._since.append((None, None))
            self._submit()
        self._told_of(before)
        return self.settings

    def _submit(self) -> None:
        """Hand the settings to the loop; raises RealtimeError, with those of before back."""
        try:
            done = self._runner.change(self.settings)
        except RealtimeError:
            self._history.back(self._good)
            self._since.clear()
            raise
        if done:
            self._good = self._history.snapshot()
            self._since.clear()

    def _taken(self, settings: Settings, problem: str) -> None:
        """The loop has taken settings, or could not."""
        before = self.settings
        with self._lock:
            if not problem:
                if settings == self.settings:
                    self._good = self._history.snapshot()
                    self._since.clear()
                return
            later = self._since if self.settings != settings else []
            self._history.back(self._good)
            self._since = []
        for step, value in later:
            # Whatever was asked for since stays wanted; the step that failed fails again, or changes nothing.
            if step is not None and before != settings:
                pass
        self._told_of(before)

    def _check(self, wanted: Settings) -> None:
        """Raise RealtimeError for a source who is not enrolled: consent is given there, and photos are nobody's to name here."""
        known = identities.names()
        for name in sorted(_named(wanted) - _named(self.settings) - self._photos):
            if name not in known:
                hint = f"enrolled: {', '.join(known)}." if known else "nobody is enrolled yet."
                raise RealtimeError(f"Nobody named {name} is enrolled; {hint}")

    def _told_of(self, before: Settings) -> None:
        if before != self.settings:
            self.tell("settings")
            if _named(before) != _named(self.settings):
                self.tell("sources")

    def _heard(self, event: str) -> None:
        self.tell(event)


def _named(settings: Settings) -> set[str]:
    return {*settings.swap.sources, *settings.swap.assign.values()}


__all__ = ["FaceState", "OutputState", "Show"]
