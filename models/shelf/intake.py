"""Models coming in: pulled from their publishers, or added from files of the user's own; whole and recognised, or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from models import weights
from models.network import NetworkError
from models.shelf import ledger, outline
from models.shelf.consent import consent
from models.shelf.fetch import Report, fetch, forget
from models.shelf.held import Advance, Held, check_licence, hashed
from models.shelf.ledger import Entry
from models.shelf.licences import commercial
from models.shelf.naming import called
from models.shelf.store import find, present
from models.weights import Licence, Weights

if TYPE_CHECKING:
    from models.families.signature import Kind


def pull(
    name: str,
    accept: Callable[[Weights], bool],
    trust: Callable[[Weights, str], bool],
    sha256: str = "",
    licence: Licence = "any",
    report: Report = lambda progress: None,
    pause: float = 1.0,
) -> Held:
    """Download a model of the table; one that is here already is only checked.

    accept: asked once per model whether its licence is accepted.  trust: asked for weights whose sha256 nobody is known to have
    said, with the one of what came.  sha256: the user's own word for it.  pause: see models.shelf.fetch.
    Raises NetworkError; what came of a download that broke off or was not trusted stays, to be gone on with.
    """
    row = _row(name)
    check_licence(row.name, row.licence, row.commercial, licence)
    expected = _expected(row, sha256)
    if row.name in ledger.load().entries or (row.hashes and present(row)):
        with suppress(NetworkError):
            return find(row.name, licence)
    target = ledger.folder() / row.files[0]
    part = target.with_name(f"{target.name}.part")
    _agree(row, accept)
    with _room(target, row.name):
        if target.exists() and not _ours(row.name, target):
            raise NetworkError(f"{target} is there already, and swapcam did not put it there; move it away.")
        try:
            digest, url = fetch(row.urls, part, expected, row.size, report, pause=pause)
        except NetworkError as error:
            raise NetworkError(f"{row.name} could not be pulled.  {error}") from error
        if digest not in row.hashes:
            _recognised(row, part)
        if digest not in expected and not trust(row, digest):
            again = f"swapcam models pull {row.name} --sha256 {digest}"
            raise NetworkError(f"{row.name} was not taken over; what came is kept, and {again} takes it without loading it again.")
        entry = Entry(target.name, digest, 0, 0, row.role, row.family, "pulled", url, row.licence, row.commercial, digest in expected)
        _enter(row.name, entry, part, target)
        forget(part)
    return find(row.name, licence)


def add(
    file: Path,
    name: str = "",
    family: str | None = None,
    licence: str = "",
    link: bool = False,
    advance: Advance = lambda count: None,
    agreed: Callable[[str], bool] = lambda name: False,
) -> Held:
    """Take over a file of the user's own, recognised by its inputs and outputs, with its sha256 recorded.

    name: what to call it; else what the table calls a file of that hash, else the file's own name.  family: where the file
    leaves it open.  licence: what the user knows of one that the table knows neither by hash nor by name.  link: leave the file
    where it is; else it is put in the folder, without copying where the disk allows it, and stays where it is when it lies there.
    advance: told the bytes read of each block.  agreed: asked for a model with a face in it whether that person agreed.
    Raises NetworkError; then nothing has changed.
    """
    path = file.expanduser().absolute()
    seen = outline.read(path)
    sha256 = hashed(path, advance)
    calling, row = called(path, name, sha256)
    kind = _kind(seen, path, family, row)
    _check_free(calling, sha256)
    inside = path.parent == ledger.folder().absolute()
    target = path if inside or link else ledger.folder() / f"{calling}{path.suffix.lower() or '.onnx'}"
    # What is known of a file, or of what it is called, counts more than what is said of it.
    said = (row.licence, row.commercial) if row else (licence or "unknown", commercial(licence))
    ours = inside and _ours(calling, path)
    origin = "linked" if (inside or link) and not ours else "added"
    where = str(path) if link and not inside else target.name
    entry = Entry(where, sha256, 0, 0, kind.role, kind.family, origin, str(path), *said, True, consent(kind, calling, agreed))
    if target == path:
        _record(calling, entry, path)
    else:
        _take(path, target, calling, entry)
    return find(calling)


def _kind(seen: outline.Outline, path: Path, family: str | None, row: Weights | None) -> Kind:
    from models.families.signature import recognise

    if row and family not in (None, row.family):
        raise NetworkError(f"{row.name} is of the family {row.family}; got --family {family} for {path}: leave it out, or say --name.")
    try:
        return recognise(seen, path.name, row.family if row else family)
    except NetworkError as error:
        hint = f"  If it is another model than {row.name}, choose another name with --name." if row else ""
        raise NetworkError(f"{path}: {error}{hint}") from error


def _take(path: Path, target: Path, name: str, entry: Entry) -> None:
    """Put a file of the user's own in the folder, and note it."""
    with _room(target, name):
        if target.exists() and hashed(target) != entry.sha256:
            raise NetworkError(f"{target} is there already and is something else; choose another name with --name.")
        part = target.with_name(f"{target.name}.adding")
        try:
            _copy(path, part, entry.sha256)
            _enter(name, entry, part, target)
        finally:
            part.unlink(missing_ok=True)


