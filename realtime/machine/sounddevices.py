"""Microphones and loopback devices of this machine, through PortAudio."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from realtime.frame import RealtimeError

Way = Literal["input", "output"]

SERVERS = ("pulse", "pipewire", "default")
"""Devices of ALSA behind which a sound server stands."""
_NEEDS = {
    "Linux": "sudo apt install libportaudio2 (with PulseAudio or PipeWire also libasound2-plugins)",
    "Darwin": "pip install --force-reinstall sounddevice",
    "Windows": "pip install --force-reinstall sounddevice",
}
_NONE = {
    "Linux": "plug one in, or start the sound server (systemctl --user start pipewire-pulse, or pulseaudio --start)",
    "Darwin": "plug one in, and allow the terminal to use it: System Settings, Privacy & Security, Microphone",
    "Windows": "plug one in, and allow desktop apps to use it: Settings, Privacy & security, Microphone",
}
# A sound server's devices are reached through one device of ALSA, and chosen by a variable that holds for the whole process.
_SERVED = {"input": "PULSE_SOURCE", "output": "PULSE_SINK"}
_CHOOSING = threading.Lock()


def portaudio() -> Any:
    """The module sounddevice; raises RealtimeError where it or the library under it is missing."""
    try:
        import sounddevice
    except ImportError:
        raise RealtimeError("Sound needs the package sounddevice: pip install sounddevice.") from None
    except OSError:
        cure = _NEEDS.get(platform.system(), _NEEDS["Linux"])
        raise RealtimeError(f"Sound needs the library PortAudio, which is not there: {cure}.") from None
    return sounddevice


def advice() -> str:
    """What helps where there is no device."""
    return _NONE.get(platform.system(), _NONE["Linux"])


def refresh() -> None:
    """Look again at what is plugged in; only while no stream is open, for it would end.  Raises RealtimeError."""
    module = portaudio()
    # PortAudio makes its list when it starts, and the package has no public way to start it again.
    module._terminate()
    module._initialize()


def names(way: Way) -> list[str]:
    """What can be given as a device; raises RealtimeError where PortAudio is missing."""
    found = [str(device["name"]) for device in portaudio().query_devices() if device[f"max_{way}_channels"] > 0]
    return list(dict.fromkeys([*found, *_served(way)]))


@contextmanager
def chosen(name: str, way: Way) -> Iterator[dict[str, Any]]:
    """PortAudio's description of a device, to be opened inside; name: "default" or (part of) a name.  Raises RealtimeError."""
    module = portaudio()
    devices = [device for device in module.query_devices() if device[f"max_{way}_channels"] > 0]
    kind = "microphone" if way == "input" else "device to play into"
    if name == "default":
        try:
            yield dict(module.query_devices(kind=way))
        except (module.PortAudioError, ValueError):
            raise RealtimeError(f"There is no {kind}: {advice()}.") from None
        return
    for fits in (lambda other: other == name, lambda other: name.lower() in other.lower()):
        for device in devices:
            if fits(str(device["name"])):
                yield dict(device)
                return
        server = next((device for device in devices if device["name"] in SERVERS), None)
        for other in filter(fits, _served(way) if server else ()):
            with _CHOOSING, _variable(_SERVED[way], other):
                yield dict(server or {})
            return
    there = ", ".join(names(way)) or "none"
    raise RealtimeError(f'There is no {kind} called "{name}"; there are: {there}.')


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _served(way: Way) -> list[str]:
    """Names of the sound server's own devices."""
    program = shutil.which("pactl") if platform.system() == "Linux" else None
    if program is None:
        return []
    command = [program, "list", "short", "sources" if way == "input" else "sinks"]
    try:
        said = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.split("\t")[1] for line in said.stdout.splitlines() if line.count("\t") > 1]


def opened(name: str, way: Way, make: Callable[[Any, dict[str, Any], float], Any]) -> Any:
    """A running stream of PortAudio; raises RealtimeError.

    make: the stream, not yet started, of the module, the device and a rate: 48000, or the device's own where it takes no other.
    """
    module = portaudio()
    with chosen(name, way) as device:
        error: Exception | None = None
        for rate in (48000.0, float(device["default_samplerate"])):
            try:
                stream = make(module, device, rate)
                stream.start()
            except (module.PortAudioError, ValueError, OSError) as failure:
                error = failure
            else:
                return stream
    raise RealtimeError(f"{device['name']} cannot be opened ({error}); is another program using it alone?")


__all__ = ["SERVERS", "Way", "advice", "chosen", "names", "opened", "portaudio", "refresh"]
