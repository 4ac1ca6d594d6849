"""Photos made ready to train on: the same whatever interrupts it, every photo once, every reason counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from faces import find as look
from numpy.typing import NDArray
from photos import cut_outs, write_people

from models.detector import Detector
from models.generator.view import zones
from models.landmarks import Landmarker
from models.network import NetworkError
from models.training.data import prepare, register, shards, workers
from models.training.data.layouts import find
from models.training.data.photos import Finder, Photo, enlarged

Bytes = NDArray[np.uint8]
_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def data(
    tmp_path_factory: pytest.TempPathFactory, hopper: Bytes, collins: Bytes, detector: Detector, landmarker: Landmarker
) -> Path:
    """Twelve photos of two people."""
    folder = tmp_path_factory.mktemp("data")
    people = {name: cut_outs(image, look(image, detector, landmarker), 6) for name, image in (("hopper", hopper), ("collins", collins))}
    return write_people(folder, people)


def _make(out: Path, *folders: Path, workers: int = 1) -> dict[str, int]:
    with register.preparing(out):
        items = [item for folder in folders for item in register.add(out, folder, find(folder), "own")]
        return dict(prepare.photos(out, items, workers))


def _arrays(out: Path) -> dict[str, bytes]:
    """The content of every shard; shard.json without the place of the data."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted((out / "photos").rglob("*.npy"))}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The set that these photos give, three in a shard, made in one go."""
    out = tmp_path_factory.mktemp("made") / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "PHOTOS_A_SHARD", 3)
        assert _make(out, data) == {"kept": 12}
    return out


def test_a_prepared_photo_shows_its_face_where_its_landmarks_say(made: Path, landmarker: Landmarker) -> None:
    rows = shards.open_rows(made / "photos", shards.PHOTOS)
    packed = shards.read(made / "photos" / "0000", shards.PACKED)
    assert len(rows) == 12
    assert sorted(rows.column("person").tolist()) == [0] * 6 + [1] * 6
    for row in range(3):
        points = rows.column("landmarks")[row]
        assert np.array_equal(rows.column("zone")[row], zones(points))
        start, end = ([0, *packed["ends"]][row], packed["ends"][row])
        large = cv2.imdecode(np.array(packed["packed"][start:end]), cv2.IMREAD_COLOR)
        small = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - rows.column("crop")[row]).mean() < 1
        from models.landmarks import region_from_landmarks

        again = landmarker(np.asarray(large, np.uint8), [region_from_landmarks(enlarged(points))])[0]
        assert again is not None
        assert np.linalg.norm(again[:, :2] - enlarged(points)[:, :2], axis=1).mean() < 1.5


def test_the_number_of_workers_changes_nothing(made: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "PHOTOS_A_SHARD", 3)
    _make(tmp_path / "set", data, workers=2)
    assert _arrays(tmp_path / "set") == _arrays(made)


def test_a_lost_shard_and_a_half_written_one_are_made_again(
    made: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "PHOTOS_A_SHARD", 3)
    out = tmp_path / "set"
    _make(out, data)
    before = (out / "photos" / "0000" / "crop.npy").stat().st_mtime_ns
    (out / "photos" / "0001").rename(out / "photos" / "0001.part")
    assert _make(out, data) == {"kept": 3}
    assert _arrays(out) == _arrays(made)
    assert (out / "photos" / "0000" / "crop.npy").stat().st_mtime_ns == before
    assert _make(out, data) == {}


