"""Swappers of every family, each on a network of its signature whose output is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx_making as making
import pytest
from numpy.typing import NDArray
from onnx_making import HALF, Counted, Swap

from models import align
from models.families import detectors, enhancers, masks, points, recognisers, swappers
from models.families.form import SIGNED, UNIT, Form
from models.families.sources import Embedding, Latent, Picture
from models.families.swappers import FAMILIES, Family, Swapper, open_swapper
from models.network import Network, NetworkError
from models.session import Session

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

_RNG = np.random.default_rng(1)
_EMAP = (np.eye(512) + _RNG.normal(0, 0.05, (512, 512))).astype(np.float32)
_CONVERTER = (np.eye(512) + _RNG.normal(0, 0.05, (512, 512))).astype(np.float32)
_SIGNED = (HALF, HALF)
# What shared/signatures.md says about each, once more and in its own numbers.
_SWAPS = {
    "inswapper_128": Swap(128, emap=_EMAP),
    "reswapper_256": Swap(256, emap=_EMAP),
    "instyleswapper_256": Swap(256, emap=_EMAP),
    "simswap_256": Swap(256, (making.MEAN, making.DEVIATION)),
    "simswap_512": Swap(512, names=("input", "onnx::Gemm_1", "output")),
    "ghost_256": Swap(256, _SIGNED, _SIGNED, names=("target", "source", "1165")),
    "hififace_256": Swap(256, _SIGNED, _SIGNED),
    "hyperswap_256": Swap(256, _SIGNED, _SIGNED, first=True, mask=True),
    "blendswap_256": Swap(256, source=112),
    "uniface_256": Swap(256, _SIGNED, _SIGNED, source=256, first=True),
}
_TEMPLATES = {
    "inswapper_128": "arcface_128",
    "reswapper_256": "arcface_128",
    "instyleswapper_256": "arcface_128",
    "simswap_256": "arcface_112_v1",
    "simswap_512": "arcface_112_v1",
    "ghost_256": "arcface_112_v1",
    "hififace_256": "mtcnn_512",
    "hyperswap_256": "arcface_128",
    "blendswap_256": "ffhq_512",
    "uniface_256": "ffhq_512",
    "dfm": "dfl_whole_face",
}
_ROWS = {family.name: family for family in FAMILIES}
_EMBEDDED = [name for name, swap in _SWAPS.items() if swap.source == "latent"]
_PICTURED = [name for name in _SWAPS if name not in _EMBEDDED]
_EACH = pytest.mark.parametrize("name", _SWAPS)


def _smooth(size: int, seed: int = 0) -> Bytes:
    """A picture of large colourful blots, without extremes."""
    small = np.random.default_rng(seed).integers(40, 200, (5, 5, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _embedding(seed: int) -> Floats:
    """As long as ArcFace's usually are."""
    return (np.random.default_rng(seed).normal(0, 1, 512)).astype(np.float32)


def _recognise(image: Bytes, five: Reals) -> Floats:
    return _embedding(int(image[0, 0, 0]))


def _convert(embedding: Floats) -> Floats:
    """What depends on the length of its input as well."""
    return np.asarray(embedding @ _CONVERTER + 0.5 * np.abs(embedding), np.float32)


def _portraits(*seeds: int) -> list[tuple[Bytes, Reals]]:
    return [(np.full((8, 8, 3), seed, np.uint8), align.template("arcface_112_v2", 8)) for seed in seeds]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Swap], Session]:
    """A network of a signature, made once for all tests."""
    folder, made = tmp_path_factory.mktemp("swappers"), {}

    def get(swap: Swap) -> Session:
        key = str(replace(swap, emap=None, ramp=None)) + str([None if a is None else a.sum() for a in (swap.emap, swap.ramp)])
        if key not in made:
            made[key] = Session(making.swapper(folder / f"{len(made)}.onnx", swap))
        return made[key]

    return get


def _swapper(network: Network, row: Family, emap: Floats | None = _EMAP) -> Swapper:
    return Swapper(network, row, emap)


