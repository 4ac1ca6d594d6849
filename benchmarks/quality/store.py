"""Results on disk: one file a case under a name made of all that it depends on, so that a broken-off run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import report
from models.shelf.held import hashed
from models.whole import replacing
from realtime.frame import RealtimeError
from realtime.people import identities

# What only shows results changes none.
_REPORTING = frozenset({"ablation", "command", "compare", "figures", "folders", "page", "plots", "session", "store"})
_ROOT = Path(__file__).resolve().parents[2]


def key(parts: Mapping[str, Any]) -> str:
    """A name for a result: the sha256 of plain data, of which the order of keys says nothing."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def code() -> str:
    """The sha256 of everything that a result is made with: the loop, the models, the measures and the packages under them."""
    digest = hashlib.sha256()
    for folder in ("models", "realtime", "benchmarks/quality"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            if path.stem not in _REPORTING:
                digest.update(path.relative_to(_ROOT).as_posix().encode() + path.read_bytes())
    digest.update(json.dumps(report.versions()).encode())
    return digest.hexdigest()


def load(folder: Path | None, name: str) -> dict[str, Any] | None:
    """A stored result, or None where there is none that can be read."""
    path = folder / f"{name}.json" if folder else None
    if path is None or not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return None
    return found if isinstance(found, dict) else None


def save(folder: Path | None, name: str, result: Mapping[str, Any]) -> None:
    """Store a result, whole or not at all; nothing without a folder.  Raises RealtimeError."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RealtimeError(f"The folder {folder} cannot be made: {error.strerror}; give another --resume.") from None
    write(folder / f"{name}.json", json.dumps(result))


def write(path: Path, text: str) -> None:
    """Put a text file in place in one step; raises RealtimeError where it cannot be written."""
    try:
        with replacing(path, None) as file:
            file.write(text.encode())
    except OSError as error:
        raise RealtimeError(f"{path} cannot be written: {error.strerror}.") from None


def digest(path: Path) -> str:
    """The sha256 of a file, or of the identity where it is the name of somebody enrolled."""
    kept = path if path.is_file() else identities.folder() / f"{path.name}.npz"
    return hashed(kept) if kept.is_file() else str(path)


__all__ = ["code", "digest", "key", "load", "save", "write"]
