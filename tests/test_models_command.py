"""swapcam models: what it prints, asks, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import onnx_making as making
import pytest
from mirror import Mirror, Served, mirror, sha256
from typer.testing import CliRunner

from models import weights
from models.weights import TABLE, Weights
from realtime.cli import app

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "SWAPCAM_MODELS"):
        monkeypatch.delenv(name, raising=False)
    with mirror() as here:
        yield here


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return making.mask(tmp_path / "made.onnx", "xseg").read_bytes()


@pytest.fixture
def rows(server: Mirror, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of two masks: the hash of one is known."""
    first, second = ((server.serve(name, Served(content)),) for name in "ab")
    known = Weights("hands", "mask", "xseg", "Non-Commercial", "no", "a note", sha256(content), len(content), first)
    asked = Weights("parts", "mask", "xseg", "MIT", "yes", "other note", urls=second, needs=("hands",))
    monkeypatch.setattr(weights, "TABLE", (known, asked))


def _run(*arguments: str, input: str | None = None) -> tuple[int, str]:
    """Exit status, and everything printed without the breaks of lines."""
    result = CliRunner().invoke(app, ["models", *arguments], input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_list_shows_every_model_in_a_line(server: Mirror) -> None:
    status, text = _run("list")
    assert status == 0
    lines = {line.split()[0]: line for line in text.splitlines()}
    for row in TABLE:
        assert row.licence in lines[row.name]
        assert row.commercial in lines[row.name]
        assert "not here" in lines[row.name]
    assert lines["In"].endswith("models")
    assert server.asked == []


def test_the_list_is_filtered_and_read_by_programs() -> None:
    items = json.loads(_run("list", "--json", "--role", "swapper", "--licence", "permissive")[1])
    assert {item["name"] for item in items} == {row.name for row in TABLE if row.role == "swapper" and row.commercial == "yes"}
    assert set(items[0]) == {"name", "role", "family", "size", "licence", "commercial", "note", "state", "path"}
    assert json.loads(_run("list", "--json", "--here")[1]) == []
    assert "None is here" in _run("list", "--here")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--role", "wizard"], '--role "wizard" is unknown; expected detector, landmarks'),
        (["list", "--licence", "free"], '--licence "free" is unknown; expected any, permissive.'),
        (["pull", "inswaper_128"], "did you mean inswapper_128"),
        (["pull", "dfm"], "Nobody serves dfm"),
        (["pull", "inswapper_128", "--licence", "permissive"], "refused under models.licence: permissive"),
        (["pull", "yunet", "sface", "--sha256", "00"], "--sha256 is of one file"),
        (["pull", "yunet", "--sha256", "00"], "expected 64 hexadecimal digits"),
        (["pull", "yunet"], "accept the licence of yunet with --accept-licence"),
        (["add", "none.onnx"], "There is no file"),
        (["verify", "yunet"], "yunet is not here: swapcam models pull yunet"),
        (["remove", "yunet"], "yunet is not here"),
    ],
)
def test_what_the_user_can_fix_is_one_sentence_and_status_2(arguments: list[str], message: str, server: Mirror) -> None:
    status, text = _run(*arguments)
    assert status == 2, text
    assert message in text
    assert text.count("swapcam: ") == 1
    assert "Traceback" not in text


def test_a_model_is_pulled_verified_and_removed(rows: None, home: Path, content: bytes) -> None:
    status, text = _run("pull", "hands", "--accept-licence")
    assert status == 0
    assert "hands: a note.  Its licence is Non-Commercial; it forbids commercial use." in text
    assert f"hands is here: {home / 'models' / 'hands.onnx'}" in text
    assert _run("verify") == (0, f"ok       hands: {home / 'models' / 'hands.onnx'}\n")
    (home / "models" / "hands.onnx").write_bytes(b"x" + content[1:])
    status, text = _run("verify")
    assert status == 1
    assert text.startswith("changed  hands: ")
    assert sha256(content) in text
    assert sha256(b"x" + content[1:]) in text
    (home / "models" / "hands.onnx").unlink()
    status, text = _run("verify", "hands")
    assert (status, text[:7]) == (1, "missing")
    assert _run("remove", "hands")[0] == 0
    assert "No model is here" in _run("verify")[1]


def test_an_unknown_hash_is_shown_and_asked_for(rows: None, home: Path, content: bytes) -> None:
    status, text = _run("pull", "parts", "--accept-licence")
    assert status == 2
    assert "parts is unverified: nobody is known to have said what its sha256 is." in text
    assert f"swapcam models pull parts --sha256 {sha256(content)}" in text
    assert json.loads(_run("list", "--json")[1])[1]["state"] == "part"
    status, text = _run("pull", "parts", "--trust")
    assert status == 0
    assert "It does nothing without hands: swapcam models pull hands" in text
    assert json.loads(_run("list", "--json")[1])[1]["state"] == "unverified"


def test_questions_are_answered_on_a_terminal(rows: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.shelf._asked", lambda: True)
    status, text = _run("pull", "hands", input="n\n")
    assert status == 2
    assert "Do you accept this licence? [y/N]: n" in text
    assert "hands was not pulled, because its licence (Non-Commercial) was not accepted." in text
    assert _run("pull", "hands", input="y\n")[0] == 0
    status, text = _run("pull", "parts", input="y\ny\n")
    assert status == 0
    assert "Do you trust it? [y/N]: y" in text


def test_a_file_is_added_under_a_name(home: Path, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(content)
    status, text = _run("add", str(tmp_path / "mine.onnx"), "--name", "my_mask", "--licence", "MIT")
    assert status == 0
    assert f"my_mask: mask, family xseg, sha256 {sha256(content)}, licence MIT" in text
    assert "my_mask" in _run("list", "--here", "--licence", "permissive")[1]
    status, text = _run("remove", "my_mask")
    assert text == f"{home / 'models' / 'my_mask.onnx'} is deleted.\n"
    status, text = _run("add", str(tmp_path / "mine.onnx"), "--link")
    assert _run("remove", "mine")[1] == "mine is forgotten; its file was left where it is.\n"
    assert (tmp_path / "mine.onnx").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_ctrl_c_leaves_a_part_to_go_on_with(home: Path, server: Mirror) -> None:
    url = server.serve("slow", Served(bytes(5_000_000), block=50_000, pause=0.05))
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from models import weights\n"
        f"weights.TABLE = (weights.Weights('slow', 'mask', 'xseg', 'MIT', 'yes', 'a note', urls=('{url}',)),)\n"
        "from realtime.cli import main\n"
        "main()\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code, "models", "pull", "slow", "--accept-licence"],
        cwd=_ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    part = home / "models" / "slow.onnx.part"
    end = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > 100_000) and time.monotonic() < end:
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "Traceback" not in errors
    assert 100_000 < part.stat().st_size < 5_000_000


def test_help_imports_nothing_heavy() -> None:
    heavy = {"numpy", "cv2", "mediapipe", "numba", "pydantic", "onnx", "onnxruntime", "models.weights"}
    code = f"import sys, realtime.cli; print(sorted({heavy} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    status, text = _run("--help")
    assert status == 0
    for command in ("list", "pull", "add", "verify", "remove"):
        assert command in text
