"""SRT by the ffmpeg program: what PyAV's own FFmpeg is built without.  The stream is muxed here; ffmpeg only carries its bytes."""

from __future__ import annotations

import functools
import shutil
import subprocess
import threading
from collections import deque
from contextlib import suppress

from realtime.address import masked
from realtime.frame import RealtimeError

# One datagram: seven packets of a transport stream.  Empty ones wake ffmpeg up, which says nothing before it has read.
_DATAGRAM = 7 * 188
_EMPTY = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 7
_CURE = "Install an ffmpeg with SRT (Debian, Ubuntu: sudo apt install ffmpeg; macOS: brew install ffmpeg; Windows: gyan.dev)"


@functools.cache
def program() -> str:
    """The path of an ffmpeg that speaks SRT; raises RealtimeError."""
    path = shutil.which("ffmpeg")
    if path is None:
        raise RealtimeError(f"srt:// needs the program ffmpeg, and there is none on the PATH. {_CURE}.")
    try:
        said = subprocess.run([path, "-hide_banner", "-protocols"], capture_output=True, encoding="utf-8", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RealtimeError(f"srt:// needs the program ffmpeg, and {path} does not run ({error}). {_CURE}.") from None
    if "srt" not in said.stdout.rpartition("Output:")[2].split():
        raise RealtimeError(f"srt:// needs an ffmpeg that was built with SRT, and {path} was not. {_CURE}.")
    return path


class Relay:
    """A file to write a transport stream to, which goes to an srt:// address.

    Construction waits for the connection: as long as it takes where `mode=listener` waits for a caller, else about three
    seconds.  Raises ConnectionError with a reason without secrets; write() raises it when the other side has gone.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        quiet = [program(), "-hide_banner", "-loglevel", "error", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5"]
        bytewise = ["-fflags", "nobuffer", "-probesize", "32", "-analyzeduration", "0", "-f", "data", "-raw_packet_size", str(_DATAGRAM)]
        copy = ["-i", "pipe:0", "-map", "0", "-c", "copy", "-f", "data", "-flush_packets", "1", url]
        self._process = subprocess.Popen(
            [*quiet, *bytewise, *copy], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self._said: deque[str] = deque(maxlen=5)
        self._connected = threading.Event()
        for work in (self._listen, self._watch):
            threading.Thread(target=work, name="srt", daemon=True).start()

    def wait(self) -> None:
        """Wait until the other side is there; raises ConnectionError."""
        self.write(_EMPTY)
        self._connected.wait()
        if self._process.poll() is not None:
            raise self._gone()

    def write(self, data: bytes) -> int:
        """Send all of it; raises ConnectionError."""
        view = memoryview(data)
        pipe = self._process.stdin
        try:
            while view and pipe is not None:
                view = view[pipe.write(view) or 0 :]
        except (OSError, ValueError):
            raise self._gone() from None
        return len(data)

    def abort(self) -> None:
        """End at once, whoever waits in write() or wait(); from any thread."""
        self._process.kill()

    def close(self) -> None:
        """Let ffmpeg send what it has, and end it."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        # The first word of progress comes when the connection stands; the pipe ends with the program.
        if self._process.stdout is not None:
            with self._process.stdout as pipe:
                for _ in pipe:
                    self._connected.set()
        self._process.wait()
        self._connected.set()

    def _watch(self) -> None:
        if self._process.stderr is not None:
            with self._process.stderr as pipe:
                for line in pipe:
                    self._said.append(line.decode(errors="replace").strip())

    def _gone(self) -> ConnectionError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        last = self._said[-1] if self._said else "it has gone"
        # ffmpeg names the address, with everything secret in it, before the reason.
        reason = last.replace(self._url, masked(self._url)).rpartition(": ")[2]
        return ConnectionError("no answer" if reason == "Input/output error" else reason)


__all__ = ["Relay", "program"]
