"""A packed set is the set it was packed from, and minutes on it end in a checkpoint that training goes on from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sets import write_set

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.training import burst, checkpoint, dlib_file, kept, pack, unpack  # noqa: E402  after the skip
from models.training import run as loop  # noqa: E402
from models.training.batches import Batches, Kinds  # noqa: E402
from models.training.burst import Resident  # noqa: E402
from models.training.data import shards  # noqa: E402  after the skip
from models.training.distil import TEACHER, describe  # noqa: E402
from models.training.judges import ENCODER, open_judges, save_encoder  # noqa: E402
from models.training.networks import IdentityEncoder  # noqa: E402
from models.training.settings import Phase, Shares, TrainSettings  # noqa: E402
from models.training.teacher import Teacher  # noqa: E402
from models.training.trainer import Judges  # noqa: E402

_ROOT = Path(__file__).resolve().parents[1]
_CPU = torch.device("cpu")
_PHASE = Phase(side=32, until=100, batch=4, adversarial=0.02, steady=1.0)
SETTINGS = TrainSettings(seed=3, widths=(8, 8, 8, 8), phases=(_PHASE,), shares=Shares(itself=0.25, same=0.45))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with an untaught, small encoder, and what a teacher might have said of it."""
    folder = write_set(tmp_path_factory.mktemp("set"), people=6)
    said = np.random.default_rng(0).normal(size=(18, 128)).astype(np.float32)
    kept.write(folder / TEACHER, said, {"photos": shards.fingerprint(folder / "photos")})
    torch.manual_seed(2)
    save_encoder(folder / ENCODER, IdentityEncoder())
    return folder


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pack") / "pack.npz"
    patch = pytest.MonkeyPatch()
    patch.setattr(Teacher, "open", classmethod(lambda kind: kind(_weights())))
    assert pack.pack(folder, out, SETTINGS) == 54
    patch.undo()
    return out


