"""Downloads: broken off, gone on with, from several mirrors, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mirror import Mirror, Served, mirror, sha256

from models.network import NetworkError
from models.shelf.fetch import Progress, fetch

CONTENT = np.random.default_rng(3).bytes(600_000)
RIGHT = (sha256(CONTENT),)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with mirror() as here:
        yield here


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx.part"


def _ranges(server: Mirror) -> list[str | None]:
    return [headers.get("Range") for _, headers in server.asked]


def _fetch(url: str | tuple[str, ...], part: Path, hashes: tuple[str, ...] = RIGHT, **rest: object) -> tuple[str, str]:
    return fetch((url,) if isinstance(url, str) else url, part, hashes, pause=0.01, **rest)  # type: ignore[arg-type]


def test_a_file_comes_whole_with_its_progress(server: Mirror, part: Path) -> None:
    url = server.serve("a", Served(CONTENT, pause=0.03))
    seen: list[Progress] = []
    assert _fetch(url, part, report=seen.append) == (RIGHT[0], url)
    assert part.read_bytes() == CONTENT
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert len(seen) > 2
    assert seen[-1].done == seen[-1].total == len(CONTENT)
    # Ten blocks with 30 ms between two: 2.3 MB a second at most.
    assert 0 < seen[-1].rate < 2.4e6
    middle = seen[len(seen) // 2]
    assert middle.left is not None
    assert middle.left == pytest.approx((len(CONTENT) - middle.done) / middle.rate)


def test_nothing_is_sent_but_the_request(server: Mirror, part: Path) -> None:
    _fetch(server.serve("a", Served(CONTENT)), part)
    ((path, headers),) = server.asked
    assert path == "/a"
    assert {name.lower() for name in headers} == {"host", "user-agent", "accept-encoding", "connection"}
    assert headers["User-Agent"] == "swapcam"


def test_what_breaks_off_goes_on_at_once_where_it_ended(server: Mirror, part: Path) -> None:
    url = server.serve("a", Served(CONTENT, cuts=[100_000, 250_000]))
    assert _fetch(url, part)[0] == RIGHT[0]
    assert part.read_bytes() == CONTENT
    assert _ranges(server) == [None, "bytes=100000-", "bytes=350000-"]
    assert server.asked[1][1]["If-Range"] == '"1"'


def test_an_interrupted_download_goes_on_the_next_time(server: Mirror, part: Path) -> None:
    url = server.serve("a", Served(CONTENT, pause=0.11))

    def interrupt(progress: Progress) -> None:
        if progress.done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fetch(url, part, report=interrupt)
    there = part.stat().st_size
    assert 100_000 < there < len(CONTENT)
    assert part.read_bytes() == CONTENT[:there]
    assert _fetch(url, part)[0] == RIGHT[0]
    assert part.read_bytes() == CONTENT
    assert _ranges(server) == [None, f"bytes={there}-"]


def test_a_server_without_ranges_begins_again(server: Mirror, part: Path) -> None:
    url = server.serve("a", Served(CONTENT, ranges=False, cuts=[100_000]))
    assert _fetch(url, part)[0] == RIGHT[0]
    assert part.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_begins_again(server: Mirror, part: Path) -> None:
    part.write_bytes(CONTENT[:200_000])
    part.with_name(f"{part.name}.json").write_text(json.dumps({"url": f"{server.address}/a", "validator": '"1"'}))
    other = CONTENT[::-1]
    url = server.serve("a", Served(other, tag='"2"'))
    assert _fetch(url, part, ()) == (sha256(other), url)
    assert part.read_bytes() == other
    assert _ranges(server) == ["bytes=200000-"]


def test_without_a_hash_nobody_goes_on_with_what_cannot_be_vouched_for(server: Mirror, part: Path) -> None:
    part.write_bytes(b"something else")
    url = server.serve("a", Served(CONTENT, tag=""))
    assert _fetch(url, part, ())[0] == RIGHT[0]
    assert part.read_bytes() == CONTENT
    assert _ranges(server) == [None]


def test_with_a_hash_another_mirror_goes_on(server: Mirror, part: Path) -> None:
    bad = server.serve("bad", Served(CONTENT, cuts=[50_000, 0, 0]))
    good = server.serve("good", Served(CONTENT, tag='"other"'))
    assert _fetch((bad, good), part) == (RIGHT[0], good)
    assert _ranges(server)[-1] == "bytes=50000-"
    assert part.read_bytes() == CONTENT


def test_a_part_of_something_else_does_no_harm(server: Mirror, part: Path) -> None:
    part.write_bytes(b"\0" * 300_000)
    url = server.serve("a", Served(CONTENT))
    assert _fetch(url, part)[0] == RIGHT[0]
    assert part.read_bytes() == CONTENT
    assert _ranges(server) == ["bytes=300000-", None]


@pytest.mark.parametrize("tail", [b"", b"more"])
def test_a_part_that_is_whole_or_longer_is_told_apart(server: Mirror, part: Path, tail: bytes) -> None:
    part.write_bytes(CONTENT + tail)
    url = server.serve("a", Served(CONTENT))
    assert _fetch(url, part)[0] == RIGHT[0]
    assert part.read_bytes() == CONTENT
    assert len(server.asked) == 1 + bool(tail)


def test_what_has_the_wrong_hash_is_deleted_and_said(server: Mirror, part: Path) -> None:
    url = server.serve("a", Served(CONTENT[:-1] + b"x"))
    with pytest.raises(NetworkError) as caught:
        _fetch(url, part)
    assert not part.exists()
    assert sha256(CONTENT[:-1] + b"x") in str(caught.value)
    assert RIGHT[0] in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_the_next_mirror_makes_up_for_a_wrong_and_a_missing_one(server: Mirror, part: Path) -> None:
    wrong = server.serve("wrong", Served(b"<html>gone</html>"))
    right = server.serve("right", Served(CONTENT))
    assert _fetch((wrong, f"{server.address}/none", right), part) == (RIGHT[0], right)
    assert part.read_bytes() == CONTENT


def test_every_mirror_says_why_it_failed(server: Mirror, part: Path) -> None:
    refusing = server.serve("no", Served(status=403))
    with pytest.raises(NetworkError, match=r"no such file \(HTTP 404\); 127.0.0.1: it refuses access \(HTTP 403\)\.$"):
        _fetch((f"{server.address}/none", refusing), part)
    assert len(server.asked) == 2


def test_a_server_in_trouble_is_asked_again(server: Mirror, part: Path) -> None:
    url = server.serve("a", Served(status=503))
    with pytest.raises(NetworkError, match="HTTP 503"):
        _fetch(url, part)
    assert len(server.asked) == 3


def test_redirects_are_followed_but_not_in_circles_nor_elsewhere(server: Mirror, part: Path) -> None:
    target = server.serve("a", Served(CONTENT))
    assert _fetch(server.serve("on", Served(to=target)), part)[0] == RIGHT[0]
    circle = server.serve("circle", Served(to="/circle"))
    with pytest.raises(NetworkError, match="circle"):
        _fetch(circle, part.with_name("b"))
    for place in ("http://192.0.2.1/a", "ftp://127.0.0.1/a", "file:///etc/passwd"):
        with pytest.raises(NetworkError, match="not https"):
            _fetch(server.serve("away", Served(to=place)), part.with_name("b"))


@pytest.mark.parametrize("url", ["http://example.com/a", "ftp://127.0.0.1/a", "file:///etc/passwd", "a.onnx", "https+x://h/a"])
def test_only_https_and_this_machine_are_asked(url: str, part: Path) -> None:
    with pytest.raises(NetworkError, match="https only"):
        _fetch(url, part)


def test_a_server_that_stalls_is_left_and_what_came_is_kept(server: Mirror, part: Path) -> None:
    url = server.serve("a", Served(CONTENT, block=100_000, pause=1.0))
    with pytest.raises(NetworkError, match="did not answer in time"):
        _fetch(url, part, timeout=0.2)
    # One block in each of three tries.
    assert part.read_bytes() == CONTENT[:300_000]
    gone = "http://127.0.0.1:9/a"
    with pytest.raises(NetworkError, match="connection failed"):
        _fetch(gone, part)


def test_a_server_that_says_no_length_is_believed_by_the_hash(server: Mirror, part: Path) -> None:
    url = server.serve("a", Served(CONTENT, length=False))
    seen: list[Progress] = []
    assert _fetch(url, part, report=seen.append)[0] == RIGHT[0]
    assert seen[-1].total is None
    assert seen[-1].left is None
    cut = server.serve("b", Served(CONTENT, length=False, cuts=[1000]))
    with pytest.raises(NetworkError, match="wrong sha256"):
        _fetch(cut, part.with_name("b"))


def test_what_does_not_fit_is_not_begun(server: Mirror, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 0, 64 << 20))
    url = server.serve("a", Served(CONTENT))
    with pytest.raises(NetworkError, match="does not fit"):
        _fetch(url, part, size=len(CONTENT))
    assert server.asked == []
    with pytest.raises(NetworkError, match="does not fit"):
        _fetch(url, part)
    assert len(server.asked) == 1
    assert not part.exists()


def test_a_proxy_of_the_environment_is_used(server: Mirror, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.serve("a", Served(CONTENT))
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("no_proxy", "")
    assert _fetch("http://localhost:1/a", part)[0] == RIGHT[0]
    assert server.asked[0][0] == "http://localhost:1/a"


def test_a_file_larger_than_memory_blocks_is_hashed_right(server: Mirror, part: Path) -> None:
    content = np.random.default_rng(4).bytes(9_000_001)
    url = server.serve("a", Served(content, cuts=[4_000_001]))
    assert _fetch(url, part, (sha256(content),))[0] == hashlib.sha256(content).hexdigest()
