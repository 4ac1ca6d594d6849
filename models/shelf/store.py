"""Models that are here: found by name with their hash checked, verified and removed."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from models import weights
from models.network import NetworkError
from models.shelf import ledger, loose
from models.shelf.held import Advance, Held, check_licence, hashed, known_terms, unchanged
from models.shelf.ledger import Entry
from models.weights import Licence, Weights


@dataclass(frozen=True, slots=True)
class Check:
    """What verifying one model found: ok, changed (got is not what was expected), or missing."""

    name: str
    path: Path
    state: Literal["ok", "changed", "missing"]
    got: str
    expected: tuple[str, ...]


def locate(name: str, licence: Licence = "any") -> Path:
    """The file of a model: of a name of the table, of a name that the user gave to a file, or of a path to a file.

    licence: permissive refuses what may not be used commercially or does not say.  Raises NetworkError with what to do.
    """
    return find(name, licence).path


def find(name: str, licence: Licence = "any") -> Held:
    """The same with what is known of it.  Its sha256 is compared once, and again where size or time of change differ."""
    known = ledger.load().entries
    row = weights.find(name)
    key = name if name in known or row is None else row.name
    if key not in known and row is None and loose.is_path(name):
        path = Path(name).expanduser().absolute()
        # What the list has is held to its hash, by whichever way it is named.
        key = next((called for called, entry in known.items() if place(entry).absolute() == path), "")
        if not key:
            return loose.held(path, licence, known)
    entry = known.get(key) or (_found(row) if row else None)
    if entry is None:
        raise NetworkError(_absent(name, row, licence, tuple(known)))
    terms = known_terms(key, entry)
    check_licence(key, *terms, licence)
    path = place(entry)
    entry = _checked(key, entry, path)
    return Held(key, path, entry.role, entry.family, *terms, entry.sha256, entry.consent)


def place(entry: Entry) -> Path:
    """Where the file of an entry is."""
    return ledger.folder() / entry.file


def present(row: Weights) -> Path | None:
    """The file of a row in the folder, by any of the names it goes by."""
    return next((path for name in row.files if (path := ledger.folder() / name).is_file()), None)


def verify(names: tuple[str, ...] = (), advance: Advance = lambda count: None) -> list[Check]:
    """Read every model that is here, or these, and compare its hash; raises NetworkError for a name that is not here."""
    known = dict(ledger.load().entries)
    for row in weights.TABLE:
        if row.name not in known and (entry := _found(row)):
            known[row.name] = entry
    keys = [found.name if (found := weights.find(name)) and name not in known else name for name in names]
    for name, key in zip(names, keys, strict=True):
        if key not in known:
            raise NetworkError(_absent(name, weights.find(name), "any", tuple(known)))
    return [_verified(name, known[name], advance) for name in keys or known]


def remove(name: str) -> Path | None:
    """Forget a model and delete its file; None where the file is not ours to delete (--link, or somebody else put it there)."""
    row = weights.find(name)
    with ledger.changing() as book:
        key = name if name in book.entries or row is None else row.name
        entry = book.entries.get(key)
        if entry is None:
            theirs = present(row) if row else None
            if theirs:
                raise NetworkError(f"{theirs} was not put there by swapcam; delete it yourself.")
            raise NetworkError(f"{name} is not here{_nearly(name, tuple(book.entries))}.")
        path = place(entry)
        ours = entry.origin in ("pulled", "added") and Path(entry.file).name == entry.file
        if ours:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise NetworkError(f"{path} cannot be deleted: {error.strerror or error}.") from error
        del book.entries[key]
    return path if ours else None


def _found(row: Weights) -> Entry | None:
    """An entry for a file of the table that somebody put in the folder; never checked yet (size -1, which no file has)."""
    path = present(row)
    if path is None:
        return None
    what = (row.role, row.family, "found", str(path), row.licence, row.commercial, bool(row.hashes))
    return Entry(path.name, row.sha256, -1, 0, *what)


def _checked(name: str, entry: Entry, path: Path) -> Entry:
    """The entry, its hash compared where that was not done since the file changed, or not on this machine; raises NetworkError."""
    try:
        now = path.stat()
    except OSError as error:
        raise NetworkError(f"{path}, the file of {name}, is gone; {_again(name, path, False)}.") from error
    expected = _expected(name, entry)
    if unchanged(entry, now) and entry.sha256 in expected and (ledger.ours() or loose.noted(path.absolute()) == entry.sha256):
        return entry
    if not expected:
        how = f"look where it comes from, then: swapcam models add {path}"
        raise NetworkError(f"{path} has the name of {name}, but nobody is known to have said its sha256; {how}.")
    got, theirs = hashed(path), entry.origin == "found"
    if got not in expected:
        where = f"{path}, the file of {name}, is not what it should be"
        raise NetworkError(f"{where}; got sha256 {got}, expected {' or '.join(expected)}; {_again(name, path, theirs)}.")
    return _remembered(name, entry, got, now)


def _remembered(name: str, entry: Entry, sha256: str, now: os.stat_result) -> Entry:
    """The entry with a hash that was compared; where nothing can be written, it is compared every time."""
    entry = replace(entry, sha256=sha256, size=now.st_size, time=now.st_mtime_ns)
    with suppress(NetworkError), ledger.changing() as book:
        book.entries[name] = entry
    return entry


def _expected(name: str, entry: Entry) -> tuple[str, ...]:
    """Hashes that the file of an entry may have: what the table knows of its own, else the one that it had."""
    row = weights.find(name)
    own = entry.origin in ("added", "linked")
    return row.hashes if row and not own and (row.hashes or entry.size < 0) else (entry.sha256,)


def _verified(name: str, entry: Entry, advance: Advance) -> Check:
    path, expected = place(entry), _expected(name, entry)
    if not path.is_file():
        return Check(name, path, "missing", "", expected)
    now, got = path.stat(), hashed(path, advance)
    if got in expected and not unchanged(entry, now):
        _remembered(name, entry, got, now)
    return Check(name, path, "ok" if got in expected else "changed", got, expected)


def _absent(name: str, row: Weights | None, licence: Licence, own: tuple[str, ...]) -> str:
    if row is None:
        return f"There is no model {name}{_nearly(name, own)}; swapcam models list shows all."
    check_licence(row.name, row.licence, row.commercial, licence)
    if not row.urls:
        return f"{row.name} is not here, and nobody serves it ({row.note}): swapcam models add FILE."
    size = f"{row.size / 1e6:.0f} MB, " if row.size else ""
    needed = [need for need in map(weights.find, row.needs) if need and need.name not in own and not present(need)]
    names = " ".join(one.name for one in (row, *needed))
    return f"{row.name} is not here: swapcam models pull {names} ({size}licence {row.licence})."


def _nearly(name: str, own: tuple[str, ...]) -> str:
    found = weights.near(name, own)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _again(name: str, path: Path, theirs: bool) -> str:
    """What to do about a file that is gone or other than it should be; theirs: somebody else put it in the folder."""
    row = weights.find(name)
    pull = f"swapcam models pull {row.name}" if row and row.urls else ""
    if theirs:
        return f"move it away{f' and {pull}' if pull else ''}, or, if you know it to be right, swapcam models add {path} --name {name}"
    return pull or f"swapcam models remove {name}, and add it again"


__all__ = ["Check", "Held", "check_licence", "find", "hashed", "locate", "place", "present", "remove", "verify"]
