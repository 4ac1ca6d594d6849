"""What the page offers where a setting names a model or a person: what is on this machine, and any other name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import onnx_making
import onnx_seeing
import pytest
from studios import Running, running

from benchmarks.browser import browser, complaints, missing, screen
from models import weights
from models.shelf.intake import add
from realtime.networks import BUILT_IN
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.people.identities import Consent
from realtime.portraits import portrait
from realtime.ports import OutputState
from realtime.studio.controls import controls
from realtime.studio.hosting import Wish
from realtime.studio.remote import _FILES, _PEOPLE
from realtime.studio.state import outputs

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

_MODELS = {"engine", "model", "masks", "points", "recogniser", "enhancer"}
_SAID = "return [...arguments[0].options].map((one) => one.disabled ? `(${one.text})` : one.text)"
_SHOW = "document.getElementById('tab-settings').click(); document.querySelectorAll('details').forEach((one) => one.open = true)"
_WIDE = "return [...document.querySelectorAll('.names, .names *')].filter((one) => one.getBoundingClientRect().right > 391).length"
_MERGE = """
const [values, done] = arguments;
import("/static/store.js").then(({ merge }) => { merge(values); done(); });
"""
_CUT = """
return [...document.querySelectorAll(".state span, .actions button:has(span)")].filter((one) => one.checkVisibility())
  .filter((one) => {
    const [outer, range] = [one.closest("button, .state").getBoundingClientRect(), document.createRange()];
    range.selectNodeContents(one);
    const inner = range.getBoundingClientRect(), room = one.matches("button") ? 4 : 0;
    return inner.right > outer.right - room || inner.left < outer.left + room;
  }).map((one) => one.textContent)
