"""Downloads that can be broken off and taken up again, checked while they come in; nothing is ever sent but the request."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from models.network import NetworkError
from models.shelf.wire import BROKEN, BrokenError, FailedError, check_address, opener, refused, unreachable

_BLOCK = 1 << 18
_SPARE = 64 << 20
_LARGEST = 16 << 30
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is.

    done, total: bytes, total None where the server does not say.  rate: bytes a second, of late.  left: seconds, None unknown.
    """

    done: int
    total: int | None
    rate: float
    left: float | None


Report = Callable[[Progress], None]


def fetch(
    urls: Sequence[str],
    part: Path,
    hashes: Sequence[str] = (),
    size: int | None = None,
    report: Report = lambda progress: None,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> tuple[str, str]:
    """Download a file to `part`, from the first mirror that has it, going on where an earlier download ended; sha256 and address.

    hashes: sha256 that it may have; empty: any.  size: bytes where it is known, for the check of the disk before anything comes.
    timeout: seconds without a byte.  pause: seconds before a second try, twice that before a third.
    Without hashes only a server that vouches that its file is unchanged is asked to go on.  Whatever breaks off stays in `part`;
    what has the wrong hash is deleted.  Raises NetworkError, with the reasons of all mirrors.
    """
    if not urls:
        raise NetworkError("There is no address to get it from.")
    for url in urls:
        check_address(url)
    _check_room(part, size)
    reasons = []
    for url in urls:
        for attempt in range(_TRIES):
            try:
                return _whole(url, part, hashes, size, report, timeout), url
            except BrokenError as error:
                reason = str(error)
                if attempt + 1 < _TRIES:
                    time.sleep(pause * 2**attempt)
            except FailedError as error:
                reason = str(error)
                break
        reasons.append(f"{urllib.parse.urlsplit(url).hostname}: {reason}")
    raise NetworkError(f"{'; '.join(reasons)}.")


def _whole(url: str, part: Path, hashes: Sequence[str], size: int | None, report: Report, timeout: float) -> str:
    """Everything that is missing, from one address; the sha256.  A part that makes the hash wrong is given one fresh start."""
    resumed = part.exists() and part.stat().st_size > 0
    digest = _receive(url, part, bool(hashes), size, report, timeout)
    if not hashes or digest in hashes:
        return digest
    forget(part)
    if resumed:
        return _whole(url, part, hashes, size, report, timeout)
    expected = " or ".join(hashes)
    raise FailedError(f"what came has the wrong sha256 and was deleted; got {digest}, expected {expected}")


def _receive(url: str, part: Path, known: bool, size: int | None, report: Report, timeout: float) -> str:
    headers = {"User-Agent": "swapcam", "Accept-Encoding": "identity"}
    mark = _mark(part)
    done = part.stat().st_size if part.exists() else 0
    vouched = mark.get("validator") if mark.get("url") == url else None
    if done and (known or vouched):
        headers["Range"] = f"bytes={done}-"
        if vouched:
            headers["If-Range"] = vouched
    else:
        done = 0
    try:
        with closing(opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)) as answer:
            start = _start(answer, done)
            total = _total(answer, start)
            _check_room(part, total if total is not None else size, start)
            _remember(part, url, answer)
            return _copy(answer, part, start, total, report)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:
            return _at_the_end(error, part, done, lambda: _receive(url, part, known, size, report, timeout))
        raise refused(error) from error
    except urllib.error.URLError as error:
        raise unreachable(error.reason) from error
    except BROKEN as error:
        raise unreachable(error) from error


def _copy(answer: Any, part: Path, start: int, total: int | None, report: Report) -> str:
    """Append what comes to the part from byte `start` on; the sha256 of the whole."""
    digest = hashlib.sha256()
    with part.open("r+b" if part.exists() else "w+b") as file:
        file.truncate(start)
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
        done, meter = start, _Meter(start, total, report)
        while block := answer.read1(_BLOCK):
            _write(file, block, part)
            digest.update(block)
            done += len(block)
            if done > (total or _LARGEST):
                raise FailedError(f"more came than announced; got {done} bytes, expected at most {total or _LARGEST}")
            meter(done)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done < total:
        raise BrokenError(f"the connection broke off after {done} of {total} bytes")
    meter(done, last=True)
    return digest.hexdigest()


def _write(file: BinaryIO, block: bytes, part: Path) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise NetworkError(f"{part.parent} cannot be written: {error.strerror or error}; what came so far is kept.") from error


class _Meter:
    """Reports a few times a second, with the rate of the last seconds."""

    def __init__(self, start: int, total: int | None, report: Report) -> None:
        self._total, self._report = total, report
        self._marks = [(time.monotonic(), start)]

    def __call__(self, done: int, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._marks[-1][0] < 0.1:
            return
        self._marks = [*self._marks[-50:], (now, done)]
        (_, before), length = self._marks[0], now - self._marks[0][0]
        rate = (done - before) / length if length > 0 else 0.0
        left = (self._total - done) / rate if self._total is not None and rate > 0 else None
        self._report(Progress(done, self._total, rate, left))


def _start(answer: Any, asked: int) -> int:
    """From which byte on an answer goes; servers may ignore the range and begin again."""
    if answer.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if not found or int(found[1]) != asked:
        raise FailedError(f"it sent another part than asked; got {answer.headers.get('Content-Range')!r}, expected bytes {asked}-")
    return asked


def _total(answer: Any, start: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _at_the_end(error: urllib.error.HTTPError, part: Path, done: int, again: Callable[[], str]) -> str:
    """The server has nothing after our last byte: all of it is here, or the part is no beginning of it."""
    if error.headers.get("Content-Range", "") == f"bytes */{done}":
        digest = hashlib.sha256()
        with part.open("rb") as file:
            for block in iter(lambda: file.read(_BLOCK), b""):
                digest.update(block)
        return digest.hexdigest()
    part.unlink()
    return again()


def _mark(part: Path) -> dict[str, str]:
    """Where a part came from, and what tells whether the server's file is still the same."""
    try:
        found = json.loads(_beside(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(part: Path, url: str, answer: Any) -> None:
    tag = answer.headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
    try:
        _beside(part).write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")
    except OSError as error:
        raise NetworkError(f"{part.parent} cannot be written: {error.strerror or error}.") from error


def forget(part: Path) -> None:
    """Delete what is left of a download, its notes first, or only its notes where the part has got its name."""
    for path in (_beside(part), part):
        with suppress(FileNotFoundError):
            path.unlink()


def _beside(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _check_room(part: Path, size: int | None, there: int = 0) -> None:
    """Raise NetworkError where a file of `size` bytes, of which `there` are on the disk already, does not fit."""
    try:
        free = shutil.disk_usage(part.parent).free
    except OSError:
        return
    have = max(there, part.stat().st_size if part.exists() else 0)
    if size is not None and size - have + _SPARE > free:
        needs = f"needs {(size - have) >> 20} MB, and {free >> 20} MB are free"
        raise NetworkError(f"It does not fit in {part.parent}: it {needs}; make room, or set SWAPCAM_MODELS to another folder.")


__all__ = ["Progress", "Report", "fetch", "forget"]
