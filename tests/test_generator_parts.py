"""The generator's parts: what steadies it, what its alpha means, and the networks in their files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from generators import CPU, colours, encoder, generator, somebody, weights
from numpy.typing import NDArray

from models.generator.correct import correct, kept
from models.generator.network import Reader, Refiner
from models.generator.shipped import ENCODER, GENERATOR, check, shipped
from models.generator.steady import Steady
from models.network import NetworkError
from models.portrait import Portrait
from models.rewrite.prepare import prepare
from models.session import Session

Floats = NDArray[np.float32]


def flat(level: float) -> Floats:
    return np.full((128, 128, 3), level, np.float32)


def test_a_small_step_is_followed_slowly() -> None:
    """By exp(-t / 0.15 s), whatever the frame rate is."""
    for rate in (15, 30, 60):
        steady = Steady()
        steady(flat(100), flat(100), 0.0)
        shown = [float(steady(flat(104), flat(100), index / rate).mean()) for index in range(1, rate)]
        times = np.arange(1, rate) / rate
        np.testing.assert_allclose(shown, 4 * (1 - np.exp(-times / 0.15)), atol=0.01)


def test_flicker_is_held_back() -> None:
    steady, random = Steady(), np.random.default_rng(0)
    noise = random.normal(0, 2, 90)
    shown = [float(steady(flat(100 + more), flat(90), index / 30).mean()) for index, more in enumerate(noise)]
    assert np.std(np.diff(shown[10:])) < 0.25 * np.std(np.diff(noise[10:]))
    assert np.mean(shown[30:]) == pytest.approx(10, abs=0.7)


def test_another_light_is_followed_at_once() -> None:
    steady = Steady()
    for index in range(5):
        steady(flat(60), flat(60), index / 30)
    assert steady(flat(100), flat(60), 5 / 30).mean() == pytest.approx(40, abs=0.01)


def test_what_the_guide_does_late_does_not_show() -> None:
    """A lamp goes on: the network sees it at once, the guide within half a second; the face that is shown stays as it is."""
    steady = Steady()
    steady(flat(60), flat(60), 0.0)
    for index in range(1, 30):
        guide = 100 - 40 * np.exp(-index / 6)
        assert (flat(guide) + steady(flat(100), flat(guide), index / 30)).mean() == pytest.approx(100, abs=0.01)


def test_what_happens_before_the_camera_is_shown_at_once() -> None:
    """Guide and face change together by little, as a mouth that opens: no ghost of the old one is left."""
    steady = Steady()
    for index in range(12):
        level = 100 + 4 * (index % 2)
        assert np.abs(steady(flat(level + 10), flat(level), index / 30) - 10).max() < 1e-3


def test_fine_detail_is_not_held_back() -> None:
    steady = Steady()
    steady(flat(100), flat(100), 0.0)
    lines = flat(100) + np.where(np.arange(128) % 2, 3, -3)[:, None]
    np.testing.assert_allclose(steady(lines.astype(np.float32), flat(100), 1 / 30), lines - 100, atol=1e-3)


@pytest.mark.parametrize("time", [3.0, -1.0])
def test_after_a_gap_everything_begins_anew(time: float) -> None:
    steady = Steady()
    steady(flat(100), flat(100), 0.0)
    np.testing.assert_allclose(steady(flat(103), flat(100), time), 3, atol=1e-3)


def test_alpha_says_how_much_of_the_drawing_stays() -> None:
    mask = np.array([[0, 0.2, 0.5, 0.9, 1, 1, 0]], np.float32)
    alpha = np.array([[0, 0.9, 0.5, 0, 0.95, 0.5, 0]], np.float32)
    np.testing.assert_allclose(kept(alpha, mask), [[1, 1, 1, 0, 1, ((0.6 / 1.1) - 0.1) / 0.8, 1]], atol=0.002)
    # The rim of a mask is soft: an alpha that is a little harder there takes next to nothing away.
    assert kept(np.float32([[0.04]]), np.float32([[0.1]]))[0, 0] > 0.7


def test_deep_inside_a_sure_mask_alpha_has_no_say() -> None:
    mask = np.zeros((128, 128), np.float32)
    mask[30:100, 30:100] = 1
    # Something lies before the face.
    mask[60:64, 60:64] = 0.9
    shown = kept(np.zeros_like(mask), mask)
    assert (shown[36:50, 36:94] == 1).all()
    assert (shown[30:31, 30:100] == 0).all()
    assert (shown[60:64, 60:64] == 0).all()


def test_what_was_never_drawn_stays_black() -> None:
    picture, mask = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), np.uint8)
    picture[10:30, 10:30], mask[12:28, 12:28] = 100, 255
    added = np.dstack([flat(7), np.ones((128, 128), np.float32)])
    correct(picture, mask, added, np.array([[3.2, 0, 0], [0, 3.2, 0]]), 1.0)
    assert (picture[10:30, 10:30] == 107).all()
    assert picture.astype(int).sum() == 400 * 3 * 107


@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0, 3.0])
def test_a_correction_is_the_same_at_every_size(scale: float) -> None:
    """A ramp over the crop is that ramp in the patch, whatever its size, also turned."""
    y, x = np.mgrid[0:128, 0:128].astype(np.float32)
    added = np.dstack([0.5 * x, 0.25 * y, 32 - 0.2 * x, 0.004 * x + 0.25])
    turn = cv2.getRotationMatrix2D((0, 0), 20, 1 / scale)
    side = max(4, round(70 * scale))
    turn[:, 2] = 64 - turn[:, :2] @ [side / 2, side / 2]
    picture, mask = np.full((side, side, 3), 90, np.uint8), np.full((side, side), 200, np.uint8)
    v, u = np.mgrid[0:side, 0:side]
    cx, cy = (turn @ [u.ravel(), v.ravel(), np.ones(u.size)]).reshape(2, side, side)
    correct(picture, mask, added.astype(np.float32), turn, 1.0)
    wanted = np.dstack([90 + 0.5 * cx, 90 + 0.25 * cy, 122 - 0.2 * cx, 200 * (0.004 * cx + 0.25)])
    assert np.abs(np.dstack([picture, mask]) - wanted).max() < 0.8


def portrait(bgr: tuple[int, int, int]) -> Portrait:
    return Portrait(np.full((512, 512, 3), bgr, np.uint8), np.zeros((478, 3), np.float32))


def test_who_a_source_is_is_the_mean_direction_of_its_portraits(tmp_path: Path) -> None:
    session = Session(encoder(tmp_path / "e.onnx"), CPU)
    read, matrix = Reader(session), np.random.default_rng(7).normal(size=(3, 128)).astype(np.float32)
    shown = [(10, 90, 200), (200, 20, 40)]
    # Red comes first.
    vectors = [np.array(bgr[::-1]) / 255 @ matrix for bgr in shown]
    mean = sum(vector / np.linalg.norm(vector) for vector in vectors)
    found = read([portrait(bgr) for bgr in shown])
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-5)
    assert (found.dtype, found.shape) == (np.float32, (128,))
    with pytest.raises(ValueError, match="no portrait"):
        read([])
    session.close()


def test_an_encoder_that_gives_no_number_is_refused(tmp_path: Path) -> None:
    session = Session(encoder(tmp_path / "e.onnx", spoiled=True), CPU)
    with pytest.raises(ValueError, match="not finite"):
        Reader(session)([portrait((10, 90, 200))])
    session.close()


def test_what_depends_on_the_identity_alone_runs_once_for_a_source(tmp_path: Path) -> None:
    """Cut and whole give the same face; the part in front of the cut is not run again."""
    path = generator(tmp_path / "g.onnx", coloured=True)
    cut = prepare(path, CPU, source="identity", memory=0)
    assert cut.half is not None
    whole, network, half = (Session(model, CPU) for model in (path, cut.network, cut.half))
    assert "identity" not in [port.name for port in network.inputs]
    view = np.random.default_rng(0).random((1, 7, 128, 128)).astype(np.float32)
    shown = []
    for refiner in (Refiner(whole), Refiner(network, half)):
        sources = [refiner.source(somebody(seed)) for seed in (0, 1)]
        for source in sources:
            face, alpha = refiner(view, source)
            shown.append((face.copy(), alpha.copy()))
    for one, other in zip(shown[:2], shown[2:], strict=True):
        np.testing.assert_allclose(one[0], other[0], atol=1e-5)
        np.testing.assert_allclose(one[1], other[1], atol=1e-5)
    np.testing.assert_allclose((shown[0][0] - view[0, 3:6]).mean(axis=(1, 2)), somebody(0) @ colours(), atol=1e-5)
    for session in (whole, network, half):
        session.close()


def test_the_package_says_that_its_weights_are_missing(tmp_path: Path) -> None:
    wanted = r"^engine neural: its weights are not in this installation; there is no generator\.onnx in .*--engine mesh\.$"
    with pytest.raises(NetworkError, match=wanted), shipped(CPU, folder=tmp_path):
        pass


def test_another_version_of_the_weights_is_refused_with_got_and_expected(tmp_path: Path) -> None:
    weights(tmp_path, alpha="mask")
    wanted = r"another version: got .*mask \(1, 1, 128, 128\) float32.*expected .*alpha \(1, 1, 128, 128\) float32"
    with pytest.raises(NetworkError, match=wanted), shipped(CPU, folder=tmp_path):
        pass
    generator(weights(tmp_path) / ENCODER)
    with pytest.raises(NetworkError, match="expected portrait"), shipped(CPU, folder=tmp_path):
        pass


@pytest.mark.parametrize("name", [GENERATOR, ENCODER])
@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", b"\x08\x08garbage" * 50, None])
def test_damaged_weights_are_to_be_installed_again(tmp_path: Path, name: str, content: bytes | None) -> None:
    """There is nowhere to fetch them from."""
    path = weights(tmp_path) / name
    path.write_bytes(path.read_bytes()[:-400] if content is None else content)
    with pytest.raises(NetworkError, match=rf"{name} is damaged.*\. Install swapcam again") as caught, shipped(CPU, folder=tmp_path):
        pass
    assert "fetch" not in str(caught.value)
    with pytest.raises(NetworkError, match="Install swapcam again"):
        check(tmp_path)


@pytest.mark.parametrize("rewrite", [True, False])
def test_files_that_changed_places_are_of_another_version(tmp_path: Path, rewrite: bool) -> None:
    encoder(generator(tmp_path / ENCODER).parent / GENERATOR)
    wanted = rf"{GENERATOR} is of another version: got the inputs portrait, expected identity among them; install swapcam again\.$"
    with pytest.raises(NetworkError, match=wanted), shipped(CPU, rewrite, tmp_path):
        pass


@pytest.mark.parametrize("rewrite", [True, False])
def test_the_weights_of_a_folder_are_opened_and_closed(tmp_path: Path, rewrite: bool) -> None:
    with shipped(CPU, rewrite, weights(tmp_path, gains=(0.5, 0.5, 0.5))) as found:
        who = found.read([portrait((10, 90, 200))])
        view = np.full((1, 7, 128, 128), 0.6, np.float32)
        source = found.refine.source(who)
        face, alpha = found.refine(view, source)
        assert face.mean() == pytest.approx(0.3)
        assert alpha.mean() == pytest.approx(0.6)
        assert found.variant == "CPU"
    with pytest.raises(NetworkError, match="closed"):
        found.refine(view, source)
