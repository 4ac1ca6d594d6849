"""Sound: a ring on the clock, blocks that drift and come late, devices that are missing, and a real sound server where there is one."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from realtime.config import AudioSettings
from realtime.frame import Frame, RealtimeError
from realtime.machine import lasting, sounddevices
from realtime.machine.desk import Desk
from realtime.machine.latency import Latency
from realtime.machine.loudspeaker import Loudspeaker
from realtime.machine.placing import Placing
from realtime.machine.ring import RATE, Ring, Samples

_PERIOD = 0.5


def clicks(place: int, count: int) -> Samples:
    """A twentieth of a second of 1 kHz at every half second of the clock, (count, 2)."""
    moments = (place + np.arange(count)) / RATE
    tone = 0.6 * np.sin(2 * np.pi * 1000 * moments) * (moments % _PERIOD < 0.05)
    return np.stack([tone, tone], axis=1).astype(np.float32)


def errors(samples: Samples, begin: int) -> NDArray[np.float64]:
    """By how many seconds each click stands off its half second."""
    loud = np.flatnonzero(np.abs(samples[:, 0]) > 0.1)
    starts = loud[np.r_[True, np.diff(loud) > 0.2 * RATE]] + begin
    return (starts / RATE + _PERIOD / 2) % _PERIOD - _PERIOD / 2


@settings(max_examples=60, deadline=None)
@given(some.lists(some.tuples(some.integers(-300, 1500), some.integers(1, 900)), min_size=1, max_size=12), some.integers(0, 2500))
def test_a_ring_gives_back_what_was_written_last(writes: list[tuple[int, int]], back: int) -> None:
    """Against a plain array as long as all time."""
    ring, size, offset = Ring(2000 / RATE), 2000, 100000
    truth, end, begin = np.zeros(200000, np.float32), 0, 0
    for number, (step, count) in enumerate(writes, 1):
        place = (end or offset) + step
        ring.write(place, np.full((count, 2), number, np.float32))
        if not end or place < begin or place - end >= size:
            begin = place
            truth[:] = 0
        truth[place : place + count] = number
        truth[place + count :] = 0
        end = place + count
        begin = max(begin, end - size)
    truth[:begin] = 0
    assert ring.end == end
    np.testing.assert_array_equal(ring.read(end - back, 2600)[:, 0], truth[end - back : end - back + 2600])


def test_the_end_of_what_is_longer_than_a_ring_stays_in_its_place() -> None:
    """As the sound of a clip whose picture stands still for longer."""
    ring = Ring(0.1)
    ring.write(1000, clicks(0, 6000))
    assert ring.end == 7000
    np.testing.assert_array_equal(ring.read(2200, 4800), clicks(1200, 4800))
    assert not ring.read(1000, 1200).any()


@pytest.mark.parametrize("off", [0.0, 3e-4, -3e-4])
def test_blocks_of_a_clock_that_runs_off_stay_in_their_place(off: float) -> None:
    """A sound card that is 300 ppm fast or slow, blocks up to 30 ms late: 40 seconds would make 12 ms."""
    ring, draw = Ring(45), np.random.default_rng(1)
    placing = Placing(ring)
    start, heard = 1000.0, 0
    for _ in range(4000):
        begin = start + heard * (1 + off) / RATE
        moments = begin + np.arange(480) * (1 + off) / RATE
        tone = 0.6 * np.sin(2 * np.pi * 1000 * moments) * (moments % _PERIOD < 0.05)
        late = draw.exponential(0.004) if draw.random() < 0.9 else draw.uniform(0, 0.03)
        placing.put(begin + late, np.stack([tone, tone], 1).astype(np.float32))
        heard += 480
    found = errors(ring.read(round(1005.25 * RATE), 34 * RATE), round(1005.25 * RATE))
    assert len(found) == 68
    assert np.abs(found).max() < 0.003


def test_lost_blocks_and_a_late_first_one_are_put_right() -> None:
    ring = Ring(30)
    placing = Placing(ring)
    # The first block is told 200 ms late; after five seconds half a second is lost.
    for number in range(1500):
        place = round(1000 * RATE) + 480 * number
        if 500 <= number < 550:
            continue
        placing.put(place / RATE + (0.2 if number == 0 else 0.001), clicks(place, 480))
    early = errors(ring.read(round(1001.25 * RATE), 3 * RATE), round(1001.25 * RATE))
    late = errors(ring.read(round(1008.25 * RATE), 6 * RATE), round(1008.25 * RATE))
    assert (len(early), len(late)) == (6, 12)
    assert np.abs(early).max() < 0.003
    assert np.abs(late).max() < 0.003


def test_the_latency_is_slow_and_deaf_to_single_late_pictures() -> None:
    latency = Latency()
    assert latency.value == 0
    for number in range(300):
        latency.add(0.9 if number % 10 == 5 else 0.08)
    assert latency.value == pytest.approx(0.08)
    for _ in range(90):
        latency.add(0.2)
    assert latency.value == pytest.approx(0.08)
    for _ in range(150):
        latency.add(0.2)
    assert latency.value == pytest.approx(0.2)


class Heard:
    """Clicks for ever, and a delay to be set."""

    def __init__(self, wanted: float, lag: float = -math.inf) -> None:
        self.wanted, self.lag, self.now = wanted, lag, 1000.0

    @property
    def heard(self) -> float:
        return self.now - self.lag

    def read(self, place: int, count: int) -> Samples:
        return clicks(place, count)

    def delay(self) -> float:
        return self.wanted


def played(speaker: Loudspeaker, sound: Heard, seconds: float, off: float = 0.0) -> Samples:
    """What is heard from the clock's moment sound.now on, of a device whose clock runs off."""
    parts, draw = [], np.random.default_rng(2)
    for _ in range(round(seconds * RATE / 480)):
        parts.append(speaker.block(sound.now + 0.02 + draw.normal(0, 0.002), 480))
        sound.now += 480 * (1 + off) / RATE
    return np.concatenate(parts)


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A loudspeaker without a device: blocks are asked for by hand."""
    monkeypatch.setattr(sounddevices, "opened", lambda *_: None)
    made: list[Loudspeaker] = []

    def make(sound: Heard) -> Loudspeaker:
        made.append(Loudspeaker("any", sound, lambda _: None))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("off", [0.0, 2e-4, -2e-4])
def test_the_virtual_microphone_gives_sound_held_back_by_the_delay(speaker: Any, off: float) -> None:
    sound = Heard(0.125)
    samples = played(speaker(sound), sound, 20, off)
    # The last ten seconds, by a clock that runs as the device's does.
    tail = samples[10 * RATE :]
    loud = np.flatnonzero(np.abs(tail[:, 0]) > 0.1)
    starts = (loud[np.r_[True, np.diff(loud) > 0.2 * RATE]] + 10 * RATE) * (1 + off) / RATE + 1000.02
    found = (starts - 0.125 + _PERIOD / 2) % _PERIOD - _PERIOD / 2
    assert np.abs(found).max() < 0.005


def test_the_virtual_microphone_never_asks_for_what_was_not_heard_yet(speaker: Any) -> None:
    """A microphone that is 60 ms behind, pictures that take 10: sound comes as soon as it can, without holes."""
    sound = Heard(0.01, lag=0.06)
    made = speaker(sound)
    asked: list[float] = []
    sound.read = lambda place, count: asked.append((place + count) / RATE - sound.heard) or clicks(place, count)  # type: ignore[method-assign,func-returns-value]
    played(made, sound, 5)
    assert max(asked[100:]) <= 0.002


class Plug:
    """A loopback device in place of a real one, which can be pulled out and put in again; it asks for sound while it is in."""

    def __init__(self) -> None:
        self.plugged, self.blocks, self.streams = True, list[Samples](), list[Any]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def opened(self, name: str, _way: str, make: Callable[[Any, dict[str, Any], float], Any]) -> Any:
        if not self.plugged:
            raise RealtimeError(f'There is no device to play into called "{name}".')
        return make(SimpleNamespace(OutputStream=self._stream), {"max_output_channels": 2, "index": 0}, float(RATE))

    def _stream(self, callback: Callable[..., None], **_: object) -> Any:
        stream = SimpleNamespace(callback=callback, closed=0)
        stream.close = lambda: setattr(stream, "closed", stream.closed + 1)
        self.streams.append(stream)
        return stream

    def _work(self) -> None:
        while not self._stop.wait(0.01):
            for stream in [stream for stream in self.streams if self.plugged and not stream.closed]:
                block = np.zeros((480, 2), np.float32)
                stream.callback(block, 480, SimpleNamespace(outputBufferDacTime=0.03, currentTime=0.01), None)
                self.blocks.append(block)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def test_a_virtual_microphone_that_is_unplugged_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice; each time said once when it goes and once when it is back."""
    plug, said = Plug(), list[str]()
    monkeypatch.setattr(sounddevices, "opened", plug.opened)
    monkeypatch.setattr(lasting, "_SILENT", 0.5)
    monkeypatch.setattr(lasting, "_FIRST", 0.5)
    monkeypatch.setattr(lasting, "_PAUSES", (0.05, 0.1))
    speaker = Loudspeaker("cable", Heard(0.1), said.append)
    gone = "The virtual microphone cable takes no sound any more; trying again until it does."
    back = "The virtual microphone cable is back."
    try:
        for number in (1, 2):
            _until(lambda: any(block.any() for block in plug.blocks))
            plug.plugged = False
            _until(lambda number=number: said == [gone, back] * (number - 1) + [gone])
            time.sleep(0.4)
            assert len(plug.streams) == number
            plug.blocks.clear()
            plug.plugged = True
            _until(lambda number=number: said == [gone, back] * number)
        _until(lambda: any(block.any() for block in plug.blocks))
    finally:
        speaker.close()
        plug.end()
    assert [stream.closed for stream in plug.streams] == [1, 1, 1]


