"""What of this machine can run networks, what cannot and why, and how to mend it."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from realtime.check import Check

_DEFAULTS = ("onnxruntime-gpu", "onnxruntime")
_CHOSEN = ("openvino", "directml", "silicon", "migraphx", "rocm", "qnn", "training")
_GUIDE = "docs/accelerators.md"
_CUDA = "pip install 'swapcam[cuda]'"
# 1.26 is the last one that was built for CUDA 12.
_OLDER = "pip install 'onnxruntime-gpu[cuda,cudnn]<1.27'"
_WORKING = {
    "TensorRT": "works; its first start with a network takes minutes, the next ones seconds",
    "CUDA": "works; networks of fixed size run as one recorded CUDA graph, in fp16 where the result stays the same",
    "DirectML": "works; fp16 where the result stays the same",
    "CoreML": "works; fp16 where the result stays the same; the first start with a network compiles it",
    "OpenVINO": "works; fewer bits where the result stays the same; the first start with a network compiles it",
}

Load = Callable[[str], Any]


def accelerators() -> Iterator[Check]:
    """Which distribution of ONNX Runtime is there, what networks run on, and a line for each provider besides the processor."""
    found = _distributions()
    names = ", ".join(f"{name} {version}" for name, version in found.items())
    mend = _mend(list(found))
    if len(found) > 1:
        yield Check("ONNX Runtime", "warn", f"several distributions overwrite one another: {names}", mend)
        return
    from models.running.providers import order
    from models.session import usable

    try:
        providers = usable()
    except (ImportError, AttributeError) as error:
        yield Check("ONNX Runtime", "warn", f"{names}: {error} (only ONNX models need it)", mend)
        return
    if not providers:
        yield Check("ONNX Runtime", "warn", "not installed (only ONNX models need it)", mend)
        return
    yield Check("ONNX Runtime", "ok", f"{names}; networks run on {order((), providers)[0]}")
    for name, works in providers.items():
        if name != "CPU":
            yield Check(name, "ok", _WORKING.get(name, "works")) if works else _missing(name, providers, ctypes.CDLL)


def _distributions() -> dict[str, str]:
    found = {}
    for name in (*_DEFAULTS, *(f"onnxruntime-{kind}" for kind in _CHOSEN)):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _mend(found: list[str]) -> str:
    """The command that leaves one distribution: one that somebody chose, else the one that swapcam asks for."""
    best = next((name for name in found if name not in _DEFAULTS), next(iter(found), _DEFAULTS[0]))
    # All write the folder onnxruntime: removing one takes files of the others along, so that all must go first.
    return f"pip uninstall -y {' '.join(found)} && pip install {best}" if found else f"pip install {best}"


def _missing(name: str, providers: Mapping[str, bool], load: Load) -> Check:
    """Why a provider that ONNX Runtime offers does not work here."""
    if name in ("CUDA", "TensorRT"):
        return _nvidia(name, providers, load)
    reasons = {
        "DirectML": "does not work here: it needs a graphics card with DirectX 12, and Windows 10 version 1903 or newer",
        "CoreML": "does not work here: it needs macOS 12 or newer",
        "OpenVINO": "does not work here: on Windows it needs the package openvino beside it",
    }
    return Check(name, "warn", reasons.get(name, "does not work here"), _GUIDE)


def _nvidia(name: str, providers: Mapping[str, bool], load: Load) -> Check:
    driver = _driver(load)
    if driver is None:
        return Check(name, "ok", "is offered, but there is no NVIDIA graphics card or driver here")
    card, version = driver
    wanted = _built_for()
    if wanted and version[0] < wanted[0]:
        text = f"{card}: the driver knows CUDA up to {version[0]}.{version[1]}, ONNX Runtime was built for {wanted[0]}.{wanted[1]}"
        return Check(name, "warn", text, "update the NVIDIA driver" + (f", or {_OLDER}" if version[0] == 12 else ""))
    library = _lacking(name, load)
    if name == "TensorRT":
        if not providers.get("CUDA"):
            return Check(name, "ok", "needs CUDA to work first")
        return Check(name, "ok", f"optional, faster than CUDA, not there: {library or 'it does not start'}", _GUIDE)
    return Check(name, "warn", f"{card} is here, but {library or 'CUDA does not start'}", _CUDA if library else _GUIDE)


def _driver(load: Load) -> tuple[str, tuple[int, int]] | None:
    """The first card's name and the newest CUDA that the driver knows; None without either."""
    try:
        library = load("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    version, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(96)
    if library.cuInit(0) or library.cuDeviceGet(ctypes.byref(device), 0) or library.cuDriverGetVersion(ctypes.byref(version)):
        return None
    library.cuDeviceGetName(name, len(name), device)
    return name.value.decode(errors="replace") or "an NVIDIA card", (version.value // 1000, version.value % 1000 // 10)


def _folder() -> Path:
    package = importlib.util.find_spec("onnxruntime")
    return Path(package.origin if package and package.origin else "").parent / "capi"


def _built_for() -> tuple[int, int] | None:
    """The CUDA version that the installed ONNX Runtime was built for."""
    try:
        text = (_folder() / "build_and_package_info.py").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"cuda_version = '(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _lacking(name: str, load: Load) -> str:
    """Which library a provider misses, in words; "" where none is known."""
    kind = name.lower()
    try:
        load(str(_folder() / (f"onnxruntime_providers_{kind}.dll" if sys.platform == "win32" else f"libonnxruntime_providers_{kind}.so")))
    except OSError as error:
        found = re.search(r"([\w.+-]+\.so[.\d]*): cannot open", str(error))
        return f"{found[1]} is missing" if found else ("a library is missing" if sys.platform == "win32" else "")
    return ""


__all__ = ["accelerators"]
