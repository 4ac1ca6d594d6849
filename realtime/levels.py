"""Levels: what was done about the quality of a run, for the panel, the summary and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """A change of quality: when (seconds since the start), between which levels, and what frames took of what they may (seconds)."""

    time: float
    before: str
    after: str
    took: float
    limit: float


@dataclass(frozen=True, slots=True)
class Levels:
    """The quality of a run: the setting, the level now, seconds at each level, how many changes and the latest of them."""

    setting: str
    now: str
    seconds: Mapping[str, float]
    count: int
    changes: tuple[Change, ...]

    def line(self) -> str:
        """The level now, for the panel in the preview."""
        return f"quality {self.now}" + (f" (auto{', ' + self._count() if self.count else ''})" if self.setting == "auto" else "")

    def history(self) -> str:
        """The seconds at each level, for the end of a run."""
        spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in reversed(list(self.seconds.items())) if seconds)
        return f"Quality  {spent or self.now}" + (f", {self._count()}" if self.setting == "auto" else "")

    def figures(self) -> dict[str, object]:
        """Everything under plain names, for JSON."""
        return {
            "setting": self.setting,
            "level": self.now,
            "seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
            "changes": self.count,
            "latest": [
                {"at": round(change.time, 3), "from": change.before, "to": change.after}
                | {"took_ms": round(change.took * 1e3, 3), "limit_ms": round(change.limit * 1e3, 3)}
                for change in self.changes
            ],
        }

    def _count(self) -> str:
        return f"{self.count} change{'s' * (self.count != 1)}"


__all__ = ["Change", "Levels"]
