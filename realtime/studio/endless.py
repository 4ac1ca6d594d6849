"""An answer that goes on until somebody leaves, and that is surely told when that is.

Who stays and reads nothing leaves too: their connection ends, see Connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Endless(StreamingResponse):
    """Sends what comes; `ended` is called once in every case, also when nothing was ever sent.

    The end of a generator would not do for that: one that was never begun has none.
    """

    def __init__(self, content: AsyncIterable[str | bytes], media_type: str, ended: Callable[[], None]) -> None:
        super().__init__(content, media_type=media_type)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


__all__ = ["Endless"]
