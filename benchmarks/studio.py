"""The Studio as people see it: pictures of its pages in a real Chromium, and how soon and how often they show something new."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks import report

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

    from benchmarks.hosted import Hosted

Floats = NDArray[np.float64]
_FACES = {"eileen": "collins", "grace": "hopper"}
_PATIENCE = 60.0
_FRAMES = """
const video = document.querySelector('.film.after');
return video.getVideoPlaybackQuality ? video.getVideoPlaybackQuality().totalVideoFrames : 0;
"""
_PRESS = "document.querySelector('.wear[aria-pressed=false]').click()"
# Coarse enough that a head between two places where it was seen differs little from either.
_SIDE = 4
# Presses there and back; pictures before each that tell what is seen without one, as many as a head needs to come round.
_PRESSES, _BEFORE = 6, 64
# A picture is another's when it is so many spreads, and so many grey levels, farther away than those of before from each other.
_SPREADS, _LEAST = 3.5, 1.0
# By how much the finished half differs from the untouched one where the face is: side x side x RGB, grey levels.
_DIFFERENCE = """
const video = document.querySelector('.film.after'), canvas = document.createElement('canvas'), side = arguments[1];
Object.assign(canvas, { width: 2 * side, height: side });
const paint = canvas.getContext('2d', { willReadFrequently: true }), [left, top, right, bottom] = arguments[0], half = video.videoWidth / 2;
for (const which of [0, 1]) {
  paint.drawImage(video, half * (which + left), video.videoHeight * top, half * (right - left), video.videoHeight * (bottom - top),
    which * side, 0, side, side);
}
const [one, other] = [0, side].map((x) => paint.getImageData(x, 0, side, side).data);
return [...one].map((value, index) => value - other[index]).filter((_, index) => index % 4 < 3);
"""
_TAB = "document.getElementById(`tab-${arguments[0]}`).click(); document.activeElement.blur()"


def studio(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("studio-pictures"),
    seconds: Annotated[float, typer.Option(min=2, help="So long frames are counted.")] = 15.0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the moving portrait that is the camera.")] = "1280x720",
    fps: Annotated[float, typer.Option(min=1, max=60)] = 15.0,
) -> None:
    """Take pictures of the Studio's pages, and measure its preview."""
    with report.plainly("studio"), tempfile.TemporaryDirectory() as folder:
        from benchmarks.browser import browser, portrait_clip
        from benchmarks.hosted import hosted
        from realtime.portraits import portrait

        out.mkdir(parents=True, exist_ok=True)
        home = Path(folder)
        for name, photo in _FACES.items():
            _enrolled(home, name, photo)
        width, _, height = size.partition("x")
        arguments = ["--input", f"animated:{portrait('hopper')}", "--output", "none", "--source", "eileen"]
        arguments += ["--set", f"input.width={width}", "--set", f"input.height={height}", "--set", f"input.fps={fps}"]
        clip = portrait_clip(home / "webcam.mjpeg", portrait=None)
        with hosted(home, arguments) as running, browser(clip) as driver:
            rows = _figures(driver, running, seconds)
            _pictures(driver, running, out)
        report.show("The Studio's preview", ("what", "value", "unit"), rows)
        report.say(f"Pictures are in {out.name}.")


def _enrolled(home: Path, name: str, photo: str) -> None:
    """Portraits in the public domain stand for people who agreed."""
    from realtime.portraits import portrait

    command = [sys.executable, "-m", "realtime", "enrol", name, str(portrait(photo)), "--i-have-consent"]
    root = Path(__file__).resolve().parents[1]
    subprocess.run(command, cwd=root, env={**os.environ, "SWAPCAM_HOME": str(home)}, check=True, capture_output=True)


def _figures(driver: WebDriver, running: Hosted, seconds: float) -> list[tuple[str, object, str]]:
    time.sleep(min(seconds, 5))
    alone = running.state()["figures"]
    start = time.perf_counter()
    driver.get(running.url)
    _until(lambda: driver.execute_script(_FRAMES), "the preview's first picture")
    first = time.perf_counter() - start
    time.sleep(2)
    count, start = driver.execute_script(_FRAMES), time.perf_counter()
    time.sleep(seconds)
    shown = (driver.execute_script(_FRAMES) - count) / (time.perf_counter() - start)
    watched = running.state()["figures"]
    box = _where(running)
    told, worn, first_seen = zip(*(_changed(driver, running, box) for _ in range(_PRESSES)), strict=True)
    return [
        ("loop without a page", alone["fps"], "frames a second"),
        ("loop with the page", watched["fps"], "frames a second"),
        ("latency without a page, median", alone["latency"]["p50"], "ms"),
        ("latency with the page, median", watched["latency"]["p50"], "ms"),
        ("preview", shown, "frames a second"),
        ("from opening the page to its first picture", first, "s"),
        ("from the press on another face until the settings say so, median", statistics.median(told), "s"),
        ("until the loop wears it, median", statistics.median(worn), "s"),
        ("until its first picture in the preview, median", statistics.median(first_seen), "s"),
        ("until its first picture in the preview, longest", max(first_seen), "s"),
    ]


