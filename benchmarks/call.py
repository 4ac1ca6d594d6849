"""python -m benchmarks call: several real browsers visit one studio at once; rates, round trips, stalls and memory."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import psutil
import typer

from benchmarks.report import plainly, say, show, write

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

    from realtime.calls.calls import Calls

_STALL = 0.2
_BEGIN = """
document.querySelector('input[value="hopper"]').click();
[...document.querySelectorAll('#actions button')].find((button) => button.textContent === 'Start').click();
"""
_SHOWN = "const shown = visit.shown; visit.shown = shown.slice(-300); return shown.slice(0, -300);"
_WARM = 10.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One browser's part: times are seconds.

    gaps: pictures that came more than 200 ms after the one before.  stalls: those of them whose round trip grew by as much,
    so that the picture itself was late; in the other gaps pictures between were left out.  longest: of all gaps.
    """

    fps: float
    p50: float
    p95: float
    p99: float
    gaps: int
    stalls: int
    longest: float
    unread: int


def figures(shown: Sequence[tuple[float, float | None]]) -> Figures:
    """What a browser saw, from (time, round trip or None) in milliseconds of each picture that it showed."""
    if len(shown) < 2:
        return Figures(0.0, float("nan"), float("nan"), float("nan"), 0, 0, float("nan"), 0)
    times = np.array([time for time, _ in shown]) / 1e3
    trips = np.array([np.nan if trip is None else trip for _, trip in shown]) / 1e3
    gaps = np.diff(times)
    grown = np.nan_to_num(np.diff(trips))
    late = gaps > _STALL
    unread = int(np.isnan(trips).sum())
    p50, p95, p99 = (float(value) for value in np.nanpercentile(trips, [50, 95, 99]))
    fps = (len(shown) - 1) / (times[-1] - times[0])
    return Figures(float(fps), p50, p95, p99, int(late.sum()), int((late & (grown > _STALL)).sum()), float(gaps.max()), unread)


def call(
    browsers: Annotated[int, typer.Option(min=1, max=16, help="How many visit at once.")] = 4,
    height: Annotated[int, typer.Option(min=144, max=1080, help="Height of their pictures in pixels.")] = 360,
    seconds: Annotated[float, typer.Option(min=10, help="How long is measured, after ten seconds that are not.")] = 60.0,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Real Chromiums whose webcams are moving portraits visit a studio on this machine."""
    with plainly("call"), tempfile.TemporaryDirectory(prefix="swapcam-call-") as folder:
        place = Path(folder)
        with _home(place), studio(place, browsers) as (url, calls), ExitStack() as parts:
            drivers = _browsers(parts, browsers, height, place)
            say(f"{browsers} browser{'s' * (browsers > 1)} at {height}p begin.")
            for driver in drivers:
                _visit(driver, f"{url}/call?height={height}")
            seen, memory = _measure(drivers, seconds)
            told = list(calls.states().values())
    rows = [figures(shown) for shown in seen]
    early, late = memory[0], memory[-1]
    names = ("browser", "fps", "p50 ms", "p95 ms", "p99 ms", "gaps > 200 ms", "stalls > 200 ms", "longest gap ms", "unread")
    show(
        f"{browsers} at {height}p for {seconds:.0f} s",
        names,
        [(n + 1, r.fps, 1e3 * r.p50, 1e3 * r.p95, 1e3 * r.p99, r.gaps, r.stalls, 1e3 * r.longest, r.unread) for n, r in enumerate(rows)],
    )
    say(f"Server memory: {early:.0f} MB at the beginning, {late:.0f} MB at the end ({late - early:+.0f} MB).")
    say("At the end: " + "; ".join(f"{s.fps:.1f} fps, {1e3 * s.age:.0f} ms old, {s.bitrate / 1e3:.0f} kbit/s" for s in told))
    if json:
        asked = {"browsers": browsers, "height": height, "seconds": seconds}
        write(json, {**asked, "visitors": [_plain(row) for row in rows], "memory_mb": memory})


@contextmanager
def studio(folder: Path, visitors: int) -> Iterator[tuple[str, Calls]]:
    """A studio in this process without a loop of its own: its address, and its calls."""
    from realtime.config import CallSettings, NoOutput, Settings
    from realtime.studio.hosting import Wish, opened

    settings = Settings(outputs=(NoOutput(),), call=CallSettings(visitors=visitors))
    with opened(settings, Wish(port=0, open=False), None, folder) as house:
        thread = threading.Thread(target=lambda: asyncio.run(house.hosted.serve([house.listener])), daemon=True)
        thread.start()
        while not house.hosted.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{house.listener.getsockname()[1]}", house.studio.calls
        finally:
            house.hosted.should_exit = True
            thread.join(10)


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """An identity store of our own with Grace Hopper in it."""
    from contextlib import closing

    from models.detector import Detector
    from models.landmarks import Landmarker
    from realtime.people import identities
    from realtime.people.enrol import enrol
    from realtime.portraits import portrait

    before = os.environ.get("SWAPCAM_HOME")
    os.environ["SWAPCAM_HOME"] = str(folder)
    try:
        with closing(Detector()) as detector, closing(Landmarker()) as landmarker:
            identities.save(enrol("hopper", [portrait("hopper")], detector, landmarker, identities.Consent.now()))
        yield
    finally:
        if before is None:
            del os.environ["SWAPCAM_HOME"]
        else:
            os.environ["SWAPCAM_HOME"] = before


def _browsers(parts: ExitStack, count: int, height: int, folder: Path) -> list[WebDriver]:
    from benchmarks.browser import browser, portrait_clip

    clip = portrait_clip(folder / "camera.y4m", (2 * round(height * 8 / 9), height), 30.0, 4.0)
    return [parts.enter_context(browser(clip, (720, 640))) for _ in range(count)]


def _visit(driver: WebDriver, url: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(url)
    WebDriverWait(driver, 60).until(lambda page: page.execute_script("return document.querySelector('input[value=\"hopper\"]') !== null"))
    driver.execute_script(_BEGIN)
    WebDriverWait(driver, 60).until(lambda page: page.execute_script("return visit.shown.length > 0"))


def _measure(drivers: Sequence[WebDriver], seconds: float) -> tuple[list[list[tuple[float, float | None]]], list[float]]:
    """What each browser showed, and the memory of this process in MB every ten seconds or so."""
    process = psutil.Process()
    time.sleep(_WARM)
    for driver in drivers:
        driver.execute_script("visit.shown = []")
    seen: list[list[tuple[float, float | None]]] = [[] for _ in drivers]
    memory = [process.memory_info().rss / 2**20]
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        time.sleep(min(left, 10.0))
        memory.append(process.memory_info().rss / 2**20)
        for shown, driver in zip(seen, drivers, strict=True):
            shown += [tuple(one) for one in driver.execute_script(_SHOWN)]
    for shown, driver in zip(seen, drivers, strict=True):
        shown += [tuple(one) for one in driver.execute_script("return visit.shown")]
    return seen, memory


def _plain(row: Figures) -> dict[str, float]:
    return {name: getattr(row, name) for name in row.__slots__}


__all__ = ["Figures", "call", "figures", "studio"]
