"""Assembly: pictures leave with their last packet, holes are waited for, and what is lost for good costs up to a key frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from realtime.calls.assembly import Assembly, key

_KEY, _DELTA = b"\0\0\0\1\x67", b"\0\0\0\1\x41"


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
