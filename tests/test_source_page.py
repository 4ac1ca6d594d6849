"""The browser source in a real Chromium: the picture, the face alone on nothing, and overlay pages that reach nothing."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from studios import running

from benchmarks.browser import browser, complaints, missing
from realtime.config import AnimatedInput, Settings
from realtime.portraits import portrait
from realtime.sinks.monitor import Monitor
from realtime.steering.show import Show
from realtime.studio.access import Access
from realtime.studio.app import Studio
from realtime.studio.hosting import Wish
from realtime.studio.serving import bind, server

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

Bytes = NDArray[np.uint8]
_CHAT = """<!doctype html><style>body { margin: 0; background: transparent } p { margin: 0; height: 50vh; background: rgb(0 200 0) }</style>
<p></p><script>
const said = [];
try { parent.document.title = "broken into"; said.push("parent") } catch {}
const tell = () => parent.postMessage(said.join() || "sealed", "*");
fetch("/api/state").then((answer) => answer.ok && said.push("state")).catch(() => {})
  .then(() => fetch("/api/stop", { method: "POST" })).catch(() => {}).then(tell);
</script>"""


class Room:
    """A studio with an animated portrait before its camera, and a browser that looks at it as OBS does: on nothing."""

    def __init__(self, folder: Path) -> None:
        (folder / "chat.html").write_text(_CHAT)
        self.chat = str(folder / "chat.html")
        self.settings = Settings.model_validate(
            {
                "input": AnimatedInput(path=str(portrait("hopper")), width=640, height=360, fps=15, speed=2.0),
                "outputs": [{"kind": "none"}],
                "swap": {"sources": [str(portrait("collins"))]},
            }
        )
        self.monitor = Monitor()
        self.show = Show(self.settings, self.monitor, folder / "config.yaml", folder)
        self.port = 0
        self.come()
        self.show.start()

    def come(self) -> None:
        """Be reachable, again at the same address."""
        listener = bind("127.0.0.1", self.port)
        self.port = listener.getsockname()[1]
        self.studio = Studio(self.show, self.monitor, Access(None, self.port, True, False), self.show.folder)
        self._server = server(self.studio.app, self.studio.begin, self.studio.end)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve([listener])), daemon=True)
        self._thread.start()

    def go(self) -> None:
        """Be gone, while the loop goes on."""
        self._server.should_exit = True
        self._thread.join(10)
        self.studio.close()

    def close(self) -> None:
        self.go()
        self.show.close()

    def address(self, query: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/source{query}"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    made = Room(tmp_path_factory.mktemp("source"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser(size=(1280, 720)) as made:
        clear = {"color": {"r": 0, "g": 0, "b": 0, "a": 0}}
        made.execute_cdp_cmd("Emulation.setDefaultBackgroundColorOverride", clear)
        yield made


def seen(driver: Any) -> Bytes:
    """What a streaming program gets: BGRA (h, w, 4) uint8."""
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    image = cv2.imdecode(np.frombuffer(base64.b64decode(shot["data"]), np.uint8), cv2.IMREAD_UNCHANGED)
    image = image if image.shape[2] == 4 else cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
    return np.asarray(image, np.uint8)


def until(what: Callable[[], Any], seconds: float = 40.0) -> Any:
    """The first true value of `what`."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)
    return value


def uncovered(driver: Any) -> bool:
    script = "return document.getElementById('cover').hidden && document.getElementById('picture').style.length > 0"
    return bool(driver.execute_script(script))


def by_webrtc(driver: Any) -> bool:
    return bool(driver.execute_script("return document.getElementById('film').videoWidth > 0"))


def face_box(room: Room, size: tuple[int, int] = (720, 1280)) -> list[int]:
    """Where the face is now, in pixels of the page."""
    view = until(lambda: room.monitor.latest and room.monitor.latest.frame.faces and room.monitor.latest)
    height, width = view.frame.image.shape[:2]
    return [round(float(v) * (size[1] / width if i % 2 == 0 else size[0] / height)) for i, v in enumerate(view.frame.faces[0].box)]


def open_(room: Room, driver: Any, query: str) -> None:
    driver.get("about:blank")
    room.show.start()
    until(lambda: room.show.state == "running" and room.monitor.latest and room.monitor.latest.frame.raw is not None)
    driver.get(room.address(query))


