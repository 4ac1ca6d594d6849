"""What an ONNX file says of itself, read without its weights: a walk over the protocol buffer that steps over everything large."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from models.network import NetworkError, Port
from models.running.faults import check_start

# Numbers of fields and types are those of onnx.proto3 (onnx.ai).
_TYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64", 12: "uint32"}
_OLDEST = 7
_TEXT = 1 << 16


@dataclass(frozen=True, slots=True)
class Outline:
    """Inputs and outputs of a network, the version of ONNX's operators that it is written in, and the shape of its last weight."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    opset: int
    last: tuple[int, ...] = ()


@dataclass(slots=True)
class _Graph:
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    weights: set[str] = field(default_factory=set)
    last: tuple[int, ...] = ()
    nodes: int = 0
    elsewhere: bool = False


class _TornError(ValueError):
    """A message that does not hold what it announces."""


def read(path: Path) -> Outline:
    """The outline of an ONNX file; raises NetworkError, one sentence, for whatever else it may be."""
    try:
        with path.open("rb") as file:
            check_start(str(path), file.read(512))
            return _outline(path, file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError as error:
        raise NetworkError(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise NetworkError(f"{path} is a folder; a model file is expected.") from error
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}.") from error


def _outline(path: Path, file: BinaryIO, size: int) -> Outline:
    file.seek(0)
    graph, opsets, version = _Graph(), dict[str, int](), 0
    try:
        for number, value, end in _fields(file, size):
            if number == 1 and end is None:
                version = value
            elif number == 7 and end is not None:
                _walk(file, end, graph)
            elif number == 8 and end is not None:
                parts = dict(_inner(_blob(file, end)))
                opsets[bytes(parts.get(1, b"")).decode(errors="replace")] = int(parts.get(2, 0))
    except _TornError as error:
        if graph.nodes or version:
            raise NetworkError(f"{path} breaks off in the middle: it was not downloaded or copied to its end.") from error
        raise NetworkError(f"{path} is no ONNX model.") from error
    if not version or not graph.nodes or not graph.outputs:
        raise NetworkError(f"{path} is no ONNX model.")
    if graph.elsewhere:
        raise NetworkError(f"{path} keeps its weights in other files; save it as one file, for only that can be checked by its hash.")
    _check_opset(path, opsets.get("", opsets.get("ai.onnx", 0)))
    # Old files list their weights among the inputs.
    inputs = tuple(port for port in graph.inputs if port.name not in graph.weights)
    return Outline(inputs, tuple(graph.outputs), opsets.get("", opsets.get("ai.onnx", 0)), graph.last)


def _check_opset(path: Path, opset: int) -> None:
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if not _OLDEST <= opset <= newest:
        what = f"the operators of ONNX {opset}" if opset else "no version of ONNX's operators"
        hint = "; a newer onnx and onnxruntime may know it" if opset > newest else ""
        raise NetworkError(f"{path} is written in {what}, expected {_OLDEST} to {newest}{hint}.")


def _walk(file: BinaryIO, stop: int, graph: _Graph) -> None:
    """Read a GraphProto up to `stop`."""
    for number, _, end in _fields(file, stop):
        if end is None:
            continue
        if number == 1:
            graph.nodes += 1
        elif number == 5:
            name, graph.last, elsewhere = _weight(file, end)
            graph.weights.add(name)
            graph.elsewhere |= elsewhere
        elif number in (11, 12):
            (graph.inputs if number == 11 else graph.outputs).append(_port(_blob(file, end)))


def _weight(file: BinaryIO, stop: int) -> tuple[str, tuple[int, ...], bool]:
    """Name and shape of a TensorProto, and whether its values lie in another file."""
    name, shape, elsewhere = "", list[int](), False
    for number, value, end in _fields(file, stop):
        if number == 1:
            shape += [value] if end is None else _packed(_blob(file, end))
        elif number == 8 and end is not None:
            name = _blob(file, end).decode(errors="replace")
        elif number == 14:
            elsewhere = value == 1
    return name, tuple(shape), elsewhere


def _port(content: bytes) -> Port:
    """A ValueInfoProto: name, type, shape."""
    parts = dict(_inner(content))
    tensor = dict(_inner(bytes(dict(_inner(bytes(parts.get(2, b"")))).get(1, b""))))
    shape = []
    for number, dimension in _inner(bytes(tensor.get(2, b""))):
        length = dict(_inner(bytes(dimension))).get(1) if number == 1 and isinstance(dimension, bytes) else None
        shape.append(length if isinstance(length, int) and length > 0 else None)
    kind = tensor.get(1, 0)
    known = _TYPES.get(kind, "unknown") if isinstance(kind, int) else "unknown"
    return Port(bytes(parts.get(1, b"")).decode(errors="replace"), tuple(shape), known)


def _blob(file: BinaryIO, end: int) -> bytes:
    length = end - file.tell()
    if length > _TEXT:
        raise _TornError(f"got {length} bytes, expected at most {_TEXT}")
    return file.read(length)


def _inner(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a small message: its number with its bytes or its whole number."""
    file = io.BytesIO(content)
    for number, value, end in _fields(file, len(content)):
        yield number, value if end is None else file.read(end - file.tell())


def _packed(content: bytes) -> list[int]:
    file, values = io.BytesIO(content), []
    while file.tell() < len(content):
        values.append(_varint(file))
    return values


def _fields(file: BinaryIO, stop: int) -> Iterator[tuple[int, int, int | None]]:
    """Number, value and end (of those that have a length, else None) of each field up to `stop`; what is left of one is stepped over."""
    while file.tell() < stop:
        key = _varint(file)
        number, kind = key >> 3, key & 7
        if number == 0 or kind not in (0, 1, 2, 5):
            raise _TornError("got no field")
        value = _varint(file) if kind in (0, 2) else 0
        end = file.tell() + {0: 0, 1: 8, 2: value, 5: 4}[kind]
        if end > stop:
            raise _TornError("got less than announced")
        yield number, value, end if kind == 2 else None
        file.seek(end)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise _TornError("got the end")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise _TornError("got no number")


__all__ = ["Outline", "read"]
