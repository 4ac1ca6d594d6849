"""The photos of a data folder and whom they show, for the layouts that face data comes in; photos are also read out of .tar files.

LFW, VGGFace2, CelebA, CelebA-HQ, FFHQ and UTKFace are known by their folders' and files' names; of anything else, a folder with
several folders in it has one person in each, and a flat one is of unknown people.
"""

from __future__ import annotations

import re
import stat
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from os import walk
from pathlib import Path

from models.network import NetworkError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_PACKED = (".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
# What lies beside photos and is none: masks of CelebAMask-HQ, what macOS puts into archives.
_PASSED = {"CelebAMask-HQ-mask-anno", "__MACOSX"}
_IDENTITY, _MAPPING = "identity_CelebA.txt", "CelebA-HQ-to-CelebA-mapping.txt"
_KNOWN = {
    "FFHQ": re.compile(r"(?:^|/)(?P<form>images1024x1024|in-the-wild-images|thumbnails128x128)/(?:\d{5}/)?\d{5}\.(?:png|jpg)$"),
    "CelebA-HQ": re.compile(r"(?:^|/)CelebA-HQ-img/(?P<number>\d+)\.(?:jpg|png)$"),
    "CelebA": re.compile(r"(?:^|/)(?P<form>img_align_celeba|img_align_celeba_png|img_celeba)/(?P<number>\d{6})\.(?:jpg|png)$"),
    "VGGFace2": re.compile(r"(?:^|/)(?P<person>n\d{6})/\d{4}_\d{2}\.jpg$"),
    "LFW": re.compile(r"(?:^|/)(?P<person>[^/]+)/(?P=person)_\d{4}\.(?:jpg|png)$"),
    "UTKFace": re.compile(r"(?:^|/)(?P<age>\d{1,3})(?:_\d)*_+\d{14,17}\.jpg(?:\.chip\.jpg)?$"),
}
# The same photos come in several forms; the first one that is there is taken.
_FORMS = {
    "FFHQ": ("images1024x1024", "in-the-wild-images", "thumbnails128x128"),
    "CelebA": ("img_align_celeba_png", "img_align_celeba", "img_celeba"),
}
_GROWN_UP = 18
TERMS = {
    "LFW": "research use",
    "VGGFace2": "research use; the photos remain their owners'",
    "CelebA": "non-commercial research",
    "CelebA-HQ": "non-commercial research",
    "FFHQ": "CC BY-NC-SA 4.0 as a whole, each photo under its own Flickr licence",
    "UTKFace": "non-commercial research",
}
"""What is known of the terms that data in a layout usually comes under; whoever prepares a set has the last word."""


@dataclass(frozen=True, slots=True)
class Item:
    """A photo: `size` bytes from `offset` in the file `path`, which is the photo itself or the tar that it lies in.

    name: its path in the data folder or the tar, parts joined by "/".  label: whom it shows, "" unknown; person: that one's
    number in a set, -1 unknown.
    """

    name: str
    path: Path
    offset: int
    size: int
    label: str = ""
    person: int = -1

    @property
    def place(self) -> str:
        """What tells it from every other photo on this machine."""
        return str(self.path) if self.path.name == self.name.rsplit("/", 1)[-1] else f"{self.path}::{self.name}"

    def read(self) -> bytes:
        """Its bytes.  Raises OSError."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


@dataclass(frozen=True, slots=True)
class Found:
    """items: in the order of their names.  layouts: how many photos were found in each.  left_out: how many were not taken, by reason."""

    items: tuple[Item, ...]
    layouts: Counter[str]
    left_out: Counter[str]


def find(folder: Path, people: bool = True) -> Found:
    """The photos of a data folder.  people: whether folders of unknown layouts are one person each.

    Raises NetworkError where it is no folder, nothing in it is a photo, or a tar or a table of people cannot be read.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise NetworkError(f"{folder} {what}; expected a folder of photos, or of .tar files with photos.")
    folder = folder.resolve()
    photos, packed = [], []
    tables: dict[str, Path] = {name: path for name in (_IDENTITY, _MAPPING) if (path := folder.parent / name).is_file()}
    for path in _files(folder):
        lower = path.name.lower()
        if lower.endswith(".tar"):
            photos += list(_members(path))
        elif lower.endswith(PICTURES):
            photos.append(Item(path.relative_to(folder).as_posix(), path, 0, _size(path)))
        elif lower.endswith(_PACKED):
            packed.append(path)
        elif path.name in (_IDENTITY, _MAPPING):
            tables[path.name] = path
    if not photos:
        hint = f"; unpack {packed[0].name} first, only plain .tar files are read as they are" if packed else ""
        raise NetworkError(f"{folder}: got no photos ({', '.join(PICTURES)}){hint or '; expected a folder with some'}.")
    found = _labelled(folder, sorted(photos, key=lambda item: (item.name, item.path)), tables, people)
    if packed:
        found.left_out["packed archives, not read"] += len(packed)
    return found


def numbered(items: Iterable[Item], people: dict[str, int]) -> list[Item]:
    """The items with the numbers of their people; `people` (label to number) gets those that are new."""
    return [replace(item, person=people.setdefault(item.label, len(people)) if item.label else -1) for item in items]


def _files(folder: Path) -> Iterator[Path]:
    for at, folders, names in walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED and not name.startswith("."))
        yield from (path for path in (Path(at) / name for name in sorted(names) if not name.startswith(".")) if _plain(path))


