"""Judges: networks that say how alike two faces are, and that no engine here was made with."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.align import dlib_crop, five
from models.families.ports import shown
from models.families.recognisers import Recogniser, open_recogniser
from models.network import NetworkError
from models.shelf.held import hashed
from models.weights import TABLE
from realtime.frame import Image, Points, RealtimeError
from realtime.networks import MESH, NEURAL

Embedding = NDArray[np.float64]

DLIB_SAME = 0.6
"""Euclidean distance of dlib's descriptors below which two faces are one person's, by dlib's own documentation."""
_DLIB_FILE = "dlib_face_recognition_resnet_model_v1.dat"
_DLIB_HASH = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
"""The sha256 of that file in face_recognition_models 0.3.0: the identity encoder of the engine neural was taught by it."""
_EXTRA = 'it comes with the extra "eval": pip install "swapcam[eval]".'


class Judge(Protocol):
    """One recogniser.  name: for reports.  sha256: of its weights.  distances: whether Euclidean distance is its own measure."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def distances(self) -> bool: ...

    def __call__(self, image: Image, landmarks: Points) -> Embedding:
        """The embedding (d,) of the face with these landmarks (478, 3) px in a picture (h, w, 3) uint8 BGR."""


@dataclass(frozen=True)
class Dlib:
    """dlib's ResNet: 128 numbers, the same person within a Euclidean distance of 0.6; 99.38 % on LFW as published.

    King, "High Quality Face Recognition with Deep Metric Learning", 2017; the weights are in the public domain (CC0).
    """

    network: Any
    sha256: str
    name: str = "dlib"
    distances: bool = True

    @classmethod
    def open(cls) -> Dlib:
        """Load it from the packages of the extra `eval`; raises RealtimeError where they are not installed."""
        if importlib.util.find_spec("dlib") is None:
            raise RealtimeError(f"The judge dlib needs the package dlib-bin; {_EXTRA}")
        # Importing the package of the weights would need pkg_resources, which newer setuptools no longer bring.
        package = importlib.util.find_spec("face_recognition_models")
        folders = package.submodule_search_locations if package else None
        path = Path(next(iter(folders)), "models", _DLIB_FILE) if folders else None
        if path is None or not path.is_file():
            raise RealtimeError(f"The judge dlib needs the weights of the package face_recognition_models; {_EXTRA}")
        import dlib

        return cls(dlib.face_recognition_model_v1(str(path)), hashed(path))

    def __call__(self, image: Image, landmarks: Points) -> Embedding:
        """The embedding (128,), about 1.43 long."""
        face = np.ascontiguousarray(dlib_crop(image, landmarks)[..., ::-1])
        return np.array(self.network.compute_face_descriptor(face), np.float64)


@dataclass(frozen=True)
class Onnx:
    """A recogniser in a file, of the families of models.families.recognisers: ArcFace, SFace."""

    recogniser: Recogniser
    sha256: str
    name: str
    distances: bool = False

    @classmethod
    def open(cls, path: Path) -> Onnx:
        """Load a file; raises RealtimeError for what is no model, or has other inputs and outputs than an ArcFace."""
        from models.session import Runtime, Session

        if not path.is_file():
            raise RealtimeError(f"There is no judge {path}; give dlib or an ONNX file of the ArcFace family.")
        try:
            # Always the same numbers, whatever the machine has.
            network, checksum = Session(path, Runtime(("CPU",))), hashed(path)
        except NetworkError as error:
            raise RealtimeError(f"The judge {path.name} cannot be read as an ONNX model ({str(error).rstrip('.')}).") from None
        try:
            return cls(open_recogniser(network), checksum, path.stem)
        except NetworkError:
            wanted = "one input (1 or N, 3, 112, 112) of float32 and one output (1 or N, d)"
            got = shown([*network.inputs, *network.outputs])
            what = f"does not look at faces as the ArcFace family does: got {got}, expected {wanted}"
            raise RealtimeError(f"The judge {path.name} {what}.") from None

    def __call__(self, image: Image, landmarks: Points) -> Embedding:
        """The embedding (d,) as the network gives it."""
        return self.recogniser(image, five(landmarks)).astype(np.float64)


def made_with(engine: str) -> frozenset[str]:
    """The sha256 of every recogniser that an engine was trained or conditioned with: those may not judge it.

    A swapper scores 0.586 under the recogniser that it was trained with and 0.48 under another (SimSwap, as measured by MobileSwap).
    The field's swappers read their source with ArcFace, so none of its files is fair to any of them.
    """
    if engine == NEURAL:
        return frozenset({_DLIB_HASH})
    rows = () if engine == MESH else TABLE
    return frozenset(sha256 for row in rows if row.role == "recogniser" and row.family == "arcface" for sha256 in row.hashes)


def open_judges(names: list[str], engines: list[str]) -> list[Judge]:
    """The judges of `dlib` and paths of ONNX files; raises RealtimeError, also for one that an engine was made with."""
    judges: list[Judge] = []
    for name in dict.fromkeys(names):
        judge: Judge = Dlib.open() if name == "dlib" else Onnx.open(Path(name).expanduser())
        if judge.name in [other.name for other in judges]:
            raise RealtimeError(f"Two judges are called {judge.name}; rename one of the files.")
        for engine in engines:
            if judge.sha256 in made_with(engine):
                raise RealtimeError(f"{judge.name} cannot judge the engine {engine}, which was made with it; give another --judge.")
        judges.append(judge)
    return judges


def cosine(first: Embedding, second: Embedding) -> Embedding:
    """Cosine between embeddings along the last axis, -1..1."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.asarray((first * second).sum(axis=-1) / np.maximum(lengths, 1e-12))


__all__ = ["DLIB_SAME", "Dlib", "Embedding", "Judge", "Onnx", "cosine", "made_with", "open_judges"]
