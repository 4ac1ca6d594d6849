"""The models that a run's settings name beside the built-in ones, opened before its source, and the engines made of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.align import five
from models.network import NetworkError
from models.running.providers import Runtime
from models.shelf import store
from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.spared import Spared

if TYPE_CHECKING:
    from models.detector import Finds
    from models.engine import Engine
    from models.families.enhancers import Enhancer
    from models.families.masks import Masker
    from models.families.points import Pointer
    from models.families.recognisers import Recogniser
    from models.families.sources import Latent
    from models.families.swappers import Swapper
    from models.generator.shipped import Shipped
    from models.hands import Hands
    from models.portrait import Portrait
    from models.rewrite.prepare import Prepared
    from models.running.material import Model
    from models.session import Session
    from models.shelf.store import Held
    from realtime.people.identities import Identity

logger = logging.getLogger(__name__)

MESH, NEURAL, MEDIAPIPE, NONE, AUTO = "mesh", "neural", "mediapipe", "none", "auto"
WORDS: Mapping[str, tuple[str, ...]] = {
    "swapper": (MESH, NEURAL),
    "detector": (MEDIAPIPE,),
    "landmarks": (MEDIAPIPE,),
    "recogniser": (AUTO,),
    "enhancer": (NONE,),
}
"""What settings may have in the place of the name of a model, by its role."""
BUILT_IN = frozenset(word for words in WORDS.values() for word in words)
# What the field's swappers read faces with; none was made for another.
_RECOGNISER = "arcface_w600k_r50"
# Beside swappers these have convolutions large enough to gain by it, and sizes that are fixed, as the proof needs them.
_REWRITTEN = frozenset({"mask", "enhancer"})
_LARGE = 64 << 20
"""Bytes of a file that takes its time."""


@dataclass(frozen=True, slots=True)
class Networks:
    """The ONNX models of a run, None where a built-in part or nothing does their work.

    generator: of the engine neural.  own: the swapper brings its face with it.
    """

    swapper: Swapper | None = None
    generator: Shipped | None = None
    masks: tuple[Masker, ...] = ()
    enhancer: Enhancer | None = None
    pointer: Pointer | None = None
    recogniser: Recogniser | None = None
    converter: Callable[[Any], Any] | None = None

    @property
    def own(self) -> bool:
        return self.swapper is not None and self.swapper.family.source is None

    def latent(self, name: str, identity: Identity | None) -> Latent:
        """What the swapper is fed for a source, made once; raises RealtimeError."""
        assert self.swapper is not None
        portraits = _portraits(name, identity) if identity else ()
        try:
            shown = [(portrait.image, self._five(portrait)) for portrait in portraits]
            return self.swapper.source(shown, self.recogniser, self.converter)
        except (ValueError, NetworkError) as error:
            raise RealtimeError(f"No face for this swapper can be made of {name}: {error}") from error

    def refined(self, name: str, identity: Identity, hands: Hands | None) -> Engine:
        """The engine neural for a source; raises RealtimeError."""
        from models.generator.engine import GeneratorEngine
        from models.mesh.engine import MeshEngine

        assert self.generator is not None
        portraits = _portraits(name, identity)
        try:
            who = self.generator.read(portraits)
            return GeneratorEngine(MeshEngine(identity.atlas, hands), self.generator.refine, who)
        except (ValueError, NetworkError) as error:
            raise RealtimeError(f"No face for the engine {NEURAL} can be made of {name}: {error}") from error

    def _five(self, portrait: Portrait) -> NDArray[np.float64]:
        """The points by which a portrait is aligned, as frames will be."""
        found = self.pointer.five(portrait.image, portrait.landmarks) if self.pointer else None
        return five(portrait.landmarks) if found is None else found


def _portraits(name: str, identity: Identity) -> tuple[Portrait, ...]:
    """What networks read a source from; raises RealtimeError."""
    if not identity.portraits:
        why = "was enrolled by an earlier version of swapcam, which kept no portraits"
        raise RealtimeError(f"{name} {why}; enrol {name} again with --overwrite, or use the mesh engine.")
    return identity.portraits


def engines(networks: Networks, sources: Mapping[str, Identity | None], hands: Hands | None, boost: int) -> dict[str, Engine]:
    """An engine for each source, all of one kind: mesh, neural, or with a swapper one that runs it.  Raises RealtimeError."""
    if networks.generator is not None:
        return {name: networks.refined(name, identity, hands) for name, identity in sources.items() if identity}
    if networks.swapper is None:
        from models.mesh.engine import MeshEngine

        return {name: MeshEngine(identity.atlas, hands) for name, identity in sources.items() if identity}
    from models.neural.engine import NeuralEngine

    parts = (networks.masks, networks.enhancer, networks.pointer, networks.recogniser, hands, boost)
    return {name: NeuralEngine(networks.swapper, networks.latent(name, identity), *parts) for name, identity in sources.items()}


def open_networks(settings: Settings, parts: ExitStack) -> Networks:
    """Open what the settings of `swap` name, each at once warm and proved; `parts` closes them.  Raises RealtimeError."""
    wanted = settings.swap
    if wanted.engine == MESH:
        return Networks()
    opening = _Opening(settings, parts)
    if wanted.engine == NEURAL:
        return Networks(generator=opening.generator())
    from models.families.sources import Embedding

    swapper = opening.swapper(wanted.engine)
    kind = swapper.family.source
    reads = isinstance(kind, Embedding)
    return Networks(
        swapper,
        None,
        tuple(opening.part(name, "mask") for name in wanted.masks),
        None if wanted.enhancer == NONE else opening.part(wanted.enhancer, "enhancer"),
        None if wanted.points == MEDIAPIPE else opening.part(wanted.points, "landmarks"),
        opening.part(_RECOGNISER if wanted.recogniser == AUTO else wanted.recogniser, "recogniser") if reads else None,
        opening.part(kind.converter, "converter") if isinstance(kind, Embedding) and kind.converter else None,
    )


def open_detector(settings: Settings, built_in: Finds, parts: ExitStack) -> Finds:
    """The detector of the settings; one that runs a model has the built-in one as its spare.  Raises RealtimeError."""
    if settings.detect.model == MEDIAPIPE:
        return built_in
    return Spared(_Opening(settings, parts).part(settings.detect.model, "detector"), built_in)


class _Opening:
    """Opens models by the names of the settings."""

    def __init__(self, settings: Settings, parts: ExitStack) -> None:
        chosen = settings.models
        self._licence, self._rewrite, self._parts = chosen.licence, chosen.rewrite, parts
        self._runtime = Runtime(chosen.providers, chosen.precision, chosen.threads)
        self._confidence, self._tiles = settings.detect.confidence, settings.detect.tiles == "auto"

    def part(self, name: str, role: str) -> Any:
        """The model of a name in a role, ready to be called; raises RealtimeError."""
        held = self._held(name, role)
        model = self._prepared(held).network if self._rewrite and role in _REWRITTEN else held.path
        return self._read(held, role, self._session(model, held.name))

    def swapper(self, name: str) -> Swapper:
        """The same of a swapper."""
        from models.families.swappers import open_swapper

        held = self._held(name, "swapper")
        made = self._prepared(held)
        try:
            network = self._session(made.network, held.name)
            half = self._session(made.half, held.name, told=False) if made.half else None
            swapper = open_swapper(network, held.family or None, made.emap, half)
        except NetworkError as error:
            raise RealtimeError(f"{held.name}: {error}") from error
        if swapper.family.source is None and not held.consent:
            how = f"add it first, which asks for that person's consent: swapcam models add {held.path}"
            raise RealtimeError(f"{held.name} has somebody's face in it; {how}")
        return swapper

    def generator(self) -> Shipped:
        """The generator that comes with the package; raises RealtimeError."""
        from models.generator.shipped import shipped

        try:
            found = self._parts.enter_context(shipped(self._runtime, self._rewrite))
        except NetworkError as error:
            raise RealtimeError(str(error)) from error
        logger.info("The generator runs on %s", found.variant)
        return found

    def _held(self, name: str, role: str) -> Held:
        try:
            held = store.find(name, self._licence)
        except NetworkError as error:
            raise RealtimeError(str(error)) from error
        if held.role not in ("", role):
            raise RealtimeError(f"{name} cannot be used here: got a model of the role {held.role}, expected {role}.")
        return held

    def _prepared(self, held: Held) -> Prepared:
        from models.rewrite.prepare import prepare

        if held.path.stat().st_size > _LARGE:
            logger.info("%s is opened; that takes some seconds.", held.name)
        try:
            return prepare(held.path, self._runtime, held.name, rewrite=self._rewrite)
        except NetworkError as error:
            raise RealtimeError(str(error)) from error

    def _session(self, model: Model, name: str, told: bool = True) -> Session:
        from models.session import Session

        try:
            session = Session(model, self._runtime, name=name)
        except NetworkError as error:
            raise RealtimeError(str(error)) from error
        self._parts.callback(session.close)
        if told:
            logger.info("%s runs on %s", name, session.variant)
        return session

    def _read(self, held: Held, role: str, network: Session) -> Any:
        from models.families import detectors, enhancers, masks, points, recognisers

        openers: dict[str, Callable[..., Any]] = {
            "detector": lambda network, name: detectors.open_finder(network, self._confidence, self._tiles, name),
            "landmarks": points.open_pointer,
            "recogniser": recognisers.open_recogniser,
            "converter": recognisers.open_converter,
            "mask": masks.open_masker,
            "enhancer": enhancers.open_enhancer,
        }
        try:
            return openers[role](network, held.family or None)
        except NetworkError as error:
            raise RealtimeError(f"{held.name}: {error}") from error


__all__ = ["BUILT_IN", "MESH", "NEURAL", "WORDS", "Networks", "engines", "open_detector", "open_networks"]
