"""The source's bones under the target's expression: lids and lips whose gaps are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import turn
from numpy.typing import NDArray

from models.mesh.bones import Resting, offsets
from models.mesh.pose import Pose
from models.mesh.topology import EYES, INNER_MOUTH, MEAN, MIRROR, OVAL, VERTICES

Floats = NDArray[np.float32]

FACE = np.ascontiguousarray(MEAN[:VERTICES])
RINGS = {"left eye": EYES[0], "right eye": EYES[1], "mouth": INNER_MOUTH}
seeds = st.integers(0, 10_000)


def gaps(face: Floats, ring: NDArray[np.int32]) -> Floats:
    """How far apart the rims of a ring are, pair by pair, positive when open."""
    half = len(ring) // 2
    first, second = face[ring[1:half], 1], face[ring[:half:-1], 1]
    return np.asarray((second - first) * np.sign((MEAN[ring[:half:-1], 1] - MEAN[ring[1:half], 1]).mean()), np.float32)


def opened(face: Floats, ring: NDArray[np.int32], factor: float) -> Floats:
    """The face with one ring so many times as far open."""
    half = len(ring) // 2
    face = face.copy()
    for a, b in zip(ring[1:half], ring[:half:-1], strict=True):
        middle = (face[a, 1] + face[b, 1]) / 2
        face[[a, b], 1] = middle + factor * (face[[a, b], 1] - middle)
    return face


def somebody(seed: int, spread: float = 0.03) -> Floats:
    """The mean face with other proportions, smoothly: bones of a person, eyes and mouth in their usual order."""
    numbers = np.random.default_rng(seed).normal(0, spread, (3, 7))
    x, y, z = FACE.T
    terms = np.stack([x, y, z, x * y, x * x, y * y, np.ones_like(x)])
    return np.asarray(FACE + (numbers @ terms).T, np.float32)


def mirrored(face: Floats) -> Floats:
    return np.asarray(face[MIRROR] * [-1, 1, 1], np.float32)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_nothing_moves_when_the_target_is_the_source(seed: int) -> None:
    face = somebody(seed)
    np.testing.assert_allclose(offsets(face, face, face), 0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_at_rest_the_target_gets_the_sources_face(seed: int) -> None:
    source, neutral = somebody(seed), somebody(seed + 1)
    shown = neutral + offsets(source, neutral, neutral)
    # Away from the outline, and from lids and lips, which have rules of their own.
    for vertex in (4, 1, 6, 195, 50, 280):
        np.testing.assert_allclose(shown[vertex], source[vertex], atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, eye=st.integers(0, 1))
def test_a_shut_eye_stays_shut(seed: int, eye: int) -> None:
    source, neutral = somebody(seed), somebody(seed + 1)
    ring = EYES[eye]
    now = opened(neutral, ring, 0.1)
    shown = gaps(now + offsets(source, neutral, now), ring)
    assert abs(float(shown.mean())) < 1e-4
    assert np.abs(shown).max() < 0.1 * gaps(neutral, ring).max()
    other = EYES[1 - eye]
    at_rest = gaps(neutral + offsets(source, neutral, neutral), other)
    np.testing.assert_allclose(gaps(now + offsets(source, neutral, now), other), at_rest, atol=1e-5)


@pytest.mark.parametrize("wide", [0.7, 1.0, 1.4])
def test_at_rest_the_eyes_are_as_wide_open_as_the_sources(wide: float) -> None:
    source = FACE
    for ring in EYES:
        source = opened(source, ring, wide)
    shown = FACE + offsets(source, FACE, FACE)
    for ring in EYES:
        np.testing.assert_allclose(gaps(shown, ring), gaps(source, ring), atol=1e-5)


def test_the_lids_open_evenly_with_the_targets_and_end_somewhere() -> None:
    source = opened(FACE, EYES[0], 1.3)
    rest = float(gaps(source, EYES[0]).mean())
    heights = []
    for share in np.linspace(0, 2, 41):
        now = opened(FACE, EYES[0], float(share))
        heights.append(float(gaps(now + offsets(source, FACE, now), EYES[0]).mean()) / rest)
    assert min(np.diff(heights)) > -1e-5
    assert max(np.diff(heights)) < 0.1
    assert heights[0] == pytest.approx(0, abs=1e-4)
    assert heights[20] == pytest.approx(1, abs=1e-3)
    assert 1.05 < heights[-1] < 1.5


def test_who_squinted_while_being_learned_has_no_staring_eyes_afterwards() -> None:
    squint = FACE
    for ring in EYES:
        squint = opened(squint, ring, 0.4)
    wide, half = FACE, FACE
    for ring in EYES:
        half = opened(half, ring, 0.65)
    for now in (wide, half):
        shown = now + offsets(FACE, squint, now)
        for ring in EYES:
            assert gaps(shown, ring).mean() < (1.5 if now is wide else 1.0) * gaps(FACE, ring).mean()


@settings(max_examples=30, deadline=None)
@given(seed=seeds, factor=st.floats(0, 8))
def test_the_gap_between_the_lips_is_always_the_targets(seed: int, factor: float) -> None:
    source, neutral = opened(somebody(seed), INNER_MOUTH, 5.0), somebody(seed + 1)
    now = opened(neutral, INNER_MOUTH, factor)
    shown = now + offsets(source, neutral, now)
    np.testing.assert_allclose(gaps(shown, INNER_MOUTH), gaps(now, INNER_MOUTH), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_the_outline_stays_the_targets(seed: int) -> None:
    np.testing.assert_array_equal(offsets(somebody(seed, 0.1), somebody(seed + 1), somebody(seed + 2))[OVAL], 0)


@pytest.mark.parametrize("name", RINGS)
def test_opening_moves_no_corner(name: str) -> None:
    """A source that differs only in how far a ring is open moves what is about it, up and down, and not its corners."""
    ring = RINGS[name]
    corners = ring[[0, len(ring) // 2]]
    for source, now in ((opened(FACE, ring, 1.5), FACE), (FACE, opened(FACE, ring, 0.2))):
        moved = offsets(source, FACE, now)
        np.testing.assert_allclose(moved[corners], 0, atol=1e-6)
        np.testing.assert_allclose(moved[:, [0, 2]], 0, atol=1e-6)


@pytest.mark.parametrize("eye", [0, 1])
def test_a_wink_leaves_the_other_half_of_the_face(eye: int) -> None:
    now = opened(FACE, EYES[eye], 0.25)
    moved = offsets(FACE, FACE, now)
    assert np.abs(moved[EYES[eye], 1]).max() > 0.005
    own = np.sign(MEAN[EYES[eye], 0].mean())
    np.testing.assert_array_equal(moved[own * FACE[:, 0] <= 0], 0)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, wink=st.floats(0, 1.5))
def test_mirrored_faces_give_mirrored_offsets(seed: int, wink: float) -> None:
    source, neutral = somebody(seed), somebody(seed + 1)
    now = opened(opened(neutral, EYES[0], wink), INNER_MOUTH, 3.0)
    got = offsets(mirrored(source), mirrored(neutral), mirrored(now))
    np.testing.assert_allclose(got, mirrored(offsets(source, neutral, now)), atol=1e-5)


def test_the_arguments_are_left_alone() -> None:
    source, neutral, now = somebody(1), somebody(2), opened(somebody(2), EYES[0], 0.3)
    kept = [face.copy() for face in (source, neutral, now)]
    offsets(source, neutral, now)
    for face, before in zip((source, neutral, now), kept, strict=True):
        np.testing.assert_array_equal(face, before)


def pose(yaw: float = 0.0) -> Pose:
    return Pose(120.0, turn(yaw=yaw), np.array([320.0, 240.0, 0.0]))


def test_the_first_face_is_taken_as_it_is() -> None:
    resting, face = Resting(), somebody(3)
    now = resting.learn(pose(20).place(face), pose(20), 0.0)
    np.testing.assert_allclose(now, face, atol=1e-4)
    np.testing.assert_allclose(resting.neutral, face, atol=1e-4)


def test_expressions_average_out() -> None:
    random, face = np.random.default_rng(5), somebody(4)
    resting = Resting()
    for i in range(900):
        shown = (face + random.normal(0, 0.03, face.shape)).astype(np.float32)
        resting.learn(pose().place(shown), pose(), 0.0 if i == 0 else 1 / 30)
    # A mean over four seconds at 30 frames a second leaves about a fifteenth of the spread.
    assert np.abs(resting.neutral - face).std() < 0.004
    assert np.abs(resting.neutral - face).max() < 0.02
    assert resting.seen == pytest.approx(899 / 30, rel=1e-3)


def test_a_wrong_start_is_forgotten() -> None:
    resting, face = Resting(), somebody(6)
    resting.learn(pose().place(opened(face, INNER_MOUTH, 10)), pose(), 0.0)
    for _ in range(30 * 15):
        resting.learn(pose().place(face), pose(), 1 / 30)
    np.testing.assert_allclose(resting.neutral, face, atol=0.005)


def test_squarely_seen_faces_say_more() -> None:
    moved = {}
    for yaw in (0.0, 30.0, 60.0, 85.0, 120.0):
        resting = Resting()
        resting.learn(pose().place(FACE), pose(), 1 / 30)
        for _ in range(30):
            resting.learn(pose(yaw).place((FACE + np.float32(0.1)).astype(np.float32)), pose(yaw), 1 / 30)
        moved[yaw] = float((resting.neutral - FACE).mean())
    assert moved[0.0] > moved[30.0] > 1.3 * moved[60.0] > 0
    assert moved[0.0] > 0.06
    assert moved[85.0] == pytest.approx(0, abs=1e-3)
    assert moved[120.0] == pytest.approx(0, abs=1e-5)


def test_two_targets_share_nothing() -> None:
    first, second = Resting(), Resting()
    first.learn(pose().place(somebody(8, 0.1)), pose(), 0.0)
    np.testing.assert_array_equal(second.neutral, FACE)
    np.testing.assert_array_equal(MEAN[:VERTICES], FACE)
