"""Models that settings name, opened by name or file and taken through the real loop."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_making
import onnx_seeing
import pytest
from numpy.typing import NDArray

from models.detector import Detections, Detector
from models.network import NetworkError
from models.shelf import ledger
from models.shelf.intake import add
from realtime.build import build
from realtime.config import AnimatedInput, DetectSettings, ModelSettings, NoOutput, Settings, SwapSettings
from realtime.equipment import equip
from realtime.frame import Frame, Image, RealtimeError, Stage
from realtime.people import identities
from realtime.portraits import portrait
from realtime.spared import Spared

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
    with build(settings, around=(_kept([]), _kept(frames))) as loop:
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


def test_what_is_no_number_covers_the_face_and_is_said_once(recogniser: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    graph, shape = onnx_making.Graph(), (1, 3, 256, 256)
    graph.take("target", shape)
    graph.take("source", (1, 512))
    graph.give("output", shape, graph.add("Mul", "target", graph.constant(np.float32(np.nan))))
    graph.give("mask", (1, 1, 256, 256), graph.constant(np.zeros((1, 1, 256, 256), np.float32)))
    before: list[Frame] = []
    after: list[Frame] = []
    settings = _settings(graph.save(tmp_path / "broken.onnx"), recogniser)
    with caplog.at_level(logging.WARNING), build(settings, around=(_kept(before), _kept(after))) as loop:
        loop.run()
    for one, other in zip(before, after, strict=True):
        (face,) = other.faces
        assert face.lost
        assert face.patch is None
        left, top, right, bottom = face.box.astype(int)
        # Blurred: the eyes' detail is gone, and it is a face's colours still, not black.
        there, covered = (frame.image[top:bottom, left:right].astype(float) for frame in (one, other))
        assert np.abs(np.diff(covered, axis=1)).mean() < 0.5 * np.abs(np.diff(there, axis=1)).mean()
        assert abs(covered.mean() - there.mean()) < 30
    assert len(caplog.records) == 1


def _kept(frames: list[Frame]) -> Stage:
    """A stage that keeps every frame and changes none."""

    def keep(frame: Frame) -> Frame:
        frames.append(frame)
        return frame

    return keep


def _pointer(path: Path) -> Path:
    """2d106det that sees every face's points at the same places of its crop, a little to the right and below."""
    five = np.array([[78, 90], [130, 90], [104, 113], [84, 138], [124, 138]], np.float32) / 96 - 1
    points = np.zeros((106, 2), np.float32)
    for group, point in zip(((33, 35, 39, 40), (87, 89, 93, 94), (86,), (52,), (61,)), five, strict=True):
        points[list(group)] = point
    graph = onnx_making.Graph()
    nothing = graph.add("Mul", graph.add("ReduceMean", graph.take("data", ["None", 3, 192, 192])), graph.constant(np.float32(0)))
    flat = graph.add("Reshape", nothing, graph.constant(np.array([1, 1])))
    graph.give("fc1", [1, 212], graph.add("Add", flat, graph.constant(points.reshape(1, 212))))
    return graph.save(path)


@pytest.mark.parametrize("part", ["masks", "enhancer", "boost", "points", "identity"])
def test_every_part_shows_in_the_picture(part: str, recogniser: Path, tmp_path: Path) -> None:
    """A part that was left out on the way would leave the picture as it is without it."""
    ramp = np.add.outer(np.zeros(128), 0.2 * (np.arange(128) // 16 % 2)).astype(np.float32)
    swap = onnx_making.Swap(128, emap=np.eye(512, dtype=np.float32), mixed=False, ramp=ramp)
    model = onnx_making.swapper(tmp_path / "mine.onnx", swap)
    more: dict[str, object] = {
        "masks": {"masks": (str(onnx_making.mask(tmp_path / "own_occluder.onnx", "occluder")),)},
        "enhancer": {"enhancer": str(onnx_making.enhancer(tmp_path / "gfpgan.onnx", 512, sharpen=True))},
        "boost": {"boost": 2},
        "points": {"points": str(_pointer(tmp_path / "2d106.onnx"))},
        "identity": {"identity": 1.5},
    }[part]
    moving = AnimatedInput(path=str(portrait("hopper")), width=1280, height=720, seconds=0.3, realtime=False, noise=0)
    plain, changed = (
        _run(_settings(model, recogniser, {"light": 0.0} | chosen).model_copy(update={"input": moving})) for chosen in ({}, more)
    )
    apart = [np.abs(one.image.astype(int) - other.image).max(axis=2) for one, other in zip(plain, changed, strict=True)]
    assert np.median([np.count_nonzero(each > 8) for each in apart]) > 50
    assert all(face.patch is not None for frame in changed for face in frame.faces)


@pytest.fixture
def somebody(tmp_path: Path) -> Path:
    """A network of DeepFaceLab's signature, with somebody's face in it."""
    whole = np.ones((224, 224), np.float32)
    return onnx_making.dfm(tmp_path / "somebody.dfm", 224, (whole, whole))


@pytest.mark.parametrize("place", ["a path", "the folder", "an older list"])
def test_a_face_inside_the_model_needs_that_persons_consent(
    somebody: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = str(somebody)
    if place == "the folder":
        monkeypatch.setenv("SWAPCAM_MODELS", str(tmp_path))
    if place == "an older list":
        add(somebody, agreed=lambda name: True)
        with ledger.changing() as book:
            book.entries["somebody"] = replace(book.entries["somebody"], consent="")
        engine = "somebody"
    settings = Settings(input=AnimatedInput(path=str(portrait("hopper"))), outputs=(NoOutput(),), swap=SwapSettings(engine=engine))
    refused = r"^somebody has somebody's face in it; .* consent: swapcam models add .*somebody\.dfm$"
    with pytest.raises(RealtimeError, match=refused), build(settings):
        pass


def test_a_face_inside_the_model_needs_no_source(somebody: Path) -> None:
    model = add(somebody, agreed=lambda name: True).name
    moving = AnimatedInput(path=str(portrait("hopper")), width=640, height=360, seconds=0.3, realtime=False)
    settings = Settings(input=moving, outputs=(NoOutput(),), swap=SwapSettings(engine=model))
    assert all(face.patch is not None for frame in _run(settings) for face in frame.faces)
    given = settings.model_copy(update={"swap": SwapSettings(engine=str(somebody), sources=("anna",))})
    with pytest.raises(RealtimeError, match="brings its own face"), build(given):
        pass


def test_somebody_enrolled_before_portraits_were_kept_is_asked_for_again(swapper: Path, recogniser: Path) -> None:
    with ExitStack() as parts:
        settings = _settings(swapper, recogniser)
        made = next(iter(equip(settings, parts).wardrobe.sources.values()))
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
