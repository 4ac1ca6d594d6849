"""A real Chromium without a window, whose webcam is an animated portrait: for tests of the pages and for pictures of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from realtime.frame import RealtimeError

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--autoplay-policy=no-user-gesture-required",
)
_NARROW = 390


def missing() -> str | None:
    """What has to be installed before `browser` can work, as a reason to skip; None where everything is there."""
    if _program("chromium", "chromium-browser", "google-chrome") is None:
        return "Chromium is not installed (Debian: apt install chromium chromium-driver)"
    if _program("chromedriver") is None:
        return "chromedriver is not installed (Debian: apt install chromium-driver)"
    return None


def portrait_clip(
    path: Path, size: tuple[int, int] = (640, 360), fps: float = 15.0, seconds: float = 3.0, portrait: Path | None = None, people: int = 1
) -> Path:
    """A clip of moving portraits that a Chromium can play as its webcam, running to and fro so that its loop has no jump.

    path: ends in .mjpeg (small, the rule) or .y4m (what the camera sees to the last bit).  size: (width, height), even.
    """
    import cv2

    from realtime.inputs import AnimatedInput
    from realtime.sources.animated import Animated

    if path.suffix not in {".mjpeg", ".y4m"}:
        raise ValueError(f"a webcam's clip ends in .mjpeg or .y4m, got {path.name}")
    width, height = size
    photo = "" if portrait is None else str(portrait)
    settings = AnimatedInput(path=photo, width=width, height=height, fps=fps, seconds=seconds / 2, realtime=False, people=people)
    source = Animated(settings)
    forward = [frame.image for frame in source]
    source.close()
    with path.open("wb") as file:
        if path.suffix == ".y4m":
            file.write(f"YUV4MPEG2 W{width} H{height} F{round(fps * 1000)}:1000 Ip A1:1 C420jpeg\n".encode())
        for image in forward + forward[-2:0:-1]:
            if path.suffix == ".y4m":
                file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).tobytes())
            else:
                file.write(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    return path


@contextmanager
def browser(
    camera: Path | None = None, size: tuple[int, int] = (1280, 900), flags: Sequence[str] = (), allow: bool = True
) -> Iterator[WebDriver]:
    """A Chromium with a profile of its own, which is gone afterwards.

    camera: clip it has as webcam (None: Chromium's green test picture).  size: of the page in px (width, height).
    allow: say yes to every question for the camera; else they are left without answer and can be refused with `permission`.
    Raises RealtimeError where Chromium or its driver is not installed.
    """
    reason = missing()
    if reason is not None:
        raise RealtimeError(f"{reason}.")
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.chrome.webdriver import WebDriver

    profile = tempfile.mkdtemp(prefix="swapcam-browser-")
    options = Options()
    options.binary_location = str(_program("chromium", "chromium-browser", "google-chrome"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    camera_flags = ["--use-fake-device-for-media-stream", *([f"--use-file-for-fake-video-capture={camera}"] if camera else [])]
    answers = ["--use-fake-ui-for-media-stream"] if allow else []
    for flag in (*_FLAGS, *camera_flags, *answers, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", *flags):
        options.add_argument(flag)
    driver = None
    try:
        driver = WebDriver(options=options, service=Service(str(_program("chromedriver"))))
        driver.set_page_load_timeout(60)
        driver.set_script_timeout(60)
        screen(driver, size)
        yield driver
    finally:
        if driver is not None:
            driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


def screen(driver: WebDriver, size: tuple[int, int] = (1280, 900), scale: float = 1.0) -> None:
    """Give the page that room: width and height in CSS px, a phone's (with touch) up to 390 px."""
    phone = size[0] <= _NARROW
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": scale, "mobile": phone}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})


def prefer(driver: WebDriver, scheme: Literal["light", "dark"] = "light", still: bool = False) -> None:
    """Let the page see what its user prefers: a dark or light screen, and no motion where `still`."""
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def permission(driver: WebDriver, origin: str, allowed: bool) -> None:
    """Answer the question for the camera beforehand; origin: http://127.0.0.1:PORT."""
    setting = "granted" if allowed else "denied"
    parameters = {"permission": {"name": "camera"}, "setting": setting, "origin": origin}
    driver.execute_cdp_cmd("Browser.setPermission", parameters)


def picture(driver: WebDriver, path: Path, whole: bool = False) -> Path:
    """Write what is seen as PNG; whole: the page from its top to its end instead of the window alone."""
    import base64

    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
    path.write_bytes(base64.b64decode(shot["data"]))
    return path


def complaints(driver: WebDriver) -> list[str]:
    """Errors and warnings of the page's console since the last call."""
    log: Callable[[str], list[dict[str, Any]]] = driver.get_log
    entries = log("browser")
    return [str(entry["message"]) for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]


def _program(*names: str) -> str | None:
    return next((found for name in names if (found := shutil.which(name)) is not None), None)


__all__ = ["browser", "complaints", "missing", "permission", "picture", "portrait_clip", "prefer", "screen"]
