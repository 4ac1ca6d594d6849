"""The command line: what it prints, how it ends, and how fast it answers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from realtime.cli import app
from realtime.keys import HELP
from realtime.portraits import portrait

_ROOT = Path(__file__).resolve().parents[1]
_SMALL = ["--set", "input.width=320", "--set", "input.height=240"]


def _run(*arguments: str) -> tuple[int, str]:
    """Exit status and everything printed."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def _start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "realtime", *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=_hear if os.name == "posix" else None,
    )  # fmt: skip


def _hear() -> None:
    """In the child: tests that run in the background or under nohup would pass on that signals are ignored."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def test_help_and_version_import_nothing_heavy() -> None:
    heavy = {"numpy", "cv2", "mediapipe", "numba", "pydantic", "scipy"}
    code = f"import sys, realtime.cli; print(sorted({heavy} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    assert _run("--version")[0] == 0
    status, text = _run("--help")
    assert status == 0
    for command in ("run", "enrol", "identities", "demo", "doctor", "cameras"):
        assert re.search(rf"\b{command}\b", text)


def test_every_command_explains_itself() -> None:
    for command in ("run", "enrol", "identities", "demo", "doctor", "cameras"):
        status, text = _run(command, "--help")
        assert status == 0, text
    status, text = _run()
    assert "Usage" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "animated:"], "Whose face? Give --source with a photo or a name. Nobody is enrolled yet"),
        (["--source", "anna"], "anna"),
        (["--source", "missing.jpg"], "missing.jpg"),
        (["--source", "{hopper}", "--input", "missing.mp4", "--output", "none"], "missing.mp4"),
        (["--source", "{hopper}", "--input", "camera:99", "--output", "none"], "camera"),
        (["--source", "{hopper}", "--output", "windw"], 'Did you mean "window"'),
        (["--source", "{hopper}", "--quality", "fats"], '--quality: quality is "fats"'),
        (["--source", "{hopper}", "--set", "blend.semm=1"], 'did you mean "seam"'),
        (["--source", "{hopper}", "--config", "missing.yaml"], "missing.yaml cannot be read"),
        (["--source", "{hopper}", "--input", "animated:", "--output", "nowhere/out.mp4"], "nowhere"),
        (["--source", "{hopper}", "--input", "animated:", "--output", "none", "--trace", "nowhere/trace.json"], "cannot be written"),
        (["--source", "{folder}"], ""),
        (["--source", "{hopper}", "--input", "missing.mp4", "--output", "none", "--trace", "trace.json"], "missing.mp4"),
        (["--source", "{hopper}", "--output", "out.mp4", "--output", "./out.mp4"], "out.mp4 is there twice among the outputs"),
        (["--source", "{hopper}", "--output", "none", "--json", "nowhere/figures.json"], "the folder nowhere does not exist"),
        (["--source", "{hopper}", "--output", "none", "--json", "{folder}"], "is a folder"),
        (["--source", "{hopper}", "--output", "none", "--trace", "a.json", "--json", "a.json"], "--json and --trace both name a.json"),
        (["--source", "{hopper}", "--output", "a.mp4", "--json", "./a.mp4"], "--json and --output both name a.mp4"),
        (["--source", "{hopper}", "--output", "none", "--input", "animated:", "--set", "input.seconds=.inf"], "a finite number"),
        (["--source", "{hopper}", "--output", "none", "--input", "camera:²"], "²"),
        (["--source", "{hopper}", "--output", "none", "--loop"], "--loop is for a clip (--input clip.mp4); the input is camera."),
        (["--source", "{hopper}", "--input", "animated:", "--realtime"], "--realtime is for a clip (--input clip.mp4); the input is ani"),
    ],
)
def test_what_the_user_can_fix_is_one_sentence_and_status_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {"hopper": str(portrait("hopper")), "folder": str(tmp_path)}
    status, text = _run("run", *(argument.format(**words) if "{" in argument else argument for argument in arguments))
    assert status == 2, text
    assert message.format(**words) in text
    assert "Traceback" not in text
    # MediaPipe's own lines apart, the last line is the sentence.
    assert text.strip().splitlines()[-1].startswith("swapcam: ")
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_were_asked_for_have_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform != "linux":
        pytest.skip("only Linux tells by its environment that there is no display")
    status, text = _run("run", "--source", str(portrait("hopper")), "--input", "animated:", "--output", "window", "--output", "none")
    assert status == 2
    assert "window" in text


def test_outputs_that_nobody_asked_for_on_the_command_line_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells by its environment that there is no display")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    settings = tmp_path / "my.yaml"
    made = tmp_path / "made.mp4"
    settings.write_text(f"outputs: [{{kind: window, mirror: true}}, {{kind: recording, path: {made}}}]\n")
    photo = str(portrait("hopper"))
    arguments = ("run", "--source", photo, "--input", photo, "--config", str(settings), "--set", "outputs.0.mirror=false")
    status, text = _run(*arguments)
    assert status == 0, text
    assert text.count("Going on without one output.") == 1
    assert "Frames   1 in" in text
    assert f"Written  {made}" in text
    there = tmp_path / "there.mp4"
    there.write_bytes(b"kept")
    settings.write_text(f"outputs: [{{kind: window, mirror: true}}, {{kind: none}}, {{kind: recording, path: {there}}}]\n")
    status, text = _run(*arguments)
    assert status == 2
    assert "exists already" in text
    assert there.read_bytes() == b"kept"


def test_figures_and_trace_replace_nothing_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "me.jpg").write_bytes(portrait("hopper").read_bytes())
    (tmp_path / "my.yaml").write_text("outputs: [{kind: none}]\n")
    arguments = ["run", "--source", "~/me.jpg", "--input", "~/me.jpg", "--config", "~/my.yaml"]
    for option in ("--json", "--trace"):
        place = tmp_path / "report.json"
        place.write_text("kept")
        status, text = _run(*arguments, option, "~/report.json")
        assert status == 2
        assert "--overwrite" in text
        assert place.read_text() == "kept"
        assert _run(*arguments, option, "~/report.json", "--overwrite")[0] == 0
        assert json.loads(place.read_text())


def test_a_clip_becomes_a_clip_with_every_frame(tmp_path: Path) -> None:
    source, clip = tmp_path / "me.png", tmp_path / "clip.mp4"
    source.write_bytes(portrait("collins").read_bytes())
    _clip(clip, np.asarray(cv2.imread(str(portrait("hopper"))), np.uint8), 12)
    out, figures = tmp_path / "out.mp4", tmp_path / "figures.json"
    arguments = ["run", "--source", str(source), "--input", str(clip), "--output", str(out), "--json", str(figures)]
    status, text = _run(*arguments)
    assert status == 0, text
    assert "\x1b" not in text
    assert re.search(r"^Frames   12 in ", text, re.MULTILINE)
    assert f"Written  {out}" in text
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    document = json.loads(figures.read_text())
    assert document["frames"] == 12
    assert document["dropped"] == 0
    assert {"p50", "p95", "p99", "max"} == set(document["latency_ms"])
    before = out.read_bytes()
    status, text = _run(*arguments)
    assert status == 2
    assert "--overwrite" in text
    assert out.read_bytes() == before
    assert _run(*arguments, "--overwrite")[0] == 0


def _clip(path: Path, image: NDArray[np.uint8], frames: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_within_a_second_with_the_file_closed_and_a_summary(tmp_path: Path, number: int) -> None:
    arguments = ["run", "--source", str(portrait("collins")), "--input", "animated:", "--output", "out.mp4", *_SMALL]
    process = _start(*arguments, folder=tmp_path)
    try:
        while process.poll() is None and not list(tmp_path.glob("out.part*.mp4")):
            time.sleep(0.05)
        time.sleep(1.5)
        process.send_signal(number)
        begin = time.perf_counter()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert time.perf_counter() - begin < 3, "a second, and what a busy machine adds"
    finally:
        process.kill()
    assert "Traceback" not in err
    assert "Latency" in out
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this platform has no SIGHUP")
def test_signals_change_a_running_loop(tmp_path: Path) -> None:
    settings = tmp_path / "my.yaml"
    settings.write_text("overlay: {label: first}\n")
    arguments = ["run", "--source", str(portrait("collins")), "--input", "animated:", "--output", "out.mp4", "--config", "my.yaml", *_SMALL]
    process = _start(*arguments, folder=tmp_path)
    try:
        while process.poll() is None and not list(tmp_path.glob("out.part*.mp4")):
            time.sleep(0.05)
        time.sleep(1)
        for text in ("overlay: {label: none}\n", "overlay: {lable: none}\n"):
            settings.write_text(text)
            process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert err.count("The label is off") == 1
    assert "The settings were read again." in err
    assert 'my.yaml line 1: unknown key "lable" in overlay; did you mean "label"?' in err


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this platform has no pseudo terminals")
def test_closing_the_terminal_ends_the_loop_with_the_file_closed(tmp_path: Path) -> None:
    import fcntl
    import termios

    def begin() -> None:
        _hear()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    terminal, end = os.openpty()
    command = [sys.executable, "-m", "realtime", "run", "--source", str(portrait("collins")), "--input", "animated:"]
    command += ["--set", "input.realtime=false", "--output", "out.mp4", "--json", "figures.json", *_SMALL]
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "TERM": "xterm"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=end, stdout=end, stderr=end, start_new_session=True, preexec_fn=begin,
    )  # fmt: skip
    os.close(end)
    try:
        while process.poll() is None and not list(tmp_path.glob("out.part*.mp4")):
            time.sleep(0.05)
        time.sleep(1.5)
        os.close(terminal)
        process.wait(timeout=60)
    finally:
        process.kill()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "out.mp4"]
    assert json.loads((tmp_path / "figures.json").read_text())["frames"] > 5
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5
    assert process.returncode == 0


def test_the_help_names_every_key() -> None:
    text = " ".join(_run("run", "--help")[1].split())
    for key, meaning in HELP.items():
        assert f"{key} {meaning}" in text


def test_doctor_and_cameras_answer() -> None:
    status, text = _run("doctor")
    assert status == 0, text
    assert "Python" in text
    assert "MediaPipe" in text
    assert _run("cameras")[0] == 0


def test_enrolling_asks_for_consent_and_keeps_the_face_under_its_name(tmp_path: Path) -> None:
    photo = str(portrait("collins"))
    status, text = _run("enrol", "anna", photo)
    assert status == 2
    assert "--i-have-consent" in text
    assert "Nobody is enrolled yet" in _run("identities")[1]
    status, text = _run("enrol", "anna", photo, "--i-have-consent")
    assert status == 0, text
    assert "anna is enrolled" in text
    assert re.search(r"^anna +agreed \d{4}-\d\d-\d\d, 1 photo$", _run("identities")[1], re.MULTILINE)
    status, text = _run("enrol", "anna", photo, "--i-have-consent")
    assert status == 2
    assert "--overwrite" in text
    assert _run("enrol", "anna", photo, "--i-have-consent", "--overwrite")[0] == 0
    status, text = _run("run", "--input", "animated:", "--output", "none")
    assert status == 2
    assert "Enrolled: anna." in text
    assert _run("run", "--source", "anna", "--input", photo, "--output", "none")[0] == 0
    assert _run("identities", "--remove", "anna")[0] == 0
    assert _run("identities", "--remove", "anna")[0] == 2


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this platform has no pseudo terminals")
@pytest.mark.parametrize(("answer", "status"), [(b"n\n", 2), (b"y\n", 0)])
def test_consent_is_asked_on_a_terminal(tmp_path: Path, answer: bytes, status: int) -> None:
    terminal, end = os.openpty()
    os.write(terminal, answer)
    command = [sys.executable, "-m", "realtime", "enrol", "anna", str(portrait("collins"))]
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    try:
        result = subprocess.run(command, cwd=tmp_path, env=environment, stdin=end, capture_output=True, text=True, check=False)
    finally:
        os.close(terminal)
        os.close(end)
    assert result.returncode == status, result.stderr
    assert "Has this person agreed" in result.stdout
    assert bool(_run("identities")[1].startswith("anna")) == (status == 0)


def test_a_photo_without_a_face_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((400, 400, 3), 128, np.uint8))
    status, text = _run("enrol", "anna", str(portrait("collins")), str(tmp_path / "grey.png"), "--i-have-consent")
    assert status == 2
    assert "grey.png" in text
    assert "no face" in text


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3)])
def test_tiny_pictures_pass_through(tmp_path: Path, size: tuple[int, int]) -> None:
    cv2.imwrite(str(tmp_path / "tiny.png"), np.full((*size, 3), 128, np.uint8))
    status, text = _run("run", "--source", str(portrait("collins")), "--input", str(tmp_path / "tiny.png"), "--output", "none")
    assert status == 0, text
    assert "Frames   1 in" in text


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("reached", ["realtime.keys", "typer", "realtime.cli", "models.mesh.engine", "models.puppet.puppet"])
def test_ctrl_c_before_the_loop_ends_with_130_and_no_traceback(tmp_path: Path, reached: str) -> None:
    # Python says what it has imported, so that the signal comes there however slow the machine is.
    command = [sys.executable, "-X", "importtime", "-m", "realtime", "run", "--source", str(portrait("collins")), "--input", "animated:"]
    process = subprocess.Popen(
        [*command, "--output", "out.mp4"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(_ROOT)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, preexec_fn=_hear,
    )  # fmt: skip
    assert process.stderr is not None
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        seen = any(line.rpartition("|")[2].strip() == reached for line in process.stderr)
        process.send_signal(signal.SIGINT)
        err = process.communicate()[1]
    finally:
        guard.cancel()
        process.kill()
    assert seen, "it was never imported"
    assert "Traceback" not in err, err
    # Whenever it comes: before the loop it is an interruption, which shells call 130 in both of its forms, in the loop the normal end.
    assert process.returncode in (0, 130, -signal.SIGINT), err
    assert not list(tmp_path.glob("*.part*"))
