"""The file under a recording that is being made."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import av
import av.error

from realtime.frame import RealtimeError


class PartFile:
    """Collects a recording as NAME.part.EXTENSION and gets its final name at the end.

    When a write fails (disk full), nothing more is written: what is in the file stays the clean beginning of a
    recording.  The writer above is not disturbed, so that it can finish its own work; `error` tells why.
    """

    def __init__(self, final: Path) -> None:
        self.final = final
        self.error: OSError | None = None
        self._position = 0
        number = 1
        while True:
            self.path = final.with_suffix(f".part{number if number > 1 else ''}{final.suffix}")
            try:
                self._file = self.path.open("xb", buffering=0)
                return
            except FileExistsError:  # left by a run that was killed: somebody may still want it
                number += 1
            except OSError as error:
                raise RealtimeError(f"{final} cannot be written ({error.strerror}); choose another folder.") from error

    def write(self, data: bytes) -> int:
        """All of it, or nothing ever again."""
        view = memoryview(data)
        start = self._position
        self._position += len(view)
        if self.error is None:
            try:
                while view:
                    view = view[self._file.write(view) :]
            except OSError as error:
                self.error = error
                self._file.truncate(min(start, os.fstat(self._file.fileno()).st_size))
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's; the end is where it would be had every write gone well."""
        if self.error is None:
            self._position = self._file.seek(offset, whence)
        elif whence != 2:
            self._position = offset + (self._position if whence == 1 else 0)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def trim(self) -> None:
        """Cut an MP4 or MOV file behind its last whole box of media, so that no torn fragment is left at its end."""
        with self.path.open("r+b") as file:
            size, place, good = self.path.stat().st_size, 0, 0
            while place + 8 <= size:
                file.seek(place)
                head = file.read(8)
                length = int.from_bytes(head[:4], "big")
                if length < 8:
                    break
                place += length
                if head[4:] == b"mdat" and place <= size:
                    good = place
            file.truncate(good)

    def finish(self, overwrite: bool) -> Path:
        """Close and give the final name; where another file has that and `overwrite` is false, keep the part's own."""
        self._file.close()
        if not overwrite and self.final.exists():
            return self.path
        self.path.replace(self.final)
        return self.final

    def remove(self) -> None:
        """Close and leave nothing behind."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def playable(path: Path) -> float:
    """Seconds of pictures that can be played, 0 if there are none."""
    newest = 0.0
    try:
        with av.open(str(path), "r") as container:
            for packet in container.demux(video=0):
                if packet.pts is not None:
                    newest = max(newest, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    except (av.error.FFmpegError, OSError):
        return newest
    return newest


def conclude(part: PartFile, written: bool, overwrite: bool, say: Callable[[str], None], what: str) -> None:
    """Name the file of a film that has ended, or remove one without pictures; raises RealtimeError where it could not be written on.

    say: told where the file is when its name was taken meanwhile, `what` before that place.
    """
    if part.error is not None:
        leave(part, part.error)
    elif not written:
        part.remove()
    elif (path := part.finish(overwrite)) != part.final:
        say(f"{part.final} has appeared in the meantime; {what} {path}.")


def leave(part: PartFile, error: OSError) -> None:
    """Keep what plays of a recording that could not be written on, and say why there is no more; always raises RealtimeError.

    A file that was to be overwritten is left alone.
    """
    full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    reason = "the disk is full" if full else f"writing failed ({error.strerror})"
    if part.final.suffix.lower() not in (".mkv", ".webm"):
        part.trim()
    path = part.finish(overwrite=False)
    seconds = playable(path)
    if not seconds:
        path.unlink(missing_ok=True)
        raise RealtimeError(f"{part.final}: {reason}; nothing could be recorded. Make room or choose another place.") from error
    raise RealtimeError(f"{part.final}: {reason}; {seconds:.1f} seconds were recorded and are in {path}.") from error
