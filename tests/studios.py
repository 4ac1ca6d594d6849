"""A studio for tests: the real server, guard and show, on a port of its own, in a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from realtime.config import AnimatedInput, NoOutput, Settings
from realtime.studio.hosting import House, Wish, opened

STILL = Settings(input=AnimatedInput(width=320, height=180, fps=15), outputs=(NoOutput(),))
"""Nobody in the settings but an animated portrait; small, so that it costs little while it runs."""


@dataclass(frozen=True)
class Running:
    """house: what runs.  root: http://127.0.0.1:PORT.  client: asks it, with nothing but what a script would send."""

    house: House
    root: str
    client: httpx.Client

    def wait(self, state: str = "running", seconds: float = 60.0) -> None:
        """Until the loop is in a state."""
        end = time.monotonic() + seconds
        while self.house.show.state != state:
            assert time.monotonic() < end, f"{self.house.show.state}: {self.house.show.problem}"
            time.sleep(0.02)


@contextmanager
def running(folder: Path, settings: Settings = STILL, wish: Wish | None = None, config: Path | None = None) -> Iterator[Running]:
    """A studio that serves; its loop waits for start()."""
    wish = wish or Wish(port=0, open=False)
    with opened(settings, wish, config, folder) as house:
        thread = threading.Thread(target=lambda: asyncio.run(house.hosted.serve([house.listener])), daemon=True)
        thread.start()
        root = f"http{'s' * house.access.secure}://127.0.0.1:{house.access.port}"
        with httpx.Client(base_url=root, verify=False, timeout=60) as client:
            try:
                while not house.hosted.started:
                    time.sleep(0.005)
                yield Running(house, root, client)
            finally:
                house.hosted.should_exit = True
                thread.join(10)
                assert not thread.is_alive()
