"""What the stages of a run work with: models and sources, opened once and shared, and the stages made of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.config import DetectSettings, Settings
from realtime.fit import fit
from realtime.frame import Frame, RealtimeError
from realtime.networks import engines, open_detector, open_networks
from realtime.portraits import portrait
from realtime.sources.photo import read_photo

if TYPE_CHECKING:
    from models.detector import Detector, Finds
    from models.engine import Engine
    from models.landmarks import Landmarker
    from realtime.people.identities import Identity


@dataclass(frozen=True, slots=True)
class Equipment:
    """Models and sources of a run, of which stages may be made more than once.

    sources: by the name they have in the settings; None for a face that the swapper brings with it.
    engines: one for each source, for one thread at a time.  default: the source where the settings name none; None: nobody.
    """

    detector: Finds
    landmarker: Landmarker
    sources: Mapping[str, Identity | None]
    engines: Mapping[str, Engine]
    default: str | None

    def stages(self, settings: Settings) -> tuple[Any, Any, Any, Any]:
        """Detect, Track, Swap and Blend, with state of their own."""
        from realtime.stages.blend import Blend
        from realtime.stages.detect import Detect
        from realtime.stages.swap import Swap
        from realtime.stages.track import Track

        detect = Detect(self.detector, settings.detect, lambda: track.searching)
        track = Track(self.landmarker, settings.track, detect.find)
        return detect, track, Swap(self.engines, settings.swap, default=self.default), Blend(settings.blend)

    def warm(self, settings: Settings, size: tuple[int, int]) -> None:
        """Take a known face through stages of their own, so that everything is compiled and loaded before the first frame.

        size: (width, height) of the frames to come; the detector's pieces depend on it.
        """
        swap = settings.swap.model_copy(update={"sources": tuple(self.sources)[:1], "assign": {}, "enabled": True})
        stages = self.stages(settings.model_copy(update={"detect": DetectSettings(interval=0), "swap": swap}))
        with suppress(RealtimeError):
            image = fit(read_photo(str(portrait("hopper"))), size)
            # Long enough for what first learns the face and then compares with it.
            for index in range(5):
                frame = Frame(image, index, index / 5)
                for stage in stages:
                    frame = stage(frame)


def equip(settings: Settings, parts: ExitStack, photo_face: int | None = None) -> Equipment:
    """Open the models and read the sources that the settings name; `parts` closes them.

    photo_face: which face of a source photo with several.  Raises RealtimeError.
    """
    from models.detector import Detector
    from models.hands import Hands
    from models.landmarks import Landmarker

    # Photos are searched by the built-in detector, whatever finds faces in the frames.
    built_in = Detector(settings.detect.confidence, settings.detect.tiles == "auto")
    parts.callback(built_in.close)
    landmarker = Landmarker()
    parts.callback(landmarker.close)
    hands = Hands()
    parts.callback(hands.close)
    detector = open_detector(settings, built_in, parts)
    networks = open_networks(settings, parts)
    sources = _own(settings) if networks.own else _sources(settings, built_in, landmarker, photo_face)
    made = engines(networks, sources, hands, settings.swap.boost)
    return Equipment(detector, landmarker, sources, made, settings.swap.engine if networks.own else None)


def _own(settings: Settings) -> dict[str, Identity | None]:
    """The one source of a swapper that brings its face with it."""
    name, given = settings.swap.engine, (*settings.swap.sources, *settings.swap.assign.values())
    if given:
        raise RealtimeError(f"{name} brings its own face with it; got the source {given[0]}, expected none (leave --source away).")
    return {name: None}


def _sources(settings: Settings, detector: Detector, landmarker: Landmarker, face: int | None) -> dict[str, Identity | None]:
    """Every source by the name it has in the settings: photos are enrolled in memory, names come from the store."""
    from realtime.people import identities
    from realtime.people.enrol import enrol

    found: dict[str, Identity | None] = {}
    known = identities.names()
    for name in dict.fromkeys((*settings.swap.sources, *settings.swap.assign.values())):
        if name not in known and is_photo(name):
            found[name] = enrol(Path(name).stem, [Path(name)], detector, landmarker, None, face)
        else:
            found[name] = identities.load(name)
    if not found and settings.swap.enabled:
        hint = f"Enrolled: {', '.join(known)}." if known else "Nobody is enrolled yet: swapcam enrol NAME photo.jpg."
        raise RealtimeError(f"Whose face? Give --source with a photo or a name. {hint}")
    return found


def is_photo(source: str) -> bool:
    """Whether a source is meant as the path of a photo, and not as the name of somebody enrolled."""
    return Path(source).suffix != "" or "/" in source or "\\" in source or Path(source).exists()


__all__ = ["Equipment", "equip", "is_photo"]
