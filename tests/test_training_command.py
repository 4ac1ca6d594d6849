"""swapcam train: from two portraits to ONNX files, what it says on the way, and every mistake as one sentence."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from faces import find as look
from numpy.typing import NDArray
from photos import cut_outs, write_people
from sets import write_set
from typer.testing import CliRunner

from models.detector import Detector
from models.landmarks import Landmarker
from models.training.data import shards
from realtime.cli import app

torch = pytest.importorskip("torch")

Bytes = NDArray[np.uint8]
_ROOT = Path(__file__).resolve().parents[1]
_TINY = ("--set", "phases=[{side: 32, until: 20, batch: 2}]", "--set", "widths=[4, 8]", "--set", "threads=1", "--device", "cpu")


def _train(*arguments: object, input: str | None = None) -> tuple[int, str]:
    """Exit status, and everything printed in one line."""
    result = CliRunner().invoke(app, ["train", *map(str, arguments)], input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, hopper: Bytes, collins: Bytes, detector: Detector, landmarker: Landmarker) -> Path:
    """Three photos of each of two people, in LFW's layout."""
    people = {name: cut_outs(image, look(image, detector, landmarker), 3) for name, image in (("Grace", hopper), ("Eileen", collins))}
    return write_people(tmp_path_factory.mktemp("data"), people)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of drawn faces with an encoder that was never taught."""
    from models.training.judges import ENCODER, save_encoder
    from models.training.networks import IdentityEncoder

    folder = write_set(tmp_path_factory.mktemp("set"))
    torch.manual_seed(0)
    save_encoder(folder / ENCODER, IdentityEncoder())
    return folder


@pytest.mark.skipif(importlib.util.find_spec("face_recognition_models") is None, reason="the teacher's weights are not installed")
def test_from_photos_to_onnx(data: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "set", tmp_path / "run"
    status, text = _train("prepare", data, "--out", out, "--terms", "own photos", "--workers", 1, "--sources", 4)
    assert status == 0, text
    assert "LFW 6; terms: own photos" in text
    assert "kept 6" in text
    status, text = _train("prepare", data, "--out", out, "--workers", 1, "--sources", 4)
    assert (status, "6 photos, 0 of them new" in text) == (0, True), text

    status, text = _train("run", out, "--out", run, *_TINY)
    assert (status, f"make it with: swapcam train distil {out}" in text) == (2, True), text
    status, text = _train("distil", out, "--steps", 2)
    assert status == 0, text
    assert "mean cosine" in text

    status, text = _train("run", out, "--out", run, *_TINY)
    assert status == 0, text
    assert "step 20 of 20" in text
    assert f"Done, 20 steps. Next: swapcam train export {run}" in text
    status, text = _train("show", run)
    assert status == 0, text
    assert "Terms of the photos: own photos" in text
    assert "Saved at step 20 of 20" in text
    assert "faces_per_second" in text

    status, text = _train("export", run, "--out", tmp_path / "onnx")
    assert status == 0, text
    import onnx

    for name in ("generator.onnx", "identity.onnx"):
        properties = {entry.key: entry.value for entry in onnx.load(str(tmp_path / "onnx" / name)).metadata_props}
        assert properties["terms"] == "own photos"
        assert properties["data"] == "LFW 6"
        assert properties["faces_seen"] == "40"
        assert properties["step"] == "20"


def test_a_run_goes_on_with_its_own_settings_and_takes_changes(taught: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert _train("run", taught, "--out", run, *_TINY)[0] == 0
    status, text = _train("run", taught, "--out", run, "--set", "phases.0.until=30", "--device", "cpu")
    assert (status, "Done, 30 steps" in text) == (0, True), text
    kept = json.loads((run / "run.json").read_text())
    assert kept["settings"]["widths"] == [4, 8]
    assert kept["settings"]["phases"][0]["until"] == 30

    status, text = _train("run", taught, "--out", run, "--fresh")
    assert (status, "has a run already" in text) == (2, True), text
    status, text = _train("run", taught, "--out", run, "--set", "widths=[8, 8]", "--set", "phases.0.until=40")
    assert (status, "use its settings or another folder" in text) == (2, True), text
    assert json.loads((run / "run.json").read_text()) == kept


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for another process")
def test_ctrl_c_saves_and_says_how_to_go_on(taught: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "realtime", "train", "run", taught, "--out", run, *_TINY, "--set", "phases.0.until=100000"]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 90
    while not (run / "run.json").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong
    assert f"Go on with: swapcam train run {taught} --out {run}" in said
    assert "Saved at step" in _train("show", run)[1]
    assert (run / "checkpoint.pt").exists()


def test_folders_and_terms_that_do_not_do_are_said_in_a_sentence(tmp_path: Path, data: Path) -> None:
    status, text = _train("prepare", tmp_path / "nowhere", "--out", tmp_path / "set", "--terms", "own")
    assert (status, "does not exist; expected a folder of photos" in text) == (2, True), text
    (tmp_path / "empty").mkdir()
    status, text = _train("prepare", tmp_path / "empty", "--out", tmp_path / "set", "--terms", "own")
    assert (status, "got no photos" in text) == (2, True), text
    status, text = _train("prepare", data, "--out", tmp_path / "set")
    assert (status, '--terms, as "LFW: research use"' in text) == (2, True), text
    assert not (tmp_path / "set").exists()
    noise = tmp_path / "noise"
    noise.mkdir()
    import cv2

    assert cv2.imwrite(str(noise / "noise.png"), np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))
    (noise / "text.jpg").write_text("no picture")
    status, text = _train("prepare", noise, "--out", tmp_path / "set", "--terms", "own", "--workers", 1)
    assert status == 2
    assert "None of the 2 photos has a face to train on:" in text
    assert "no face 1" in text
    assert "cannot be read 1" in text


def test_what_is_no_set_or_no_run_is_said_in_a_sentence(taught: Path, tmp_path: Path) -> None:
    for command in ("distil", "run"):
        status, text = _train(command, tmp_path, *(("--out", tmp_path / "run") if command == "run" else ()))
        assert (status, "make them with `swapcam train prepare`" in text) == (2, True), text
    status, text = _train("show", tmp_path)
    assert (status, "neither a run nor a set" in text) == (2, True), text
    status, text = _train("show", taught)
    assert (status, "Terms of the photos: not stated" in text) == (0, True), text
    status, text = _train("export", tmp_path, "--out", tmp_path / "onnx")
    assert (status, "does not say on which set it was trained" in text) == (2, True), text
    (tmp_path / "run.json").write_text("{")
    status, text = _train("show", tmp_path)
    assert (status, "run.json: cannot be read" in text) == (2, True), text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "phses.0.until=3"), 'unknown key "phses"; did you mean "phases"?'),
        (("--set", "phases.7.until=3"), "entries, counted from 0; got 7"),
        (("--set", "phases.0.side=33"), "phases.0.side: Input should be a multiple of 16, got 33"),
        (("--set", "seed=-1"), "seed: Input should be greater than or equal to 0, got -1"),
        (("--set", "seed=5000000000"), "seed: Input should be less than"),
        (("--set", "phases.0.rate=.inf"), "phases.0.rate: Input should be a finite number, got inf"),
        (("--set", "average=.nan"), "average: Input should be a finite number, got nan"),
        (("--set", "widths=[4, 4, 4, 4, 4, 4, 4]"), "each of which halves the picture, expected sides to be multiples of 128, got 64"),
        (("--set", "widths=[1, 1, 1, 1, 1, 1, 1, 1]"), "8 widths, each of which halves the picture, expected at the most seven"),
        (("--set", "seed"), "expected key=value"),
        (("--set", "seed.more=1"), "is a single value"),
        (("--device", "tpu"), "expected auto, cpu or cuda"),
        (("--config", "nowhere.yaml"), "nowhere.yaml cannot be read"),
    ],
)
def test_settings_that_do_not_do_are_said_with_their_place(taught: Path, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    status, text = _train("run", taught, "--out", tmp_path / "run", *arguments)
    assert (status, said in text) == (2, True), text
    assert not (tmp_path / "run").exists()


def test_a_settings_file_is_read_and_its_mistakes_told(taught: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("widths: [4, 8]\nphases:\n  - {side: 32, until: 10, batch: 2}\n")
    status, text = _train("run", taught, "--out", tmp_path / "run", "--config", file, "--device", "cpu")
    assert (status, "Done, 10 steps" in text) == (0, True), text
    file.write_text("width: [4, 8]\n")
    status, text = _train("run", taught, "--out", tmp_path / "run", "--config", file)
    assert (status, "train.yaml: width: unknown key" in text) == (2, True), text
    file.write_text("seed: 1\nwidths: [4, 8]\nseed: 2\n")
    status, text = _train("run", taught, "--out", tmp_path / "run", "--config", file)
    assert (status, 'train.yaml, line 3: cannot be read as YAML (the key "seed" is there twice)' in text) == (2, True), text


def test_without_torch_the_extra_is_named(taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else known(name, *rest))
    status, text = _train("run", taught, "--out", tmp_path / "run")
    assert (status, "pip install 'swapcam[train]'" in text) == (2, True), text
    code = (
        "import sys; sys.modules['torch'] = None; from realtime.cli import app; "
        f"app(['train', 'show', {str(taught)!r}], standalone_mode=False)"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=False, capture_output=True, text=True)
    assert (shown.returncode, "Set: kept 12; 36 pairs" in shown.stdout) == (0, True), shown


def test_an_encoder_is_replaced_only_when_asked(taught: Path, tmp_path: Path) -> None:
    from models.training import kept

    folder = shutil.copytree(taught, tmp_path / "set")
    before = (folder / "encoder.pt").read_bytes()
    status, text = _train("distil", folder, "--steps", 2)
    assert (status, "replace it with --overwrite" in text) == (2, True), text
    assert (folder / "encoder.pt").read_bytes() == before
    said = np.random.default_rng(0).normal(size=(12, 128)).astype(np.float32)
    kept.write(folder / "teacher.npz", said, {"photos": shards.fingerprint(folder / "photos")})
    status, text = _train("distil", folder, "--steps", 2, "--overwrite")
    assert (status, "mean cosine" in text) == (0, True), text
    assert (folder / "encoder.pt").read_bytes() != before


def test_a_set_that_was_moved_is_asked_for(taught: Path, tmp_path: Path) -> None:
    folder, run = shutil.copytree(taught, tmp_path / "set"), tmp_path / "run"
    assert _train("run", folder, "--out", run, *_TINY)[0] == 0
    folder.rename(tmp_path / "moved")
    status, text = _train("export", run, "--out", tmp_path / "onnx")
    assert (status, f"The set {folder} is not there any more; say where it is now with --data." in text) == (2, True), text
    status, text = _train("export", run, "--out", tmp_path / "onnx", "--data", tmp_path / "moved")
    assert status == 0, text


def test_help_answers_without_torch() -> None:
    code = "import sys; from realtime.cli import app; assert not {'torch', 'numpy', 'models.training'} & set(sys.modules), 'heavy'"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=False).returncode == 0
