"""Models that settings name, opened by name or file and taken through the real loop."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx_making
import onnx_seeing
import pytest
from numpy.typing import NDArray

from models.detector import Detections, Detector
from models.network import NetworkError
from realtime.build import build
from realtime.config import AnimatedInput, DetectSettings, ModelSettings, NoOutput, Settings, SwapSettings
from realtime.equipment import equip
from realtime.frame import Frame, Image, RealtimeError
from realtime.networks import Spared
from realtime.people import identities
from realtime.portraits import portrait

_SIGNED = ((127.5 / 255,) * 3, (127.5 / 255,) * 3)


@pytest.fixture
def swapper(tmp_path: Path) -> Path:
    """A network of hyperswap's signature that gives its input tinted by the source."""
    swap = onnx_making.Swap(256, target=_SIGNED, result=_SIGNED, mask=True, mixed=False)
    return onnx_making.swapper(tmp_path / "hyperswap_own.onnx", swap)


@pytest.fixture
def recogniser(tmp_path: Path) -> Path:
    return onnx_seeing.recogniser(tmp_path / "recogniser.onnx")


def _settings(swapper: Path, recogniser: Path, more: dict[str, object] | None = None) -> Settings:
    chosen = {"sources": (str(portrait("collins")),), "engine": str(swapper), "recogniser": str(recogniser)} | (more or {})
    swap = SwapSettings.model_validate(chosen)
    moving = AnimatedInput(path=str(portrait("hopper")), width=640, height=360, seconds=0.5, realtime=False)
    return Settings(input=moving, outputs=(NoOutput(),), swap=swap)


def _run(settings: Settings) -> list[Frame]:
    """Every finished frame."""
    frames: list[Frame] = []
    with build(settings, around=(lambda frame: frame, lambda frame: frames.append(frame) or frame)) as loop:
        loop.run()
    return frames


def test_an_onnx_swapper_runs_in_the_loop(swapper: Path, recogniser: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        frames = _run(_settings(swapper, recogniser, {"light": 0.0}))
    assert [face.patch is not None for frame in frames for face in frame.faces] == [True] * 15
    assert "hyperswap_own runs on CPU" in caplog.text


@pytest.mark.parametrize("rewrite", [True, False])
def test_a_swapper_with_its_own_matrix_runs_cut_and_whole(
    recogniser: Path, tmp_path: Path, rewrite: bool, caplog: pytest.LogCaptureFixture
) -> None:
    emap = np.random.default_rng(1).normal(0, 0.05, (512, 512)).astype(np.float32)
    model = onnx_making.swapper(tmp_path / "mine.onnx", onnx_making.Swap(128, emap=emap))
    settings = _settings(model, recogniser).model_copy(update={"models": ModelSettings(rewrite=rewrite)})
    with caplog.at_level(logging.WARNING):
        frames = _run(settings)
    assert all(face.patch is not None for frame in frames for face in frame.faces)
    assert not caplog.records


def test_masks_enhancer_points_and_detector_join_in(swapper: Path, recogniser: Path, tmp_path: Path) -> None:
    mask = onnx_making.mask(tmp_path / "xseg.onnx", "xseg")
    enhancer = onnx_making.enhancer(tmp_path / "gfpgan.onnx", 512)
    settings = _settings(swapper, recogniser, {"masks": (str(mask),), "enhancer": str(enhancer), "boost": 2})
    frames = _run(settings)
    assert all(face.patch is not None for frame in frames for face in frame.faces)


def test_a_face_inside_the_model_needs_no_source(tmp_path: Path) -> None:
    whole = np.ones((224, 224), np.float32)
    model = onnx_making.dfm(tmp_path / "somebody.dfm", 224, (whole, whole))
    moving = AnimatedInput(path=str(portrait("hopper")), width=640, height=360, seconds=0.3, realtime=False)
    settings = Settings(input=moving, outputs=(NoOutput(),), swap=SwapSettings(engine=str(model)))
    assert all(face.patch is not None for frame in _run(settings) for face in frame.faces)
    given = settings.model_copy(update={"swap": SwapSettings(engine=str(model), sources=("anna",))})
    with pytest.raises(RealtimeError, match="brings its own face"), build(given):
        pass


def test_somebody_enrolled_before_portraits_were_kept_is_asked_for_again(swapper: Path, recogniser: Path) -> None:
    with ExitStack() as parts:
        settings = _settings(swapper, recogniser)
        made = next(iter(equip(settings, parts).sources.values()))
    assert made is not None
    identities.save(identities.Identity("ada", made.atlas, identities.Consent.now(), ()))
    settings = settings.model_copy(update={"swap": settings.swap.model_copy(update={"sources": ("ada",)})})
    with pytest.raises(RealtimeError, match="enrol ada again"), build(settings):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engine": "inswaper_128"}, "did you mean inswapper_128"),
        ({"engine": "inswapper_128"}, "swapcam models pull inswapper_128"),
        ({"engine": "nowhere.onnx"}, "no file"),
        ({"masks": ["inswapper_128"]}, "inswapper_128"),
        ({"recogniser": "auto"}, "arcface_w600k_r50"),
        ({"enhancer": "the swapper"}, "role swapper, expected enhancer"),
    ],
)
def test_what_cannot_be_opened_is_told_before_the_camera(swapper: Path, recogniser: Path, change: dict[str, object], message: str) -> None:
    change = {name: str(swapper) if value == "the swapper" else value for name, value in change.items()}
    with pytest.raises(RealtimeError, match=message), build(_settings(swapper, recogniser, dict(change))):
        pass


def test_a_permissive_policy_refuses_what_is_not_known_to_be(swapper: Path, recogniser: Path) -> None:
    settings = _settings(swapper, recogniser).model_copy(update={"models": ModelSettings(licence="permissive")})
    with pytest.raises(RealtimeError, match="permissive"), build(settings):
        pass


def test_a_detector_of_a_model_finds_the_faces(shared: Path) -> None:
    moving = AnimatedInput(path=str(portrait("hopper")), width=640, height=360, seconds=0.2, realtime=False)
    swap = SwapSettings(sources=(str(portrait("collins")),))
    settings = Settings(
        input=moving, outputs=(NoOutput(),), swap=swap, detect=DetectSettings(model=str(shared / "models" / "yunet_n_dynamic.onnx"))
    )
    assert all(face.patch is not None for frame in _run(settings) for face in frame.faces)


class _Dying:
    """Finds nobody twice, then cannot run any more."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: Image, looks: int | None = None) -> Detections:
        self.calls += 1
        if self.calls > 2:
            raise NetworkError("The GPU is gone.")
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 6, 2), np.float32))


def test_the_built_in_detector_takes_over(hopper: NDArray[np.uint8], detector: Detector, caplog: pytest.LogCaptureFixture) -> None:
    dying = _Dying()
    spared = Spared(dying, detector)
    assert [len(spared(hopper)) for _ in range(5)] == [0, 0, 1, 1, 1]
    assert dying.calls == 3
    assert caplog.text.count("The GPU is gone.") == 1
