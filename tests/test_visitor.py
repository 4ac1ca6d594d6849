"""A visitor's pictures: from the first one on no bare face leaves, whatever happens before the camera."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import cv2
import numpy as np
import pytest

from realtime.calls.bench import Bench, worn
from realtime.calls.visitor import Visitor, Wish
from realtime.config import BlendSettings, OverlaySettings, Settings, SwapSettings
from realtime.frame import Image, RealtimeError
from realtime.inputs import AnimatedInput
from realtime.meter import Work
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.portraits import portrait
from realtime.sources.animated import Animated

_FPS = 15.0


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with closing(Bench(Settings(), "bench")) as made:
        made.warm(Settings(), (640, 360))
        yield made


@pytest.fixture
def hopper_enrolled(detector: Any, landmarker: Any) -> None:
    identities.save(enrol("hopper", [portrait("hopper")], detector, landmarker, identities.Consent.now()))


def _visitor(bench: Bench, settings: Settings, wish: Wish) -> Visitor:
    settings = worn(settings, wish.source)
    return Visitor(settings, wish, bench.stages(settings) if wish.source else ())


def _bare(out: Image, sent: Image, face: tuple[slice, slice]) -> bool:
    """Whether that part of the picture is still the one that was sent; light alone makes nobody somebody else."""
    first, second = (cv2.GaussianBlur(picture[face], (0, 0), 2).astype(np.float32) for picture in (out, sent))
    away = np.abs(first - second).mean()
    return bool(away < 4)


@pytest.mark.usefixtures("hopper_enrolled")
@pytest.mark.parametrize("on_lost", ["blur", "pass", "hold"])
def test_no_picture_shows_the_bare_face_from_the_first_one_on(bench: Bench, on_lost: Any) -> None:
    # The owner's wishes for the own face are no word of the visitor's.
    settings = Settings(blend=BlendSettings(on_lost=on_lost), swap=SwapSettings(on_gone="show"))
    visitor = _visitor(bench, settings, Wish("hopper"))
    source = Animated(AnimatedInput(width=640, height=360, fps=_FPS, realtime=False), hide=lambda index: 20 <= index < 26)
    random = np.random.default_rng(0)
    for index in range(40):
        image = source.image(index)
        truth = source.truth(index)[0]
        low, high = truth[:, :2].min(axis=0).astype(int), truth[:, :2].max(axis=0).astype(int)
        face = np.s_[low[1] : high[1], low[0] : high[0]]
        if 30 <= index < 33:
            # So noisy that nobody is found: the face that people see is still there.
            image = np.clip(image + random.normal(0, 70, image.shape), 0, 255).astype(np.uint8)
        out = visitor(image, index / _FPS, Work())
        assert out.shape == image.shape
        # Behind the card there is no face to be seen.
        assert 20 <= index < 26 or not _bare(out, image, face), index


@pytest.mark.usefixtures("hopper_enrolled")
def test_before_anybody_was_found_the_whole_picture_is_covered_and_the_strip_is_not(bench: Bench) -> None:
    visitor = _visitor(bench, Settings(overlay=OverlaySettings(label="none")), Wish("hopper", strip=24 / 384))
    image = np.random.default_rng(1).integers(0, 255, (384, 640, 3), np.uint8)
    out = visitor(image, 0.0, Work())
    assert np.array_equal(out[:24], image[:24])
    assert out[60:340, 40:600].std() < 0.2 * image[60:340, 40:600].std()


def test_without_a_face_and_without_the_wish_to_be_seen_everything_is_covered(bench: Bench, collins: Image) -> None:
    covered = _visitor(bench, Settings(), Wish())(collins, 0.0, Work())
    assert cv2.Laplacian(covered[:400], cv2.CV_32F).std() < 0.1 * cv2.Laplacian(collins[:400], cv2.CV_32F).std()
    plain = _visitor(bench, Settings(), Wish(plain=True))(collins, 0.0, Work())
    assert np.array_equal(plain[:400], collins[:400])
    assert not np.array_equal(plain[400:], collins[400:]), "the label"


@pytest.mark.usefixtures("hopper_enrolled")
def test_new_settings_reach_a_visitor(bench: Bench, collins: Image) -> None:
    visitor = _visitor(bench, Settings(), Wish("hopper"))
    first = [visitor(collins, index / _FPS, Work()) for index in range(4)][-1]
    off = worn(Settings(overlay=OverlaySettings(label="none"), blend=BlendSettings(opacity=0.0), quality="fast"), "hopper")
    visitor.change(off)
    second = visitor(collins, 4 / _FPS, Work())
    away = np.abs(first.astype(np.int16) - second).mean(axis=2)
    assert away[-30:, :60].mean() > 5
    assert away[100:250, 180:300].mean() > 2


def test_somebody_unknown_cannot_be_worn(bench: Bench) -> None:
    with pytest.raises(RealtimeError):
        bench.stages(worn(Settings(), "nobody"))


def test_a_bench_gives_each_visitor_the_same_share(bench: Bench) -> None:
    from time import sleep

    seats = [bench.seat(lambda value: sleep(0.02), lambda error: None) for _ in range(3)]
    try:
        assert bench.rate(30.0) == 30.0
        for _ in range(30):
            for seat in seats:
                seat.put(0)
            sleep(0.05)
        sleep(0.3)
        rate = bench.rate(30.0)
        assert 5.0 <= rate < 14.0, rate
    finally:
        for seat in seats:
            bench.leave(seat)
    assert len(bench) == 0
