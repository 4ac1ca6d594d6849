"""The time code: what was drawn is read, small, squeezed through an encoder or not at all, and never wrongly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.calls import strip
from realtime.fit import scaled
from realtime.sinks.packets import Codec, Encoder


@pytest.mark.parametrize("width", [160, 213, 320, 480, 640, 1280])
def test_every_moment_is_read_back_at_every_size(width: int) -> None:
    rows = max(6, width * 24 // 640)
    for moment in [0, 1, 2, 0x5555, 0xAAAA, 0xFFFF, *range(7, 65536, 997)]:
        assert strip.read(strip.draw(moment, width, rows)) == moment
    assert strip.read(strip.draw(65536 + 5, width, rows)) == 5


@pytest.mark.parametrize("codec", ["h264", "vp8"])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
def test_it_is_read_through_an_encoder_at_every_rung(codec: Codec, scale: float) -> None:
    import av

    random = np.random.default_rng(1)
    picture = cv2.resize(random.integers(0, 255, (23, 40, 3), np.uint8), (640, 360), interpolation=cv2.INTER_CUBIC)
    encoder, decoder = Encoder(codec, 150_000), av.CodecContext.create(codec, "r")
    read = []
    for index in range(20):
        image = strip.joined(strip.draw(index * 1234, 640, 24), np.roll(picture, 5 * index, axis=1))
        packet = encoder(scaled(image, scale), index * 3000)
        for frame in decoder.decode(av.Packet(bytes(packet))):
            back = frame.to_ndarray(format="bgr24")
            read.append(strip.read(strip.cut(back, 24 / 384)[0]))
    assert read == [index * 1234 % 65536 for index in range(20)]


def test_noise_and_pictures_are_never_read_as_a_moment(collins: np.ndarray) -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        noise = cv2.resize(random.integers(0, 255, (1, 24, 3), np.uint8), (640, 24), interpolation=cv2.INTER_NEAREST)
        noise[:, : 640 // 24] = 0
        assert strip.read(noise) is None
    assert strip.read(np.zeros((24, 640, 3), np.uint8)) is None
    assert strip.read(np.zeros((1, 640, 3), np.uint8)) is None
    assert strip.read(collins[:24, :40]) is None


def test_one_cell_turned_over_is_noticed() -> None:
    for cell in range(24):
        drawn = strip.draw(12345, 640, 24)
        left, right = round(cell * 640 / 24), round((cell + 1) * 640 / 24)
        drawn[:, left:right] = 255 - drawn[:, left:right]
        assert strip.read(drawn) is None, cell


def test_cutting_and_joining_leaves_everything_as_it_was() -> None:
    image = np.random.default_rng(3).integers(0, 255, (384, 640, 3), np.uint8)
    top, picture = strip.cut(image, 24 / 384)
    assert (top.shape, picture.shape) == ((24, 640, 3), (360, 640, 3))
    assert np.array_equal(strip.joined(top, picture), image)
    assert strip.joined(top[:0], picture) is picture
    assert strip.read(strip.joined(strip.draw(77, 320, 24), picture)[:24]) == 77
