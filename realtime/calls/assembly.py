"""Assembly: packets to encoded pictures without waiting for the next one, and past what is lost for good."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from realtime.calls.extent import fits

_SPAN = 1 << 16
_BEHIND = 1 << 15
_LONGEST = 2048
# So long a missing packet may still come when it is asked for again; then a key frame is nearer.
_PATIENCE = 0.25
_AGAIN = 0.5


class Encoded:
    """One encoded picture: its bytes and its RTP timestamp."""

    __slots__ = ("data", "timestamp")

    def __init__(self, data: bytes, timestamp: int) -> None:
        self.data, self.timestamp = data, timestamp


class Assembly:
    """Stands where aiortc has its jitter buffer, which holds every picture back until the first packet of the next.

    A picture is whole with the packet that carries RTP's marker (RFC 6184 5.1, RFC 7741 4.1).  While a packet is missing
    nothing is passed on; when that took too long, everything up to the next key frame is left out, which is asked for.
    The same goes for a picture larger than any camera's, and while the decoder is `behind`: what waits for it is memory.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, behind: Callable[[], bool] = lambda: False) -> None:
        self._clock, self._behind = clock, behind
        self._packets: dict[int, Any] = {}
        self._next: int | None = None
        self._since: float | None = None
        self._broken = False
        self._asked = -1e9

    def add(self, packet: Any) -> tuple[bool, Encoded | None]:
        """Whether a key frame has to be asked for, and the next whole picture; packet: with sequence_number, timestamp,
        marker and the payload `_data`."""
        number = packet.sequence_number
        if self._next is None:
            self._next = number
        ahead = (number - self._next) % _SPAN
        if ahead < _BEHIND:
            self._packets[number] = packet
        if ahead >= _LONGEST and ahead < _BEHIND:
            self._give_up()
        picture = self._whole()
        if picture is None and self._late():
            self._give_up()
            picture = self._whole()
        if picture is not None:
            self._broken = (self._broken and not key(picture.data)) or self._behind() or not fits(picture.data)
            picture = None if self._broken else picture
        return self._ask(), picture

    def _whole(self) -> Encoded | None:
        """The oldest picture, when all its packets are there."""
        assert self._next is not None
        parts: list[bytes] = []
        number = self._next
        while (packet := self._packets.get(number)) is not None:
            parts.append(packet._data)
            number = (number + 1) % _SPAN
            if packet.marker:
                while self._next != number:
                    del self._packets[self._next]
                    self._next = (self._next + 1) % _SPAN
                self._since = None
                return Encoded(b"".join(parts), packet.timestamp)
        # Only what comes after a hole is late; the rest of a picture is on its way.
        hole = len(self._packets) > len(parts)
        self._since = (self._clock() if self._since is None else self._since) if hole else None
        return None

    def _late(self) -> bool:
        return self._since is not None and self._clock() - self._since > _PATIENCE

    def _give_up(self) -> None:
        """Go on after the first marker beyond the hole, or with the newest packet."""
        assert self._next is not None
        start = self._next
        ahead = sorted((number - start) % _SPAN for number in self._packets)
        first = next((offset for offset in range(len(ahead)) if ahead[offset] != offset), len(ahead))
        beyond = [offset for offset in ahead[first:] if self._packets[(start + offset) % _SPAN].marker]
        end = (beyond[0] + 1) if beyond else (ahead[-1] + 1 if ahead else 0)
        for offset in ahead:
            if offset < end:
                del self._packets[(start + offset) % _SPAN]
        self._next, self._since, self._broken = (start + end) % _SPAN, None, True

    def _ask(self) -> bool:
        if not self._broken or self._clock() - self._asked < _AGAIN:
            return False
        self._asked = self._clock()
        return True


def key(data: bytes) -> bool:
    """Whether an encoded picture stands alone: H.264 with its parameters before it, or a key frame of VP8."""
    if data[:4] == b"\0\0\0\1":
        return data[4] & 0x1F in (5, 7) if len(data) > 4 else False
    return bool(data) and data[0] & 1 == 0


__all__ = ["Assembly", "Encoded", "key"]