def _plain(path: Path) -> bool:
    """Whether it is a file: whoever opens a pipe waits for ever.  What cannot be told is counted when its turn comes."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _size(path: Path) -> int:
    """0 for what cannot be read, which is counted when its turn comes."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _members(path: Path) -> Iterator[Item]:
    try:
        with tarfile.open(path, "r:") as file:
            for member in file:
                inside = member.name.removeprefix("./")
                hidden = any(part in _PASSED or part.startswith(".") for part in inside.split("/"))
                if member.isreg() and not hidden and inside.lower().endswith(PICTURES):
                    yield Item(inside, path, member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise NetworkError(f"{path}: got no whole, plain tar file ({error}); get it again, or unpack it.") from error


def _labelled(folder: Path, items: list[Item], tables: dict[str, Path], people: bool) -> Found:
    known = [_known(folder, item) for item in items]
    forms = {layout: next((form for form in order if (layout, form) in _present(known)), "") for layout, order in _FORMS.items()}
    names = _celebrities(tables)
    parents = {item.name.rpartition("/")[0] for item, (layout, _) in zip(items, known, strict=True) if not layout} - {""}
    kept: list[Item] = []
    layouts, left_out = Counter[str](), Counter[str]()
    for item, (layout, parts) in zip(items, known, strict=True):
        if layout in forms and parts["form"] != forms[layout]:
            left_out["the same photo in another form"] += 1
        elif layout == "UTKFace" and int(parts["age"]) < _GROWN_UP:
            left_out[f"under {_GROWN_UP} years old"] += 1
        else:
            parent = item.name.rpartition("/")[0]
            if layout in ("CelebA", "CelebA-HQ"):
                own = names.get(f"hq {parts['number']}" if layout == "CelebA-HQ" else parts["number"], "")
            elif layout:
                own = f"{layout}/{parts['person']}" if "person" in parts else ""
            else:
                own = f"{folder}/{parent}" if people and parent and len(parents) > 1 else ""
            layouts[layout or ("one person a folder" if own else "unknown people")] += 1
            kept.append(replace(item, label=own))
    return Found(tuple(kept), layouts, left_out)


def _known(folder: Path, item: Item) -> tuple[str, dict[str, str]]:
    """The layout that a photo's path is of, "" none, and the parts of the path that it tells."""
    # The folder that was given may itself be the one whose name tells the layout.
    path = f"{folder.name}/{item.name}" if folder in item.path.parents and item.place == str(item.path) else item.name
    for layout, pattern in _KNOWN.items():
        if match := pattern.search(path):
            return layout, match.groupdict()
    return "", {}


def _present(known: list[tuple[str, dict[str, str]]]) -> set[tuple[str, str]]:
    return {(layout, parts["form"]) for layout, parts in known if "form" in parts}


def _celebrities(tables: dict[str, Path]) -> dict[str, str]:
    """Label of each photo of CelebA ("000001") and of CelebA-HQ ("hq 0"), as far as the tables are there: they share their people."""
    if _IDENTITY not in tables:
        return {}
    rows = _table(tables[_IDENTITY], 2, 0)
    names = {file.partition(".")[0]: f"CelebA/{person}" for file, person in rows}
    if _MAPPING in tables:
        # idx orig_idx orig_file
        named = {f"hq {number}": names.get(file.partition(".")[0], "") for number, _, file in _table(tables[_MAPPING], 3, 1)}
        names |= named
    return names


def _table(path: Path, columns: int, titles: int) -> list[list[str]]:
    """The rows of a text table, less its first `titles` lines.  Raises NetworkError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkError(f"{path} cannot be read ({error}).") from error
    rows = []
    for number, line in enumerate(lines[titles:], titles + 1):
        row = line.split()
        if row and len(row) != columns:
            raise NetworkError(f"{path}, line {number}: got {line.strip()!r}, expected {columns} columns; get the file again.")
        rows += [row] if row else []
    return rows


__all__ = ["PICTURES", "TERMS", "Found", "Item", "find", "numbered"]
