"""A detector that runs a model, and the one that takes its place when it cannot run any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from models.network import NetworkError
from realtime.frame import Image

if TYPE_CHECKING:
    from models.detector import Detections, Finds

logger = logging.getLogger(__name__)


class Spared:
    """A detector that gives way to another, for good, when its network cannot run any more; called like either."""

    def __init__(self, first: Finds, spare: Finds) -> None:
        self._now, self._spare = first, spare

    def __call__(self, image: Image, looks: int | None = None) -> Detections:
        """See models.detector.Detector."""
        try:
            return self._now(image, looks=looks)
        except NetworkError as error:
            logger.warning("%s The built-in detector goes on.", error)
            self._now = self._spare
            return self._now(image, looks=looks)


__all__ = ["Spared"]
