from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import onnx_making as making
import pytest
from faces import as_face, find, larger
from networks import SIDE, Network, broken, engine, family, fed, latent, masker, pasted, places, same, swapper, tinted
from numpy.typing import NDArray

from models import align
from models.families.form import IMAGENET, SIGNED, UNIT
from models.families.sources import Embedding, Picture
from models.families.swappers import Swapper, open_swapper
from models.knobs import Effort, Knobs
from models.mesh.topology import MEAN, OVAL
from models.network import Port
from models.neural.engine import NeuralEngine
from models.session import Session
from realtime.config import BlendSettings, SwapSettings
from realtime.frame import Frame
from realtime.stages.blend import Blend
from realtime.stages.swap import Swap

BARE = Effort(occlusion_every=0)
PLAIN = Knobs(light=0, occlusion=0)


@pytest.fixture(scope="module")
def scene(collins, detector, landmarker) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A real face about as large as the crop has it."""
    image = larger(collins, 2)
    return image, find(image, detector, landmarker)


@pytest.fixture
def recognise():
    """Everybody is the same person."""
    return lambda image, five: np.eye(512, dtype=np.float32)[0]


def outline(image: NDArray[np.uint8], landmarks: NDArray[np.float32], grow: int) -> NDArray[np.bool_]:
    hull = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(hull, [np.rint(landmarks[OVAL, :2]).astype(np.int32)], 255)
    if grow < 0:
        return cv2.erode(hull, np.ones((1 - 2 * grow, 1 - 2 * grow), np.uint8)) > 0
    return cv2.dilate(hull, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)) > 0


def blended(image: NDArray[np.uint8], landmarks: NDArray[np.float32], work) -> NDArray[np.uint8]:
    """A frame through the swap and the blend stage, without seam and grain."""
    frame = Swap({"a": engine(work)}, SwapSettings(sources=("a",)))(Frame(image, 0, 0.0, (as_face(landmarks),)))
    assert frame.faces[0].patch is not None
    return Blend(BlendSettings(seam=0, grain=0))(frame).image


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_a_network_that_changes_nothing_gives_the_frame_back(scene, factor: float) -> None:
    image = larger(scene[0], factor) if factor > 1 else cv2.resize(scene[0], None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    landmarks = scene[1] * np.float32(factor)
    shown = blended(image, landmarks, same)
    face = outline(image, landmarks, 0)
    off = np.abs(shown.astype(int) - image)
    # What the crop cannot hold is lost: fine detail of a face that is larger than it.
    assert off[face].mean() < 1.6
    assert np.percentile(off[face], 99) < 12
    np.testing.assert_array_equal(shown[~outline(image, landmarks, 3)], image[~outline(image, landmarks, 3)])
    # Nothing has moved by more than a fiftieth of a pixel.
    left, top, right, bottom = np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)]).astype(int)
    area = (slice(top, bottom), slice(left, right))
    ours, theirs = (cv2.GaussianBlur(picture[area], (0, 0), 2).astype(float).mean(axis=2) for picture in (shown, image))
    slopes = np.stack([np.gradient(theirs, axis=axis)[8:-8, 8:-8].ravel() for axis in (1, 0)], axis=1)
    shift = np.linalg.lstsq(slopes, (theirs - ours)[8:-8, 8:-8].ravel(), rcond=None)[0]
    assert np.hypot(*shift) < 0.02


def test_the_face_and_nothing_else_is_tinted(scene) -> None:
    image, landmarks = scene
    shown, alpha = pasted(image, engine(tinted(0.5, 1, 1))(image, landmarks, engine(same).meet(), 0.0, PLAIN))
    outside = ~outline(image, landmarks, 3)
    np.testing.assert_array_equal(shown[outside], image[outside])
    inside = alpha > 250
    assert inside.mean() > 0.6 * outline(image, landmarks, 0).mean()
    np.testing.assert_allclose((shown[inside] / np.maximum(image[inside], 1.0)).mean(axis=0), (0.5, 1, 1), atol=0.02)
    # Eyes and mouth are the network's.
    for point in landmarks[[468, 473, 13], :2].astype(int):
        assert alpha[point[1], point[0]] > 250


def test_the_crop_lies_as_the_family_wants_it(scene) -> None:
    """A map of the crop's own pixels comes back with the five points where the template has them."""
    image, landmarks = scene
    made = engine(places)(image, landmarks, engine(same).meet(), 0.0, PLAIN)
    shown, _ = pasted(image, made)
    five = align.five(landmarks)
    matrix = align.similarity(five, align.template("arcface_128", SIDE))
    for point in five:
        found = cv2.getRectSubPix(shown, (9, 9), tuple(float(v) for v in point)).mean(axis=(0, 1))[:2]
        np.testing.assert_allclose(found, matrix @ [*point, 1], atol=0.7)


