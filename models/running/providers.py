"""Execution providers of ONNX Runtime: their order, the ways to try each, and its options; pure, without ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import folders
from models.network import Port

NAMES = {
    "TensorRT": "TensorrtExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "DirectML": "DmlExecutionProvider",
    "CoreML": "CoreMLExecutionProvider",
    "OpenVINO": "OpenVINOExecutionProvider",
    "MIGraphX": "MIGraphXExecutionProvider",
    "ROCm": "ROCMExecutionProvider",
    "CPU": "CPUExecutionProvider",
}
"""Our name and ONNX Runtime's, fastest first where several work."""

_CONVERTED = ("CUDA", "DirectML", "CoreML")
_CACHING = ("TensorRT", "CoreML", "OpenVINO")


class ProviderError(Exception):
    """One provider cannot run this network, or not any more, for the reason given; the next one may."""


class PrecisionError(ProviderError):
    """In fp16 this network says something else."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """How networks are to run.

    providers: in order of preference, names of NAMES in any case; empty: the fastest that works here.  precision: auto is fp16
    where the provider gains from it and the result stays the same; also fp32, fp16.  threads: of the processor; 0: as many as help.
    """

    providers: tuple[str, ...] = ()
    precision: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "fp32", "fp16"):
            raise ValueError(f"got precision {self.precision!r}, expected auto, fp32 or fp16")
        if self.threads < 0:
            raise ValueError(f"got {self.threads} threads, expected 0 or more")
        order(self.providers, {})


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run a network.  half: fp16 inside.  graph: as one recorded CUDA graph.  device: OpenVINO's, else ""."""

    provider: str
    half: bool = False
    graph: bool = False
    device: str = ""

    @property
    def converted(self) -> bool:
        """Whether the network itself is turned into fp16; TensorRT and OpenVINO do that by an option."""
        return self.half and self.provider in _CONVERTED

    @property
    def caching(self) -> bool:
        """Whether the provider compiles the network and keeps what it made in a folder."""
        return self.provider in _CACHING

    def __str__(self) -> str:
        parts = [self.provider + (f" on {self.device}" if self.device else ""), "fp16" * self.half, "CUDA graph" * self.graph]
        return ", ".join(filter(None, parts))


def order(wanted: Sequence[str], usable: Mapping[str, bool]) -> tuple[str, ...]:
    """The providers to try: those wanted, as written in NAMES; with none wanted those that work here, the CPU always and last.

    Raises ValueError for a name that is none.
    """
    if not wanted:
        return (*(name for name in NAMES if usable.get(name) and name != "CPU"), "CPU")
    known = {name.lower(): name for name in NAMES}
    for name in wanted:
        if name.lower() not in known:
            raise ValueError(f"got provider {name!r}, expected some of {', '.join(NAMES)}")
    return tuple(dict.fromkeys(known[name.lower()] for name in wanted))


def variants(provider: str, precision: str, fixed: bool, checked: bool, device: str = "") -> tuple[Variant, ...]:
    """The ways to try a provider, best first.

    fixed: every size is known, as a CUDA graph needs it.  checked: there is something to compare fp16 on; auto takes none unseen.
    device: of OpenVINO.
    """
    able = provider in (*_CONVERTED, "TensorRT", "OpenVINO")
    half = able and (precision == "fp16" or (precision == "auto" and checked))
    halves = (True, False) if half else (False,)
    graphs = (True, False) if provider in ("TensorRT", "CUDA") and fixed else (False,)
    return tuple(Variant(provider, half, graph, device) for half in halves for graph in graphs)


def options(
    variant: Variant, fixed: bool, runtime: Runtime, folder: Path | None, version: tuple[int, ...]
) -> list[tuple[str, dict[str, Any]]]:
    """Providers with their options as InferenceSession takes them, the CPU last for what the first cannot do.

    folder: where a caching provider keeps this network.  version: of ONNX Runtime, whose older ones refuse newer options.
    """
    chosen: list[tuple[str, dict[str, Any]]] = []
    match variant.provider:
        case "TensorRT":
            chosen = [(NAMES["TensorRT"], _tensorrt(variant, folder)), (NAMES["CUDA"], _cuda(False, fixed, runtime))]
        case "CUDA":
            chosen = [(NAMES["CUDA"], _cuda(variant.graph, fixed, runtime))]
        case "DirectML":
            # Adapter 0 is the one the screen hangs on, in a laptop rarely the fast one.
            chosen = [(NAMES["DirectML"], {"performance_preference": "high_performance", "device_filter": "gpu"})]
        case "CoreML":
            chosen = [(NAMES["CoreML"], _coreml(variant, folder, version))]
        case "OpenVINO":
            chosen = [(NAMES["OpenVINO"], _openvino(variant, runtime, folder, version))]
        case "CPU":
            pass
        case name:
            chosen = [(NAMES[name], {})]
    return [*chosen, (NAMES["CPU"], {})]


def _cuda(graph: bool, fixed: bool, runtime: Runtime) -> dict[str, Any]:
    # The exhaustive search times every algorithm once for every new shape: seconds at the start, or in the middle of a call.
    result = {"cudnn_conv_algo_search": "EXHAUSTIVE" if fixed else "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
    if graph:
        result["enable_cuda_graph"] = "1"
    if runtime.precision == "fp32":
        result["use_tf32"] = "0"
    return result


def _tensorrt(variant: Variant, folder: Path | None) -> dict[str, Any]:
    result: dict[str, Any] = {"trt_fp16_enable": variant.half, "trt_cuda_graph_enable": variant.graph}
    if folder is not None:
        result |= {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(folder)}
        # Kernel timings serve every network on the same GPU.
        result |= {"trt_timing_cache_enable": True, "trt_timing_cache_path": str(folder.parent)}
    return result


def _coreml(variant: Variant, folder: Path | None, version: tuple[int, ...]) -> dict[str, Any]:
    # Options by name came with 1.21; before, only flags in a number.
    if version < (1, 21):
        return {}
    result: dict[str, Any] = {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"}
    if variant.half:
        result["AllowLowPrecisionAccumulationOnGPU"] = "1"
    if folder is not None:
        result["ModelCacheDirectory"] = str(folder)
    return result


def _openvino(variant: Variant, runtime: Runtime, folder: Path | None, version: tuple[int, ...]) -> dict[str, Any]:
    device = variant.device or "CPU"
    if version < (1, 23):
        result = {"device_type": device, "precision": "FP16" if variant.half else "FP32"}
        result |= {"num_of_threads": str(runtime.threads)} if runtime.threads else {}
        return result | ({"cache_dir": str(folder)} if folder is not None else {})
    # Said outright, because unsaid the device chooses. For f16 a processor takes bfloat16, where it has that, and else f32.
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f16" if variant.half else "f32"}
    if runtime.threads and device == "CPU":
        config["INFERENCE_NUM_THREADS"] = str(runtime.threads)
    if folder is not None:
        config["CACHE_DIR"] = str(folder)
    return {"device_type": device, "load_config": json.dumps({device.partition(".")[0]: config})}


def closed(ports: Sequence[Port]) -> bool:
    """Whether every size of every port is known."""
    return all(size is not None for port in ports for size in port.shape)


def engines() -> Path:
    """Where compiled networks are kept: $SWAPCAM_HOME, else the platform's folder for caches; `engines` in it."""
    return folders.own("engines", cache=True)


__all__ = ["NAMES", "PrecisionError", "ProviderError", "Runtime", "Variant", "closed", "engines", "options", "order", "variants"]
