"""Identities: faces that somebody agreed to lend, kept in one file each in the user's own data folder."""

from __future__ import annotations

import difflib
import io
import json
import unicodedata
import zipfile
import zlib
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models import folders
from models.whole import replacing
from realtime.frame import RealtimeError

if TYPE_CHECKING:
    from models.mesh.atlas import Atlas
    from models.portrait import Portrait

VERSION = 2
# Files of version 1 have no portraits.
_READ = (1, 2)
STATEMENT = "The person in these photos agreed to their face being used by me in video calls and recordings with swapcam."
_ENDING = ".npz"
_LARGEST = 64 << 20
_PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif")


@dataclass(frozen=True, slots=True)
class Consent:
    """What was stated about the person's agreement, and when (ISO 8601, UTC)."""

    statement: str
    date: str

    @classmethod
    def now(cls, statement: str = STATEMENT) -> Consent:
        """The statement, made at this moment."""
        return cls(statement, datetime.now(timezone.utc).isoformat(timespec="seconds"))


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """A photo that went into an identity: its file name without folders, and the sha256 of the file in hexadecimal."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A face that can be put on; consent is None only where it was made from a photo for one run and never stored.

    portraits: for models that read who it is from pictures; () in a file that an earlier version of swapcam stored.
    """

    name: str
    atlas: Atlas
    consent: Consent | None
    photos: tuple[PhotoRecord, ...]
    portraits: tuple[Portrait, ...] = ()


def folder() -> Path:
    """Where identities are: $SWAPCAM_HOME, else the platform's folder for user data; `identities` in it."""
    return folders.own("identities")


def check_name(name: str) -> str:
    """The name as it is stored; raises RealtimeError for one that cannot be a file name everywhere or looks like a photo."""
    plain = unicodedata.normalize("NFC", name)
    if not folders.fits(plain):
        raise RealtimeError(f"{name!r} cannot be a name; expected letters, digits, - _ and . (none of . - first, no . last).")
    if folders.too_long(plain):
        raise RealtimeError(f"The name is {len(plain.encode())} bytes long; expected at most {folders.LONGEST}.")
    if folders.reserved(plain):
        raise RealtimeError(f"{name!r} cannot be a name, because Windows keeps it for devices; choose another.")
    if plain.lower().endswith(_PHOTOS):
        raise RealtimeError(f"{name!r} looks like the name of a photo file; choose a name without its ending.")
    return plain


def place(name: str) -> Path:
    """The file that a name has, or would have; raises RealtimeError for what cannot be a name."""
    return folder() / f"{check_name(name)}{_ENDING}"


def names() -> list[str]:
    """Everybody enrolled, sorted."""
    try:
        return sorted(path.name.removesuffix(_ENDING) for path in folder().iterdir() if _is_stored(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RealtimeError(f"The identities in {folder()} cannot be listed: {error.strerror}.") from error


def _is_stored(path: Path) -> bool:
    return path.name.endswith(_ENDING) and not path.name.startswith(".") and path.is_file()


def save(identity: Identity, overwrite: bool = False) -> Path:
    """Store an identity, whole or not at all; the path of its file, which only its owner may read.

    Raises RealtimeError for one without consent, a bad or taken name, and a folder or disk that cannot be written.
    """
    name = check_name(identity.name)
    if identity.consent is None or not identity.consent.statement.strip():
        raise RealtimeError(f"{name} is not stored, because nobody confirmed that the person agreed.")
    path = folder() / f"{name}{_ENDING}"
    if path.exists() and not overwrite:
        raise RealtimeError(f"{name} is enrolled already; choose another name, or replace it with --overwrite.")
    facts = {
        "version": VERSION,
        "name": name,
        "consent": asdict(identity.consent),
        "photos": [asdict(photo) for photo in identity.photos],
    }
    data = io.BytesIO()
    arrays: dict[str, Any] = {f"atlas_{key}": value for key, value in identity.atlas.arrays().items()}
    for number, portrait in enumerate(identity.portraits):
        arrays |= {f"portrait_{number}_image": portrait.image, f"portrait_{number}_landmarks": portrait.landmarks}
    np.savez_compressed(data, facts=np.array(json.dumps(facts, ensure_ascii=False)), **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(data.getvalue())
    except OSError as error:
        raise RealtimeError(f"{name} cannot be stored in {path.parent}: {error.strerror or error}.") from error
    return path


def load(name: str) -> Identity:
    """The identity stored under a name; raises RealtimeError for an unknown name or a file that is damaged or foreign."""
    path = _path(name)
    try:
        return _read(path)
    except PermissionError as error:
        raise RealtimeError(f"{path} may not be read; change its permissions.") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        reason = f"{path} is damaged or no identity of swapcam ({_reason(error)})"
        raise RealtimeError(f"{reason}; enrol {name} again with --overwrite.") from error


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _read(path: Path) -> Identity:
    from models.mesh.atlas import Atlas
    from models.portrait import Portrait

    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > _LARGEST:
        raise ValueError(f"got {size} bytes, expected at most {_LARGEST}")
    with np.load(path, allow_pickle=False) as stored:
        if "facts" not in stored:
            raise ValueError("got no facts about the person in it, expected them")
        facts = json.loads(str(stored["facts"]))
        if facts["version"] not in _READ:
            raise RealtimeError(f"{path} has format {facts['version']}; this version of swapcam reads formats 1 and {VERSION}.")
        atlas = Atlas.from_arrays({key.removeprefix("atlas_"): stored[key] for key in stored.files if key.startswith("atlas_")})
        count = sum(key.startswith("portrait_") and key.endswith("_image") for key in stored.files)
        portraits = tuple(Portrait(stored[f"portrait_{n}_image"], stored[f"portrait_{n}_landmarks"]) for n in range(count))
    consent = Consent(**facts["consent"])
    photos = tuple(PhotoRecord(**photo) for photo in facts["photos"])
    # The file's own name counts: people rename files.
    return Identity(path.name.removesuffix(_ENDING), atlas, consent, photos, portraits)


def remove(name: str) -> None:
    """Delete an identity; raises RealtimeError for an unknown name or a file that cannot be deleted."""
    path = _path(name)
    try:
        path.unlink()
    except OSError as error:
        raise RealtimeError(f"{path} cannot be deleted: {error.strerror}.") from error


def _path(name: str) -> Path:
    """The file of a name that is there."""
    path = folder() / f"{check_name(name)}{_ENDING}"
    if path.is_file():
        return path
    known = names()
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif known:
        hint = f"enrolled: {', '.join(known)}."
    else:
        hint = "nobody is enrolled yet (swapcam enrol NAME photo.jpg)."
    raise RealtimeError(f"Nobody named {name} is enrolled; {hint}")
