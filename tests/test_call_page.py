"""The visitors' page in a real Chromium whose webcam is a moving portrait: swapped, measured, taken up again, and clear when refused."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from aioice.ice import get_host_addresses

from benchmarks.browser import browser, complaints, missing, permission, portrait_clip, screen
from benchmarks.call import studio
from realtime.calls.calls import Calls
from realtime.calls.strip import cut
from realtime.config import CallSettings, NoOutput, Settings
from realtime.frame import Image
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.portraits import portrait

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.skipif(
        not get_host_addresses(use_ipv4=True, use_ipv6=True), reason="no network interface but loopback, which WebRTC leaves out"
    ),
]
# How much of a picture is its time code.
_SHARE = 24 / 384
_GRAB = """
const video = document.getElementById(arguments[0]), canvas = document.createElement('canvas');
Object.assign(canvas, {width: video.videoWidth, height: video.videoHeight});
canvas.getContext('2d').drawImage(video, 0, 0);
return canvas.toDataURL('image/png');
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return portrait_clip(tmp_path_factory.mktemp("camera") / "camera.mjpeg", (640, 360), 15.0, 3.0)


@pytest.fixture
def place(home: Path, detector: Any, landmarker: Any, tmp_path: Path) -> Iterator[tuple[str, Calls]]:
    """A studio at which Grace Hopper may be worn."""
    identities.save(enrol("hopper", [portrait("hopper")], detector, landmarker, identities.Consent.now()))
    with studio(tmp_path, 2) as opened:
        yield opened


def _until(done: Callable[[], Any], what: str, seconds: float = 40.0) -> Any:
    end = time.perf_counter() + seconds
    while not (value := done()):
        assert time.perf_counter() < end, what
        time.sleep(0.1)
    return value


def _press(page: Any, name: str) -> None:
    page.execute_script("[...document.querySelectorAll('#actions button')].find((one) => one.textContent === arguments[0]).click()", name)


def _choose(page: Any, name: str) -> None:
    _until(lambda: page.execute_script("return document.querySelectorAll('#choices input').length > 0"), "no faces are offered")
    find = "[...document.querySelectorAll('#choices label')].find((one) => one.textContent.includes(arguments[0]))"
    page.execute_script(f"{find}.click()", name)


def _shown(page: Any) -> int:
    return int(page.execute_script("return visit.shown.length"))


def _grab(page: Any, name: str) -> Image:
    data = base64.b64decode(page.execute_script(_GRAB, name).partition(",")[2])
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _strangeness(page: Any) -> float:
    """How much the face that comes back differs from the camera's, against the wall beside it; the best of some tries, as
    the head moves between the two pictures."""
    tries = []
    for _ in range(8):
        # A busy machine asks for smaller pictures.
        camera, back = _grab(page, "camera"), cut(_grab(page, "back"), _SHARE)[1]
        away = np.abs(camera.astype(np.int16) - cv2.resize(back, camera.shape[1::-1])).mean(axis=2)
        tries.append(float(away[130:230, 220:330].mean() / away[30:130, 350:450].mean()))
        time.sleep(0.15)
    return min(tries)


def test_a_visitor_is_swapped_measured_and_taken_up_again(place: tuple[str, Calls], clip: Path) -> None:
    url, calls = place
    with browser(clip) as page:
        page.get(f"{url}/call?height=360")
        _until(lambda: page.execute_script("return document.querySelectorAll('#choices input').length === 2"), "no faces are offered")
        # Nobody is anybody's face before they chose one, and no camera is asked for.
        start = "[...document.querySelectorAll('#actions button')].find((one) => one.textContent === 'Start')"
        assert page.execute_script(f"return {start}.disabled && document.getElementById('camera').srcObject === null")
        _choose(page, "hopper")
        _press(page, "Start")
        _until(lambda: _shown(page) > 25, "nothing came back")
        assert page.execute_script("return document.getElementById('state').dataset.state") == "live"
        height, width = _grab(page, "back").shape[:2]
        assert width / height == pytest.approx(640 / 384, abs=0.02)
        _until(lambda: _strangeness(page) > 2, "no other face came back", 20)
        _until(lambda: page.execute_script("return document.getElementById('trip').textContent").endswith(" ms"), "no round trip")
        figures = page.execute_script("return visit.figures()")
        assert 5 < figures["p50"] <= figures["p95"] < 3000
        codes = page.execute_script("return visit.shown.map(([, trip]) => trip)")
        assert sum(code is not None for code in codes) > 0.95 * len(codes)
        _strip_is_hidden(page)
        # Another wish within the call.
        _choose(page, "None")
        _until(lambda: _strangeness(page) < 1.6, "the own face does not come when it is asked for", 20)
        _choose(page, "hopper")
        _until(lambda: _strangeness(page) > 2, "the other face does not come back", 20)
        # The server drops the line without a word to the page.
        (name,) = calls.states()
        request = urllib.request.Request(f"{url}/api/call/{name}", method="DELETE", headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer) == {"closed": True}
        _until(lambda: [other for other in calls.states() if other != name], "the call is not taken up again")
        count = _shown(page)
        _until(lambda: _shown(page) > count + 10, "no pictures after the call was taken up again")
        assert page.execute_script("return document.getElementById('problem').hidden")
        _press(page, "Stop")
        _until(lambda: len(calls) == 0, "the visitor is still there")
        assert page.execute_script("return document.getElementById('camera').srcObject?.active ?? false") is False
        assert [line for line in complaints(page) if "favicon" not in line] == []


def _strip_is_hidden(page: Any) -> None:
    """What is seen of the picture begins with the picture: no row of black and white cells."""
    page.execute_script("document.querySelector('#own').style.visibility = 'hidden'")
    find = "const box = document.getElementById('swapped').getBoundingClientRect();"
    box = page.execute_script(f"{find} return [box.left, box.top, box.width, box.height]")
    shot = page.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(shot["data"]), np.uint8), cv2.IMREAD_COLOR)
    page.execute_script("document.querySelector('#own').style.visibility = ''")
    left, top, width, height = (round(value) for value in box)
    assert abs(width / height - 16 / 9) < 0.03
    first, later = (seen[top + row, left + 20 : left + width - 20].astype(np.int16) for row in (2, 10))
    assert np.abs(first - later).mean() < 25


def test_a_visitor_without_permission_or_room_is_told_so(place: tuple[str, Calls], clip: Path) -> None:
    url, calls = place
    problem = "const p = document.getElementById('problem'); return p.hidden ? '' : p.textContent"
    with browser(clip, allow=False) as page:
        permission(page, url, False)
        page.get(f"{url}/call?height=360")
        _choose(page, "hopper")
        _press(page, "Start")
        said = _until(lambda: page.execute_script(problem), "no word about the camera")
        assert "does not let this page use the camera" in said
        assert len(calls) == 0
        permission(page, url, True)
        _let_in(calls, 0)
        _press(page, "Start")
        _until(lambda: "not let in" in page.execute_script(problem), "no word about the limit")
        _let_in(calls, 1)
        _until(lambda: _shown(page) > 3, "it does not try again by itself")
        # On a phone nothing is cut off.
        screen(page, (390, 844))
        assert page.execute_script("return document.documentElement.scrollWidth <= 390")


def _let_in(calls: Calls, visitors: int) -> None:
    """Another limit."""
    settings = Settings(outputs=(NoOutput(),), call=CallSettings(visitors=visitors))
    calls._settings = lambda: settings
