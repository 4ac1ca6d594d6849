"""Assembly: pictures leave with their last packet, holes are waited for, and what is lost for good costs up to a key frame."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import pytest

from realtime.calls.assembly import Assembly, key
from realtime.calls.extent import fits

# Parameters of 640 x 384, then the first byte of a picture that needs no other.
_KEY = bytes.fromhex("000000016742c01eda0280c684000003000400000300f23c58ba8000000165")
_DELTA = b"\0\0\0\1\x41"


@dataclass
class _Packet:
    sequence_number: int
    timestamp: int
    marker: int
    _data: bytes


def _stream(pictures: int, each: int, start: int = 65_530, keys: tuple[int, ...] = (0,)) -> list[_Packet]:
    out = []
    for picture in range(pictures):
        for part in range(each):
            head = (_KEY if picture in keys else _DELTA) if part == 0 else b""
            data = head + bytes([picture % 256, part])
            out.append(_Packet((start + len(out)) % 65536, picture * 3000, int(part == each - 1), data))
    return out


def _whole(picture: int, each: int, keys: tuple[int, ...] = (0,)) -> bytes:
    return (_KEY if picture in keys else _DELTA) + b"".join(bytes([picture, part]) for part in range(each))


@pytest.mark.parametrize("each", [1, 3])
def test_a_picture_leaves_with_its_last_packet(each: int) -> None:
    assembly = Assembly()
    for number, packet in enumerate(_stream(5, each)):
        ask, picture = assembly.add(packet)
        assert not ask
        done = number % each == each - 1
        assert (picture is not None) == done
        if picture is not None:
            assert (picture.data, picture.timestamp) == (_whole(number // each, each), number // each * 3000)


def test_any_order_within_a_picture_and_copies_change_nothing() -> None:
    packets = _stream(30, 4)
    random = np.random.default_rng(0)
    assembly, got = Assembly(), []
    for start in range(0, len(packets), 4):
        order = random.permutation(4)
        if start == 0:
            order = np.arange(4)  # the first packet says where counting begins
        for n in order:
            for _ in range(2):
                _, picture = assembly.add(packets[start + int(n)])
                got += [picture.data] if picture else []
    assert got == [_whole(picture, 4) for picture in range(30)]


def test_a_packet_that_comes_late_releases_everything_in_order() -> None:
    now = [0.0]
    assembly, got = Assembly(lambda: now[0]), []
    packets = _stream(6, 2)
    late = packets.pop(3)
    for packet in [*packets, late, *_stream(10, 2)[12:]]:
        now[0] += 0.01
        ask, picture = assembly.add(packet)
        assert not ask
        got += [picture.data] if picture else []
    assert got[:6] == [_whole(picture, 2) for picture in range(6)]


def test_what_is_lost_for_good_is_left_out_up_to_a_key_frame_that_is_asked_for() -> None:
    now = [0.0]
    assembly, got, asked = Assembly(lambda: now[0]), [], 0
    packets = _stream(40, 2, keys=(0, 30))
    del packets[5]
    for packet in packets:
        now[0] += 0.02
        ask, picture = assembly.add(packet)
        asked += ask
        got += [picture.data[len(_KEY)] if picture.data.startswith(_KEY) else picture.data[len(_DELTA)]] if picture else []
    assert got == [0, 1, *range(30, 40)]
    assert 1 <= asked <= 4


def test_a_long_gap_and_a_new_beginning_do_not_grow_without_end() -> None:
    now = [0.0]
    assembly, got = Assembly(lambda: now[0]), []
    stream = _stream(3000, 2, keys=tuple(range(0, 3000, 50)))
    for packet in stream[:100] + stream[5000:]:
        now[0] += 0.005
        _, picture = assembly.add(packet)
        got += [picture.timestamp // 3000] if picture else []
        assert len(assembly._packets) <= 4096
    assert got[:50] == list(range(50))
    assert got[-1] == 2999
    assert len(got) > 400


def test_key_frames_are_known() -> None:
    assert key(_KEY + b"x")
    assert key(b"\0\0\0\1\x65x")
    assert not key(_DELTA)
    assert not key(b"\0\0\0\1")
    assert key(b"\x10\x02\x00\x9d")
    assert not key(b"\x11\x02\x00")
    assert not key(b"")


def _vp8(width: int, height: int, first: int = 0x10) -> bytes:
    """The beginning of a key frame, RFC 6386 9.1."""
    return bytes([first, 2, 0]) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(90)


def _h264(width: int, height: int, profile: str, options: str = "") -> bytes:
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.time_base = width, height, Fraction(1, 30)
    context.pix_fmt = "yuv444p" if profile == "high444" else "yuv420p"
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": profile, "x264-params": options}
    return b"".join(bytes(packet) for packet in context.encode(av.VideoFrame(width, height, context.pix_fmt)))


@pytest.mark.parametrize("profile", ["baseline", "main", "high", "high444"])
def test_what_a_camera_sends_reaches_the_decoder_and_what_fills_the_memory_does_not(profile: str) -> None:
    scaling = "8x8dct=1:cqm=jvt" if profile.startswith("high") else ""
    assert fits(_h264(640, 384, profile, scaling))
    assert fits(_h264(128, 3840, profile))
    assert not fits(_h264(4112, 4096, profile, scaling))


def test_a_size_is_found_however_it_is_wrapped() -> None:
    large = _h264(4112, 4096, "baseline")
    assert not fits(_KEY + large)
    assert not fits(b"\x41" + large)
    assert not fits(_KEY[:9])
    assert fits(_vp8(3840, 2304))
    assert fits(b"")
    assert fits(b"\x11\2\0")
    assert not fits(_vp8(16383, 16383))
    # The first bytes of this one look like H.264's start code.
    assert not fits(b"\0\0\1" + _vp8(16383, 16383)[3:])


def test_a_picture_too_large_and_a_decoder_that_is_behind_cost_up_to_a_key_frame() -> None:
    behind = [False]
    assembly, got = Assembly(behind=lambda: behind[0]), []
    stream = _stream(12, 1, keys=(0, 3, 9))
    stream[1]._data = _vp8(16383, 16383)
    asked = []
    for packet in stream:
        behind[0] = packet is stream[5]
        ask, picture = assembly.add(packet)
        asked.append(ask)
        got += [picture.timestamp // 3000] if picture else []
    assert got == [0, 3, 4, 9, 10, 11]
    assert asked[1]
