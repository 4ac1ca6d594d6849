"""Overlay, Mirror and Statistics on real pictures."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.config import ImageOverlay, OverlaySettings, TextOverlay
from realtime.frame import Face, Frame, RealtimeError
from realtime.stages import overlay
from realtime.stages.guides import Guides
from realtime.stages.overlay import Mirror, Overlay, Statistics, label_off


def picture(width: int = 640, height: int = 480) -> Frame:
    """A smooth ramp, so that any paint is seen and any shift too."""
    ramp = np.linspace(40, 210, width, dtype=np.uint8)[None, :, None]
    return Frame(np.broadcast_to(ramp, (height, width, 3)).copy(), 0, 0.0)


def touched(frame: Frame, result: Frame) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what differs."""
    rows, columns = np.nonzero((frame.image != result.image).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def png(path: Path, pixels: NDArray[np.uint8]) -> str:
    assert cv2.imwrite(str(path), pixels)
    return str(path)


@pytest.mark.parametrize("corner", ["top-left", "top-right", "bottom-left", "bottom-right"])
def test_the_label_stands_in_its_corner_and_nothing_else_changes(corner: str) -> None:
    frame = picture()
    before = frame.image.copy()
    result = Overlay(OverlaySettings.model_validate({"corner": corner}))(frame)
    left, top, right, bottom = touched(frame, result)
    assert (right < 320) == corner.endswith("left")
    assert (left > 320) == corner.endswith("right")
    assert (bottom < 240) == corner.startswith("top")
    assert (top > 240) == corner.startswith("bottom")
    assert right - left < 200
    assert bottom - top < 60
    np.testing.assert_array_equal(frame.image, before)
    assert (result.index, result.time, result.faces) == (frame.index, frame.time, frame.faces)


def test_the_label_can_be_read_on_white_and_on_black() -> None:
    """Its letters differ from their plate by a contrast of 4.5 (WCAG 2.1) whatever lies below."""
    for value in (0, 255):
        frame = Frame(np.full((720, 1280, 3), value, np.uint8), 0, 0.0)
        result = Overlay(OverlaySettings())(frame).image
        left, top, right, bottom = (22, 672, 165, 702)
        plate = result[top:bottom, left:right, 0].astype(float)
        light, dark = ((np.percentile(plate, share) / 255) ** 2.2 for share in (99, 20))
        assert (light + 0.05) / (dark + 0.05) > 4.5


def test_the_size_of_the_label_is_a_part_of_the_height_of_the_frame() -> None:
    heights = []
    for size in (0.03, 0.12):
        frame = picture(1920, 1080)
        _, top, _, bottom = touched(frame, Overlay(OverlaySettings(size=size))(frame))
        heights.append(bottom - top)
    assert heights[1] == pytest.approx(4 * heights[0], rel=0.1)


@pytest.mark.parametrize("label", ["none", "None", " NONE ", "", "  "])
def test_no_label_leaves_the_frame_as_it_is(label: str) -> None:
    settings = OverlaySettings(label=label)
    frame = picture()
    assert label_off(settings)
    assert Overlay(settings)(frame) is frame


def test_a_label_is_not_off_by_default() -> None:
    assert not label_off(OverlaySettings())
    assert not label_off(OverlaySettings(label="none of this is real"))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 300), (300, 2), (16, 16), (33, 17), (160, 120), (90, 640)])
def test_the_label_fits_into_any_frame(width: int, height: int) -> None:
    frame = picture(width, height)
    result = Overlay(OverlaySettings(size=0.2, label="altered by a machine, all of it"))(frame)
    assert result.image.shape == frame.image.shape
    assert (result.image != frame.image).any()


def test_an_empty_frame_passes() -> None:
    frame = Frame(np.zeros((0, 0, 3), np.uint8), 0, 0.0)
    for stage in (Overlay(OverlaySettings()), Mirror(), Statistics(lambda: ["a"])):
        assert stage(frame).image.size == 0


def test_a_frame_whose_array_is_read_only_is_fine() -> None:
    frame = picture()
    frame.image.setflags(write=False)
    assert (Overlay(OverlaySettings())(frame).image != frame.image).any()


def test_settings_can_be_replaced_and_sizes_can_change() -> None:
    stage = Overlay(OverlaySettings())
    small, large = picture(320, 240), picture(1280, 720)
    first = stage(large)
    assert touched(small, stage(small))[2] < 320
    stage.settings = OverlaySettings(label="none")
    assert stage(large) is large
    stage.settings = OverlaySettings()
    np.testing.assert_array_equal(stage(large).image, first.image)


