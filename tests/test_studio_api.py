"""What a page may ask the studio for, over a real connection to a real show."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from studios import STILL, Running, running

from realtime.config import OverlaySettings, PageOverlay, StreamOutput, VideoInput
from realtime.frame import RealtimeError
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.people.identities import Consent
from realtime.portraits import portrait
from realtime.studio.remote import check_remote
from realtime.studio.secrecy import hidden, restored, scrubbed

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Running]:
    """A studio of which the loop does not run."""
    with running(tmp_path, config=tmp_path / "config.yaml") as one:
        yield one


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A studio of which the loop runs."""
    with running(tmp_path_factory.mktemp("studio")) as one:
        one.house.show.start()
        one.wait()
        yield one


def _events(one: Running, names: set[str], seconds: float = 20.0) -> Iterator[tuple[str, Any]]:
    """The events of these names as a page hears them; the first thing that comes is that it listens, as ("", None)."""
    with one.client.stream("GET", "/api/events", timeout=seconds) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        yield "", None
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name in names:
                yield name, json.loads(line.removeprefix("data: "))


def _set(one: Running, path: list[str | int], value: Any) -> httpx.Response:
    return one.client.post("/api/settings", json={"path": path, "value": value})


def test_the_state_tells_everything_that_a_page_begins_with(still: Running) -> None:
    state = still.client.get("/api/state").json()
    assert state["loop"] == {"state": "stopped", "problem": ""}
    assert state["settings"]["swap"]["shape"] == 1.0
    assert state["history"] == {"undo": False, "redo": False}
    assert {section["name"] for section in state["controls"]} == set(state["settings"])
    assert state["config"] == "config.yaml"
    assert (state["presets"], state["sources"], state["outputs"], state["faces"], state["recording"]) == ([], [], [], [], None)
    assert state["call"] == {"visitors": 0, "limit": 4}
    assert state["figures"]["fps"] == 0


