"""What this machine has of what swapcam needs, what is missing, and the command that helps."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from realtime.accelerators import accelerators
from realtime.check import Check
from realtime.frame import RealtimeError
from realtime.machine import loopback

_PACKAGES = ("mediapipe", "numpy", "numba", "av", "filterpy", "pydantic", "pyvirtualcam", "matplotlib", "scikit-image")
_OPENCV = tuple(f"opencv-{name}" for name in ("python", "python-headless", "contrib-python", "contrib-python-headless"))
_LEAST_DISK = 2**30


def examine() -> list[Check]:
    """Every check, the needed ones first; takes two or three seconds, opens cameras only to ask them."""
    inside = [*_python(), *_packages(), *_opencv(), *_mediapipe(), *accelerators(), *_engines()]
    return [*inside, *_cameras(), *_virtual_camera(), *_microphone(), *_streams(), *_screen(), *_machine()]


def status(checks: Sequence[Check]) -> int:
    """Exit status: 1 where a check failed, else 0 (a missing camera, virtual camera or display is a warning: files still work)."""
    return int(any(check.state == "fail" for check in checks))


def _python() -> Iterator[Check]:
    text = f"{platform.python_version()} on {platform.platform(terse=True)}"
    good = (3, 10) <= sys.version_info[:2] <= (3, 12)
    yield Check("Python", "ok" if good else "fail", text, "" if good else "swapcam needs Python 3.10, 3.11 or 3.12 (mediapipe 0.10.21)")


def _packages() -> Iterator[Check]:
    missing = [name for name in _PACKAGES if not _version(name)]
    yield Check("swapcam", "ok", _version("swapcam") or "not installed, run from its folder")
    text = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES if name not in missing)
    if missing:
        yield Check("packages", "fail", f"missing: {', '.join(missing)}; found: {text or 'none'}", f"pip install {' '.join(missing)}")
    else:
        yield Check("packages", "ok", text)


def _opencv() -> Iterator[Check]:
    found = _found(_OPENCV)
    mend = f"pip uninstall -y {' '.join(found)} && pip install opencv-contrib-python==4.11.0.86"
    names = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) > 1:
        yield Check("OpenCV", "warn", f"several distributions write into the same folder and break one another: {names}", mend)
        return
    try:
        module = importlib.import_module("cv2")
        yield Check("OpenCV", "ok", names or f"{module.__version__}, from outside pip")
    except (ImportError, AttributeError) as error:
        libraries = "libGL" in str(error) or "libgthread" in str(error) or "libglib" in str(error)
        yield Check("OpenCV", "fail", f"{names}: {error}", "sudo apt install libgl1 libglib2.0-0" if libraries else mend)


def _mediapipe() -> Iterator[Check]:
    mend = "pip install --force-reinstall mediapipe==0.10.21"
    try:
        module = importlib.import_module("mediapipe")
    except (ImportError, OSError, ValueError, TypeError, AttributeError) as error:
        yield Check("MediaPipe", "fail", f"cannot be imported: {error}", mend)
        return
    if not hasattr(module, "solutions") or not any(Path(module.__file__ or "").parent.glob("modules/face_landmark/*.tflite")):
        yield Check("MediaPipe", "fail", f"{_version('mediapipe')} has no models inside", mend)
    elif _version("mediapipe") != "0.10.21":
        yield Check("MediaPipe", "warn", f"{_version('mediapipe')}; swapcam is tested with 0.10.21 alone", mend)
    else:
        yield Check("MediaPipe", "ok", "0.10.21 with its models")


def _engines() -> Iterator[Check]:
    mend = "pip install --force-reinstall --no-deps swapcam"
    try:
        from models.generator.shipped import check
        from models.network import NetworkError
    except ImportError as error:
        yield Check("engines", "warn", f"mesh; neural cannot run: {error}", mend)
        return
    try:
        yield Check("engines", "ok", f"mesh; neural with its weights ({check() / 1e6:.1f} MB); ONNX swappers: swapcam models list")
    except (NetworkError, OSError, ImportError) as error:
        yield Check("engines", "warn", f"mesh; neural is without its weights: {error}", mend)


def _cameras() -> Iterator[Check]:
    from realtime.machine.devices import cameras, summary

    found = cameras()
    for camera in found:
        text = f"camera:{camera.index}  {camera.name}: {camera.problem or summary(camera.modes)}"
        yield Check("camera", "warn" if camera.problem else "ok", text)
    if not found:
        fixes = {
            "Darwin": "plug one in, and allow the terminal to use it: System Settings, Privacy & Security, Camera",
            "Windows": "plug one in, and allow desktop apps to use it: Settings, Privacy & security, Camera",
        }
        yield Check("camera", "warn", "none found", fixes.get(platform.system(), "plug one in; the kernel names it in: sudo dmesg | tail"))


def _virtual_camera() -> Iterator[Check]:
    from realtime.config import VirtualCameraOutput
    from realtime.sinks.output import probe

    if platform.system() == "Linux":
        yield from _loopbacks()
        return
    try:
        yield Check("virtual camera", "ok", probe(VirtualCameraOutput()))
    except (RealtimeError, ImportError) as error:
        yield Check("virtual camera", "warn", str(error), "docs/virtual-camera.md")


def _loopbacks() -> Iterator[Check]:
    found = loopback.loopbacks()
    if not found:
        sentence, _, fix = loopback.cure().partition(": ")
        yield Check("virtual camera", "warn", sentence.partition(";")[0], fix)
    for device in found:
        name = f'{device.path} "{device.label}", v4l2loopback {loopback.version()}'
        if device.state in ("busy", "forbidden"):
            yield Check("virtual camera", "warn", loopback.reason(device))
        elif not loopback.exclusive(device.path):
            text = f"{name}, with exclusive_caps=0: Chrome and others will not list it"
            yield Check("virtual camera", "warn", text, f"sudo modprobe -r v4l2loopback && {loopback.LOAD}")
        elif device.state == "stuck":
            text = f"{name}: left by another program so that only swapcam opens it again (a fault of v4l2loopback 0.12.7)"
            yield Check("virtual camera", "ok", text, "version 0.13 or newer does not do so")
        else:
            yield Check("virtual camera", "ok", name)


def _microphone() -> Iterator[Check]:
    from realtime.machine import sounddevices

    try:
        found = sounddevices.names("input")
    except RealtimeError as error:
        sentence, _, fix = str(error).rstrip(".").partition(": ")
        yield Check("microphone", "warn", sentence, fix)
        return
    advice = "" if found else sounddevices.advice()
    yield Check("microphone", "ok" if found else "warn", ", ".join(found) or "none found", advice)


def _streams() -> Iterator[Check]:
    from realtime.sinks import encoders, relay

    working = [name for name, known in encoders.NAMES.items() if not encoders.trouble(known)]
    mend = "" if working else "pip install --force-reinstall av"
    yield Check("H.264", "ok" if working else "warn", f"encoders that work here: {', '.join(working) or 'none'}", mend)
    try:
        yield Check("streams", "ok", f"rtmp, rtmps, rtsp, udp, hls; srt by {relay.program()}")
    except RealtimeError as error:
        yield Check("streams", "warn", "rtmp, rtmps, rtsp, udp, hls; no srt", str(error))


def _screen() -> Iterator[Check]:
    from realtime.machine.devices import display_problem

    problem = display_problem()
    yield Check("display", "warn" if problem else "ok", f"no preview: {problem}" if problem else "present")


def _machine() -> Iterator[Check]:
    free = shutil.disk_usage(Path.cwd()).free
    good = free >= _LEAST_DISK
    yield Check("disk", "ok" if good else "warn", f"{free / 2**30:.1f} GB free in this folder", "" if good else "make room for recordings")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    good = cores >= 2
    yield Check(
        "processor", "ok" if good else "warn", f"{cores} core{'s' * (cores > 1)} to use", "" if good else "expect half the frame rate"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _found(names: Sequence[str]) -> dict[str, str]:
    return {name: version for name in names if (version := _version(name))}


__all__ = ["Check", "examine", "status"]