def test_an_image_is_blended_by_its_alpha_at_its_place(tmp_path: Path) -> None:
    logo = np.zeros((40, 80, 4), np.uint8)
    logo[:, :] = (10, 20, 250, 255)
    logo[:, 40:, 3] = 128
    logo[:20, :, 3] = 0
    settings = OverlaySettings(label="none", images=(ImageOverlay(path=png(tmp_path / "logo.png", logo), x=0.5, y=0.25, opacity=0.5),))
    frame = picture()
    result = Overlay(settings)(frame).image
    assert touched(frame, Overlay(settings)(frame)) == (320, 140, 399, 159)
    below = frame.image.astype(float)
    for column, alpha in ((330, 0.5), (390, 128 / 255 / 2)):
        expected = below[150, column] * (1 - alpha) + np.array([10, 20, 250]) * alpha
        np.testing.assert_allclose(result[150, column], expected, atol=2)


def test_an_image_is_scaled_to_a_part_of_the_width_and_clipped_at_the_edge(tmp_path: Path) -> None:
    path = png(tmp_path / "white.png", np.full((50, 100, 3), 255, np.uint8))
    frame = picture()
    scaled = Overlay(OverlaySettings(label="none", images=(ImageOverlay(path=path, width=0.5),)))(frame)
    assert touched(frame, scaled) == (0, 0, 319, 159)
    clipped = Overlay(OverlaySettings(label="none", images=(ImageOverlay(path=path, x=0.95, y=1.0 - 10 / 480),)))(frame)
    assert touched(frame, clipped) == (608, 470, 639, 479)
    outside = Overlay(OverlaySettings(label="none", images=(ImageOverlay(path=path, x=1.0, y=1.0),)))(frame)
    np.testing.assert_array_equal(outside.image, frame.image)


def test_the_colour_of_invisible_pixels_does_not_bleed_when_scaled(tmp_path: Path) -> None:
    ring = np.zeros((64, 64, 4), np.uint8)
    ring[..., :3] = (0, 255, 0)
    ring[16:48, 16:48] = (255, 255, 255, 255)
    settings = OverlaySettings(label="none", images=(ImageOverlay(path=png(tmp_path / "ring.png", ring), width=0.06),))
    frame = Frame(np.full((480, 640, 3), 255, np.uint8), 0, 0.0)
    assert Overlay(settings)(frame).image.min() >= 253


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_every_usual_kind_can_be_read(tmp_path: Path, depth: type, channels: int) -> None:
    top = np.iinfo(depth).max
    path = png(tmp_path / "a.png", np.full((8, 8, channels), top, depth))
    result = Overlay(OverlaySettings(label="none", images=(ImageOverlay(path=path),)))(picture())
    assert (result.image[:8, :8] == 255).all()


