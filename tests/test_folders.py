"""Folders of faces are read as they are distributed."""

from __future__ import annotations

import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.quality.folders import labelled, read
from realtime.frame import RealtimeError


def _photo(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 8, 3), level, np.uint8))
    return path


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"clip")
    return path


def test_lfw_has_a_folder_for_each_person(tmp_path: Path) -> None:
    for name, count in (("Ann_Lee", 2), ("Bo_Ng", 1)):
        for number in range(1, count + 1):
            _photo(tmp_path / "lfw" / name / f"{name}_{number:04}.png", 10 * number)
    found = read(tmp_path)
    assert found.layout == "lfw"
    assert {name: [file.name for file in files] for name, files in found.people.items()} == {
        "Ann_Lee": ["Ann_Lee_0001.png", "Ann_Lee_0002.png"],
        "Bo_Ng": ["Bo_Ng_0001.png"],
    }
    people = labelled([tmp_path])
    assert [int(photo()[0, 0, 0]) for photo in people["Ann_Lee"]] == [10, 20]


def test_a_tar_of_labelled_faces_is_read_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "lfw-00.tar"
    with tarfile.open(path, "w") as tar:
        for name, number, level in (("Ann_Lee", 1, 30), ("Bo_Ng", 1, 60), ("Ann_Lee", 2, 90)):
            photo = _photo(tmp_path / "x" / f"{name}_{number}.png", level)
            tar.add(photo, f"lfw/{name}/{name}_{number:04}.png")
    people = labelled([path])
    assert {name: [int(photo()[4, 4, 1]) for photo in photos] for name, photos in people.items()} == {"Ann_Lee": [30, 90], "Bo_Ng": [60]}


def test_celeba_is_in_the_order_of_its_numbers_and_knows_its_people(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        _photo(tmp_path / "CelebA-HQ-img" / f"{number}.jpg", number)
    (tmp_path / "CelebA-HQ-identity.txt").write_text("1.jpg 7\n2.jpg 8\n10.jpg 7\n99.jpg 7\n")
    found = read(tmp_path)
    assert found.layout == "celeba-hq"
    assert [file.stem for file in found.photos] == ["1", "2", "10"]
    assert {name: [file.stem for file in files] for name, files in found.people.items()} == {"7": ["1", "10"], "8": ["2"]}


def test_faceforensics_names_say_whose_face_goes_on_whom(tmp_path: Path) -> None:
    originals = tmp_path / "original_sequences/youtube/c23/videos"
    for name in ("000", "003", "005"):
        _touch(originals / f"{name}.mp4")
    for method, name in (("Deepfakes", "000_003"), ("FaceSwap", "000_003"), ("FaceSwap", "003_000"), ("FaceSwap", "003_900")):
        _touch(tmp_path / f"manipulated_sequences/{method}/c23/videos/{name}.mp4")
    found = read(tmp_path)
    assert found.layout == "faceforensics"
    assert [file.stem for file in found.clips] == ["000", "003", "005"]
    assert [(target.stem, source.stem) for target, source in found.pairs] == [("000", "003"), ("003", "000")]


def test_any_other_folder_is_its_photos_and_clips(tmp_path: Path) -> None:
    _photo(tmp_path / "me.JPG", 5)
    _touch(tmp_path / "talk.mp4")
    (tmp_path / "notes.txt").write_text("x")
    found = read(tmp_path)
    assert (found.layout, [file.name for file in found.clips], [file.name for file in found.photos]) == ("plain", ["talk.mp4"], ["me.JPG"])


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(RealtimeError, match="no photos and no clips"):
        read(tmp_path)
    with pytest.raises(RealtimeError, match="no folder"):
        read(tmp_path / "gone")
    _photo(tmp_path / "me.jpg", 5)
    with pytest.raises(RealtimeError, match="who its people are"):
        labelled([tmp_path])
    (tmp_path / "bad.tar").write_bytes(b"no tar")
    with pytest.raises(RealtimeError, match="tar file"):
        labelled([tmp_path / "bad.tar"])
    with tarfile.open(tmp_path / "small.tar", "w:gz") as tar:
        tar.add(tmp_path / "me.jpg", "Ann/me.jpg")
    with pytest.raises(RealtimeError, match="unpacked"):
        labelled([tmp_path / "small.tar"])