def test_a_device_that_opens_and_asks_for_nothing_is_not_back(monkeypatch: pytest.MonkeyPatch) -> None:
    plug, said = Plug(), list[str]()
    plug.end()
    monkeypatch.setattr(sounddevices, "opened", plug.opened)
    monkeypatch.setattr(lasting, "_SILENT", 0.1)
    monkeypatch.setattr(lasting, "_FIRST", 0.1)
    monkeypatch.setattr(lasting, "_PAUSES", (0.05, 0.1))
    speaker = Loudspeaker("cable", Heard(0.1), said.append)
    try:
        _until(lambda: len(plug.streams) > 3)
    finally:
        speaker.close()
    assert len(said) == 1
    assert {stream.closed for stream in plug.streams} == {1}


def test_a_device_that_opens_when_everybody_has_gone_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound server that hangs for longer than the end of a run waits."""
    monkeypatch.setattr(lasting, "_SILENT", 0.1)
    monkeypatch.setattr(lasting, "_PAUSES", (0.01,))
    monkeypatch.setattr(lasting, "_FAREWELL", 0.05)
    opening, go_on, closed, said = threading.Event(), threading.Event(), list[int](), list[str]()
    numbers = iter(range(9))

    def make(beat: Callable[[], None]) -> Any:
        if number := next(numbers):
            opening.set()
            assert go_on.wait(60)
        beat()
        return SimpleNamespace(close=lambda: closed.append(number))

    one = lasting.Lasting(make, "gone", "back", said.append)
    assert opening.wait(60)
    one.close()
    go_on.set()
    one._thread.join(60)
    assert closed == [0, 1]
    assert said == ["gone"]


def _half_a_second(folder: Path) -> Path:
    path = folder / "half.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(clicks(0, RATE // 2) * 32767).astype("<i2").tobytes())
    return path


def _until(done: Callable[[], object]) -> None:
    end = time.perf_counter() + 60
    while not done():
        assert time.perf_counter() < end, "it never came"
        time.sleep(0.01)


def test_a_sound_file_that_goes_away_is_said(tmp_path: Path) -> None:
    path, said = _half_a_second(tmp_path), list[str]()
    desk = Desk(AudioSettings(microphone=str(path)), said.append)
    path.unlink()
    try:
        _until(lambda: said)
    finally:
        desk.close()
    assert said == [f"The sound file {path} cannot be read (No such file or directory)."]


def test_a_sound_file_plays_as_a_microphone_again_and_again(tmp_path: Path) -> None:
    path = _half_a_second(tmp_path)
    desk = Desk(AudioSettings(microphone=str(path)), pytest.fail)
    try:
        assert desk.on
        begin = round(desk._microphone.begin * RATE)  # type: ignore[union-attr]
        # A busy machine may be late now and then, and no sound is ever heard early.
        _until(lambda: begin / RATE + 1.2 < desk.heard > time.perf_counter() - 0.2)
        assert desk.heard <= time.perf_counter()
        heard = desk.read(begin, RATE)
    finally:
        desk.close()
    np.testing.assert_allclose(heard, clicks(0, RATE), atol=1e-3)


def test_nothing_listens_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    desk = Desk(AudioSettings(), pytest.fail)
    assert (desk.on, desk.heard) == (False, math.inf)
    assert not desk.read(0, 480).any()
    desk.close()


def test_a_missing_file_or_one_without_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no sound at all")
    for name, words in (("gone.wav", "does not exist"), ("noise.wav", "cannot be read")):
        with pytest.raises(RealtimeError, match=words):
            Desk(AudioSettings(microphone=str(tmp_path / name)), pytest.fail)


def test_what_is_missing_for_a_microphone_is_said_with_its_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(RealtimeError, match=r"needs the package sounddevice: pip install sounddevice"):
        Desk(AudioSettings(microphone="default"), pytest.fail)
    monkeypatch.delitem(sys.modules, "sounddevice")
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")')
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RealtimeError, match=r"PortAudio, which is not there: .*(libportaudio2|pip install)"):
        Desk(AudioSettings(microphone="default"), pytest.fail)
    said: list[str] = []
    desk = Desk(AudioSettings(microphone="default", virtual_microphone="cable"), said.append, spare=True)
    assert not desk.on
    assert ["PortAudio" in text for text in said] == [True, True]
    with pytest.raises(RealtimeError):
        desk.settings = AudioSettings(microphone="other")
    desk.close()
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)


def test_the_delay_follows_the_pictures_in_steps() -> None:
    desk = Desk(AudioSettings(), pytest.fail)
    image = np.zeros((2, 2, 3), np.uint8)
    for _ in range(3):
        desk.see(Frame(image, 0, time.perf_counter() - 0.1))
    assert desk.delay() == pytest.approx(0.1, abs=0.02)
    before = desk.delay()
    for _ in range(600):
        desk.see(Frame(image, 0, time.perf_counter() - 0.107))
    assert desk.delay() == before
    desk.settings = AudioSettings(delay=0.4)
    assert desk.delay() == 0.4
    assert desk.shift(0.15) == pytest.approx(0.25)


def test_a_picture_that_is_shown_again_or_elsewhere_says_nothing_of_the_delay() -> None:
    desk = Desk(AudioSettings(), pytest.fail)
    image = np.zeros((2, 2, 3), np.uint8)
    begin = time.perf_counter() - 3.05
    for index in range(3):
        desk.see(Frame(image, index, time.perf_counter() - 0.05))
    assert desk.delay() == pytest.approx(0.05, abs=0.02)
    old = Frame(image, 3, begin)
    for _ in range(300):
        desk.see(old)
    assert desk.delay() == pytest.approx(0.05, abs=0.02)


@pytest.fixture
def sound_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A sound server of this test's own with two devices: `desk`, and `cable` to play into."""
    program, client = shutil.which("pulseaudio"), shutil.which("pactl")
    if program is None or client is None:
        pytest.skip("pulseaudio and pulseaudio-utils are not installed, which give this test a microphone")
    try:
        import sounddevice
    except OSError:
        pytest.skip("the library PortAudio is not installed (libportaudio2)")
    for name in ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    socket = tmp_path / "native"
    modules = [f"module-native-protocol-unix auth-anonymous=1 socket={socket}", "module-null-sink sink_name=cable"]
    monkeypatch.setenv("PULSE_SERVER", f"unix:{socket}")
    command = [program, "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", *(f"--load={module}" for module in modules)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"PULSE_SERVER": ""})
    end = time.perf_counter() + 20
    while subprocess.run([client, "info"], capture_output=True, check=False).returncode:
        assert server.poll() is None, "the sound server does not start"
        assert time.perf_counter() < end, "the sound server does not answer"
        time.sleep(0.1)
    sounddevices.refresh()
    if not any(device["name"] == "pulse" for device in sounddevice.query_devices()):
        pytest.skip("PortAudio knows no PulseAudio here (libasound2-plugins)")
    yield
    server.terminate()
    server.wait(10)