def _changed(driver: WebDriver, running: Hosted, box: list[float]) -> tuple[float, float, float]:
    """Seconds from a press on the other face until the settings name it, the loop wears it, and the preview shows it.

    box: where to look.  All three are asked for in turn, some ten times a second.
    """
    source = running.state()["settings"]["swap"]["sources"][0]
    before: list[Floats] = []
    while len(before) < _BEFORE:
        before.append(_difference(driver, box))
        time.sleep(0.05)
    left, moments = outside(before), dict[str, float]()
    start = time.perf_counter()
    driver.execute_script(_PRESS)

    def look() -> bool:
        shown = left(_difference(driver, box))
        seen = {"shown": (shown, time.perf_counter() - start)}
        state = running.state()
        now = time.perf_counter() - start
        seen["told"] = state["settings"]["swap"]["sources"][0] != source, now
        seen["worn"] = bool(state["faces"]) and state["faces"][0]["source"] not in (source, None), now
        for name, (there, moment) in seen.items():
            if there:
                moments.setdefault(name, moment)
        return len(moments) == 3

    _until(look, "the other face")
    # Light is looked at again for another face; what is seen before the next press is to be settled.
    time.sleep(2)
    return moments["told"], moments["worn"], moments["shown"]


def _where(running: Hosted) -> list[float]:
    """Left, top, right, bottom of where the face goes, fractions of the picture."""
    boxes: list[list[float]] = []
    while len(boxes) < _BEFORE // 2:
        boxes += [face["box"] for face in running.state()["faces"][:1]]
        time.sleep(0.05)
    low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
    return [float(value) for value in (*low[:2], *high[2:])]


def _difference(driver: WebDriver, box: list[float]) -> Floats:
    return np.asarray(driver.execute_script(_DIFFERENCE, box, _SIDE), np.float64)


def outside(before: Sequence[Floats]) -> Callable[[Floats], bool]:
    """Whether a picture leaves what was seen before, whichever way it goes: a function of it.  Pictures: (n,) each, any unit.

    A picture is as far away as from the one before that is most like it: heads move, and come back.
    """
    known = np.stack(before)

    def away(picture: Floats, others: Floats) -> float:
        return float(np.sqrt(np.mean((others - picture) ** 2, axis=1)).min())

    usual = [away(picture, np.delete(known, number, axis=0)) for number, picture in enumerate(known)]
    limit = max(float(np.mean(usual) + _SPREADS * np.std(usual)), float(np.mean(usual)) + _LEAST)
    return lambda picture: away(picture, known) > limit


def _pictures(driver: WebDriver, running: Hosted, out: Path) -> None:
    from benchmarks.browser import prefer, screen

    driver.get(running.url)
    driver.execute_script("localStorage.clear()")
    driver.refresh()
    _until(lambda: driver.execute_script(_FRAMES), "the preview")
    time.sleep(12)
    _take(driver, out / "studio-light.jpg")
    driver.execute_script("document.querySelector('[data-look=slider]').click(); document.querySelector('.cut').value = 44")
    driver.execute_script("document.querySelector('.cut').dispatchEvent(new Event('input'))")
    driver.execute_script("document.querySelector('.mark').click()")
    prefer(driver, "dark")
    time.sleep(4)
    _take(driver, out / "studio-dark.jpg")
    driver.execute_script("document.querySelector('.mark').click()")
    driver.execute_script(_TAB, "ends")
    time.sleep(5)
    _take(driver, out / "outputs-dark.jpg")
    prefer(driver, "light")
    driver.execute_script(_TAB, "settings")
    driver.execute_script("document.querySelector('[data-name=swap]').open = true")
    time.sleep(1)
    _take(driver, out / "settings-light.jpg")
    _enrolment(driver, out / "enrol-light.jpg")
    screen(driver, (390, 844), 2)
    driver.execute_script(_TAB, "faces")
    for scheme in ("light", "dark"):
        prefer(driver, "light" if scheme == "light" else "dark")
        time.sleep(1)
        _take(driver, out / f"phone-{scheme}.jpg")
    screen(driver)
    driver.get(f"{running.url}/call")
    time.sleep(2)
    _take(driver, out / "call-dark.jpg")


def _enrolment(driver: WebDriver, path: Path) -> None:
    press = "[...document.querySelectorAll('dialog button')].find((one) => one.textContent === arguments[0]).click()"
    driver.execute_script("document.querySelector('.gallery .add').click()")
    _until(lambda: driver.execute_script("return document.querySelector('dialog')"), "the dialog")
    driver.execute_script(press, "Use the webcam")
    _until(lambda: driver.execute_script("return document.querySelector('dialog video').videoWidth"), "the webcam")
    for _ in range(2):
        driver.execute_script(press, "Take the photo")
        time.sleep(1.5)
    _until(lambda: driver.execute_script("return !document.querySelector('.photo[data-verdict=wait]')"), "the verdicts")
    _take(driver, path)
    driver.execute_script("document.querySelector('dialog').close()")


def _take(driver: WebDriver, path: Path) -> None:
    """A picture of the window, small enough for documents."""
    import cv2

    from benchmarks.browser import picture

    shot = picture(driver, path.with_suffix(".png"))
    cv2.imwrite(str(path), cv2.imread(str(shot)), [cv2.IMWRITE_JPEG_QUALITY, 84])
    shot.unlink()


def _until(done: Callable[[], Any], what: str) -> None:
    from realtime.frame import RealtimeError

    end = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > end:
            raise RealtimeError(f"{what[0].upper()}{what[1:]} did not come within {_PATIENCE:.0f} s.")
        time.sleep(0.03)


__all__ = ["outside", "studio"]
