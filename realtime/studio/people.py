"""Whom the studio knows: everybody enrolled, the photos that the settings name, and a small picture of each."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from realtime.config import Settings
from realtime.frame import Image, RealtimeError
from realtime.people import identities
from realtime.people.identities import Identity

_SIDE = 192


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: int
    agreed: str | None
    photos: int
    thumbnail: bytes


class People:
    """Reads each stored identity once, and again when its file has changed; safe from any thread."""

    def __init__(self) -> None:
        self._known: dict[Path, _Known] = {}
        self._lock = threading.Lock()

    def list(self, settings: Settings) -> list[dict[str, Any]]:
        """{name, agreed, photos, worn, enrolled} of everybody enrolled, and then of the photos that the settings name.

        agreed: the date of the statement, None for a photo.  worn: the one that faces get that are assigned nobody.
        A file that cannot be read is left out.
        """
        swap, found = settings.swap, []
        worn = swap.sources[0] if swap.enabled and swap.sources else None
        for name in identities.names():
            try:
                known = self._read(name)
            except RealtimeError:
                continue
            found.append({"name": name, "agreed": known.agreed, "photos": known.photos, "worn": name == worn, "enrolled": True})
        stored = {entry["name"] for entry in found}
        named = dict.fromkeys((*swap.sources, *swap.assign.values()))
        photos = [name for name in named if name not in stored]
        return found + [{"name": name, "agreed": None, "photos": 1, "worn": name == worn, "enrolled": False} for name in photos]

    def thumbnail(self, name: str) -> bytes:
        """A small JPEG of somebody enrolled; raises RealtimeError for nobody."""
        return self._read(name).thumbnail

    def _read(self, name: str) -> _Known:
        path = identities.place(name)
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        with self._lock:
            known = self._known.get(path)
            if known is None or known.stamp != stamp:
                found = identities.load(name)
                agreed = found.consent.date[:10] if found.consent else None
                known = self._known[path] = _Known(stamp, agreed, len(found.photos), jpeg(_portrait(found)))
            return known


def _portrait(identity: Identity) -> Image:
    # Files of an earlier version have no portraits; their unwrapped face is a face too, if an odd one.
    return identity.portraits[0].image if identity.portraits else identity.atlas.texture


def jpeg(image: Image, side: int = _SIDE) -> bytes:
    """The middle square of a picture, (h, w, 3) uint8 BGR, made small."""
    height, width = image.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    small = cv2.resize(image[top : top + edge, left : left + edge], (side, side), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


__all__ = ["People", "jpeg"]
