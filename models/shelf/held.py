"""What is known of a model that is here: its file and hash, and whether its licence lets it be used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models import weights
from models.network import NetworkError
from models.shelf.ledger import Entry
from models.weights import Licence

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Held:
    """A model that is here and whose hash is what it was.

    role, family: as in models.weights; "" where only its inputs and outputs can tell (a file given by its path).
    commercial: yes, no or unknown.  consent: of the person whose face is in it, as in models.shelf.ledger; "" where none was given.
    """

    name: str
    path: Path
    role: str
    family: str
    licence: str
    commercial: str
    sha256: str
    consent: str = ""


def known_terms(name: str, entry: Entry) -> tuple[str, str]:
    """Licence and commercial use of an entry: as the table has them for its hash or its name, else as the user said."""
    row = weights.by_hash(entry.sha256) or weights.find(name)
    return (row.licence, row.commercial) if row else (entry.licence, entry.commercial)


def check_licence(name: str, licence: str, commercial: str, wanted: Licence) -> None:
    """Raise NetworkError for a model that `models.licence: permissive` refuses."""
    if wanted == "permissive" and commercial != "yes":
        why = "forbids commercial use" if commercial == "no" else "does not say whether it may be used commercially"
        what = f"its licence ({licence}) {why}" if licence != "unknown" else "its licence is not known"
        others = "swapcam models list --licence permissive shows what is not"
        hint = others if weights.find(name) else "say what it is with swapcam models add FILE --licence NAME"
        raise NetworkError(f"{name} is refused under models.licence: permissive, because {what}; {hint}.")


def unchanged(entry: Entry, now: os.stat_result) -> bool:
    """Whether a file is as it was when its hash was compared; a time of 0, which archives give to everything, says nothing."""
    return entry.time != 0 and (now.st_size, now.st_mtime_ns) == (entry.size, entry.time)


def hashed(path: Path, advance: Advance = lambda count: None) -> str:
    """The sha256 of a file in hexadecimal; `advance` is told the bytes of each block.  Raises NetworkError."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                advance(len(block))
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


__all__ = ["Advance", "Held", "check_licence", "hashed", "known_terms", "unchanged"]
