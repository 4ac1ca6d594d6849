"""History: settings with undo and redo."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from realtime.config import Settings
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
        """Take new settings as one step.  value: where the one value stands that is changed and may be again at once."""
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

    def undo(self) -> bool:
        """Go back one step; whether there was one."""
        return self._move(self._past, self._future)

    def redo(self) -> bool:
        """Go forth one step; whether there was one."""
        return self._move(self._future, self._past)

    def swap(self, settings: Settings) -> None:
        """Take other settings without a step."""
        self.settings = settings

    def snapshot(self) -> Snapshot:
        """Everything, for back()."""
        return self.settings, tuple(self._past), tuple(self._future)

    def back(self, snapshot: Snapshot) -> None:
        """Be as at a snapshot."""
        self.settings, self._past, self._future = snapshot[0], list(snapshot[1]), list(snapshot[2])
        self._mark = None

    def _move(self, here: list[Settings], there: list[Settings]) -> bool:
        self._mark = None
        if not here:
            return False
        there.append(self.settings)
        self.settings = here.pop()
        return True


def changed(settings: Settings, path: Sequence[Key], value: Any) -> Settings:
    """The settings with one value replaced, checked as --set is; raises RealtimeError."""
    draft = Draft(settings.model_dump(mode="json"))
    keys: list[Key] = []
    here: Any = draft.data
    for key in path:
        # Pages know only words as keys of a map, and numbers as places in a list.
        key = int(key) if isinstance(here, list) and str(key).isdecimal() else str(key)
        keys.append(key)
        here = here[key] if isinstance(here, list) and isinstance(key, int) and key < len(here) else here.get(key) if isinstance(here, dict) else None
    draft.put(tuple(keys), value, ".".join(map(str, keys)))
    draft.places.clear()
    return draft.check()


__all__ = ["History", "Snapshot", "changed"]
