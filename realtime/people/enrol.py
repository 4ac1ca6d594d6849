"""Enrolment: photos and short videos of a person -> an identity, or everything that is wrong with them."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from models import quality
from models.detector import Detector
from models.finding import faces, height
from models.landmarks import Landmarker, Landmarks
from models.mesh.alike import STRANGERS, alike, drawing
from models.mesh.atlas import build_atlas
from models.portrait import portraits
from realtime.frame import Image, RealtimeError
from realtime.people.footage import PASSER_BY, View, is_footage, smaller, watch
from realtime.people.identities import Consent, Identity, PhotoRecord
from realtime.sources.photo import read_photo

logger = logging.getLogger(__name__)

_SMALLEST = 16
# A face higher than this is made smaller: the atlas takes no more, and sampling it from more pixels would add noise.
_FACE_HEIGHT = 640.0


def enrol(
    name: str,
    paths: Sequence[str | Path],
    detector: Detector,
    landmarker: Landmarker,
    consent: Consent | None,
    face: int | None = None,
    advance: Callable[[str, float], None] | None = None,
) -> Identity:
    """The identity of the person in the photos and videos; nothing is stored.

    face: which face of a photo that shows several, from 1 at the left.  advance: told a video's name and how much of it is
    done, 0..1.  At least one photo has to show the face from the front, others may show it from the side.
    Raises one RealtimeError that names every photo with something wrong, and what.
    """
    if not paths:
        raise RealtimeError(f"There is no photo of {name}; give at least one.")
    views: list[View] = []
    places: list[str] = []
    aside: list[str] = []
    records: list[PhotoRecord] = []
    troubles: list[str] = []
    for path in paths:
        try:
            record = PhotoRecord(Path(path).name, _sha256(path))
            if record.sha256 and record.sha256 in {earlier.sha256 for earlier in records}:
                continue
            if is_footage(path):
                seen = watch(path, detector, landmarker, functools.partial(advance, record.name) if advance else None)
            else:
                seen = [look(path, detector, landmarker, face)]
                aside += [f"{path}: {'; '.join(wrong)}." for wrong in [quality.problems(*seen[0])] if wrong]
            views += [smaller(*view, _FACE_HEIGHT) for view in seen]
            places += [record.name] * len(seen)
            records.append(record)
        except RealtimeError as error:
            troubles.append(str(error))
    if not troubles and len(aside) == len(views):
        troubles = aside
    if troubles:
        raise RealtimeError("\n".join(troubles))
    _doubt(views, places)
    try:
        return Identity(name, build_atlas(views), consent, tuple(records), portraits(views))
    except ValueError as error:
        raise RealtimeError(f"No face can be made from {', '.join(map(str, paths))}: {error}.") from error


def _doubt(views: Sequence[View], places: Sequence[str]) -> None:
    """Warn where two pictures surely look like two people; most pairs of strangers cannot be told so."""
    if len(views) < 2:
        return
    drawings = [drawing(*view) for view in views]
    for place, seen in zip(places[1:], drawings[1:], strict=True):
        likeness = alike(drawings[0], seen)
        if likeness is not None and likeness < STRANGERS:
            where = f"{place} and {places[0]}" if place != places[0] else f"Different moments of {place}"
            logger.warning("%s seem to show different people; a face is made of one person's pictures alone.", where)
            return


def look(path: str | Path, detector: Detector, landmarker: Landmarker, face: int | None) -> tuple[Image, Landmarks]:
    """A photo and the landmarks of the one face meant; raises RealtimeError with all that is wrong."""
    image = read_photo(path)
    if min(image.shape[:2]) < _SMALLEST:
        raise RealtimeError(f"{path} is {image.shape[1]}x{image.shape[0]} px; a photo of a face needs far more.")
    found = faces(image, detector, landmarker)
    if not found:
        raise RealtimeError(f"{path}: no face was found; give a photo that shows the whole face from the front.")
    tallest = max(map(height, found))
    found = [landmarks for landmarks in found if height(landmarks) >= PASSER_BY * tallest]
    if len(found) == 1:
        chosen = found[0]
    elif face is None:
        raise RealtimeError(f"{path}: {len(found)} faces were found ({_listed(found, image)}); choose one with --face N.")
    elif 1 <= face <= len(found):
        chosen = found[face - 1]
    else:
        raise RealtimeError(f"{path}: there is no face {face}; {len(found)} were found ({_listed(found, image)}).")
    wrong = quality.problems(image, chosen, yaw=quality.SIDE_YAW)
    if wrong:
        raise RealtimeError(f"{path}: {'; '.join(wrong)}.")
    return image, chosen


def _listed(found: Sequence[Landmarks], image: Image) -> str:
    """Where the faces are, numbered from the left."""
    places = []
    for number, landmarks in enumerate(found, 1):
        x, y = landmarks[:, 0].mean() / image.shape[1], landmarks[:, 1].mean() / image.shape[0]
        places.append(f"{number}: {x:.0%} from the left, {y:.0%} from the top")
    return "; ".join(places)


def _sha256(path: str | Path) -> str:
    """Of the file; of what cannot be read `read_photo` tells, so here nothing."""
    try:
        return hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()
    except (OSError, RuntimeError):
        return ""
