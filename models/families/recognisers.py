"""Face recognisers (ArcFace, SFace) and the converters that make one recogniser's embedding into another's; a row a family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.align import crop, similarity, template
from models.families.form import SIGNED, Form
from models.families.pick import pick
from models.families.ports import Want, fit
from models.network import Network, Port

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

# Fewer numbers than this are classes, ages or a pose.
_FEWEST = 64
_CROP = (1, 3, 112, 112)
_BYTES = Form("rgb", deviation=(1.0, 1.0, 1.0))


@dataclass(frozen=True, slots=True)
class Family:
    """A family of recognisers or converters.

    template, size: of the crop that a recogniser looks at, see models.align.  A converter has no form.
    """

    name: str
    inputs: tuple[Want, ...]
    outputs: tuple[Want, ...]
    form: Form | None
    template: str = "arcface_112_v2"
    size: int = 112
    role: str = "recogniser"

    def fits(self, inputs: Sequence[Port], outputs: Sequence[Port]) -> bool:
        """Whether a network with these ports is of this family."""
        same = fit(self.inputs, inputs) and fit(self.outputs, outputs)
        return same and (outputs[0].shape[-1] is None or outputs[0].shape[-1] >= _FEWEST)


# What MXNet made calls its input `data` and subtracts the mean in the graph; so do SFace, which OpenCV feeds RGB 0..255
# (FaceRecognizerSF), and the oldest of ArcFace's, as insightface itself tells them.
_RECOGNISERS = (
    Family("sface", (Want(_CROP, ("data",)),), (Want((1, 128)),), _BYTES),
    Family("arcface", (Want(_CROP, ("data",)),), (Want((1, 512)),), _BYTES),
    Family("arcface", (Want(_CROP, unlike=("data",)),), (Want((1, None)),), SIGNED),
)
_CONVERTERS = (Family("converter", (Want((1, 512)),), (Want((1, 512)),), None, role="converter"),)
FAMILIES = _RECOGNISERS + _CONVERTERS


class Recogniser:
    """A network of a family that says who somebody is.

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019; Zhong et al., "SFace", 2021.
    """

    def __init__(self, network: Network, family: Family) -> None:
        if family.form is None:
            raise ValueError(f"got the family {family.name}, expected one of recognisers")
        self.family = family
        self._form = family.form
        self._network = network

    def __call__(self, image: Bytes, five: Reals) -> Floats:
        """The embedding (d,) float32, as the network gives it, of a face in a picture (h, w, 3) uint8 BGR.

        five: (5, 2) px, see models.align.five.  Raises ValueError for points that are not finite or in one place and for an
        embedding that is not finite, and NetworkError as the network does.
        """
        matrix = similarity(five, template(self.family.template, self.family.size))
        return self.read(crop(image, matrix, self.family.size))

    def read(self, face: Bytes) -> Floats:
        """The same of a face in the family's crop (size, size, 3) uint8 BGR."""
        return _embedding(self._network({self._network.inputs[0].name: self._form.pack(face)})[0])


class Converter:
    """A network that makes ArcFace's embedding into what another model's swapper was trained with."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, embedding: Floats) -> Floats:
        """The converted embedding (512,) float32 of a raw one (512,); raises ValueError for another length or what is not finite."""
        if embedding.shape != (512,):
            raise ValueError(f"embedding: got {embedding.shape}, expected (512,)")
        return _embedding(self._network({self._network.inputs[0].name: embedding.astype(np.float32)[None]})[0])


def open_recogniser(network: Network, name: str | None = None) -> Recogniser:
    """The recogniser of a network, its family recognised by its ports or said by its name; raises NetworkError where it is of none."""
    return Recogniser(network, pick(_RECOGNISERS, network.inputs, network.outputs, name))


def open_converter(network: Network, name: str | None = None) -> Converter:
    """The converter of a network; raises NetworkError where it is none."""
    pick(_CONVERTERS, network.inputs, network.outputs, name)
    return Converter(network)


def _embedding(output: NDArray[np.floating[Any]]) -> Floats:
    embedding = np.array(output, np.float32).reshape(-1)
    if not np.isfinite(embedding).all():
        raise ValueError("got an embedding that is not finite, expected numbers")
    return embedding


__all__ = ["FAMILIES", "Converter", "Family", "Recogniser", "open_converter", "open_recogniser"]
