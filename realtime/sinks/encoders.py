"""H.264 with little delay: the hardware's encoder where it works, else the processor's."""

from __future__ import annotations

import functools
import platform
from fractions import Fraction

import av
import av.error
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from realtime.frame import RealtimeError
from realtime.sinks.pictures import Codec

NAMES = {
    "nvenc": "h264_nvenc",
    "qsv": "h264_qsv",
    "amf": "h264_amf",
    "videotoolbox": "h264_videotoolbox",
    "v4l2m2m": "h264_v4l2m2m",
    "software": "libx264",
}
"""FFmpeg's name of each encoder of the settings, in the order in which `auto` tries them."""
_PIXELS = {"h264_qsv": "nv12", "h264_amf": "nv12"}
# The first keeps every picture from waiting for the next ones; the second makes a forced picture one to begin with.
_OPTIONS = {
    "h264_nvenc": {"preset": "p4", "tune": "ull", "zerolatency": "1", "delay": "0", "rc": "cbr", "forced-idr": "1"},
    "h264_qsv": {"preset": "veryfast", "async_depth": "1", "forced_idr": "1"},
    "h264_amf": {"usage": "ultralowlatency", "rc": "cbr", "forced_idr": "1"},
    "h264_videotoolbox": {"realtime": "1", "prio_speed": "1", "allow_sw": "0"},
    "h264_v4l2m2m": {},
    "libx264": {"preset": "superfast", "tune": "zerolatency", "forced-idr": "1", "sc_threshold": "0", "threads": "1"},
}


def choose(encoder: str, bitrate: float, keyframes: float, rate: float) -> Codec:
    """The encoder that the settings ask for.

    encoder: auto or one of NAMES.  bitrate: megabits a second.  keyframes: seconds between pictures to begin with.
    Raises RealtimeError for one that does not work on this machine.
    """
    bits = round(bitrate * 1e6)
    # Half a second of buffer keeps the line even; a group ends by its time, which the sender sees to, and never much later.
    limits = {"bf": "0", "maxrate": str(bits), "bufsize": str(bits // 2), "g": str(max(1, round(1.5 * keyframes * rate)))}
    for name in NAMES.values() if encoder == "auto" else [NAMES[encoder]]:
        problem = trouble(name)
        if not problem:
            return Codec(name, _OPTIONS[name] | limits, _PIXELS.get(name, "yuv420p"), bits)
        if encoder != "auto":
            raise RealtimeError(f"The encoder {encoder} cannot be used here: {problem}. Set encoder: auto, or one of {_working()}.")
    raise RealtimeError("This build of PyAV has no H.264 encoder that works here; pip install --force-reinstall av.")


@functools.cache
def trouble(name: str) -> str:
    """Why an encoder (by FFmpeg's name) cannot be used on this machine, "" where it can; tried with two small pictures."""
    if name not in av.codecs_available:
        return f"this build of PyAV does not have {name}"
    if name == "h264_v4l2m2m" and platform.machine() == "x86_64":
        return "PCs have no such encoder"
    context = CodecContext.create(name, "w")
    if not isinstance(context, VideoCodecContext):
        return f"{name} takes no pictures"
    context.width, context.height, context.pix_fmt = 640, 360, _PIXELS.get(name, "yuv420p")
    context.time_base, context.framerate, context.bit_rate = Fraction(1, 30), Fraction(30), 1000000
    context.options = _OPTIONS[name] | {"bf": "0"}
    picture = VideoFrame.from_ndarray(np.zeros((360, 640, 3), np.uint8), "bgr24").reformat(format=context.pix_fmt)
    try:
        packets = []
        for tick in range(2):
            picture.pts, picture.time_base = tick, context.time_base
            packets += context.encode(picture)
        packets += context.encode(None)
    except (av.error.FFmpegError, OSError) as error:
        return f"there is no such hardware or driver ({error.strerror})"
    return "" if packets else "it gives nothing back"


def _working() -> str:
    return ", ".join(encoder for encoder, name in NAMES.items() if not trouble(name))


__all__ = ["NAMES", "choose", "trouble"]
