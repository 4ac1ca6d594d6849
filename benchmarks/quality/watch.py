"""Watching a run: the frames before and after the real pipeline, as shots, judged and measured on their way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.quality.codec import Line
from benchmarks.quality.identity import Seen
from benchmarks.quality.judges import Embedding, Judge
from benchmarks.quality.sheets import Still, still
from benchmarks.quality.shot import Shot, opacity
from models.landmarks import Landmarker, region_from_landmarks
from models.mesh.pose import fit
from realtime.frame import Frame, Image, Points

WINDOW = 24
"""Consecutive shots that the measures see at once."""

Measure = Callable[[Sequence[Shot]], Mapping[str, float]]


class Entering:
    """The stage before all others: remembers each untouched picture until it comes out."""

    def __init__(self) -> None:
        self.images: dict[int, Image] = {}

    def __call__(self, frame: Frame) -> Frame:
        """The frame itself."""
        self.images[frame.index] = frame.image
        return frame


@dataclass
class Counts:
    """frames: all.  worn: with a face put on.  lost: with a face that should have worn one and was covered or left.
    unseen: measured frames in whose result no face was found.
    """

    frames: int = 0
    worn: int = 0
    lost: int = 0
    unseen: int = 0


@dataclass
class Leaving:
    """The stage after all others: makes shots, shows every n-th to the judges and 24 of each 24 n to the measures.

    done: called when `seconds` of the clip are through.  targets: what the judges saw in the untouched frames, by judge and
    frame; kept by the caller over runs of one clip, since it does not depend on the source.  line: a call that both pictures
    go through before anybody sees them.
    """

    entering: Entering
    landmarker: Landmarker
    judges: Sequence[Judge]
    measures: Sequence[Measure]
    every: int
    seconds: float | None
    done: Callable[[], None]
    targets: dict[tuple[str, int], Embedding]
    line: Line | None = None
    counts: Counts = field(default_factory=Counts)
    seen: dict[str, Seen] = field(default_factory=dict)
    figures: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    faces: list[tuple[Points, Points]] = field(default_factory=list)
    _window: list[Shot] = field(default_factory=list)

    def __call__(self, frame: Frame) -> Frame:
        """The frame itself."""
        image = self.entering.images.pop(frame.index)
        if self.seconds is not None and frame.time >= self.seconds:
            self.done()
            return frame
        self.counts.frames += 1
        shown = frame.image
        if self.line is not None:
            # An encoder has to see every frame.
            image, shown = self.line.image(image), self.line.result(shown)
        worn = [face for face in frame.faces if face.patch is not None and face.landmarks is not None]
        self.counts.worn += bool(worn)
        self.counts.lost += any(face.lost for face in frame.faces)
        judged = frame.index % self.every == 0
        within = frame.index // WINDOW % self.every == 0
        for face in worn[:1] if judged or within else ():
            assert face.landmarks is not None
            region = [region_from_landmarks(face.landmarks)]
            before, after = self.landmarker(image, region)[0], self.landmarker(shown, region)[0]
            mask = opacity(frame)
            shot = Shot(frame.index, frame.time, image, shown, face.landmarks, face.track, before, after, mask)
            self.counts.unseen += after is None
            if before is not None and after is not None:
                self.faces.append((before, after))
            if judged:
                self._judge(shot)
            if within:
                self._collect(shot)
        return frame

    def finish(self) -> None:
        """Measure what is still waiting; to be called when the run has ended."""
        if self._window:
            merged: dict[str, float] = {}
            for measure in self.measures:
                merged |= measure(self._window)
            if self.line is not None:
                # Coding changes every pixel of the picture.
                merged = {name: value for name, value in merged.items() if not name.startswith("background")}
            self.figures.append((len(self._window), merged))
            self._window = []

    def _collect(self, shot: Shot) -> None:
        last = self._window[-1] if self._window else None
        if last and (shot.index != last.index + 1 or shot.track != last.track):
            self.finish()
        self._window.append(shot)
        if shot.index % WINDOW == WINDOW - 1:
            self.finish()

    def _judge(self, shot: Shot) -> None:
        if shot.before is None or shot.after is None:
            return
        yaw = fit(shot.before).yaw
        for judge in self.judges:
            key = (judge.name, shot.index)
            if key not in self.targets:
                self.targets[key] = judge(shot.image, shot.before)
            seen = self.seen.setdefault(judge.name, Seen())
            seen.targets.append(self.targets[key])
            seen.results.append(judge(shot.result, shot.after))
            seen.yaws.append(yaw)
        self.stills.append(still(shot))


__all__ = ["WINDOW", "Counts", "Entering", "Leaving", "Measure"]