def test_a_setting_is_changed_undone_and_done_again(still: Running) -> None:
    answer = _set(still, ["swap", "shape"], 0.25)
    assert answer.json()["settings"]["swap"]["shape"] == 0.25
    assert answer.json()["history"] == {"undo": True, "redo": False}
    assert still.house.show.settings.swap.shape == 0.25
    back = still.client.post("/api/undo", json={}).json()
    assert (back["settings"]["swap"]["shape"], back["history"]) == (1.0, {"undo": False, "redo": True})
    assert still.client.post("/api/redo", json={}).json()["settings"]["swap"]["shape"] == 0.25


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["swap", "shape"], 7, "less than or equal to 1"),
        (["swap", "shap"], 1, 'did you mean "shape"'),
        (["nothing"], 1, "nothing"),
        (["swap", "engine"], "", "swap.engine"),
        (["outputs", 7, "kind"], "none", "outputs"),
        (["outputs"], [{"kind": "recoding", "path": "x"}], "recording"),
        ([], 1, "path"),
        (["swap"] * 9, 1, "path"),
        ("swap", 1, "path"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(still: Running, path: Any, value: Any, words: str) -> None:
    before = still.house.show.settings
    answer = _set(still, path, value)
    assert 400 <= answer.status_code < 500
    assert words in answer.json()["problem"]
    assert still.house.show.settings == before


def test_what_is_no_json_is_one_sentence(still: Running) -> None:
    answer = still.client.post("/api/settings", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["problem"]
    assert still.client.get("/api/nothing").json() == {"problem": "There is no such address here."}
    assert still.client.put("/api/state", json={}).json()["problem"]


@pytest.mark.parametrize("value", [[{"text": "\\ud800"}], [{"text": "a", "\\udfff": 1}]])
def test_half_a_letter_does_not_shut_the_state_off(still: Running, value: Any) -> None:
    body = json.dumps({"path": ["overlay", "texts"], "value": value}).replace("\\\\u", "\\u").encode()
    answer = still.client.post("/api/settings", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "half a letter" in answer.json()["problem"]
    assert still.client.get("/api/state").status_code == 200


def test_settings_are_saved_with_the_comments_of_their_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("# Mine.\nswap:\n  light: 0.5   # less\n")
    with running(tmp_path, config=path) as one:
        assert _set(one, ["swap", "light"], 0.25).status_code == 200
        assert one.client.post("/api/save", json={}).json() == {"config": "mine.yaml"}
    assert "# Mine." in path.read_text()
    assert "0.25" in path.read_text()


def test_presets_are_kept_taken_and_deleted(still: Running) -> None:
    _set(still, ["swap", "shape"], 0.5)
    assert still.client.put("/api/presets/soft").json() == {"presets": ["soft"]}
    _set(still, ["swap", "shape"], 1.0)
    assert still.client.post("/api/presets/soft", json={}).json()["settings"]["swap"]["shape"] == 0.5
    assert still.client.delete("/api/presets/soft").json() == {"presets": []}
    assert still.client.post("/api/presets/soft", json={}).status_code == 400
    for bad in ("...", ".x", "a b", "CON"):
        answer = still.client.put(f"/api/presets/{bad}")
        assert answer.status_code == 400, bad
        assert answer.json()["problem"]


def test_the_loop_starts_stops_and_is_seen(moving: Running) -> None:
    state = moving.client.get("/api/state").json()
    assert state["loop"]["state"] == "running"
    end = time.monotonic() + 20
    while not moving.client.get("/api/state").json()["faces"]:
        assert time.monotonic() < end, "nobody was found in the portrait"
    face = moving.client.get("/api/state").json()["faces"][0]
    assert face["source"] is None
    left, top, right, bottom = face["box"]
    assert 0 < left < right < 1
    assert 0 < top < bottom < 1


def test_figures_come_twice_a_second_and_news_at_once(moving: Running) -> None:
    seen: list[tuple[str, Any]] = []
    times: list[float] = []
    for name, data in _events(moving, {"figures", "settings"}):
        if not name:
            continue
        seen.append((name, data))
        if name == "figures":
            times.append(time.monotonic())
        if len(seen) == 1:
            threading.Thread(target=_set, args=(moving, ["swap", "eyes"], 0.3)).start()
        if len(times) >= 4 and any(name == "settings" for name, _ in seen):
            break
    figures = [data for name, data in seen if name == "figures"][-1]
    assert figures["fps"] > 1
    assert figures["latency"]["p50"] > 0
    assert {"outputs", "faces", "dropped", "stages", "age", "quality", "call"} <= figures.keys()
    assert {stage["name"] for stage in figures["stages"]} >= {"track", "swap", "blend"}
    news = next(data for name, data in seen if name == "settings")
    assert news["settings"]["swap"]["eyes"] == 0.3
    assert news["history"]["undo"] is True
    assert 0.25 < float(np.median(np.diff(times))) < 1.5


def test_the_log_is_heard(moving: Running) -> None:
    import logging

    for name, data in _events(moving, {"log"}):
        if not name:
            logging.getLogger("realtime.test").warning("Something at rtmp://live.example/app/secret-key happened.")
            continue
        assert data == {"level": "warning", "text": "Something at rtmp://live.example/app/*** happened."}
        break


def test_a_page_that_goes_is_forgotten(moving: Running) -> None:
    for _ in range(80):
        for _name, _data in _events(moving, {"figures"}):
            break
    assert next(_events(moving, {"figures"})) == ("", None)


def test_a_snapshot_is_a_picture_with_the_label(moving: Running) -> None:
    answer = moving.client.post("/api/snapshot", json={})
    assert answer.headers["content-type"] == "image/png"
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (180, 320, 3)
    raw = moving.house.show.monitor.latest
    assert raw is not None
    corner = np.s_[150:, :90]
    assert np.abs(image[corner].astype(int) - raw.frame.image[corner]).max() > 60, "the label"


def test_the_moving_jpeg_moves_and_carries_the_label(moving: Running) -> None:
    pictures = []
    with moving.client.stream("GET", "/source.mjpg?height=90") as answer:
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace; boundary=")
        data = b""
        for piece in answer.iter_bytes():
            data += piece
            while (begin := data.find(b"\xff\xd8")) >= 0 and (end := data.find(b"\xff\xd9", begin)) >= 0:
                pictures.append(cv2.imdecode(np.frombuffer(data[begin : end + 2], np.uint8), cv2.IMREAD_COLOR))
                data = data[end + 2 :]
            if len(pictures) > 6:
                break
    assert pictures[0].shape == (90, 160, 3)
    assert any(np.abs(one.astype(int) - pictures[0]).mean() > 0.5 for one in pictures[1:]), "it stands still"
    assert moving.client.get("/source.mjpg?height=1").status_code == 422
    assert moving.client.get("/preview.mjpg?view=nothing").status_code == 422


def test_only_so_many_may_watch(moving: Running) -> None:
    opened = []
    try:
        for _ in range(25):
            stream = moving.client.stream("GET", "/preview.mjpg?view=after&height=90")
            answer = stream.__enter__()
            opened.append(stream)
        assert answer.status_code == 503
    finally:
        for stream in opened:
            stream.__exit__(None, None, None)
    end = time.monotonic() + 10
    while True:
        with moving.client.stream("GET", "/preview.mjpg?view=after&height=90") as answer:
            if answer.status_code == 200:
                break
        assert time.monotonic() < end, "those who went are still counted"
        time.sleep(0.1)


def test_a_recording_begins_and_ends(moving: Running) -> None:
    name = moving.client.post("/api/record", json={"on": True}).json()["recording"]
    assert name.endswith((".mp4", ".mkv"))
    assert moving.client.get("/api/state").json()["recording"] == name
    time.sleep(0.7)
    answer = moving.client.post("/api/record", json={"on": False}).json()
    assert answer == {"recording": None, "file": name}
    file = moving.house.show.folder / name
    assert file.stat().st_size > 1000
    clip = cv2.VideoCapture(str(file))
    assert clip.read()[0]


def test_the_machine_is_asked_in_a_thread(moving: Running) -> None:
    """Nobody else waits while the doctor looks around."""
    done: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: done.append(httpx.get(f"{moving.root}/api/doctor", timeout=120)))
    thread.start()
    waits = []
    while thread.is_alive():
        begin = time.monotonic()
        assert moving.client.get("/api/presets/x").status_code == 405
        waits.append(time.monotonic() - begin)
        time.sleep(0.02)
    checks = done[0].json()["checks"]
    assert {"Python", "packages"} <= {check["name"] for check in checks}
    assert all(set(check) == {"name", "state", "text", "fix"} for check in checks)
    assert float(np.median(waits)) < 0.25
    assert "cameras" in moving.client.get("/api/cameras").json()


# Faces


@pytest.fixture
def hopper_enrolled(home: Path, detector: Any, landmarker: Any) -> str:
    identities.save(enrol("hopper", [portrait("hopper")], detector, landmarker, Consent.now()))
    return "hopper"


def test_a_face_is_worn_shown_and_forgotten(tmp_path: Path, hopper_enrolled: str) -> None:
    with running(tmp_path) as one:
        sources = one.client.get("/api/state").json()["sources"]
        assert sources == [{"name": "hopper", "agreed": sources[0]["agreed"], "photos": 1, "worn": False, "enrolled": True}]
        assert len(sources[0]["agreed"]) == 10
        picture = one.client.get("/api/sources/hopper/thumbnail")
        assert cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR).shape == (192, 192, 3)
        settings = one.client.post("/api/wear", json={"source": "hopper"}).json()["settings"]
        assert settings["swap"]["sources"] == ["hopper"]
        assert one.client.get("/api/state").json()["sources"][0]["worn"] is True
        assert one.client.post("/api/wear", json={"source": None}).json()["settings"]["swap"]["enabled"] is False
        assert one.client.post("/api/undo", json={}).json()["settings"]["swap"]["enabled"] is True
        dismissed: list[int] = []
        calls = one.house.studio.calls
        calls.dismiss = lambda: dismissed.append(len(identities.names()))  # type: ignore[method-assign]
        assert one.client.delete("/api/sources/hopper").status_code == 200
        # Visitors too are asked to take it off, once there is nobody of that name.
        end = time.monotonic() + 20
        while 0 not in dismissed:
            assert time.monotonic() < end
            time.sleep(0.01)
        state = one.client.get("/api/state").json()
        assert state["sources"] == []
        assert state["settings"]["swap"]["sources"] == []
        assert identities.names() == []
        assert one.client.delete("/api/sources/hopper").status_code == 400
        assert one.client.post("/api/wear", json={"source": "hopper"}).status_code == 400


def test_somebody_who_is_not_enrolled_is_not_worn(still: Running) -> None:
    for name in ("nobody", str(portrait("hopper")), "../x", ""):
        answer = still.client.post("/api/wear", json={"source": name})
        assert answer.status_code == 400, name
        assert still.house.show.settings.swap.sources == ()


def test_a_click_beside_every_face_is_told(still: Running) -> None:
    answer = still.client.post("/api/assign", json={"x": 0.5, "y": 0.5, "source": None})
    assert answer.status_code == 400
    assert "Nobody" in answer.json()["problem"]
    assert still.client.post("/api/assign", json={"x": 2, "y": 0.5, "source": None}).status_code == 422


# Secrets, files and overlay pages


def test_no_key_of_an_address_reaches_a_page(tmp_path: Path) -> None:
    url = "rtmp://me:pass-word@live.example/app/the-key"
    settings = STILL.model_copy(update={"outputs": (StreamOutput(url=url),), "input": VideoInput(path="rtsp://me:pass-word@camera.example/1")})
    with running(tmp_path, settings) as one:
        text = one.client.get("/api/state").text
        assert "the-key" not in text
        assert "pass-word" not in text
        shown = one.client.get("/api/state").json()["settings"]["outputs"]
        assert shown[0]["url"].startswith("rtmp://")
        # A page sends back what it was shown, with another bitrate.
        answer = _set(one, ["outputs"], [{**shown[0], "bitrate": 2.0}])
        assert answer.status_code == 200
        assert "the-key" not in answer.text
        kept = one.house.show.settings.outputs[0]
        assert isinstance(kept, StreamOutput)
        assert (kept.url, kept.bitrate) == (url, 2.0)
        answer = _set(one, ["outputs", 0, "bitrate"], 7000)
        assert answer.status_code == 400
        assert "the-key" not in answer.text


def test_secrets_are_hidden_and_put_back() -> None:
    data = {"a": ["srt://h:1?passphrase=word", {"b": "plain"}], "c": 3, "d": "rtmp://h/app/key"}
    shown = hidden(data)
    assert "word" not in json.dumps(shown)
    assert "app/key" not in json.dumps(shown)
    assert restored(shown, data) == data
    assert restored({"c": "new"}, data) == {"c": "new"}
    assert scrubbed("Cannot reach rtsp://me:word@h/x, because.") == "Cannot reach rtsp://***@h/x, because."


@pytest.mark.parametrize(
    "change",
    [
        {"input": {"kind": "video", "path": "/etc/passwd"}},
        {"input": {"kind": "camera", "device": "/dev/sda"}},
        {"outputs": [{"kind": "recording", "path": "/tmp/x.mp4"}]},
        {"outputs": [{"kind": "recording", "path": "..\\x.mp4"}]},
        {"outputs": [{"kind": "hls", "folder": "~/x"}]},
        {"overlay": {"images": [{"path": "/etc/passwd"}]}},
        {"overlay": {"pages": [{"path": "../secret.html"}]}},
        {"swap": {"engine": "/tmp/x.onnx"}},
        {"swap": {"masks": ["./x.onnx"]}},
        {"swap": {"sources": ["/home/me/photo.jpg"]}},
        {"swap": {"assign": {1: "photo.jpg"}}},
        {"audio": {"microphone": "/etc/passwd.wav"}},
        {"outputs": [{"kind": "hls", "folder": "http://../../tmp/x"}]},
        {"outputs": [{"kind": "recording", "path": "https://../../../tmp/x.mp4"}]},
        {"overlay": {"images": [{"path": "rtsp://../../x.png"}]}},
        {"swap": {"engine": "http://../x.onnx"}},
    ],
)
def test_from_another_machine_no_file_of_this_one_is_named(change: dict[str, Any]) -> None:
    wanted = type(STILL).model_validate(STILL.model_dump() | change)
    with pytest.raises(RealtimeError, match=r"another machine|on it"):
        check_remote(STILL, wanted)
    check_remote(wanted, wanted)


def test_from_another_machine_a_file_that_is_read_does_not_become_one_that_is_written() -> None:
    clip = type(STILL).model_validate(STILL.model_dump() | {"input": {"kind": "video", "path": "/home/me/clip.mp4"}})
    over = {"outputs": [{"kind": "recording", "path": "/home/me/clip.mp4", "overwrite": True}]}
    with pytest.raises(RealtimeError, match="on it"):
        check_remote(clip, type(STILL).model_validate(clip.model_dump() | over))
    worn = type(STILL).model_validate(STILL.model_dump() | {"swap": {"sources": ["me.jpg"], "assign": {3: "you.jpg"}}})
    check_remote(worn, type(STILL).model_validate(STILL.model_dump() | {"swap": {"sources": ["me.jpg"], "assign": {4: "you.jpg"}}}))


@pytest.mark.parametrize(
    "change",
    [
        {"overlay": {"label": "a/b"}, "swap": {"shape": 0.5}},
        {"outputs": [{"kind": "stream", "url": "rtmp://h/app/key"}]},
        {"input": {"kind": "video", "path": "rtsp://camera.example/1"}},
        {"swap": {"engine": "neural", "enhancer": "gfpgan_1.4"}},
        {"overlay": {"texts": [{"text": "%d/%m/%y"}]}},
    ],
)
def test_from_another_machine_everything_else_is_set(change: dict[str, Any]) -> None:
    check_remote(STILL, type(STILL).model_validate(STILL.model_dump() | change))


def test_an_overlay_page_is_sealed_off_and_others_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "chat.html").write_text("<p>chat")
    (tmp_path / "secret.txt").write_text("secret")
    pages = tuple(PageOverlay(path=str(tmp_path / name)) for name in ("chat.html", "secret.txt", "gone.html"))
    with running(tmp_path, STILL.model_copy(update={"overlay": OverlaySettings(pages=pages)})) as one:
        answer = one.client.get("/overlay/0")
        assert answer.text == "<p>chat"
        assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts;")
        for number in (1, 2, 3):
            answer = one.client.get(f"/overlay/{number}")
            assert answer.status_code == 404
            assert "secret" not in answer.text.replace("secret.txt", "")
            assert str(tmp_path) not in answer.text


