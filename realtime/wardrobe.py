"""Wardrobe: the faces that a run may wear, made ready when settings first name them, also while the loop goes on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.knobs import Effort, Knobs
from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.machine.home import expanded
from realtime.networks import Networks, engines, open_networks
from realtime.portraits import portrait
from realtime.sources.photo import read_photo

if TYPE_CHECKING:
    from models.detector import Detector
    from models.engine import Engine
    from models.hands import Hands
    from models.landmarks import Landmarker
    from realtime.people.identities import Identity

_KEPT = 8
"""Faces that stay ready after they were taken off."""
_FRAMES = 5
_STAND_IN = "collins"
Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Outfit:
    """What Swap.wear() takes: engines by the name of their source, all of one kind, for one thread at a time.

    default: the source where the settings name none, for a swapper that brings its own face; None: nobody.
    """

    engines: Mapping[str, Engine]
    default: str | None


@dataclass(slots=True)
class _Set:
    """Networks that were opened for one choice of them, and the engines made so far, the latest last."""

    networks: Networks
    parts: ExitStack
    made: dict[tuple[str, int], tuple[Identity | None, Engine]] = field(default_factory=dict)


class Wardrobe:
    """Sources, networks and the engines made of them, by what settings name.

    hands: shared by all engines that are made.  photo_face: which face of a source photo with several.
    bare: settings may name nobody.  For one thread at a time, which need not be the loop's; the loop goes on meanwhile.
    """

    def __init__(self, hands: Hands | None, photo_face: int | None = None, bare: bool = False) -> None:
        self._hands, self._photo_face, self._bare = hands, photo_face, bare
        self._sources: dict[str, tuple[Stamp, Identity | None]] = {}
        self._sets: dict[tuple[object, ...], _Set] = {}
        self._proved: set[tuple[object, ...]] = set()

    def arm(self, settings: Settings, finders: tuple[Detector, Landmarker] | None = None) -> Outfit:
        """Engines for every source of the settings, and for those of before that are still of use; raises RealtimeError.

        What was there is neither read nor opened again, but for a source whose file has changed.
        finders: to look for faces in photos with; without them some are opened for that.
        """
        chosen = self._set(settings)
        if chosen.networks.own:
            return Outfit(self._engines(chosen, self._own(settings), settings.swap.boost), settings.swap.engine)
        with ExitStack() as parts:
            found = self._found(settings, finders, parts)
            fresh = self._engines(chosen, found, settings.swap.boost)
        return Outfit(fresh, None)

    @property
    def sources(self) -> Mapping[str, Identity | None]:
        """Who has been read so far, by the name in the settings; None for a face that a swapper brings with it."""
        return {name: identity for name, (_, identity) in self._sources.items()}

    def kind(self, settings: Settings) -> object:
        """What engines are armed with: the same for settings whose engines need the same."""
        return _key(settings)

    def names(self, settings: Settings) -> tuple[str, ...]:
        """The sources of armed settings."""
        if self._set(settings).networks.own:
            return (settings.swap.engine,)
        return tuple(dict.fromkeys((*settings.swap.sources, *settings.swap.assign.values())))

    def prove(self, settings: Settings) -> None:
        """Draw a known face once with engines of this kind, so that everything they need is compiled and loaded; raises RealtimeError."""
        from models.detector import Detector
        from models.finding import faces
        from models.landmarks import Landmarker
        from realtime.people.enrol import enrol

        chosen = self._set(settings)
        if _key(settings) in self._proved:
            return
        self._proved.add(_key(settings))
        with closing(Detector()) as detector, closing(Landmarker()) as landmarker:
            image = read_photo(str(portrait("hopper")))
            landmarks = faces(image, detector, landmarker)[0]
            identity = None if chosen.networks.own else enrol("", [portrait(_STAND_IN)], detector, landmarker, None)
        # Engines of their own and without the hands, which the loop's are using now.
        (engine,) = engines(chosen.networks, {settings.swap.engine: identity}, None, settings.swap.boost).values()
        target = engine.meet()
        for number in range(_FRAMES):
            engine(image, np.asarray(landmarks, np.float32), target, number / 30, Knobs(), Effort())

    def proved(self, settings: Settings) -> None:
        """Know that engines of this kind have drawn."""
        self._proved.add(_key(settings))

    def tidy(self, settings: Settings) -> None:
        """Close what these settings do not use; only when nothing that was made of it draws any more."""
        for key in [key for key in self._sets if key != _key(settings)]:
            self._sets.pop(key).parts.close()

    def close(self) -> None:
        """Close everything; may be called again."""
        for chosen in self._sets.values():
            chosen.parts.close()
        self._sets.clear()

    def _set(self, settings: Settings) -> _Set:
        key = _key(settings)
        if key not in self._sets:
            with ExitStack() as parts:
                networks = open_networks(settings, parts)
                self._sets[key] = _Set(networks, parts.pop_all())
        return self._sets[key]

    def _own(self, settings: Settings) -> dict[str, Identity | None]:
        """The one source of a swapper that brings its face with it."""
        name, given = settings.swap.engine, (*settings.swap.sources, *settings.swap.assign.values())
        if given:
            raise RealtimeError(f"{name} brings its own face with it; got the source {given[0]}, expected none (leave --source away).")
        self._sources[name] = None, None
        return {name: None}

    def _found(
        self, settings: Settings, finders: tuple[Detector, Landmarker] | None, parts: ExitStack
    ) -> dict[str, Identity | None]:
        """Every source by the name it has in the settings: photos are enrolled in memory, names come from the store."""
        from realtime.people import identities
        from realtime.people.enrol import enrol

        known = identities.names()
        found: dict[str, Identity | None] = {}
        for name in dict.fromkeys((*settings.swap.sources, *settings.swap.assign.values())):
            photo = name not in known and is_photo(name)
            stamp = _stamp(expanded(name) if photo else identities.place(name))
            held = self._sources.get(name)
            if held is not None and held[0] == stamp is not None:
                found[name] = held[1]
            elif photo:
                finders = finders or _finders(parts)
                found[name] = enrol(Path(name).stem, [Path(name)], *finders, None, self._photo_face)
            else:
                found[name] = identities.load(name)
            self._sources[name] = stamp, found[name]
        if not found and settings.swap.enabled and not self._bare:
            hint = f"Enrolled: {', '.join(known)}." if known else "Nobody is enrolled yet: swapcam enrol NAME photo.jpg."
            raise RealtimeError(f"Whose face? Give --source with a photo or a name. {hint}")
        return found

    def _engines(self, chosen: _Set, sources: Mapping[str, Identity | None], boost: int) -> dict[str, Engine]:
        """An engine for each of these sources, and those that were made before."""
        for name, identity in sources.items():
            held = chosen.made.pop((name, boost), None)
            if held is None or held[0] is not identity:
                held = identity, engines(chosen.networks, {name: identity}, self._hands, boost)[name]
            chosen.made[name, boost] = held
        for key in list(chosen.made)[: -max(_KEPT, len(sources))]:
            del chosen.made[key]
            if key[0] not in sources:
                self._sources.pop(key[0], None)
        return {name: engine for (name, times), (_, engine) in chosen.made.items() if times == boost}


def is_photo(source: str) -> bool:
    """Whether a source is meant as the path of a photo, and not as the name of somebody enrolled."""
    return Path(source).suffix != "" or "/" in source or "\\" in source or Path(source).exists()


def _key(settings: Settings) -> tuple[object, ...]:
    """What networks are opened for."""
    swap = settings.swap
    return swap.engine, swap.masks, swap.points, swap.recogniser, swap.enhancer


def _stamp(path: Path) -> Stamp:
    """When a file was written and its size; None where it cannot be looked at."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


def _finders(parts: ExitStack) -> tuple[Detector, Landmarker]:
    """A detector and a landmarker of our own: those of the loop are at work."""
    from models.detector import Detector
    from models.landmarks import Landmarker

    return parts.enter_context(closing(Detector())), parts.enter_context(closing(Landmarker()))


__all__ = ["Outfit", "Wardrobe", "is_photo"]
