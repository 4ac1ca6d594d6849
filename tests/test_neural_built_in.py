"""swap.engine neural through the whole loop, the demonstration and the benchmarks, with weights that are known."""

from __future__ import annotations

import importlib.util
import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generators import encoder, generator, weights
from typer.testing import CliRunner

from benchmarks.quality import judges
from benchmarks.quality.session import _models
from models.generator import shipped
from models.network import NetworkError
from models.shelf.held import hashed
from models.shelf.intake import add
from realtime.build import build
from realtime.cli import app
from realtime.config import AnimatedInput, ModelSettings, NoOutput, Settings, SwapSettings
from realtime.doctor import examine
from realtime.equipment import equip
from realtime.frame import Frame, RealtimeError
from realtime.people import identities
from realtime.portraits import portrait


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the package's weights are, none so far."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    return tmp_path


def _settings(*sources: str, engine: str = "neural", seconds: float = 0.3) -> Settings:
    moving = AnimatedInput(path=str(portrait("hopper")), width=640, height=360, seconds=seconds, realtime=False, noise=0)
    wanted = SwapSettings(sources=sources or (str(portrait("collins")),), engine=engine)
    return Settings(input=moving, outputs=(NoOutput(),), swap=wanted, models=ModelSettings(threads=1))


def _run(settings: Settings) -> list[Frame]:
    """Every finished frame."""
    frames: list[Frame] = []

    def keep(frame: Frame) -> Frame:
        frames.append(frame)
        return frame

    with build(settings, around=(lambda frame: frame, keep)) as loop:
        loop.run()
    return frames


def test_it_runs_in_the_loop_and_says_where(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights(folder, gains=(0.5, 1, 1))
    with caplog.at_level(logging.INFO):
        ours = _run(_settings())
    assert "The generator runs on CPU" in caplog.text
    plain = _run(_settings(engine="mesh"))
    assert len(ours) == len(plain) == 9
    for one, other in zip(ours, plain, strict=True):
        (mine,), (theirs,) = one.faces, other.faces
        assert mine.patch is not None
        assert theirs.patch is not None
        sure = theirs.patch.mask == 255
        shares = mine.patch.image[sure].mean(axis=0) / theirs.patch.image[sure].mean(axis=0)
        np.testing.assert_allclose(shares, (1, 1, 0.5), atol=0.03)


def test_sources_share_what_was_opened_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights(folder, coloured=True)
    opened: list[str] = []
    session = shipped.Session

    def count(model: object, runtime: object, name: str) -> object:
        opened.append(name)
        return session(model, runtime, name=name)  # type: ignore[arg-type]

    monkeypatch.setattr(shipped, "Session", count)
    with ExitStack() as parts:
        settings = _settings(str(portrait("collins")), str(portrait("hopper")))
        engines = equip(settings, parts).wardrobe.arm(settings).engines
        first, second = (engine._refine._call for engine in engines.values())  # type: ignore[attr-defined]
    assert first is second
    assert opened == ["The generator", "The generator's first half", "The identity encoder"]


def test_missing_weights_are_said_before_the_camera(folder: Path) -> None:
    with pytest.raises(RealtimeError, match="engine neural: its weights are not in this installation"), build(_settings()):
        pass
    check = next(check for check in examine() if check.name == "engines")
    assert (check.state, "without its weights" in check.text) == ("warn", True)
    weights(folder)
    check = next(check for check in examine() if check.name == "engines")
    assert check.state == "ok"
    (folder / shipped.ENCODER).write_bytes((folder / shipped.ENCODER).read_bytes()[:300])
    check = next(check for check in examine() if check.name == "engines")
    assert (check.state, "identity.onnx is damaged" in check.text) == ("warn", True)
    encoder(folder / shipped.GENERATOR)
    generator(folder / shipped.ENCODER)
    with pytest.raises(RealtimeError, match=r"of another version.*install swapcam again"), build(_settings()):
        pass


def test_somebody_enrolled_before_portraits_were_kept_is_asked_for_again(folder: Path) -> None:
    weights(folder)
    with ExitStack() as parts:
        made = next(iter(equip(_settings(engine="mesh"), parts).wardrobe.sources.values()))
    assert made is not None
    identities.save(replace(made, name="ada", consent=identities.Consent.now(), portraits=()))
    with pytest.raises(RealtimeError, match="enrol ada again with --overwrite, or use the mesh engine"), build(_settings("ada")):
        pass


def test_the_demo_wears_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["demo", "--seconds", "1", "--out", str(out), "--engine", "neural"])
    assert result.exit_code == 2
    assert "its weights are not in this installation" in " ".join(result.output.split())
    weights(folder)
    result = CliRunner().invoke(app, ["demo", "--seconds", "1", "--out", str(out), "--engine", "neural"])
    assert result.exit_code == 0, result.output
    assert (out / "swapcam-demo.mp4").stat().st_size > 1000


def test_who_taught_it_may_not_judge_it() -> None:
    package = importlib.util.find_spec("face_recognition_models")
    assert package is not None
    assert package.submodule_search_locations is not None
    file = Path(package.submodule_search_locations[0], "models", "dlib_face_recognition_resnet_model_v1.dat")
    assert judges.made_with("neural") == {hashed(file)}
    assert judges.made_with("mesh") == frozenset()
    with pytest.raises(RealtimeError, match="dlib cannot judge the engine neural, which was made with it"):
        judges.open_judges(["dlib"], ["mesh", "neural"])


def test_results_of_other_weights_are_not_taken_for_these(folder: Path) -> None:
    weights(folder)
    before = _models(_settings())
    assert [name for name, *_ in before] == ["generator.onnx", "identity.onnx"]
    weights(folder, more=np.zeros((128, 128), np.float32))
    assert _models(_settings()) != before
    assert _models(_settings(engine="mesh")) == []


def test_no_model_may_be_called_so(folder: Path) -> None:
    with pytest.raises(NetworkError, match="settings mean something built-in by it"):
        add(weights(folder) / "generator.onnx", name="neural")
