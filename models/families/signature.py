"""Which role and family a model file is of, by what goes in and comes out, and where that leaves several, by what else it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.families import detectors, enhancers, masks, points, recognisers, swappers
from models.families.ports import shown
from models.families.sources import Embedding
from models.network import NetworkError, Port
from models.shelf.outline import Outline

_MODULES = (detectors, points, recognisers, swappers, masks, enhancers)


@dataclass(frozen=True, slots=True)
class Kind:
    """A role and the name of a family of it; see models.weights."""

    role: str
    family: str


def known() -> tuple[Kind, ...]:
    """Every role and family that there is code for."""
    return tuple(dict.fromkeys(Kind(row.role, row.name) for row in _rows()))


def fitting(inputs: Sequence[Port], outputs: Sequence[Port]) -> tuple[Kind, ...]:
    """Every role and family that these ports fit."""
    return tuple(dict.fromkeys(Kind(row.role, row.name) for row in _rows() if row.fits(tuple(inputs), tuple(outputs))))


def recognise(outline: Outline, hint: str = "", family: str | None = None) -> Kind:
    """The role and family of a file.

    family: what the user says it is.  hint: its file name; that, and whether the last weight is the matrix for faces that some
    swappers carry, decide where ports leave several.  Raises NetworkError: got, expected, and what to do.
    """
    kinds = fitting(outline.inputs, outline.outputs)
    got = f"got inputs {shown(outline.inputs)} and outputs {shown(outline.outputs)}"
    if not kinds:
        raise NetworkError(f"This is no model that swapcam can use: {got}, expected those of one of {_names(known())}.")
    if family is not None:
        named = [kind for kind in kinds if kind.family == family]
        if not named:
            where = _names(kinds) if family in {kind.family for kind in known()} else _names(known())
            raise NetworkError(f"This is no model of the family {family}: {got}, expected one of {where}.")
        return named[0]
    left = _alike(_by_matrix(_by_name(kinds, hint), outline))
    if len(left) > 1:
        raise NetworkError(f"Inputs and outputs leave it open what this is; say so with --family, one of {_names(left)}.")
    return left[0]


def _rows() -> list[Any]:
    return [row for module in _MODULES for row in module.FAMILIES]


def _by_matrix(kinds: Sequence[Kind], outline: Outline) -> Sequence[Kind]:
    """Of several swappers, those that use the matrix (512, 512) which a file carries last, or else those that do without."""
    uses = {row.name: isinstance(row.source, Embedding) and row.source.emap for row in swappers.FAMILIES}
    carries = outline.last == (512, 512)
    left = [kind for kind in kinds if kind.role != "swapper" or uses[kind.family] == carries]
    return left or kinds


def _by_name(kinds: Sequence[Kind], hint: str) -> Sequence[Kind]:
    """Those whose name begins as a part of the file's does."""
    plain = "".join(letter for letter in hint.lower() if letter.isalnum())
    return [kind for kind in kinds if kind.family.split("_")[0] in plain] or kinds


def _alike(kinds: Sequence[Kind]) -> Sequence[Kind]:
    """Families that differ in nothing but their names are one."""
    rows = [next(row for row in _rows() if (row.role, row.name) == (kind.role, kind.family)) for kind in kinds]
    same = all(type(row) is type(rows[0]) and replace(row, name="") == replace(rows[0], name="") for row in rows)
    return kinds[:1] if same else kinds


def _names(kinds: Sequence[Kind]) -> str:
    return ", ".join(dict.fromkeys(kind.family for kind in kinds))


__all__ = ["Kind", "fitting", "known", "recognise"]