def _latent(swapper: Swapper, seed: int = 3) -> Latent:
    kind = swapper.family.source
    if isinstance(kind, Picture):
        return swapper.source([(_smooth(kind.size, seed), align.template(kind.template, kind.size))])
    return swapper.source(_portraits(seed), _recognise, _convert)


def _expected(crop: Bytes, tint: Floats | None = None) -> Floats:
    """What a network of these does to a crop, BGR 0..255, before cutting; tint: RGB 0..1."""
    shown = crop.astype(np.float64) * making.GAINS[::-1]
    return np.asarray(shown + (0 if tint is None else 255 * np.asarray(tint, np.float64)[::-1]))


def _wrong(swapper: Swapper, latent: Latent, crop: Bytes, tint: Floats | None = None) -> float:
    """Grey levels between what comes out and what should."""
    return float(np.abs(swapper(crop, latent)[0] - np.clip(_expected(crop, tint), 0, 255)).max())


# -- the target


@_EACH
@pytest.mark.parametrize("type", ["float32", "float16"])
def test_a_network_that_returns_its_input_gives_the_crop_back(name: str, type: str, opened: Callable[[Swap], Session]) -> None:
    swapper = _swapper(opened(replace(_SWAPS[name], mixed=False, strength=0.0, type=type)), _ROWS[name])
    crop = np.random.default_rng(2).integers(0, 256, (swapper.size, swapper.size, 3), np.uint8)
    picture, mask = swapper(crop, _latent(swapper))
    assert mask is None
    assert np.abs(picture.astype(int) - crop).max() <= (1 if type == "float16" else 0)


@_EACH
def test_colours_and_range_are_the_family_s_and_any_other_shows(name: str, opened: Callable[[Swap], Session]) -> None:
    network, row = opened(replace(_SWAPS[name], strength=0.0)), _ROWS[name]
    swapper = _swapper(network, row)
    crop = _smooth(row.size)
    assert _wrong(swapper, _latent(swapper), crop) <= 1
    other = SIGNED if row.takes == UNIT else UNIT
    flipped = Form("bgr", row.takes.mean, row.takes.deviation)
    mutants = [replace(row, takes=flipped), replace(row, gives=Form("bgr", row.gives.mean, row.gives.deviation))]
    mutants += [replace(row, takes=flipped, gives=Form("bgr", row.gives.mean, row.gives.deviation)), replace(row, takes=other)]
    mutants += [replace(row, gives=SIGNED if row.gives == UNIT else UNIT)]
    for mutant in mutants:
        wrong = _swapper(network, mutant)
        assert _wrong(wrong, _latent(wrong), crop) > 8, mutant


@pytest.mark.parametrize("name", [*_SWAPS, "dfm"])
def test_the_five_points_come_where_the_template_has_them(name: str) -> None:
    row = replace(_ROWS[name], size=_ROWS[name].size or 224)
    assert row.template == _TEMPLATES[name]
    shift = 0.5 if name == "reswapper_256" else 0.0
    np.testing.assert_allclose(row.points(), align.template(_TEMPLATES[name], row.size) + shift, atol=1e-9)
    # A face of another size, turned by 20 degrees, whose five points are dots.
    turn = np.array([[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]]) * 1.7
    places = (align.template(_TEMPLATES[name], 256) + shift * 256 / row.size) @ turn.T + (160, 20)
    matrix = align.similarity(places, row.points())
    for place, goal in zip(places, align.template(_TEMPLATES[name], row.size) + shift, strict=True):
        down, across = np.mgrid[0:560, 0:560]
        dot = 250 * np.exp(-((across - place[0]) ** 2 + (down - place[1]) ** 2) / (2 * 6.0**2))
        crop = align.crop(np.repeat(dot[..., None], 3, axis=2).round().astype(np.uint8), matrix, row.size)[..., 1].astype(float)
        rows, columns = np.mgrid[0 : row.size, 0 : row.size]
        found = np.array([(columns * crop).sum(), (rows * crop).sum()]) / crop.sum()
        assert np.abs(found - goal).max() < 0.1


