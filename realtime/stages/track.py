"""Track: who is where, with steady landmarks and the same number for the same person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.landmarks import region_from_detection
from realtime.config import TrackSettings
from realtime.frame import Face, Frame, Image, Points
from realtime.stages.person import Person, box_of, size_of

if TYPE_CHECKING:
    from models.landmarks import Landmarker

# Two faces whose centres are nearer than this share of their size are one face.
_SAME = 0.35
# So are two boxes of which this share of the smaller lies in the other.
_INSIDE = 0.6
# A box without landmarks is kept for so many seconds after it was detected, longer than the detector's usual interval.
_KEEP = 0.75
# What a difference in colours costs, against a distance of one reach: two people are 0.1 to 0.25 apart.
_COLOUR = 6.0
# More than this and landmarks found where a lost person should be are not theirs, but some pattern or somebody else.
_STRANGER = 0.2
# Less than this and two faces may be one person's even far apart.
_ALIKE = 0.1
# How much larger or smaller, as a logarithm, a face may be when it comes back; as much again for each second of absence.
_RATIO = 0.4
_VISIBLE = 0.3
_BACK = 1.0


@dataclass(slots=True)
class _Unclear:
    """A detection in which no landmarks were found (yet)."""

    face: Face
    time: float


class Track:
    """Follows up to `settings.faces` people, each by the landmarks found where their last ones lead.

    frame.faces: fresh detections or none.  Out: one face per person, with filtered landmarks; lost ones, whose face
    was not found in this frame, with predictions and a growing box for `settings.patience` seconds; and detected
    boxes in which no landmarks were found, lost, without number.
    Known people come back with any score that the detector lets pass; strangers need `settings.entry`, because the
    landmark model happily finds a face in a pattern that the detector thought likely.
    find: searches a frame at once; used when somebody goes missing in a frame that was not searched.
    Starts anew when the picture's size changes or time jumps back by more than a second.
    """

    def __init__(
        self, landmarker: Landmarker, settings: TrackSettings, find: Callable[[Frame], tuple[Face, ...]] | None = None
    ) -> None:
        self._landmarker = landmarker
        self._find = find
        self.settings = settings
        self._next = 1
        self._reset()

    def _reset(self) -> None:
        self._people: list[Person] = []
        self._unclear: list[_Unclear] = []
        self._time: float | None = None
        self._shape: tuple[int, ...] = ()

    @property
    def searching(self) -> bool:
        """Whether somebody known is lost or nobody is tracked, so that the next frame should be searched."""
        people = tuple(self._people)
        return not people or any(person.lost for person in people)

    def __call__(self, frame: Frame) -> Frame:
        settings = self.settings
        back = self._time is not None and frame.time < self._time - _BACK
        if back or frame.image.shape != self._shape:
            self._reset()
            self._shape = frame.image.shape
        time = frame.time if self._time is None else max(frame.time, self._time)
        self._time = time
        searched = self.searching or bool(frame.faces)
        for person in self._people:
            person.predict(time)
        known = [person for person in self._people if not person.lost]
        self._follow(frame, known, time, settings)
        if self._find and self.searching and not searched:
            # Somebody went missing in this very frame; a cut or a jump may have put the face elsewhere in it.
            frame = replace(frame, faces=self._find(frame))
        self._welcome(frame, time, settings)
        lost = [person for person in self._people if person.lost and person not in known]
        self._follow(frame, lost, time, settings)
        self._people = [person for person in self._people if not person.lost or time - person.seen < settings.patience]
        self._clear(time, settings)
        unclear = tuple(replace(item.face, box=_grown(item.face.box, time - item.time)) for item in self._unclear)
        return replace(frame, faces=tuple(person.face() for person in self._people) + unclear)

    def _follow(self, frame: Frame, people: Sequence[Person], time: float, settings: TrackSettings) -> None:
        """Look for each of these people where they should be."""
        found = self._landmarker(frame.image, [person.region for person in people])
        fitting = [
            (person, landmarks)
            for person, landmarks in zip(people, found, strict=True)
            if landmarks is not None
            and _visible(landmarks, frame)
            and person.fits(landmarks)
            and not (person.lost and person.difference(frame.image, landmarks) > _STRANGER)
        ]
        taken = [box_of(person.landmarks) for person in self._people if not person.lost and person not in people]
        # The best explained first: where two people's landmarks fell on one face it is nearest to the one whose it is.
        if len(fitting) > 1:
            fitting.sort(key=lambda pair: pair[0].way(pair[1]) + _COLOUR * pair[0].difference(frame.image, pair[1]))
        seen = []
        for person, landmarks in fitting:
            box = box_of(landmarks)
            if not any(_same(box, other) for other in taken):
                taken.append(box)
                seen.append(person)
                person.see(frame.image, landmarks, time, settings)
        for person in people:
            if person not in seen:
                person.miss()

    def _welcome(self, frame: Frame, time: float, settings: TrackSettings) -> None:
        """Give each fresh face to the lost person it fits, or to a new one."""
        tracked = [box_of(person.landmarks) for person in self._people if not person.lost]
        # Another look at a face that was unclear is worth its time only while there is room for one more person.
        room = any(person.lost for person in self._people) or len(tracked) < settings.faces
        waiting = [item.face for item in self._unclear] if room else []
        fresh = sorted(frame.faces, key=lambda face: -_area(face.box))
        fresh += [face for face in waiting if not any(_same(face.box, other.box) for other in fresh)]
        fresh = [face for face in fresh if not any(_same(face.box, box) for box in tracked)]
        found = self._landmarker(frame.image, [region_from_detection(face.box, face.points) for face in fresh])
        times = {id(item.face): item.time for item in self._unclear}
        kept = [item for item in self._unclear if not room and not any(_same(item.face.box, face.box) for face in fresh)]
        clear: list[tuple[Face, Points]] = []
        self._unclear = kept
        for face, landmarks in zip(fresh, found, strict=True):
            if landmarks is None or not _visible(landmarks, frame) or not _same(face.box, box_of(landmarks), 0.6):
                if face.score >= settings.entry:
                    self._unclear.append(_Unclear(replace(face, lost=True, landmarks=None), times.get(id(face), time)))
            elif not any(_same(box_of(landmarks), box) for box in tracked):
                tracked.append(box_of(landmarks))
                clear.append((face, landmarks))
        lost = [person for person in self._people if person.lost]
        matched = _assign(lost, clear, frame.image, time, settings.entry)
        for number, (face, landmarks) in enumerate(clear):
            if number in matched:
                matched[number].see(frame.image, landmarks, time, settings)
                matched[number].score = face.score
            elif face.score >= settings.entry and sum(not person.lost for person in self._people) < settings.faces:
                self._people.append(Person(self._next, frame.image, landmarks, face.score, time, settings))
                self._next += 1
            elif len(matched) < len(lost) or face.score >= settings.entry:
                # It may be the one who is lost, or is one more than may be followed: better covered than shown.
                self._unclear.append(_Unclear(replace(face, lost=True, landmarks=None), times.get(id(face), time)))

    def _clear(self, time: float, settings: TrackSettings) -> None:
        """Forget boxes that grew old or turned out to be somebody, and the longest lost where there are too many."""
        boxes = [box_of(person.landmarks) for person in self._people if not person.lost]
        self._unclear = [
            item
            for item in self._unclear
            if time - item.time < _KEEP and not any(_same(item.face.box, box) for box in boxes)
        ]
        spare = len(self._people) - 2 * settings.faces
        for person in sorted((person for person in self._people if person.lost), key=lambda person: person.seen)[: max(spare, 0)]:
            self._people.remove(person)


def _assign(lost: Sequence[Person], found: Sequence[tuple[Face, Points]], image: Image, time: float, entry: float) -> dict[int, Person]:
    """Which lost person each found face is, by distance within the reach and by colours; number of the face -> person."""
    if not lost or not found:
        return {}
    from scipy.optimize import linear_sum_assignment

    cost: NDArray[np.float64] = np.full((len(lost), len(found)), 1e6)
    for row, person in enumerate(lost):
        absent = time - person.seen
        for column, (face, landmarks) in enumerate(found):
            way, unlike = person.way(landmarks), person.difference(image, landmarks)
            ratio = abs(float(np.log(size_of(landmarks) / person.size)))
            # Who looks the same may be far from where they were expected: half hidden faces mislead the prediction.
            far = 1 + 5 * max(0.0, 1 - unlike / _ALIKE)
            if way < far and ratio < _RATIO * (1 + absent) and unlike < _STRANGER * (2 if face.score >= entry else 0.5):
                cost[row, column] = 0.3 * way + _COLOUR * unlike
    rows, columns = linear_sum_assignment(cost)
    return {int(column): lost[row] for row, column in zip(rows, columns, strict=True) if cost[row, column] < 1e6}


def _visible(landmarks: Points, frame: Frame) -> bool:
    """Whether enough of a face lies in the picture."""
    height, width = frame.image.shape[:2]
    x, y = landmarks[:, 0], landmarks[:, 1]
    return float(np.mean((x >= 0) & (y >= 0) & (x < width) & (y < height))) >= _VISIBLE


def _same(first: Points, second: Points, limit: float = _SAME) -> bool:
    """Whether two boxes are of one face: their centres are near, or one lies mostly in the other."""
    way = (first[:2] + first[2:] - second[:2] - second[2:]) / 2
    small = max(min(float(np.max(first[2:] - first[:2])), float(np.max(second[2:] - second[:2]))), 1.0)
    common = np.maximum(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0)
    return bool(np.hypot(*way) < limit * small or np.prod(common) > _INSIDE * max(min(_area(first), _area(second)), 1.0))


def _area(box: Points) -> float:
    return float(np.prod(box[2:] - box[:2]))


def _grown(box: Points, seconds: float) -> Points:
    """A box whose face may have moved for so long; a fifth more at once, as detections end at brows and chin."""
    grow = np.float32(0.2 + 0.6 * seconds) * (box[2:] - box[:2])
    return np.concatenate([box[:2] - grow, box[2:] + grow]).astype(np.float32)
