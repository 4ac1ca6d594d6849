"""The store: what goes in comes out, nothing half-written stays, and damaged or foreign files are told apart."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import sys
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from models.mesh.atlas import Atlas
from models.mesh.topology import MEAN
from models.portrait import Portrait
from realtime.frame import RealtimeError
from realtime.people import identities
from realtime.people.identities import Consent, Identity, PhotoRecord, check_name, load, names, remove, save


def _identity(name: str = "ada", seed: int = 0) -> Identity:
    texture = np.random.default_rng(seed).integers(0, 256, (512, 512, 3)).astype(np.uint8)
    photos = (PhotoRecord("me.jpg", "ab" * 32), PhotoRecord("größer.png", "cd" * 32))
    portrait = Portrait(texture[::-1].copy(), np.random.default_rng(seed).normal(200, 50, (478, 3)).astype(np.float32))
    return Identity(name, Atlas(texture, MEAN.copy()), Consent.now(), photos, (portrait, portrait))


def test_what_is_stored_is_loaded(home: Path) -> None:
    identity = _identity()
    path = save(identity)
    assert path == home / "identities" / "ada.npz"
    again = load("ada")
    assert (again.name, again.consent, again.photos) == (identity.name, identity.consent, identity.photos)
    np.testing.assert_array_equal(again.atlas.texture, identity.atlas.texture)
    np.testing.assert_array_equal(again.atlas.shape, identity.atlas.shape)
    assert len(again.portraits) == 2
    np.testing.assert_array_equal(again.portraits[1].image, identity.portraits[1].image)
    np.testing.assert_array_equal(again.portraits[1].landmarks, identity.portraits[1].landmarks)


def test_consent_says_what_and_when_in_utc() -> None:
    consent = Consent.now()
    assert "agreed" in consent.statement
    moment = datetime.fromisoformat(consent.date)
    assert moment.utcoffset() == timezone.utc.utcoffset(None)
    assert abs((datetime.now(timezone.utc) - moment).total_seconds()) < 5


def test_the_file_says_the_consent_in_plain_json() -> None:
    path = save(_identity())
    with np.load(path, allow_pickle=False) as data:
        facts = json.loads(str(data["facts"]))
    assert facts["version"] == identities.VERSION
    assert set(facts["consent"]) == {"statement", "date"}
    assert facts["photos"][0] == {"name": "me.jpg", "sha256": "ab" * 32}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_only_the_owner_may_read_it() -> None:
    assert save(_identity()).stat().st_mode & 0o777 == 0o600


def test_names_are_listed_sorted_and_removed(home: Path) -> None:
    assert names() == []
    for name in ("zoe", "ada", "Bob_2.x"):
        save(_identity(name))
    (home / "identities" / "notes.txt").write_text("mine")
    assert names() == ["Bob_2.x", "ada", "zoe"]
    remove("ada")
    assert names() == ["Bob_2.x", "zoe"]
    with pytest.raises(RealtimeError, match="Nobody named ada"):
        remove("ada")


def test_a_name_taken_is_kept_unless_told(home: Path) -> None:
    save(_identity(seed=1))
    with pytest.raises(RealtimeError, match=r"enrolled already.*--overwrite"):
        save(_identity(seed=2))
    assert load("ada").atlas.texture[0, 0, 0] == _identity(seed=1).atlas.texture[0, 0, 0]
    save(_identity(seed=2), overwrite=True)
    np.testing.assert_array_equal(load("ada").atlas.texture, _identity(seed=2).atlas.texture)


def test_without_consent_nothing_is_stored() -> None:
    bare = Identity("ada", _identity().atlas, None, ())
    with pytest.raises(RealtimeError, match="agreed"):
        save(bare)
    with pytest.raises(RealtimeError, match="agreed"):
        save(Identity("ada", bare.atlas, Consent("  ", "2024-01-01"), ()))
    assert names() == []


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../ada", "a/b", "a\\b", "C:ada", "/etc/passwd", ".hidden", "-rf", "a b"),
        *("a\x00b", "a\nb", "ada.", "con", "NUL.x", "Com1", "me.jpg", "me.PNG", "x" * 101),
    ],
)
def test_names_that_are_no_names(name: str) -> None:
    for action in (check_name, load, remove, lambda name: save(_identity(name))):
        with pytest.raises(RealtimeError):
            action(name)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["ada", "Ada_Lovelace-2", "зоя", "漢字", "a.b", "_x", "42", "Zoe\u0301"])
def test_names_that_are(name: str) -> None:
    save(_identity(name))
    assert load(name).name == names()[0]


@given(some.text(max_size=30))
def test_no_name_leaves_the_folder(name: str) -> None:
    try:
        plain = check_name(name)
    except RealtimeError:
        return
    path = Path("/store") / f"{plain}.npz"
    assert path.parent == Path("/store")
    assert path.name == f"{plain}.npz"
    assert not path.name.startswith(".")


def test_an_unknown_name_tells_the_nearest() -> None:
    with pytest.raises(RealtimeError, match="nobody is enrolled yet"):
        load("ada")
    save(_identity("ada"))
    save(_identity("grace"))
    with pytest.raises(RealtimeError, match="did you mean grace"):
        load("garce")
    with pytest.raises(RealtimeError, match="enrolled: ada, grace"):
        load("somebody-else")


def _arrays(**more: object) -> bytes:
    data = io.BytesIO()
    np.savez(data, **more)  # type: ignore[arg-type]
    return data.getvalue()


def _facts(**more: object) -> np.ndarray:
    facts = {"version": 1, "name": "ada", "consent": {"statement": "s", "date": "d"}, "photos": []}
    return np.array(json.dumps(facts | more))


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("evil-was-here",))


_ATLAS = {"atlas_texture": np.zeros((512, 512, 3), np.uint8), "atlas_shape": np.zeros((468, 3), np.float32)}
_PORTRAIT = np.zeros((512, 512, 3), np.uint8)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "damaged"),
        (b"hello", "damaged"),
        (pickle.dumps(_Evil()), "damaged"),
        (_arrays(a=np.zeros(3)), "facts"),
        (_arrays(facts=_facts()), "texture"),
        (_arrays(facts=np.array("{broken"), **_ATLAS), "damaged"),
        (_arrays(facts=np.array("[1]"), **_ATLAS), "damaged"),
        (_arrays(facts=_facts(version=3), **_ATLAS), "format 3"),
        (_arrays(facts=_facts(consent=None), **_ATLAS), "damaged"),
        (_arrays(facts=_facts(consent={"who": 1}), **_ATLAS), "damaged"),
        (_arrays(facts=_facts(), **_ATLAS | {"atlas_shape": np.full((468, 3), np.nan, np.float32)}), "NaN"),
        (_arrays(facts=_facts(), **_ATLAS | {"atlas_texture": np.zeros((9, 9, 3), np.uint8)}), "expected"),
        (_arrays(facts=_facts(), **_ATLAS, portrait_0_image=np.zeros((9, 9, 3), np.uint8)), "damaged"),
        (_arrays(facts=_facts(), **_ATLAS, portrait_0_image=_PORTRAIT, portrait_0_landmarks=np.full((478, 3), np.nan)), "finite"),
        (_arrays(facts=np.array([_Evil()], object), **_ATLAS), "damaged"),
    ],
    ids=[
        *("empty", "text", "pickle", "foreign", "no-atlas", "json", "list", "version"),
        *("no-consent", "consent", "nan", "size", "half", "lost", "object"),
    ],
)
def test_damaged_and_foreign_files_are_refused(
    home: Path, data: bytes, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (home / "identities").mkdir()
    (home / "identities" / "ada.npz").write_bytes(data)
    with pytest.raises(RealtimeError, match=words):
        load("ada")
    assert not (tmp_path / "evil-was-here").exists()


def test_a_file_of_version_1_is_read_without_portraits(home: Path) -> None:
    (home / "identities").mkdir()
    (home / "identities" / "ada.npz").write_bytes(_arrays(facts=_facts(), **_ATLAS))
    assert load("ada").portraits == ()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_a_file_cut_off_anywhere_is_refused(share: float) -> None:
    path = save(_identity())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(RealtimeError, match="damaged"):
        load("ada")


def test_a_flipped_byte_is_noticed() -> None:
    path = save(_identity())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(RealtimeError, match="damaged"):
        load("ada")


def test_a_file_that_would_unpack_to_a_giant_is_refused_unread(home: Path) -> None:
    (home / "identities").mkdir()
    with zipfile.ZipFile(home / "identities" / "ada.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("facts.npy", bytes(100 << 20))
    with pytest.raises(RealtimeError, match="expected at most"):
        load("ada")


def test_a_full_disk_leaves_the_old_file_and_no_rest(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(_identity(seed=1))

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RealtimeError, match=r"cannot be stored.*No space left"):
        save(_identity(seed=2), overwrite=True)
    monkeypatch.undo()
    monkeypatch.setenv("SWAPCAM_HOME", str(home))
    assert [path.name for path in (home / "identities").iterdir()] == ["ada.npz"]
    np.testing.assert_array_equal(load("ada").atlas.texture, _identity(seed=1).atlas.texture)


def test_a_folder_that_cannot_be_made(home: Path) -> None:
    (home / "identities").write_text("in the way")
    with pytest.raises(RealtimeError, match="cannot be stored"):
        save(_identity())
    assert names() == []


def test_without_the_variable_the_platform_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SWAPCAM_HOME")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda name, appauthor: str(tmp_path / name))
    assert identities.folder() == tmp_path / "swapcam" / "identities"
