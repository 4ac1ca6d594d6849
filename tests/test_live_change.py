"""Faces, engines and outputs that change while the loop runs: no frame is lost, and nothing but what was asked for changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import onnx_making
import onnx_seeing
import pytest

from models.engine import Engine
from realtime.build import build
from realtime.config import AnimatedInput, BlendSettings, NoOutput, Output, RecordingOutput, Settings, SwapSettings, VirtualCameraOutput
from realtime.frame import Face, Frame, RealtimeError
from realtime.loop import Loop
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.pipeline import Pipeline
from realtime.portraits import portrait
from realtime.ports import Ports
from realtime.stages.swap import Swap

_INPUT = AnimatedInput(path=str(portrait("hopper")), width=320, height=240, fps=15.0)


@pytest.fixture
def people(detector, landmarker) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """Two who are enrolled."""
    for name, photo in (("eileen", "collins"), ("grace", "hopper")):
        identities.save(enrol(name, [portrait(photo)], detector, landmarker, identities.Consent.now()))
    return "eileen", "grace"


class _Keep:
    """A stage that keeps what passes."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def __call__(self, frame: Frame) -> Frame:
        self.frames.append(frame)
        return frame


@contextmanager
def _running(settings: Settings) -> Iterator[tuple[Loop, list[Frame]]]:
    """A loop in a thread of its own, and the frames that it has finished."""
    keep = _Keep()
    with build(settings, around=(_Keep(), keep)) as loop:
        thread = threading.Thread(target=lambda: loop.run(signalled=False))
        thread.start()
        try:
            _until(lambda: len(keep.frames) > 3)
            yield loop, keep.frames
        finally:
            loop.pipeline.quit()
            thread.join(30)
        assert not thread.is_alive()


def _until(done: Callable[[], object]) -> None:
    end = time.perf_counter() + 60
    while not done():
        assert time.perf_counter() < end, "it never came"
        time.sleep(0.005)


def _settings(sources: tuple[str, ...], outputs: tuple[Output, ...] = (NoOutput(),), **changes: object) -> Settings:
    start = {"input": _INPUT, "outputs": outputs, "quality": "fast", "blend": BlendSettings(grain=0.0, seam=0.0)}
    return Settings.model_validate(start | {"swap": SwapSettings(sources=sources)} | changes)


def _wearing(settings: Settings, *sources: str, **more: object) -> Settings:
    return settings.model_copy(update={"swap": settings.swap.model_copy(update={"sources": sources} | more)})


