"""Enrolling from a page: photos that browsers send, good, bad and hostile, and the statement without which nobody is kept."""

from __future__ import annotations

import base64
import functools
import io
import random
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import psutil
import pytest
from PIL import Image as Pillow
from studios import Running, running

from realtime.frame import RealtimeError
from realtime.people import identities
from realtime.people.identities import STATEMENT
from realtime.portraits import portrait
from realtime.studio.enrolling import Enrolments
from realtime.studio.photos import decoded


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def one(place: Path) -> Iterator[Running]:
    """A studio of which the loop does not run."""
    with running(place) as studio:
        yield studio


@pytest.fixture
def begun(one: Running) -> str:
    """The address of a new enrolment."""
    return f"/api/enrolments/{one.client.post('/api/enrolments', json={}).json()['id']}"


def _encoded(image: np.ndarray[Any, Any], ending: str = ".jpg") -> bytes:
    return bytes(cv2.imencode(ending, image)[1].tobytes())


def _send(one: Running, address: str, data: bytes, kind: str = "image/jpeg") -> httpx.Response:
    return one.client.post(f"{address}/photos", content=data, headers={"content-type": kind})


def _png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG by its chunks; its header may say what it wants."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data or zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_a_person_is_enrolled_with_a_verdict_for_each_photo(one: Running, hopper: Any) -> None:
    begun = one.client.post("/api/enrolments", json={}).json()
    assert begun["statement"] == STATEMENT
    address = f"/api/enrolments/{begun['id']}"
    good = _send(one, address, _encoded(hopper)).json()
    assert (good["number"], good["good"], good["sentence"]) == (1, True, "Good.")
    kind, _, picture = good["thumbnail"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_COLOR).shape == (160, 160, 3)
    bad = _send(one, address, _encoded(np.full((300, 300, 3), 128, np.uint8), ".png"), "image/png").json()
    assert (bad["number"], bad["good"]) == (2, False)
    assert "no face" in bad["sentence"].lower()
    assert tempfile.gettempdir() not in bad["sentence"]
    assert "photo-2" not in bad["sentence"]
    assert one.client.post(address, json={"name": "grace", "consent": True}).json() == {"name": "grace"}
    stored = identities.load("grace")
    assert stored.consent is not None
    assert stored.consent.statement == STATEMENT
    assert [photo.name for photo in stored.photos] == ["photo-1.png"]
    assert one.client.get("/api/state").json()["sources"][0]["name"] == "grace"
    assert one.client.post(address, json={"name": "again", "consent": True}).status_code == 404, "it is over"


@pytest.mark.parametrize("body", [{"name": "grace"}, {"name": "grace", "consent": False}, {"name": "grace", "consent": None}])
def test_without_the_statement_nobody_is_kept(one: Running, begun: str, hopper: Any, body: dict[str, Any]) -> None:
    _send(one, begun, _encoded(hopper))
    answer = one.client.post(begun, json=body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["problem"]
    assert identities.names() == []


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".x", "CON", "photo.jpg", "x" * 300, "a\x00b", "a b"])
def test_a_name_that_is_none_is_refused(one: Running, begun: str, hopper: Any, name: str) -> None:
    _send(one, begun, _encoded(hopper))
    assert one.client.post(begun, json={"name": name, "consent": True}).status_code in (400, 422)
    assert identities.names() == []


def test_somebody_enrolled_is_replaced_only_where_that_is_said(one: Running, hopper: Any, collins: Any) -> None:
    for number, (image, more) in enumerate([(hopper, {}), (collins, {}), (collins, {"overwrite": True})]):
        address = f"/api/enrolments/{one.client.post('/api/enrolments', json={}).json()['id']}"
        assert _send(one, address, _encoded(image)).json()["good"]
        status = one.client.post(address, json={"name": "same", "consent": True, **more}).status_code
        assert status == [200, 400, 200][number]


def test_a_photo_is_left_out_again(one: Running, begun: str, hopper: Any) -> None:
    _send(one, begun, _encoded(hopper))
    assert one.client.delete(f"{begun}/photos/1").status_code == 200
    assert one.client.delete(f"{begun}/photos/1").status_code == 404
    assert "no good photo" in one.client.post(begun, json={"name": "grace", "consent": True}).json()["problem"]
    assert one.client.delete(begun).status_code == 200
    assert one.client.delete(begun).status_code == 404
    assert _send(one, begun, _encoded(hopper)).status_code == 404


def test_two_people_in_one_photo_are_told_in_words_for_a_page(one: Running, begun: str, hopper: Any, collins: Any) -> None:
    both = np.hstack([cv2.resize(hopper, (512, 512)), cv2.resize(collins, (512, 512))])
    answer = _send(one, begun, _encoded(both)).json()
    assert not answer["good"]
    assert "2 faces" in answer["sentence"]
    assert "--" not in answer["sentence"]


def test_every_kind_that_is_taken_is_decoded_alike(hopper: Any) -> None:
    for ending, kind in ((".jpg", "image/jpeg"), (".png", "image/png"), (".webp", "image/webp")):
        image = decoded(_encoded(hopper, ending), kind)
        assert image.shape == hopper.shape
        assert np.abs(image.astype(int) - hopper).mean() < 6


