"""Who a swapper puts on: how it wants a source, what it is fed for one, and mixtures of two people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models import align
from models.families.form import UNIT, Form
from models.network import Array, NetworkError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Portrait = tuple[Bytes, Reals]
"""A picture (h, w, 3) uint8 BGR and the five points (5, 2) of the face in it."""
Recognise = Callable[[Bytes, Reals], Floats]
Convert = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Embedding:
    """A source that is who somebody is to ArcFace.

    converter: the network that turns it into what the swapper learned with, by its name among the weights.
    emap: it goes through the matrix that the swapper's file carries as its last initializer.  normed: its length is made 1.
    """

    converter: str | None = None
    emap: bool = False
    normed: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """A source that is a picture of the face, square of a size in pixels, aligned to a template."""

    template: str
    size: int
    form: Form = UNIT


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """A source as one swapper is fed it: arrays by name that may not be written and are the same in every call.

    Where the source is an embedding, vector is who it is in the swapper's own space (d,), place brings somebody's raw embedding
    there, and feed makes a latent of any vector of that space.
    """

    feeds: Mapping[str, Array]
    vector: Floats | None = None
    place: Callable[[Floats], Floats] | None = None
    feed: Callable[[Floats], Latent] | None = None

    def towards(self, other: Floats, identity: float) -> Latent:
        """The source's share in who the result looks like: 1 is the source as it is, less goes towards another, more away from them.

        other: the target's raw embedding (d,), of the recogniser that the source was read with.  identity: the knob of that name.
        The result is s (1 - a) + t a with a = 1 - identity, s and t both as the swapper's family wants them, and of length 1
        again where the family wants that.  FaceFusion's `face_swapper_weight` from 0 to 1 is this with an identity from 0.65 to
        1.35, except that it mixes t without emap or converter, from another space than s.
        The latent itself where nothing is to mix: at 1, and where the source is a picture or inside the model.
        """
        if identity == 1 or self.vector is None or self.place is None or self.feed is None:
            return self
        away = np.float32(1 - identity)
        return self.feed(self.vector * (1 - away) + self.place(other) * away)


def mean_embedding(portraits: Sequence[Portrait], recognise: Recognise) -> Floats:
    """Who is in several pictures: the mean direction of their embeddings at their mean length; (d,) float32.

    Raises ValueError for an embedding that is not finite or nothing.
    """
    found = np.stack([_direction(recognise(image, five)) for image, five in portraits])
    lengths = np.linalg.norm(found, axis=1)
    middle = (found / lengths[:, None]).mean(axis=0)
    return np.asarray(_direction(middle) / np.linalg.norm(middle) * lengths.mean(), np.float32)


def placed(embedding: Floats, kind: Embedding, emap: Floats | None, convert: Convert | None) -> Floats:
    """A raw embedding (d,) in the swapper's own space: converted, through the emap, of length 1, where its family wants that.

    Raises NetworkError where the converter is missing, ValueError for an embedding that is not finite.
    """
    raw = _direction(embedding)
    if kind.converter is not None:
        if convert is None:
            name = kind.converter
            raise NetworkError(f"The swapper reads faces through the model {name}; get it with: swapcam models pull {name}")
        raw = _direction(convert(raw))
    if kind.emap and emap is not None:
        raw = (raw / np.linalg.norm(raw)) @ emap
    return settled(raw, kind)


def settled(vector: Floats, kind: Embedding) -> Floats:
    """The vector, of length 1 where the family wants that; float32."""
    return np.asarray(_direction(vector) / (np.linalg.norm(vector) if kind.normed else 1.0), np.float32)


def best_picture(portraits: Sequence[Portrait], kind: Picture) -> Bytes:
    """The crop (size, size, 3) uint8 BGR of the portrait that is best to show: the sharpest up to the crop's own resolution, and of
    those the one that looks most squarely at the camera, whose points are most like the template.
    """
    goal = align.template(kind.template, kind.size)
    matrices = [align.similarity(five, goal) for _, five in portraits]

    def worth(index: int) -> tuple[float, float]:
        matrix, five = matrices[index], portraits[index][1]
        enlarged = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        return -max(enlarged, 1.0), -float(np.linalg.norm(five @ matrix[:, :2].T + matrix[:, 2] - goal))

    best = max(range(len(portraits)), key=worth)
    return align.crop(portraits[best][0], matrices[best], kind.size, cv2.BORDER_REPLICATE)


def locked(array: Array, type: str) -> Array:
    """A copy of an array in numpy's type of that name that nobody may write."""
    kept = np.array(array, type, order="C")
    kept.flags.writeable = False
    return kept


def _direction(embedding: Array) -> Floats:
    """The embedding as a row (d,), which has a length."""
    vector = np.asarray(embedding, np.float32).reshape(-1)
    if not np.isfinite(vector).all() or not vector.any():
        raise ValueError("got an embedding that is nothing or not finite, expected a face's")
    return vector


__all__ = [
    *("Convert", "Embedding", "Latent", "Picture", "Portrait", "Recognise"),
    *("best_picture", "locked", "mean_embedding", "placed", "settled"),
]