def test_the_templates_in_pixels() -> None:
    wanted = [(46.2946, 51.6963), (81.5318, 51.5014), (64.0252, 71.7366), (49.5493, 92.3655), (78.7299, 92.2041)]
    np.testing.assert_allclose(_ROWS["inswapper_128"].points(), wanted, atol=1e-3)
    np.testing.assert_allclose(_ROWS["hyperswap_256"].points(), 2 * np.array(wanted), atol=2e-3)
    first = np.array([(39.730, 51.138), (72.270, 51.138), (56.0, 68.493), (42.463, 87.010), (69.537, 87.010)])
    np.testing.assert_allclose(_ROWS["simswap_512"].points(), first * 512 / 112, atol=5e-3)
    np.testing.assert_allclose(_ROWS["blendswap_256"].points()[2], (256.63416 / 2, 314.01935 / 2), atol=1e-4)


# -- the source


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))


# The latents of the field's tools, by family.
_LATENTS: dict[str, Callable[[Floats], Floats]] = {
    **{name: lambda e: _unit(_unit(e) @ _EMAP) for name in ("inswapper_128", "reswapper_256", "instyleswapper_256")},
    **{name: lambda e: _unit(_convert(e)) for name in ("simswap_256", "simswap_512", "hififace_256")},
    "ghost_256": _convert,
    "hyperswap_256": _unit,
}


@pytest.mark.parametrize("name", _EMBEDDED)
def test_the_latent_is_the_field_s(name: str, opened: Callable[[Swap], Session]) -> None:
    # An embedding that is not normed is some 22 long, and would tint out of range.
    swap = replace(_SWAPS[name], strength=0.05 if name == "ghost_256" else 1.0)
    swapper = _swapper(opened(swap), _ROWS[name])
    crop = _smooth(swap.size)
    tint = _LATENTS[name](_embedding(3)) @ making.tint() * swap.strength
    assert np.abs(tint).max() * 255 > 10
    assert _wrong(swapper, _latent(swapper), crop, tint) <= 1


def _spoiled(kind: Embedding) -> list[Embedding]:
    others = [replace(kind, normed=not kind.normed), replace(kind, emap=not kind.emap)]
    return [*others, replace(kind, converter=None if kind.converter else "crossface_ghost")]


@pytest.mark.parametrize("name", _EMBEDDED)
def test_another_way_to_the_latent_shows(name: str, opened: Callable[[Swap], Session]) -> None:
    row = _ROWS[name]
    assert isinstance(row.source, Embedding)
    network = opened(replace(_SWAPS[name], strength=0.05 if name == "ghost_256" else 1.0))
    right = _latent(_swapper(network, row)).vector
    assert right is not None
    vectors = [_latent(_swapper(network, replace(row, source=kind))).vector for kind in _spoiled(row.source)]
    if row.source.emap:
        vectors.append(_latent(_swapper(network, row, np.ascontiguousarray(_EMAP.T))).vector)
    for vector in vectors:
        assert vector is not None
        assert np.abs((vector - right) @ making.tint()).max() * 255 > 2