def _weights() -> dlib_file.Weights:
    """Of a teacher with dlib's architecture."""
    random = np.random.default_rng(1)

    def layer(channels: int, out: int, side: int, stride: int) -> dlib_file.Convolution:
        filters = (random.normal(size=(out, channels, side, side)) / np.sqrt(channels * side * side)).astype(np.float32)
        gamma, bias, beta = random.normal(1, 0.1, (3, out)).astype(np.float32)
        return dlib_file.Convolution(filters, bias, gamma, beta, stride, side // 2 if stride == 1 else 0)

    blocks, channels = [], dlib_file.STEM
    for width, halves in dlib_file.BLOCKS:
        blocks.append((layer(channels, width, 3, 2 if halves else 1), layer(width, width, 3, 1)))
        channels = width
    last = random.normal(size=(256, 128)).astype(np.float32)
    return dlib_file.Weights(np.array([122.782, 117.001, 104.298], np.float32), layer(3, dlib_file.STEM, 7, 2), tuple(blocks), last)


def test_a_packed_set_is_the_set_it_was_packed_from(folder: Path, packed: Path) -> None:
    data, found = Batches(folder, SETTINGS.shares), unpack.unpack(packed)
    assert found.photos == {**data.about(), "encoder": open_judges(folder, _CPU).check()}
    everything = Resident(found, SETTINGS.shares, _CPU)
    assert len(found.source) == len(data) == 54
    assert found.true.sum() == data.true.sum()
    assert found.itself.sum() == data.itself.sum()
    # Every pair is there once, its own target beneath it.
    guides = data.pairs.take("guide", np.arange(len(data))).astype(int)
    used = set()
    for row in range(len(found.source)):
        match = _original(guides, found, row)
        used.add(match)
        guide = found.guide[row].transpose(1, 2, 0)[..., [2, 1, 0, 3]].astype(int)
        assert np.abs(guides[match] - guide).mean() < 3
        place = np.array([data.target[match]])
        crop = found.crop[found.target[row]].transpose(1, 2, 0)[..., ::-1].astype(int)
        assert np.abs(crop - data.photos.take("crop", place)[0]).mean() < 4
        points = data.photos.take("landmarks", place)[0][unpack.POINTS, :2]
        np.testing.assert_allclose(found.landmarks[found.target[row]][unpack.POINTS, :2], points, atol=0.01)
        assert (found.zone[found.target[row], 0] != data.photos.take("zone", place)[0]).mean() < 0.003
        assert (found.true[row], found.itself[row]) == (data.true[match], data.itself[match])
        clear = guides[match, ..., 3] == 0
        assert (guide[clear, 3] == 0).mean() > 0.99
    assert used == set(range(54))
    assert len(everything((1,), 8, 32, None).view) == 8


def test_packed_judges_say_what_the_judges_said(folder: Path, packed: Path) -> None:
    known, found = open_judges(folder, _CPU), unpack.unpack(packed)
    teacher = Teacher(_weights())
    crops = 255 * torch.rand(2, 3, 150, 150)
    small = crops[:, :, :128, :128] / 255
    assert found.judges.teacher is not None
    with torch.no_grad():
        torch.testing.assert_close(found.judges.teacher(crops), teacher(crops), rtol=0.02, atol=0.02 * float(teacher(crops).abs().max()))
        torch.testing.assert_close(found.judges.encoder(small), known.encoder(small), atol=0.01, rtol=0)
    descriptions = torch.from_numpy(describe(folder))
    assert found.judges.wanted is not None
    assert found.judges.mean is not None
    torch.testing.assert_close(found.judges.mean, descriptions.mean(dim=0))
    for row in range(len(found.source)):
        # Whoever the source is, its vector and its descriptor are those of one photo.
        near = int((known.vectors @ found.judges.vectors[found.source[row]]).argmax())
        torch.testing.assert_close(found.judges.wanted[found.source[row]], descriptions[near], atol=0.01, rtol=0)


def test_what_does_not_fit_is_left_out_evenly(tmp_path: Path) -> None:
    """Everybody is there once before anybody is there twice, and what a source is drawn on stays together."""
    data = Batches(write_set(tmp_path / "set", people=4, photos_each=5), Shares(itself=1, same=0))
    order = pack._order(data)
    assert sorted(order.tolist()) == list(range(60))
    sources = data.source[order].reshape(-1, 3)
    assert (sources == sources[:, :1]).all()
    people = data.photos.column("person")[sources[:, 0]].reshape(5, 4)
    assert all(set(turn) == {0, 1, 2, 3} for turn in people.tolist())


def test_a_pack_is_as_large_as_asked_for(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Teacher, "open", classmethod(lambda kind: kind(_weights())))
    encoder = sum(value.nbytes for value in pack._weights(IdentityEncoder(), "encoder").values())
    teacher = sum(value.nbytes for value in pack._weights(Teacher(_weights()), "teacher").values())
    megabytes = (encoder + teacher + 120_000) / 1e6
    count = pack.pack(folder, tmp_path / "small.npz", SETTINGS, megabytes)
    assert 3 <= count < 54
    assert 0.85 * 120_000 - 64_000 < (tmp_path / "small.npz").stat().st_size - encoder - teacher <= 120_000
    with pytest.raises(ValueError, match="in which not one pair fits"):
        pack.pack(folder, tmp_path / "none.npz", SETTINGS, 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["small.npz"]


@pytest.mark.parametrize("content", [b"", b"not a pack", None])
def test_another_file_is_no_pack(content: bytes | None, packed: Path, tmp_path: Path) -> None:
    path = tmp_path / "pack.npz"
    path.write_bytes(packed.read_bytes()[:30_000] if content is None else content)
    with pytest.raises(ValueError, match="cannot be read as a packed set"):
        unpack.unpack(path)


def test_batches_on_the_device_are_made_as_the_others_are(folder: Path, packed: Path) -> None:
    found = unpack.unpack(packed)
    data = Resident(found, SETTINGS.shares, _CPU)
    first, same, other = (data((5,), 20, 32, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.view, same.view)
    assert not torch.equal(first.view, other.view)
    # As many of every kind in every batch.
    assert [(int(batch.itself.sum()), int(batch.true.sum())) for batch in (first, data((6,), 20, 32, None))] == [(5, 14)] * 2
    # Seen whole, without variation, a batch is what the set's own is but for what packing lost.
    plain, batches = data((5,), 20, 128, None), Batches(folder, SETTINGS.shares)
    guides = batches.pairs.take("guide", np.arange(54)).astype(int)
    rows = Kinds(found.true, found.itself, SETTINGS.shares).even((5,), 20)
    wanted = batches(np.array([_original(guides, found, int(row)) for row in rows]), 128, None)
    assert float((plain.view - wanted.view).abs().mean()) < 0.012
    assert torch.equal(plain.true, wanted.true)


def _original(guides: np.ndarray[Any, Any], found: unpack.Pack, row: int) -> int:
    """The pair of the set that a packed pair was: the one whose guide and mask are nearest."""
    guide = found.guide[row].transpose(1, 2, 0)[..., [2, 1, 0, 3]].astype(int)
    return int(np.abs(guides - guide).mean(axis=(1, 2, 3)).argmin())


def test_minutes_end_in_a_checkpoint_that_everything_goes_on_from(folder: Path, packed: Path, tmp_path: Path) -> None:
    found, said = unpack.unpack(packed), list[str]()
    first = burst.run(found, tmp_path / "first", 0.05, batch=8, side=32, device=_CPU, say=said.append)
    path = tmp_path / "first" / loop.CHECKPOINT
    assert first.step == checkpoint.reached(path) >= 1
    assert cv2.imread(str(tmp_path / "first" / f"sheet-{first.step:06d}.png")).shape == (8 * 32, 4 * 32, 3)
    second = burst.run(found, tmp_path / "second", 0.05, path, batch=8, side=32, device=_CPU)
    assert second.step > first.step
    # And the loop goes on from it with the whole set.
    settings = SETTINGS.model_copy(update={"phases": (Phase(side=32, until=second.step + 2, batch=4),)})
    data, judges = Batches(folder, settings.shares), open_judges(folder, _CPU)
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / loop.CHECKPOINT).write_bytes((tmp_path / "second" / loop.CHECKPOINT).read_bytes())
    third = loop.train(data, Judges(judges.encoder, judges.vectors, None, None), tmp_path / "third", settings, _CPU)
    assert third.step == second.step + 2


def test_another_set_or_no_time_is_refused(packed: Path, tmp_path: Path) -> None:
    found = unpack.unpack(packed)
    with pytest.raises(ValueError, match="not one step was taken"):
        burst.run(found, tmp_path / "none", 0.0, batch=4, side=32, device=_CPU)
    burst.run(found, tmp_path / "out", 0.02, batch=4, side=32, device=_CPU)
    object.__setattr__(found, "photos", {**found.photos, "check": 1})
    with pytest.raises(ValueError, match="trained with other photos"):
        burst.run(found, tmp_path / "more", 0.02, tmp_path / "out" / loop.CHECKPOINT, batch=4, side=32, device=_CPU)


def test_a_large_checkpoint_comes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burst, "PIECE", 900)
    path = tmp_path / loop.CHECKPOINT
    checkpoint.save(path, {"step": 3, "generator": {"weight": torch.arange(500.0)}})
    content = path.read_bytes()
    pieces = burst.split(path)
    assert len(pieces) == -(-len(content) // 900) > 2
    assert not path.exists()
    assert max(piece.stat().st_size for piece in pieces) <= 900
    assert burst.join(tmp_path).read_bytes() == content
    path.unlink()
    pieces[1].unlink()
    with pytest.raises(ValueError, match=rf"checkpoint\.pt: {len(pieces) - 1} pieces make no checkpoint; copy all of them again"):
        burst.join(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {piece.name for piece in pieces} - {pieces[1].name}


def test_a_burst_needs_torch_numpy_and_cv2_alone(packed: Path, tmp_path: Path) -> None:
    """And ends with a checkpoint when it is told to, long before its time is over."""
    program = textwrap.dedent("""
        import runpy, sys

        absent = {"mediapipe", "pydantic", "numba", "onnxruntime", "onnx", "tensorboard", "matplotlib", "scipy", "skimage", "yaml",
                  "dlib", "face_recognition_models", "typer", "realtime"}

        class Hiding:
            def __init__(self, finder):
                self.finder = finder

            def find_spec(self, name, path=None, target=None):
                own = name.startswith("models.mesh.") and name != "models.mesh.topology"
                hidden = name.split(".")[0] in absent or own
                return None if hidden else self.finder.find_spec(name, path, target)

        sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
        import torch
        torch.set_num_threads(1)
        sys.argv = ["burst", *sys.argv[1:]]
        runpy.run_module("models.training.burst", run_name="__main__")
    """)
    command = [sys.executable, "-c", program, "run", str(packed), "--out", str(tmp_path), "--minutes", "30", "--batch", "4", "--side", "32"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(_ROOT)}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert "54 pairs on 18 photos" in lines[0]
        assert lines[1].startswith("step 10, ")
        assert "faces_per_second" in lines[1]
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert time.monotonic() - began < 60
    finally:
        process.kill()
        process.stdout.close()
    assert checkpoint.reached(tmp_path / loop.CHECKPOINT) >= 10


def test_the_points_that_are_packed_are_all_that_zones_need(folder: Path) -> None:
    from models.generator.view import zones

    landmarks = shards.open_rows(folder / "photos", shards.PHOTOS).take("landmarks", np.arange(1))[0]
    few = np.zeros_like(landmarks)
    few[unpack.POINTS] = landmarks[unpack.POINTS]
    np.testing.assert_array_equal(zones(few), zones(landmarks))