# The command


def _studio(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "realtime", "studio", "--no-open", "--folder", str(tmp_path), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "XDG_CONFIG_HOME": str(tmp_path)}
    return subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_sigterm_ends_a_studio_that_only_begins_and_twice_does_it_too(tmp_path: Path) -> None:
    process = _studio(tmp_path, "--port", "0", "--input", "animated", "--output", "none")
    assert process.stdout is not None
    root = process.stdout.readline().split()[-1].rstrip("/")
    # Somebody who takes no byte of an endless answer, and a starter that passes the signal on twice, change nothing.
    with httpx.Client(base_url=root, timeout=60) as client, client.stream("GET", "/api/events"):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_ctrl_c_ends_everything_and_files_are_whole(tmp_path: Path) -> None:
    small = ["--input", "animated", "--set", "input.width=320", "--set", "input.height=180"]
    process = _studio(tmp_path, "--port", "0", *small, "--output", "out.mp4")
    try:
        assert process.stdout is not None
        root = process.stdout.readline().split()[-1].rstrip("/")
        with httpx.Client(base_url=root, timeout=30) as client:
            end = time.monotonic() + 120
            while (state := client.get("/api/state").json())["figures"]["frames"] < 10:
                assert time.monotonic() < end, (state["loop"], state["outputs"])
                time.sleep(0.1)
            # Pages that listen and watch keep nobody.
            with client.stream("GET", "/api/events"), client.stream("GET", "/source.mjpg"):
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    clip = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert clip.get(cv2.CAP_PROP_FRAME_COUNT) >= 5


def test_a_port_in_use_is_one_sentence_and_status_2(still: Running, tmp_path: Path) -> None:
    process = _studio(tmp_path, "--port", str(still.house.access.port), "--input", "animated")
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert errors.count("\n") == 1
    assert "is in use" in errors
