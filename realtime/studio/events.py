"""Server-sent events: what changes in the studio, told to every page that listens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, HTTPException

from realtime.frame import RealtimeError
from realtime.studio.endless import Endless
from realtime.studio.secrecy import scrubbed

logger = logging.getLogger(__name__)

_LIMIT = 64
_FIGURES = 0.5
_FACES = 0.1
_LINES = 100

Read = Callable[[], Any]


class Events:
    """Pages that listen, and what each has not heard yet.

    read: by the name of an event, what gives its data now; called in a thread, once for all pages.  A page that is slow
    misses what was replaced meanwhile, and never more than that; of log lines it keeps the newest.
    """

    def __init__(self, read: Mapping[str, Read]) -> None:
        self._read = read
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[_Listener] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._often_told: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server's loop, before anything can be told."""
        self._loop = loop

    def tell(self, name: str) -> None:
        """Something of that name has changed; from any thread."""
        if name in self._read:
            self._soon(lambda: self._renew(name))

    def log(self, level: str, text: str) -> None:
        """A line of the log; from any thread."""
        data = json.dumps({"level": level, "text": text})
        self._soon(lambda: self._line(data))

    def listen(self) -> Endless:
        """What a new page gets to hear; raises HTTPException 503 where too many listen."""
        if len(self._listeners) >= _LIMIT or self._closed:
            raise HTTPException(503, f"{_LIMIT} pages listen already; close one of them.", {"retry-after": "5"})
        listener = _Listener()
        self._listeners.add(listener)
        for name, pause in (("figures", _FIGURES), ("faces", _FACES)):
            if name not in self._often_told or self._often_told[name].done():
                self._often_told[name] = self._begin(self._often(name, pause))
        return Endless(_told(listener), "text/event-stream", lambda: self._listeners.discard(listener))

    def close(self) -> None:
        """End every page's line."""
        self._closed = True
        for listener in self._listeners:
            listener.end()
        for task in self._tasks:
            task.cancel()

    async def _often(self, name: str, pause: float) -> None:
        before = ""
        while self._listeners:
            data = await self._data(name) or before
            # Figures are also the sign of life that pages wait for.
            if data and (data != before or name == "figures"):
                before = data
                for listener in self._listeners:
                    listener.put(name, data)
            await asyncio.sleep(pause)

    def _renew(self, name: str) -> None:
        async def renew() -> None:
            data = await self._data(name)
            for listener in self._listeners if data else ():
                listener.put(name, data)

        if self._listeners:
            self._begin(renew())

    def _line(self, data: str) -> None:
        for listener in self._listeners:
            listener.line(data)

    async def _data(self, name: str) -> str:
        """The data of an event; "" where they cannot be had now, which the log tells."""
        try:
            return json.dumps(await asyncio.to_thread(self._read[name]))
        except RealtimeError as error:
            logger.warning("%s", error)
            return ""

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _soon(self, work: Callable[[], Any]) -> None:
        if self._loop is not None and self._listeners and not self._closed:
            # The server may end while another thread tells something.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(work)


class _Listener:
    """What one page has not heard yet: the newest of each name, and the newest lines."""

    def __init__(self) -> None:
        self._news: dict[str, str] = {}
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._more, self._ended = asyncio.Event(), False

    def put(self, name: str, data: str) -> None:
        self._news[name] = data
        self._more.set()

    def line(self, data: str) -> None:
        self._lines.append(data)
        self._more.set()

    def end(self) -> None:
        self._ended = True
        self._more.set()

    async def next(self) -> tuple[str, str] | None:
        while not (self._news or self._lines or self._ended):
            self._more.clear()
            await self._more.wait()
        if self._ended:
            return None
        if self._lines:
            return "log", self._lines.popleft()
        name = next(iter(self._news))
        return name, self._news.pop(name)


async def _told(listener: _Listener) -> AsyncIterator[str]:
    """The protocol's text: how soon to come back, and then one event after another."""
    yield "retry: 1000\n\n"
    while (news := await listener.next()) is not None:
        yield f"event: {news[0]}\ndata: {news[1]}\n\n"


class Lines(logging.Handler):
    """Tells the log to pages."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.INFO)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self._events.log(record.levelname.lower(), scrubbed(record.getMessage()))


def event_routes(events: Events) -> APIRouter:
    """GET /api/events."""
    router = APIRouter()

    @router.get("/api/events")
    async def listen() -> Endless:
        return events.listen()

    return router


__all__ = ["Events", "Lines", "event_routes"]