@pytest.mark.parametrize("name", _PICTURED)
def test_the_source_s_picture_is_the_field_s(name: str, opened: Callable[[Swap], Session]) -> None:
    swapper = _swapper(opened(_SWAPS[name]), _ROWS[name])
    side = {"blendswap_256": 112, "uniface_256": 256}[name]
    template = {"blendswap_256": "arcface_112_v2", "uniface_256": "ffhq_512"}[name]
    source, crop = _smooth(side, 9), _smooth(256)
    latent = swapper.source([(source, align.template(template, side))])
    shown = source[..., ::-1] / 255
    tint = shown[side // 2 :, side // 2 :].mean(axis=(0, 1)) - shown[: side // 2, : side // 2].mean(axis=(0, 1))
    assert _wrong(swapper, latent, crop, tint) <= 1
    for kind in (Picture(template, side, SIGNED), Picture(template, side, Form("bgr")), Picture("styleganex_384", side)):
        other = _swapper(opened(_SWAPS[name]), replace(swapper.family, source=kind))
        assert _wrong(other, other.source([(source, align.template(template, side))]), crop, tint) > 5


def test_of_several_pictures_the_large_and_square_one_is_taken(opened: Callable[[Swap], Session]) -> None:
    swapper = _swapper(opened(_SWAPS["blendswap_256"]), _ROWS["blendswap_256"])
    goal = align.template("arcface_112_v2", 112)
    aslant = goal + np.array([[6, 0], [6, 0], [14, 0], [4, 0], [4, 0]])
    large = np.full((240, 240, 3), 50, np.uint8), goal * 2
    small, turned = (np.full((60, 60, 3), 100, np.uint8), goal / 2), (np.full((240, 240, 3), 200, np.uint8), aslant * 2)
    for order in ([large, small, turned], [turned, small, large], [small, turned, large]):
        fed = swapper.source(order).feeds["source"]
        np.testing.assert_allclose(fed[0, :, 56, 56], 50 / 255, atol=1e-6)


def test_several_portraits_make_one_source_at_their_mean_direction_and_length(opened: Callable[[Swap], Session]) -> None:
    first, second = _embedding(3), _embedding(4) * 1.0
    middle = _unit(_unit(first) + _unit(second)) * (np.linalg.norm(first) + np.linalg.norm(second)) / 2
    for name in ("ghost_256", "inswapper_128", "hyperswap_256"):
        swapper = _swapper(opened(_SWAPS[name]), _ROWS[name])
        found = swapper.source(_portraits(3, 4), _recognise, _convert).vector
        np.testing.assert_allclose(found, _LATENTS[name](middle.astype(np.float32)), atol=2e-5)


@pytest.mark.parametrize("name", _EMBEDDED)
@pytest.mark.parametrize("identity", [0.0, 0.65, 1.35])
def test_a_latent_goes_towards_another_and_away_from_it(name: str, identity: float, opened: Callable[[Swap], Session]) -> None:
    swapper = _swapper(opened(_SWAPS[name]), _ROWS[name])
    source, target = _LATENTS[name](_embedding(3)), _LATENTS[name](_embedding(7))
    a = 1 - identity
    mixed = source * (1 - a) + target * a
    expected = mixed if name == "ghost_256" else _unit(mixed)
    found = _latent(swapper).towards(_embedding(7), identity)
    np.testing.assert_allclose(found.feeds[_SWAPS[name].names[1]][0], expected, atol=3e-5 if name == "ghost_256" else 3e-6)
    # From there it goes on in the same way.
    assert found.towards(_embedding(7), 0.0).vector == pytest.approx(target, abs=1e-4)


def test_a_latent_at_its_own_identity_or_of_a_picture_stays_the_same_one(opened: Callable[[Swap], Session]) -> None:
    for name in ("inswapper_128", "uniface_256"):
        latent = _latent(_swapper(opened(_SWAPS[name]), _ROWS[name]))
        assert latent.towards(_embedding(7), 1.0) is latent
        assert (latent.towards(_embedding(7), 0.6) is latent) == (name == "uniface_256")


# -- the calls


@pytest.mark.parametrize("name", ["inswapper_128", "hyperswap_256", "blendswap_256"])
@pytest.mark.parametrize("cut", [False, True])
def test_the_source_is_worked_out_once_and_fed_as_the_same_locked_arrays(name: str, cut: bool, tmp_path: Path) -> None:
    swap = replace(_SWAPS[name], mask=False)
    networks = [Counted(Session(path)) for path in (making.halves(tmp_path, swap) if cut else [making.swapper(tmp_path / "a.onnx", swap)])]
    swapper = Swapper(networks[-1], _ROWS[name], _EMAP, networks[0] if cut else None)
    latent = _latent(swapper)
    pictures = [swapper(_smooth(swap.size, seed), latent)[0] for seed in range(3)]
    whole = _swapper(Session(making.swapper(tmp_path / "whole.onnx", swap)), _ROWS[name])
    for seed, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, whole(_smooth(swap.size, seed), _latent(whole))[0])
    if cut:
        assert len(networks[0].fed) == 1
        # The half may be asked again meanwhile, and write over what it gave.
        other = swapper.source(_portraits(8) if name != "blendswap_256" else _pictures(8), _recognise, _convert)
        assert not np.array_equal(other.feeds["style"], latent.feeds["style"])
        assert len(networks[0].fed) == 2
    last = networks[-1].fed
    constant = "style" if cut else "source"
    assert all(feeds[constant] is last[0][constant] and not feeds[constant].flags.writeable for feeds in last)
    assert all(feeds["target"] is last[0]["target"] and feeds["target"].flags.writeable for feeds in last)
    np.testing.assert_array_equal(swapper(_smooth(swap.size, 0), latent)[0], pictures[0])


