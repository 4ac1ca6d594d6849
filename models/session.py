"""ONNX Runtime: which execution providers really run here, and model files opened with it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.network import Array, NetworkError, Port

_PROVIDERS = {
    "CUDA": "CUDAExecutionProvider",
    "TensorRT": "TensorrtExecutionProvider",
    "ROCm": "ROCMExecutionProvider",
    "CoreML": "CoreMLExecutionProvider",
    "DirectML": "DmlExecutionProvider",
    "OpenVINO": "OpenVINOExecutionProvider",
    "CPU": "CPUExecutionProvider",
}

_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(int64)": "int64"}


def usable() -> dict[str, bool]:
    """For each provider that the installed ONNX Runtime offers, whether a session really gets it; {} without the package.

    The list that ONNX Runtime gives of itself names CUDA on a machine without any GPU, and a session that asked for
    CUDA alone silently runs on the CPU; so a session over a model of one node is asked what it got.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return {}
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    result = {}
    for name, provider in _PROVIDERS.items():
        if provider in onnxruntime.get_available_providers():
            # Where a provider fails to load, ONNX Runtime prints so and takes the CPU.
            with contextlib.redirect_stdout(io.StringIO()):
                session = onnxruntime.InferenceSession(identity(), options, providers=[provider])
            result[name] = provider in session.get_providers()
    return result


@dataclass(frozen=True, slots=True)
class Runtime:
    """How networks are to run.

    providers: in order of preference, from PROVIDERS; empty: the fastest that works here.  precision: auto is fp16 where the
    provider is faster with it and the result stays the same.  threads: of the processor; 0: as many as help.
    """

    providers: tuple[str, ...] = ()
    precision: str = "auto"
    threads: int = 1


class Session:
    """A model ready to run; see models.network.Network.

    provider: what it really runs on.
    """

    def __init__(self, path: str | Path, runtime: Runtime = Runtime()) -> None:
        try:
            self._session = open_session(path)
        except ValueError as error:
            raise NetworkError(str(error)) from error
        self.inputs, self.outputs = (
            tuple(Port(part.name, tuple(n if isinstance(n, int) else None for n in part.shape), _TYPES[part.type]) for part in parts)
            for parts in (self._session.get_inputs(), self._session.get_outputs())
        )
        self.provider = "CPU"

    def __call__(self, feeds: Mapping[str, Array]) -> list[Array]:
        """See models.network.Network."""
        return list(self._session.run(None, dict(feeds)))

    def close(self) -> None:
        """Free the model; may be called again."""


def open_session(path: str | Path) -> Any:
    """An ONNX Runtime session over a model file on the CPU, with one thread.

    Raises FileNotFoundError, and ValueError with ONNX Runtime's own words for a file that is no model it can run.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"got {path}, expected an ONNX file")
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    wrong = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile, state.NotImplemented)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except wrong as error:
        raise ValueError(f"got {path}, expected an ONNX model that runs here: {str(error).splitlines()[0]}") from error


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
