"""The list of models: the table, the user's own, and which of them are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models import weights
from models.shelf import ledger
from models.shelf.held import known_terms, unchanged
from models.shelf.ledger import Entry
from models.shelf.store import place, present
from models.weights import Licence, Weights

State = Literal["here", "unverified", "part", "missing", "not here"]


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the list.

    state: here; unverified: nobody answers for its hash, or it was not compared since the file changed; part: the
    beginning of a download; missing: its file is gone; not here.  size: bytes, None where it is not known.
    """

    name: str
    role: str
    family: str
    size: int | None
    licence: str
    commercial: str
    note: str
    state: State
    path: Path | None


def listing(licence: Licence = "any") -> list[Item]:
    """The table in its order, and after it the user's own; reads no file, so that what was never checked is unverified."""
    known = ledger.load().entries
    items = [_item(row, known.get(row.name)) for row in weights.TABLE]
    own = [(name, entry) for name, entry in known.items() if name not in {row.name for row in weights.TABLE}]
    for name, entry in own:
        state = _state(entry)
        items.append(Item(name, entry.role, entry.family, entry.size, *known_terms(name, entry), "your own", state, place(entry)))
    return [item for item in items if licence == "any" or item.commercial == "yes"]


def _item(row: Weights, entry: Entry | None) -> Item:
    path = place(entry) if entry else present(row)
    state: State = "not here"
    if entry:
        state = _state(entry)
    elif path:
        state = "unverified"
    elif (ledger.folder() / f"{row.files[0]}.part").exists():
        state = "part"
    size = entry.size if entry else row.size
    return Item(row.name, row.role, row.family, size, row.licence, row.commercial, row.note, state, path)


def _state(entry: Entry) -> State:
    path = place(entry)
    if not path.is_file():
        return "missing"
    return "here" if entry.verified and unchanged(entry, path.stat()) else "unverified"


__all__ = ["Item", "State", "listing"]
