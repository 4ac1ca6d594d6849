"""The Studio's page in a real Chromium, on a studio that runs in a process of its own with a moving portrait as its camera."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.browser import browser, complaints, missing, portrait_clip, prefer, screen
from benchmarks.hosted import PORTRAIT, Hosted, hosted
from realtime.portraits import portrait

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

_GRAB = """
const video = document.querySelector(arguments[0]), canvas = document.createElement("canvas");
Object.assign(canvas, { width: video.videoWidth ?? video.naturalWidth, height: video.videoHeight ?? video.naturalHeight });
canvas.getContext("2d").drawImage(video, 0, 0);
return canvas.toDataURL("image/png").split(",")[1];
"""
_MENU = "[...document.querySelectorAll('[role=menu] button')].find((one) => one.textContent.includes('grace_hopper')).focus()"
_SHOW = "document.getElementById(`tab-${arguments[0]}`).click(); document.querySelectorAll('details').forEach((one) => one.open = true)"
_WIDE = """
return [...document.querySelectorAll('body *')]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > 391 && !one.closest('.picture, .cut, .tabs'))
  .map((one) => one.className || one.tagName).slice(0, 5)
"""
_NARROW = "const one = document.querySelector('dialog'); return one.scrollWidth <= one.clientWidth && one.clientWidth < 390"
_REACHABLE = """
const usable = "button:enabled, input:enabled, select:enabled, a[href], summary, [tabindex='0']";
return [...document.querySelectorAll(usable)].filter((one) => one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true }))
"""
Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


class Shared:
    """The studio of all tests; one that was ended begins again at the same port."""

    def __init__(self, place: Path) -> None:
        self._place, self._parts = place, ExitStack()
        self.now = self._begun(None)

    def begin(self) -> None:
        """Again, once the one of before has ended."""
        self.now = self._begun(self.now.port)

    def restore(self) -> None:
        """Everything as it was in the beginning, whatever a test did to it."""
        if self.now.process.poll() is not None:
            self.begin()
        while self.now.state()["history"]["undo"]:
            _ask(self.now, "POST", "/api/undo")
        state = self.now.state()
        for source in state["sources"]:
            if source["enrolled"]:
                _ask(self.now, "DELETE", f"/api/sources/{source['name']}")
        if state["recording"]:
            _ask(self.now, "POST", "/api/record", {"on": False})
        if state["loop"]["state"] != "running":
            _ask(self.now, "POST", "/api/start")

    def close(self) -> None:
        """End all."""
        self._parts.close()

    def _begun(self, port: int | None) -> Hosted:
        arguments = [*PORTRAIT, "--source", str(portrait("hopper")), "--output", "none"]
        return self._parts.enter_context(hosted(self._place, arguments, port))


@pytest.fixture(scope="module")
def shared(place: Path) -> Iterator[Shared]:
    one = Shared(place)
    yield one
    one.close()


@pytest.fixture(scope="module")
def driver(place: Path) -> Iterator[WebDriver]:
    with browser(portrait_clip(place / "webcam.mjpeg", size=(320, 180), seconds=1)) as one:
        yield one


@pytest.fixture
def studio(shared: Shared) -> Hosted:
    shared.restore()
    return shared.now


@pytest.fixture
def chromium(driver: WebDriver) -> WebDriver:
    """A window of 1280 px with nothing in it."""
    driver.get("about:blank")
    screen(driver)
    prefer(driver, "light")
    return driver


@pytest.fixture
def page(chromium: WebDriver, studio: Hosted) -> WebDriver:
    """The page, open and live."""
    _open(chromium, studio.url)
    return chromium


def _ask(studio: Hosted, method: str, path: str, data: Any = None) -> None:
    body = json.dumps({} if data is None else data).encode()
    request = urllib.request.Request(studio.url + path, body, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def _open(driver: WebDriver, url: str) -> None:
    complaints(driver)
    driver.get(url)
    driver.execute_script("localStorage.clear()")
    driver.refresh()
    _until(lambda: _live(driver), "the preview did not come")


def _live(driver: WebDriver) -> bool:
    script = "return [stage.dataset.mode, document.querySelector('.film.after').videoWidth, !!document.querySelector('.mark')]"
    mode, width, face = driver.execute_script(script)
    return mode == "live" and width > 0 and face


def _until(done: Callable[[], Any], else_say: str, seconds: float = 90) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # The page may build anew what was just looked for.
        with suppress(StaleElementReferenceException):
            if found := done():
                return found
        time.sleep(0.1)
    raise AssertionError(else_say)


def _picture(driver: WebDriver, selector: str = ".film.after") -> Image:
    data = base64.b64decode(driver.execute_script(_GRAB, selector))
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _change(driver: WebDriver, studio: Hosted) -> tuple[float, float]:
    """How much the finished half differs from the untouched one: in the middle of the face, and away from it."""
    left, top, right, bottom = studio.state()["faces"][0]["box"]
    both = _picture(driver).astype(np.float32)
    tall, wide = both.shape[0], both.shape[1] // 2
    difference = np.abs(both[:, :wide] - both[:, wide:]).mean(axis=2)
    x, y, half = (left + right) / 2 * wide, (top + bottom) / 2 * tall, (bottom - top) / 4 * tall
    inside = difference[int(y - half) : int(y + half), int(x - half) : int(x + half)]
    return float(inside.mean()), float(difference[: tall // 2, int(wide * 0.8) :].mean())


def _all(driver: WebDriver, selector: str) -> list[WebElement]:
    from selenium.webdriver.common.by import By

    return driver.find_elements(By.CSS_SELECTOR, selector)


def _one(driver: WebDriver, selector: str, text: str = "") -> WebElement:
    return next(element for element in _all(driver, selector) if text in element.text)


def _pressed(element: WebElement) -> bool:
    element.click()
    return True


def _press(driver: WebDriver, *keys: str, control: bool = False) -> None:
    from selenium.webdriver import ActionChains, Keys

    chain = ActionChains(driver)
    if control:
        chain.key_down(Keys.CONTROL)
    chain.send_keys(*keys)
    if control:
        chain.key_up(Keys.CONTROL)
    chain.perform()


def test_preview_moves_and_only_the_face_is_another(page: WebDriver, studio: Hosted) -> None:
    before = _picture(page)
    assert before.shape[1] == before.shape[0] * 32 // 9
    _until(lambda: np.abs(_picture(page).astype(int) - before).mean() > 1, "the preview stands still")
    inside, outside = _change(page, studio)
    assert inside > 8, f"the face differs by {inside:.1f} only"
    assert outside < 3, f"what is not the face differs by {outside:.1f}"
    assert _one(page, "#state").text == "Live"
    assert float(_one(page, ".chart b").text) > 1
    assert len(_all(page, ".stages li")) >= 2
    assert complaints(page) == []


def test_without_webrtc_the_page_shows_jpegs(chromium: WebDriver, studio: Hosted) -> None:
    script = chromium.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.RTCPeerConnection"})
    try:
        chromium.get(studio.url)
        shown = "return stage.dataset.mode === 'jpegs' && document.querySelector('.after .still').naturalWidth"
        _until(lambda: chromium.execute_script(shown), "no JPEGs")
        first = _picture(chromium, ".after .still")
        _until(lambda: np.abs(_picture(chromium, ".after .still").astype(int) - first).mean() > 1, "the JPEGs stand still")
        assert _picture(chromium, ".before .still").shape == first.shape
    finally:
        chromium.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script["identifier"]})


def test_enrolling_a_face_and_wearing_it_live(page: WebDriver, studio: Hosted) -> None:
    from selenium.webdriver.common.by import By

    as_hopper = _change(page, studio)[0]
    _one(page, ".gallery .add").click()
    finish = _until(lambda: _all(page, "dialog footer .primary"), "no dialog")[0]
    page.find_element(By.CSS_SELECTOR, "dialog input[type=file]").send_keys(str(portrait("collins")))
    _until(lambda: _all(page, ".photo[data-verdict=good]"), "no verdict")
    assert not finish.is_enabled()
    page.find_element(By.ID, "enrol-name").send_keys("eileen")
    assert not finish.is_enabled(), "a face can be enrolled without the statement"
    page.find_element(By.ID, "enrol-consent").click()
    finish.click()
    _until(lambda: [tile for tile in _all(page, ".wear") if tile.text == "eileen"], "the face is not in the gallery")
    frames = studio.state()["figures"]["frames"]
    _until(lambda: _pressed(_one(page, ".wear", "eileen")), "the face cannot be pressed")
    # Whoever wears their own face looks like themselves.
    _until(lambda: _change(page, studio)[0] < 0.6 * as_hopper, "the face did not change")
    assert studio.state()["figures"]["frames"] > frames, "the loop was started anew for another face"
    _until(lambda: _all(page, ".wear[aria-pressed=true]")[0].text == "eileen", "the worn face is not marked")
    _press(page, "z", control=True)
    _until(lambda: _change(page, studio)[0] > 0.7 * as_hopper, "undo did not bring the other face back")
    assert complaints(page) == []


def test_a_refused_photo_says_why(page: WebDriver, place: Path) -> None:
    from selenium.webdriver.common.by import By

    empty = place / "wall.png"
    cv2.imwrite(str(empty), np.full((400, 400, 3), 128, np.uint8))
    _one(page, ".gallery .add").click()
    _until(lambda: _all(page, "dialog input[type=file]"), "no dialog")
    page.find_element(By.CSS_SELECTOR, "dialog input[type=file]").send_keys(str(empty))
    photo = _until(lambda: _all(page, ".photo[data-verdict=bad]"), "no verdict")[0]
    assert "face" in photo.text.lower()
    assert not _one(page, "dialog footer .primary").is_enabled()
    _press(page, "\ue00c")
    _until(lambda: not _all(page, "dialog"), "Escape does not close the dialog")


def test_a_setting_is_moved_by_keys_and_undone(page: WebDriver, studio: Hosted) -> None:
    before = _change(page, studio)[0]
    row = next(row for row in _all(page, "#page-faces .row") if row.text.startswith("Opacity"))
    page.execute_script("arguments[0].querySelector('input[type=range]').focus()", row)
    _press(page, "\ue011")
    _until(lambda: _change(page, studio)[0] < 4, "at opacity 0 the own face is not seen")
    assert studio.state()["settings"]["blend"]["opacity"] == 0
    assert row.get_attribute("data-changed") == "true"
    _press(page, "z", control=True)
    _until(lambda: _change(page, studio)[0] > 0.7 * before, "undo did not bring the face back")
    _until(lambda: row.get_attribute("data-changed") == "false", "the control did not follow")


def test_a_refused_setting_says_why_and_goes_back(page: WebDriver, studio: Hosted) -> None:
    _press(page, "/")
    _press(page, *"enrolled names")
    row = _until(lambda: [row for row in _all(page, "#page-settings .row") if row.is_displayed()], "the search finds nothing")[0]
    row.find_element("css selector", "[data-other]").click()
    row.find_element("css selector", "input[type=text]").send_keys("nobody\n")
    fault = _until(lambda: [one for one in _all(page, "#page-settings .fault") if one.is_displayed()], "no reason is shown")[0]
    assert "nobody" in fault.text
    assert studio.state()["settings"]["swap"]["sources"] == [str(portrait("hopper"))]


def test_a_face_in_the_preview_gets_a_source_of_its_own(page: WebDriver, studio: Hosted) -> None:
    page.execute_script("document.querySelector('.mark').focus()")
    _press(page, "\ue007")
    _until(lambda: _all(page, "[role=menu] button"), "no menu")
    assert page.switch_to.active_element.get_attribute("role") == "menuitemradio"
    page.execute_script(_MENU)
    _press(page, "\ue007")
    _until(lambda: studio.state()["settings"]["swap"]["assign"], "nobody was assigned")
    _press(page, "z", control=True)
    _until(lambda: not studio.state()["settings"]["swap"]["assign"], "it was not undone")


def test_who_wore_a_face_that_was_taken_away_is_said_to_be_covered(page: WebDriver, studio: Hosted) -> None:
    _ask(studio, "POST", "/api/settings", {"path": ["swap", "sources"], "value": []})
    name = "return document.querySelector('.mark')?.innerText"
    _until(lambda: page.execute_script(name) == "covered", "the outline does not say that the face is covered")
    assert _one(page, ".mark").get_attribute("aria-label") == "Face 1, covered: choose another"
    _until(lambda: _one(page, "#state").text == "Live, face covered", "the page does not say that the face is covered")
    assert "covered until you choose one" in _one(page, ".swap").text
    assert "own face" not in page.find_element("css selector", "body").text
    _ask(studio, "POST", "/api/settings", {"path": ["swap", "enabled"], "value": False})
    _until(lambda: page.execute_script(name) == "own face", "the outline does not say that the own face is shown")


def test_recording_and_snapshot_by_key(page: WebDriver, studio: Hosted, place: Path) -> None:
    _press(page, "r")
    _until(lambda: _all(page, ".record[aria-pressed=true]"), "the button does not say that it records")
    name = studio.state()["recording"]
    time.sleep(1)
    _press(page, "r")
    _until(lambda: _all(page, ".record[aria-pressed=false]"), "the recording does not end")
    assert (place / name).stat().st_size > 1000
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(place)})
    _press(page, "p")
    saved = _until(lambda: list(place.glob("swapcam-*.png")), "no snapshot was saved")[0]
    assert np.asarray(cv2.imread(str(saved))).shape == (360, 640, 3)


def test_everything_is_reached_by_tab_and_has_a_name(page: WebDriver) -> None:
    for tab in _all(page, "[role=tab]"):
        tab.click()
        wanted = page.execute_script(_REACHABLE)
        page.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        reached = set()
        for _ in range(len(wanted) + 10):
            _press(page, "\ue004")
            reached.add(page.switch_to.active_element.id)
        lost = [one.get_attribute("outerHTML")[:120] for one in wanted if one.id not in reached]
        assert len(lost) <= 0.02 * len(wanted), f"Tab does not reach {lost}"
        nameless = [one.get_attribute("outerHTML")[:120] for one in wanted if not one.accessible_name.strip()]
        assert not nameless


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_390_px_nothing_is_wider_than_the_page(page: WebDriver, scheme: str) -> None:
    screen(page, (390, 844))
    prefer(page, "dark" if scheme == "dark" else "light")
    for name in ("faces", "ends", "settings"):
        page.execute_script(_SHOW, name)
        assert page.execute_script(_WIDE) == [], name
        assert page.execute_script("return document.scrollingElement.scrollWidth") == 390
    page.execute_script("document.getElementById('tab-faces').click(); document.querySelector('.gallery .add').click()")
    _until(lambda: _all(page, "dialog"), "no dialog")
    assert page.execute_script(_NARROW)


def test_the_page_takes_up_again_when_the_studio_is_back(page: WebDriver, studio: Hosted, shared: Shared) -> None:
    studio.process.terminate()
    _until(lambda: _one(page, "#state").text == "No connection", "the page does not notice that the studio is gone")
    assert "does not answer" in _one(page, ".empty").text
    studio.process.wait(30)
    shared.begin()
    _until(lambda: _live(page), "the page did not come back")
    before = _picture(page)
    _until(lambda: np.abs(_picture(page).astype(int) - before).mean() > 1, "the preview stands still")
    assert _one(page, "#state").text == "Live"
    page.execute_script("document.querySelector('#actions .outlined').click()")
    _until(lambda: "Nothing is running" in _one(page, ".empty").text, "Stop does not stop it")
    page.execute_script("document.querySelector('.empty .primary').click()")
    _until(lambda: _live(page), "Start does not start it")