def _row(name: str) -> Weights:
    row = weights.find(name)
    if row is None:
        near = weights.near(name)
        hint = f"did you mean {' or '.join(near)}?" if near else "swapcam models list shows all."
        raise NetworkError(f"There is no model {name} to pull; {hint}")
    if not row.urls:
        raise NetworkError(f"Nobody serves {row.name} ({row.note}): swapcam models add FILE.")
    return row


def _expected(row: Weights, said: str) -> tuple[str, ...]:
    """The hashes that what comes may have: of the bytes that the addresses serve, or what the user says."""
    said = said.strip().lower()
    known = (row.sha256,) if row.sha256 else ()
    if said and not re.fullmatch("[0-9a-f]{64}", said):
        raise NetworkError(f"--sha256 is no sha256; got {said!r}, expected 64 hexadecimal digits.")
    if said and known and said not in known:
        raise NetworkError(f"{row.name} is known by another sha256; got {said}, expected {row.sha256}.")
    return known or ((said,) if said else ())


def _agree(row: Weights, accept: Callable[[Weights], bool]) -> None:
    """Have the licence accepted, once; raises NetworkError without it."""
    if ledger.load().accepted.get(row.name, ("", ""))[0] == row.licence:
        return
    if not accept(row):
        raise NetworkError(f"{row.name} was not pulled, because its licence ({row.licence}) was not accepted.")
    with ledger.changing() as book:
        book.accepted[row.name] = (row.licence, datetime.now(timezone.utc).isoformat(timespec="seconds"))


@contextmanager
def _room(target: Path, name: str) -> Iterator[None]:
    """The folder, made and locked for one model; raises NetworkError where it cannot be written or another has the lock."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with ledger.locked(target.with_name(f".{target.name}.lock")) as free:
            if not free:
                raise NetworkError(f"{name} is being brought in by another program already; wait for it.")
            yield
    except OSError as error:
        hint = "set SWAPCAM_MODELS to another folder, or unset it"
        raise NetworkError(f"{target.parent} cannot be written: {error.strerror or error}; {hint}.") from error


def _ours(name: str, target: Path) -> bool:
    """Whether a file in the folder was put there by us, and may be replaced."""
    entry = ledger.load().entries.get(name)
    return entry is not None and entry.origin in ("pulled", "added") and entry.file == target.name


def _recognised(row: Weights, part: Path) -> None:
    """Raise NetworkError, and delete the part, where it is not of the row's family."""
    from models.families.ports import shown
    from models.families.signature import Kind, fitting

    try:
        seen = outline.read(part)
        if Kind(row.role, row.family) not in fitting(seen.inputs, seen.outputs):
            got = f"got inputs {shown(seen.inputs)} and outputs {shown(seen.outputs)}"
            raise NetworkError(f"What came for {row.name} is another model and was deleted: {got}, expected a {row.role} {row.family}.")
    except NetworkError:
        forget(part)
        raise


def _enter(name: str, entry: Entry, part: Path, target: Path) -> None:
    """Give a whole file its name, and note it."""
    part.replace(target)
    _record(name, entry, target)


def _record(name: str, entry: Entry, path: Path) -> None:
    now = path.stat()
    with ledger.changing() as book:
        book.entries[name] = replace(entry, size=now.st_size, time=now.st_mtime_ns)


def _copy(path: Path, part: Path, sha256: str) -> None:
    """The same bytes under another name, linked where the disk allows it."""
    part.unlink(missing_ok=True)
    # Some systems would link to a symbolic link itself, which leads nowhere from another folder.
    path = path.resolve()
    try:
        os.link(path, part)
    except OSError:
        if path.stat().st_size > shutil.disk_usage(part.parent).free:
            raise NetworkError(f"{path} does not fit in {part.parent}; make room, or leave it where it is with --link.") from None
        shutil.copyfile(path, part)
    if hashed(part) != sha256:
        raise NetworkError(f"{path} changed while it was copied; try again.")


def _check_free(name: str, sha256: str) -> None:
    old = ledger.load().entries.get(name)
    if old and old.sha256 != sha256:
        raise NetworkError(f"{name} is another model here; choose another name with --name, or swapcam models remove {name}.")


__all__ = ["add", "pull"]
