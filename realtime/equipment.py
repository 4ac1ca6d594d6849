"""What the stages of a run work with: models and sources, opened once and shared, and the stages made of them."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from realtime.config import DetectSettings, Settings
from realtime.fit import fit
from realtime.frame import Frame, RealtimeError
from realtime.networks import open_detector
from realtime.portraits import portrait
from realtime.sources.photo import read_photo
from realtime.wardrobe import Outfit, Wardrobe, is_photo

if TYPE_CHECKING:
    from models.detector import Finds
    from models.landmarks import Landmarker


@dataclass(frozen=True, slots=True)
class Equipment:
    """Models and sources of a run, of which stages may be made more than once.

    detector, landmarker: for one thread at a time.  wardrobe: the faces that may be worn.
    """

    detector: Finds
    landmarker: Landmarker
    wardrobe: Wardrobe
    _warm: set[object] = field(default_factory=set)

    def arm(self, settings: Settings) -> Outfit:
        """What Swap.wear() takes for these settings: sources and networks that were not there yet are read and opened.

        Runs in the thread that calls, while the loop goes on; what was opened before is closed by tidy().  Raises RealtimeError.
        """
        outfit = self.wardrobe.arm(settings)
        if outfit.engines:
            self.wardrobe.prove(settings)
        return outfit

    def tidy(self, settings: Settings) -> None:
        """Close the networks that these settings do not use, once nothing draws with them any more."""
        self.wardrobe.tidy(settings)

    def stages(self, settings: Settings, outfit: Outfit | None = None) -> tuple[Any, Any, Any, Any]:
        """Detect, Track, Swap and Blend, with state of their own.

        outfit: what Swap wears; without it, what everybody's settings share, which is for one thread.  Raises RealtimeError.
        """
        from realtime.stages.blend import Blend
        from realtime.stages.detect import Detect
        from realtime.stages.swap import Swap
        from realtime.stages.track import Track

        outfit = outfit or self.wardrobe.arm(settings)
        detect = Detect(self.detector, settings.detect, lambda: track.searching)
        track = Track(self.landmarker, settings.track, detect.find)
        return detect, track, Swap(outfit.engines, settings.swap, default=outfit.default), Blend(settings.blend)

    def warm(self, settings: Settings, size: tuple[int, int]) -> None:
        """Take a known face through stages of their own, so that everything is compiled and loaded before the first frame.

        size: (width, height) of the frames to come; the detector's pieces depend on it.  What is warm already stays so.
        """
        if (size, self.wardrobe.kind(settings)) in self._warm:
            return
        self._warm.add((size, self.wardrobe.kind(settings)))
        names = self.wardrobe.names(settings)
        given = () if settings.swap.engine in names else names[:1]
        swap = settings.swap.model_copy(update={"sources": given, "assign": {}, "enabled": True})
        if not names:
            # A face will be chosen later, and must not cost the loop a frame then.
            self.wardrobe.prove(settings)
            swap = settings.swap.model_copy(update={"enabled": False})
        stages = self.stages(settings.model_copy(update={"detect": DetectSettings(interval=0), "swap": swap}))
        with suppress(RealtimeError):
            image = fit(read_photo(str(portrait("hopper"))), size)
            # Long enough for what first learns the face and then compares with it.
            for index in range(5):
                frame = Frame(image, index, index / 5)
                for stage in stages:
                    frame = stage(frame)
            self.wardrobe.proved(settings)


def equip(settings: Settings, parts: ExitStack, photo_face: int | None = None, bare: bool = False) -> Equipment:
    """Open the models and read the sources that the settings name; `parts` closes them.

    photo_face: which face of a source photo with several.  bare: the settings may name nobody.  Raises RealtimeError.
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
    wardrobe = Wardrobe(hands, photo_face, bare)
    parts.callback(wardrobe.close)
    wardrobe.arm(settings, (built_in, landmarker))
    return Equipment(detector, landmarker, wardrobe)


class Standby:
    """Equipment that outlives the loop it was opened for, as far as it will do for the next: opening it takes the longest.

    photo_face: as in equip().  One loop at a time may use it.
    """

    def __init__(self, photo_face: int | None = None) -> None:
        self._photo_face = photo_face
        self._parts = ExitStack()
        self._held: tuple[object, Equipment] | None = None

    def __call__(self, settings: Settings) -> Equipment:
        """What was opened last, or anew where other models are wanted; raises RealtimeError."""
        detect = settings.detect
        wanted = detect.model, detect.confidence, detect.tiles, settings.models
        if self._held is None or self._held[0] != wanted:
            self.close()
            with ExitStack() as parts:
                self._held = wanted, equip(settings, parts, self._photo_face, bare=True)
                self._parts = parts.pop_all()
        return self._held[1]

    def close(self) -> None:
        """Close what is open; may be called again."""
        self._held = None
        self._parts.close()


__all__ = ["Equipment", "Outfit", "Standby", "equip", "is_photo"]
