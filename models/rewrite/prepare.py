"""Models rewritten for whatever provider is to run them, and proved to be the same, or left as they are."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from models.network import Array, NetworkError, Port
from models.rewrite.fold import fold, pin
from models.rewrite.graph import Graph, Parts
from models.rewrite.halves import halves
from models.rewrite.narrow import narrow
from models.rewrite.norm import norm
from models.rewrite.pads import pads
from models.rewrite.widen import widen
from models.rewrite.winograd import winograd
from models.running.binding import accept
from models.running.material import Material, Model, Recipe
from models.running.precision import likely
from models.running.providers import Runtime, Variant, order
from models.session import open_variant, usable

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""How far an output may be off, as a share of the range that the original's spans."""
_ROUNDING = 2e-6
"""The same as a share of its largest value, which float32 holds to 1e-7, or of 1, as sigmoids are no better near 0."""
_PROVING = Runtime(("CPU",), "fp32", 0)
_UNFORESEEN = (ValueError, TypeError, KeyError, IndexError, ZeroDivisionError)
"""What rewriting raises over a graph that is built as none was before."""
# Instance norm takes its scale and shift from the source; these are known to want constants there.
_CONSTANT = ("TensorRT", "MIGraphX")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model as recipes for models.session.Session.

    network: the model, or if it was cut what has to run in every frame.  half: from the source alone to what `network` takes
    besides the target, by the same names; None if it was not cut.  emap: the last initializer (d, d) float32, None if it is no square.
    """

    network: Recipe
    half: Recipe | None
    emap: Array | None


def prepare(
    model: Model, runtime: Runtime, name: str = "", source: str | None = None, rewrite: bool = True, memory: int | None = None
) -> Prepared:
    """A path, bytes or ModelProto, ready to be opened with this runtime.

    source: the input that changes only with the source; None: the one of that name, else the vector beside a picture.
    memory: bytes by which weights may grow where the processor is the first choice; None: a quarter of what is free.
    Each graph is compared with the original when a provider asks for it; where it differs the original is taken, which is said once.
    Raises NetworkError for what is no model.
    """
    recipe = _Recipe(Material(model, name), runtime, source, memory)
    original = recipe.read()
    square = emap(original)
    if not rewrite:
        return Prepared(lambda _: model, None, square)
    _, half = recipe.graphs(original)
    return Prepared(recipe, recipe.half if half else None, square)


def emap(model: Any) -> Array | None:
    """The last initializer of a ModelProto, where inswapper and its kin keep their matrix (d, d) float32; None if it is no square."""
    from onnx import numpy_helper

    last = model.graph.initializer[-1] if model.graph.initializer else None
    if last is None or len(last.dims) != 2 or last.dims[0] != last.dims[1]:
        return None
    return np.asarray(numpy_helper.to_array(last), np.float32)


def suited(graph: Graph, provider: str, memory: int) -> int:
    """Rewrite a graph for a provider, in place; how many places there were.

    On a processor convolutions become matrix products while their weights grow by at most `memory` bytes; with 0 they all stay.
    CoreML knows neither padding by reflection nor an instance norm whose scale is not constant, and would hand pieces in between to
    the processor.
    """
    instance, affine, products = _ways(provider, memory)
    if not products:
        return norm(graph, affine) if instance else pads(graph)
    return widen(graph) + norm(graph, affine) + narrow(graph) + winograd(graph, memory)


def _ways(provider: str, memory: int) -> tuple[bool, bool, bool]:
    """Whether instance norm becomes one node, with a scale that is not constant, and convolutions matrix products."""
    return provider != "CoreML", provider not in _CONSTANT, provider == "CPU" and memory > 0


class _Recipe:
    """See models.running.material.Recipe; reads the model afresh each time, for what it holds it would hold beside what runs."""

    def __init__(self, material: Material, runtime: Runtime, source: str | None, memory: int | None) -> None:
        self._material, self._runtime, self._source, self._memory = material, runtime, source, memory
        self._truth: tuple[dict[str, Array], list[Array]] | None = None
        self._same: dict[tuple[bool, bool, bool], bool] = {}

    def __call__(self, provider: str) -> Parts:
        # Providers with the same graph share the proof.
        ways = _ways(provider, self._room())
        if not self._same.get(ways, True):
            return self._plain()
        graph, half = self.graphs(self.read())
        reason = ""
        try:
            found = suited(graph, provider, self._room())
            parts = graph.parts()
            # What is not needed any more would lie beside two copies of what is.
            del graph
            if found and ways not in self._same:
                reason = self._difference(parts, half)
        except _UNFORESEEN as error:
            reason = f"it is not understood ({type(error).__name__}: {error})"
        self._same[ways] = not reason
        if reason:
            logger.warning("%s runs on %s as it is: rewritten, %s.", self._material.title, provider, reason)
        return self._plain() if reason else parts

    def _plain(self) -> Parts:
        """What runs in every frame, not rewritten."""
        return self.graphs(self.read())[0].parts()

    def half(self, provider: str) -> Parts:
        """The source half, the same for every provider."""
        _, half = self.graphs(self.read())
        assert half is not None
        return half.parts()

    def read(self) -> Any:
        """The model as a ModelProto; raises NetworkError."""
        return self._material.parsed(self._material.model)

    def graphs(self, model: Any) -> tuple[Graph, Graph | None]:
        """What runs in every frame, and the source half if there is one."""
        graph = Graph(model)
        pin(graph)
        fold(graph)
        source = self._source or _source(graph)
        cut = halves(graph, source) if source else None
        return (cut[1], cut[0]) if cut else (graph, None)

    def _room(self) -> int:
        wanted = self._runtime.providers
        if order(wanted, {} if wanted else usable())[0] != "CPU":
            # The processor is asked for comparison alone, or when all else has failed.
            return 0
        if self._memory is None:
            self._memory = psutil.virtual_memory().available // 4
        return self._memory

    def _known(self, half: Graph | None) -> tuple[dict[str, Array], list[Array]]:
        """Feeds for all that the parts take, none if sizes are open, and what the original gives for them."""
        if self._truth is None:
            feeds, truth = _run(self._material, None)
            if feeds and half is not None:
                _, made = _run(Material(lambda _: half.parts()), feeds)
                feeds |= zip((port.name for port in half.outputs), made, strict=True)
            self._truth = feeds, truth
        return self._truth

    def _difference(self, parts: Parts, half: Graph | None) -> str:
        """How the parts differ from the original beyond what may be, in words; "" where they are the same."""
        feeds, truth = self._known(half)
        if not feeds:
            return "it could not be compared, as not all of its sizes are known"
        try:
            return apart(_run(Material(lambda _: parts, self._material.title), feeds)[1], truth)
        except NetworkError as error:
            return f"it does not run ({error})"


def apart(outputs: list[Array], truth: list[Array]) -> str:
    """How outputs differ by more than TOLERANCE of the truth's range, in words; "" where they do not."""
    for number, (got, want) in enumerate(zip(outputs, truth, strict=True)):
        if got.shape != want.shape:
            return f"output {number} has the shape {got.shape}, not {want.shape}"
        if want.size and not np.array_equal(got, want):
            want = want.astype(np.float64)
            off = float(np.abs(got - want).max())
            # Where all values are nearly the same, rounding is all that differs.
            allowed = max(TOLERANCE * float(np.ptp(want)), _ROUNDING * max(float(np.abs(want).max()), 1.0))
            # What is no number is not smaller either.
            if not off <= allowed:
                return f"output {number} is off by {off:.1e}, more than {allowed:.1e}"
    return ""


