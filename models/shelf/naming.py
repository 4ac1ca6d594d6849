"""What models are called here: by the table where it knows them, else by the user, in names that work everywhere."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from models import folders, weights
from models.network import NetworkError
from models.weights import Weights

# What settings say in the place of a model's name.
_WORDS = {"mesh", "neural", "mediapipe", "none", "auto"}


def called(path: Path, name: str, sha256: str) -> tuple[str, Weights | None]:
    """What a file is called here, and the row of the table that it is by its hash, or else by that name.

    name: what the user calls it; "": as the table does, or as the file.  Raises NetworkError.
    """
    own = weights.by_hash(sha256)
    plain = _checked(name or (own.name if own else _slug(path.stem)))
    named = weights.find(plain)
    if own and named and own is not named:
        raise NetworkError(f"{path} is {own.name}, as its sha256 says, and cannot be called {named.name}; choose another name with --name.")
    return named.name if named else plain, own or named


def _checked(name: str) -> str:
    """The name as it is stored; raises NetworkError for one that cannot be a file name everywhere."""
    plain = unicodedata.normalize("NFC", name)
    if not folders.fits(plain) or folders.reserved(plain) or folders.too_long(plain):
        rule = f"letters, digits, - _ and . (none of . - first, no . last), at most {folders.LONGEST}, and none that Windows keeps"
        raise NetworkError(f"{name!r} cannot be a name; expected {rule}.")
    if plain.lower() in _WORDS:
        raise NetworkError(f"{name!r} cannot be a name, because settings mean something built-in by it; choose another one with --name.")
    return plain


def _slug(stem: str) -> str:
    return re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", stem)).strip("._-")[:60] or "model"


__all__ = ["called"]
