"""One connection to a streaming server, or one run of an HLS folder: what is opened, written and closed together."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet

from realtime.address import masked
from realtime.frame import Image
from realtime.machine.home import expanded
from realtime.outputs import HlsOutput, StreamOutput
from realtime.sinks.pictures import Codec, Pictures
from realtime.sinks.relay import Relay
from realtime.sinks.voice import Hearing, Voice

Output = StreamOutput | HlsOutput

_BASE = Fraction(1, 90000)
# Microseconds after which a server that takes nothing is given up.
_HANGS = "5000000"
# Some players know numbers of pieces up to 2**31 alone, so they count from the year 2023.
_SINCE = 1672531200
# Packets go out at once; a track without packets holds the others back for so many microseconds at most.
_PROMPT = {"flush_packets": "1", "max_interleave_delta": "200000"}


class Broadcast:
    """H.264, and AAC where `hearing` is given, to where the settings say.

    size: (width, height) of the pictures.  begin: the first one's moment on the clock that sound is stamped with too.
    Construction connects.  It and write() raise av.error.FFmpegError, ConnectionError or OSError.
    """

    def __init__(self, settings: Output, codec: Codec, size: tuple[int, int], rate: float, hearing: Hearing | None, begin: float) -> None:
        self._begin, self._every, self._key, self._tick = begin, keyframes(settings), -1.0, -1
        self._relay: Relay | None = None
        self._output: OutputContainer | None = None
        self._settings, self._codec, self._size, self._rate, self._hearing = settings, codec, size, rate, hearing

    @property
    def patient(self) -> bool:
        """Whether open() may take for ever: it waits for somebody who calls."""
        return isinstance(self._settings, StreamOutput) and "mode=listener" in self._settings.url

    def open(self) -> None:
        """Connect."""
        settings = self._settings
        if isinstance(settings, StreamOutput) and settings.url.startswith("srt:"):
            self._relay = Relay(settings.url)
            self._relay.wait()
        self._output = output = _container(settings, self._relay)
        self._pictures = Pictures(output, self._codec, self._size, self._rate, _BASE)
        if isinstance(settings, StreamOutput) and settings.url.startswith(("rtmp", "rtsp")):
            # These send the parameters once, at the beginning; a transport stream repeats them.
            self._pictures.stream.codec_context.flags |= Flags.global_header
        self._voice = None if self._hearing is None else Voice(output, self._hearing, self._begin)
        output.start_encoding()

    def write(self, image: Image, moment: float, latency: float) -> None:
        """Send a picture, and the sound up to it."""
        if self._output is None:
            raise ConnectionError("it is not open")
        key = moment >= self._key
        if key:
            self._key = moment + self._every
        self._tick = max(self._tick + 1, round((moment - self._begin) / _BASE))
        packets: list[Packet[Any]] = self._pictures.encode(image, self._tick, key)
        if self._voice is not None:
            packets += self._voice.upto(moment, latency)
        for packet in packets:
            self._output.mux(packet)

    def abort(self) -> None:
        """Wake up whoever waits in open() or write(), where that can be done; from any thread."""
        if self._relay is not None:
            self._relay.abort()

    def close(self) -> None:
        """Send the rest as far as the other side still takes it, and hang up."""
        output, self._output = self._output, None
        with suppress(av.error.FFmpegError, OSError):
            if output is not None and self._tick >= 0:
                for packet in self._pictures.flush():
                    output.mux(packet)
        with suppress(av.error.FFmpegError, OSError):
            if output is not None:
                output.close()
        if self._relay is not None:
            self._relay.close()


def place(settings: Output) -> str:
    """Where it goes, without what is secret in an address."""
    return masked(settings.url) if isinstance(settings, StreamOutput) else settings.folder


def keyframes(settings: Output) -> float:
    """Seconds between two pictures to begin with; a piece of HLS begins with one."""
    return settings.keyframes if isinstance(settings, StreamOutput) else settings.seconds


def _container(settings: Output, relay: Relay | None) -> OutputContainer:
    if isinstance(settings, HlsOutput):
        return _folder(settings)
    url = settings.url
    if relay is not None:
        return av.open(relay, "w", format="mpegts", options=_PROMPT, buffer_size=7 * 188)
    match url.partition(":")[0]:
        case "udp":
            size = "" if "pkt_size=" in url else f"{'&' if '?' in url else '?'}pkt_size={7 * 188}"
            return av.open(url + size, "w", format="mpegts", options=_PROMPT)
        case "rtsp":
            return av.open(url, "w", format="rtsp", options={"rtsp_transport": "tcp", **_PROMPT})
        case _:
            # PyAV gives a protocol no options, and without this one a server that hangs would hang us; `tee` does.
            wanted = {"f": "flv", "rw_timeout": _HANGS, "flvflags": "no_duration_filesize", **_PROMPT}
            options = ":".join(f"{key}={value}" for key, value in wanted.items())
            return av.open(f"[{options}]" + re.sub(r"([\\'|])", r"\\\1", url), "w", format="tee", options=_PROMPT)


def _folder(settings: HlsOutput) -> OutputContainer:
    folder = expanded(settings.folder)
    folder.mkdir(parents=True, exist_ok=True)
    _tidy(folder)
    # Numbers that go on from run to run, so that no player takes an old piece for a new one: two a second, as pieces are at most.
    options = {
        "hls_time": f"{settings.seconds * 0.9:.3f}",
        "hls_list_size": str(settings.keep),
        "hls_flags": "delete_segments+independent_segments+program_date_time+temp_file",
        "hls_segment_filename": str(folder / "live-%d.ts"),
        "start_number": str(int(2 * (time.time() - _SINCE))),
    }
    return av.open(str(folder / "live.m3u8"), "w", format="hls", options=options)


def _tidy(folder: Path) -> None:
    """Take away what an earlier run has left, and nothing else."""
    for path in folder.iterdir():
        if re.fullmatch(r"live-\d+\.ts(\.tmp)?|live\.m3u8(\.tmp)?", path.name):
            path.unlink(missing_ok=True)


__all__ = ["Broadcast", "Output", "keyframes", "place"]
