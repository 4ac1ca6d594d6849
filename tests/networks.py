"""Networks in a few lines of Python, with the ports of real ones: what they do to a picture is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.families.enhancers import FAMILIES as ENHANCERS
from models.families.enhancers import Enhancer
from models.families.form import SIGNED
from models.families.masks import FAMILIES as MASKS
from models.families.masks import Masker
from models.families.sources import Latent
from models.families.swappers import FAMILIES, Family, Swapper
from models.network import Array, NetworkError, Port
from models.neural.engine import NeuralEngine

Bytes = NDArray[np.uint8]
SIDE = 256
PORTRAIT = [(np.zeros((8, 8, 3), np.uint8), np.zeros((5, 2)))]


class Network:
    """Answers with what `work` makes of the feeds; feeds: of all calls so far."""

    def __init__(self, inputs: Sequence[Port], outputs: Sequence[Port], work: Callable[[Mapping[str, Array]], list[Array]]) -> None:
        self.inputs, self.outputs, self._work = tuple(inputs), tuple(outputs), work
        self.feeds: list[dict[str, Array]] = []

    def __call__(self, feeds: Mapping[str, Array]) -> list[Array]:
        self.feeds.append({name: array.copy() for name, array in feeds.items()})
        return self._work(feeds)


def family(name: str = "hyperswap_256") -> Family:
    """A row of the table of swappers."""
    return next(row for row in FAMILIES if row.name == name)


def swapper(work: Callable[[Bytes], Bytes | None]) -> Swapper:
    """One that makes of a crop (256, 256, 3) uint8 BGR what `work` makes of it; None: what is no number."""

    def answer(feeds: Mapping[str, Array]) -> list[Array]:
        made = work(SIGNED.unpack(feeds["target"]))
        return [np.full((1, 3, SIDE, SIDE), np.nan, np.float32) if made is None else SIGNED.pack(made)]

    shape = (1, 3, SIDE, SIDE)
    ports = Port("target", shape, "float32"), Port("source", (1, 512), "float32")
    return Swapper(Network(ports, [Port("output", shape, "float32")], answer), family())


def fed(maker: Swapper) -> list[dict[str, Array]]:
    """What a swapper's network was fed in its calls so far."""
    return maker._network.feeds  # type: ignore[attr-defined]


def latent(maker: Swapper, who: int = 0) -> Latent:
    """A source of a swapper: a person by number."""
    return maker.source(PORTRAIT, lambda image, five: np.eye(512, dtype=np.float32)[who])


def engine(work: Callable[[Bytes], Bytes | None], **parts: object) -> NeuralEngine:
    """An engine around `work`."""
    maker = swapper(work)
    return NeuralEngine(maker, latent(maker), **parts)  # type: ignore[arg-type]


def enhancer(work: Callable[[Bytes], Bytes]) -> Enhancer:
    """One that makes of a crop (512, 512, 3) uint8 BGR what `work` makes of it."""
    row = next(row for row in ENHANCERS if row.name == "gfpgan")
    port = Port("input", (1, 3, 512, 512), "float32")
    answer = Network([port], [Port("output", port.shape, "float32")], lambda feeds: [SIGNED.pack(work(SIGNED.unpack(feeds["input"])))])
    return Enhancer(answer, row)


def masker(work: Callable[[Bytes], Bytes]) -> Masker:
    """One that sees the face where `work` makes a crop (256, 256, 3) uint8 into a mask (256, 256) uint8 over 127."""
    row = next(row for row in MASKS if row.name == "occluder")
    shape = (1, 1, SIDE, SIDE)

    def answer(feeds: Mapping[str, Array]) -> list[Array]:
        mask = work(row.takes.unpack(feeds["img"]))
        return [mask[None, None].astype(np.float32) - 127.5]

    return Masker(Network([Port("img", (1, 3, SIDE, SIDE), "float32")], [Port("output", shape, "float32")], answer), row)


def same(crop: Bytes) -> Bytes:
    """The crop itself."""
    return crop


def tinted(blue: float, green: float, red: float) -> Callable[[Bytes], Bytes]:
    """The crop with its colours multiplied."""
    return lambda crop: np.clip(np.rint(crop * np.array([blue, green, red])), 0, 255).astype(np.uint8)


def places(crop: Bytes) -> Bytes:
    """A map: blue says how far to the right a pixel of the crop lies, green how far down, so that a patch tells its matrix."""
    line = np.arange(SIDE, dtype=np.uint8)
    return np.dstack([np.broadcast_to(line, (SIDE, SIDE)), np.broadcast_to(line[:, None], (SIDE, SIDE)), np.zeros_like(crop[..., 0])])


def broken(crop: Bytes) -> Bytes:
    """Nothing, as no provider is left."""
    raise NetworkError("No provider is left for the model.")


def pasted(image: Bytes, made: tuple[Bytes, Bytes, NDArray[np.float64]]) -> tuple[Bytes, Bytes]:
    """The frame with a patch mixed in plainly, and the mask in frame size."""
    picture, mask, matrix = made
    size = (image.shape[1], image.shape[0])
    alpha = cv2.warpAffine(mask, matrix, size)
    return np.rint(image + alpha[..., None] / 255.0 * (cv2.warpAffine(picture, matrix, size).astype(float) - image)).astype(np.uint8), alpha