"""


def _named() -> dict[str, dict[str, Any]]:
    found = [control for section in controls() for control in section["controls"]]
    return {".".join(control["path"]): control for control in found if "names" in control}


@pytest.fixture
def shelf(home: Path, tmp_path: Path) -> Path:
    """A shelf with a detector, two masks and a file that is gone."""
    add(onnx_seeing.yunet(tmp_path / "close.onnx"), "close", licence="MIT")
    add(onnx_making.mask(tmp_path / "hands.onnx", "xseg"), "hands", licence="Non-Commercial")
    add(onnx_making.mask(tmp_path / "parts.onnx", "bisenet"), "parts")
    gone = add(onnx_making.mask(tmp_path / "gone.onnx", "xseg_nchw"), "gone")
    gone.path.unlink()
    return home


@pytest.fixture
def still(shelf: Path, tmp_path: Path) -> Iterator[Running]:
    """A studio of which the loop does not run."""
    with running(tmp_path, config=tmp_path / "config.yaml") as one:
        yield one


def test_every_setting_that_names_a_model_or_a_person_says_so() -> None:
    """What a page on another machine may set by name alone is what the page offers names for."""
    wanted = {".".join(path) for path in _paths() if set(path[1:]) & (_MODELS | _PEOPLE)}
    assert set(_named()) == wanted
    assert _MODELS < _FILES


def _paths() -> Iterator[tuple[str, ...]]:
    for section in controls():
        yield from (tuple(control["path"]) for control in section["controls"])


def test_built_in_words_are_offered_where_the_settings_take_them() -> None:
    named = _named()
    assert named["swap.engine"]["built_in"] == ["mesh", "neural"]
    for path, control in named.items():
        assert control["names"] == "people" or control["names"] in weights.ROLES, path
        if control["kind"] == "text":
            assert control["default"] in control["built_in"], path
    assert {word for control in named.values() for word in control["built_in"]} == BUILT_IN


def test_models_that_are_here_are_told_by_name_and_without_their_files(still: Running, shelf: Path) -> None:
    answer = still.client.get("/api/models")
    found = answer.json()
    assert set(found) == set(weights.ROLES)
    assert [(one["name"], one["family"], one["licence"], one["refused"]) for one in found["detector"]] == [("close", "yunet", "MIT", False)]
    assert [one["name"] for one in found["mask"]] == ["hands", "parts"], "a model whose file is gone cannot be chosen"
    assert str(shelf) not in answer.text
    assert ".onnx" not in answer.text

    assert still.client.post("/api/settings", json={"path": ["models", "licence"], "value": "permissive"}).status_code == 200
    found = still.client.get("/api/models").json()
    assert {one["name"]: one["refused"] for role in found.values() for one in role} == {"close": False, "hands": True, "parts": True}


def test_a_list_that_cannot_be_read_names_no_place(still: Running, shelf: Path) -> None:
    (shelf / "models" / "swapcam.json").write_text('{"version": 999, "models": {}, "accepted": {}}')
    answer = still.client.get("/api/models")
    assert answer.status_code == 400
    assert "swapcam models list" in answer.json()["problem"]
    assert str(shelf) not in answer.text


def test_visitors_are_told_of_no_model(shelf: Path, tmp_path: Path) -> None:
    with running(tmp_path, wish=Wish(port=0, token="a-token-for-the-tests", open=False)) as one:
        assert one.client.get("/api/models").status_code == 401
        one.client.get("/call", params={"token": one.house.access.visitor})
        assert one.client.get("/api/models").status_code == 403


@pytest.fixture(scope="module")
def chromium() -> Iterator[WebDriver]:
    if reason := missing():
        pytest.skip(reason)
    with browser() as driver:
        yield driver


@pytest.fixture
def page(chromium: WebDriver, still: Running, detector: Any, landmarker: Any) -> Iterator[WebDriver]:
    """The page with every section of the settings open; Grace is enrolled."""
    identities.save(enrol("grace", [portrait("hopper")], detector, landmarker, Consent.now()))
    screen(chromium)
    complaints(chromium)
    chromium.get(f"{still.root}/")
    _until(lambda: chromium.execute_script("return document.querySelectorAll('.names').length") == len(_named()))
    chromium.execute_script(_SHOW)
    yield chromium
    chromium.get("about:blank")


def test_an_output_that_waits_says_why_and_no_key() -> None:
    said = "rtmp://127.0.0.1:9/live/secret is not there (Connection refused); trying again until it is."
    show: Any = SimpleNamespace(outputs=lambda: [OutputState("stream", "stream", "waiting", said)])
    assert outputs(show)[0]["problem"] == said.replace("secret", "***")


def _until(done: Callable[[], Any], seconds: float = 40) -> Any:
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found


def _field(driver: WebDriver, name: str) -> WebElement:
    """The choice of a setting, by the words that a screen reader says for it."""
    found: list[WebElement] = driver.find_elements("css selector", "select.offered")
    return next(one for one in found if one.accessible_name == name)


def _options(driver: WebDriver, name: str) -> list[str]:
    said: list[str] = driver.execute_script(_SAID, _field(driver, name))
    return said


def _swap(still: Running) -> Any:
    return still.house.show.settings.swap


def test_a_model_is_chosen_by_keyboard_and_any_name_can_be_written(page: WebDriver, still: Running) -> None:
    from selenium.webdriver import ActionChains, Keys

    _until(lambda: "close (yunet, MIT)" in _options(page, "Model"))
    assert _options(page, "Model") == ["mediapipe", "close (yunet, MIT)", "Other…"]
    assert _options(page, "Engine") == ["mesh", "neural", "(no model yet: swapcam models list)", "Other…"]
    assert _options(page, "Recogniser")[0] == "auto"
    before = still.house.show.settings
    # The arrow keys walk; only what they end at is taken.
    page.execute_script("arguments[0].focus()", _field(page, "Engine"))
    ActionChains(page).send_keys(Keys.ARROW_DOWN, Keys.ENTER).perform()
    _until(lambda: _swap(still).engine == "neural")
    ActionChains(page).send_keys(Keys.ARROW_DOWN, Keys.ENTER).perform()
    active = page.switch_to.active_element
    assert active.accessible_name == "Engine: another name or file"
    assert _swap(still).engine == "neural"
    active.send_keys("mine/anna.dfm", Keys.ENTER)
    _until(lambda: _swap(still).engine == "mine/anna.dfm")
    assert _field(page, "Engine").get_attribute("value") == "mine/anna.dfm"
    _until(lambda: page.switch_to.active_element == _field(page, "Engine"))
    still.client.post("/api/undo", json={})
    still.client.post("/api/undo", json={})
    _until(lambda: _field(page, "Engine").get_attribute("value") == "mesh")
    assert still.house.show.settings == before, "a step of the arrow keys was taken for a choice"
    assert not complaints(page)


def test_lists_and_assignments_offer_who_and_what_is_there(page: WebDriver, still: Running) -> None:
    from selenium.webdriver.support.ui import Select

    _until(lambda: "hands (xseg, Non-Commercial)" in _options(page, "Add to Masks"))
    Select(_field(page, "Add to Masks")).select_by_value("parts")
    _until(lambda: _swap(still).masks == ("parts",))
    _until(lambda: not [one for one in _options(page, "Add to Masks") if one.startswith("parts")])
    assert _options(page, "Add to Sources") == ["add…", "grace", "Other…"]
    Select(_field(page, "Add to Sources")).select_by_value("grace")
    _until(lambda: _swap(still).sources == ("grace",))
    Select(_field(page, "New value of Assign")).select_by_value("grace")
    page.find_element("css selector", "[aria-label='New key of Assign']").send_keys("3")
    assert not _swap(still).assign
    page.find_element("css selector", "button[aria-label='Add to Assign']").click()
    _until(lambda: _swap(still).assign == {3: "grace"})
    page.find_element("id", "tab-ends").click()
    assert _options(page, "Add to Faces") == ["add…", "grace", "Other…"]


@pytest.mark.parametrize(("covered", "said"), [((True, False), "Live, own face shown"), ((True, True), "Live, face covered")])
def test_a_covered_face_hides_nobody_beside_it(page: WebDriver, covered: tuple[bool, ...], said: str) -> None:
    """No face is chosen for all, but one was given to somebody, who turns away; the other one's own is seen."""
    faces = [{"track": number, "box": [0.1, 0.1, 0.2, 0.2], "source": None, "covered": each} for number, each in enumerate(covered)]
    page.execute_async_script(_MERGE, {"loop": {"state": "running", "problem": ""}, "faces": faces})
    _until(lambda: page.find_element("id", "state").get_attribute("textContent").strip() == said)
    text = page.find_element("css selector", ".swap").get_attribute("textContent")
    assert ("your own face is shown" in text) != all(covered)


