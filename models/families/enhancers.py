"""Networks that give a blurred or small face the detail of a sharp one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.families.form import SIGNED, Form
from models.families.pick import pick
from models.families.ports import Want
from models.network import Network, Port

Bytes = NDArray[np.uint8]

_FLOATS = "float32|float16"


@dataclass(frozen=True, slots=True)
class Family:
    """How enhancers of one family want their crop, and what they give.

    template: see models.align.  size: side in pixels.  form: of what goes in and what comes out.
    weighed: a second input says how true to the crop the result is to be.
    """

    name: str
    template: str
    size: int
    form: Form = SIGNED
    weighed: bool = False
    role: str = "enhancer"

    def fits(self, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> bool:
        """Whether a network's ports are this family's."""
        return self.ports(inputs, outputs) is not None

    def ports(self, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> tuple[Port, Port | None, int] | None:
        """The inputs for crop and weight, and which output is the result, among others that a file may give; None where they are
        not this family's.
        """
        picture = Want(self.form.shape(self.size), type=_FLOATS)
        crops = [port for port in inputs if picture.fits(port)]
        weights = [port for port in inputs if len(port.shape) <= 1 and port.type in ("float32", "float64", "float16")]
        results = [index for index, port in enumerate(outputs) if picture.fits(port)]
        if len(crops) != 1 or len(weights) != int(self.weighed) or len(inputs) != 1 + len(weights) or not results:
            return None
        return crops[0], weights[0] if weights else None, results[0]


FAMILIES = (
    Family("gfpgan", "ffhq_512", 512),
    Family("gfpgan_1024", "ffhq_512", 1024),
    Family("gpen_256", "arcface_128", 256),
    Family("gpen_512", "ffhq_512", 512),
    Family("gpen_1024", "ffhq_512", 1024),
    Family("gpen_2048", "ffhq_512", 2048),
    Family("codeformer", "ffhq_512", 512, weighed=True),
    Family("restoreformer_plus_plus", "ffhq_512", 512),
)


class Enhancer:
    """Sharpens crops; keeps a buffer between calls, so one instance belongs to one thread."""

    def __init__(self, network: Network, family: Family) -> None:
        found = family.ports(network.inputs, network.outputs)
        if found is None:
            raise ValueError(f"got the inputs {[port.name for port in network.inputs]}, expected those of {family.name}")
        self._network, self.family, self.size = network, family, family.size
        self._crop, self._weight, self._result = found
        self._buffer = np.empty(family.form.shape(family.size), self._crop.type)
        # Compiled now, not in the first frame.
        family.form.unpack(family.form.pack(np.zeros((family.size, family.size, 3), np.uint8), self._buffer))

    def __call__(self, crop: Bytes, weight: float = 0.5) -> Bytes:
        """A crop (size, size, 3) uint8 BGR aligned to the family's template with more detail, the same size and type.

        weight: 0..1, for models that take one: how true to the crop, 0 looks best and 1 most like it.
        Raises ValueError for other crops and output that is not finite, NetworkError where the network cannot run any more.
        """
        shape = (self.size, self.size, 3)
        if crop.shape != shape or crop.dtype != np.uint8:
            raise ValueError(f"got a crop {crop.shape} {crop.dtype}, expected {shape} uint8")
        if not 0 <= weight <= 1:
            raise ValueError(f"got a weight of {weight}, expected 0..1")
        self.family.form.pack(crop, self._buffer)
        feeds = {self._crop.name: self._buffer}
        if self._weight is not None:
            feeds[self._weight.name] = np.full((1,) * len(self._weight.shape), weight, self._weight.type)
        picture = self.family.form.unpack(self._network(feeds)[self._result])
        if picture.shape != shape:
            raise ValueError(f"got an output {picture.shape}, expected {shape}")
        return picture


def open_enhancer(network: Network, family: str | None = None) -> Enhancer:
    """An enhancer over a network; family: its name, where the ports leave more than one.  Raises NetworkError."""
    return Enhancer(network, pick(FAMILIES, network.inputs, network.outputs, family))


__all__ = ["FAMILIES", "Enhancer", "Family", "open_enhancer"]
