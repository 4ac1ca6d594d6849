"""What everything that looks at a face through a neural network speaks: arrays in by name, arrays out in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]


class NetworkError(Exception):
    """A network that cannot be opened or cannot run any more: one sentence for the user, with what to do."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: its name, its shape with None for what may vary, and numpy's name of its type (float32)."""

    name: str
    shape: tuple[int | None, ...]
    type: str


class Network(Protocol):
    """A network that is ready to run."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __call__(self, feeds: Mapping[str, Array]) -> list[Array]:
        """The outputs in their order, valid until the next call; raises NetworkError, and ValueError for wrong feeds."""


__all__ = ["Array", "Network", "NetworkError", "Port"]