def test_what_the_licences_refuse_is_told_and_cannot_be_chosen(page: WebDriver, still: Running) -> None:
    still.client.post("/api/settings", json={"path": ["models", "licence"], "value": "permissive"})
    refused = "(hands (xseg, Non-Commercial, refused: permissive licences only))"
    _until(lambda: refused in _options(page, "Add to Masks"))
    screen(page, (390, 844))
    assert page.execute_script(_WIDE) == 0


def test_what_went_wrong_is_seen_on_a_phone_and_leads_to_the_cameras(page: WebDriver, still: Running) -> None:
    screen(page, (390, 844))
    words = {"failed": "There is no camera 9.", "starting": "", "running": "There is no model x."}
    for state, problem in words.items():
        page.execute_script("scrollTo(0, arguments[0])", 700 if state == "running" else 0)
        page.execute_async_script(_MERGE, {"loop": {"state": state, "problem": problem}})
        _until(lambda: page.execute_script(_CUT) == [])
        if state == "failed":
            next(one for one in page.find_elements("css selector", ".empty button") if one.text == "Camera and outputs").click()
            assert page.find_element("id", "tab-ends").get_attribute("aria-selected") == "true"
        said = [one.get_attribute("textContent") for one in page.find_elements("css selector", ".toast p")]
        assert said == ([problem] if state == "running" else []), "told twice, or where nobody looks"
    page.get(f"{still.root}/call")
    _until(lambda: page.find_elements("css selector", ".actions button"))
    assert page.execute_script(_CUT) == []
