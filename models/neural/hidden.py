"""What lies before a face as networks see it: looked for now and then, carried by the track in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models import align
from models.neural.credible import credible
from models.neural.paste import chained
from models.neural.trying import Trying

if TYPE_CHECKING:
    from models.families.masks import Masker

Bytes = NDArray[np.uint8]
Reals = NDArray[np.float64]

# So many seconds after a look the next one is due, however few frames came; so old, a mask says nothing any more.
_LATEST, _STALE = 0.15, 0.5


class Hidden:
    """Follows what lies before one person's face."""

    def __init__(self) -> None:
        self._masks: dict[int, tuple[Bytes, float]] = {}
        self._calls = 0

    def __call__(
        self,
        maskers: Sequence[tuple[Masker, Trying[Bytes]]],
        image: Bytes,
        five: Reals,
        matrix: Reals,
        free: Bytes,
        time: float,
        every: int,
    ) -> Bytes | None:
        """Where the face is seen, as a picture of a patch: (h, w) uint8, 255 where all networks see it; None without any.

        image: (h, w, 3) uint8 BGR.  five: (5, 2) px.  matrix: (2, 3), patch -> frame.  free: the patch's face less what is known to
        lie before it, (h, w) uint8: a look that sees next to nothing of that is not taken over.  time: seconds.  every: they look
        in every n-th call, by turns, and their masks stay where they are on the face in between.
        """
        self._calls += 1
        shown: Bytes | None = None
        for number, (masker, look) in enumerate(maskers):
            side = masker.family.size
            to_crop = align.similarity(five, align.template(masker.family.template, side))
            passed = time - self._masks[number][1] if number in self._masks else _STALE
            if (self._calls + number) % every == 0 or not 0 <= passed < _LATEST:
                found = look(align.crop(image, to_crop, side, cv2.BORDER_REPLICATE))
                if found is not None and not credible(_placed(found, matrix, to_crop, free), free):
                    look.fail(ValueError("got a mask that shows no face, expected one"))
                    found = None
                if found is not None:
                    self._masks[number] = found, time
                elif not 0 <= passed < _STALE:
                    self._masks.pop(number, None)
            if number in self._masks:
                here = _placed(self._masks[number][0], matrix, to_crop, free)
                shown = here if shown is None else np.asarray(cv2.min(shown, here), np.uint8)
        return shown


def _placed(mask: Bytes, matrix: Reals, to_crop: Reals, free: Bytes) -> Bytes:
    """A mask of a crop as a picture of the patch."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (free.shape[1], free.shape[0])
    return np.asarray(cv2.warpAffine(mask, chained(matrix, to_crop), size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


__all__ = ["Hidden"]
