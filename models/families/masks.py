"""Networks that say where in a crop the face is seen, and where a hand, hair or a microphone lies before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.families.form import IMAGENET, UNIT, Form, plane
from models.families.pick import pick
from models.families.ports import Want
from models.network import Array, Network, Port

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_FLOATS = "float32|float16"
# Skin, brows, eyes, glasses, nose, mouth and lips of CelebAMask-HQ; not ears, neck, hair, hats and clothes.
_FACE = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)
_CLASSES = 19
_SOFT = 5.0
_FINE = 256


@dataclass(frozen=True, slots=True)
class Family:
    """How masks of one family want their crop, and what they give for each pixel.

    template: that it learned with, or is used with; see models.align.  size: side in pixels of what it looks at.
    gives: the share of face, a logit that is more than 0 on the face, or how likely each of 19 classes is.
    face: the input's name begins with `in_face` (True) or does not (False), where shapes do not tell; None: whatever.
    """

    name: str
    template: str
    size: int
    takes: Form
    gives: Literal["share", "logit", "classes"]
    face: bool | None = None
    role: str = "mask"

    def fits(self, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> bool:
        """Whether a network's ports are this family's; a file may give more behind the mask."""
        channels = _CLASSES if self.gives == "classes" else 1
        planar = self.takes.layout == "nchw"
        mask = (1, channels, self.size, self.size) if planar else (1, self.size, self.size, channels)
        alike = len(inputs) == 1 and len(outputs) > 0 and Want(self.takes.shape(self.size), type=_FLOATS).fits(inputs[0])
        named = self.face is None or (alike and inputs[0].name.startswith("in_face") == self.face)
        return alike and named and Want(mask, type=_FLOATS).fits(outputs[0])


FAMILIES = (
    Family("xseg", "dfl_whole_face", 256, Form("bgr", layout="nhwc"), "share"),
    Family("xseg_nchw", "dfl_whole_face", 256, UNIT, "share", face=True),
    Family("occluder", "arcface_128", 256, UNIT, "logit", face=False),
    Family("bisenet", "ffhq_512", 512, IMAGENET, "classes"),
)


class Masker:
    """Finds where a face is seen; keeps a buffer between calls, so one instance belongs to one thread."""

    def __init__(self, network: Network, family: Family) -> None:
        if not family.fits(network.inputs, network.outputs):
            raise ValueError(f"got the inputs {[port.name for port in network.inputs]}, expected those of {family.name}")
        self._network, self.family = network, family
        self._buffer = np.empty(family.takes.shape(family.size), network.inputs[0].type)
        # Compiled now, not in the first frame.
        family.takes.pack(np.zeros((family.size, family.size, 3), np.uint8), self._buffer)
        plane(np.zeros((1, 1), np.float32))

    def __call__(self, crop: Bytes) -> Bytes:
        """The mask (s, s) uint8 of a crop (s, s, 3) uint8 BGR of any size: 255 where the face is seen, fading inwards.

        Raises ValueError for other pictures and output that is not finite, NetworkError where the network cannot run any more.
        """
        side, size = crop.shape[0], self.family.size
        if crop.shape != (side, side, 3) or crop.dtype != np.uint8 or not side:
            raise ValueError(f"got a crop {crop.shape} {crop.dtype}, expected a square (s, s, 3) uint8")
        if side != size:
            crop = np.asarray(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR), np.uint8)
        self.family.takes.pack(crop, self._buffer)
        found = self._network({self._network.inputs[0].name: self._buffer})[0]
        return soften(_share(found.reshape(-1, size, size), self.family.gives), side)


def _share(values: Array, gives: str) -> Floats:
    """What a network gives (c, s, s) as the share of face (s, s), 0..1."""
    if gives == "classes":
        # The likeliest class is one of the face's: far cheaper than which of all it is.
        rest = [number for number in range(len(values)) if number not in _FACE]
        face, other = (reduce(np.maximum, (values[number] for number in numbers)) for numbers in (_FACE, rest))
        values = (face - other)[None]
    shown = np.asarray(values[0], np.float32)
    if not np.isfinite(shown).all():
        raise ValueError("got a mask that is not finite, expected a share of face for each pixel")
    return np.asarray(np.clip(shown, 0, 1) if gives == "share" else shown > 0, np.float32)


def soften(share: Floats, side: int) -> Bytes:
    """A share of face (s, s) 0..1 as a mask (side, side) uint8 whose edge fades inwards: blurred by 5 of its pixels, what is
    under one half taken for nothing.
    """
    # The blur of a mask that is enlarged is as wide before as after, and cheaper.
    small = min(side, _FINE)
    if len(share) != small:
        share = np.asarray(cv2.resize(share, (small, small), interpolation=cv2.INTER_LINEAR), np.float32)
    blurred = cv2.GaussianBlur(share, (0, 0), _SOFT * small / side)
    if small != side:
        blurred = cv2.resize(blurred, (side, side), interpolation=cv2.INTER_LINEAR)
    return plane(blurred, 510.0, -255.0)


def open_masker(network: Network, family: str | None = None) -> Masker:
    """A masker over a network; family: its name, where the ports leave more than one.  Raises NetworkError."""
    return Masker(network, pick(FAMILIES, network.inputs, network.outputs, family))


__all__ = ["FAMILIES", "Family", "Masker", "open_masker", "soften"]
