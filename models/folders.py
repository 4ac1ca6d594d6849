"""Where swapcam keeps what is the user's own, and which names files may have everywhere."""

from __future__ import annotations

import os
from pathlib import Path

LONGEST = 100
"""Bytes of a name."""
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}


def own(name: str, cache: bool = False) -> Path:
    """A folder of that name in $SWAPCAM_HOME, else in the platform's folder for user data, or for caches."""
    home = os.environ.get("SWAPCAM_HOME")
    if home:
        return Path(home).expanduser() / name
    import platformdirs

    root = platformdirs.user_cache_dir if cache else platformdirs.user_data_dir
    return Path(root("swapcam", appauthor=False)) / name


def fits(name: str) -> bool:
    """Whether a name, normalised to NFC, has letters, digits, - _ and . alone, none of . and - first, no . last."""
    return bool(name) and all(letter.isalnum() or letter in "-_." for letter in name) and name[0] not in ".-" and name[-1] != "."


def too_long(name: str) -> bool:
    """Whether a name has more than 100 bytes."""
    return len(name.encode()) > LONGEST


def reserved(name: str) -> bool:
    """Whether Windows keeps a name for devices."""
    return name.split(".")[0].upper() in _RESERVED


__all__ = ["LONGEST", "fits", "own", "reserved", "too_long"]
