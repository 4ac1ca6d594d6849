"""The order of providers, the ways to try each, and their options, against what the installed libraries know."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from models.network import Port
from models.running.providers import NAMES, Runtime, Variant, closed, engines, options, order, variants

NEW = (1, 31)


def test_the_fastest_that_works_is_taken_and_the_processor_is_always_last() -> None:
    works = {"CPU": True, "CUDA": True, "TensorRT": False, "OpenVINO": True}
    assert order((), works) == ("CUDA", "OpenVINO", "CPU")
    assert order((), {}) == ("CPU",)
    assert order((), dict.fromkeys(NAMES, True)) == tuple(NAMES)
    assert list(NAMES)[:5] == ["TensorRT", "CUDA", "DirectML", "CoreML", "OpenVINO"]


def test_what_is_wanted_is_taken_in_that_order_in_any_case_and_nothing_else() -> None:
    assert order(("cpu", "tensorrt", "CUDA", "Cpu"), {}) == ("CPU", "TensorRT", "CUDA")
    with pytest.raises(ValueError, match="got provider 'gpu', expected some of TensorRT, CUDA"):
        order(("gpu",), {})


def test_a_runtime_with_nonsense_is_refused() -> None:
    for wrong in ({"providers": ("gpu",)}, {"precision": "int8"}, {"threads": -1}):
        with pytest.raises(ValueError, match=r"^got .*, expected"):
            Runtime(**wrong)  # type: ignore[arg-type]


def test_fp16_and_cuda_graphs_are_tried_first_where_they_can_be() -> None:
    assert variants("CUDA", "auto", True, True) == (
        Variant("CUDA", True, True),
        Variant("CUDA", True, False),
        Variant("CUDA", False, True),
        Variant("CUDA", False, False),
    )
    assert variants("CUDA", "fp32", True, True) == (Variant("CUDA", False, True), Variant("CUDA"))
    assert variants("CUDA", "auto", False, False) == (Variant("CUDA"),)
    assert variants("CUDA", "auto", False, True) == (Variant("CUDA", True), Variant("CUDA"))
    assert variants("CUDA", "fp16", False, False) == (Variant("CUDA", True), Variant("CUDA"))
    assert variants("DirectML", "auto", True, True) == (Variant("DirectML", True), Variant("DirectML"))
    assert variants("OpenVINO", "auto", True, True, "GPU")[0] == Variant("OpenVINO", True, False, "GPU")
    for precision in ("auto", "fp16", "fp32"):
        assert variants("CPU", precision, True, True) == (Variant("CPU"),)


def test_how_it_runs_is_said_in_words() -> None:
    assert str(Variant("CPU")) == "CPU"
    assert str(Variant("TensorRT", True, True)) == "TensorRT, fp16, CUDA graph"
    assert str(Variant("OpenVINO", True, False, "GPU.1")) == "OpenVINO on GPU.1, fp16"


def test_the_processor_takes_what_the_provider_leaves(tmp_path: Path) -> None:
    for name in NAMES:
        chosen = options(Variant(name), True, Runtime(), tmp_path, NEW)
        assert [provider for provider, _ in chosen][-1] == "CPUExecutionProvider"
        assert chosen[0][0] == NAMES[name]
    assert [name for name, _ in options(Variant("TensorRT"), True, Runtime(), None, NEW)][1] == "CUDAExecutionProvider"


def test_cuda_records_a_graph_and_searches_only_where_shapes_stay() -> None:
    (_, fixed), _ = options(Variant("CUDA", graph=True), True, Runtime(), None, NEW)
    assert fixed["enable_cuda_graph"] == "1"
    assert fixed["cudnn_conv_algo_search"] == "EXHAUSTIVE"
    assert "use_tf32" not in fixed
    (_, loose), _ = options(Variant("CUDA"), False, Runtime(precision="fp32"), None, NEW)
    assert "enable_cuda_graph" not in loose
    assert loose["cudnn_conv_algo_search"] == "HEURISTIC"
    assert loose["use_tf32"] == "0"


def test_tensorrt_keeps_its_engine_and_shares_its_timings(tmp_path: Path) -> None:
    (_, chosen), (_, cuda), _ = options(Variant("TensorRT", True, True), True, Runtime(), tmp_path / "one", NEW)
    assert chosen["trt_fp16_enable"] is True
    assert chosen["trt_cuda_graph_enable"] is True
    assert chosen["trt_engine_cache_path"] == str(tmp_path / "one")
    assert chosen["trt_timing_cache_path"] == str(tmp_path)
    # What TensorRT leaves to CUDA is not recorded a second time.
    assert "enable_cuda_graph" not in cuda


def test_openvino_is_told_the_precision_and_the_threads(tmp_path: Path) -> None:
    (_, new), _ = options(Variant("OpenVINO", False, False, "CPU"), True, Runtime(threads=3), tmp_path, NEW)
    assert json.loads(new["load_config"]) == {
        "CPU": {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "3", "CACHE_DIR": str(tmp_path)}
    }
    (_, graphics), _ = options(Variant("OpenVINO", True, False, "GPU.1"), True, Runtime(threads=3), None, NEW)
    assert graphics["device_type"] == "GPU.1"
    assert json.loads(graphics["load_config"]) == {"GPU": {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f16"}}
    (_, old), _ = options(Variant("OpenVINO", False, False, "CPU"), True, Runtime(threads=0), tmp_path, (1, 20))
    assert old == {"device_type": "CPU", "precision": "FP32", "cache_dir": str(tmp_path)}


def test_coreml_takes_options_by_name_from_the_version_that_has_them(tmp_path: Path) -> None:
    (_, new), _ = options(Variant("CoreML", True), True, Runtime(), tmp_path, (1, 21))
    assert new == {
        "ModelFormat": "MLProgram",
        "MLComputeUnits": "ALL",
        "AllowLowPrecisionAccumulationOnGPU": "1",
        "ModelCacheDirectory": str(tmp_path),
    }
    assert options(Variant("CoreML", True), True, Runtime(), tmp_path, (1, 20))[0][1] == {}


@pytest.mark.parametrize("name", ["CUDA", "TensorRT"])
def test_the_installed_library_knows_every_option(name: str, tmp_path: Path) -> None:
    """A name with a typing error would make the provider fail on every machine that has one, and here nobody would see it."""
    package = importlib.util.find_spec("onnxruntime")
    assert package is not None
    assert package.origin is not None
    library = Path(package.origin).parent / "capi" / f"libonnxruntime_providers_{name.lower()}.so"
    if not library.is_file():
        pytest.skip(f"the installed ONNX Runtime comes without {library.name}")
    (_, chosen), *_ = options(Variant(name, True, True), True, Runtime(precision="fp32"), tmp_path, NEW)
    content = library.read_bytes()
    words = [*chosen, *(("EXHAUSTIVE", "HEURISTIC", "kSameAsRequested") if name == "CUDA" else ())]
    assert [word for word in words if word.encode() not in content] == []


def test_compiled_networks_lie_in_the_folder_that_is_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines() == home / "engines"
    monkeypatch.delenv("SWAPCAM_HOME")
    assert engines().parts[-2:] == ("swapcam", "engines") or "swapcam" in engines().parts


def test_sizes_are_known_or_not() -> None:
    assert closed([Port("x", (1, 3, 8, 8), "float32"), Port("y", (), "float32")])
    assert not closed([Port("x", (1, 3, None, 8), "float32")])