def test_a_new_face_is_read_while_the_loop_goes_on(people: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    settings, read = _settings(people[:1]), identities.load

    def slowly(name: str) -> identities.Identity:
        time.sleep(1.5)
        return read(name)

    with _running(settings) as (loop, frames):
        _until(lambda: any(face.patch is not None for face in frames[-1].faces))
        monkeypatch.setattr(identities, "load", slowly)
        before = len(frames)
        loop.change(_wearing(settings, people[1]))
        meanwhile = len(frames) - before
        changed = len(frames)
        _until(lambda: len(frames) > changed + 5)
        # Worn before: ready at once.
        began = time.perf_counter()
        loop.change(settings)
        assert time.perf_counter() - began < 1.4
    assert meanwhile >= 8
    for frame in frames[before:]:
        (face,) = frame.faces
        assert face.patch is not None or face.lost


def test_every_frame_of_a_file_is_swapped_on_both_sides_of_a_change(people: tuple[str, str]) -> None:
    settings = _settings(people[:1], input=_INPUT.model_copy(update={"realtime": False}))
    with _running(settings) as (loop, frames):
        for _ in range(4):
            for name in people:
                loop.change(_wearing(settings, name))
                count = len(frames)
                _until(lambda count=count: len(frames) > count + 2)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(face.patch is not None for frame in frames for face in frame.faces)
    assert {len(frame.faces) for frame in frames} == {1}


def test_another_engine_is_opened_while_the_loop_goes_on_and_the_old_one_closed(people: tuple[str, str], tmp_path: Path) -> None:
    signed = ((127.5 / 255,) * 3, (127.5 / 255,) * 3)
    swap = onnx_making.Swap(256, target=signed, result=signed, mask=True, mixed=False)
    swapper = onnx_making.swapper(tmp_path / "hyperswap_own.onnx", swap)
    recogniser = onnx_seeing.recogniser(tmp_path / "recogniser.onnx")
    settings = _settings(people[:1], input=_INPUT.model_copy(update={"realtime": False}))
    mine = {"engine": str(swapper), "recogniser": str(recogniser)}
    with _running(settings) as (loop, frames):
        kinds = []
        for more in (mine, mine | {"boost": 2}, {"engine": "mesh"}, mine):
            loop.change(_wearing(settings, people[0], **more))
            engines = loop._parts["swap"]._engines
            kinds.append(type(next(iter(engines.values()))).__name__)
            assert set(engines) == {people[0]}
            assert len(loop._equipment.wardrobe._sets) == 1
            count = len(frames)
            _until(lambda count=count: len(frames) > count + 3)
        with pytest.raises(RealtimeError, match="nothing-of-that-name"):
            loop.change(_wearing(settings, people[1], engine="nothing-of-that-name"))
        with pytest.raises(RealtimeError, match="enrolled: eileen, grace"):
            loop.change(_wearing(settings, "nobody", engine="mesh"))
        with pytest.raises(RealtimeError, match="enrolled: eileen, grace"):
            loop.prepare(_wearing(settings, "nobody", engine="neural"))
        # What was opened for nothing is closed again.
        assert len(loop._equipment.wardrobe._sets) == 1
        assert loop.settings.swap.engine == str(swapper)
        count = len(frames)
        _until(lambda: len(frames) > count + 3)
    assert kinds == ["NeuralEngine", "NeuralEngine", "MeshEngine", "NeuralEngine"]
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(face.patch is not None for frame in frames for face in frame.faces)


def test_who_is_enrolled_again_is_read_again(people: tuple[str, str], detector, landmarker) -> None:  # type: ignore[no-untyped-def]
    settings = _settings(people[:1])
    with build(settings) as loop:
        first = loop._parts["swap"]._engines[people[0]]
        loop.change(_wearing(settings, *people))
        assert loop._parts["swap"]._engines[people[0]] is first
        identities.save(enrol(people[0], [portrait("hopper")], detector, landmarker, identities.Consent.now()), overwrite=True)
        loop.change(settings)
        assert loop._parts["swap"]._engines[people[0]] is not first


def test_outputs_come_and_go_while_the_loop_runs(people: tuple[str, str], tmp_path: Path) -> None:
    first, second, third = (RecordingOutput(path=str(tmp_path / name)) for name in ("a.mp4", "b.mkv", "c.mp4"))
    settings = _settings(people[:1], (NoOutput(), first), input=_INPUT.model_copy(update={"realtime": False}))

    def states(loop: Loop) -> list[tuple[str, str]]:
        return [(state.name, state.state) for state in loop.ports.states()]

    with _running(settings) as (loop, frames):

        def have(*outputs: Output) -> None:
            loop.change(settings.model_copy(update={"outputs": outputs}))
            count = len(frames)
            _until(lambda: len(frames) > count + 3)

        assert states(loop) == [("none", "on air"), ("recording", "on air")]
        have(first, second)
        assert states(loop) == [("recording", "on air"), ("recording-2", "on air")]
        # One that cannot be: the others go on as they were.
        with pytest.raises(RealtimeError, match="no-such-camera"):
            have(third, VirtualCameraOutput(device="/dev/no-such-camera"))
        assert states(loop) == [("recording", "on air"), ("recording-2", "on air")]
        assert loop.settings.outputs == (first, second)
        have(second, NoOutput())
        assert not (tmp_path / "c.mp4").exists()
        have(NoOutput())
        assert states(loop) == [("none", "on air")]
        count = len(frames)
    assert len(frames) > count
    # Sound and whole, every frame from when it came to when it went.
    for name in ("a.mp4", "b.mkv"):
        with av.open(str(tmp_path / name)) as container:
            times = [float(frame.time) for frame in container.decode(video=0)]
        assert len(times) > 3
        assert np.allclose(np.diff(times), 1 / 15, atol=0.002)


def test_the_only_output_gives_way_to_another_one(people: tuple[str, str], tmp_path: Path) -> None:
    first, second = (RecordingOutput(path=str(tmp_path / name)) for name in ("a.mp4", "b.mp4"))
    settings = _settings(people[:1], (first,))
    with _running(settings) as (loop, frames):
        with pytest.raises(RealtimeError, match="no output left"):
            loop.change(settings.model_copy(update={"outputs": ()}))
        loop.change(settings.model_copy(update={"outputs": (second,)}))
        assert [state.name for state in loop.ports.states()] == ["recording"]
        assert list(loop.pipeline.statistics().latencies) == ["recording"]
        count = len(frames)
        _until(lambda: len(frames) > count + 3 and loop.pipeline.latest is not None)
    for name in ("a.mp4", "b.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) > 2


def test_an_output_whose_successor_cannot_be_opened_comes_back() -> None:
    opened: list[str] = []

    class Sink:
        def __init__(self, output: Output) -> None:
            assert isinstance(output, VirtualCameraOutput)
            if output.device == "bad" or opened.count(str(output.device)):
                raise RealtimeError(f"{output.device} cannot be opened.")
            self.name = str(output.device)
            opened.append(self.name)

        def send(self, frame: Frame) -> None:
            return

        def close(self) -> None:
            opened.remove(self.name)

    def output(device: str, **more: object) -> VirtualCameraOutput:
        return VirtualCameraOutput.model_validate({"device": device} | more)

    ports = Ports(Sink)  # type: ignore[arg-type]
    ports.open([output("one"), output("two")], lambda _: False)
    ports.change([output("one"), output("two", fps=25)])
    assert sorted(opened) == ["one", "two"]
    with pytest.raises(RealtimeError, match="bad cannot be opened"):
        ports.change([output("two", fps=10), output("bad")])
    assert sorted(opened) == ["one", "two"]
    assert sorted(str(port.output.device) for port in ports) == ["one", "two"]  # type: ignore[union-attr]
    assert {state.state for state in ports.states()} == {"on air"}
    ports.change([])
    assert opened == []


class _Plain:
    """An engine that draws one colour, and knows what is not its own."""

    def __init__(self, colour: int) -> None:
        self.colour = colour

    def meet(self) -> _Plain:
        return self

    aside = 0.0

    def __call__(self, image: object, landmarks: object, target: object, time: float, knobs: object, effort: object) -> object:
        assert target is self
        return np.full((4, 4, 3), self.colour, np.uint8), np.full((4, 4), 255, np.uint8), np.eye(2, 3)


def test_engines_are_exchanged_between_two_frames_and_never_within_one() -> None:
    def wearers(colour: int) -> dict[str, Engine]:
        return {f"{colour}-{name}": _Plain(colour) for name in "ab"}  # type: ignore[misc]

    def settings(colour: int) -> SwapSettings:
        return SwapSettings(sources=(f"{colour}-a", f"{colour}-b"), faces="all")

    swap = Swap(wearers(0), settings(0))
    landmarks = np.zeros((478, 3), np.float32)
    faces = tuple(Face(np.array([0, 0, 4, 4], np.float32), landmarks, track=track) for track in range(4))
    colours: list[set[int]] = []

    class Source:
        live, rate = False, 100.0

        def __iter__(self) -> Iterator[Frame]:
            return (Frame(np.zeros((8, 8, 3), np.uint8), index, index / 100, faces) for index in range(1500))

        def close(self) -> None:
            return

    class Sink:
        def send(self, frame: Frame) -> None:
            colours.append({int(face.patch.image[0, 0, 0]) for face in frame.faces if face.patch})

        def close(self) -> None:
            return

    pipeline = Pipeline(Source(), [[swap]], [Sink()])
    pipeline.start()
    colour = 0
    while len(colours) < 1500:
        colour = (colour + 1) % 200
        swap.wear(wearers(colour), settings(colour))
        time.sleep(0.001)
    pipeline.wait(30)
    assert len(colours) == 1500
    assert {len(each) for each in colours} == {1}
    assert len(set().union(*colours)) > 10
    with pytest.raises(ValueError, match="without a face"):
        swap.wear(wearers(1), settings(2))
    assert swap.settings == settings(colour)
