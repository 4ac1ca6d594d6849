"""A network that may fail in the middle of a call: told once, and the call goes on without what it would have given."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from models.network import NetworkError

R = TypeVar("R")
logger = logging.getLogger(__name__)

# One that cannot run any more is asked again after so many calls: memory that was short may be free by then.
_REST = 90


class Trying(Generic[R]):
    """Calls a network; None where it cannot run or gives what cannot be used.

    name, loss: what it is and what is done without it, for the one line that is logged for each kind of failure.
    """

    def __init__(self, call: Callable[..., R], name: str, loss: str) -> None:
        self._call, self._name, self._loss = call, name, loss
        self._told: set[type[Exception]] = set()
        self._rest = 0

    def __call__(self, *arguments: Any) -> R | None:
        """What the network gives."""
        if self._rest:
            self._rest -= 1
            return None
        try:
            return self._call(*arguments)
        except NetworkError as error:
            self._rest = _REST
            self.fail(error)
        except ValueError as error:
            self.fail(error)
        return None

    def fail(self, error: Exception) -> None:
        """Tell of a failure, if none of its kind was told of before."""
        if type(error) not in self._told:
            self._told.add(type(error))
            logger.warning("%s failed: %s. %s", self._name, str(error).rstrip("."), self._loss)


__all__ = ["Trying"]
