"""Settings to a running loop; the one module that knows every class."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from typing import Any

import cv2

from realtime.config import (
    AnimatedInput,
    CameraInput,
    FaceOutput,
    HlsOutput,
    ImageInput,
    NoOutput,
    Output,
    RecordingOutput,
    Settings,
    StreamOutput,
    VideoInput,
    WindowOutput,
)
from realtime.effort import Quality
from realtime.equipment import Equipment, equip
from realtime.frame import RealtimeError, Sink, Source, Stage
from realtime.loop import Loop
from realtime.machine.desk import Desk
from realtime.machine.ring import Ring
from realtime.meter import lines
from realtime.outputs import FILES
from realtime.pipeline import Pipeline
from realtime.places import check_recordings
from realtime.ports import Ports
from realtime.sinks.monitor import Monitor
from realtime.sinks.output import Nothing, Painted, VirtualCamera
from realtime.stages.overlay import Mirror, Overlay, Statistics, label_off
from realtime.steps import unique
from realtime.trace import Trace

logger = logging.getLogger(__name__)


@contextmanager
def build(
    settings: Settings,
    *,
    photo_face: int | None = None,
    spare_outputs: bool = False,
    trace: str | Path | None = None,
    around: tuple[Stage, Stage] | None = None,
    monitor: Monitor | None = None,
    equipment: Equipment | None = None,
    changed: Callable[[], None] = lambda: None,
) -> Iterator[Loop]:
    """A loop ready to run; on the way out its threads end first, then everything closes in reverse order.

    Recordings are checked first; then models load, photos are read and code is compiled before the source opens, so that
    a bad photo fails before a camera's light comes on.  photo_face: which face of a source photo with several.
    spare_outputs: an output that cannot be opened is a warning as long as another one can.  trace: file to write a trace
    to, made when everything else is open.  around: stages to put before and after all others.
    monitor: gets every finished frame; then there are no windows, nobody's face need be named, and no output that fails
    ends the loop or keeps it from beginning; `changed` is called when one does.  equipment: of an earlier loop, opened with
    the same models; whoever opened it closes it.  Raises RealtimeError.
    """
    # OpenCV's own threads cost more in waking up than they save on crops of this size, and would fight ours.
    cv2.setNumThreads(1)
    if monitor is None:
        check_recordings(settings)
    with ExitStack() as open_parts:
        equipment = equipment or equip(settings, open_parts, photo_face, bare=monitor is not None)
        equipment.wardrobe.arm(settings)
        wanted = settings.input
        size = (wanted.width, wanted.height) if isinstance(wanted, (CameraInput, AnimatedInput)) else (1280, 720)
        equipment.warm(settings, size)
        detect, track, swap, blend = equipment.stages(settings)
        source = _closing(open_parts, _source(settings))
        swap.cover_gone = source.live
        overlay = Overlay(settings.overlay)
        if label_off(settings.overlay):
            logger.info("The label is off: viewers are not told that this video is altered.")
        # Detection runs beside the loop where frames are live, and in line where every frame of a file counts.
        finder = _closing(open_parts, _aside(detect)) if source.live else detect
        quality = Quality([detect, swap, blend], settings.quality, source.rate if source.live else None)
        clip = _heard(source) if source.live else None
        desk = _closing(open_parts, Desk(settings.audio, logger.info, spare=monitor is not None, clip=clip))
        parts = {"detect": detect, "track": track, "swap": swap, "blend": blend, "overlay": overlay, "audio": desk}
        loop = Loop(settings, parts, quality, equipment)
        loop.ports = _closing(open_parts, Ports(lambda output: _sink(output, settings, source, loop, overlay, desk), changed))
        names, sinks = _opened(loop.ports, settings, spare_outputs, monitor)
        # Two threads: following and drawing cost about the same, and with several faces one thread would be full first.
        # Offline, 720p, one face, 2 busy cores, best of three: one thread 61 fps, these two 64, four 60.
        groups: list[list[Stage]] = [[finder, track], [swap, blend]]
        if around:
            groups = [[around[0], *groups[0]], [*groups[1], around[1]]]
        log = quality.trace = _closing(open_parts, Trace(trace)) if trace else None
        loop.source, loop.pipeline = source, Pipeline(source, groups, sinks, names, log)
        if monitor is not None:
            monitor.paint = overlay
        loop.ports.attach(loop.pipeline, names if monitor is None else ())
        open_parts.callback(loop.pipeline.stop)
        yield loop


def _closing(parts: ExitStack, part: Any) -> Any:
    parts.callback(part.close)
    return part


def _aside(detect: Any) -> Any:
    from realtime.stages.detect import Aside

    return Aside(detect)


def _source(settings: Settings) -> Source:
    match settings.input:
        case CameraInput() as wanted:
            from realtime.sources.camera import Camera

            return Camera(wanted, logger.info)
        case VideoInput() as wanted:
            from realtime.sources.video import Video

            return Video(wanted, logger.info)
        case ImageInput() as wanted:
            from realtime.sources.video import Image

            return Image(wanted)
        case AnimatedInput() as wanted:
            from realtime.sources.animated import Animated

            return Animated(wanted)


def _heard(source: Source) -> Ring | None:
    """The sound of a clip by the times of its frames, which are the clock's where it plays at its own pace."""
    from realtime.sources.video import Video

    return source.hear() if isinstance(source, Video) else None


