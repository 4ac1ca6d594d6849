"""What doctor says about what runs networks: pretended drivers and cards, and the real installation."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from realtime import accelerators
from realtime.accelerators import _mend, _missing
from realtime.check import Check


class Driver:
    """libcuda with one card; cuda: the newest version that it knows; devices: how many cards."""

    def __init__(self, cuda: int = 13000, devices: int = 1) -> None:
        self._cuda, self._devices = cuda, devices

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return 0 if self._devices else 100

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        device._obj.value = number
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = self._cuda
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:  # noqa: N802
        name.value = b"NVIDIA GeForce RTX 4070"
        return 0


def loader(driver: Driver | None, lacking: str = "") -> Callable[[str], Any]:
    """Loads the pretended driver, and providers that lack a library."""

    def load(path: str) -> Any:
        if "libcuda.so" in path or "nvcuda" in path:
            if driver is None:
                raise OSError(f"{path}: cannot open shared object file: No such file or directory")
            return driver
        if lacking:
            raise OSError(f"{lacking}: cannot open shared object file: No such file or directory")
        return object()

    return load


@pytest.fixture(autouse=True)
def built_for_cuda_13(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build_and_package_info.py").write_text("package_name = 'onnxruntime-gpu'\n__version__ = '1.31.1'\ncuda_version = '13.0'\n")
    monkeypatch.setattr(accelerators, "_folder", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")


def test_a_machine_without_a_card_is_no_problem() -> None:
    for load in (loader(None), loader(Driver(devices=0))):
        check = _missing("CUDA", {"TensorRT": False, "CUDA": False}, load)
        assert check == Check("CUDA", "ok", "is offered, but there is no NVIDIA graphics card or driver here")


def test_missing_cuda_libraries_are_named_with_the_command() -> None:
    check = _missing("CUDA", {"CUDA": False}, loader(Driver(), "libcublasLt.so.13"))
    assert (check.state, check.fix) == ("warn", "pip install 'swapcam[cuda]'")
    assert check.text == "NVIDIA GeForce RTX 4070 is here, but libcublasLt.so.13 is missing"


def test_an_old_driver_is_told_from_missing_libraries() -> None:
    check = _missing("CUDA", {"CUDA": False}, loader(Driver(12040), "libcublasLt.so.13"))
    assert check.state == "warn"
    assert "knows CUDA up to 12.4, ONNX Runtime was built for 13.0" in check.text
    assert check.fix == "update the NVIDIA driver, or pip install 'onnxruntime-gpu[cuda,cudnn]<1.27'"
    assert _missing("CUDA", {"CUDA": False}, loader(Driver(11040))).fix == "update the NVIDIA driver"


def test_an_older_driver_of_the_same_generation_is_new_enough(tmp_path: Path) -> None:
    (tmp_path / "build_and_package_info.py").write_text("cuda_version = '12.8'\n")
    check = _missing("CUDA", {"CUDA": False}, loader(Driver(12020), "libcudnn.so.9"))
    assert check.fix == "pip install 'swapcam[cuda]'"


def test_tensorrt_is_optional() -> None:
    check = _missing("TensorRT", {"TensorRT": False, "CUDA": True}, loader(Driver(), "libnvinfer.so.10"))
    assert (check.state, check.fix) == ("ok", "docs/accelerators.md")
    assert "libnvinfer.so.10 is missing" in check.text
    assert _missing("TensorRT", {"TensorRT": False, "CUDA": False}, loader(Driver(), "libnvinfer.so.10")).text == "needs CUDA to work first"


def test_every_provider_that_may_fail_says_something() -> None:
    for name in ("DirectML", "CoreML", "OpenVINO", "ROCm", "MIGraphX"):
        check = _missing(name, {name: False}, ctypes.CDLL)
        assert check.state == "warn"
        assert check.fix == "docs/accelerators.md"


@pytest.mark.parametrize(
    ("found", "stays"),
    [
        ([], "onnxruntime-gpu"),
        (["onnxruntime-gpu", "onnxruntime"], "onnxruntime-gpu"),
        (["onnxruntime"], "onnxruntime"),
        (["onnxruntime-gpu", "onnxruntime-openvino"], "onnxruntime-openvino"),
        (["onnxruntime-gpu", "onnxruntime-directml"], "onnxruntime-directml"),
    ],
)
def test_one_distribution_stays_the_one_that_was_chosen(found: list[str], stays: str) -> None:
    command = _mend(found)
    assert command.endswith(f"pip install {stays}")
    if found:
        assert command.startswith(f"pip uninstall -y {' '.join(found)} && ")


def test_what_networks_run_on_is_said_for_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    from models import session

    monkeypatch.setattr(session, "usable", lambda: {"TensorRT": False, "CUDA": True, "CPU": True})
    monkeypatch.setattr(accelerators.ctypes, "CDLL", loader(Driver(), "libnvinfer.so.10"))
    first, tensorrt, cuda = accelerators.accelerators()
    assert first.state == "ok"
    assert first.text.endswith("networks run on CUDA")
    assert (tensorrt.name, tensorrt.state, cuda.name, cuda.state) == ("TensorRT", "ok", "CUDA", "ok")
    assert "CUDA graph" in cuda.text


def test_a_broken_or_missing_onnx_runtime_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    from models import session

    def broken() -> dict[str, bool]:
        raise ImportError("DLL load failed")

    monkeypatch.setattr(session, "usable", broken)
    (check,) = accelerators.accelerators()
    assert check.state == "warn"
    assert "DLL load failed" in check.text
    monkeypatch.setattr(session, "usable", dict)
    (check,) = accelerators.accelerators()
    assert check.text.startswith("not installed")
    assert "pip install onnxruntime" in check.fix


def test_two_distributions_are_seen_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.1"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    (check,) = accelerators.accelerators()
    assert check.state == "warn"
    assert "onnxruntime-gpu 1.31.1, onnxruntime 1.32.0" in check.text
    assert check.fix == "pip uninstall -y onnxruntime-gpu onnxruntime && pip install onnxruntime-gpu"
