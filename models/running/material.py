"""What a network is made from: a file, its bytes, a graph, or a recipe that makes a graph for each provider."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.network import Array, NetworkError
from models.running.faults import check_file, check_start, of_model, shortened
from models.running.initializers import Convert, detach, fingerprint, halve
from models.running.providers import ProviderError, Variant

Recipe = Callable[[str], Any]
"""A provider's name, of models.running.providers.NAMES, to a ModelProto, or to one and the initializers marked as outside it."""

Model = Any
"""A path, bytes, an onnx ModelProto or a Recipe; onnx carries no types."""

_BLOCK = 1 << 22
# The converter knows many graphs, and trips over others in many ways.
_CONVERSION = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Material:
    """A model in any of its forms, and what to call it; raises NetworkError for a path or bytes that are plainly no model."""

    model: Model
    name: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.model, str | Path):
            check_file(Path(self.model))
        elif isinstance(self.model, bytes):
            check_start(self.title, self.model[:512])
        elif not callable(self.model) and not hasattr(self.model, "graph"):
            raise ValueError(f"got {type(self.model).__name__}, expected a path, bytes, a ModelProto or a recipe")

    @property
    def title(self) -> str:
        """What messages call it."""
        if self.name or isinstance(self.model, str | Path):
            return self.name or Path(self.model).name
        graph = getattr(self.model, "graph", None)
        return getattr(graph, "name", "") or "a network"

    def load(self, variant: Variant, convert: Convert) -> tuple[str | bytes, dict[str, Array]]:
        """What ONNX Runtime is to open, a path or bytes, and the initializers to hand it beside.

        convert: used where the variant wants that; where it fails: ProviderError.
        A path in fp32 is not read here.
        """
        given = self.model(variant.provider) if callable(self.model) else self.model
        given, arrays = given if isinstance(given, tuple) else (given, {})
        if isinstance(given, str | Path | bytes) and not variant.converted:
            return (given if isinstance(given, bytes) else str(given)), dict(arrays)
        small, found = detach(self.parsed(given))
        arrays = {**arrays, **found}
        if variant.converted:
            try:
                small, arrays = halve(small, arrays, convert)
            except _CONVERSION as error:
                raise ProviderError(f"it cannot be turned into fp16 ({shortened(str(error))})") from error
        names = {tensor.name for tensor in small.graph.initializer}
        return small.SerializeToString(), {name: array for name, array in arrays.items() if name in names}

    def parsed(self, given: Any) -> Any:
        """A path, bytes or ModelProto as a ModelProto; raises NetworkError for what is none, OSError for a path that is gone."""
        import onnx
        from google.protobuf.message import DecodeError

        try:
            if isinstance(given, bytes):
                return onnx.load_model_from_string(given)
            return onnx.load_model(str(given)) if isinstance(given, str | Path) else given
        except DecodeError as error:
            raise NetworkError(of_model(self.title, "protobuf parsing failed", "")) from error


def mark(source: str | bytes, arrays: Mapping[str, Array], *others: str) -> str:
    """32 hexadecimal digits for what a provider compiles and keeps: other content, other digits."""
    if isinstance(source, bytes):
        content = source
    else:
        digest = hashlib.blake2b(digest_size=16)
        with Path(source).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        content = digest.digest()
    return fingerprint(b" ".join([content, *(other.encode() for other in others)]), arrays)


def identity() -> bytes:
    """An ONNX model of one Identity node, x -> y, one float; written by hand as protocol buffers (onnx.proto3)."""
    tensor = _field(2, _field(1, _number(1, 1) + _field(2, _field(1, _number(1, 1)))))
    node = _field(1, b"x") + _field(2, b"y") + _field(4, b"Identity")
    graph = _field(1, node) + _field(2, b"identity") + _field(11, _field(1, b"x") + tensor) + _field(12, _field(1, b"y") + tensor)
    return _number(1, 8) + _field(8, _number(2, 13)) + _field(7, graph)


def _number(tag: int, value: int) -> bytes:
    return bytes((tag << 3, value))


def _field(tag: int, content: bytes) -> bytes:
    # Lengths stay under 128, so that one byte each is enough.
    return bytes((tag << 3 | 2, len(content))) + content


__all__ = ["Material", "Model", "Recipe", "identity", "mark"]
