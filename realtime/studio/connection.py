"""One connection to the studio's server, and when it is cut."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from realtime.studio.access import client_of, is_loopback

_CONNECTIONS = 400
_EACH = 64
_SPEAK = 15.0
# So many bytes may wait here before no more are made: a moving picture that waits grows old.
_WAITING = 16 << 10


class Connection(H11Protocol):
    """One connection; whoever opens too many of them, or says nothing on one, or takes nothing from it, loses it.

    patience: seconds in which something that waits has to be taken, be it a byte.
    """

    counts: dict[str, int] = {}  # noqa: RUF012 (replaced for each server, see server() in serving.py)
    patience = 10.0

    def connection_made(self, transport: Any) -> None:
        """Count it, and wait for the first words."""
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self._from = client_of(str(address[0])) if address else ""
        self.counts[self._from] = self.counts.get(self._from, 0) + 1
        most = _CONNECTIONS if is_loopback(self._from) else _EACH
        self._silence = self.loop.call_later(_SPEAK, self._hang_up)
        self._deaf: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(high=_WAITING)
        if self.counts[self._from] > most or sum(self.counts.values()) > _CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hear; whoever has begun to ask has to come to the end of the question."""
        super().data_received(data)
        if self._asked():
            self._silence.cancel()
        elif self._silence.cancelled():
            self._silence = self.loop.call_later(_SPEAK, self._hang_up)

    def pause_writing(self) -> None:
        """Wait for the reader, but not for ever."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size(), self.loop.time())

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._watch_no_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self._silence.cancel()
        self._watch_no_more()
        left = self.counts.get(self._from, 1) - 1
        if left > 0:
            self.counts[self._from] = left
        else:
            self.counts.pop(self._from, None)
        super().connection_lost(exc)

    def _asked(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self, waiting: int, since: float) -> None:
        """Hang up on who took none of the bytes that wait since a time; nothing is added to them meanwhile."""
        left, now = self.transport.get_write_buffer_size(), self.loop.time()
        if left >= waiting and now - since >= self.patience:
            # Closing would wait for the reader too.
            self.transport.abort()
            return
        since = now if left < waiting else since
        self._deaf = self.loop.call_later(self.patience / 8, self._watch, left, since)

    def _watch_no_more(self) -> None:
        if self._deaf is not None:
            self._deaf.cancel()

    def _hang_up(self) -> None:
        if not self._asked() and self.transport is not None:
            self.transport.abort()


__all__ = ["Connection"]
