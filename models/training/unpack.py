"""What `pack` made, read again: all pictures decoded once, and the judges, with nothing but torch, numpy and cv2."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.align import DLIB_POINTS
from models.generator.view import SIDE, zones
from models.mesh.topology import BROWS, LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE
from models.training.dlib_file import BLOCKS, Convolution, Weights
from models.training.networks import IdentityEncoder
from models.training.teacher import Teacher
from models.training.trainer import Judges

Array = NDArray[Any]
Bytes = NDArray[np.uint8]
Arrays = dict[str, Array]
FORMAT = 1
POINTS = np.unique(np.concatenate([OVAL, RIGHT_EYE, LEFT_EYE, OUTER_LIPS, BROWS, DLIB_POINTS]))
"""The landmarks that zones and the teacher's crop are made from."""
FINE = 128
"""Steps of a packed landmark in a pixel."""
# What WebP makes of 0 and of 255 lies no further away.
_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Pack:
    """crop (n, 3, 128, 128), zone (n, 1, 128, 128) uint8, landmarks (n, 478, 3) float32 px, of targets.  guide (m, 4, 128, 128) uint8.

    RGB; the fourth of a guide is its mask.  source, target (m,): rows of what judges say, and of targets.  true, itself (m,) bool.
    settings, photos: what the set was packed with, and what tells it from another.
    """

    crop: Bytes
    zone: Bytes
    landmarks: NDArray[np.float32]
    guide: Bytes
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    true: NDArray[np.bool_]
    itself: NDArray[np.bool_]
    judges: Judges
    settings: dict[str, Any]
    photos: dict[str, int]


def unpack(path: Path) -> Pack:
    """Read and decode a pack on all processors.  Raises ValueError for another file, OSError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
        about = json.loads(found["about"].tobytes())
        if about["format"] != FORMAT:
            raise ValueError(f"got format {about['format']}, expected {FORMAT}")
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            # OpenCV decodes without holding the interpreter, so that threads are enough.
            crop = np.stack(list(workers.map(lambda file: _read(file, cv2.IMREAD_COLOR), _parted(found, "crops"))))
            guides = list(workers.map(_read, _parted(found, "guides"), [cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE] * len(found["source"])))
            landmarks = np.zeros((len(crop), 478, 3), np.float32)
            landmarks[:, POINTS, :2] = found["points"].astype(np.float32) / FINE
            zone = np.stack(list(workers.map(zones, landmarks)))[:, None]
        guide = np.concatenate([np.stack(guides[0::2]), np.stack([_certain(mask) for mask in guides[1::2]])], axis=1)
        rows = (found["source"].astype(np.int64), found["target"].astype(np.int64))
        return Pack(
            crop, zone, landmarks, guide, *rows, found["true"], found["itself"], _judges(found), about["settings"], about["set"]
        )
    except (ValueError, KeyError, EOFError, TypeError, cv2.error, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be read as a packed set ({error}); pack it again") from error


def _read(file: Bytes, kind: int) -> Bytes:
    """A picture (3, 128, 128) RGB, or (1, 128, 128)."""
    image = cv2.imdecode(file, kind)
    if image is None or image.shape[:2] != (SIDE, SIDE):
        raise ValueError("a picture in it is broken")
    return np.ascontiguousarray(np.atleast_3d(image)[..., ::-1].transpose(2, 0, 1))


def _certain(mask: Bytes) -> Bytes:
    """A mask that is 0 and 255 where it was so before it was packed."""
    return np.where(mask <= _LEVELS, 0, np.where(mask >= 255 - _LEVELS, 255, mask)).astype(np.uint8)


def _parted(found: Arrays, name: str) -> Sequence[Bytes]:
    return np.split(found[name], found[f"{name}_ends"][:-1])


def _judges(found: Arrays) -> Judges:
    encoder = IdentityEncoder(_widths(found))
    encoder.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in _named(found, "encoder/").items()})
    vectors = torch.nn.functional.normalize(torch.from_numpy(found["vectors"].astype(np.float32)), dim=1)
    teacher = _teacher(_named(found, "teacher/")) if "teacher/last" in found else None
    wanted, mean = (torch.from_numpy(found[name].astype(np.float32)) if name in found else None for name in ("wanted", "mean"))
    return Judges(encoder.eval().requires_grad_(False), vectors, teacher, wanted, mean)


def _named(found: Arrays, start: str) -> Arrays:
    return {name.removeprefix(start): value.astype(np.float32) for name, value in found.items() if name.startswith(start)}


def _widths(found: Arrays) -> list[int]:
    names = ["encoder/stem.0.weight", *(f"encoder/levels.{level}.0.weight" for level in range(3))]
    return [len(found[name]) for name in names]


def _teacher(values: Arrays) -> Teacher:
    """A teacher without its file: every convolution has its scale and shift in its filters already."""

    def layer(name: str, stride: int, padding: int) -> Convolution:
        filters, bias = values[f"{name}.weight"], values[f"{name}.bias"]
        return Convolution(filters, bias, np.ones_like(bias), np.zeros_like(bias), stride, padding)

    blocks = tuple(
        (layer(f"blocks.{k}.first", 2 if halves else 1, 0 if halves else 1), layer(f"blocks.{k}.second", 1, 1))
        for k, (_, halves) in enumerate(BLOCKS)
    )
    return Teacher(Weights(values["mean"].reshape(3), layer("stem", 2, 0), blocks, values["last"]))


__all__ = ["FINE", "FORMAT", "POINTS", "Pack", "unpack"]