_SCRIPT = """
import sys
from pathlib import Path
from models.training.data import prepare, register
from models.training.data.layouts import find

if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:])
    prepare.PHOTOS_A_SHARD = 3
    with register.preparing(out):
        prepare.photos(out, register.add(out, data, find(data), "own"), 2)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_kill_in_the_middle_loses_nothing_and_leaves_no_worker(
    made: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, out = tmp_path / "script.py", tmp_path / "set"
    script.write_text(_SCRIPT)
    process = subprocess.Popen([sys.executable, script, data, out], env=os.environ | {"PYTHONPATH": str(_ROOT)}, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not shards.done(out / "photos") and time.monotonic() < end:
        time.sleep(0.002)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(shards.done(out / "photos")) < 4, "it was over before it was killed"
    assert psutil.wait_procs(children, timeout=10)[1] == []
    monkeypatch.setattr(prepare, "PHOTOS_A_SHARD", 3)
    _make(out, data)
    assert _arrays(out) == _arrays(made)
    assert not list((out / "photos").glob("*.part"))


def test_other_data_is_added_and_every_photo_is_taken_once(made: Path, data: Path, tmp_path: Path, collins: Bytes, hopper: Bytes) -> None:
    out, more = tmp_path / "set", tmp_path / "more"
    assert _make(out, data) == {"kept": 12}
    first = _arrays(out)
    twin = next((data / "hopper").glob("*_0003.jpg"))
    more.mkdir()
    (more / "same.jpg").write_bytes(twin.read_bytes())
    assert cv2.imwrite(str(more / "whole.jpg"), collins)
    (more / "again.jpg").write_bytes((more / "whole.jpg").read_bytes())
    assert _make(out, data, more) == {"kept": 1, "there already": 2}
    assert {name: _arrays(out)[name] for name in first} == first
    assert register.counted(out).counts == {"kept": 13, "there already": 2}
    assert json.loads((out / "people.json").read_text()) == {"LFW/collins": 0, "LFW/hopper": 1}
    assert shards.open_rows(out / "photos", shards.PHOTOS).column("person").tolist()[12:] == [-1]
    assert _make(out, data, more) == {}


def test_every_photo_that_is_dropped_is_counted_with_its_reason(
    tmp_path: Path, hopper: Bytes, detector: Detector, landmarker: Landmarker
) -> None:
    face = cut_outs(hopper, look(hopper, detector, landmarker), 1)[0]
    grey = cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    pictures = {
        "fine": face, "grey": grey, "blurred": cv2.GaussianBlur(face, (0, 0), 6), "cut": face[:, 85:],
        "small": cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA),
        "noise": np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8),
    }  # fmt: skip
    data = tmp_path / "data"
    data.mkdir()
    for name, picture in pictures.items():
        assert cv2.imwrite(str(data / f"{name}.png"), picture)
    (data / "text.jpg").write_text("no picture")
    (data / "empty.jpg").touch()
    (data / "gone.jpg").symlink_to(data / "nowhere")
    counts = _make(tmp_path / "set", data)
    expected = {"kept": 1, "black and white": 1, "blurred": 1, "cut off": 1, "too small": 1, "no face": 1, "cannot be read": 3}
    assert counts == expected


def test_of_a_whole_photo_every_unknown_face_is_taken_and_a_known_one_only_where_it_is_clear(hopper: Bytes, collins: Bytes) -> None:
    height = min(len(hopper), len(collins))
    two = np.hstack([hopper, hopper[:, ::-1]])
    small = cv2.resize(collins[:height], None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    aside = np.hstack([hopper[:height], np.pad(small, ((height - len(small), 0), (0, 0), (0, 0)))])
    finder = Finder()
    try:
        assert [type(found) for found in finder(two, False)] == [Photo, Photo]
        assert finder(two, True) == ["several faces, one name"]
        assert [type(found) for found in finder(np.asarray(aside, np.uint8), True)] == [Photo]
    finally:
        finder.close()


def test_a_set_is_prepared_by_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        register.preparing(tmp_path / "set"),
        pytest.raises(NetworkError, match="being prepared by another process"),
        register.preparing(tmp_path / "set"),
    ):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(NetworkError, match="is a file"), register.preparing(tmp_path / "file"):
        pass


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"needs about 1000000\.0 GB and its disk has"):
        prepare.check_disk(tmp_path, 10**15)
    prepare.check_disk(tmp_path, 1000)
    assert prepare.estimate(tmp_path, 10, 4) == 10 * prepare.PHOTO_BYTES + 4 * prepare.SOURCE_BYTES


def test_the_estimate_holds(made: Path) -> None:
    on_disk = sum(path.stat().st_size for path in (made / "photos").rglob("*.npy"))
    assert 0.7 < on_disk / prepare.estimate(made / "none", 12, 0) < 1.1


def test_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="fewer --workers"):
        list(workers.each(os._exit, [3, 3], 2))


def test_a_set_that_does_not_say_what_is_in_it_is_not_added_to(tmp_path: Path, data: Path) -> None:
    shards.write(tmp_path / "photos" / "0000", {"person": np.zeros(3, np.int32)}, {})
    with pytest.raises(ValueError, match=r"0000: broken shard, got no items in shard\.json; delete the folder and prepare again"):
        prepare.photos(tmp_path, find(data).items)


def test_what_a_set_knows_of_its_data_lasts(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "set"
    with register.preparing(out):
        register.add(out, data, find(data), "own photos")
        register.add(out, data, find(data), "own photos")
    about = register.about(out)
    assert [(origin.folder, origin.layouts) for origin in about.origins] == [(str(data), {"LFW": 12})]
    assert about.terms == ["own photos"]
    (out / "set.json").write_text('{"format": 7}')
    with pytest.raises(ValueError, match="got format 7, expected 1"):
        register.about(out)
    (out / "set.json").write_text("{")
    with pytest.raises(ValueError, match=r"set\.json: cannot be read"):
        register.about(out)
