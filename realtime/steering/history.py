"""History: settings with undo and redo; Plan: the same for a loop that may refuse what it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.settings import Draft, Key, Keys

_STEPS = 200
_TOGETHER = 1.0
"""Seconds within which changes of one value are one step: a slider that is drawn."""
Snapshot = tuple[Settings, tuple[Settings, ...], tuple[Settings, ...]]


class History:
    """The settings now, those before them, and those that were undone; for one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._past: list[Settings] = []
        self._future: list[Settings] = []
        self._mark: tuple[Keys, float] | None = None

    @property
    def undoable(self) -> bool:
        """Whether there is something to undo."""
        return bool(self._past)

    @property
    def redoable(self) -> bool:
        """Whether there is something to do again."""
        return bool(self._future)

    def push(self, settings: Settings, value: Keys | None = None) -> None:
        """Take new settings as one step.  value: where the one value stands that is changed, and may be again at once."""
        if settings == self.settings:
            return
        now = time.perf_counter()
        again = value is not None and self._mark is not None and self._mark[0] == value and now - self._mark[1] < _TOGETHER
        if not again:
            self._past = [*self._past, self.settings][-_STEPS:]
        self._future = []
        self.settings = settings
        self._mark = None if value is None else (value, now)
        if again and self._past[-1] == settings:
            self._past.pop()
            self._mark = None

    def undo(self) -> None:
        """Go back one step, if there is one."""
        self._move(self._past, self._future)

    def redo(self) -> None:
        """Go forth one step, if there is one."""
        self._move(self._future, self._past)

    def snapshot(self) -> Snapshot:
        """Everything, for back()."""
        return self.settings, tuple(self._past), tuple(self._future)

    def back(self, snapshot: Snapshot) -> None:
        """Be as at a snapshot."""
        self.settings, self._past, self._future = snapshot[0], list(snapshot[1]), list(snapshot[2])
        self._mark = None

    def _move(self, here: list[Settings], there: list[Settings]) -> None:
        self._mark = None
        if here:
            there.append(self.settings)
            self.settings = here.pop()


Step = Callable[[History], None]


class Plan:
    """What is wanted of a loop, and what it is known to have; for one thread at a time.

    Steps are offered to the loop together.  When it refuses several they are offered one by one, and only the one that
    cannot be is taken back, with the undoing and redoing that hung on it.
    """

    def __init__(self, settings: Settings) -> None:
        self.history = History(settings)
        self._good = self.history.snapshot()
        self._steps: list[Step] = []
        self._offered = 0
        self._singly = False

    @property
    def settings(self) -> Settings:
        """What is wanted."""
        return self.history.settings

    def do(self, step: Step) -> None:
        """Take one more step; raises what it raises, with nothing changed."""
        before = self.history.snapshot()
        try:
            step(self.history)
        except RealtimeError:
            self.history.back(before)
            raise
        if self.history.snapshot() != before:
            self._steps.append(step)

    def settle(self) -> None:
        """The loop has all that is wanted."""
        self._good, self._steps, self._offered, self._singly = self.history.snapshot(), [], 0, False

    def take_back(self) -> None:
        """Undo the last step as if it had never been asked for."""
        self._steps.pop()
        after = self._after(self._good, self._steps)
        self.history.back(after.snapshot())

    def offer(self) -> Settings:
        """The settings to try now."""
        if not self._singly:
            self._offered = len(self._steps)
            return self.settings
        self._offered = min(1, len(self._steps))
        return self._after(self._good, self._steps[: self._offered]).settings

    def accept(self) -> bool:
        """What was offered last is what the loop has; whether there is more to offer."""
        done, self._steps = self._steps[: self._offered], self._steps[self._offered :]
        self._good = self._after(self._good, done).snapshot() if self._steps else self.history.snapshot()
        self._offered = 0
        self._singly &= bool(self._steps)
        return bool(self._steps)

    def refuse(self) -> bool:
        """What was offered last cannot be; whether there is more to offer."""
        if self._offered > 1:
            self._singly, self._offered = True, 0
            return True
        later, self._offered = self._steps[self._offered :], 0
        self._steps = []
        self.history.back(self._good)
        for step in later:
            with suppress(RealtimeError):
                self.do(step)
        self._singly &= bool(self._steps)
        return bool(self._steps)

    def everywhere(self, change: Callable[[Settings], Settings]) -> None:
        """Change all settings there are, past and future ones too, without a step."""
        settings, past, future = self.history.snapshot()
        self.history.back((change(settings), tuple(map(change, past)), tuple(map(change, future))))
        settings, past, future = self._good
        self._good = change(settings), tuple(map(change, past)), tuple(map(change, future))

    def _after(self, snapshot: Snapshot, steps: Sequence[Step]) -> History:
        history = History(snapshot[0])
        history.back(snapshot)
        for step in steps:
            # Somebody may have been deleted since.
            with suppress(RealtimeError):
                step(history)
        return history


def changed(settings: Settings, path: Sequence[Key], value: Any) -> Settings:
    """The settings with one value replaced, checked as --set is; raises RealtimeError."""
    draft = Draft(settings.model_dump(mode="json"))
    keys: list[Key] = []
    here: Any = draft.data
    for key in path:
        # Pages know only words as keys of a map, and numbers as places in a list.
        number = isinstance(here, list) and str(key).isdecimal()
        key = int(key) if number else str(key)
        keys.append(key)
        here = _inside(here, key)
    if not keys:
        raise RealtimeError("There is no place to change; expected a path such as swap, light.")
    draft.put(tuple(keys), value, ".".join(map(str, keys)))
    draft.places.clear()
    return draft.check()


def _inside(here: Any, key: Key) -> Any:
    if isinstance(here, list):
        return here[key] if isinstance(key, int) and key < len(here) else None
    return here.get(key) if isinstance(here, dict) else None


__all__ = ["History", "Plan", "Step", "changed"]
