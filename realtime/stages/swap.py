"""The swap stage: which face gets whose, and its patch."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from models.engine import Engine
from models.knobs import Effort, Knobs
from realtime.config import SwapSettings
from realtime.frame import Face, Frame, Patch

# Degrees off the camera, as the face mesh says (it makes profiles flatter than they are), where drawing begins to break.
_FADES, _GONE = 56.0, 68.0


class Swap:
    """Gives each chosen face its patch.

    After it a face has a patch, or is `lost` (it should have one and could not get it), or neither: it stays as it is.
    Who has worn a face is not shown bare by accident: who turns up while a wearer is lost may be that wearer and gets
    the same face; and when, with `cover_gone`, nobody is left who could be found, the whole picture counts as lost
    until somebody is.  Who wore a face that is there no more is lost until there is another, or the swap is turned off.
    `settings` may be replaced at any time; names in it that have no engine are refused by ValueError, for wear() brings
    engines.  `effort` may be replaced too.
    engines: one for each source, all of one kind.  default: the source where the settings name none; None: nobody is swapped then.
    drawn: patches made so far.  wearing: source by track, of who is to wear one in the newest frame.
    """

    def __init__(
        self, engines: Mapping[str, Engine], settings: SwapSettings, cover_gone: bool = False, default: str | None = None
    ) -> None:
        self._engines, self._default = dict(engines), default
        self._lock = threading.Lock()
        self.cover_gone = cover_gone
        self.effort = Effort()
        self.drawn = 0
        self.wearing: Mapping[int, str] = {}
        self._targets: dict[int, Any] = {}
        self._given: dict[int, int] = {}
        self._chosen: int | None = None
        self._bystanders: set[int] = set()
        self._adopted: dict[int, str] = {}
        self._worn = False
        self.settings = settings

    @property
    def settings(self) -> SwapSettings:
        """What is in force from the next frame on."""
        return self._settings

    @settings.setter
    def settings(self, settings: SwapSettings) -> None:
        self._settings = _checked(settings, self._engines, self._default)

    def wear(self, engines: Mapping[str, Engine], settings: SwapSettings, default: str | None = None) -> None:
        """Take other engines, and settings that may name them, between two frames; the engines of before are out of use then.

        What was learned about people stays where some of the engines do, for those are of one kind.  Raises ValueError,
        with nothing changed, like `settings`.
        """
        settings = _checked(settings, engines, default)
        with self._lock:
            if not {id(engine) for engine in engines.values()} & {id(engine) for engine in self._engines.values()}:
                self._targets = {}
            self._engines, self._default, self._settings = dict(engines), default, settings
            # Who is taken for somebody lost goes on wearing something.
            named = settings.sources or tuple(settings.assign.values())
            for track, name in tuple(self._adopted.items()):
                if name not in engines and named:
                    self._adopted[track] = named[0]
                elif name not in engines:
                    del self._adopted[track]

    def __call__(self, frame: Frame) -> Frame:
        with self._lock:
            return self._swapped(frame)

    def _swapped(self, frame: Frame) -> Frame:
        settings = self._settings
        if not (settings.sources or settings.assign) and settings.enabled and self._worn:
            # The face was taken away from under its wearer, which is nobody's wish to be seen bare.
            self.wearing = {}
            return replace(frame, faces=(*(replace(face, lost=True) for face in frame.faces), *self._gone(frame, settings)))
        if not settings.enabled or not (settings.sources or settings.assign):
            self._worn, self.wearing = False, {}
            return replace(frame, faces=tuple(replace(face, lost=False) for face in frame.faces))
        self._forget(frame)
        wanted = self._with_newcomers(frame, self._choose(frame, settings))
        faces = tuple(self._face(frame, face, wanted.get(i), settings) for i, face in enumerate(frame.faces))
        self._worn |= any(face.patch is not None for face in faces)
        self.wearing = {face.track: wanted[i] for i, face in enumerate(faces) if i in wanted and face.track is not None}
        return replace(frame, faces=(*faces, *self._gone(frame, settings)))

    def _gone(self, frame: Frame, settings: SwapSettings) -> tuple[Face, ...]:
        """The whole picture as one lost face where wearers can be in it and none could be found; else nothing."""
        gone = self._worn and not frame.faces and not frame.card
        if not gone or settings.on_gone == "show" or not (self.cover_gone or settings.on_gone == "cover"):
            return ()
        height, width = frame.image.shape[:2]
        return (Face(np.array([0, 0, width, height], np.float32), score=0.0, lost=True),)

    def _choose(self, frame: Frame, settings: SwapSettings) -> dict[int, str]:
        """Source name by position in frame.faces."""
        order = list(range(len(frame.faces))) if settings.sources else []
        if order and settings.faces == "largest":
            order = [self._still_chosen(frame.faces)]
        elif settings.faces == "left-to-right":
            order.sort(key=lambda i: float(frame.faces[i].box[0] + frame.faces[i].box[2]))
        names = {}
        for position, i in enumerate(order):
            track = frame.faces[i].track
            if settings.faces == "all" and track is not None:
                # Who came first keeps the first source, wherever the others go.
                position = self._given.setdefault(track, min(set(range(len(self._given) + 1)) - set(self._given.values())))
            names[i] = settings.sources[position % len(settings.sources)]
        for i, face in enumerate(frame.faces):
            if face.track is not None and face.track in settings.assign:
                names[i] = settings.assign[face.track]
        return names

    def _still_chosen(self, faces: tuple[Face, ...]) -> int:
        """The largest face when one has to be chosen; then the same person until their track ends.

        Changing over to somebody who came nearer would show the face of the one who wore the mask.
        """
        for i, face in enumerate(faces):
            if face.track is not None and face.track == self._chosen:
                return i
        areas = [float(np.prod(np.maximum(face.box[2:] - face.box[:2], 0))) for face in faces]
        # Boxes in which no face was made out are covered only where there is nothing better.
        best = max(range(len(faces)), key=lambda i: (faces[i].track is not None and not faces[i].lost, areas[i]))
        self._chosen = faces[best].track
        return best

    def _with_newcomers(self, frame: Frame, names: dict[int, str]) -> dict[int, str]:
        """The names, and for whoever was not there while all wearers were seen, the name of a lost one, until that is back."""
        missing = [name for i, name in names.items() if frame.faces[i].lost]
        others = {i: frame.faces[i].track for i in range(len(frame.faces)) if i not in names}
        if names and not missing:
            self._adopted.clear()
            self._bystanders = {track for track in others.values() if track is not None}
        if missing:
            new = {track for track in others.values() if track is not None and track not in self._bystanders}
            self._adopted |= dict.fromkeys(new - self._adopted.keys(), missing[0])
            names = names | {i: missing[0] for i, track in others.items() if track is None}
        return names | {i: self._adopted[track] for i, track in others.items() if track in self._adopted}

    def _face(self, frame: Frame, face: Face, name: str | None, settings: SwapSettings) -> Face:
        if name is None:
            return replace(face, lost=False)
        if face.lost or face.landmarks is None:
            return replace(face, lost=True)
        engine, track = self._engines[name], -1 if face.track is None else face.track
        if track not in self._targets:
            self._targets[track] = engine.meet()
        target = self._targets[track]
        made = engine(frame.image, face.landmarks, target, frame.time, _knobs(settings), self.effort)
        if made is None:
            # Somebody is there who should wear a face: when they are gone, whatever could not be drawn may still be seen.
            self._worn = True
            return replace(face, lost=True)
        self.drawn += 1
        fade = min(max((target.aside - _FADES) / (_GONE - _FADES), 0.0), 1.0)
        return replace(face, lost=True) if fade == 1 else replace(face, patch=Patch(*made, fade=fade))

    def _forget(self, frame: Frame) -> None:
        """Drop what was learned about people whose track has ended."""
        present = {-1 if face.track is None else face.track for face in frame.faces}
        for known in (self._targets, self._given, self._adopted):
            for track in [track for track in known if track not in present]:
                del known[track]


def _checked(settings: SwapSettings, engines: Mapping[str, Engine], default: str | None) -> SwapSettings:
    """The settings, with the default where they name no source; raises ValueError for names without an engine."""
    unknown = sorted({*settings.sources, *settings.assign.values()} - engines.keys())
    if unknown:
        raise ValueError(f"got sources {unknown} without a face, expected some of {sorted(engines)}")
    if default is not None and not settings.sources:
        return settings.model_copy(update={"sources": (default,)})
    return settings


def _knobs(settings: SwapSettings) -> Knobs:
    return Knobs(**{field.name: getattr(settings, field.name) for field in fields(Knobs)})
