"""Reader of the weights of dlib's face recogniser as dlib serialises them, with nothing but numpy.

King, "High Quality Face Recognition with Deep Metric Learning", 2017; the weights are in the public domain (CC0).
The file holds the network from the loss inwards as version numbers, then from the input outwards one record for each layer.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.network import NetworkError

Floats = NDArray[np.float32]

FILE = "dlib_face_recognition_resnet_model_v1.dat"
_KEPT, _HALVED = False, True
BLOCKS: tuple[tuple[int, bool], ...] = (
    (32, _KEPT), (32, _KEPT), (32, _KEPT),
    (64, _HALVED), (64, _KEPT), (64, _KEPT), (64, _KEPT),
    (128, _HALVED), (128, _KEPT), (128, _KEPT),
    (256, _HALVED), (256, _KEPT), (256, _KEPT),
    (256, _HALVED),
)
"""Residual blocks from the input outwards: channels, and whether the block halves height and width."""
SIDE = 150
STEM = 32
DESCRIPTOR = 128


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution and the scale and shift after it, all float32.

    filters: (out, in, rows, columns).  bias, gamma, beta: (out,).  stride and padding: pixels, the same both ways.
    """

    filters: Floats
    bias: Floats
    gamma: Floats
    beta: Floats
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class Weights:
    """The whole network.

    mean: (3,) RGB, 0..255, subtracted before dividing by 256.  stem: the first convolution.
    blocks: the two convolutions of each of BLOCKS.  last: (256, 128), the pooled channels times this are the descriptor.
    """

    mean: Floats
    stem: Convolution
    blocks: tuple[tuple[Convolution, Convolution], ...]
    last: Floats


def weights_file() -> Path:
    """Where the installed package face_recognition_models has the file; raises NetworkError where it is not installed."""
    # Importing that package would need pkg_resources, which newer setuptools no longer bring.
    package = importlib.util.find_spec("face_recognition_models")
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = Path(folder, "models", FILE)
        if path.is_file():
            return path
    raise NetworkError(f"The weights {FILE} of the package face_recognition_models are not installed: pip install 'swapcam[eval]'.")


def read(path: Path) -> Weights:
    """The weights in a file; raises ValueError that says where, what was got and what expected for any other file."""
    source = _Source(path.name, path.read_bytes())
    _nesting(source)
    mean = _input(source)
    stem = _convolution(source, 3, STEM, 7, 2, innermost=True)
    source.layer("relu_")
    source.layer("max_pool_2", 3, 3, 2, 2, 0, 0)
    blocks, channels = [], STEM
    for width, halves in BLOCKS:
        first = _convolution(source, channels, width, 3, 2 if halves else 1)
        source.layer("relu_")
        blocks.append((first, _convolution(source, width, width, 3, 1)))
        if halves:
            source.layer("avg_pool_2", 2, 2, 2, 2, 0, 0)
        source.layer("add_prev_")
        source.layer("relu_")
        channels = width
    source.layer("avg_pool_2", 0, 0, 1, 1, 0, 0)
    last = _last(source, channels)
    source.end()
    return Weights(mean, stem, tuple(blocks), last)


