"""Folders of faces as people have them: LFW, CelebA-HQ and FaceForensics++ as they are distributed, and plain ones."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from realtime.frame import Image, RealtimeError
from realtime.sources.photo import read_photo

PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
CLIPS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif"})

Person = Sequence[Callable[[], Image]]
"""A person's photos, each read when it is called."""


@dataclass(frozen=True)
class Folder:
    """What a folder holds.

    layout: lfw, celeba-hq, faceforensics or plain.  clips, photos: files, sorted, whoever they show.
    people: files of each person by name, where the layout tells.  pairs: (target, source) files that belong together.
    """

    layout: str
    clips: tuple[Path, ...] = ()
    photos: tuple[Path, ...] = ()
    people: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    pairs: tuple[tuple[Path, Path], ...] = ()


def read(folder: Path) -> Folder:
    """What a folder holds; raises RealtimeError for one that is missing, unreadable or without photos and clips."""
    if not folder.is_dir():
        raise RealtimeError(f"There is no folder {folder}; check the name.")
    found = _faceforensics(folder) or _celeba(folder) or _lfw(folder) or _plain(folder)
    if not found.clips and not found.photos:
        raise RealtimeError(f"{folder} holds no photos and no clips; expected files such as name.jpg and clip.mp4.")
    return found


def labelled(places: Iterable[Path]) -> dict[str, Person]:
    """The photos of named people in folders laid out like LFW or CelebA-HQ, and in tar files of Name/photo.jpg.

    A tar file is read once for its names, and again only where a photo is wanted.  Raises RealtimeError.
    """
    people: dict[str, list[Callable[[], Image]]] = {}
    for place in places:
        if place.suffix == ".tar":
            for name, reader in _tarred(place):
                people.setdefault(name, []).append(reader)
            continue
        found = read(place)
        if not found.people:
            expected = "Name/Name_0001.jpg, or CelebA-HQ with its identity file"
            raise RealtimeError(f"{place} does not say who its people are; expected {expected}.")
        for name, files in found.people.items():
            people.setdefault(name, []).extend(partial(read_photo, file) for file in files)
    return {name: tuple(readers) for name, readers in people.items()}


def _files(folder: Path, endings: frozenset[str]) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in endings and path.is_file()))


def _plain(folder: Path) -> Folder:
    photos = _files(folder, PHOTOS)
    return Folder("plain", _files(folder, CLIPS), photos, {})


def _lfw(folder: Path) -> Folder | None:
    """Name/Name_0001.jpg, the folders below this one or below its only folder `lfw`."""
    root = folder / "lfw" if (folder / "lfw").is_dir() else folder
    people = {path.name: _files(path, PHOTOS) for path in sorted(root.iterdir()) if path.is_dir()}
    people = {name: files for name, files in people.items() if files}
    if not people or _files(root, PHOTOS) or _files(root, CLIPS):
        return None
    return Folder("lfw", (), tuple(file for files in people.values() for file in files), people)


def _celeba(folder: Path) -> Folder | None:
    """0.jpg to 29999.jpg, flat or in CelebA-HQ-img; the identity file, where there is one, has lines `12.jpg 345`."""
    root = folder / "CelebA-HQ-img" if (folder / "CelebA-HQ-img").is_dir() else folder
    photos = _files(root, PHOTOS)
    if not photos or not all(path.stem.isdecimal() for path in photos):
        return None
    photos = tuple(sorted(photos, key=lambda path: int(path.stem)))
    people: dict[str, list[Path]] = {}
    by_name = {path.name: path for path in photos}
    for file in sorted({*folder.glob("*identity*.txt"), *root.glob("*identity*.txt")}):
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, person = line.strip().partition(" ")
            if name in by_name and person:
                people.setdefault(person.strip(), []).append(by_name[name])
    return Folder("celeba-hq", (), photos, {name: tuple(files) for name, files in people.items()})


def _faceforensics(folder: Path) -> Folder | None:
    """original_sequences/youtube/c23/videos/000.mp4; manipulated ones called 000_003.mp4 say that 003's face goes on 000."""
    originals = folder / "original_sequences"
    if not originals.is_dir():
        return None
    clips = {path.stem: path for path in sorted(originals.glob("*/*/videos/*")) if path.suffix.lower() in CLIPS}
    pairs = {}
    for path in sorted(folder.glob("manipulated_sequences/*/*/videos/*")):
        match = re.fullmatch(r"(\d+)_(\d+)", path.stem)
        if match and match[1] in clips and match[2] in clips:
            pairs[match[1], match[2]] = (clips[match[1]], clips[match[2]])
    return Folder("faceforensics", tuple(clips.values()), (), {}, tuple(pairs[key] for key in sorted(pairs)))


def _tarred(path: Path) -> list[tuple[str, Callable[[], Image]]]:
    """(person, reader) of every photo called .../Name/photo.jpg in a tar file."""
    try:
        with tarfile.open(path, "r:") as tar:
            found = [member for member in tar if member.isfile() and Path(member.name).suffix.lower() in PHOTOS]
    except (OSError, tarfile.TarError) as error:
        raise RealtimeError(f"{path} cannot be read as a tar file ({error}); compressed ones have to be unpacked.") from None
    return [(Path(member.name).parent.name, partial(_slice, path, member.offset_data, member.size)) for member in found]


def _slice(path: Path, offset: int, size: int) -> Image:
    """A picture that stands uncompressed inside a file."""
    with path.open("rb") as file:
        file.seek(offset)
        image = cv2.imdecode(np.frombuffer(file.read(size), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise RealtimeError(f"A picture in {path} cannot be read; copy the file again from where it came.")
    return np.asarray(image, np.uint8)


__all__ = ["CLIPS", "PHOTOS", "Folder", "Person", "labelled", "read"]