@pytest.mark.parametrize("way", ["", "mjpeg=1"])
def test_the_picture_that_leaves_the_machine_fills_the_page_and_moves(room: Room, driver: Any, way: str) -> None:
    open_(room, driver, f"?{way}")
    until(lambda: uncovered(driver) and seen(driver)[..., 3].min() == 255)
    assert by_webrtc(driver) == (way == "")
    view = room.monitor.latest
    assert view is not None
    image = seen(driver)
    expected = cv2.resize(view.shown, (1280, 720), interpolation=cv2.INTER_LINEAR)
    # The background stands still: its colours are those of the loop, by either way.
    still = (slice(100, 500), slice(0, 200))
    assert np.abs(image[still][..., :3].astype(float) - expected[still]).mean() < 6
    assert np.abs(image[still][..., :3].mean(axis=(0, 1)) - expected[still].mean(axis=(0, 1))).max() < 3
    # So does the label, in its corner.
    assert np.abs(image[664:704, 20:160, :3].astype(float) - expected[664:704, 20:160]).mean() < 20
    until(lambda: np.abs(seen(driver)[..., :3].astype(int) - image[..., :3]).mean() > 0.5)
    assert [line for line in complaints(driver) if "WebGL" not in line] == []


@pytest.mark.parametrize("way", ["", "&mjpeg=1"])
def test_the_face_alone_stands_on_nothing_and_moves(room: Room, driver: Any, way: str) -> None:
    open_(room, driver, f"?face=1{way}")
    until(lambda: uncovered(driver) and seen(driver)[..., 3].max() > 250)
    assert by_webrtc(driver) == (way == "")
    image = seen(driver)
    left, top, right, bottom = face_box(room)
    # Nothing at all where no face and no label is: not a trace of the codec.
    far = np.ones(image.shape[:2], bool)
    far[max(0, top - 120) : bottom + 120, max(0, left - 160) : right + 160] = False
    far[640:, :220] = False
    assert not image[far].any()
    assert 0.02 < (image[..., 3] > 200).mean() < 0.3
    # The face has gone on since the page drew it: its middle is where it is opaque.
    row, column = (int(np.median(places)) for places in np.nonzero(image[:640, ..., 3] > 200))
    middle = image[row - 20 : row + 20, column - 20 : column + 20]
    assert middle[..., 3].min() > 235
    # Skin is redder than it is blue; a swapped or doubled half is not.
    assert middle[..., 2].mean() > middle[..., 0].mean() + 20
    # Its label is on it.
    assert image[664:704, 30:150, 3].mean() > 60
    until(lambda: np.abs(seen(driver)[..., 3].astype(int) - image[..., 3]).max() > 100)


def test_over_the_raw_camera_it_gives_the_finished_picture(room: Room, driver: Any) -> None:
    """The loop stands still here, so that both are of one moment."""
    room.show.change(["input", "speed"], 0.0)
    try:
        open_(room, driver, "?face=1")
        until(lambda: uncovered(driver) and seen(driver)[..., 3].max() > 250)
        time.sleep(1.0)
        view, image = room.monitor.latest, seen(driver)
        assert view is not None
        assert view.frame.raw is not None
        raw, shown = (cv2.resize(part, (1280, 720), interpolation=cv2.INTER_LINEAR) for part in (view.frame.raw, view.shown))
        share = image[..., 3:] / 255
        composed = share * image[..., :3] + (1 - share) * raw
        left, top, right, bottom = face_box(room)
        inside = (slice(top, bottom), slice(left, right))
        assert np.abs(composed[inside] - shown[inside]).mean() < 5
        assert np.abs(raw[inside].astype(float) - shown[inside]).mean() > 12
        assert np.abs(composed[inside].mean(axis=(0, 1)) - shown[inside].mean(axis=(0, 1))).max() < 2.5
    finally:
        room.show.change(["input", "speed"], 2.0)


def test_while_no_faces_come_the_camera_below_is_covered(room: Room, driver: Any) -> None:
    open_(room, driver, "?face=1")
    until(lambda: uncovered(driver) and seen(driver)[..., 3].min() == 0)
    room.show.stop()
    until(lambda: seen(driver)[..., 3].min() == 255)
    assert "not running" in driver.execute_script("return document.getElementById('cover').textContent")
    room.show.start()
    until(lambda: uncovered(driver) and seen(driver)[..., 3].min() == 0)


