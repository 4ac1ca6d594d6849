"""What a set knows of itself: where its photos came from and under which terms, whom they show, what was dropped and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.network import NetworkError
from models.shelf.ledger import locked
from models.training.data import shards
from models.training.data.layouts import Found, Item, numbered

FORMAT = 1
ABOUT, PEOPLE = "set.json", "people.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """A data folder: its path, the terms its photos come under, and how many were found, by layout, and left out, by reason."""

    folder: str
    terms: str
    layouts: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class About:
    """origins: in the order they came in.  counts: photos kept, and dropped by reason.  pairs: how many there are."""

    origins: tuple[Origin, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    pairs: int = 0

    @property
    def terms(self) -> list[str]:
        """All terms, each once."""
        return list(dict.fromkeys(origin.terms for origin in self.origins))

    @property
    def layouts(self) -> dict[str, int]:
        """How many photos were found in each layout."""
        found = Counter[str]()
        for origin in self.origins:
            found.update(origin.layouts)
        return dict(found)


@contextmanager
def preparing(out: Path) -> Iterator[None]:
    """Hold a set for this process alone, and remove what an earlier one left half-written.

    Raises NetworkError where another process holds it or it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise NetworkError(f"{out} is a file; expected a folder for the set, new or prepared before.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = out / "lock"
        file.touch()
    except OSError as error:
        raise NetworkError(f"{out} cannot be written: {error.strerror or error}.") from error
    with locked(file) as free:
        if not free:
            raise NetworkError(f"{out} is being prepared by another process; wait for it, or end it first.")
        shards.tidy(out / "photos")
        shards.tidy(out / "pairs")
        yield


def about(out: Path) -> About:
    """What set.json says; of a set without one, nothing.  Raises ValueError for a file of another kind."""
    path = out / ABOUT
    if not path.exists():
        return About()
    stored = _json(path)
    if stored.get("format") != FORMAT:
        raise ValueError(f"{path}: got format {stored.get('format')}, expected {FORMAT}; prepare the set with this version of swapcam")
    try:
        return About(tuple(Origin(**origin) for origin in stored["origins"]), dict(stored["counts"]), int(stored["pairs"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: broken, {error!r}; expected what `swapcam train prepare` writes") from error


def add(out: Path, folder: Path, found: Found, terms: str) -> list[Item]:
    """Note a data folder, with its terms, and give its people numbers that stay theirs in this set.

    Raises OSError, ValueError where what was noted before is broken.
    """
    known, path = about(out), out / PEOPLE
    people: dict[str, int] = {label: int(number) for label, number in _json(path).items()} if path.exists() else {}
    items = numbered(found.items, people)
    shards.put(path, people)
    new = Origin(str(folder.resolve()), terms, dict(found.layouts), dict(found.left_out))
    origins = {origin.folder: origin for origin in known.origins} | {new.folder: new}
    keep(out, About(tuple(origins.values()), known.counts, known.pairs))
    return items


def keep(out: Path, known: About) -> None:
    """Write set.json, whole or not at all.  Raises OSError."""
    shards.put(out / ABOUT, {"format": FORMAT, "terms": known.terms, **asdict(known)})


def counted(out: Path) -> About:
    """What set.json says, with everything counted in the shards as they are.  Raises ValueError for a broken shard."""
    counts = Counter[str]()
    for folder in shards.done(out / "photos"):
        counts.update(shards.about(folder, "counts"))
    pairs = sum(int(shards.about(folder, "counts")["kept"]) for folder in shards.done(out / "pairs"))
    return About(about(out).origins, dict(counts.most_common()), pairs)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: got {type(found).__name__}, expected an object")
    return found


__all__ = ["ABOUT", "PEOPLE", "About", "Origin", "about", "add", "counted", "keep", "preparing"]
