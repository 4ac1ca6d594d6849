"""The examination of whatever machine runs the tests, and of broken environments made for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata

import numpy as np
import pytest

from models import session
from models.running.material import identity
from models.running.providers import NAMES
from realtime import doctor
from realtime.doctor import Check, examine, status


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str | None]], None]:
    """Pretend that distributions are installed in a version, or are not (None)."""
    real = metadata.version

    def pretend(versions: dict[str, str | None]) -> None:
        def version(name: str) -> str:
            if name not in versions:
                return real(name)
            found = versions[name]
            if found is None:
                raise metadata.PackageNotFoundError(name)
            return found

        monkeypatch.setattr(metadata, "version", version)

    return pretend


def named(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_an_environment_that_runs_these_tests_is_well() -> None:
    checks = examine()
    assert status(checks) == 0, [check for check in checks if check.state == "fail"]
    names = [check.name for check in checks]
    for name in ("Python", "swapcam", "packages", "OpenCV", "MediaPipe", "ONNX Runtime", "camera", "virtual camera", "display", "disk"):
        assert name in names
    for check in checks:
        assert check.text
        assert "\n" not in check.text + check.fix
        assert check.state == "ok" or check.fix or check.name in ("display", "camera", "virtual camera")


def test_two_opencv_distributions_are_seen_and_the_way_out_is_said(installed: Callable[[dict[str, str | None]], None]) -> None:
    installed({"opencv-python-headless": "4.12.0.88"})
    check = named(examine(), "OpenCV")
    assert check.state == "warn"
    assert "opencv-python-headless 4.12.0.88" in check.text
    assert check.fix.startswith("pip uninstall -y opencv-python-headless opencv-contrib-python")
    assert check.fix.endswith("pip install opencv-contrib-python==4.11.0.86")


def test_two_onnx_runtimes_are_seen(installed: Callable[[dict[str, str | None]], None]) -> None:
    installed({"onnxruntime": "1.20.0", "onnxruntime-gpu": "1.20.0"})
    check = named(examine(), "ONNX Runtime")
    assert check.state == "warn"
    assert check.fix == "pip uninstall -y onnxruntime-gpu onnxruntime && pip install onnxruntime-gpu"


def test_a_missing_package_fails_and_is_named(installed: Callable[[dict[str, str | None]], None]) -> None:
    installed({"numba": None, "av": None})
    checks = examine()
    check = named(checks, "packages")
    assert (check.state, check.fix) == ("fail", "pip install numba av")
    assert status(checks) == 1


def test_another_mediapipe_is_a_warning(installed: Callable[[dict[str, str | None]], None]) -> None:
    installed({"mediapipe": "0.10.35"})
    check = named(examine(), "MediaPipe")
    assert check.state == "warn"
    assert "mediapipe==0.10.21" in check.fix


@pytest.mark.parametrize("module", ["mediapipe", "cv2"])
def test_a_package_that_cannot_be_imported_fails(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    checks = [*doctor._opencv(), *doctor._mediapipe()]
    assert status(checks) == 1


def test_missing_system_libraries_of_opencv_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(doctor.importlib, "import_module", fail)
    (check,) = doctor._opencv()
    assert (check.state, check.fix) == ("fail", "sudo apt install libgl1 libglib2.0-0")


def test_what_is_missing_for_sound_and_srt_is_said_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.sinks import relay

    monkeypatch.setitem(sys.modules, "sounddevice", None)
    relay.program.cache_clear()
    monkeypatch.setenv("PATH", "")
    try:
        checks = [*doctor._microphone(), *doctor._streams()]
    finally:
        relay.program.cache_clear()
    assert [(check.name, check.state) for check in checks] == [("microphone", "warn"), ("H.264", "ok"), ("streams", "warn")]
    assert checks[0].fix == "pip install sounddevice"
    assert "software" in checks[1].text
    assert "sudo apt install ffmpeg" in checks[2].fix


def test_an_old_python_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 1, "final", 0))
    assert status(list(doctor._python())) == 1


def test_a_warning_alone_is_no_failure() -> None:
    assert status([Check("camera", "warn", "none found"), Check("Python", "ok", "3.11")]) == 0


def test_the_tiny_model_is_a_real_one_and_sessions_tell_the_truth(capfd: pytest.CaptureFixture[str]) -> None:
    import onnxruntime

    model = onnxruntime.InferenceSession(identity(), providers=["CPUExecutionProvider"])
    (result,) = model.run(None, {"x": np.array([2.5], np.float32)})
    assert result == pytest.approx(2.5)
    capfd.readouterr()
    usable = session.usable()
    assert usable["CPU"]
    assert capfd.readouterr().out == ""
    offered = onnxruntime.get_available_providers()
    for name, works in usable.items():
        assert NAMES[name] in offered
        if works:
            wanted = NAMES[name]
            assert wanted in onnxruntime.InferenceSession(identity(), providers=[wanted]).get_providers()
