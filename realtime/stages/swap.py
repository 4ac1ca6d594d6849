"""The swap stage: which face gets whose, and its patch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.mesh.atlas import Atlas
from models.mesh.engine import MeshEngine, Target
from realtime.config import SwapSettings
from realtime.frame import Face, Frame, Patch

# A face must be this much larger before the swap jumps to it.
_HYSTERESIS = 1.3


class Swap:
    """Gives each chosen face its patch.

    After it a face has a patch, or is `lost` (it should have one and could not get it), or neither: it stays as it is.
    `settings` may be replaced at any time; names in it that have no atlas are refused by ValueError.
    """

    def __init__(self, atlases: Mapping[str, Atlas], settings: SwapSettings) -> None:
        self._engines = {name: MeshEngine(atlas) for name, atlas in atlases.items()}
        self._targets: dict[int, Target] = {}
        self._given: dict[int, int] = {}
        self._largest: int | None = None
        self.settings = settings

    @property
    def settings(self) -> SwapSettings:
        """What is in force from the next frame on."""
        return self._settings

    @settings.setter
    def settings(self, settings: SwapSettings) -> None:
        unknown = sorted({*settings.sources, *settings.assign.values()} - self._engines.keys())
        if unknown:
            raise ValueError(f"got sources {unknown} without a face, expected some of {sorted(self._engines)}")
        self._settings = settings

    def __call__(self, frame: Frame) -> Frame:
        settings = self._settings
        if not settings.enabled or not settings.sources:
            return replace(frame, faces=tuple(replace(face, lost=False) for face in frame.faces))
        self._forget(frame)
        wanted = self._choose(frame, settings)
        return replace(frame, faces=tuple(self._face(frame, face, wanted.get(i), settings) for i, face in enumerate(frame.faces)))

    def _choose(self, frame: Frame, settings: SwapSettings) -> dict[int, str]:
        """Source name by position in frame.faces."""
        order = list(range(len(frame.faces)))
        if settings.faces == "largest":
            chosen = self._still_largest(frame.faces)
            order = [] if chosen is None else [chosen]
        elif settings.faces == "left-to-right":
            order.sort(key=lambda i: float(frame.faces[i].box[0] + frame.faces[i].box[2]))
        names = {}
        for position, i in enumerate(order):
            track = frame.faces[i].track
            if settings.faces == "all" and track is not None:
                # Who came first keeps the first source, wherever the others go.
                position = self._given.setdefault(track, min(set(range(len(self._given) + 1)) - set(self._given.values())))
            names[i] = settings.sources[position % len(settings.sources)]
            if track is not None and track in settings.assign:
                names[i] = settings.assign[track]
        return names

    def _still_largest(self, faces: tuple[Face, ...]) -> int | None:
        if not faces:
            return None
        areas = [float(np.prod(np.maximum(face.box[2:] - face.box[:2], 0))) for face in faces]
        best = int(np.argmax(areas))
        for i, face in enumerate(faces):
            # A lost face's box grows with doubt, and a lost face that is replaced would be shown.
            if face.track is not None and face.track == self._largest and (face.lost or areas[i] * _HYSTERESIS >= areas[best]):
                return i
        self._largest = faces[best].track
        return best

    def _face(self, frame: Frame, face: Face, name: str | None, settings: SwapSettings) -> Face:
        if name is None:
            return replace(face, lost=False)
        if face.lost or face.landmarks is None:
            return replace(face, lost=True)
        target = self._targets.setdefault(-1 if face.track is None else face.track, Target())
        made = self._engines[name](frame.image, face.landmarks, target, frame.time, settings.shape, settings.light)
        return replace(face, lost=True) if made is None else replace(face, patch=Patch(*made))

    def _forget(self, frame: Frame) -> None:
        """Drop what was learned about people whose track has ended."""
        present = {-1 if face.track is None else face.track for face in frame.faces}
        for known in (self._targets, self._given):
            for track in [track for track in known if track not in present]:
                del known[track]
