"""One model, tried on one provider after another: in the best way that works there and still tells the truth."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from models.network import Array, Port
from models.running.binding import accept
from models.running.material import Material
from models.running.precision import apart, likely
from models.running.providers import PrecisionError, ProviderError, Runtime, Variant, closed, variants

logger = logging.getLogger(__name__)


class Opened(Protocol):
    """A network open in one way: takes the arrays of its inputs in order; raises ProviderError where it cannot run them."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __call__(self, arrays: Mapping[str, Array]) -> list[Array]: ...

    def close(self) -> None:
        """Free it."""


Opener = Callable[[Variant, Material, Runtime, bool], Opened]
"""Opens a model in one way; the last says whether every size is known.  Raises ProviderError, or NetworkError for a bad model."""


class Trial:
    """A model, how it is to run, and what is known of it so far.

    given: feeds to warm it up with and to compare fp16 on; None: some like pictures, where all sizes are known.
    device: which device of a provider to take, of those that have several ("" else).
    """

    def __init__(
        self, material: Material, runtime: Runtime, given: Mapping[str, Array] | None, opener: Opener, device: Callable[[str], str]
    ) -> None:
        self._material, self._runtime, self._given = material, runtime, given
        self._opener, self._device = opener, device
        self._fixed = False
        self._feeds: dict[str, Array] | None = None
        self._truth: list[Array] | None = None

    def on(self, provider: str) -> tuple[Opened, Variant]:
        """The model, warm, and how it runs; raises ProviderError, or NetworkError for a bad model."""
        if provider == "CPU":
            return self._warm(Variant("CPU"), self._runtime, 1)[0], Variant("CPU")
        if self._truth is None:
            self._learn()
        refused: list[ProviderError] = []
        for way in variants(provider, self._runtime.precision, self._fixed, self._feeds is not None, self._device(provider)):
            if way.half and any(isinstance(error, PrecisionError) for error in refused):
                continue
            try:
                # Twice, for the first run records a CUDA graph, compiles, and chooses algorithms.
                opened, _ = self._warm(way, self._runtime, 2)
            except ProviderError as error:
                refused.append(error)
                continue
            for reason in dict.fromkeys(map(str, refused)):
                logger.info("%s runs on %s, no faster: %s.", self._material.title, way, reason)
            return opened, way
        raise refused[-1]

    def _learn(self) -> None:
        """Open the model on the whole processor once: is it good at all, what are its sizes, and what must fp16 come near to."""
        opened, outputs = self._warm(Variant("CPU"), replace(self._runtime, threads=0), int(self._runtime.precision != "fp32"))
        self._truth = [output.copy() for output in outputs]
        self._fixed = closed((*opened.inputs, *opened.outputs))
        opened.close()

    def _warm(self, way: Variant, runtime: Runtime, runs: int) -> tuple[Opened, list[Array]]:
        opened = self._opener(way, self._material, runtime, self._fixed)
        with contextlib.ExitStack() as stack:
            stack.callback(opened.close)
            self._feeds = likely(opened.inputs) if self._given is None else accept(opened.inputs, self._given)
            outputs: list[Array] = []
            for _ in range(runs if self._feeds else 0):
                outputs = opened(self._feeds or {})
            if way.half and self._truth and (difference := apart(outputs, self._truth)):
                raise PrecisionError(f"in fp16 {difference}")
            stack.pop_all()
        return opened, outputs


__all__ = ["Opened", "Opener", "Trial"]
