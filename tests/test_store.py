"""Models: pulled, added, found, verified and removed, whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import onnx_making as making
import pytest
from mirror import Mirror, Served, mirror, sha256
from onnx_making import Swap

from models import weights
from models.network import NetworkError
from models.shelf import intake, ledger, loose, store
from models.shelf.consent import STATEMENT
from models.shelf.intake import add as take
from models.shelf.ledger import Entry
from models.shelf.listing import listing
from models.shelf.store import Held, find, locate, remove, verify
from models.weights import Licence, Weights
from realtime.networks import BUILT_IN

_ROOT = Path(__file__).resolve().parents[1]


# Whose face is in the DFM file agreed.
add = partial(take, agreed=lambda name: True)


@pytest.fixture(scope="session")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small models: two masks, one of them also as another program saves it, a swapper and a DFM file."""
    folder = tmp_path_factory.mktemp("contents")
    edge = making.np.ones((32, 32), making.np.float32)
    return {
        "xseg": making.mask(folder / "a.onnx", "xseg").read_bytes(),
        "again": making.mask(folder / "e.onnx", "xseg").read_bytes() + b"\x12\x05again",
        "bisenet": making.mask(folder / "b.onnx", "bisenet").read_bytes(),
        "swap": making.swapper(folder / "c.onnx", Swap(256)).read_bytes(),
        "dfm": making.dfm(folder / "d.dfm", 32, (edge, edge)).read_bytes(),
    }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "SWAPCAM_MODELS"):
        monkeypatch.delenv(name, raising=False)
    with mirror() as here:
        yield here