@pytest.mark.usefixtures("sound_server")
def test_a_real_device_is_heard_at_its_time() -> None:
    """Clicks through the virtual microphone's device and back through the microphone: delay and all within 20 ms."""
    assert "cable" in sounddevices.names("output")
    sound, said = Heard(0.125), list[str]()
    desk = Desk(AudioSettings(microphone="cable.monitor"), said.append)
    speaker = Loudspeaker("cable", sound, said.append)
    try:
        # Five seconds in one piece: on a busy machine a sound server may say nothing for a while.
        quiet, end = time.perf_counter(), time.perf_counter() + 60
        while time.perf_counter() < quiet + 5 and time.perf_counter() < end:
            time.sleep(0.05)
            if time.perf_counter() - desk.heard > 0.3:
                quiet = time.perf_counter()
        assert desk.heard == pytest.approx(time.perf_counter(), abs=0.3), said
        begin = round((desk.heard - 3.5) * RATE)
        found = errors(desk.read(begin, round(3.5 * RATE)), begin)
    finally:
        desk.close()
        speaker.close()
    late = (found - 0.125 + _PERIOD / 2) % _PERIOD - _PERIOD / 2
    assert len(late) >= 6
    assert np.abs(np.median(late)) < 0.02, late


@pytest.mark.usefixtures("sound_server")
def test_a_real_device_that_goes_and_comes_back_is_played_into_and_heard_again() -> None:
    """The sound server takes its device away and gives it back, which is what unplugging does to programs."""

    def pactl(*words: str) -> None:
        subprocess.run(["pactl", *words], check=True, capture_output=True)

    said: list[str] = []
    desk = Desk(AudioSettings(microphone="cable.monitor"), said.append)
    speaker = Loudspeaker("cable", Heard(0.125), said.append)
    try:
        _until(lambda: desk.heard > time.perf_counter() - 0.3)
        pactl("unload-module", "module-null-sink")
        _until(lambda: len(said) == 2)
        assert ["any more; trying again until it does" in text for text in said] == [True, True]
        pactl("load-module", "module-null-sink", "sink_name=cable")
        _until(lambda: len(said) >= 4)
        since = time.perf_counter()
        _until(lambda: desk.heard > since + 2)
        heard = desk.read(round((desk.heard - 1.5) * RATE), RATE)
    finally:
        desk.close()
        speaker.close()
    assert sorted(said[2:4]) == ["The microphone cable.monitor is back.", "The virtual microphone cable is back."]
    assert np.abs(heard).max() > 0.1


@pytest.mark.usefixtures("sound_server")
def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(RealtimeError, match=r'no microphone called "nobody"; there are: .*cable\.monitor'):
        Desk(AudioSettings(microphone="nobody"), pytest.fail)
