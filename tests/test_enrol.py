"""Enrolment from real photos, and one clear word for every photo that will not do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from models.detector import Detector
from models.finding import faces
from models.landmarks import Landmarker
from realtime.frame import RealtimeError
from realtime.people.enrol import enrol
from realtime.people.identities import Consent
from realtime.portraits import portrait
from realtime.sources.photo import read_photo

Bytes = NDArray[np.uint8]


@pytest.fixture
def two(tmp_path: Path, hopper: Bytes, collins: Bytes) -> Path:
    """Collins at the left, Hopper at the right."""
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), np.hstack([collins, hopper[:512]]))
    return path


def _refused(paths: list[Path], detector: Detector, landmarker: Landmarker, face: int | None = None) -> str:
    with pytest.raises(RealtimeError) as caught:
        enrol("somebody", paths, detector, landmarker, None, face)
    return str(caught.value)


@pytest.mark.parametrize("name", ["hopper", "collins"])
def test_a_portrait_becomes_an_identity(name: str, detector: Detector, landmarker: Landmarker) -> None:
    path = portrait(name)
    consent = Consent.now()
    identity = enrol(name, [path], detector, landmarker, consent)
    assert (identity.name, identity.consent) == (name, consent)
    assert [(photo.name, photo.sha256) for photo in identity.photos] == [(path.name, hashlib.sha256(path.read_bytes()).hexdigest())]
    assert identity.atlas.texture.std() > 10


def test_two_people_have_two_faces(detector: Detector, landmarker: Landmarker) -> None:
    first, second = (enrol(name, [portrait(name)], detector, landmarker, None).atlas for name in ("hopper", "collins"))
    assert np.abs(first.texture.astype(int) - second.texture).mean() > 5
    assert np.abs(first.shape - second.shape).max() > 0.02


def test_no_photo(detector: Detector, landmarker: Landmarker) -> None:
    assert "at least one" in _refused([], detector, landmarker)


def test_the_same_photo_twice_counts_once(tmp_path: Path, detector: Detector, landmarker: Landmarker) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(portrait("hopper").read_bytes())
    assert len(enrol("hopper", [portrait("hopper"), copy], detector, landmarker, None).photos) == 1


def test_several_faces_are_counted_placed_and_chosen(two: Path, detector: Detector, landmarker: Landmarker) -> None:
    words = _refused([two], detector, landmarker)
    assert "2 faces" in words
    assert "1: 22% from the left" in words
    assert "2: 76% from the left" in words
    assert "--face N" in words
    assert "no face 3; 2 were found" in _refused([two], detector, landmarker, 3)
    assert "no face 0" in _refused([two], detector, landmarker, 0)
    alone = [enrol(name, [portrait(name)], detector, landmarker, None).atlas.texture for name in ("collins", "hopper")]
    for number in (1, 2):
        chosen = enrol("chosen", [two], detector, landmarker, None, number).atlas.texture.astype(int)
        own, other = (np.abs(chosen - alone[index]).mean() for index in (number - 1, 2 - number))
        assert own < other / 2


def test_a_passer_by_is_nobodys_concern(tmp_path: Path, hopper: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    picture = np.full((900, 1300, 3), 150, np.uint8)
    picture[:, :768] = cv2.resize(hopper, (768, 900))
    picture[600:705, 1000:1090] = cv2.resize(hopper, (90, 105), interpolation=cv2.INTER_AREA)
    path = tmp_path / "street.png"
    cv2.imwrite(str(path), picture)
    assert enrol("hopper", [path], detector, landmarker, None).photos[0].name == "street.png"


def test_everything_wrong_with_every_photo_is_told_at_once(
    tmp_path: Path, two: Path, hopper: Bytes, detector: Detector, landmarker: Landmarker
) -> None:
    blurred, wall, gone, also_gone = (tmp_path / name for name in ("blurred.png", "wall.png", "gone.jpg", "also-gone.jpg"))
    cv2.imwrite(str(blurred), cv2.GaussianBlur(hopper, (0, 0), 6))
    cv2.imwrite(str(wall), np.full((400, 400, 3), 90, np.uint8))
    lines = _refused([portrait("hopper"), blurred, wall, gone, two, also_gone], detector, landmarker).splitlines()
    assert len(lines) == 5
    for line, name, words in zip(
        lines,
        (blurred, wall, gone, two, also_gone),
        ("is blurred", "no face was found", "no file", "2 faces", "no file"),
        strict=True,
    ):
        assert str(name) in line
        assert words in line


def test_a_large_photo_gives_the_same_face(tmp_path: Path, hopper: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    path = tmp_path / "large.png"
    cv2.imwrite(str(path), cv2.resize(hopper, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC))
    large = enrol("hopper", [path], detector, landmarker, None).atlas
    small = enrol("hopper", [portrait("hopper")], detector, landmarker, None).atlas
    assert np.abs(large.texture.astype(int) - small.texture).mean() < 8


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_photos_are_turned_as_their_exif_says(tmp_path: Path, hopper: Bytes, orientation: int) -> None:
    stored = {1: hopper, 2: hopper[:, ::-1], 3: hopper[::-1, ::-1], 4: hopper[::-1]}
    turned = hopper.transpose(1, 0, 2)
    stored |= {5: turned, 6: turned[::-1], 7: turned[::-1, ::-1], 8: turned[:, ::-1]}
    path = tmp_path / "phone.png"
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(np.ascontiguousarray(stored[orientation][..., ::-1])).save(path, exif=exif)
    np.testing.assert_array_equal(read_photo(path), hopper)


@pytest.mark.parametrize("kind", ["grey", "grey16", "palette", "alpha", "cmyk", "one-bit"])
def test_every_kind_of_picture_is_brought_to_colour(tmp_path: Path, hopper: Bytes, kind: str) -> None:
    picture = Pillow.fromarray(np.ascontiguousarray(hopper[..., ::-1]))
    path = tmp_path / ("photo.jpg" if kind == "cmyk" else "photo.png")
    grey = cv2.cvtColor(hopper, cv2.COLOR_BGR2GRAY)
    if kind == "grey16":
        cv2.imwrite(str(path), grey.astype(np.uint16) * 257)
    else:
        picture.convert({"grey": "L", "palette": "P", "alpha": "RGBA", "cmyk": "CMYK", "one-bit": "1"}[kind]).save(path)
    image = read_photo(path)
    assert image.shape == hopper.shape
    assert image.dtype == np.uint8
    if kind != "one-bit":
        assert np.abs(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(int) - grey).mean() < 12


def test_of_an_animation_the_first_picture(tmp_path: Path, hopper: Bytes, collins: Bytes) -> None:
    path = tmp_path / "moving.gif"
    frames = [Pillow.fromarray(np.ascontiguousarray(image[:512, :, ::-1])) for image in (hopper, collins)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    image = read_photo(path).astype(int)
    assert np.abs(image - hopper[:512]).mean() < np.abs(image - collins).mean() / 3


def _bomb(path: Path) -> None:
    Pillow.new("1", (20_000, 20_000)).save(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "There is no file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"%PDF-1.4 not a picture at all"), "not a picture"),
        (lambda path: path.write_bytes(portrait("hopper").read_bytes()[:9000]), "cut off"),
        (_bomb, "too many pixels"),
        (lambda path: path.write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100)), "HEIC.*JPEG"),
    ],
    ids=["missing", "folder", "empty", "pdf", "truncated", "bomb", "heic"],
)
def test_what_is_no_photo(make: object, words: str, tmp_path: Path, detector: Detector, landmarker: Landmarker) -> None:
    path = tmp_path / "me.png"
    make(path)  # type: ignore[operator]
    with pytest.raises(RealtimeError, match=words) as caught:
        read_photo(path)
    assert str(path) in str(caught.value)
    assert str(caught.value) in _refused([path], detector, landmarker)


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 15)])
def test_a_picture_of_a_few_pixels_is_no_photo_of_a_face(
    tmp_path: Path, detector: Detector, landmarker: Landmarker, size: tuple[int, int]
) -> None:
    path = tmp_path / "me.png"
    Pillow.new("RGB", size).save(path)
    assert f"{path} is {size[0]}x{size[1]} px" in _refused([path], detector, landmarker)


@pytest.mark.parametrize("name", ["me.jpg", "~/me.jpg"])
def test_a_photo_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detector: Detector, landmarker: Landmarker, name: str
) -> None:
    """No shell has looked at a path in the settings, nor at --source=~/me.jpg."""
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me.jpg").write_bytes(portrait("hopper").read_bytes())
    (photo,) = enrol("hopper", [name], detector, landmarker, None).photos
    assert (photo.name, photo.sha256) == ("me.jpg", hashlib.sha256(portrait("hopper").read_bytes()).hexdigest())
    assert "There is no file ~nobody-here/me.jpg" in _refused([Path("~nobody-here/me.jpg")], detector, landmarker)


def test_several_photos_of_one_person(shared: Path, detector: Detector, landmarker: Landmarker) -> None:
    folder = shared / "photos/hard"
    identity = enrol("o", [folder / f"obama{number}.jpg" for number in (1, 2, 3)], detector, landmarker, None)
    assert [photo.name for photo in identity.photos] == ["obama1.jpg", "obama2.jpg", "obama3.jpg"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mask-1", "covered"),
        ("mask-9", "cut off.*covered"),
        ("mask-5", "2 faces"),
        ("obama-240p", "too small"),
        ("obama_partial_face", "cut off"),
        ("obama_partial_face2", "cut off"),
        ("obama_and_biden", "3 faces"),
    ],
)
def test_hard_photos_are_refused_for_what_is_wrong(shared: Path, detector: Detector, landmarker: Landmarker, name: str, words: str) -> None:
    with pytest.raises(RealtimeError, match=words):
        enrol("x", [shared / f"photos/hard/{name}.jpg"], detector, landmarker, None)


def test_two_people_in_one_photo_from_life(shared: Path, detector: Detector, landmarker: Landmarker) -> None:
    path = shared / "photos/hard/obama_and_biden.jpg"
    first, second = (enrol("x", [path], detector, landmarker, None, face).atlas for face in (1, 2))
    assert np.abs(first.texture.astype(int) - second.texture).mean() > 10


def test_a_photo_from_the_side_helps_one_from_the_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hopper: Bytes, detector: Detector, landmarker: Landmarker
) -> None:
    """The face of the second photo is said to be turned by 38 degrees; no test picture shows one so."""
    side = tmp_path / "side.png"
    cv2.imwrite(str(side), hopper[:, ::-1])

    def turned(image: Bytes, *models: object) -> list[NDArray[np.float32]]:
        found = faces(image, detector, landmarker)
        if (image == hopper).all():
            return found
        turn = cv2.Rodrigues(np.array([0.0, np.radians(38), 0.0]))[0]
        middle = found[0].mean(axis=0)
        return [np.asarray((found[0] - middle) @ turn.T + middle, np.float32)]

    monkeypatch.setattr("realtime.people.enrol.faces", turned)
    assert "turned to the" in _refused([side], detector, landmarker)
    assert len(enrol("x", [portrait("hopper"), side], detector, landmarker, None).photos) == 2


def test_two_people_in_two_photos_are_doubted_and_one_person_is_not(
    shared: Path, caplog: pytest.LogCaptureFixture, detector: Detector, landmarker: Landmarker
) -> None:
    enrol("both", [portrait("hopper"), shared / "photos/portraits/V000135.jpg"], detector, landmarker, None)
    assert "V000135.jpg and grace_hopper.jpg seem to show different people" in caplog.text
    caplog.clear()
    enrol("o", [shared / f"photos/hard/obama{number}.jpg" for number in (1, 2, 3)], detector, landmarker, None)
    enrol("b", [shared / f"photos/hard/{name}.jpg" for name in ("biden", "biden2")], detector, landmarker, None)
    assert not caplog.text
