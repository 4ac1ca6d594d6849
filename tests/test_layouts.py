"""Layouts of data folders: whom each photo shows is known, as the folders are made here."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from models.network import NetworkError
from models.training.data.layouts import Found, find, numbered


def _make(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def _labels(found: Found) -> dict[str, str]:
    return {item.name: item.label for item in found.items}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_no_photo_and_is_not_waited_for(tmp_path: Path) -> None:
    _make(tmp_path, ["b.jpg"])
    os.mkfifo(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "c.tar")
    (tmp_path / "d.jpg").symlink_to(tmp_path / "gone.jpg")
    assert [item.name for item in find(tmp_path).items] == ["b.jpg", "d.jpg"]


def test_lfw_and_vggface2_are_labelled_by_their_folders(tmp_path: Path) -> None:
    lfw = ["lfw/Ann_Lee/Ann_Lee_0001.jpg", "lfw/Ann_Lee/Ann_Lee_0002.jpg", "lfw/Bo/Bo_0001.jpg"]
    vgg = ["train/n000001/0001_01.jpg", "test/n000002/0007_03.jpg"]
    found = find(_make(tmp_path / "data", [*lfw, *vgg]))
    assert found.layouts == {"LFW": 3, "VGGFace2": 2}
    assert _labels(found) == {
        lfw[0]: "LFW/Ann_Lee", lfw[1]: "LFW/Ann_Lee", lfw[2]: "LFW/Bo", vgg[0]: "VGGFace2/n000001", vgg[1]: "VGGFace2/n000002",
    }  # fmt: skip


def test_a_folder_of_a_layout_given_by_itself_is_known_by_its_own_name(tmp_path: Path) -> None:
    _make(tmp_path, ["images1024x1024/00000/00007.png", "n000009/0001_01.jpg", "Bo/Bo_0001.jpg"])
    assert find(tmp_path / "images1024x1024").layouts == {"FFHQ": 1}
    assert [item.label for item in find(tmp_path / "n000009").items] == ["VGGFace2/n000009"]
    assert [item.label for item in find(tmp_path / "Bo").items] == ["LFW/Bo"]


def test_celebrities_are_the_same_people_in_both_of_their_sets(tmp_path: Path) -> None:
    plain = _make(tmp_path / "celeba", ["Img/img_align_celeba/000001.jpg", "Img/img_align_celeba/000002.jpg", "Img/img_celeba/000001.jpg"])
    (plain / "Anno").mkdir()
    (plain / "Anno" / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 12\n")
    found = find(plain)
    assert _labels(found) == {"Img/img_align_celeba/000001.jpg": "CelebA/2880", "Img/img_align_celeba/000002.jpg": "CelebA/12"}
    assert found.left_out == {"the same photo in another form": 1}

    fine = _make(tmp_path / "CelebAMask-HQ", ["CelebA-HQ-img/0.jpg", "CelebA-HQ-img/1.jpg", "CelebAMask-HQ-mask-anno/0/00000_hair.png"])
    (fine / "CelebA-HQ-to-CelebA-mapping.txt").write_text("idx orig_idx orig_file\n0 1 000002.jpg\n1 0 000001.jpg\n")
    assert set(_labels(find(fine)).values()) == {""}
    (fine / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 12\n")
    assert _labels(find(fine)) == {"CelebA-HQ-img/0.jpg": "CelebA/12", "CelebA-HQ-img/1.jpg": "CelebA/2880"}

    (fine / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg\n")
    with pytest.raises(NetworkError, match=r"line 2: got '000002.jpg', expected 2 columns"):
        find(fine)


def test_of_ffhq_the_largest_form_is_taken_and_nobody_is_known(tmp_path: Path) -> None:
    large = "images1024x1024/00000/00000.png"
    found = find(_make(tmp_path, [large, "thumbnails128x128/00000/00000.png", "thumbnails128x128/01000/01000.png"]))
    assert _labels(found) == {large: ""}
    assert found.left_out == {"the same photo in another form": 2}


def test_utkface_knows_nobody_and_leaves_out_children(tmp_path: Path) -> None:
    names = ["26_1_0_20170116171048641.jpg.chip.jpg", "9_0_2_20170110224238891.jpg.chip.jpg", "61_1_20170109142408075.jpg.chip.jpg"]
    found = find(_make(tmp_path / "UTKFace", names))
    assert sorted(_labels(found)) == [names[0], names[2]]
    assert found.layouts == {"UTKFace": 2}
    assert found.left_out == {"under 18 years old": 1}


def test_any_other_folder_is_flat_or_has_one_person_in_each_folder(tmp_path: Path) -> None:
    flat = find(_make(tmp_path / "flat", ["1.jpg", "2.PNG", "notes.txt", ".hidden.jpg", "__MACOSX/3.jpg"]))
    assert _labels(flat) == {"1.jpg": "", "2.PNG": ""}
    folders = _make(tmp_path / "folders", ["ann/1.jpg", "ann/2.jpg", "bo/1.jpg", "loose.jpg"])
    labels = _labels(find(folders))
    assert labels["ann/1.jpg"] == labels["ann/2.jpg"] != labels["bo/1.jpg"]
    assert labels["loose.jpg"] == ""
    assert set(_labels(find(folders, people=False)).values()) == {""}
    # One folder alone is a flat one.
    assert set(_labels(find(_make(tmp_path / "one", ["photos/1.jpg", "photos/2.jpg"]))).values()) == {""}


def test_equal_names_in_folders_of_unknown_layouts_are_different_people(tmp_path: Path) -> None:
    people: dict[str, int] = {}
    for folder in ("a", "b"):
        numbered(find(_make(tmp_path / folder, ["1/x.jpg", "2/x.jpg"])).items, people)
    assert sorted(people.values()) == [0, 1, 2, 3]


def test_a_second_folder_continues_the_numbers_of_people(tmp_path: Path) -> None:
    people: dict[str, int] = {}
    first = numbered(find(_make(tmp_path / "a", ["Ann/Ann_0001.jpg", "Bo/Bo_0001.jpg"])).items, people)
    second = numbered(find(_make(tmp_path / "b", ["Bo/Bo_0002.jpg", "Cy/Cy_0001.jpg"])).items, people)
    assert [item.person for item in first] == [0, 1]
    assert [item.person for item in second] == [1, 2]


def _tar(path: Path, names: Iterable[str]) -> None:
    with tarfile.open(path, "w") as file:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            file.addfile(member, io.BytesIO(name.encode()))


def test_photos_are_read_out_of_tar_files(tmp_path: Path) -> None:
    _tar(tmp_path / "one.tar", ["lfw/Ann/Ann_0001.jpg", "lfw/readme.txt", "utk/00001.jpg"])
    _tar(tmp_path / "two.tar", ["./lfw/Ann/Ann_0002.jpg"])
    found = find(tmp_path)
    assert _labels(found) == {"lfw/Ann/Ann_0001.jpg": "LFW/Ann", "lfw/Ann/Ann_0002.jpg": "LFW/Ann", "utk/00001.jpg": ""}
    assert [item.read().decode().removeprefix("./") for item in found.items] == [item.name for item in found.items]
    assert len({item.place for item in found.items}) == 3


def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="does not exist"):
        find(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NetworkError, match="is a file; expected a folder"):
        find(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NetworkError, match="got no photos"):
        find(tmp_path / "empty")
    _make(tmp_path / "packed", ["faces.zip"])
    with pytest.raises(NetworkError, match=r"unpack faces\.zip first"):
        find(tmp_path / "packed")
    cut = tmp_path / "cut"
    cut.mkdir()
    _tar(cut / "faces.tar", ["a" * 2000 + ".jpg"])
    content = (cut / "faces.tar").read_bytes()
    (cut / "faces.tar").write_bytes(content[:4000])
    with pytest.raises(NetworkError, match=r"faces\.tar: got no whole, plain tar file"):
        find(cut)


def test_the_shared_shards_are_known(shared: Path) -> None:
    if not (shared / "faces").is_dir():
        pytest.skip("../shared has no faces")
    found = find(shared / "faces")
    assert found.layouts == {"LFW": 11685, "unknown people": 6619}
    assert len({item.label for item in found.items}) - 1 == 5151
    assert found.items[0].read()[:2] == b"\xff\xd8"
