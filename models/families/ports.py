"""How a family of networks is recognised: by the names, shapes and types of what goes in and comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType

from models.network import Port


@dataclass(frozen=True, slots=True)
class Want:
    """What a port must look like.

    shape: a number must be there (or be left open by the file), None may be anything, ... stands for any sizes before the rest.
    names: which it may have; empty: any but those in `unlike`.  type: numpy's name, or more than one with | between.
    """

    shape: tuple[int | EllipsisType | None, ...]
    names: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    type: str = "float32"

    def fits(self, port: Port) -> bool:
        """Whether a port looks like that."""
        shape, open_front = self.shape, self.shape[:1] == (...,)
        wanted = shape[1:] if open_front else shape
        got = port.shape[len(port.shape) - len(wanted) :] if open_front and len(port.shape) >= len(wanted) else port.shape
        same = len(got) == len(wanted) and all(want is None or size is None or size == want for size, want in zip(got, wanted, strict=True))
        named = port.name in self.names if self.names else port.name not in self.unlike
        return same and named and port.type in self.type.split("|")

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else "..." if size is ... else str(size) for size in self.shape)
        return f"{'/'.join(self.names) or '*'} ({sizes}) {self.type}"


def fit(wanted: Sequence[Want], ports: Sequence[Port]) -> bool:
    """Whether there are as many ports as wanted, and each looks as it must, in order."""
    return len(wanted) == len(ports) and all(want.fits(port) for want, port in zip(wanted, ports, strict=True))


def shown(ports: Sequence[Port]) -> str:
    """Ports for people: name (sizes) type, ... ; at most four of them."""
    parts = [f"{port.name} ({', '.join('?' if size is None else str(size) for size in port.shape)}) {port.type}" for port in ports[:4]]
    return ", ".join(parts) + (f" and {len(ports) - 4} more" if len(ports) > 4 else "")


__all__ = ["Want", "fit", "shown"]