def _pictures(seed: int) -> list[tuple[Bytes, Reals]]:
    return [(_smooth(112, seed), align.template("arcface_112_v2", 112))]


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_pixel_boost_weaves_the_phases_together(times: int, opened: Callable[[Swap], Session]) -> None:
    plain = _swapper(opened(replace(_SWAPS["inswapper_128"], mixed=False, strength=0.0)), _ROWS["inswapper_128"])
    crop = np.random.default_rng(5).integers(0, 256, (128 * times, 128 * times, 3), np.uint8)
    np.testing.assert_array_equal(plain.boosted(crop, _latent(plain))[0], crop)
    # A network for which places differ sees each phase as a picture of its own.
    ramp = (np.indices((128, 128)) * np.array([[[2]], [[1]]])).sum(axis=0).astype(np.float32) / 800
    placed = _swapper(opened(replace(_SWAPS["inswapper_128"], mixed=False, strength=0.0, ramp=ramp)), _ROWS["inswapper_128"])
    dark = crop // 3
    found = placed.boosted(dark, _latent(placed))[0].astype(int) - dark
    rows, columns = np.indices((128 * times, 128 * times)) // times
    assert np.abs(found - np.rint(255 * ramp)[rows, columns][..., None]).max() <= 1


def test_phase_images_are_every_kth_pixel(opened: Callable[[Swap], Session]) -> None:
    network = Counted(opened(replace(_SWAPS["inswapper_128"], strength=0.0)))
    seen: list[Bytes] = []
    swapper = _swapper(network, _ROWS["inswapper_128"])
    latent, crop = _latent(swapper), _smooth(256)
    run = network._network
    network._network = lambda feeds: (seen.append(UNIT.unpack(feeds["target"])), run(feeds))[1]
    swapper.boosted(crop, latent)
    phases = crop.reshape(128, 2, 128, 2, 3).transpose(1, 3, 0, 2, 4).reshape(4, 128, 128, 3)
    np.testing.assert_array_equal(seen, phases)


def test_a_boosted_crop_is_aligned_so_that_its_phases_are_on_average() -> None:
    for name in ("inswapper_128", "reswapper_256"):
        row = _ROWS[name]
        for times in (2, 3, 4):
            phases = [(row.points(times * row.size) - offset) / times for offset in range(times)]
            np.testing.assert_allclose(np.mean(phases, axis=0), row.points(), atol=1e-9)


# -- DeepFaceLab


