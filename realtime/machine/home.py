"""Home folders in paths: settings and other programs name files that no shell has looked at."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def expanded(place: str | Path) -> Path:
    """The path with a home folder for the ~ or ~NAME that it begins with; as it is where nobody has that name."""
    with suppress(RuntimeError):
        return Path(place).expanduser()
    return Path(place)
