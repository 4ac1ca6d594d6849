"""v4l2loopback devices of this machine: which there are, who uses them, and a cure for one that got stuck."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realtime.frame import RealtimeError
from realtime.machine import v4l2

_SYSTEM = Path("/sys/class/video4linux")
_DRIVER = "v4l2 loopback"
LOAD = "sudo modprobe v4l2loopback video_nr=10 card_label=swapcam exclusive_caps=1 max_buffers=8"
_INSTALL = {
    "debian": "sudo apt install v4l2loopback-dkms",
    "ubuntu": "sudo apt install v4l2loopback-dkms",
    "fedora": "sudo dnf install akmod-v4l2loopback  (from rpmfusion.org)",
    "arch": "sudo pacman -S v4l2loopback-dkms linux-headers",
    "suse": "sudo zypper install v4l2loopback-kmp-default",
}


@dataclass(frozen=True, slots=True)
class Loopback:
    """One virtual camera device; state stuck: no program writes to it, yet it no longer takes one (see `revive`)."""

    path: str
    label: str
    state: Literal["free", "busy", "stuck", "forbidden"]
    users: tuple[str, ...] = ()


def loopbacks() -> list[Loopback]:
    """Every v4l2loopback device, the ones labelled "swapcam" first."""
    found = [loopback for node in nodes() if (loopback := look(node))]
    return sorted(found, key=lambda loopback: "swapcam" not in loopback.label.lower())


def choose(device: str | None) -> str:
    """Device file of a virtual camera that takes a writer now, revived where it was stuck.

    device: the one asked for, None for any.  Raises RealtimeError with the reason for each and the command that helps.
    """
    if device is None:
        found = loopbacks()
    elif not Path(device).exists():
        raise RealtimeError(f"The virtual camera {device} does not exist. {cure()}")
    else:
        asked = look(device)
        if asked is None:
            raise RealtimeError(f"{device} is not a v4l2loopback device, so nothing can be sent to it. {cure()}")
        found = [asked]
    reasons = []
    for loopback in found:
        if loopback.state == "stuck":
            with suppress(OSError):
                revive(loopback.path)
                loopback = look(loopback.path) or loopback
        if loopback.state == "free":
            return loopback.path
        reasons.append(reason(loopback))
    raise RealtimeError("No virtual camera can be opened. " + (" ".join(reasons) if reasons else cure()))


def reason(loopback: Loopback) -> str:
    """Why the device cannot be written to, and what helps, in one or two sentences."""
    name = f'{loopback.path} ("{loopback.label}")'
    if loopback.state == "busy":
        by = f" (open in: {', '.join(loopback.users)})" if loopback.users else ""
        return f"{name} is in use by another program that sends to it{by}; end that program or make a second device."
    if loopback.state == "forbidden":
        return f"{name} may not be opened by this user; allow it with: sudo usermod -aG video $USER (then log in again)."
    if loopback.state == "stuck":
        return (
            f"{name} takes no program a second time: v4l2loopback {version()} does so with exclusive_caps=1; load it again with: "
            f"sudo modprobe -r v4l2loopback && {LOAD} (close every program that uses it first), or install version 0.13 or newer."
        )
    return f"{name} is free."


def cure() -> str:
    """What brings a v4l2loopback device to this machine, as a sentence with the exact command."""
    if version():
        return f"v4l2loopback is loaded without such a device; load it again with: sudo modprobe -r v4l2loopback && {LOAD}"
    if installed():
        return f"v4l2loopback is installed but not loaded; load it with: {LOAD}"
    return f"v4l2loopback is not installed; install and load it with: {_install()} && {LOAD}"


def installed() -> bool:
    """Whether the running kernel has the module on disk."""
    modules = Path("/lib/modules") / platform.release()
    with suppress(OSError):
        if "/v4l2loopback.ko" in (modules / "modules.dep").read_text():
            return True
    return any(modules.glob("updates/**/v4l2loopback.ko*"))


class Hold:
    """Our own descriptor beside the one that pyvirtualcam writes to, for what pyvirtualcam does not do.

    It tells readers the frame rate, notices when the device file goes, and leaves the device ready for the next
    program (see `revive`), even when this program is killed.  rate: frames per second.  Raises OSError.
    """

    def __init__(self, path: str, rate: float) -> None:
        self.path = path
        self._modern = modern(path)
        self._node = _identity(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):
            v4l2.set_rate(self._descriptor, rate)

    def started(self) -> None:
        """The first frame was sent."""
        if not self._modern:
            with suppress(OSError):
                v4l2.start_output(self._descriptor)

    def check(self) -> None:
        """Raises OSError when the device file is gone or is another one."""
        if _identity(self.path) != self._node:
            raise OSError(f"{self.path} is another device now.")

    def close(self) -> None:
        os.close(self._descriptor)


def nodes() -> list[str]:
    """Device files of all video devices, in the order of their numbers."""
    names = [entry.name for entry in _SYSTEM.iterdir() if entry.name.startswith("video")] if _SYSTEM.is_dir() else []
    return [f"/dev/{name}" for name in sorted(names, key=lambda name: int(name[5:]))]


def look(path: str) -> Loopback | None:
    """The loopback device behind a device file, None where it is none or is gone."""
    try:
        with v4l2.opened(path) as descriptor:
            capability = v4l2.capability(descriptor)
    except PermissionError:
        return Loopback(path, _label(path), "forbidden") if is_virtual(path) else None
    except OSError:
        return None
    if capability.driver != _DRIVER:
        return None
    if capability.flags & v4l2.OUTPUT:
        return Loopback(path, capability.label, "free")
    if capability.flags & v4l2.CAPTURE and (modern(path) or _written(path)):
        return Loopback(path, capability.label, "busy", users(path))
    return Loopback(path, capability.label, "stuck")


def revive(path: str) -> None:
    """Make a stuck device take a writer again; raises OSError where it cannot be opened.

    v4l2loopback up to 0.12.7 (Debian 12, Ubuntu 22.04 and 24.04) with exclusive_caps=1 forgets to offer output again
    after a program that wrote with write(2), as pyvirtualcam and ffmpeg do, has closed it.  Its close() does so only for
    a program that had asked for streaming, so: ask (the request itself may fail), and close.
    """
    with v4l2.opened(path) as descriptor, suppress(OSError):
        v4l2.start_output(descriptor)


def modern(path: str) -> bool:
    """Whether the driver is new enough (0.13 and later) not to get stuck."""
    return (_SYSTEM / Path(path).name / "state").exists()


def version() -> str:
    """Version of the loaded module, "" where none is loaded."""
    module = Path("/sys/module/v4l2loopback")
    if not module.is_dir():
        return ""
    try:
        return (module / "version").read_text().strip()
    except OSError:
        return "0.12.7 or older"


def exclusive(path: str) -> bool:
    """Whether readers see the device as a camera alone, as browsers ask; a device that is written to or stuck is so."""
    with suppress(OSError), v4l2.opened(path) as descriptor:
        return v4l2.capability(descriptor).flags & (v4l2.CAPTURE | v4l2.OUTPUT) != v4l2.CAPTURE | v4l2.OUTPUT
    return True


def format_now(path: str) -> tuple[str, int, int] | None:
    """FourCC, width and height that a connected reader or writer holds the device to, None while it is open to any."""
    try:
        text = (_SYSTEM / Path(path).name / "format").read_text().strip()
        code, _, rest = text.partition(":")
        width, _, height = rest.partition("@")[0].partition("x")
        return code, int(width), int(height)
    except (OSError, ValueError):
        return None


def is_virtual(path: str) -> bool:
    """Whether the device is made by a module rather than by hardware."""
    return "/virtual/" in str((_SYSTEM / Path(path).name).resolve())


def users(path: str) -> tuple[str, ...]:
    """Other programs that hold the device open, as far as this user may see: "zoom (process 123)"."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(process.name) != os.getpid() and any(path == str(link.readlink()) for link in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} (process {process.name})")
    return tuple(found)


def _install() -> str:
    names: list[str] = []
    with suppress(OSError):
        for line in Path("/etc/os-release").read_text().splitlines():
            key, _, value = line.partition("=")
            names += value.strip('"').split() if key in ("ID", "ID_LIKE") else []
    return next((_INSTALL[name] for name in names if name in _INSTALL), _INSTALL["debian"])


def _identity(path: str) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_ino, status.st_rdev


def _label(path: str) -> str:
    try:
        return (_SYSTEM / Path(path).name / "name").read_text().strip()
    except OSError:
        return ""


def _written(path: str, patience: float = 0.6) -> bool:
    """Whether new frames arrive: an old driver says the same of a device with a writer and of one with readers only."""
    with suppress(OSError), v4l2.opened(path) as descriptor:
        until, empty = time.monotonic() + patience, False
        while time.monotonic() < until:
            try:
                os.read(descriptor, 1 << 26)
                if empty:
                    return True
            except BlockingIOError:
                # What the driver still had in its buffers is read; from here on a frame is a new one.
                empty = True
                time.sleep(0.01)
    return False
