"""The folder of models, and the list of what is in it: a JSON file that is replaced in one step and locked while it changes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from models import folders
from models.network import NetworkError
from models.whole import replacing

VERSION = 1
_LIST = "swapcam.json"
_log = logging.getLogger("models")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that is known to be here.

    file: its name in the folder, or a whole path elsewhere.  size, time: bytes and time of change (ns) when sha256 was last checked;
    a time of 0 is never taken for checked.
    origin: pulled, added, linked (stays where the user has it), or found (somebody else put it in the folder).  source: where it came from.
    commercial: yes, no or unknown.  verified: whether somebody answers for sha256: the table, or the user, who said it or added
    the file; not for one that was only shown and trusted.
    consent: of a model with somebody's face in it, when (ISO 8601, UTC) and what was stated about their agreement.
    """

    file: str
    sha256: str
    size: int
    time: int
    role: str
    family: str
    origin: str
    source: str
    licence: str
    commercial: str
    verified: bool
    consent: str = ""


@dataclass(slots=True)
class Ledger:
    """Entries by name, and the licences that were accepted: name -> licence, date (ISO 8601, UTC).

    files: what was read on this machine, in our own list alone: whole path -> sha256, size and time of change (ns) at that time.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    accepted: dict[str, tuple[str, str]] = field(default_factory=dict)
    files: dict[str, tuple[str, int, int]] = field(default_factory=dict)


def home() -> Path:
    """Where our own models are: $SWAPCAM_HOME, else the platform's folder for user data; `models` in it."""
    return folders.own("models")


def folder() -> Path:
    """Where models are looked for and put: $SWAPCAM_MODELS, else our own folder."""
    other = os.environ.get("SWAPCAM_MODELS")
    return Path(other).expanduser() if other else home()


def ours() -> bool:
    """Whether the list lies among our own, where nobody brings one from elsewhere."""
    return _path().parent == home()


def load(own: bool = False) -> Ledger:
    """The list; an empty one where there is none.  A damaged one is set aside, and said so once in the log of `models`.

    own: the one among our own, whatever folder is used.
    Raises NetworkError for one that cannot be read or that a newer version wrote.
    """
    path = home() / _LIST if own else _path()
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")), path)
    except FileNotFoundError:
        return Ledger()
    except OSError as error:
        raise NetworkError(f"The list of models {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        aside = path.with_name(f"{path.name}.damaged")
        with suppress(OSError):
            path.replace(aside)
        again = "models are found again by their file names, and your own are to be added again (swapcam models add FILE)"
        _log.warning("The list of models was damaged (%s) and is now %s; %s.", str(error).splitlines()[0], aside, again)
        return Ledger()


@contextmanager
def changing(own: bool = False) -> Iterator[Ledger]:
    """The list to be changed, see load; stored at the end, where nothing failed.  Raises NetworkError."""
    path = home() / _LIST if own else _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{path.name}.lock"), wait=10.0) as free:
            if not free:
                raise NetworkError(f"Another program is changing the list of models {path}; try again.")
            ledger = load(own)
            yield ledger
            _write(path, ledger)
    except OSError as error:
        raise NetworkError(f"The list of models {path} cannot be written: {error.strerror or error}.") from error


@contextmanager
def locked(path: Path, wait: float = 0.0) -> Iterator[bool]:
    """Hold a lock file against other programs and threads; False where another holds it for `wait` seconds.

    The system frees it when the program ends, however that happens; the empty file stays.
    """
    with path.open("a+b") as file:
        end = time.monotonic() + wait
        while not (free := _take(file)) and time.monotonic() < end:
            time.sleep(0.05)
        yield free


def _take(file: IO[bytes]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            windows: Any = msvcrt
            windows.locking(file.fileno(), windows.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        # A file system without locks.
        return True
    return True


def _path() -> Path:
    """The list lies in the folder, or among our own where that one cannot be written."""
    place = folder()
    if place == home() or not place.exists() or os.access(place, os.W_OK):
        return place / _LIST
    return home() / f"{hashlib.sha256(str(place.absolute()).encode()).hexdigest()[:12]}.json"


def _parse(stored: dict[str, Any], path: Path) -> Ledger:
    if int(stored["version"]) > VERSION:
        raise NetworkError(f"{path} has format {stored['version']}; this version of swapcam reads format {VERSION}: update it.")
    names, files = {part.name for part in fields(Entry)}, stored.get("files", {})
    entries = {name: Entry(**{key: value for key, value in entry.items() if key in names}) for name, entry in stored["models"].items()}
    for name, entry in entries.items():
        if not isinstance(entry.file, str) or not isinstance(entry.sha256, str) or not isinstance(entry.size, int):
            raise TypeError(f"got {entry} for {name}, expected a file, a hash and a size")
        # Whatever lies elsewhere is noted with its whole path.
        if not Path(entry.file).is_absolute() and (Path(entry.file).name != entry.file or entry.file in ("", "..")):
            raise ValueError(f"got the file {entry.file!r} for {name}, expected a name in the folder or a whole path")
    accepted = {name: (licence, date) for name, (licence, date) in stored["accepted"].items()}
    return Ledger(entries, accepted, {file: (str(sha256), int(size), int(time)) for file, (sha256, size, time) in files.items()})


def _write(path: Path, ledger: Ledger) -> None:
    stored = {
        "version": VERSION,
        "models": {name: asdict(entry) for name, entry in sorted(ledger.entries.items())},
        "accepted": dict(sorted(ledger.accepted.items())),
        "files": dict(sorted(ledger.files.items())),
    }
    # Nothing in it is private, and others may share the folder.
    with replacing(path, 0o644) as file:
        file.write(json.dumps(stored, indent=1, ensure_ascii=False).encode())


__all__ = ["Entry", "Ledger", "changing", "folder", "home", "load", "locked"]
