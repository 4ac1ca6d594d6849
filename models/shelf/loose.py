"""Files that the user names by their path: what is known of them by their hash, which is computed once and noted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from models import weights
from models.network import NetworkError
from models.shelf import ledger, outline
from models.shelf.held import Held, check_licence, hashed, known_terms
from models.shelf.ledger import Entry
from models.weights import Licence

_ENDINGS = (".onnx", ".dfm")


def is_path(name: str) -> bool:
    """Whether a name is that of a file."""
    return name.lower().endswith(_ENDINGS) or os.sep in name or "/" in name or name.startswith("~")


def held(path: Path, licence: Licence, known: Mapping[str, Entry]) -> Held:
    """What the table, or the user when adding it, said of a file with the same hash; else what its inputs and outputs say.

    path: whole.  known: the list's entries.  Raises NetworkError, also for a file that goes by a name of the table and is another.
    """
    role, family = _seen(path)
    sha256 = noted(path)
    row = weights.by_hash(sha256)
    added = {name: entry for name, entry in known.items() if entry.sha256 == sha256}
    consent = next((entry.consent for entry in added.values() if entry.consent), "")
    terms = ("unknown", "unknown")
    if row:
        role, family, terms = row.role, row.family, (row.licence, row.commercial)
    elif added:
        name, entry = next(iter(added.items()))
        role, family, terms = entry.role, entry.family, known_terms(name, entry)
    else:
        _check_name(path, sha256)
    check_licence(path.name, *terms, licence)
    return Held(path.stem, path, role, family, *terms, sha256, consent)


def noted(path: Path) -> str:
    """The sha256 of a file, computed once and noted among our own; again where size or time of change differ.

    path: whole.  A time of 0 is never noted for; where nothing can be written, it is computed every time.  Raises NetworkError.
    """
    try:
        now = path.stat()
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}.") from error
    sha256, *then = ledger.load(own=True).files.get(str(path), ("", 0, 0))
    if now.st_mtime_ns != 0 and then == [now.st_size, now.st_mtime_ns]:
        return sha256
    sha256 = hashed(path)
    with suppress(NetworkError), ledger.changing(own=True) as book:
        book.files = {name: note for name, note in book.files.items() if Path(name).exists()}
        book.files[str(path)] = (sha256, now.st_size, now.st_mtime_ns)
    return sha256


def _check_name(path: Path, sha256: str) -> None:
    """Raise NetworkError where a file goes by a name of the table, whose hash is known and another."""
    row = next((row for row in weights.TABLE if row.hashes and path.name.lower() in map(str.lower, row.files)), None)
    if row:
        what = f"{path} has the name of {row.name} and is another file; got sha256 {sha256}, expected {' or '.join(row.hashes)}"
        raise NetworkError(f"{what}: swapcam models pull {row.name}, or, if you know it to be right, swapcam models add {path}.")


def _seen(path: Path) -> tuple[str, str]:
    """The role and family of a file by its inputs and outputs; "" where they leave that open."""
    from models.families.signature import fitting, recognise

    seen = outline.read(path)
    try:
        kind = recognise(seen, path.name)
    except NetworkError as error:
        if not fitting(seen.inputs, seen.outputs):
            raise NetworkError(f"{path}: {error}") from error
        return "", ""
    return kind.role, kind.family


__all__ = ["held", "is_path", "noted"]
