"""A visitor behind a narrow line: a network of its own whose way back carries 200 kbit/s (tbf), where root may make one."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_call_rtc import _SHARE, _Caller, _Camera, hopper_enrolled, pictures  # noqa: F401

from realtime.calls.calls import Calls
from realtime.calls.visitor import Wish
from realtime.config import OverlaySettings, Settings

_NEWNET = 0x40000000
_RATE = 200_000


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)


@pytest.fixture
def narrow() -> Iterator[str]:
    """The name of a network namespace; what goes into it goes through the narrow line."""
    if os.name != "posix" or os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("tc")):
        pytest.skip("a network of its own can be made by root with ip and tc alone")
    space, host, guest = f"swapcam{os.getpid()}", f"sc{os.getpid() % 100000}h", f"sc{os.getpid() % 100000}g"
    net = f"198.18.{os.getpid() % 250}"
    try:
        _run("ip", "netns", "add", space)
        _run("ip", "link", "add", host, "type", "veth", "peer", "name", guest, "netns", space)
        _run("ip", "addr", "add", f"{net}.1/30", "dev", host)
        _run("ip", "link", "set", host, "up")
        _run("ip", "netns", "exec", space, "ip", "addr", "add", f"{net}.2/30", "dev", guest)
        _run("ip", "netns", "exec", space, "ip", "link", "set", guest, "up")
        _run("tc", "qdisc", "add", "dev", host, "root", "tbf", "rate", str(_RATE), "burst", "6kb", "latency", "700ms")
    except (subprocess.CalledProcessError, OSError) as error:
        subprocess.run(["ip", "link", "del", host], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
        pytest.skip(f"no network of its own can be made here: {error}")
    yield space
    subprocess.run(["ip", "link", "del", host], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


class _Inside:
    """An event loop whose sockets are in another network."""

    def __init__(self, space: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._space = space
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        with Path(f"/run/netns/{self._space}").open("rb") as place:
            if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), _NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        self.loop.run_forever()

    def run(self, work: Any) -> Any:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)


@pytest.mark.usefixtures("hopper_enrolled")
def test_pictures_shrink_and_the_delay_does_not_grow(narrow: str, pictures: list[Any]) -> None:  # noqa: F811
    settings = Settings(overlay=OverlaySettings())
    inside = _Inside(narrow)

    async def caller() -> _Caller:
        return _Caller(_Camera(pictures))

    async def story() -> None:
        calls = Calls(lambda: settings)
        guest = await inside.run(caller())
        try:
            offer = await inside.run(guest.offer())
            answer = await calls.answer(offer.sdp, offer.type, Wish("hopper", strip=_SHARE))
            await inside.run(guest.accept(answer))
            end = time.perf_counter() + 200
            while time.perf_counter() < end and not _settled(guest, calls):
                await asyncio.sleep(0.25)
            trips, state = guest.trips[-40:], next(iter(calls.states().values()))
            assert state.size[1] < 384, state
            assert state.bitrate < 1.3 * _RATE, state
            # Half a second and more of queue would be there: that the line can hold, and did at the beginning.
            assert np.median(trips) < 0.45, (trips, state)
            before = len(guest.trips)
            await asyncio.sleep(3)
            assert len(guest.trips) - before > 9, "it is a slide show"
        finally:
            await inside.run(guest.close())
            await calls.close_all()

    try:
        asyncio.run(asyncio.wait_for(story(), 260))
    finally:
        inside.close()


def _settled(guest: _Caller, calls: Calls) -> bool:
    states = list(calls.states().values())
    small = bool(states) and 0 < states[0].size[1] < 384 and states[0].bitrate < 1.3 * _RATE
    return small and len(guest.trips) > 60 and float(np.median(guest.trips[-40:])) < 0.4