def _run(material: Material, feeds: Mapping[str, Array] | None) -> tuple[dict[str, Array], list[Array]]:
    """What a model gives on the processor for those of the feeds that it takes, or for some like pictures; and the feeds."""
    opened = open_variant(Variant("CPU"), material, _PROVING, False)
    try:
        given = _likely(opened.inputs) if feeds is None else {port.name: feeds[port.name] for port in opened.inputs}
        return given, [output.copy() for output in opened(accept(opened.inputs, given))] if given else []
    finally:
        opened.close()


def _likely(ports: tuple[Port, ...]) -> dict[str, Array]:
    feeds = likely(ports) or {}
    for port in ports if feeds else ():
        value = feeds[port.name]
        if len(port.shape) == 2 and value.size > 1 and value.dtype.kind == "f":
            # Longer latents than they are in life drive a network to its limits, where errors do not show.
            centred = value - value.mean()
            feeds[port.name] = np.asarray(centred / np.linalg.norm(centred), value.dtype)
    return feeds


def _source(graph: Graph) -> str | None:
    """The input that is called source, or of a picture and a vector the vector."""
    shapes = {port.name: graph.shape(port.name) or () for port in graph.inputs}
    vectors = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(shapes) != 2:
        return None
    return "source" if "source" in shapes else vectors[0] if len(vectors) == 1 else None


__all__ = ["TOLERANCE", "Prepared", "apart", "emap", "prepare", "suited"]