def test_photos_stand_upright_and_become_small_enough(hopper: Any) -> None:
    turned = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x0112] = 6
    large = cv2.resize(hopper, None, fx=8, fy=8)
    Pillow.fromarray(large[..., ::-1]).save(turned, "JPEG", exif=exif)
    image = decoded(turned.getvalue(), "image/jpeg")
    assert image.shape[1] > image.shape[0]
    assert max(image.shape) <= 3072


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16", "1", "CMYK"])
def test_unusual_pictures_are_read(mode: str, hopper: Any) -> None:
    data, grey = io.BytesIO(), cv2.cvtColor(hopper, cv2.COLOR_BGR2GRAY)
    picture = Pillow.fromarray(grey.astype(np.uint16) << 8) if mode == "I;16" else Pillow.fromarray(hopper[..., ::-1]).convert(mode)
    picture.save(data, "JPEG" if mode == "CMYK" else "PNG")
    image = decoded(data.getvalue(), "image/jpeg" if mode == "CMYK" else "image/png")
    assert image.shape == hopper.shape
    assert image.std() > 20


@functools.cache
def _hostile() -> dict[str, tuple[bytes, str]]:
    hopper = cv2.imread(str(portrait("hopper")))
    jpeg, png = _encoded(hopper), _encoded(hopper, ".png")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("evil.txt", "evil")
    text = b"\x89PNG\r\n\x1a\n" + png[8:33]
    body = b"k\x00\x00" + zlib.compress(bytes(200 << 20))
    text += struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body)) + png[33:]
    return {
        "bomb": (_png(50_000, 50_000), "image/png"),
        "bomb within pillow's limits": (_png(9_000, 9_000, zlib.compress(bytes(9_000 * 27_001))), "image/png"),
        "long and thin": (_png(40_000_000, 1), "image/png"),
        "bomb in a text": (text, "image/png"),
        "cut off": (jpeg[: len(jpeg) // 2], "image/jpeg"),
        "cut off png": (png[: len(png) // 2], "image/png"),
        "head alone": (jpeg[:20], "image/jpeg"),
        "nothing": (b"", "image/jpeg"),
        "another type than it says": (png, "image/jpeg"),
        "no picture": (b"#!/bin/sh\nrm -rf /\n", "image/png"),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', "image/png"),
        "gif": (b"GIF89a" + bytes(100), "image/webp"),
        "noise": (bytes(range(256)) * 100, "image/webp"),
        "a number that is not there": (_png(0, 0), "image/png"),
        "archive": (archive.getvalue(), "image/jpeg"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "bomb",
        "bomb within pillow's limits",
        "long and thin",
        "bomb in a text",
        "cut off",
        "cut off png",
        "head alone",
        "nothing",
        "another type than it says",
        "no picture",
        "svg",
        "gif",
        "noise",
        "a number that is not there",
        "archive",
    ],
)
def test_a_hostile_file_is_one_sentence_and_costs_nothing(one: Running, begun: str, name: str) -> None:
    data, kind = _hostile()[name]
    process = psutil.Process()
    before = process.memory_info().rss
    answer = _send(one, begun, data, kind)
    assert answer.status_code == 400, answer.text
    assert answer.json()["problem"].endswith(".")
    assert process.memory_info().rss - before < 60 << 20
    assert one.client.post(begun, json={"name": "grace", "consent": True}).status_code == 400


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_of_every_kind_are_pictures_or_one_sentence(hopper: Any) -> None:
    chance, small, exif = random.Random(5), Pillow.fromarray(cv2.resize(hopper, (48, 56))), Pillow.Exif()
    exif[0x0112], exif[0x010E], exif[0x011A] = 6, "words", 72.0
    whole = []
    for kind, ending in (("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/webp", "WEBP")):
        data = io.BytesIO()
        small.save(data, ending, exif=exif, icc_profile=bytes(200))
        whole.append((data.getvalue(), kind))
    refused = 0
    for _ in range(3000):
        data, kind = chance.choice(whole)
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 3, 10))):
            damaged[chance.randrange(chance.choice((64, 300, len(data))))] = chance.randrange(256)
        try:
            assert decoded(bytes(damaged), kind).shape[2] == 3
        except RealtimeError:
            refused += 1
    assert 100 < refused < 2900


def test_a_second_file_behind_the_picture_is_not_kept(hopper: Any, home: Path) -> None:
    """A polyglot: a picture for one program and an archive for another."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("evil.txt", "evil")
    enrolments = Enrolments()
    name = enrolments.begin()
    assert enrolments.add(name, _encoded(hopper) + archive.getvalue(), "image/jpeg")["good"]
    (kept,) = enrolments._open[name].folder.iterdir()
    assert not zipfile.is_zipfile(kept)
    assert b"evil" not in kept.read_bytes()
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    enrolments.close()
    assert not kept.parent.exists()


@pytest.mark.parametrize("kind", ["image/gif", "image/svg+xml", "text/html", "application/json", "image/tiff", ""])
def test_only_photos_may_be_sent(one: Running, begun: str, hopper: Any, kind: str) -> None:
    assert _send(one, begun, _encoded(hopper), kind).status_code == 415


def test_more_than_twenty_megabytes_are_refused(one: Running, begun: str) -> None:
    answer = _send(one, begun, b"\xff\xd8\xff" + bytes(21 << 20))
    assert answer.status_code == 413
    assert "20 MB" in answer.json()["problem"]


def test_photos_and_people_are_limited_and_what_lies_about_goes(hopper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.studio.enrolling._PHOTOS", 1)
    enrolments = Enrolments()
    names = [enrolments.begin() for _ in range(7)]
    with pytest.raises(KeyError):
        enrolments.add(names[0], b"", "image/jpeg")
    enrolments.add(names[6], _encoded(np.zeros((64, 64, 3), np.uint8)), "image/jpeg")
    with pytest.raises(RealtimeError, match="are enough"):
        enrolments.add(names[6], _encoded(hopper), "image/jpeg")
    folders = [enrolments._open[name].folder for name in names[1:]]
    monkeypatch.setattr("realtime.studio.enrolling._IDLE", -1.0)
    last = enrolments.begin()
    assert [folder for folder in folders if folder.exists()] == []
    enrolments.drop(last)
    enrolments.close()
