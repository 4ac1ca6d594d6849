"""The two networks of the generator: who a source is, once for each, and the face of every frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.families.ports import Want, fit, shown
from models.families.sources import locked
from models.generator.view import CHANNELS, SIDE
from models.network import Array, Network, NetworkError, Port
from models.portrait import Portrait

Floats = NDArray[np.float32]

IDENTITY = 128
"""Numbers that say who a source is, a vector of length 1."""
_VIEW = Want((1, CHANNELS, SIDE, SIDE), ("view",))
_VECTOR = Want((1, IDENTITY), ("identity",))
_MADE = (Want((1, 3, SIDE, SIDE), ("face",)), Want((1, 1, SIDE, SIDE), ("alpha",)))
_PORTRAIT = Want((1, 3, SIDE, SIDE), ("portrait",))


class Refiner:
    """The generator's network; sources share it, and all belong to one thread.

    network: the whole one, or with `half` what is left of it when `half` has gone before: a network from the identity alone to
    tensors that this one takes by their names.  Raises NetworkError for networks with other inputs or outputs.
    """

    def __init__(self, network: Network, half: Network | None = None) -> None:
        made = {port.name for port in half.outputs} if half else set()
        inputs = [port for port in network.inputs if port.name not in made | {"identity"}]
        vector = [port for port in (half or network).inputs if port.name == "identity"]
        known = half is None or (len(half.inputs) == 1 and made <= {port.name for port in network.inputs})
        if not known or not fit((_VIEW, _VECTOR), [*inputs, *vector]) or not fit(_MADE, network.outputs):
            raise _unlike((*inputs, *vector, *network.outputs), (_VIEW, _VECTOR, *_MADE))
        self._network, self._half = network, half

    def source(self, identity: Floats) -> Mapping[str, Array]:
        """What the network is fed for an identity (128,) beside the view: the same arrays in every call, which nobody may write."""
        made = {"identity": locked(identity[None], "float32")}
        if self._half is not None:
            made |= {port.name: array for port, array in zip(self._half.outputs, self._half(made), strict=True)}
        # Copies, as what a network gives is its own until the next call.
        return {port.name: locked(made[port.name], port.type) for port in self._network.inputs if port.name in made}

    def __call__(self, view: Floats, source: Mapping[str, Array]) -> tuple[Floats, Floats]:
        """The face (3, 128, 128) float32 RGB 0..1 and its alpha (128, 128) float32 0..1, both the network's own until the next call.

        view: (1, 7, 128, 128), see models.generator.view.  Raises ValueError for output that is not finite, NetworkError where the
        network cannot run any more.
        """
        face, alpha = self._network({"view": view, **source})
        if not (np.isfinite(face).all() and np.isfinite(alpha).all()):
            raise ValueError("got a face that is not finite, expected numbers")
        return face[0], alpha[0, 0]


class Reader:
    """The identity encoder; raises NetworkError for a network with other inputs or outputs."""

    def __init__(self, network: Network) -> None:
        if not fit((_PORTRAIT, _VECTOR), [*network.inputs, *network.outputs]):
            raise _unlike((*network.inputs, *network.outputs), (_PORTRAIT, _VECTOR))
        self._network = network

    def __call__(self, portraits: Sequence[Portrait]) -> Floats:
        """Who is in portraits of one person: (128,) float32 of length 1, the mean direction.

        Raises ValueError without a portrait and for output that is nothing or not finite, NetworkError where the network cannot run.
        """
        if not portraits:
            raise ValueError("got no portrait, expected at least one")
        mean = np.mean([self._read(portrait) for portrait in portraits], axis=0)
        length = float(np.linalg.norm(mean))
        if not np.isfinite(length) or length < 1e-6:
            raise ValueError("got an identity that is nothing or not finite, expected a face's")
        return np.asarray(mean / length, np.float32)

    def _read(self, portrait: Portrait) -> Floats:
        small = cv2.resize(portrait.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        given = np.ascontiguousarray(small[..., ::-1].transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        return np.array(self._network({"portrait": given})[0][0], np.float32)


def _unlike(got: Sequence[Port], wanted: Sequence[Want]) -> NetworkError:
    expected = ", ".join(map(str, wanted))
    return NetworkError(f"The generator's network is of another version: got {shown(got)}, expected {expected}; install swapcam again.")


__all__ = ["IDENTITY", "Reader", "Refiner"]