@pytest.mark.parametrize("size", [224, 320])
@pytest.mark.parametrize("morphs", [True, False])
def test_a_dfm_file(size: int, morphs: bool, tmp_path: Path) -> None:
    rows, columns = np.indices((size, size))
    left, top = (columns < size * 0.7).astype(np.float32), (rows < size * 0.6).astype(np.float32)
    swapper = open_swapper(Session(making.dfm(tmp_path / "a.dfm", size, (left, top), morphs)))
    assert (swapper.family.name, swapper.family.template, swapper.size) == ("dfm", "dfl_whole_face", size)
    crop = _smooth(size)
    latent = swapper.source([])
    assert latent.towards(_embedding(1), 0.5) is latent
    for morph in (0.0, 0.35, 1.0):
        picture, mask = swapper(crop, latent, morph)
        # Its first channel is blue.
        expected = crop * np.array(making.GAINS) + (255 * 0.2 * morph if morphs else 0)
        assert np.abs(picture - np.clip(expected, 0, 255)).max() <= 1
        assert mask is not None
        assert mask.shape == (size, size)
        # Both masks count, and the edge fades inwards only.
        outside = (left * top) == 0
        assert mask[outside].max() <= 16
        assert mask[: int(size * 0.6) - 20, : int(size * 0.7) - 20].min() == 255
    if not morphs:
        return
    network = Counted(Session(tmp_path / "a.dfm"))
    again = open_swapper(network)
    for morph in (0.5, 0.5, 0.7):
        again(crop, latent, morph)
    fed = [feeds["morph_value:0"] for feeds in network.fed]
    assert fed[0] is fed[1]
    assert [float(value[0]) for value in fed] == pytest.approx([0.5, 0.5, 0.7])
    with pytest.raises(ValueError, match=r"got a morph of 1.5, expected 0..1"):
        again(crop, latent, 1.5)


def test_a_dfm_file_boosted_has_both_picture_and_mask(tmp_path: Path) -> None:
    half = (np.indices((224, 224))[1] < 112).astype(np.float32)
    swapper = open_swapper(Session(making.dfm(tmp_path / "a.dfm", 224, (half, half))))
    crop = _smooth(448)
    picture, mask = swapper.boosted(crop, swapper.source([]), 0.0)
    assert np.abs(picture - crop * np.array(making.GAINS)).max() <= 1
    assert mask is not None
    assert mask[:, :180].min() == 255
    assert mask[:, 230:].max() == 0


# -- recognition and refusals


def test_what_the_ports_tell_is_recognised(opened: Callable[[Swap], Session]) -> None:
    for name in ("inswapper_128", "simswap_512", "hyperswap_256", "blendswap_256", "uniface_256"):
        assert open_swapper(opened(_SWAPS[name]), emap=_EMAP).family.name == name
    renamed = replace(_SWAPS["simswap_512"], names=("target", "source", "output"))
    assert open_swapper(opened(renamed)).family.name == "simswap_512"


@pytest.mark.parametrize("name", ["reswapper_256", "instyleswapper_256", "simswap_256", "ghost_256", "hififace_256"])
def test_what_the_ports_leave_open_is_asked(name: str, opened: Callable[[Swap], Session]) -> None:
    choices = "reswapper_256, instyleswapper_256, simswap_256, ghost_256, hififace_256, hyperswap_256"
    with pytest.raises(NetworkError, match=rf"several swappers: say which it is with --family, one of: {choices}\.$"):
        open_swapper(opened(_SWAPS[name]))
    assert open_swapper(opened(_SWAPS[name]), name, _EMAP).family.name == name


def test_every_file_is_of_one_role(opened: Callable[[Swap], Session], tmp_path: Path) -> None:
    files = {name: opened(swap) for name, swap in _SWAPS.items()}
    files["dfm"] = Session(making.dfm(tmp_path / "a.dfm", 224, (np.ones((224, 224), np.float32),) * 2))
    for kind in ("xseg", "xseg_nchw", "occluder", "bisenet"):
        files[kind] = Session(making.mask(tmp_path / f"{kind}.onnx", kind))
    for name, size, weight in (("gfpgan", 512, None), ("gpen_256", 256, None), ("codeformer", 512, "weight")):
        files[name] = Session(making.enhancer(tmp_path / f"{name}.onnx", size, weight))
    for name, network in files.items():
        rows = [row for role in (swappers, masks, enhancers, detectors, points, recognisers) for row in role.FAMILIES]
        fitting = [row for row in rows if row.fits(network.inputs, network.outputs)]
        assert name in [row.name for row in fitting]
        assert len({row.role for row in fitting}) == 1, name


