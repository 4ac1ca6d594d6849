"""Photos of people of whom there are only clips, as in FaceForensics++: the frames that the photo gate likes best."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2

from benchmarks.quality.cases import Case, Source
from benchmarks.quality.folders import CLIPS
from models import quality
from models.detector import Detector
from models.finding import faces, height
from models.landmarks import Landmarker
from realtime.config import VideoInput
from realtime.frame import Image, RealtimeError
from realtime.sources.video import Video

_SECONDS, _EVERY, _MOST = 10.0, 5, 4


def photographed(cases: Sequence[Case], folder: Path) -> list[Case]:
    """The cases, in which sources that are clips have become photos kept in `folder`.

    Raises RealtimeError for a clip without a frame that shows a face as a source photo must.
    """
    made: dict[str, Source] = {}
    result = []
    for case in cases:
        source = case.source
        if Path(source.given).suffix.lower() in CLIPS:
            if source.given not in made:
                made[source.given] = _photograph(source, folder)
            source = made[source.given]
        result.append(replace(case, source=source))
    return result


def _photograph(source: Source, folder: Path) -> Source:
    """The source with up to four photos, the most frontal first: it is put on by that one, and known to judges by all."""
    found: list[tuple[float, Image]] = []
    wrong: list[str] = []
    with closing(Detector()) as detector, closing(Landmarker()) as landmarker, closing(Video(VideoInput(path=source.given))) as video:
        for frame in video:
            if frame.time >= _SECONDS:
                break
            if frame.index % _EVERY:
                continue
            seen = faces(frame.image, detector, landmarker)
            if not seen:
                continue
            face = max(seen, key=height)
            troubles = quality.problems(frame.image, face)
            wrong = wrong or troubles
            if not troubles:
                measures = quality.measure(frame.image, face)
                found.append((abs(measures.yaw) + abs(measures.pitch), frame.image))
    if not found:
        raise RealtimeError(f"{source.given}: no frame makes a photo of this person ({'; '.join(wrong) or 'no face was found'}).")
    photos = []
    for number, (_, image) in enumerate(sorted(found, key=lambda pair: pair[0])[:_MOST]):
        photos.append(folder / f"{source.name}-{number}.png")
        cv2.imwrite(str(photos[-1]), image)
    return replace(source, given=str(photos[0]), photos=tuple(photos))


__all__ = ["photographed"]
