"""The live generator: what a known network adds is seen where and as much as it should be, and nothing else is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from faces import find, larger
from generators import CPU, colours, refiner, somebody
from networks import pasted
from numpy.typing import NDArray
from onnx_making import Counted

from models.engine import Drawn
from models.generator.engine import GeneratorEngine, Target
from models.generator.network import Refiner
from models.generator.shipped import files, shipped
from models.generator.view import placing
from models.knobs import Effort, Knobs
from models.mesh.atlas import Atlas, build_atlas
from models.mesh.engine import MeshEngine
from models.mesh.topology import PLAIN_SKIN
from models.network import NetworkError
from models.portrait import portraits

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Scene = tuple[Bytes, Floats]
Open = Callable[..., tuple[Refiner, Counted]]
BARE = Effort(occlusion_every=0)


@pytest.fixture(scope="module")
def scene(collins: Bytes, detector: Any, landmarker: Any) -> Scene:
    """A real face of a webcam's size."""
    image = larger(collins, 1.25)
    return image, find(image, detector, landmarker)


@pytest.fixture(scope="module")
def atlas(hopper: Bytes, detector: Any, landmarker: Any) -> Atlas:
    return build_atlas([(hopper, find(hopper, detector, landmarker))])


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens generators of generators.generator's options."""
    with ExitStack() as parts:

        def open_one(**options: Any) -> tuple[Refiner, Counted]:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            return parts.enter_context(refiner(folder, **options))

        yield open_one


def play(engine: Any, scene: Scene, count: int = 1, knobs: Knobs = Knobs(), effort: Effort = BARE) -> list[Drawn]:  # noqa: B008  frozen
    """What an engine draws in so many frames of the same picture."""
    target = engine.meet()
    return [engine(*scene, target, index / 30, knobs, effort) for index in range(count)]


def moved(scene: Scene, matrix: NDArray[np.float64], size: tuple[int, int]) -> Scene:
    """A scene under a similarity (2, 3), in a frame of a width and height."""
    image, landmarks = scene
    scale = float(np.hypot(*matrix[:, 0]))
    there = landmarks * np.float32(scale)
    there[:, :2] = landmarks[:, :2] @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
    smaller = cv2.GaussianBlur(image, (0, 0), max(0.5 / scale - 0.5, 0.01))
    return np.asarray(cv2.warpAffine(smaller, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8), there


def dot(u: float, v: float, deviation: float = 2.0) -> Floats:
    """A dark spot (128, 128) at a place of the crop, -0.2..0."""
    y, x = np.mgrid[0:128, 0:128]
    return np.asarray(-0.2 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * deviation**2)), np.float32)


