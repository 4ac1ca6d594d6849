"""How long pictures take, as something that sound can be held back by: slow to change, deaf to single late ones."""

from __future__ import annotations

from collections import deque
from statistics import median


class Latency:
    """The median of the last ten seconds or so; any thread may read it while one adds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=300)
        self._value: float | None = None
        self._due = 1

    def add(self, seconds: float) -> None:
        """One picture has arrived so long after it was taken."""
        self._recent.append(seconds)
        self._due -= 1
        if self._due <= 0:
            self._value = median(self._recent)
            # Often in the beginning, when everything is still getting up to speed.
            self._due = min(30, len(self._recent))

    @property
    def value(self) -> float:
        """Seconds; 0 before the first picture."""
        return self._value or 0.0


__all__ = ["Latency"]