def test_the_patch_moves_with_the_landmarks_at_once(scene) -> None:
    image, landmarks = scene
    made, target = engine(places), engine(same).meet()
    at = landmarks[[50, 280, 5], :2].mean(axis=0)
    seen = []
    for index in range(8):
        way = np.array([11.0 * index, 3.0 * index], np.float32)
        moved = cv2.warpAffine(image, np.array([[1, 0, way[0]], [0, 1, way[1]]]), image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        shown, _ = pasted(moved, made(moved, landmarks + np.array([*way, 0], np.float32), target, index / 30, PLAIN))
        seen.append(cv2.getRectSubPix(shown, (21, 21), tuple(float(v) for v in at + way)).mean(axis=(0, 1))[:2])
    assert np.ptp(seen, axis=0).max() < 0.3


def test_a_still_head_in_a_noisy_picture_keeps_its_crop(detector, landmarker) -> None:
    """The noise of a dim webcam moves the crop by less than a tenth of a pixel."""
    from realtime.config import AnimatedInput, DetectSettings, TrackSettings
    from realtime.sources.animated import Animated
    from realtime.stages.detect import Detect
    from realtime.stages.track import Track

    source = Animated(AnimatedInput(width=960, height=720, noise=6, speed=0, realtime=False))
    detect, track = Detect(detector, DetectSettings()), Track(landmarker, TrackSettings())
    made, target, seen, places_of = engine(places), engine(same).meet(), [], None
    for frame in source:
        face = track(detect(frame)).faces[0]
        places_of = face.landmarks[[50, 280, 199, 9], :2] if places_of is None else places_of
        shown, _ = pasted(frame.image, made(frame.image, face.landmarks, target, frame.time, PLAIN))
        seen.append([cv2.getRectSubPix(shown, (25, 25), tuple(float(v) for v in at)).mean(axis=(0, 1))[:2] for at in places_of])
        if len(seen) == 50:
            break
    source.close()
    steps = np.diff(np.array(seen[15:]), axis=0)
    assert np.sqrt((steps**2).mean()) < 0.1


def cells(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours by chance, 16 px wide."""
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8).repeat(16, axis=0).repeat(16, axis=1)


def shuffled(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Tiles 32 px wide, in another order."""
    tiles = crop.reshape(8, 32, 8, 32, 3).swapaxes(1, 2).reshape(64, 32, 32, 3)[np.random.default_rng(0).permutation(64)]
    return tiles.reshape(8, 8, 32, 32, 3).swapaxes(1, 2).reshape(crop.shape)


@pytest.mark.parametrize(
    "work",
    [
        lambda crop: None,
        np.zeros_like,
        lambda crop: np.full_like(crop, 255),
        lambda crop: np.random.default_rng(0).integers(0, 2, crop.shape).astype(np.uint8),
        lambda crop: np.random.default_rng(0).integers(0, 256, crop.shape).astype(np.uint8),
        lambda crop: np.full_like(crop, int(crop.mean())),
        lambda crop: np.where(np.indices(crop.shape)[0] % 2, 0, 255).astype(np.uint8),
        lambda crop: np.where(np.indices(crop.shape)[0] // 8 % 2, 0, 255).astype(np.uint8),
        lambda crop: np.where(np.indices(crop.shape)[1] // 8 % 2, 0, 255).astype(np.uint8),
        cells,
        lambda crop: 255 - crop,
        shuffled,
        broken,
    ],
    ids=[
        *("nan", "black", "white", "nearly-black", "noise", "grey", "lines", "bars", "upright-bars", "cells", "inverted", "shuffled"),
        "broken",
    ],
)
def test_what_is_no_face_is_never_shown(scene, work, caplog: pytest.LogCaptureFixture) -> None:
    image, landmarks = scene
    made, target = engine(work), engine(same).meet()
    with caplog.at_level(logging.WARNING):
        assert all(made(image, landmarks, target, index / 30) is None for index in range(5))
    assert len(caplog.records) == 1
    assert "The swapper failed" in caplog.text
    frame = Swap({"a": engine(work)}, SwapSettings(sources=("a",)))(Frame(image, 0, 0.0, (as_face(landmarks),)))
    assert frame.faces[0].lost


@pytest.mark.parametrize("change", [(1.0, 0.0), (0.25, 0.0), (0.12, 110.0)], ids=["light", "dark", "mist"])
def test_another_persons_face_is_one(scene, hopper, detector, landmarker, change, caplog: pytest.LogCaptureFixture) -> None:
    """The face of another photo, in the target's brightness and contrast or in its own."""
    factor, level = change
    image = (scene[0] * factor + level).astype(np.uint8)
    matrix = align.similarity(align.five(find(hopper, detector, landmarker)), align.template("arcface_128", SIDE))
    other = align.crop(hopper, matrix, SIDE, cv2.BORDER_REPLICATE)
    with caplog.at_level(logging.WARNING):
        for picture in (other, (other * factor + level).astype(np.uint8)):
            assert engine(lambda crop, picture=picture: picture)(image, scene[1], engine(same).meet(), 0.0) is not None
    assert not caplog.records


def test_one_bad_frame_is_one_frame(scene) -> None:
    image, landmarks = scene
    calls = iter(range(9))
    made, target = engine(lambda crop: None if next(calls) == 1 else crop), engine(same).meet()
    assert [made(image, landmarks, target, index / 30) is None for index in range(4)] == [False, True, False, False]


def test_a_network_out_of_memory_is_asked_again_after_a_while(scene) -> None:
    image, landmarks = scene
    calls = iter(range(200))
    made, target = engine(lambda crop: broken(crop) if next(calls) == 1 else crop), engine(same).meet()
    results = [made(image, landmarks, target, index / 30, PLAIN, BARE) is None for index in range(110)]
    assert not results[0]
    assert all(results[1:60])
    assert not results[-1]


@pytest.mark.parametrize(
    "spoil",
    [lambda p: p * np.nan, lambda p: p - [5000, 0, 0], lambda p: p * 0, lambda p: np.where(np.arange(len(p))[:, None] == 470, np.inf, p)],
    ids=["nan", "outside", "point", "infinite"],
)
def test_unusable_landmarks_give_no_patch(scene, spoil) -> None:
    image, landmarks = scene
    assert engine(same)(image, spoil(landmarks).astype(np.float32), engine(same).meet(), 0.0) is None


@pytest.mark.parametrize(("scale", "x", "y"), [(8, 480, 270), (60, 0, 540), (200, 940, 20), (500, 480, 270), (60, -40, -40)])
def test_faces_of_any_size_and_half_out_of_the_frame(scale: float, x: float, y: float, scene) -> None:
    image = cv2.resize(scene[0], (960, 540))
    landmarks = np.concatenate([MEAN, np.repeat(MEAN[[468 - 1]], 10, axis=0)]).astype(np.float32) * scale + np.array([x, y, 0], np.float32)
    made = engine(same)(image, landmarks.astype(np.float32), engine(same).meet(), 0.0)
    assert made is None or made[0].shape[:2] == made[1].shape
    if made is not None:
        assert max(made[1].shape) <= Effort().largest
        shown, alpha = pasted(image, made)
        assert np.abs(shown.astype(int) - image)[alpha > 0].mean() < 12


def test_networks_of_any_size_of_effort_give_whole_patches(scene) -> None:
    image, landmarks = scene
    small = engine(same)(image, landmarks, engine(same).meet(), 0.0, Knobs(), Effort(largest=100))
    assert max(small[1].shape) == 100
    shown, alpha = pasted(image, small)
    assert np.abs(shown.astype(int) - image)[alpha > 250].mean() < 4


def test_boost_makes_the_picture_finer(scene) -> None:
    image, landmarks = larger(scene[0], 2), scene[1] * 2
    off = []
    for boost in (1, 2, 3):
        made = engine(same, boost=boost)(image, landmarks, engine(same).meet(), 0.0, PLAIN)
        shown, alpha = pasted(image, made)
        off.append(float(np.abs(shown.astype(int) - image)[alpha > 250].mean()))
    assert off[1] < 0.75 * off[0]
    assert off[2] < off[1]


def test_identity_is_mixed_with_an_embedding_measured_once_and_from_the_front(scene) -> None:
    image, landmarks = scene
    asked: list[int] = []

    def recognise(picture, five) -> NDArray[np.float32]:
        asked.append(len(asked))
        np.testing.assert_allclose(five[2], landmarks[1, :2], atol=1)
        return np.eye(512, dtype=np.float32)[1]

    maker = swapper(same)
    made = NeuralEngine(maker, latent(maker), recogniser=recognise)  # type: ignore[arg-type]
    target = made.meet()
    turned = landmarks.copy()
    turned[:, :2] = landmarks[:, :2].mean(axis=0) + (landmarks[:, :2] - landmarks[:, :2].mean(axis=0)) * [0.6, 1]
    turned[:, 2] = 0.8 * (landmarks[:, 0] - landmarks[:, 0].mean()) + landmarks[:, 2]
    made(image, turned.astype(np.float32), target, 0.0, Knobs(identity=1.3), BARE)
    assert target.aside > 25
    assert not asked
    for index in range(1, 6):
        made(image, landmarks, target, index / 10, Knobs(identity=1.3), BARE)
    assert len(asked) == 1
    made(image, landmarks, target, 1.0, Knobs(), BARE)
    sources = [feeds["source"][0] for feeds in fed(maker)]
    np.testing.assert_allclose(sources[-2][:2] / sources[-2][0], (1, -0.3 / 1.3), atol=1e-5)
    np.testing.assert_allclose(sources[0][:2], (1, 0))
    np.testing.assert_allclose(sources[-1][:2], (1, 0))


def test_morph_and_own_mask_of_a_model_of_one_person(scene) -> None:
    image, landmarks = scene
    half = np.ones((1, SIDE, SIDE, 1), np.float32)
    half[:, :, : SIDE // 2] = 0
    shape, mask = (1, SIDE, SIDE, 3), (1, SIDE, SIDE, 1)
    ports = [Port("in_face:0", shape, "float32"), Port("morph_value:0", (1,), "float32")]
    outputs = [Port("out_face_mask:0", mask, "float32"), Port("out_celeb:0", shape, "float32"), Port("out_celeb_mask:0", mask, "float32")]
    network = Network(ports, outputs, lambda feeds: [half, feeds["in_face:0"] * 1, half])
    maker = Swapper(network, family("dfm"))
    shown, alpha = pasted(image, NeuralEngine(maker, maker.source([]))(image, landmarks, engine(same).meet(), 0.0, Knobs(morph=0.25)))
    assert network.feeds[0]["morph_value:0"] == 0.25
    left, right = (alpha[tuple(landmarks[i, [1, 0]].astype(int))] for i in (50, 280))
    assert left < 5
    assert right > 250
    assert shown.shape == image.shape


def test_masks_look_now_and_then_and_stay_on_the_face_in_between(scene) -> None:
    image, landmarks = scene
    looks: list[int] = []

    def left_is_hidden(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        looks.append(1)
        mask = np.full(crop.shape[:2], 255, np.uint8)
        mask[:, : SIDE // 2] = 0
        return mask

    made = engine(same, masks=(masker(left_is_hidden),))
    target = made.meet()
    centre = landmarks[:, :2].mean(axis=0)
    for index in range(9):
        # A head that leans over: where the mask lies in the patch changes with every frame.
        angle = np.radians(5 * index)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = landmarks.copy()
        moved[:, :2] = (landmarks[:, :2] - centre) @ turn.T + centre + (4 * index, 0)
        _, alpha = pasted(image, made(image, moved, target, index / 30, Knobs(), Effort(occlusion_every=4)))
        for point, hidden in ((50, True), (105, True), (280, False), (334, False), (212, True), (432, False)):
            across, down = moved[point, :2].astype(int)
            assert (alpha[down, across] < 5) == hidden, (index, point)
    assert len(looks) <= 3
    _, alpha = pasted(image, made(image, landmarks, target, 1.0, Knobs(occlusion=0)))
    assert alpha[tuple(landmarks[50, [1, 0]].astype(int))] > 250


@pytest.mark.parametrize(
    "mask",
    [
        lambda crop: np.zeros(crop.shape[:2], np.uint8),
        lambda crop: np.where(np.add(*np.indices(crop.shape[:2])) < 120, 255, 0).astype(np.uint8),
        lambda crop: np.random.default_rng(0).integers(0, 256, crop.shape[:2]).astype(np.uint8),
    ],
    ids=["nothing", "a-corner", "noise"],
)
def test_a_mask_that_shows_no_face_does_not_bare_it(scene, mask, caplog: pytest.LogCaptureFixture) -> None:
    image, landmarks = scene
    made = engine(tinted(0.5, 1, 1), masks=(masker(mask),))
    target = made.meet()
    with caplog.at_level(logging.WARNING):
        alphas = [pasted(image, made(image, landmarks, target, index / 30))[1] for index in range(6)]
    face = outline(image, landmarks, -8)
    assert min((alpha[face] > 250).mean() for alpha in alphas) > 0.9
    assert len(caplog.records) == 1
    assert "The mask occluder failed" in caplog.text


def test_a_mask_that_sees_no_more_than_the_veil_does_is_believed(scene, caplog: pytest.LogCaptureFixture) -> None:
    """The veil hides most of the face, as before a hand, and the network sees half of the rest."""
    image, landmarks = scene
    made = engine(same, masks=(masker(lambda crop: np.where(np.indices(crop.shape[:2])[0] < SIDE // 2, 255, 0).astype(np.uint8)),))
    target = made.meet()

    def hand(image, points, area, time, every, hands) -> NDArray[np.uint8]:
        veil = np.full((160, 160), 255, np.uint8)
        veil[:, :40] = 0
        return veil

    target.veil = hand  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING):
        _, alpha = pasted(image, made(image, landmarks, target, 0.0))
    assert not caplog.records
    nose, temple, cheek = (alpha[tuple(landmarks[point, [1, 0]].astype(int))] for point in (1, 143, 215))
    assert nose < 5
    assert temple > 200
    assert cheek < 5


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_a_model_whose_own_mask_shows_no_face_gives_none(scene, share: float, caplog: pytest.LogCaptureFixture) -> None:
    image, landmarks = scene
    shape, mask = (1, SIDE, SIDE, 3), (1, SIDE, SIDE, 1)
    ports = [Port("in_face:0", shape, "float32"), Port("morph_value:0", (1,), "float32")]
    outputs = [Port("out_face_mask:0", mask, "float32"), Port("out_celeb:0", shape, "float32"), Port("out_celeb_mask:0", mask, "float32")]
    nothing = np.full(mask, share, np.float32)
    maker = Swapper(Network(ports, outputs, lambda feeds: [nothing, feeds["in_face:0"] * 1, nothing]), family("dfm"))
    made, target = NeuralEngine(maker, maker.source([])), engine(same).meet()
    with caplog.at_level(logging.WARNING):
        assert all(made(image, landmarks, target, index / 30) is None for index in range(3))
        assert made(image, landmarks, target, 0.1, PLAIN) is None
    assert len(caplog.records) == 1
    frame = Swap({"a": made}, SwapSettings(sources=("a",)))(Frame(image, 0, 0.0, (as_face(landmarks),)))
    assert frame.faces[0].lost


def test_something_before_the_face_stays_on_top(shared: Path, detector, landmarker) -> None:
    """Half a second after a face was learned a blue card comes up before its lower half."""
    from realtime.config import DetectSettings, TrackSettings, VideoInput
    from realtime.sources.video import Video
    from realtime.stages.detect import Detect
    from realtime.stages.track import Track

    detect, track = Detect(detector, DetectSettings()), Track(landmarker, TrackSettings())
    made, target, card = engine(tinted(0.6, 1, 1)), engine(same).meet(), np.array([160, 90, 30], np.uint8)
    share = []
    for frame in Video(VideoInput(path=str(shared / "clips" / "address.mp4")), lambda *_: None):
        face = track(detect(frame)).faces[0]
        image, top = frame.image.copy(), int(face.landmarks[2, 1]) + 4
        left, right = int(face.landmarks[:, 0].min()), int(face.landmarks[50, 0])
        if frame.index >= 25:
            image[top:, left - 20 : right] = card
        shown, _ = pasted(image, made(image, face.landmarks, target, frame.time))
        if frame.index >= 28:
            area = shown[top + 4 : int(face.landmarks[152, 1]) - 6, left : right - 4]
            share.append(float((np.abs(area.astype(int) - card).max(axis=2) < 12).mean()))
        if frame.index >= 36:
            break
    assert np.mean(share) > 0.9


@pytest.mark.parametrize("name", ["inswapper_128", "simswap_256", "hififace_256", "uniface_256"])
def test_families_as_files_give_the_frame_back(scene, name: str, tmp_path: Path, recognise) -> None:
    """From an ONNX file with a family's signature, that gives its target back, to the patch."""
    image, landmarks = scene
    row = family(name)
    kinds = {UNIT: (making.ZERO, making.ONE), SIGNED: (making.HALF, making.HALF), IMAGENET: (making.MEAN, making.DEVIATION)}
    side = row.source.size if isinstance(row.source, Picture) else "latent"
    emap = np.eye(512, dtype=np.float32) if isinstance(row.source, Embedding) and row.source.emap else None
    swap = making.Swap(row.size, kinds[row.takes], kinds[row.gives], side, mixed=False, strength=0.0, emap=emap)
    maker = open_swapper(Session(making.swapper(tmp_path / "swap.onnx", swap)), name, emap)
    source = maker.source([(image, align.five(landmarks))], recognise, lambda embedding: embedding)
    made = NeuralEngine(maker, source, boost=2 if row.size < SIDE else 1)(image, landmarks, engine(same).meet(), 0.0)
    shown, alpha = pasted(image, made)
    face = outline(image, landmarks, 0)
    assert np.abs(shown.astype(int) - image)[face].mean() < 1.6
    assert (alpha[face] > 250).mean() > 0.8


def test_a_real_clip_comes_back_as_it_was(shared: Path, detector, landmarker) -> None:
    from realtime.config import DetectSettings, TrackSettings, VideoInput
    from realtime.sources.video import Video
    from realtime.stages.detect import Detect
    from realtime.stages.track import Track

    detect, track = Detect(detector, DetectSettings()), Track(landmarker, TrackSettings())
    swap, blend = Swap({"a": engine(same)}, SwapSettings(sources=("a",))), Blend(BlendSettings(seam=0, grain=0))
    off = []
    for frame in Video(VideoInput(path=str(shared / "clips" / "d18.mp4")), lambda *_: None):
        after = swap(track(detect(frame)))
        shown = blend(after).image
        face = outline(frame.image, after.faces[0].landmarks, 0)
        off.append(float(np.abs(shown.astype(int) - frame.image)[face].mean()))
        if frame.index >= 25:
            break
    assert max(off) < 1.5