def _opened(ports: Ports, settings: Settings, spare: bool, monitor: Monitor | None) -> tuple[list[str], list[Sink]]:
    """The names and sinks that the pipeline begins with, the outputs being open; raises RealtimeError."""
    if monitor is not None:
        ports.open([output for output in settings.outputs if not isinstance(output, WindowOutput)], lambda _: True)
        for port in ports:
            if port.problem:
                logger.warning("Going on without one output. %s", port.problem)
        return ["monitor"], [monitor]
    # A device may be missing on this machine; a file that cannot be written was somebody's wish.
    ports.open(settings.outputs, lambda output: spare and not isinstance(output, FILES))
    troubles = [port.problem for port in ports if port.sink is None]
    sinks = [port.sink for port in ports if port.sink is not None]
    if not sinks:
        raise RealtimeError(" ".join(troubles) or "There is no output; give one with --output.")
    for trouble in troubles:
        logger.warning("Going on without one output. %s", trouble)
    return unique([port.name for port in ports if port.sink is not None]), sinks


def _sink(output: Output, settings: Settings, source: Source, loop: Loop, overlay: Overlay, desk: Desk) -> Sink:
    """One output; what leaves the machine carries the overlay, the preview also mirror and statistics."""
    # Only live frames are stamped by the clock that sound is.
    leaving: list[Stage] = [overlay, desk.see] if source.live else [overlay]
    if isinstance(output, NoOutput):
        return Nothing()
    if isinstance(output, RecordingOutput):
        from realtime.sinks.recording import Recording

        clip = Path(settings.input.path) if isinstance(settings.input, VideoInput) and not source.live else None
        return Painted(Recording(output, source.rate, clip, logger.info, desk if source.live else None), leaving)
    if isinstance(output, (StreamOutput, HlsOutput)):
        from realtime.sinks.following import Following
        from realtime.sinks.stream import Stream

        heard = None if source.live else _heard(source)
        hearing = Following(heard, desk) if heard else desk
        return Painted(Stream(output, source.rate, source.live, hearing, logger.info), leaving)
    if isinstance(output, FaceOutput):
        return _face(output, source, loop, overlay)
    if isinstance(output, WindowOutput):
        from realtime.sinks.window import Window

        panel = Statistics(lambda: lines(loop.statistics()), output.statistics)
        window = Painted(Window(output, loop.press), [])
        loop.add_window(window, Mirror(), panel)
        return window
    return Painted(VirtualCamera(output, source.rate, logger.info), leaving)


def _face(output: FaceOutput, source: Source, loop: Loop, overlay: Overlay) -> Sink:
    """Only the face with its alpha; its label stands on it too."""
    from realtime.sinks.face import FacePictures, FaceVideo
    from realtime.stages.cutout import Cutout

    cut = Cutout(lambda: loop.settings.blend, overlay)
    if PurePath(output.path).suffix:
        return FaceVideo(output, cut, source.rate, logger.info)
    return FacePictures(output, cut, source.rate)


__all__ = ["build"]