def middle(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Where the weight of a picture (h, w) lies, x and y px."""
    y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    return np.array([(picture * x).sum(), (picture * y).sum()]) / picture.sum()


@pytest.mark.parametrize("effort", [Effort(), Effort(largest=120, refine_every=3)])
def test_a_network_that_changes_nothing_gives_the_mesh_engines_picture_back(
    scene: Scene, atlas: Atlas, opened: Open, effort: Effort
) -> None:
    ours = play(GeneratorEngine(MeshEngine(atlas), opened()[0], somebody()), scene, 4, effort=effort)
    for made, plain in zip(ours, play(MeshEngine(atlas), scene, 4, effort=effort), strict=True):
        assert np.abs(made[0].astype(int) - plain[0]).max() <= 1
        np.testing.assert_array_equal(made[1], plain[1])
        np.testing.assert_array_equal(made[2], plain[2])


def test_a_tint_is_seen_in_its_colour_and_detail_stays(scene: Scene, atlas: Atlas, opened: Open) -> None:
    scene = moved(scene, np.array([[1.6, 0, 0], [0, 1.6, 0]]), (1024, 1024))
    made, plain = (play(engine, scene)[0] for engine in (_engine(atlas, opened(gains=(1, 0.8, 0.6))), MeshEngine(atlas)))
    inside = cv2.erode(plain[1], np.ones((21, 21))) == 255
    shares = made[0][inside].mean(axis=0) / plain[0][inside].mean(axis=0)
    np.testing.assert_allclose(shares, (0.6, 0.8, 1), atol=0.01)
    fine = [(one.astype(np.float32) - cv2.GaussianBlur(one, (0, 0), 1.2))[inside] for one in (made[0], plain[0])]
    # The crop's pixels are two of the patch's: what is finer than those is as it was.
    assert np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1] > 0.97
    assert fine[0].std() > 0.9 * fine[1].std()
    np.testing.assert_array_equal(made[1], plain[1])


_TURN = cv2.getRotationMatrix2D((320, 320), 35, 0.9)
_MOVES = {
    "as it is": (np.eye(2, 3), (640, 640)),
    "turned": (_TURN, (640, 640)),
    "turned and half out of the frame": (_TURN - [[0, 0, 200], [0, 0, 0]], (400, 600)),
    "small": (np.array([[0.14, 0, 30], [0, 0.14, 20.0]]), (160, 120)),
}


@pytest.mark.parametrize("place", [(74, 66), (84, 88)])
@pytest.mark.parametrize("move", _MOVES)
def test_the_correction_lands_where_it_belongs(
    scene: Scene, atlas: Atlas, opened: Open, move: str, place: tuple[float, float]
) -> None:
    there = moved(scene, *_MOVES[move])
    wanted = cv2.invertAffineTransform(placing(there[1])) @ [*place, 1]
    if move.endswith("frame"):
        assert (there[1][:, 0] < 0).mean() > 0.3, "this face is not half out of the frame"
    # As large in a small face that there is something of it to be seen.
    wide = max(2.0, 1.2 / np.sqrt(abs(np.linalg.det(_scale(there)))))
    made, plain = (play(engine, there)[0] for engine in (_engine(atlas, opened(more=dot(*place, wide))), MeshEngine(atlas)))
    shown, bare = (pasted(there[0], one)[0].astype(float).mean(axis=2) for one in (made, plain))
    found = bare - shown
    assert found.max() > 20
    assert np.linalg.norm(middle(found) - wanted) < 1
    # As wide as it was made.
    size = 2 * np.pi * np.log(2) * wide**2 * abs(np.linalg.det(_scale(there)))
    assert (found > found.max() / 2).sum() == pytest.approx(size, rel=0.25, abs=3)


def _scale(scene: Scene) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(placing(scene[1])[:, :2]))


def _engine(atlas: Atlas, refined: tuple[Refiner, Counted]) -> GeneratorEngine:
    return GeneratorEngine(MeshEngine(atlas), refined[0], somebody())


@pytest.mark.parametrize(
    ("scale", "shift"),
    [(0.04, (0, 0)), (0.04, (-0.45, 0)), (0.1, (0, 0.5)), (0.1, (-0.45, 0)), (0.5, (0, 0.5)), (0.5, (0.6, -0.3)), (2, (0.3, 0))],
)
def test_faces_of_any_size_anywhere_at_the_edge_get_their_patch(
    scene: Scene, atlas: Atlas, opened: Open, scale: float, shift: tuple[float, float]
) -> None:
    size = max(8, round(640 * scale))
    there = moved(scene, np.array([[scale, 0, shift[0] * size], [0, scale, shift[1] * size]]), (size, size))
    ours, plain = (play(engine, there)[0] for engine in (_engine(atlas, opened(gains=(1, 0.9, 0.8))), MeshEngine(atlas)))
    assert (ours is None) == (plain is None)
    if plain is not None:
        assert ours[0].shape == plain[0].shape
        assert (ours[1] <= plain[1]).all()
        out, alpha = pasted(there[0], plain)
        np.testing.assert_array_equal(pasted(there[0], ours)[0][alpha == 0], out[alpha == 0])


@pytest.mark.parametrize("cover", [0.0, 0.5])
def test_alpha_lowers_the_mask_where_it_is_lower_but_bares_no_face(scene: Scene, atlas: Atlas, opened: Open, cover: float) -> None:
    """Alpha is a share of the mask in the right half of the crop: it counts at the mask's rim, and not deep inside."""
    half = np.where(np.arange(128) < 64, 1.0, cover)[None].repeat(128, axis=0)
    made, plain = (play(engine, scene)[0] for engine in (_engine(atlas, opened(cover=half)), MeshEngine(atlas)))
    way = placing(scene[1])[:, :2] @ plain[2][:, :2], placing(scene[1]) @ [*plain[2][:, 2], 1]
    y, x = np.mgrid[0 : plain[1].shape[0], 0 : plain[1].shape[1]]
    across = way[0][0, 0] * x + way[0][0, 1] * y + way[1][0]
    np.testing.assert_array_equal(made[1][across < 62], plain[1][across < 62])
    assert (made[1] <= plain[1]).all()
    # In the crop's pixels; the mask is sure a pixel or two less far than it is full.
    inside = cv2.distanceTransform((plain[1] == 255).astype(np.uint8), cv2.DIST_L2, 5) * np.hypot(*way[0][:, 0])
    right = across > 66
    np.testing.assert_array_equal(made[1][right & (inside > 9)], 255)
    shares = made[1][right & (inside > 0) & (inside < 1)] / 255
    # Nothing and everything are reached a tenth before the ends.
    np.testing.assert_allclose(np.median(shares), ((cover + 0.1) / 1.1 - 0.1) / 0.8 if cover else 0, atol=0.02)


def _wrong(case: str) -> dict[str, Any]:
    """Options of a network whose answer is no face."""
    noise = np.random.default_rng(0).uniform(-1, 1, (128, 128)).astype(np.float32)
    return {"no alpha": {"cover": 0.0}, "black": {"gains": (0, 0, 0)}, "grey": {"gains": (0, 0, 0), "more": np.full((128, 128), 0.5)},
            "inverted": {"gains": (-1, -1, -1), "more": np.ones((128, 128))}, "noise": {"more": noise}}[case]  # fmt: skip


@pytest.mark.parametrize("case", ["no alpha", "black", "grey", "inverted", "noise"])
def test_an_answer_that_is_no_face_is_not_shown(
    scene: Scene, atlas: Atlas, opened: Open, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours = play(_engine(atlas, opened(**_wrong(case))), scene, 3)
    for made, plain in zip(ours, play(MeshEngine(atlas), scene, 3), strict=True):
        np.testing.assert_array_equal(made[0], plain[0])
        np.testing.assert_array_equal(made[1], plain[1])
    assert len(caplog.records) == 1
    assert "The face is shown as the mesh engine draws it" in caplog.text


def _dimmed(scene: Scene, light: float) -> Scene:
    return np.rint(scene[0] * light).astype(np.uint8), scene[1]


def _light(scene: Scene) -> float:
    """Mean grey level of the skin within the face's outline."""
    points = np.rint(scene[1][PLAIN_SKIN, :2]).astype(int)
    return float(scene[0][points[:, 1], points[:, 0]].mean())


@pytest.mark.parametrize("light", [1.0, 0.3, 0.1])
def test_in_dim_light_the_network_sees_as_much_and_changes_in_proportion(
    scene: Scene, atlas: Atlas, opened: Open, light: float
) -> None:
    """A network that is identity changes nothing at any brightness; one that adds a tenth of the range adds it of the light there is."""
    there = _dimmed(scene, light)
    same, plain = (play(engine, there, 3)[-1] for engine in (_engine(atlas, opened()), MeshEngine(atlas)))
    assert np.abs(same[0].astype(int) - plain[0]).max() <= 1
    refined, network = opened(more=np.full((128, 128), -0.05))
    made = play(_engine(atlas, (refined, network)), there, 3)[-1]
    assert network.fed[-1]["view"][0, :3, 40:100, 45:85].mean() > 0.36
    gain = max(1.0, 0.4 / (_light(there) / 255))
    inside = (cv2.erode(plain[1], np.ones((9, 9))) == 255) & (plain[0].min(axis=2) > 16)
    change = (made[0].astype(float) - plain[0])[inside].mean()
    assert change == pytest.approx(-0.05 * 255 / gain, rel=0.2, abs=0.3)


@pytest.mark.parametrize("light", [1.0, 0.3, 0.1])
def test_a_colour_is_the_same_in_any_light(scene: Scene, atlas: Atlas, opened: Open, light: float) -> None:
    there = _dimmed(scene, light)
    made, plain = (play(engine, there)[0] for engine in (_engine(atlas, opened(gains=(1, 0.8, 0.7))), MeshEngine(atlas)))
    inside = cv2.erode(plain[1], np.ones((21, 21))) == 255
    np.testing.assert_allclose(made[0][inside].mean(axis=0) / plain[0][inside].mean(axis=0), (0.7, 0.8, 1), atol=0.02)


def test_the_shipped_network_keeps_the_skins_colour_in_dim_light(
    hopper: Bytes, scene: Scene, atlas: Atlas, detector: Any, landmarker: Any
) -> None:
    try:
        files()
    except NetworkError as error:
        pytest.skip(str(error))
    there = _dimmed(scene, 0.2)
    points = np.rint(there[1][PLAIN_SKIN, :2]).astype(int)
    with shipped(CPU) as found:
        who = found.read(portraits([(hopper, find(hopper, detector, landmarker))]))
        made = play(GeneratorEngine(MeshEngine(atlas), found.refine, who), there, 3)[-1]
    green, red = ([picture[points[:, 1], points[:, 0], k].mean() for picture in (there[0], pasted(there[0], made)[0])] for k in (1, 2))
    assert green[1] / red[1] == pytest.approx(green[0] / red[0], rel=0.08)


@pytest.mark.parametrize(("gain", "shown"), [(0.8, 0.8), (0.3, 0.62), (1.2, 1.2)])
def test_a_face_gets_no_more_than_so_much_darker_than_its_guide(
    scene: Scene, atlas: Atlas, opened: Open, gain: float, shown: float
) -> None:
    """Hair that is taken for skin in the shade would ask for a black forehead."""
    there = _dimmed(scene, 0.7)
    made, plain = (play(engine, there)[0] for engine in (_engine(atlas, opened(gains=(gain,) * 3)), MeshEngine(atlas)))
    inside = (cv2.erode(plain[1], np.ones((21, 21))) == 255) & (plain[0].max(axis=2) < 200)
    assert made[0][inside].mean() / plain[0][inside].mean() == pytest.approx(shown, abs=0.05)


@pytest.mark.parametrize("case", ["time", "knob", "unseen"])
def test_an_old_correction_is_made_anew(scene: Scene, atlas: Atlas, opened: Open, case: str) -> None:
    refined, network = opened(gains=(1, 0.9, 0.9))
    engine, effort = _engine(atlas, (refined, network)), Effort(occlusion_every=0, refine_every=3)
    target = engine.meet()
    engine(*scene, target, 0.0, Knobs(), effort)
    engine(*scene, target, 0.1, Knobs(), effort)
    assert len(network.fed) == 1
    if case == "knob":
        engine(*scene, target, 0.15, Knobs(refine=0), effort)
    if case == "unseen":
        assert engine(scene[0], scene[1] + 9000, target, 0.15, Knobs(), effort) is None
    engine(*scene, target, 0.6 if case == "time" else 0.2, Knobs(), effort)
    assert len(network.fed) == 2
    # A clock that goes back says nothing of how old it is.
    engine(*scene, target, 0.1, Knobs(), effort)
    assert len(network.fed) == 3


def test_alpha_never_raises_the_mask(scene: Scene, atlas: Atlas, opened: Open) -> None:
    made, plain = (play(engine, scene)[0] for engine in (_engine(atlas, opened(least=1.0)), MeshEngine(atlas)))
    np.testing.assert_array_equal(made[1], plain[1])


@pytest.mark.parametrize("error", ["nan", "alpha", "network"])
def test_where_the_network_fails_the_guide_alone_is_shown(
    scene: Scene, atlas: Atlas, opened: Open, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    refined, network = opened(gains=(1, 0.5, 0.5))
    good = network([{"view": np.zeros((1, 7, 128, 128), np.float32), "identity": somebody()[None]}][0])
    broken = [good[0] * np.nan, good[1]] if error == "nan" else [good[0], good[1] + np.nan]
    engine, mesh = GeneratorEngine(MeshEngine(atlas), refined, somebody()), MeshEngine(atlas)
    target, other = engine.meet(), mesh.meet()
    for index in range(6):
        # Two good frames, then none.
        network._instead = broken if index > 1 else None
        if error == "network" and index > 1:
            network._network = _fail
            network._instead = None
        made, plain = engine(*scene, target, index / 30, Knobs(), BARE), mesh(*scene, other, index / 30, Knobs(), BARE)
        assert made is not None
        assert plain is not None
        assert np.array_equal(made[0], plain[0]) == (index > 1)
        assert np.array_equal(made[1], plain[1])
    assert len(caplog.records) == 1
    assert "The generator failed" in caplog.text


def _fail(feeds: object) -> None:
    raise NetworkError("No provider is left for the model.")


@pytest.mark.parametrize("every", [1, 2, 3])
def test_the_network_runs_in_every_nth_frame_and_its_correction_moves_with_the_face(
    scene: Scene, atlas: Atlas, opened: Open, every: int
) -> None:
    refined, network = opened(more=dot(64, 80))
    engine, mesh = GeneratorEngine(MeshEngine(atlas), refined, somebody()), MeshEngine(atlas)
    target, other = engine.meet(), mesh.meet()
    for index in range(6):
        there = moved(scene, np.array([[1, 0, 12.0 * index], [0, 1, -7.0 * index]]), (640, 640))
        made, plain = (one(*there, state, index / 30, Knobs(), Effort(occlusion_every=0, refine_every=every))
                       for one, state in ((engine, target), (mesh, other)))  # fmt: skip
        found = pasted(there[0], made)[0].astype(float).mean(axis=2) - pasted(there[0], plain)[0].astype(float).mean(axis=2)
        wanted = cv2.invertAffineTransform(placing(there[1])) @ [64, 80, 1]
        assert np.linalg.norm(middle(found) - wanted) < 1
    assert len(network.fed) == 6 // every


def test_the_knob_goes_from_the_guide_to_the_network(scene: Scene, atlas: Atlas, opened: Open) -> None:
    refined, network = opened(gains=(1, 0.8, 0.6), cover=0.5)
    engine = GeneratorEngine(MeshEngine(atlas), refined, somebody())
    (plain,) = play(MeshEngine(atlas), scene)
    (none,) = play(engine, scene, knobs=Knobs(refine=0))
    assert network.fed == []
    for got, wanted in zip(none, plain, strict=True):
        np.testing.assert_array_equal(got, wanted)
    half, whole = (play(engine, scene, knobs=Knobs(refine=value))[0] for value in (0.5, 1.0))
    sure = plain[1] == 255
    for one in (0, 1):
        between, clipped = (plain[one][sure].astype(float) + whole[one][sure]) / 2, np.isin(whole[one][sure], (0, 255))
        assert np.abs(half[one][sure] - between)[~clipped].max() <= 1.01
        assert np.abs(half[one][sure] - between).mean() < 0.6


def test_sources_share_one_network_and_each_has_its_own_colours(scene: Scene, atlas: Atlas, opened: Open) -> None:
    """Two faces of two sources at once, then the first source on both: nobody's correction is left on somebody else's face."""
    refined, network = opened(coloured=True)
    people = [somebody(seed) for seed in (1, 2)]
    engines = [GeneratorEngine(MeshEngine(atlas), refined, who) for who in people]
    mesh = MeshEngine(atlas)
    targets, others = [engine.meet() for engine in engines], [mesh.meet() for _ in engines]
    for index in range(4):
        for number in (0, 1):
            wearing = number if index < 3 else 0
            made = engines[wearing](*scene, targets[number], index / 30, Knobs(), BARE)
            plain = mesh(*scene, others[number], index / 30, Knobs(), BARE)
            assert made is not None
            assert plain is not None
            inside = (plain[1] == 255) & (np.abs(plain[0].astype(int) - 128) < 90).all(axis=2)
            change = (made[0].astype(float) - plain[0])[inside].mean(axis=0)
            # The mesh engine's light begins anew with another source: its few levels are no colour of the network's.
            np.testing.assert_allclose(change, 255 * (people[wearing] @ colours())[::-1], atol=1 if index < 3 else 3)
    assert len(network.fed) == 8
    assert not any(feeds["identity"].flags.writeable for feeds in network.fed)
    assert len({id(feeds["identity"]) for feeds in network.fed}) == 2


def test_how_far_a_face_looks_aside_is_the_mesh_engines(scene: Scene, atlas: Atlas, opened: Open) -> None:
    engine, mesh = _engine(atlas, opened()), MeshEngine(atlas)
    target, other = engine.meet(), mesh.meet()
    assert isinstance(target, Target)
    engine(*scene, target, 0.0)
    mesh(*scene, other, 0.0)
    assert target.aside == other.aside > 0


def test_landmarks_that_are_none_give_no_patch(scene: Scene, atlas: Atlas, opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    image, landmarks = scene
    engine = _engine(atlas, opened())
    with caplog.at_level(logging.WARNING):
        for spoiled in (landmarks * np.nan, landmarks * 0, landmarks + 9000):
            assert engine(image, spoiled.astype(np.float32), engine.meet(), 0.0) is None
    assert not caplog.records
