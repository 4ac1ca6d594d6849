"""ONNX Runtime: networks opened on the fastest provider that really runs them, and moved to the next one where it fails."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import io
import logging
import os
import re
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.network import Array, NetworkError, Port
from models.running.binding import Running, accept
from models.running.faults import of_model, of_run
from models.running.material import Material, Model, identity, mark
from models.running.providers import NAMES, ProviderError, Runtime, Variant, engines, options, order
from models.running.trial import Opened, Opener, Trial

logger = logging.getLogger(__name__)

_AUTO = Runtime()


class Session:
    """A model ready to run; see models.network.Network.  One call at a time: others wait.

    variant: how it really runs, str() of it for people.
    An input that stays the same over calls is best the same array with writeable off: then a GPU gets it only once.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    variant: Variant

    def __init__(
        self,
        model: Model,
        runtime: Runtime = _AUTO,
        sample: Mapping[str, Array] | None = None,
        name: str = "",
        opener: Opener | None = None,
    ) -> None:
        """Open a path, bytes, a ModelProto or a recipe (models.running.material.Recipe), and run it until it is warm.

        sample: feeds to be warmed up with and compared in fp16; without them some like pictures, where all sizes are known.
        name: for messages.  opener: another way to open, for tests.  Raises NetworkError for what cannot be opened.
        """
        self._title = (material := Material(model, name)).title
        self._trial = Trial(material, runtime, sample, opener or open_variant, _device)
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._place = 0
        self._closed = False
        try:
            self._order = order(runtime.providers, {} if runtime.providers else usable())
            reasons = self._start(0)
        except ImportError as error:
            raise NetworkError(f"{self._title} cannot run: {error}; swapcam doctor says how to mend what is installed.") from error
        if reasons:
            logger.warning("%s runs on %s: %s.", self._title, self.variant, reasons)

    def __call__(self, feeds: Mapping[str, Array]) -> list[Array]:
        """See models.network.Network; where a provider fails, this very call runs on the next one, and so do all after it."""
        with self._lock:
            if self._closed:
                raise NetworkError(f"{self._title} is closed; open it again.")
            arrays = accept(self.inputs, feeds)
            if self._opened is None:
                # It failed everywhere; what it lacked then, memory for one, may be there by now.
                self._start(self._place)
            assert self._opened is not None
            try:
                return self._opened(arrays)
            except ProviderError as error:
                return self._elsewhere(arrays, str(error))

    @property
    def provider(self) -> str:
        """What it really runs on, a name of models.running.providers.NAMES."""
        return self.variant.provider

    def close(self) -> None:
        """Free the model; may be called again."""
        with self._lock:
            self._closed = True
            self._shut()

    def _shut(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _start(self, place: int) -> str:
        """Open the first provider from a place of the order on that can; why those before it cannot; NetworkError where none can."""
        reasons = []
        for provider in self._order[place:]:
            try:
                opened, self.variant = self._trial.on(provider)
            except ProviderError as error:
                reasons.append(f"{provider} cannot ({error})")
                continue
            self._opened, self.inputs, self.outputs = opened, opened.inputs, opened.outputs
            self._place = self._order.index(provider)
            return "; ".join(reasons)
        raise NetworkError(f"{self._title} runs nowhere: {'; '.join(reasons)}; swapcam doctor says what works here.")

    def _elsewhere(self, arrays: Mapping[str, Array], reason: str) -> list[Array]:
        """The outputs from the next provider that gives some; the last one stays open even where it fails."""
        failed = f"failed on {self.variant} ({reason})"
        while self._place + 1 < len(self._order):
            # Closed before the next opens, for the two may share a memory that is full.
            self._shut()
            self._start(self._place + 1)
            assert self._opened is not None
            try:
                outputs = self._opened(arrays)
            except ProviderError as error:
                reason = str(error)
                continue
            logger.warning("%s %s; it goes on with %s.", self._title, failed, self.variant)
            return outputs
        raise NetworkError(f"{self._title} failed on {self.variant} ({reason}); swapcam doctor says what works here.")


def usable() -> dict[str, bool]:
    """For each provider that the installed ONNX Runtime offers, whether a session really gets it; {} without the package.

    The list that ONNX Runtime gives of itself names CUDA on a machine without any GPU, and a session that asked for
    CUDA alone silently runs on the CPU; so a session over a model of one node is asked what it got.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return {}
    import onnxruntime

    offered = onnxruntime.get_available_providers()
    return {name: _works(name) for name in NAMES if NAMES[name] in offered}


@functools.cache
def _works(name: str) -> bool:
    """Whether a session over a model of one node really gets this provider; asked once, for TensorRT takes seconds."""
    import onnxruntime

    if NAMES[name] not in onnxruntime.get_available_providers():
        return False
    onnxruntime.set_default_logger_severity(4)
    # Where something is missing, ONNX Runtime says so on the standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        _load_libraries(name)
        try:
            session = onnxruntime.InferenceSession(identity(), _settings(name, 1), providers=[NAMES[name]], enable_fallback=False)
        except _failures():
            return False
    return NAMES[name] in session.get_providers()


def _load_libraries(name: str) -> None:
    """What a provider needs out of other wheels, where those are installed: no search path of the system leads there."""
    import onnxruntime

    if name in ("TensorRT", "CUDA") and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    with contextlib.suppress(ImportError, OSError):
        if name == "TensorRT" and importlib.util.find_spec("tensorrt_libs") is not None:
            importlib.import_module("tensorrt_libs")
        if name == "OpenVINO" and sys.platform == "win32" and (package := importlib.util.find_spec("openvino")) is not None:
            folder = str(Path(package.origin or "").parent / "libs")
            os.environ["PATH"] = f"{folder};{os.environ['PATH']}"
            os.add_dll_directory(folder)


def open_variant(variant: Variant, material: Material, runtime: Runtime, fixed: bool) -> Opened:
    """A model open in one way with ONNX Runtime; see models.running.trial.Opener."""
    import onnxruntime

    if not _works(variant.provider):
        raise ProviderError("it does not work here")
    version = onnxruntime.__version__
    try:
        source, arrays = material.load(variant, _converted)
        if folder := engines() / mark(source, arrays, version) if variant.caching else None:
            folder.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, MemoryError) as error:
        # Also in the middle of a call, when a stick has been pulled out since the model was opened.
        raise NetworkError(f"{material.title} cannot be read: {error or 'not enough memory'}.") from error
    settings = _settings(variant.provider, runtime.threads)
    # The session copies them: nothing has to be kept for it.
    settings.add_external_initializers(list(arrays), [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()])
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    wanted = options(variant, fixed, runtime, folder, numbers)
    if variant.provider == "TensorRT" and folder is not None and not folder.exists():
        logger.info("TensorRT builds its engine for %s; the first time on a machine that takes minutes.", material.title)
    try:
        session = onnxruntime.InferenceSession(source, settings, providers=wanted, enable_fallback=False)
        if NAMES[variant.provider] not in session.get_providers():
            raise ProviderError("ONNX Runtime took the processor instead")
        return Running(session, variant, _failures(), onnxruntime.OrtValue.ortvalue_from_shape_and_type)
    except _failures() as error:
        if folder and "deserializ" in str(error):
            # An engine of another driver, or half written: built afresh the next time.
            shutil.rmtree(folder, ignore_errors=True)
        if variant.provider == "CPU":
            raise NetworkError(of_model(material.title, str(error), version)) from error
        raise ProviderError(of_run(str(error))) from error


def _settings(provider: str, threads: int) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4
    # Waiting threads would burn the cores that the rest of the loop needs, and were slower even alone.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if provider == "DirectML":
        settings.enable_mem_pattern = False
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return settings


def _failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: classes that have nothing in common but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*found, RuntimeError, ValueError, MemoryError)


def _device(provider: str) -> str:
    """Of OpenVINO's devices the first graphics processor, else the processor."""
    if provider != "OpenVINO":
        return ""
    from onnxruntime.capi import _pybind_state

    devices: list[str] = getattr(_pybind_state, "get_available_openvino_device_ids", list)()
    return next((device for device in devices if device.startswith("GPU")), "CPU")


def _converted(model: Any, names: list[str]) -> Any:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=names, disable_shape_infer=True)


__all__ = ["Runtime", "Session", "open_variant", "usable"]
