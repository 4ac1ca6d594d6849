"""Calls: the visitors whose browsers are cameras, up to a limit, each let in by an offer and let go when nothing comes any more."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from realtime.calls.bench import Bench, worn
from realtime.calls.guest import Guest, State
from realtime.calls.visitor import Visitor, Wish
from realtime.config import Settings
from realtime.frame import RealtimeError

logger = logging.getLogger(__name__)

_SWEEPS = (0.0, 3.0)
_LOOK_SECONDS = 1.0
# A thread for each two cores: the other one decodes, sends, and serves whoever else is at the machine.
_CORES_EACH, _MOST_BENCHES = 2, 8
_BUILT_IN = "mesh"


class FullError(RealtimeError):
    """No more visitors are let in for now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the browser: sdp, type, and the id by which the visitor is known."""

    sdp: str
    type: str
    id: str


class Calls:
    """Everybody who visits; made in any thread, what waits belongs to one event loop.

    settings: asked for at each new visitor.  Models open with the first visitor, in a thread of their own.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._guests: dict[str, Guest] = {}
        self._benches: list[Bench] = []
        self._coming = 0
        # Models are opened and faces made ready by one thread, one after another.
        self._dresser = ThreadPoolExecutor(1, thread_name_prefix="dresser")
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._guests) + self._coming

    @property
    def settings(self) -> Settings:
        """What the next visitor is let in with."""
        return self._settings()

    @property
    def limit(self) -> int:
        """How many visitors there may be."""
        return self._settings().call.visitors

    def states(self) -> dict[str, State]:
        """What is known of each visitor, by id."""
        return {name: guest.state for name, guest in self._guests.items()}

    def sources(self) -> list[str]:
        """Whom a visitor may wear: who is enrolled and, where the settings name some, one of them."""
        from realtime.people import identities

        allowed = self._settings().call.sources
        return [name for name in identities.names() if not allowed or name in allowed]

    async def answer(self, sdp: str, kind: str, wish: Wish) -> Answer:
        """Let a visitor in; raises FullError at the limit, and RealtimeError for a bad wish or offer."""
        settings = self._settings()
        self._check(wish)
        if self._closed or len(self) >= settings.call.visitors:
            raise FullError(_full(settings.call.visitors))
        self._coming += 1
        try:
            bench, visitor = await asyncio.get_running_loop().run_in_executor(self._dresser, self._dress, settings, wish)
            if self._closed:
                raise FullError(_full(0))
            name = secrets.token_urlsafe(12)
            guest = Guest(visitor, bench, settings, self._parting(name))
            try:
                answered = await guest.answer(sdp, kind)
            except BaseException:
                # Also where the machine has no more sockets, or whoever asked has gone.
                await guest.close()
                raise
            self._guests[name] = guest
        finally:
            self._coming -= 1
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
        logger.info("A visitor came (%d of %d).", len(self), settings.call.visitors)
        return Answer(*answered, name)

    async def wear(self, name: str, source: str | None, plain: bool = False) -> None:
        """Give a visitor another face while the call goes on; raises KeyError, and RealtimeError for somebody unknown."""
        guest, settings = self._guests[name], self._settings()
        wish = replace(guest.visitor.wish, source=source, plain=plain)
        self._check(wish)
        run = asyncio.get_running_loop().run_in_executor
        stages = await run(self._dresser, self._stages, guest.bench, settings, wish)
        guest.visitor.dress(worn(settings, wish.source), wish, stages)

    def change(self, settings: Settings) -> None:
        """Let new settings of label, swap, blending and quality reach those who are there; from any thread."""
        for guest in list(self._guests.values()):
            guest.change(settings)

    def dismiss(self) -> None:
        """Let everybody go who wears somebody whom visitors may not wear any more; in the event loop."""
        known = self.sources()
        for name, guest in list(self._guests.items()):
            if guest.visitor.wish.source not in (None, *known):
                self._parting(name)("the face may not be worn any more")

    async def close(self, name: str) -> bool:
        """Let a visitor go; False where there is none of that id."""
        guest = self._guests.pop(name, None)
        if guest is None:
            return False
        await guest.close()
        del guest
        # A connection is a knot of objects that hold each other and its pictures: 20 MB until somebody looks for it.
        # What still says goodbye is found by the second look.
        for seconds in _SWEEPS:
            asyncio.get_running_loop().call_later(seconds, self._sweep)
        logger.info("A visitor went (%d left).", len(self))
        return True

    async def close_all(self) -> None:
        """Let everybody go and close the models; nobody comes in any more."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        for name in list(self._guests):
            await self.close(name)
        run = asyncio.get_running_loop().run_in_executor
        for bench in self._benches:
            await run(self._dresser, bench.close)
        self._benches.clear()
        self._dresser.shutdown()

    def _check(self, wish: Wish) -> None:
        if wish.source is not None and wish.source not in self.sources():
            raise RealtimeError(f"Nobody of the name {wish.source!r} is enrolled here; choose one of the faces that the page offers.")
        if wish.source is None and not wish.plain:
            raise RealtimeError("No face is chosen; choose one, or ask for the picture as it is.")

    def _dress(self, settings: Settings, wish: Wish) -> tuple[Bench, Visitor]:
        """A place at the emptiest bench, and the visitor's stages; in the dresser's thread."""
        bench = min(self._benches, key=len, default=None)
        if bench is None or (len(bench) and len(self._benches) < _benches(settings)):
            bench = Bench(settings, f"visitors-{len(self._benches) + 1}")
            self._benches.append(bench)
            bench.warm(settings, (640, 360))
        return bench, Visitor(worn(settings, wish.source), wish, self._stages(bench, settings, wish))

    @staticmethod
    def _stages(bench: Bench, settings: Settings, wish: Wish) -> tuple[object, ...]:
        return () if wish.source is None else bench.stages(worn(settings, wish.source))

    def _parting(self, name: str) -> Callable[[str], None]:
        """What a guest calls, from any thread, to be let go."""
        loop = asyncio.get_running_loop()

        def part(reason: str) -> None:
            logger.debug("A visitor is let go: %s", reason)
            with suppress(RuntimeError):  # the loop has ended, and everybody with it
                loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self.close(name)))

        return part

    def _sweep(self) -> None:
        if not self._closed:
            self._dresser.submit(gc.collect)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for guest in list(self._guests.values()):
                await guest.look()


def _benches(settings: Settings) -> int:
    """How many threads may work for visitors; networks that users bring fill the machine by themselves."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    return min(max(1, cores // _CORES_EACH), _MOST_BENCHES) if settings.swap.engine == _BUILT_IN else 1


def _full(limit: int) -> str:
    if not limit:
        return "Visitors are not let in here; call.visitors in the settings says how many may come."
    return f"{limit} visitor{'s are' if limit > 1 else ' is'} here already, which is the limit; try again when somebody has left."


__all__ = ["Answer", "Calls", "FullError"]