class _Source:
    """The bytes of a file from front to back, in the kinds of value that dlib writes."""

    def __init__(self, name: str, content: bytes) -> None:
        self._name, self._content, self._at = name, content, 0

    def wrong(self, got: object, expected: object) -> ValueError:
        return ValueError(f"{self._name} is not dlib's face recogniser: got {got} before byte {self._at}, expected {expected}")

    def take(self, count: int) -> bytes:
        piece = self._content[self._at : self._at + count]
        if len(piece) < count:
            raise self.wrong(f"the end of the file after {len(self._content)} bytes", f"{count} more bytes")
        self._at += count
        return piece

    def integer(self) -> int:
        """A byte with the sign and how many bytes follow, then those, the lowest first."""
        control = self.take(1)[0]
        if control & 0x70 or not 1 <= control & 0x0F <= 8:
            raise self.wrong(f"0x{control:02x}", "the control byte of an integer")
        size = int.from_bytes(self.take(control & 0x0F), "little")
        return -size if control & 0x80 else size

    def real(self) -> float:
        """A mantissa and a power of two."""
        mantissa, exponent = self.integer(), self.integer()
        if not -1100 < exponent < 1100:
            raise self.wrong(f"a power of two of {exponent}", "that of a finite number")
        return float(mantissa * 2.0**exponent)

    def integers(self, what: str, *expected: int) -> None:
        got = tuple(self.integer() for _ in expected)
        if got != expected:
            raise self.wrong(f"{what} {got}", expected)

    def text(self, expected: str) -> None:
        length = self.integer()
        got = self.take(length) if length == len(expected) else f"a text of {length} bytes"
        if got != expected.encode():
            raise self.wrong(got, expected)

    def tensor(self, *shape: int) -> Floats:
        """Version 2 of a tensor: four sizes, then float32, the lowest byte first."""
        self.integers("tensor", 2, *shape)
        values = np.frombuffer(self.take(4 * int(np.prod(shape))), "<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise self.wrong("weights that are not finite", "finite ones")
        return values

    def alias(self, *shape: int) -> None:
        """How a part of a tensor is shaped."""
        self.integers("alias", 1, *shape)

    def state(self) -> None:
        """What every layer ends with: three yes or no, and three tensors that only training fills."""
        flags = self.take(3)
        if set(flags) - set(b"01"):
            raise self.wrong(flags, "three of 0 and 1")
        for _ in range(3):
            self.tensor(0, 0, 0, 0)

    def layer(self, name: str, *settings: int) -> None:
        """A layer without weights."""
        self.text(name)
        self.integers(name, *settings)
        self.state()

    def end(self) -> None:
        if self._at != len(self._content):
            raise self.wrong(f"{len(self._content) - self._at} bytes more", "the end of the file")


def _nesting(source: _Source) -> None:
    """The loss with its two margins, then the version numbers of all layers from the loss inwards."""
    source.integers("version", 1)
    source.text("loss_metric_2")
    source.real()
    source.real()
    # A layer has version 2, the one above the input 3; the tag and the skip that make a residual have 1.
    versions = [2, 2]
    for _, halves in reversed(BLOCKS):
        versions += [2, 2, *([2, 1, 1] if halves else []), 2, 2, 2, 2, 2, 1]
    source.integers("versions of the layers", *versions, 2, 2, 2, 3)


def _input(source: _Source) -> Floats:
    source.text("input_rgb_image_sized")
    mean = np.array([source.real() for _ in range(3)], np.float32)
    source.integers("size of the input", SIDE, SIDE)
    return mean


def _convolution(source: _Source, channels: int, out: int, side: int, stride: int, *, innermost: bool = False) -> Convolution:
    padding = side // 2 if stride == 1 else 0
    shape = (out, channels, side, side)
    source.text("con_4")
    count = int(np.prod(shape))
    values = source.tensor(count + out, 1, 1, 1)
    source.integers("convolution", out, side, side, stride, stride, padding, padding)
    source.alias(*shape)
    source.alias(1, out, 1, 1)
    _learning(source)
    source.state()
    if innermost:
        source.integers("samples of each picture", 1)
    source.text("affine_")
    affine = source.tensor(2 * out, 1, 1, 1)
    source.alias(1, out, 1, 1)
    source.alias(1, out, 1, 1)
    source.integers("mode of the affine layer", 0)
    source.state()
    return Convolution(values[:count].reshape(shape), values[count:], affine[:out], affine[out:], stride, padding)


def _last(source: _Source, channels: int) -> Floats:
    source.text("fc_2")
    source.integers("fully connected layer", DESCRIPTOR, channels)
    values = source.tensor(channels, DESCRIPTOR, 1, 1)
    source.alias(channels, DESCRIPTOR, 1, 1)
    source.alias(0, 0, 0, 0)
    source.integers("mode of the bias", 1)
    _learning(source)
    source.state()
    return values.reshape(channels, DESCRIPTOR)


def _learning(source: _Source) -> None:
    """Four factors for training, unused here."""
    for _ in range(4):
        source.real()


__all__ = ["BLOCKS", "DESCRIPTOR", "FILE", "SIDE", "STEM", "Convolution", "Weights", "read", "weights_file"]