def test_a_bad_image_is_one_sentence_and_keeps_the_old_settings(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG nothing")
    empty = tmp_path / "empty.png"
    empty.touch()
    old = OverlaySettings()
    stage = Overlay(old)
    for path in (tmp_path / "missing.png", broken, empty, tmp_path):
        settings = OverlaySettings(images=(ImageOverlay(path=str(path)),))
        with pytest.raises(RealtimeError, match=path.name):
            Overlay(settings)
        with pytest.raises(RealtimeError):
            stage.settings = settings
    assert stage.settings is old


def test_texts_stand_where_they_are_told_and_never_outside() -> None:
    frame = picture()
    for x, y in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
        texts = (TextOverlay(text="Grüße", x=x, y=y, colour="#ff0000"),)
        left, top, right, bottom = touched(frame, Overlay(OverlaySettings(label="none", texts=texts))(frame))
        assert left + right == pytest.approx(2 * x * 639 + (1 - 2 * x) * (right - left), abs=8)
        assert top + bottom == pytest.approx(2 * y * 479 + (1 - 2 * y) * (bottom - top), abs=24)


def test_letters_outside_ascii_are_drawn() -> None:
    """A font without them would draw the same box for each."""
    results = []
    for text in ("Я", "Ω", "é"):
        frame = picture()
        results.append(Overlay(OverlaySettings(label="none", texts=(TextOverlay(text=text, size=0.1),)))(frame).image)
    assert (results[0] != results[1]).any()
    assert (results[1] != results[2]).any()


def test_the_clock_goes_on_and_is_drawn_only_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    letter = overlay.letter
    monkeypatch.setattr(overlay, "letter", lambda text, *rest, **more: drawn.append(text) or letter(text, *rest, **more))
    stage = Overlay(OverlaySettings(label="none", texts=(TextOverlay(text="%H:%M:%S"),)))
    frame = picture()
    begin = time.time()
    results = []
    while time.time() < begin + 1.2:
        results.append(stage(frame).image)
        time.sleep(0.05)
    assert 2 <= len(drawn) <= 3
    assert time.strftime("%H:%M", time.localtime(begin)) in drawn[0] or len(set(drawn)) > 1
    assert (results[0] != results[-1]).any()


def test_a_per_cent_sign_that_is_no_clock_code_does_no_harm() -> None:
    Overlay(OverlaySettings(label="none", texts=(TextOverlay(text="100%"), TextOverlay(text="%"))))(picture())


def test_mirror_flips_the_picture_and_drops_faces_that_would_not_fit() -> None:
    frame = picture()
    face = Face(np.array([1, 2, 30, 40], np.float32))
    result = Mirror()(Frame(frame.image, 7, 1.5, (face,)))
    np.testing.assert_array_equal(result.image, frame.image[:, ::-1])
    assert (result.index, result.time, result.faces) == (7, 1.5, ())


def test_statistics_shows_what_it_reads_now_and_then() -> None:
    asked: list[int] = []

    def read() -> list[str]:
        asked.append(1)
        return [f"{len(asked)} fps", "latency 12 ms"]

    panel = Statistics(read, interval=0.2)
    frame = picture()
    first = panel(frame)
    left, top, right, bottom = touched(frame, first)
    assert (left, top) < (30, 30)
    assert right < 400
    assert bottom < 200
    np.testing.assert_array_equal(panel(frame).image, first.image)
    assert len(asked) == 1
    time.sleep(0.25)
    assert (panel(frame).image != first.image).any()
    panel.shown = False
    assert panel(frame) is frame
    assert Statistics(list)(frame) is frame


def test_no_picture_of_the_users_hides_the_label(tmp_path: Path) -> None:
    frame = picture()
    white = png(tmp_path / "frame.png", np.full((480, 640, 4), 255, np.uint8))
    plain = Overlay(OverlaySettings(label="none", images=(ImageOverlay(path=white, width=1.0),)))(frame)
    labelled = Overlay(OverlaySettings(images=(ImageOverlay(path=white, width=1.0),)))(frame)
    left, _, right, bottom = touched(plain, labelled)
    assert right - left > 60
    assert bottom > 440


def test_guides_stand_where_screens_cut_off_and_in_no_output() -> None:
    frame = picture(1000, 500)
    assert Guides()(frame) is frame
    np.testing.assert_allclose(touched(frame, Guides("action")(frame)), (35, 17, 964, 482), atol=2)
    title = Guides("title")(frame).image
    # SMPTE RP 2046-1: 93 % and 90 % of each side.
    for column in (35, 50, 949, 964):
        assert title[250, column].min() == 255
        assert title[250, column - 1].max() == title[250, column + 1].max() == 0
    thirds = Guides("thirds")(frame).image
    assert (thirds[100, 333] == 255).all()
    assert (thirds[166, 100] == 255).all()
    assert (thirds[250, 500] == frame.image[250, 500]).all()
    for kind in ("action", "title", "thirds"):
        settings = OverlaySettings.model_validate({"guides": kind})
        np.testing.assert_array_equal(Overlay(settings)(frame).image, Overlay(OverlaySettings())(frame).image)


def test_the_overlay_over_a_transparent_picture_looks_as_if_drawn_on_what_is_below(tmp_path: Path) -> None:
    logo = np.zeros((40, 80, 4), np.uint8)
    logo[:, :] = (10, 20, 250, 128)
    path = png(tmp_path / "logo.png", logo)
    settings = OverlaySettings(
        images=(ImageOverlay(path=path, x=0.4, y=0.3), ImageOverlay(path=path, x=0.45, y=0.34)),
        texts=(TextOverlay(text="over both", x=0.42, y=0.35, size=0.1),),
    )
    frame = picture()
    nothing = np.zeros((480, 640, 4), np.uint8)
    made = Overlay(settings).over(nothing)
    assert made is nothing
    share = made[..., 3:] / 255
    composed = share * made[..., :3] + (1 - share) * frame.image
    assert np.abs(composed - Overlay(settings)(frame).image).max() <= 2.5
    assert (made[..., 3] > 0).mean() < 0.2