def test_names_that_are_unknown_or_do_not_fit_are_refused(opened: Callable[[Swap], Session], tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="There is no family inswaper of swappers; take one of: inswapper_128, "):
        open_swapper(opened(_SWAPS["inswapper_128"]), "inswaper")
    with pytest.raises(NetworkError, match=r"no swapper of the family ghost_256: it takes target \(1, 3, 128, 128\)"):
        open_swapper(opened(_SWAPS["inswapper_128"]), "ghost_256")
    with pytest.raises(NetworkError, match=r"no swapper that is known \(inswapper_128, .*dfm\): it takes input \(1, 3, 512, 512\)"):
        open_swapper(Session(making.enhancer(tmp_path / "a.onnx", 512)))
    with pytest.raises(ValueError, match="expected those of ghost_256"):
        Swapper(opened(_SWAPS["inswapper_128"]), _ROWS["ghost_256"])


def test_a_missing_emap_or_converter_says_what_to_do(opened: Callable[[Swap], Session]) -> None:
    with pytest.raises(NetworkError, match="take the original file"):
        open_swapper(opened(_SWAPS["inswapper_128"]))
    swapper = _swapper(opened(_SWAPS["ghost_256"]), _ROWS["ghost_256"])
    with pytest.raises(NetworkError, match="swapcam models pull crossface_ghost"):
        swapper.source(_portraits(3), _recognise)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@_EACH
def test_output_that_is_no_number_is_refused(name: str, bad: float, opened: Callable[[Swap], Session]) -> None:
    row = _ROWS[name]
    values = np.zeros((1, 3, row.size, row.size), np.float32)
    values[0, 1, row.size // 2, 3] = bad
    swapper = _swapper(Counted(opened(_SWAPS[name]), [values]), row)
    with pytest.raises(ValueError, match="not finite"):
        swapper(_smooth(row.size), _latent(swapper))


def test_output_of_another_size_is_refused(opened: Callable[[Swap], Session]) -> None:
    swapper = _swapper(Counted(opened(_SWAPS["inswapper_128"]), [np.zeros((1, 3, 64, 64), np.float32)]), _ROWS["inswapper_128"])
    with pytest.raises(ValueError, match=r"got an output \(64, 64, 3\), expected \(128, 128, 3\)"):
        swapper(_smooth(128), _latent(swapper))


def test_other_crops_latents_and_sources_are_refused(opened: Callable[[Swap], Session]) -> None:
    swapper = _swapper(opened(_SWAPS["inswapper_128"]), _ROWS["inswapper_128"])
    latent = _latent(swapper)
    for wrong in (_smooth(127), _smooth(128).astype(np.float32), np.zeros((128, 128), np.uint8)):
        with pytest.raises(ValueError, match=r"expected \(128, 128, 3\) uint8"):
            swapper(wrong, latent)
    for wrong in (_smooth(192), _smooth(640), _smooth(256)[:128]):
        with pytest.raises(ValueError, match="expected 128 px times 1 to 4"):
            swapper.boosted(wrong, latent)
    with pytest.raises(ValueError, match=r"got a latent for \[\], expected one for \['source'\]"):
        swapper(_smooth(128), Latent({}))
    with pytest.raises(ValueError, match="got no portrait"):
        swapper.source([], _recognise)
    with pytest.raises(ValueError, match="got no recogniser"):
        swapper.source(_portraits(3))
    for vector in (np.zeros(512), np.full(512, np.nan)):
        with pytest.raises(ValueError, match="nothing or not finite"):
            swapper.source(_portraits(3), lambda image, five, vector=vector: vector)
    with pytest.raises(ValueError, match="nothing or not finite"):
        latent.towards(np.zeros(512, np.float32), 0.5)
