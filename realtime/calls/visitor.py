"""Visitor: what one visitor's pictures go through, from the decoded camera picture to the one that goes back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from realtime.calls.level import Level
from realtime.calls.strip import cut, joined
from realtime.config import OverlaySettings, Settings
from realtime.frame import Face, Frame, Image
from realtime.meter import Work
from realtime.stages.overlay import Overlay


@dataclass(frozen=True, slots=True)
class Wish:
    """What a visitor asked for.

    source: somebody enrolled.  plain: without a source: the picture goes back as it came, but for the label; else every
    picture is covered until a face is chosen.  strip: part 0..1 of the height that carries the time code.
    """

    source: str | None = None
    plain: bool = False
    strip: float = 0.0


@dataclass(slots=True)
class _Worn:
    # What belongs together and is exchanged together.
    wish: Wish
    stages: tuple[Any, ...]
    level: Level | None
    seen: bool = False


class Visitor:
    """Takes pictures through stages of its own, in one thread at a time; the time code's strip goes round them.

    stages: detect, track, swap and blend, made for this visitor alone; () with plain.
    Nobody's bare face leaves by accident: what is lost is covered, and before a face was found in a picture, all of it is.
    """

    def __init__(self, settings: Settings, wish: Wish, stages: Sequence[Any]) -> None:
        self._overlay = Overlay(OverlaySettings())
        self._index = 0
        self.dress(settings, wish, stages)

    @property
    def wish(self) -> Wish:
        """What is in force from the next picture on."""
        return self._worn.wish

    def dress(self, settings: Settings, wish: Wish, stages: Sequence[Any]) -> None:
        """Go on with another wish and stages made for it, from the next picture on; from any thread."""
        level = Level([stages[0], *stages[2:]], settings.quality, settings.call.fps) if stages else None
        self._worn = _Worn(wish, tuple(stages), level)
        self.change(settings)

    def change(self, settings: Settings) -> None:
        """Take new settings, made by worn(); those that networks are opened with count for new visitors."""
        # The owner's pictures and texts belong to the owner's stream.
        label = settings.overlay
        self._overlay.settings = OverlaySettings(label=label.label, corner=label.corner, size=label.size)
        worn = self._worn
        if worn.stages:
            worn.stages[2].settings, worn.stages[3].settings = settings.swap, settings.blend
        if worn.level and worn.level.setting != settings.quality:
            worn.level.choose(settings.quality)

    def __call__(self, image: Image, born: float, work: Work, guests: int = 1) -> Image:
        """The picture that goes back, of the same size, strip included.

        image: (h, w, 3) uint8 BGR.  born: when it arrived, seconds.  work: what this visitor's turns took so far.
        guests: how many share the thread.
        """
        worn = self._worn
        strip, picture = cut(image, worn.wish.strip)
        frame = Frame(np.ascontiguousarray(picture), self._index, born)
        self._index += 1
        if worn.level:
            for stage in worn.stages[:3]:
                frame = stage(frame)
            frame = worn.stages[3](_shaded(frame, worn))
            worn.level.look(time.perf_counter(), work, worn.stages[2].drawn, guests)
        elif not worn.wish.plain:
            frame = replace(frame, image=blurred(frame.image))
        return joined(strip, self._overlay(frame).image)


def _shaded(frame: Frame, worn: _Worn) -> Frame:
    """The frame, and as long as nobody in it has ever worn the face, all of it as one lost face."""
    worn.seen |= any(face.patch is not None for face in frame.faces)
    if worn.seen:
        return frame
    height, width = frame.image.shape[:2]
    whole = Face(np.array([0, 0, width, height], np.float32), score=0.0, lost=True)
    return replace(frame, faces=(*(face for face in frame.faces if face.lost), whole))


def blurred(image: Image) -> Image:
    """The whole picture, of which nothing finer than a fifth of its sides is left."""
    coarse = cv2.resize(image, (5, 5), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


__all__ = ["Visitor", "Wish", "blurred"]
