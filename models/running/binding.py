"""Where a network's inputs and outputs lie: bound once to a session of ONNX Runtime, so that a call copies nothing twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models.network import Array, NetworkError, Port
from models.running.faults import of_run
from models.running.providers import NAMES, ProviderError, Variant

_TYPES = {"float": "float32", "double": "float64", "string": "object"}


def ports(parts: Sequence[Any]) -> tuple[Port, ...]:
    """Inputs or outputs as ONNX Runtime tells them; raises NetworkError for one that is no array."""
    result = []
    for part in parts:
        kind = part.type.removeprefix("tensor(").removesuffix(")")
        if "(" in kind or part.shape is None:
            raise NetworkError(f"Got a network with {part.name} of type {part.type}, expected arrays alone; use another model.")
        result.append(Port(part.name, tuple(size if isinstance(size, int) else None for size in part.shape), _TYPES.get(kind, kind)))
    return tuple(result)


def accept(inputs: Sequence[Port], feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Feeds in the order of the inputs, each in one piece of memory; raises ValueError, saying got and expected, for wrong ones."""
    if feeds.keys() != {port.name for port in inputs}:
        raise ValueError(f"got inputs {', '.join(sorted(feeds))}, expected {', '.join(port.name for port in inputs)}")
    arrays = {}
    for port in inputs:
        array = feeds[port.name]
        right = len(array.shape) == len(port.shape) and all(
            want is None or size == want for size, want in zip(array.shape, port.shape, strict=True)
        )
        if not right or array.dtype.name != port.type:
            sizes = ", ".join("any" if size is None else str(size) for size in port.shape)
            raise ValueError(f"got {port.name} {array.shape} {array.dtype.name}, expected ({sizes}) {port.type}")
        arrays[port.name] = array if array.flags.c_contiguous else np.ascontiguousarray(array)
    return arrays


class Host:
    """Inputs are read where they lie in memory; outputs of fixed shape are written into arrays made once.

    Outputs of open shape come in memory of ONNX Runtime's own.
    """

    def __init__(self, session: Any, outputs: Sequence[Port]) -> None:
        self._session, self._binding = session, session.io_binding()
        self._bound: dict[str, Array] = {}
        self._open = [port.name for port in outputs if None in port.shape]
        fixed = [port for port in outputs if port.name not in self._open]
        self._buffers = {port.name: np.empty([size or 0 for size in port.shape], port.type) for port in fixed}
        self._names = [port.name for port in outputs]
        # get_outputs() gives them in the order in which they were bound first.
        for name in self._names:
            if (buffer := self._buffers.get(name)) is None:
                self._binding.bind_output(name, "cpu")
            else:
                self._binding.bind_output(name, "cpu", 0, buffer.dtype.type, buffer.shape, buffer.ctypes.data)

    def __call__(self, arrays: Mapping[str, Array]) -> list[Array]:
        """The outputs; those of fixed shape are overwritten by the next call."""
        for name, array in arrays.items():
            # An output of the call before, fed back, would be overwritten while it is read.
            if any(np.may_share_memory(array, buffer) for buffer in self._buffers.values()):
                array = array.copy()
            if self._bound.get(name) is not array:
                self._binding.bind_cpu_input(name, array)
                self._bound[name] = array
        _release(self._binding, self._open)
        self._session.run_with_iobinding(self._binding)
        if not self._open:
            return list(self._buffers.values())
        values = dict(zip(self._names, self._binding.get_outputs(), strict=True))
        return [values[name].numpy() if name in self._open else self._buffers[name] for name in self._names]


class Device:
    """Inputs lie on the device, at one address while their shapes stay; an input that has not changed is not sent again.

    Not changed is the very same array as in the call before, and one that nobody may write to (array.flags.writeable is False).
    Outputs are copied to memory of their own once.  make: onnxruntime.OrtValue.ortvalue_from_shape_and_type.
    """

    def __init__(self, session: Any, outputs: Sequence[Port], make: Any, device: str = "cuda") -> None:
        self._session, self._binding = session, session.io_binding()
        self._make, self._device = make, device
        self._inputs: dict[str, Any] = {}
        self._sent: dict[str, Array] = {}
        self._open = [port.name for port in outputs if None in port.shape]
        self._outputs: list[Any] = []
        for port in outputs:
            if port.name in self._open:
                self._binding.bind_output(port.name, "cpu")
            else:
                self._outputs.append(make(list(port.shape), np.dtype(port.type).type, device, 0))
                self._binding.bind_ortvalue_output(port.name, self._outputs[-1])

    def __call__(self, arrays: Mapping[str, Array]) -> list[Array]:
        """The outputs."""
        for name, array in arrays.items():
            self._send(name, array)
        _release(self._binding, self._open)
        self._session.run_with_iobinding(self._binding)
        values = self._binding.get_outputs() if self._open else self._outputs
        return [value.numpy() for value in values]

    def _send(self, name: str, array: Array) -> None:
        value = self._inputs.get(name)
        if value is None or tuple(value.shape()) != array.shape:
            value = self._inputs[name] = self._make(list(array.shape), array.dtype.type, self._device, 0)
            self._binding.bind_ortvalue_input(name, value)
        elif self._sent.get(name) is array and not array.flags.writeable:
            return
        value.update_inplace(array)
        self._sent[name] = array


class Running:
    """A session of ONNX Runtime with its binding; see models.running.trial.Opened.

    failures: what ONNX Runtime raises.  make: see Device.
    """

    def __init__(self, session: Any, variant: Variant, failures: tuple[type[Exception], ...], make: Any) -> None:
        self.inputs, self.outputs = ports(session.get_inputs()), ports(session.get_outputs())
        # Told since 1.24 or so.  A provider may well be there and leave every node to the processor.
        taken = session.get_provider_graph_assignment_info() if hasattr(session, "get_provider_graph_assignment_info") else ()
        if taken and all(part.ep_name != NAMES[variant.provider] for part in taken):
            raise ProviderError("it can do no part of this network")
        self._failures = failures
        on_gpu = variant.provider in ("TensorRT", "CUDA")
        bound = self.outputs
        if any(None in port.shape for port in self.inputs):
            # Some files take pictures of any size and say that their outputs have the sizes of one of them (SCRFD).
            bound = tuple(replace(port, shape=(None,) * len(port.shape)) for port in bound)
        self._call: Host | Device | None = Device(session, bound, make) if on_gpu else Host(session, bound)

    def __call__(self, arrays: Mapping[str, Array]) -> list[Array]:
        """The outputs; raises ProviderError."""
        assert self._call is not None
        try:
            return self._call(arrays)
        except self._failures as error:
            raise ProviderError(of_run(str(error))) from error

    def close(self) -> None:
        """Free it."""
        self._call = None


def _release(binding: Any, names: Sequence[str]) -> None:
    """Let ONNX Runtime allocate these outputs: what it allocated in the call before would be kept, and may have another shape."""
    for name in names:
        binding.bind_output(name, "cpu")


__all__ = ["Device", "Host", "Running", "accept", "ports"]
