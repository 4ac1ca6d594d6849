"""Networks that put a source's face on a crop of somebody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models import align
from models.families.form import IMAGENET, SIGNED, UNIT, Form, copy, plane
from models.families.masks import soften
from models.families.pick import pick
from models.families.ports import Want
from models.families.sources import (
    Convert,
    Embedding,
    Latent,
    Picture,
    Portrait,
    Recognise,
    best_picture,
    locked,
    mean_embedding,
    placed,
    settled,
)
from models.network import Array, Network, NetworkError, Port

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

_FLOATS = "float32|float16"
_BOOSTS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Family:
    """How swappers of one family want their crop and source, and what they give.

    template: see models.align.  size: side of the crop in pixels; 0: the file says.  takes, gives: the target, and the result.
    source: None where the face is inside the model.  outputs: what each means, in order; a file may leave out the unused at the end.
    shift: pixels that the template's points lie to the right and below.
    """

    name: str
    template: str
    size: int
    takes: Form
    gives: Form
    source: Embedding | Picture | None
    outputs: tuple[Literal["picture", "mask", "unused"], ...] = ("picture",)
    shift: float = 0.0
    role: str = "swapper"

    def fits(self, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> bool:
        """Whether a network's ports are this family's."""
        found = self.ports(inputs)
        used = len(self.outputs) - self.outputs[::-1].index(next(use for use in self.outputs[::-1] if use != "unused"))
        if found is None or not used <= len(outputs) <= len(self.outputs):
            return False
        channels = {"picture": 3, "mask": 1}
        shapes = [self._shape(self.gives, channels[use]) for use in self.outputs[:used]]
        return all(Want(shape, type=_FLOATS).fits(port) for shape, port in zip(shapes, outputs, strict=False))

    def ports(self, inputs: Sequence[Port]) -> tuple[Port, Port | None] | None:
        """The inputs for the target and for the source (or morph); None where they are not this family's.

        Names differ between exports: shapes decide, then the name `source`, then the order.
        """
        target = Want(self._shape(self.takes, 3), type=_FLOATS)
        if self.source is None:
            plain = len(inputs) in (1, 2) and "in_face" in inputs[0].name and target.fits(inputs[0])
            known = plain and inputs[0].shape[1] is not None and inputs[0].shape[1] == inputs[0].shape[2]
            return (inputs[0], inputs[1] if len(inputs) == 2 else None) if known else None
        other = Want((1, 512) if isinstance(self.source, Embedding) else self.source.form.shape(self.source.size), type=_FLOATS)
        pairs = [(inputs[0], inputs[1]), (inputs[1], inputs[0])] if len(inputs) == 2 else []
        if pairs and inputs[0].name == "source":
            pairs.reverse()
        return next(((first, second) for first, second in pairs if target.fits(first) and other.fits(second)), None)

    def points(self, side: int | None = None) -> Reals:
        """Where the five points of `models.align.five` belong (5, 2) px in a crop of a side in pixels, `size` or a multiple of it.

        In a multiple each of the network's pixels is as many of the crop's, about the same middle.
        """
        times = (side or self.size) / self.size
        return np.asarray((align.template(self.template, self.size) + self.shift + 0.5) * times - 0.5, np.float64)

    def _shape(self, form: Form, channels: int) -> tuple[int | None, ...]:
        side = self.size or None
        return (1, channels, side, side) if form.layout == "nchw" else (1, side, side, channels)


_SIMSWAP = Embedding(converter="crossface_simswap")
_DFM = Form("bgr", layout="nhwc")
FAMILIES = (
    Family("inswapper_128", "arcface_128", 128, UNIT, UNIT, Embedding(emap=True)),
    # Its own alignment lies side / 256 - 0.5 px beside the others'.
    Family("reswapper_256", "arcface_128", 256, UNIT, UNIT, Embedding(emap=True), shift=0.5),
    Family("instyleswapper_256", "arcface_128", 256, UNIT, UNIT, Embedding(emap=True)),
    Family("simswap_256", "arcface_112_v1", 256, IMAGENET, UNIT, _SIMSWAP),
    Family("simswap_512", "arcface_112_v1", 512, UNIT, UNIT, _SIMSWAP),
    Family("ghost_256", "arcface_112_v1", 256, SIGNED, SIGNED, Embedding(converter="crossface_ghost", normed=False)),
    Family("hififace_256", "mtcnn_512", 256, SIGNED, SIGNED, Embedding(converter="crossface_hififace")),
    Family("hyperswap_256", "arcface_128", 256, SIGNED, SIGNED, Embedding(), ("picture", "unused")),
    Family("blendswap_256", "ffhq_512", 256, UNIT, UNIT, Picture("arcface_112_v2", 112)),
    Family("uniface_256", "ffhq_512", 256, SIGNED, SIGNED, Picture("ffhq_512", 256)),
    Family("dfm", "dfl_whole_face", 0, _DFM, _DFM, None, ("mask", "picture", "mask")),
)


class Swapper:
    """Puts sources on crops; keeps a buffer between calls, so one instance belongs to one thread.

    network: the whole one, or with `half` what is left of it when `half` has gone before: a network from the source alone to
    tensors that this one takes by their names.  emap: (d, d) float32, for families that have one.
    """

    def __init__(self, network: Network, family: Family, emap: Floats | None = None, half: Network | None = None) -> None:
        found = family.ports(_whole(network, half))
        if found is None:
            raise ValueError(f"got the inputs {[port.name for port in network.inputs]}, expected those of {family.name}")
        self._network, self._half = network, half
        self._target, self._other = found
        self.family = replace(family, size=family.size or int(self._target.shape[1] or 0))
        self.size = self.family.size
        if isinstance(family.source, Embedding) and family.source.emap and (emap is None or emap.ndim != 2):
            raise NetworkError(f"The file carries no matrix for faces, which {family.name} has as its last part: take the original file.")
        self._emap = None if emap is None else np.asarray(emap, np.float32)
        morphs = family.source is None and self._other is not None
        self._fed = frozenset(port.name for port in network.inputs if port != self._target and not (morphs and port == self._other))
        self._buffer = np.empty(family.takes.shape(self.size), self._target.type)
        self._morph: tuple[float, Mapping[str, Array]] = (-1.0, {})
        # Compiled now, not in the first frame.
        blank = np.zeros((self.size, self.size, 3), np.uint8)
        family.gives.unpack(family.takes.pack(blank, self._buffer))
        copy(blank, blank)

    def source(self, portraits: Sequence[Portrait], recognise: Recognise | None = None, convert: Convert | None = None) -> Latent:
        """What the network is fed for whoever is in these portraits, of one person.

        An embedding is the mean over all, a picture the best one; nothing is asked of them where the face is inside the model.
        recognise: picture and five points -> raw embedding.  convert: of the family's converter, raw embedding -> its own.
        Raises NetworkError where the converter is missing, ValueError without portraits, or where one holds no usable face.
        """
        kind, port = self.family.source, self._other
        if kind is None or port is None:
            return Latent({})
        if not portraits:
            raise ValueError("got no portrait, expected at least one")
        if isinstance(kind, Picture):
            return Latent(self._feeds(port, kind.form.pack(best_picture(portraits, kind))))
        if recognise is None:
            raise ValueError(f"got no recogniser, expected one for {self.family.name}")
        wanted, there = kind, port

        def place(embedding: Floats) -> Floats:
            return placed(embedding, wanted, self._emap, convert)

        def feed(vector: Floats) -> Latent:
            whole = settled(vector, wanted)
            return Latent(self._feeds(there, whole[None]), whole, place, feed)

        return feed(place(mean_embedding(portraits, recognise)))

    def _feeds(self, port: Port, value: Array) -> Mapping[str, Array]:
        """What the network takes for a source's value with a batch of one, which goes through the half where there is one."""
        made = {port.name: locked(value, port.type)}
        if self._half is not None:
            made |= {output.name: array for output, array in zip(self._half.outputs, self._half(made), strict=True)}
        # Copies, as what a network gives is its own until the next call.
        return {wanted.name: locked(made[wanted.name], wanted.type) for wanted in self._network.inputs if wanted.name in made}

    def __call__(self, crop: Bytes, latent: Latent, morph: float = 1.0) -> tuple[Bytes, Bytes | None]:
        """The source on a crop (size, size, 3) uint8 BGR aligned to `family.points()`: picture of that size and uint8 mask, 255
        where it is the face, None where the family has none.

        morph: 0..1, for models that have it.  Raises ValueError for other crops, another swapper's latent and output that is
        not finite, NetworkError where the network cannot run any more.
        """
        shape = (self.size, self.size, 3)
        if crop.shape != shape or crop.dtype != np.uint8:
            raise ValueError(f"got a crop {crop.shape} {crop.dtype}, expected {shape} uint8")
        if latent.feeds.keys() != self._fed:
            raise ValueError(f"got a latent for {sorted(latent.feeds)}, expected one for {sorted(self._fed)}")
        self.family.takes.pack(crop, self._buffer)
        given = self._network({self._target.name: self._buffer, **latent.feeds, **self._morphed(morph)})
        outputs = dict(enumerate(self.family.outputs))
        picture = next(self.family.gives.unpack(given[i]) for i, use in outputs.items() if use == "picture")
        if picture.shape != shape:
            raise ValueError(f"got an output {picture.shape}, expected {shape}")
        masks = [plane(given[i].reshape(shape[:2])) for i, use in outputs.items() if use == "mask"]
        return picture, soften(np.minimum.reduce(masks) / np.float32(255), self.size) if masks else None

    def boosted(self, crop: Bytes, latent: Latent, morph: float = 1.0) -> tuple[Bytes, Bytes | None]:
        """The same for a crop of 1 to 4 times the size: the network runs once for each of its phases, every k-th pixel of every k-th
        row, and what it gives is woven together again.
        """
        times = crop.shape[0] // self.size
        if crop.shape != (times * self.size, times * self.size, 3) or times not in _BOOSTS:
            raise ValueError(f"got a crop {crop.shape}, expected {self.size} px times {_BOOSTS[0]} to {_BOOSTS[-1]}")
        if times == 1:
            return self(crop, latent, morph)
        picture, mask = np.empty(crop.shape, np.uint8), None
        phase = np.empty((self.size, self.size, 3), np.uint8)
        for row in range(times):
            for column in range(times):
                here = np.s_[row::times, column::times]
                copy(crop[here], phase)
                made, part = self(phase, latent, morph)
                copy(made, picture[here])
                if part is not None:
                    mask = np.empty(crop.shape[:2], np.uint8) if mask is None else mask
                    mask[here] = part
        return picture, mask

    def _morphed(self, morph: float) -> Mapping[str, Array]:
        if self._other is None or self.family.source is not None:
            return {}
        if not 0 <= morph <= 1:
            raise ValueError(f"got a morph of {morph}, expected 0..1")
        if morph != self._morph[0]:
            self._morph = (morph, {self._other.name: locked(np.full((1,) * len(self._other.shape), morph), self._other.type)})
        return self._morph[1]


def open_swapper(network: Network, family: str | None = None, emap: Floats | None = None, half: Network | None = None) -> Swapper:
    """A swapper over a network, or over its two halves; see Swapper.  family: its name, where the ports leave more than one.

    Raises NetworkError, with the choices where there is more than one.
    """
    return Swapper(network, pick(FAMILIES, _whole(network, half), network.outputs, family), emap, half)


def _whole(network: Network, half: Network | None) -> tuple[Port, ...]:
    """The inputs of a network as they were before its source's half was taken off."""
    if half is None:
        return network.inputs
    made = {port.name for port in (*half.outputs, *half.inputs)}
    return tuple(port for port in network.inputs if port.name not in made) + half.inputs


__all__ = ["FAMILIES", "Family", "Swapper", "open_swapper"]
