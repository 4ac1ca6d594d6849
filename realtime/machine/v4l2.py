"""Linux video devices asked directly, by ioctl, without any package; struct layouts from linux/videodev2.h."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CAPTURE, OUTPUT = 0x1, 0x2
_DEVICE_CAPABILITIES = 0x80000000
_BUFFER_CAPTURE, _BUFFER_OUTPUT = 1, 2
_DISCRETE = 1
_USUAL = ((640, 480), (1280, 720), (1920, 1080))


def _number(direction: int, index: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("V") << 8 | index


_QUERYCAP = _number(2, 0, 104)
_ENUM_FMT = _number(3, 2, 64)
_STREAMON = _number(1, 18, 4)
_S_PARM = _number(3, 22, 204)
_ENUM_FRAMESIZES = _number(3, 74, 44)
_ENUM_FRAMEINTERVALS = _number(3, 75, 52)


@dataclass(frozen=True, slots=True)
class Mode:
    """One size of one pixel format; format: FourCC such as "YUYV" or "MJPG"; rates: frames per second, fastest first."""

    format: str
    width: int
    height: int
    rates: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Capability:
    """What a device says of itself; flags: CAPTURE and OUTPUT bits of this very node."""

    driver: str
    label: str
    flags: int


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A file descriptor of the device, closed afterwards; raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def capability(descriptor: int) -> Capability:
    """VIDIOC_QUERYCAP; raises OSError."""
    data = bytearray(104)
    _ask(descriptor, _QUERYCAP, data)
    driver, label = (bytes(part).split(b"\0")[0].decode(errors="replace") for part in (data[:16], data[16:48]))
    every, own = struct.unpack_from("II", data, 84)
    return Capability(driver, label, own if every & _DEVICE_CAPABILITIES else every)


def modes(descriptor: int) -> tuple[Mode, ...]:
    """Every pixel format, size and rate the device offers for capture; of a continuous range the usual sizes."""
    found = []
    for data in _enumerate(descriptor, _ENUM_FMT, 64, lambda index: struct.pack("II", index, _BUFFER_CAPTURE)):
        (code,) = struct.unpack_from("I", data, 44)
        name = struct.pack("<I", code & 0x7FFFFFFF).decode("ascii", errors="replace").strip()
        found += [Mode(name, width, height, _rates(descriptor, code, width, height)) for width, height in _sizes(descriptor, code)]
    return tuple(found)


def set_rate(descriptor: int, rate: float) -> None:
    """Tell readers of a loopback device the frame rate (frames per second); raises OSError where the driver refuses."""
    data = bytearray(204)
    struct.pack_into("IIIII", data, 0, _BUFFER_OUTPUT, 0, 0, 1000, round(rate * 1000))
    _ask(descriptor, _S_PARM, data)


def start_output(descriptor: int) -> None:
    """VIDIOC_STREAMON for output; raises OSError."""
    _ask(descriptor, _STREAMON, struct.pack("i", _BUFFER_OUTPUT))


def _ask(descriptor: int, request: int, data: bytearray | bytes) -> None:
    # Imported here, because Windows has no such module and this one is imported there too.
    import fcntl

    fcntl.ioctl(descriptor, request, data)


def _enumerate(descriptor: int, request: int, size: int, head: Callable[[int], bytes]) -> Iterator[bytearray]:
    for index in range(256):
        data = bytearray(head(index).ljust(size, b"\0"))
        try:
            _ask(descriptor, request, data)
        except OSError:
            return
        yield data


def _sizes(descriptor: int, code: int) -> list[tuple[int, int]]:
    sizes: list[tuple[int, int]] = []
    for data in _enumerate(descriptor, _ENUM_FRAMESIZES, 44, lambda index: struct.pack("II", index, code)):
        (kind,) = struct.unpack_from("I", data, 8)
        if kind == _DISCRETE:
            sizes.append(struct.unpack_from("II", data, 12))
            continue
        left, right, _, top, bottom, _ = struct.unpack_from("6I", data, 12)
        return [(width, height) for width, height in _USUAL if left <= width <= right and top <= height <= bottom]
    return sizes


def _rates(descriptor: int, code: int, width: int, height: int) -> tuple[float, ...]:
    rates = []
    for data in _enumerate(descriptor, _ENUM_FRAMEINTERVALS, 52, lambda index: struct.pack("4I", index, code, width, height)):
        kind, numerator, denominator = struct.unpack_from("3I", data, 16)
        if numerator:
            rates.append(round(denominator / numerator, 2))
        if kind != _DISCRETE:
            break
    return tuple(sorted(set(rates), reverse=True))
