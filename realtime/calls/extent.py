"""Extent: how large an encoded picture would be, told by its first bytes, before a decoder makes room for it.

A hundred bytes of VP8 can ask for 16383 x 16383 pixels, which libvpx answers with 900 MB (measured).  RFC 6386 9.1 and
ITU-T H.264 7.3.2.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGEST = 4096 * 2560
"""Pixels: a camera of 3840 x 2160 and the time code above it, upright too."""
_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""Profiles whose parameters tell of colours and scaling."""


def fits(data: bytes) -> bool:
    """Whether a decoder may see an encoded picture of H.264 or VP8: not where it is larger than LARGEST, or cannot be read."""
    try:
        return all(width * height <= LARGEST for width, height in _sizes(data))
    except ValueError:
        return False


def _sizes(data: bytes) -> list[tuple[int, int]]:
    """Every size that the picture gives; raises ValueError.

    As either codec and everywhere in it: decoders look for start codes, not for packets, and whoever sends a picture
    begins it as they like.
    """
    found, at = [], data.find(b"\0\0\1")
    while at >= 0:
        end = data.find(b"\0\0\1", at + 3)
        if len(data) > at + 3 and data[at + 3] & 0x1F == 7:
            found.append(_parameters(data[at + 4 : end if end >= 0 else len(data)]))
        at = end
    if data[3:6] == b"\x9d\x01\x2a" and not data[0] & 1:
        found.append((int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF))
    return found


@dataclass
class _Bits:
    """The bits of a parameter set, first to last; raises ValueError beyond the end."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            if self.at >= 8 * len(self.data):
                raise ValueError("cut off")
            value = value << 1 | self.data[self.at >> 3] >> (7 - (self.at & 7)) & 1
            self.at += 1
        return value

    def number(self) -> int:
        """ue(v)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise ValueError("no number")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """se(v)."""
        code = self.number()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _parameters(data: bytes) -> tuple[int, int]:
    """Width and height of a sequence parameter set without its first byte, in whole macroblocks."""
    bits = _Bits(data.replace(b"\0\0\3", b"\0\0"))
    profile = bits.take(24) >> 16
    bits.number()
    if profile in _CHROMA:
        _colours(bits)
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1)
        bits.number()
        bits.number()
        count = bits.number()
        if count > 255:
            raise ValueError("more frames in a cycle than there may be")
        for _ in range(count):
            bits.number()
    bits.number()
    bits.take(1)
    width, height = bits.number() + 1, bits.number() + 1
    return 16 * width, 16 * height * (1 if bits.take(1) else 2)


def _colours(bits: _Bits) -> None:
    chroma = bits.number()
    if chroma == 3:
        bits.take(1)
    bits.number()
    bits.number()
    bits.take(1)
    if not bits.take(1):
        return
    for entry in range(12 if chroma == 3 else 8):
        last = following = 8
        for _ in range((16 if entry < 6 else 64) if bits.take(1) else 0):
            following = (last + bits.signed()) % 256 if following else 0
            last = following or last


__all__ = ["LARGEST", "fits"]