@pytest.mark.parametrize("way", ["", "&mjpeg=1"])
def test_a_studio_that_was_away_is_found_again(room: Room, driver: Any, way: str) -> None:
    open_(room, driver, f"?face=1{way}")
    until(lambda: uncovered(driver) and seen(driver)[..., 3].min() == 0)
    room.go()
    try:
        until(lambda: seen(driver)[..., 3].min() == 255)
        assert "sends no pictures" in driver.execute_script("return document.getElementById('cover').textContent")
    finally:
        room.come()
    until(lambda: uncovered(driver) and seen(driver)[..., 3].min() == 0)


def test_overlay_pages_are_drawn_over_the_picture_and_sealed(room: Room, driver: Any) -> None:
    open_(room, driver, "?face=1")
    until(lambda: uncovered(driver))
    driver.execute_script("window.heard = []; addEventListener('message', (event) => heard.push([event.origin, event.data]))")
    page = {"path": room.chat, "x": 0.5, "y": 0.25, "width": 0.25, "height": 0.5}
    low = {"path": room.chat, "x": 0.0, "y": 0.5, "width": 0.25, "height": 1.0}
    # Added while the page is open: no reload is needed.
    room.show.change(["overlay", "pages"], [page, low])
    until(lambda: len(driver.execute_script("return heard")) == 2)
    assert driver.execute_script("return heard") == [["null", "sealed"]] * 2
    assert driver.title == "swapcam source"
    assert room.show.state == "running"
    until(lambda: seen(driver)[200, 900, 1] == 200)
    image = seen(driver)
    green = (image == (0, 200, 0, 255)).all(axis=2)
    assert green[185:355, 645:955].all()
    assert not green[:175].any()
    # The lower half of that page is transparent, as the picture is there.
    assert image[365:535, 860:955, 3].max() == 0
    # No page hides the label: it stands above them again.
    label = image[664:704, 26:160]
    assert (label == (0, 200, 0, 255)).all(axis=2).mean() < 0.2
    assert (label[..., :3].min(axis=2) > 200).any()
    room.show.change(["overlay", "pages"], [])
    until(lambda: not (seen(driver) == (0, 200, 0, 255)).all(axis=2).any())


def test_by_a_link_with_its_token_everything_comes_too(room: Room, driver: Any, tmp_path: Path) -> None:
    page = {"path": room.chat, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}
    settings = Settings.model_validate({**room.settings.model_dump(), "overlay": {"pages": [page]}})
    token = "correct-horse-battery"
    with running(tmp_path, settings, Wish(port=0, open=False, token=token)) as studio:
        studio.house.show.start()
        studio.wait()
        driver.get(f"{studio.root}/source?token={token}&face=1")
        until(lambda: uncovered(driver) and (seen(driver)[370:530, 700:1200] == (0, 200, 0, 255)).all())
        assert by_webrtc(driver)
        assert driver.current_url == f"{studio.root}/source?face=1"
        driver.get("about:blank")


class _Elsewhere(BaseHTTPRequestHandler):
    """A chat's own server, which shows green to whoever knows the key."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if self.path == "/chat?key=secret":
            self.wfile.write(b"<!doctype html><body style='background: rgb(0 200 0)'><script>localStorage.length</script>")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_page_elsewhere_is_shown_and_its_key_told_to_nobody(room: Room, driver: Any) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        open_(room, driver, "")
        until(lambda: uncovered(driver))
        address = f"http://127.0.0.1:{elsewhere.server_port}/chat?key=secret"
        try:
            driver.execute_script("window.before = true")
            room.show.change(["overlay", "pages"], [{"path": address, "x": 0.5, "y": 0.0, "width": 0.5, "height": 0.5}])
            # The page comes again with leave to frame that address; a screenshot begun before would never be answered.
            until(lambda: driver.execute_script("return !window.before && document.querySelector('iframe') !== null"))
            until(lambda: uncovered(driver))
            until(lambda: (seen(driver)[100:300, 700:1200] == (0, 200, 0, 255)).all())
            page = driver.execute_script("return document.documentElement.outerHTML")
            state = driver.execute_async_script("fetch('/api/state').then((answer) => answer.text()).then(arguments[0])")
            assert "/overlay/0" in page
            assert str(elsewhere.server_port) in state
            assert "secret" not in page + state
        finally:
            room.show.change(["overlay", "pages"], [])
            elsewhere.shutdown()