@pytest.fixture(autouse=True)
def table(server: Mirror, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of three rows: a mask whose hash is known, one of which it is not, and what nobody serves."""
    known = server.serve("xseg", Served(contents["xseg"]))
    asked = server.serve("bisenet", Served(contents["bisenet"]))
    rows = (
        Weights("hands", "mask", "xseg", "Non-Commercial", "no", "a note", sha256(contents["xseg"]), None, (known,), ("Hands-1.onnx",)),
        Weights("parts", "mask", "bisenet", "MIT", "yes", "a note", urls=(asked,)),
        Weights("dfm", "swapper", "dfm", "unknown", "unknown", "bring your own"),
    )
    monkeypatch.setattr(weights, "TABLE", rows)


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "models"


def _pull(name: str, accept: bool = True, trust: bool = True, digest: str = "", licence: Licence = "any") -> Held:
    return intake.pull(name, lambda row: accept, lambda row, got: trust, digest, licence, pause=0.01)


def _states() -> dict[str, str]:
    return {item.name: item.state for item in listing()}


def _file(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def _seen(folder: Path) -> list[str]:
    """The files in the folder that are not hidden."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _counting(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose hash is computed from now on."""
    read: list[Path] = []
    really = store.hashed
    for place in (store, loose):
        monkeypatch.setattr(place, "hashed", lambda path, *rest: read.append(path) or really(path, *rest))
    return read


def test_what_is_not_here_says_how_it_comes() -> None:
    with pytest.raises(NetworkError, match=r"^hands is not here: swapcam models pull hands \(licence Non-Commercial\)\.$"):
        locate("hands")
    with pytest.raises(NetworkError, match=r"^There is no model hand; did you mean hands\?; swapcam models list"):
        locate("hand")
    with pytest.raises(NetworkError, match=r"^dfm is not here, and nobody serves it \(bring your own\): swapcam models add FILE\.$"):
        locate("dfm")
    with pytest.raises(NetworkError, match=r"There is no file .*none\.onnx"):
        locate("/none.onnx")
    with pytest.raises(NetworkError, match=r"no model hend to pull; did you mean hands\?"):
        _pull("hend")
    with pytest.raises(NetworkError, match="Nobody serves dfm"):
        _pull("dfm")


def test_a_pulled_model_is_found_by_its_name(folder: Path, contents: dict[str, bytes], server: Mirror) -> None:
    held = _pull("hands")
    assert held == Held("hands", folder / "hands.onnx", "mask", "xseg", "Non-Commercial", "no", sha256(contents["xseg"]))
    assert locate("Hands") == folder / "hands.onnx"
    assert (folder / "hands.onnx").read_bytes() == contents["xseg"]
    assert _seen(folder) == ["hands.onnx", "swapcam.json"]
    noted = json.loads((folder / "swapcam.json").read_text())
    assert noted["models"]["hands"]["origin"] == "pulled"
    assert noted["models"]["hands"]["source"] == f"{server.address}/xseg"
    assert noted["accepted"]["hands"][0] == "Non-Commercial"
    assert noted["accepted"]["hands"][1][:2] == "20"
    assert _states() == {"hands": "here", "parts": "not here", "dfm": "not here"}
    _pull("hands")
    assert len(server.asked) == 1


def test_licences_are_asked_for_once(folder: Path) -> None:
    asked = []
    with pytest.raises(NetworkError, match=r"not pulled, because its licence \(Non-Commercial\) was not accepted"):
        _pull("hands", accept=False)
    assert not folder.exists()
    for _ in range(2):
        intake.pull("hands", lambda row: bool(asked.append(row)) or True, lambda row, got: False, pause=0)
        assert remove("hands") == folder / "hands.onnx"
    assert len(asked) == 1


def test_a_hash_that_nobody_said_is_asked_for(folder: Path, contents: dict[str, bytes], server: Mirror) -> None:
    digest = sha256(contents["bisenet"])
    with pytest.raises(NetworkError, match=rf"parts was not taken over; what came is kept, and .* pull parts --sha256 {digest} takes it"):
        _pull("parts", trust=False)
    assert not (folder / "parts.onnx").exists()
    assert _states()["parts"] == "part"
    assert _pull("parts", trust=False, digest=digest.upper()).sha256 == digest
    assert (folder / "parts.onnx").read_bytes() == contents["bisenet"]
    assert server.asked[1][1]["Range"] == f"bytes={len(contents['bisenet'])}-"
    assert _states()["parts"] == "here"
    assert [check.state for check in verify()] == ["ok"]


def test_what_is_trusted_without_a_hash_stays_unverified_but_the_same(folder: Path, contents: dict[str, bytes]) -> None:
    _pull("parts")
    assert _states()["parts"] == "unverified"
    assert locate("parts") == folder / "parts.onnx"
    _file(folder, "parts.onnx", contents["xseg"])
    with pytest.raises(NetworkError, match=f"got sha256 {sha256(contents['xseg'])}, expected {sha256(contents['bisenet'])}"):
        locate("parts")


@pytest.mark.parametrize(("digest", "message"), [("12", "expected 64 hexadecimal"), ("0" * 64, "known by another sha256")])
def test_hashes_that_cannot_be_are_refused(digest: str, message: str, server: Mirror) -> None:
    with pytest.raises(NetworkError, match=message):
        _pull("hands", digest=digest)
    assert server.asked == []


def test_what_has_the_wrong_hash_leaves_nothing(folder: Path, contents: dict[str, bytes], server: Mirror) -> None:
    server.files["/xseg"].content = contents["bisenet"]
    with pytest.raises(NetworkError) as caught:
        _pull("hands")
    assert sha256(contents["bisenet"]) in str(caught.value)
    assert sha256(contents["xseg"]) in str(caught.value)
    assert _seen(folder) == ["swapcam.json"]
    assert _states()["hands"] == "not here"


@pytest.mark.parametrize("kind", ["page", "other", "torn"])
def test_what_came_for_an_unknown_hash_is_looked_at_before_it_is_trusted(
    kind: str, folder: Path, contents: dict[str, bytes], server: Mirror
) -> None:
    came = {"page": b"<html>Sign in</html>", "other": contents["xseg"], "torn": contents["bisenet"][:-10]}[kind]
    server.files["/bisenet"].content = came
    with pytest.raises(NetworkError, match={"page": "web page", "other": "another model", "torn": "breaks off"}[kind]):
        _pull("parts")
    assert [path.name for path in folder.iterdir() if path.name.startswith("parts")] == []


def test_an_interrupted_pull_goes_on(folder: Path, contents: dict[str, bytes], server: Mirror) -> None:
    server.files["/bisenet"] = Served(contents["bisenet"], block=100, pause=0.15)

    def interrupt(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intake.pull("parts", lambda row: True, lambda row, got: True, report=interrupt, pause=0)
    there = (folder / "parts.onnx.part").stat().st_size
    assert 0 < there < len(contents["bisenet"])
    assert _states()["parts"] == "part"
    _pull("parts")
    assert server.asked[-1][1]["Range"] == f"bytes={there}-"
    assert (folder / "parts.onnx").read_bytes() == contents["bisenet"]


def test_two_pulls_of_one_model_do_not_mix(folder: Path, contents: dict[str, bytes], server: Mirror) -> None:
    server.files["/xseg"] = Served(contents["xseg"], block=20, pause=0.1)
    begun, results = threading.Event(), list[object]()

    def first() -> None:
        results.append(intake.pull("hands", lambda row: True, lambda row, got: True, report=lambda progress: begun.set(), pause=0))

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(10)
    with pytest.raises(NetworkError, match="by another program already"):
        _pull("hands")
    thread.join(20)
    assert [result.sha256 for result in results if isinstance(result, Held)] == [sha256(contents["xseg"])]
    assert _pull("hands").path.read_bytes() == contents["xseg"]


def test_the_list_is_changed_by_one_program_at_a_time(folder: Path) -> None:
    code = (
        "import sys\n"
        "from models.shelf import ledger\n"
        "from models.shelf.ledger import Entry\n"
        "for n in range(10):\n"
        "    with ledger.changing() as book:\n"
        "        book.entries[f'{sys.argv[1]}-{n}'] = Entry('f', '', n, 0, '', '', 'added', '', '', '', True)\n"
    )
    programs = [subprocess.Popen([sys.executable, "-c", code, str(number)], cwd=_ROOT, env=os.environ) for number in range(4)]
    assert [program.wait(60) for program in programs] == [0] * 4
    assert len(ledger.load().entries) == 40


def test_files_are_read_once_and_again_when_they_change(folder: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    path = _pull("hands").path
    read = _counting(monkeypatch)
    assert find("hands").sha256 == sha256(contents["xseg"])
    assert read == []
    os.utime(path, (1, 1))
    assert _states()["hands"] == "unverified"
    locate("hands")
    locate("hands")
    assert read == [path]
    assert _states()["hands"] == "here"
    _file(folder, "hands.onnx", contents["xseg"][:-1] + b"\0")
    with pytest.raises(NetworkError, match=r"is not what it should be; got sha256 .*, expected .*; swapcam models pull hands\.$"):
        locate("hands")
    assert [(check.name, check.state) for check in verify()] == [("hands", "changed")]
    # And the pull that the sentence asks for puts it right.
    assert _pull("hands").path.read_bytes() == contents["xseg"]
    path.unlink()
    with pytest.raises(NetworkError, match="is gone; swapcam models pull hands"):
        locate("hands")
    assert [(check.name, check.state) for check in verify(("hands",))] == [("hands", "missing")]
    assert _states()["hands"] == "missing"


def test_a_time_of_zero_is_never_taken_for_checked(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    path = _file(folder, "hands.onnx", contents["bisenet"])
    os.utime(path, ns=(0, 0))
    with pytest.raises(NetworkError, match="is not what it should be"):
        locate("hands")
    asked = _file(folder, "parts.onnx", b"rubbish")
    os.utime(asked, ns=(0, 0))
    with pytest.raises(NetworkError, match="nobody is known to have said its sha256"):
        locate("parts")
    # Neither is a file whose hash was compared when its time was 0 already.
    mine = _file(tmp_path, "a.dfm", contents["dfm"])
    os.utime(mine, ns=(0, 0))
    assert add(mine).path == locate("a") == folder / "a.dfm"
    (folder / "a.dfm").write_bytes(contents["dfm"][:-1] + b"\0")
    os.utime(folder / "a.dfm", ns=(0, 0))
    with pytest.raises(NetworkError, match="is not what it should be"):
        locate("a")


def test_an_offline_folder_is_used_as_it_is(
    tmp_path: Path, home: Path, contents: dict[str, bytes], server: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = tmp_path / "stick"
    path = _file(offline, "Hands-1.onnx", contents["xseg"])
    monkeypatch.setenv("SWAPCAM_MODELS", str(offline))
    # As for somebody who may not write there; whoever runs the tests may be allowed everything.
    monkeypatch.setattr(ledger.os, "access", lambda path, mode: False)
    assert _states()["hands"] == "unverified"
    read = _counting(monkeypatch)
    assert locate("hands") == locate("hands") == _pull("hands").path == path
    assert read == [path]
    assert _states()["hands"] == "here"
    assert [file.name for file in offline.iterdir()] == ["Hands-1.onnx"]
    assert server.asked == []
    assert remove("hands") is None
    assert path.exists()


def test_a_file_of_another_tool_that_is_not_known_is_left_alone(folder: Path, contents: dict[str, bytes]) -> None:
    path = _file(folder, "hands.onnx", contents["bisenet"])
    with pytest.raises(NetworkError, match=r"move it away and swapcam models pull hands, or, if you know it .*, swapcam models add"):
        locate("hands")
    with pytest.raises(NetworkError, match="swapcam did not put it there; move it away"):
        _pull("hands")
    with pytest.raises(NetworkError, match="was not put there by swapcam; delete it yourself"):
        remove("hands")
    assert path.read_bytes() == contents["bisenet"]
    assert [(check.name, check.state) for check in verify()] == [("hands", "changed")]
    asked = _file(folder, "parts.onnx", contents["bisenet"])
    with pytest.raises(NetworkError, match=f"nobody is known to have said its sha256; .*swapcam models add {asked}"):
        locate("parts")
    assert add(asked).path == asked
    assert locate("parts") == asked
    assert remove("parts") is None
    assert asked.exists()


def test_only_what_may_be_used_commercially_is_found_under_permissive(
    folder: Path, contents: dict[str, bytes], tmp_path: Path, server: Mirror
) -> None:
    for ask in (lambda: locate("hands", "permissive"), lambda: _pull("hands", licence="permissive")):
        with pytest.raises(NetworkError, match=r"refused under models.licence: permissive, because its licence \(Non-Commercial\) forbids"):
            ask()
    assert server.asked == []
    _pull("hands")
    path = locate("hands")
    for name in ("hands", str(path)):
        with pytest.raises(NetworkError, match="forbids commercial use"):
            locate(name, "permissive")
        assert locate(name) == path
    assert _pull("parts", licence="permissive").commercial == "yes"
    assert locate("parts", "permissive").name == "parts.onnx"
    mine = _file(tmp_path, "Anna.dfm", contents["dfm"])
    with pytest.raises(NetworkError, match=r"its licence is not known; say what it is with swapcam models add FILE --licence NAME"):
        locate(str(mine), "permissive")
    add(mine, "anna")
    with pytest.raises(NetworkError, match="its licence is not known"):
        locate("anna", "permissive")
    remove("anna")
    add(mine, "anna", licence="own")
    assert locate("anna", "permissive").name == "anna.dfm"
    assert locate(str(mine), "permissive") == mine
    assert [item.name for item in listing("permissive")] == ["parts", "anna"]


def test_what_the_table_says_of_a_name_holds_whatever_is_said_of_the_file(
    folder: Path, contents: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (*weights.TABLE, Weights("asked", "swapper", "dfm", "AGPL-3.0", "unknown", "a note"))
    monkeypatch.setattr(weights, "TABLE", rows)
    # The honest name of its licence, and a file that was saved again under the table's own name.
    held = add(_file(tmp_path, "Asked.dfm", contents["dfm"]), licence="AGPL-3.0")
    again = add(_file(tmp_path, "Hands.onnx", contents["again"]), licence="MIT")
    assert (held.name, held.licence, held.commercial) == ("asked", "AGPL-3.0", "unknown")
    assert (again.name, again.licence, again.commercial) == ("hands", "Non-Commercial", "no")
    for name in ("asked", "hands", str(folder / "asked.dfm"), str(folder / "hands.onnx")):
        with pytest.raises(NetworkError, match="permissive, because"):
            locate(name, "permissive")
    # A list that was written before, or by somebody else, changes nothing.
    with ledger.changing() as book:
        book.entries["asked"] = replace(book.entries["asked"], licence="MIT", commercial="yes")
    with pytest.raises(NetworkError, match="permissive, because"):
        locate("asked", "permissive")
    assert [item.name for item in listing("permissive")] == ["parts"]


def test_a_file_is_not_called_what_it_is_not(contents: dict[str, bytes], tmp_path: Path) -> None:
    mine = _file(tmp_path, "parts.onnx", contents["xseg"])
    with pytest.raises(NetworkError, match=r"is hands, as its sha256 says, and cannot be called parts; choose another name with --name"):
        add(mine, "parts")
    held = add(mine, "my_hands", licence="MIT")
    assert (held.name, held.licence, held.commercial) == ("my_hands", "Non-Commercial", "no")
    other = _file(tmp_path, "parts.onnx", contents["again"])
    with pytest.raises(NetworkError, match=r"no model of the family bisenet.*another model than parts, choose another name with --name"):
        add(other)
    with pytest.raises(NetworkError, match="parts is of the family bisenet; got --family xseg"):
        add(other, family="xseg")


@pytest.mark.parametrize(
    ("licence", "commercial"),
    [("MIT", "yes"), ("Apache-2.0", "yes"), ("BSD-3-Clause", "yes"), ("own", "yes"), ("GPL-3.0", "yes"), ("CC-BY-NC-4.0", "no"),
     ("Non-Commercial", "no"), ("non commercial research", "no"), ("ResearchRAIL", "no"), ("S-Lab-1.0", "no"), ("MyLicence", "unknown"),
     ("Limited", "unknown"), ("Apache-2.0, non-commercial", "no")],
)  # fmt: skip
def test_what_a_licence_is_called_says_what_it_allows(licence: str, commercial: str, contents: dict[str, bytes], tmp_path: Path) -> None:
    assert add(_file(tmp_path, "a.dfm", contents["dfm"]), licence=licence).commercial == commercial


def test_a_file_of_the_user_s_own_is_taken_over(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    mine = _file(tmp_path, "Anna's Face!.dfm", contents["dfm"])
    held = add(mine)
    known = ("swapper", "dfm", "unknown", "unknown", sha256(contents["dfm"]))
    assert held == Held("Anna_s_Face", folder / "Anna_s_Face.dfm", *known, held.consent)
    assert held.path.samefile(mine), "the disk allows it to be linked"
    mine.unlink()
    assert locate("Anna_s_Face").read_bytes() == contents["dfm"]
    assert {item.name: (item.state, item.note) for item in listing()}["Anna_s_Face"] == ("here", "your own")
    again = _file(tmp_path, "other name.dfm", contents["dfm"])
    assert add(again, "Anna_s_Face").path == held.path
    assert remove("Anna_s_Face") == held.path
    assert not held.path.exists()
    assert again.exists()
    with pytest.raises(NetworkError, match="no model Anna_s_Face"):
        locate("Anna_s_Face")


def test_where_the_disk_links_nothing_the_file_is_copied(
    folder: Path, contents: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(intake.os, "link", refuse)
    mine = _file(tmp_path, "a.dfm", contents["dfm"])
    held = add(mine)
    assert not held.path.samefile(mine)
    mine.write_bytes(b"gone")
    assert locate("a").read_bytes() == contents["dfm"]
    assert _seen(folder) == ["a.dfm", "swapcam.json"]


def test_what_a_symbolic_link_leads_to_is_taken(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    _file(tmp_path / "blobs", "0a1b", contents["dfm"])
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "a.dfm").symlink_to(Path("..") / "blobs" / "0a1b")
    held = add(tmp_path / "snapshot" / "a.dfm")
    assert not held.path.is_symlink()
    assert held.path.read_bytes() == contents["dfm"]


def test_a_linked_file_stays_where_it_is(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    mine = _file(tmp_path, "a.dfm", contents["dfm"])
    assert add(mine, link=True).path == mine
    assert _seen(folder) == ["swapcam.json"]
    assert locate("a") == mine
    mine.write_bytes(contents["xseg"])
    with pytest.raises(NetworkError, match="is not what it should be"):
        locate("a")
    assert remove("a") is None
    assert mine.exists()


def test_a_file_whose_hash_is_known_gets_its_name_and_licence(contents: dict[str, bytes], tmp_path: Path) -> None:
    held = add(_file(tmp_path, "whatever.onnx", contents["xseg"]), licence="MIT")
    assert (held.name, held.licence, held.commercial) == ("hands", "Non-Commercial", "no")
    assert _states()["hands"] == "here"


def test_what_a_file_leaves_open_is_asked_for(contents: dict[str, bytes], tmp_path: Path) -> None:
    mine = _file(tmp_path, "mine.onnx", contents["swap"])
    with pytest.raises(NetworkError, match=r"mine.onnx: Inputs and outputs leave it open .* --family, one of simswap_256, ghost_256"):
        add(mine)
    assert ledger.load().entries == {}
    # A path says it by its name, or leaves it to who opens it, until that very file is added.
    assert (find(str(mine)).role, find(str(mine)).family) == ("", "")
    assert find(str(_file(tmp_path, "simswap_256.onnx", contents["swap"]))).family == "simswap_256"
    assert add(mine, family="ghost_256").family == "ghost_256"
    assert find("mine").family == find(str(mine)).family == "ghost_256"


@pytest.mark.parametrize("name", ["a/b", "..", "con.x", "x" * 101, "-a", "a."])
def test_names_that_cannot_be_are_refused(name: str, contents: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="cannot be a name"):
        add(_file(tmp_path, "a.dfm", contents["dfm"]), name)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_name_that_settings_mean_something_else_by_is_refused(name: str, contents: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="something built-in"):
        add(_file(tmp_path, "a.dfm", contents["dfm"]), name)
    with pytest.raises(NetworkError, match="choose another one with --name"):
        add(_file(tmp_path, f"{name}.dfm", contents["dfm"]))
    assert add(tmp_path / f"{name}.dfm", "a").name == "a"


def test_names_are_not_taken_twice(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    add(_file(tmp_path, "a.dfm", contents["dfm"]))
    with pytest.raises(NetworkError, match="a is another model here"):
        add(_file(tmp_path, "b.onnx", contents["bisenet"]), "a")
    _file(folder, "c.onnx", contents["xseg"])
    with pytest.raises(NetworkError, match="is there already and is something else"):
        add(_file(tmp_path, "b.onnx", contents["bisenet"]), "c")
    assert (folder / "c.onnx").read_bytes() == contents["xseg"]
    assert set(ledger.load().entries) == {"a"}


@pytest.mark.parametrize("content", [b"", b"<html>", b"rubbish" * 99, "cut"])
def test_nothing_is_half_added(content: bytes | str, folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    mine = _file(tmp_path, "a.onnx", contents["xseg"][:-9] if isinstance(content, str) else content)
    with pytest.raises(NetworkError) as caught:
        add(mine)
    assert str(caught.value).removeprefix("Got ").startswith(str(mine))
    assert "\n" not in str(caught.value)
    assert not folder.exists()


def test_a_damaged_list_is_set_aside_and_said_so_once(
    folder: Path, contents: dict[str, bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pull("hands")
    whole = (folder / "swapcam.json").read_text()
    damages: list[Callable[[], str]] = [
        lambda: whole[:100],
        lambda: "[]",
        lambda: "{}",
        lambda: whole.replace('"models"', '"modles"'),
        lambda: whole.replace('"sha256": "', '"sha256": ["').replace('",\n   "size"', '"],\n   "size"'),
        lambda: "\0" * 50,
    ]
    for damage in damages:
        (folder / "swapcam.json").write_text(damage())
        with caplog.at_level(logging.WARNING, "models"):
            assert locate("hands") == folder / "hands.onnx"
            locate("hands")
        assert len([record for record in caplog.records if "was damaged" in record.getMessage()]) == 1, damage()
        assert (folder / "swapcam.json.damaged").read_text() == damage()
        caplog.clear()
    (folder / "swapcam.json").write_text(whole.replace('"version": 1', '"version": 2'))
    with pytest.raises(NetworkError, match="format 2; this version of swapcam reads format 1"):
        locate("hands")


def test_what_a_later_version_notes_beside_does_no_harm(folder: Path) -> None:
    _pull("hands")
    path = folder / "swapcam.json"
    path.write_text(path.read_text().replace('"sha256"', '"colour": "red", "sha256"'))
    assert locate("hands") == folder / "hands.onnx"


def test_a_list_that_breaks_while_it_is_written_is_the_old_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pull("hands")
    before = (folder / "swapcam.json").read_text()

    def fail(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(NetworkError, match="cannot be written: No space left"), ledger.changing() as book:
        book.entries.clear()
    assert (folder / "swapcam.json").read_text() == before
    assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []


def test_verifying_knows_all_that_is_here(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    assert verify() == []
    _pull("hands")
    add(_file(tmp_path, "a.dfm", contents["dfm"]))
    read: list[int] = []
    checks = verify((), read.append)
    assert [(check.name, check.state) for check in checks] == [("a", "ok"), ("hands", "ok")]
    assert sum(read) == len(contents["dfm"]) + len(contents["xseg"])
    os.utime(folder / "hands.onnx", (1, 1))
    assert _states()["hands"] == "unverified"
    verify(("hands",))
    assert _states()["hands"] == "here"
    with pytest.raises(NetworkError, match="parts is not here"):
        verify(("parts",))


def test_an_entry_that_leads_elsewhere_deletes_nothing(folder: Path, tmp_path: Path) -> None:
    outside = _file(tmp_path, "precious.onnx", b"precious")
    with ledger.changing() as book:
        book.entries["evil"] = Entry(str(outside), "", 8, 0, "mask", "xseg", "pulled", "", "MIT", "yes", True)
    assert remove("evil") is None
    assert outside.exists()


@pytest.mark.parametrize("file", ["../precious.onnx", "sub/precious.onnx", "..", ""])
def test_a_list_that_leads_out_of_the_folder_is_damaged(
    file: str, folder: Path, contents: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    for place in (folder.parent, folder / "sub"):
        _file(place, "precious.onnx", contents["xseg"])
    with ledger.changing() as book:
        book.entries["hands"] = Entry(file, sha256(contents["xseg"]), 8, 1, "mask", "xseg", "pulled", "", "MIT", "yes", True)
    with pytest.raises(NetworkError, match="hands is not here"):
        locate("hands")
    assert "expected a name in the folder or a whole path" in caplog.text


@pytest.mark.parametrize("origin", ["pulled", "found", "added", "linked"])
def test_a_list_from_elsewhere_is_not_believed(
    origin: str, tmp_path: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    monkeypatch.setenv("SWAPCAM_MODELS", str(stick))
    path = _file(stick, "hands.onnx", b"rubbish")
    now = path.stat()
    for claimed in ("0" * 64, sha256(contents["xseg"])):
        with ledger.changing() as book:
            what = ("mask", "xseg", origin, "", "MIT", "yes", True)
            book.entries["hands"] = Entry("hands.onnx", claimed, now.st_size, now.st_mtime_ns, *what)
        with pytest.raises(NetworkError, match="is not what it should be"):
            locate("hands")
        with pytest.raises(NetworkError, match="forbids commercial use"):
            locate("hands", "permissive")


def test_a_list_of_our_own_elsewhere_is_compared_once_on_each_machine(
    tmp_path: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWAPCAM_MODELS", str(tmp_path / "stick"))
    path = _pull("hands").path
    monkeypatch.setenv("SWAPCAM_HOME", str(tmp_path / "another machine"))
    read = _counting(monkeypatch)
    assert locate("hands") == locate("hands") == path
    assert read == [path]


def test_what_was_trusted_is_not_when_the_table_knows_better(
    folder: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    _pull("parts")
    rows = tuple(replace(row, sha256=sha256(contents["again"])) if row.name == "parts" else row for row in weights.TABLE)
    monkeypatch.setattr(weights, "TABLE", rows)
    with pytest.raises(NetworkError, match=f"got sha256 {sha256(contents['bisenet'])}, expected {sha256(contents['again'])}; .*pull"):
        locate("parts")
    # What the user added under that name is the user's word.
    add(folder / "parts.onnx", "mine")
    assert locate("mine") == folder / "parts.onnx"


def test_what_is_added_again_from_the_folder_stays_ours_to_delete(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    add(_file(tmp_path, "a.dfm", contents["dfm"]))
    assert add(folder / "a.dfm").path == folder / "a.dfm"
    assert remove("a") == folder / "a.dfm"


def test_a_model_with_a_face_in_it_needs_that_persons_consent(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    mine, mask = _file(tmp_path, "anna.dfm", contents["dfm"]), _file(tmp_path, "mask.onnx", contents["bisenet"])
    with pytest.raises(NetworkError, match="anna was not added: somebody's face is in it"):
        take(mine)
    assert not list(folder.glob("anna*"))
    asked: list[str] = []
    take(mask, agreed=lambda name: bool(asked.append(name)))
    assert asked == []
    add(mine)
    date, _, statement = ledger.load().entries["anna"].consent.partition(" ")
    assert statement == STATEMENT
    assert datetime.fromisoformat(date).utcoffset() is not None
    # However the file is named from then on, that is known; of another one it is not.
    away = _file(tmp_path / "away", "face.dfm", contents["dfm"])
    assert find("anna").consent == find(str(mine)).consent == find(str(away)).consent == find(str(folder / "anna.dfm")).consent != ""
    remove("anna")
    assert find(str(mine)).consent == ""


def test_the_hash_of_a_file_named_by_its_path_is_computed_once(
    folder: Path, contents: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = _counting(monkeypatch)
    mine = _file(tmp_path, "mine.onnx", contents["xseg"])
    for _ in range(3):
        assert find(str(mine)).sha256 == sha256(contents["xseg"])
    assert find(str(mine)).licence == "Non-Commercial"
    assert read == [mine]
    mine.write_bytes(contents["again"])
    assert (find(str(mine)).sha256, find(str(mine)).licence) == (sha256(contents["again"]), "unknown")
    assert read == [mine] * 2
    os.utime(mine, ns=(0, 0))
    find(str(mine))
    find(str(mine))
    assert read == [mine] * 4
    # Where nothing can be noted it is computed every time.
    (folder / "swapcam.json").unlink()
    os.utime(mine, ns=(7, 7))
    monkeypatch.setattr(ledger, "_write", _full)
    find(str(mine))
    find(str(mine))
    assert read == [mine] * 6


def _full(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_path_with_a_name_of_the_table_is_that_file_or_was_added(folder: Path, contents: dict[str, bytes], tmp_path: Path) -> None:
    assert find(str(_file(tmp_path, "hands-1.onnx", contents["xseg"]))).licence == "Non-Commercial"
    other = _file(tmp_path, "hands-1.onnx", contents["again"])
    with pytest.raises(NetworkError, match=r"has the name of hands and is another file; got sha256 .*, expected .* add .*1\.onnx\.$"):
        find(str(other))
    add(other, "mine")
    assert find(str(other)).sha256 == sha256(contents["again"])


def test_a_path_of_a_file_in_the_list_is_held_to_its_hash(contents: dict[str, bytes], tmp_path: Path) -> None:
    mine = _file(tmp_path, "a.onnx", contents["xseg"])
    add(mine, "a", link=True)
    mine.write_bytes(contents["again"])
    with pytest.raises(NetworkError, match="is not what it should be"):
        find(str(mine))
