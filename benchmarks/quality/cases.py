"""Whose face is put on whom: clips and sources from what the command line names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.quality.folders import CLIPS, PHOTOS, read
from realtime.frame import RealtimeError
from realtime.portraits import portrait

_PORTRAITS = ("hopper", "collins")


@dataclass(frozen=True, slots=True)
class Clip:
    """Something with a target in it.  name: for reports.  input: settings of the loop's input.  file: what it is made from."""

    name: str
    input: dict[str, Any]
    file: Path


@dataclass(frozen=True, slots=True)
class Source:
    """A person to put on.  given: what the settings' `sources` get.  photos: what the judges know the person from."""

    name: str
    given: str
    photos: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One source on one clip."""

    clip: Clip
    source: Source


def gather(clips: Sequence[str], sources: Sequence[str], seconds: float | None) -> list[Case]:
    """Every source on every clip, or the pairs that a FaceForensics++ folder names; nobody is put on a clip of their own photo.

    Without clips the two packaged portraits move; without sources they are the sources.  Raises RealtimeError.
    """
    forensic = [found for name in clips if Path(name).is_dir() for found in [read(Path(name))] if found.layout == "faceforensics"]
    if forensic and not sources:
        pairs = [pair for folder in forensic for pair in folder.pairs]
        if not pairs:
            raise RealtimeError(f"{clips[0]} has no manipulated clips called 000_003.mp4 to say who goes on whom; give --sources.")
        return [Case(_clip(target), person(file)) for target, file in pairs]
    targets = [clip for name in clips for clip in _clips(name)] or [_animated(name, seconds) for name in _PORTRAITS]
    given = [source for name in sources for source in people(name)]
    faces = given or [Source(name, str(portrait(name)), (portrait(name),)) for name in _PORTRAITS]
    for kind, names in (("clips", [clip.name for clip in targets]), ("sources", [source.name for source in faces])):
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise RealtimeError(f"Two {kind} are called {double[0]}; rename one of the files, as reports tell them by name.")
    cases = [Case(clip, source) for clip in targets for source in faces if not _same(clip.file, Path(source.given))]
    if not cases:
        raise RealtimeError("Every source is the clip's own picture; give another source.")
    return cases


def person(file: Path) -> Source:
    """The person in a clip as a source: needs a photo, which `stills` takes from the clip."""
    return Source(file.stem, str(file), (file,))


def _clips(name: str) -> list[Clip]:
    path = Path(name).expanduser()
    if path.is_dir():
        found = read(path)
        return [_clip(file) for file in (*found.clips, *found.photos)]
    return [_clip(path)]


def _clip(path: Path) -> Clip:
    if not path.is_file():
        raise RealtimeError(f"There is no clip {path}; check the name.")
    if path.suffix.lower() in PHOTOS:
        return Clip(path.stem, {"kind": "image", "path": str(path)}, path)
    if path.suffix.lower() not in CLIPS:
        raise RealtimeError(f"{path} is neither a clip nor a photo by its name; expected an ending such as .mp4, .gif or .jpg.")
    return Clip(path.stem, {"kind": "video", "path": str(path)}, path)


def _animated(name: str, seconds: float | None) -> Clip:
    settings = {"kind": "animated", "path": str(portrait(name)), "realtime": False, "seconds": seconds or 4.0}
    return Clip(f"{name}-moving", settings, portrait(name))


def people(text: str) -> list[Source]:
    """GIVEN or GIVEN=PHOTO[,PHOTO]: a photo, a folder of them, or somebody enrolled with the photos that the judges may see."""
    given, equals, photos = text.partition("=")
    path = Path(given).expanduser()
    if equals:
        files = tuple(Path(photo).expanduser() for photo in photos.split(","))
        for file in files:
            if not file.is_file():
                raise RealtimeError(f"There is no photo {file} of {given}; check the name.")
        return [Source(path.stem, given, files)]
    if path.is_dir():
        found = read(path)
        firsts = [files[0] for files in found.people.values()] or list(found.photos)
        named = {files[0]: (name, files) for name, files in found.people.items()}
        whole = [(file, *named.get(file, (file.stem, (file,)))) for file in firsts]
        return [Source(name, str(file), files) for file, name, files in whole]
    if path.is_file():
        return [Source(path.stem, str(path), (path,))]
    if path.suffix or "/" in given or "\\" in given:
        raise RealtimeError(f"There is no source {given}; give a photo, a folder of photos or NAME=photo.jpg.")
    raise RealtimeError(f"{given} is a name without photos, by which no judge knows a face; give {given}=photo.jpg.")


def _same(first: Path, second: Path) -> bool:
    return second.exists() and first.resolve() == second.expanduser().resolve()


__all__ = ["Case", "Clip", "Source", "gather", "people", "person"]
