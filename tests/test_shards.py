"""Shards on disk: whole or not there, read back as written, and told when they are broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.training.data import shards

_KINDS = {"number": np.int32, "picture": np.uint8}


def _write(folder: Path, first: int, count: int) -> None:
    numbers = np.arange(first, first + count, dtype=np.int32)
    pictures = np.broadcast_to(numbers.astype(np.uint8)[:, None, None], (count, 4, 4))
    shards.write(folder, {"number": numbers, "picture": pictures}, {"counts": {"kept": count}})


def test_rows_run_on_over_all_shards(tmp_path: Path) -> None:
    for name, first, count in (("0000", 0, 5), ("0001", 5, 0), ("0002", 5, 3)):
        _write(tmp_path / name, first, count)
    rows = shards.open_rows(tmp_path, _KINDS)
    assert len(rows) == 8
    assert rows.column("number").tolist() == list(range(8))
    assert rows.take("picture", np.array([7, 0, 5]))[:, 2, 2].tolist() == [7, 0, 5]


def test_shards_are_in_the_order_of_their_numbers_beyond_four_digits(tmp_path: Path) -> None:
    for name in ("9999", "10000", "0002", "0001.part", "notes"):
        (tmp_path / name).mkdir()
    assert [path.name for path in shards.done(tmp_path)] == ["0002", "9999", "10000"]


def test_new_shards_fill_the_gaps_first(tmp_path: Path) -> None:
    for name in ("0000", "0002", "0005"):
        (tmp_path / name).mkdir()
    assert [path.name for path in shards.free(tmp_path, 4)] == ["0001", "0003", "0004", "0006"]
    assert [path.name for path in shards.free(tmp_path / "new", 2)] == ["0000", "0001"]
    assert shards.free(tmp_path, 0) == []


def test_what_was_half_written_is_no_shard_and_is_removed(tmp_path: Path) -> None:
    _write(tmp_path / "0000", 0, 2)
    (tmp_path / "0001.part").mkdir()
    (tmp_path / "0001.part" / "number.npy").write_bytes(b"half")
    assert len(shards.open_rows(tmp_path, _KINDS)) == 2
    shards.tidy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0000"]


@pytest.mark.parametrize("last", [1, 2, 3])
def test_a_failed_write_leaves_nothing(last: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def full(number: int) -> None:
        calls.append(number)
        if len(calls) == last:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"cannot be written \(No space left on device\); what is finished is kept.*0000"):
        _write(tmp_path / "0000", 0, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda at: (at / "picture.npy").write_bytes((at / "picture.npy").read_bytes()[:-20]), "picture.npy cannot be read"),
        (lambda at: (at / "picture.npy").write_bytes(b""), "picture.npy cannot be read"),
        (lambda at: (at / "number.npy").unlink(), "number.npy cannot be read"),
        (lambda at: (at / "shard.json").unlink(), "shard.json cannot be read"),
        (lambda at: (at / "shard.json").write_text("{"), "shard.json cannot be read"),
        (lambda at: (at / "shard.json").write_text("3"), "shard.json cannot be read"),
        (lambda at: (at / "shard.json").write_text(json.dumps({"sizes": {}})), r"got number int32 \[5\], expected int32 None"),
        (lambda at: np.save(at / "number.npy", np.arange(5.0)), r"got number float64 \[5\], expected int32 \[5\]"),
        (lambda at: np.save(at / "number.npy", np.arange(4, dtype=np.int32)), r"got number int32 \[4\], expected int32 \[5\]"),
        (lambda at: np.save(at / "number.npy", np.array([{}])), "number.npy cannot be read"),
    ],
)
def test_a_broken_shard_is_told_with_its_place_and_the_way_out(tmp_path: Path, harm: object, said: str) -> None:
    _write(tmp_path / "0000", 0, 5)
    harm(tmp_path / "0000")  # type: ignore[operator]
    with pytest.raises(ValueError, match=f"0000: broken shard, {said}.*prepare again"):
        shards.open_rows(tmp_path, _KINDS)


def test_without_data_the_command_that_makes_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got no data, expected shards; make them with `swapcam train prepare`"):
        shards.open_rows(tmp_path, _KINDS)
