"""The demonstration: one portrait moved like a person in front of a webcam, wearing the face of another."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import cv2
import numpy as np

from realtime.build import build
from realtime.config import (
    AnimatedInput,
    OverlaySettings,
    RecordingOutput,
    Settings,
    SwapSettings,
    TextOverlay,
    VirtualCameraOutput,
    WindowOutput,
)
from realtime.frame import Frame, Image, RealtimeError
from realtime.meter import Statistics
from realtime.portraits import portrait
from realtime.stages.overlay import Overlay

_MOMENTS = 3
_ROW = 480


class Pairs:
    """Two stages that keep a few frames as they were and as they became.

    interval: seconds between two moments, on the source's clock; the first comes after half of it.
    """

    def __init__(self, interval: float, wanted: int = _MOMENTS) -> None:
        self.pairs: list[tuple[Image, Image]] = []
        self._interval, self._wanted = interval, wanted
        self._due: float | None = None
        # Frames that may still be on their way through the stages between.
        self._under_way: deque[Frame] = deque(maxlen=4)

    def before(self, frame: Frame) -> Frame:
        """Stage before all others."""
        if self._due is None:
            self._due = frame.time + self._interval / 2
        if len(self.pairs) < self._wanted and frame.time >= self._due:
            self._under_way.append(frame)
        return frame

    def after(self, frame: Frame) -> Frame:
        """Stage after all others; a frame without a swapped face is not worth keeping."""
        if self._due is not None and frame.time >= self._due and any(face.patch is not None for face in frame.faces):
            for asked in tuple(self._under_way):
                if asked.index == frame.index:
                    self.pairs.append((asked.image, frame.image))
                    self._due = frame.time + self._interval
                    self._under_way.clear()
        return frame


def demo(seconds: float, folder: Path, engine: str | None = None) -> tuple[Statistics, list[Path]]:
    """Run the demonstration into `folder`; the loop's figures and the files written, which replace those of earlier times.

    engine: as in the settings; None: their default.  Preview and virtual camera are used where there are any.  Raises RealtimeError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RealtimeError(f"The folder {folder} cannot be made: {error.strerror}.") from None
    video, picture = folder / "swapcam-demo.mp4", folder / "swapcam-demo.png"
    source, target = portrait("collins"), portrait("hopper")
    settings = Settings(
        input=AnimatedInput(path=str(target), seconds=seconds),
        outputs=(VirtualCameraOutput(), WindowOutput(mirror=False), RecordingOutput(path=str(video), overwrite=True)),
        swap=SwapSettings(sources=(str(source),), **({"engine": engine} if engine else {})),
    )
    pairs = Pairs(seconds / (_MOMENTS + 1))
    with build(settings, spare_outputs=True, around=(pairs.before, pairs.after)) as loop:
        loop.run()
    files = [video] if video.exists() else []
    if pairs.pairs:
        _write(picture, _side_by_side(np.asarray(cv2.imread(str(source)), np.uint8), pairs.pairs, settings.overlay))
        files.append(picture)
    return loop.statistics(), files


def _side_by_side(source: Image, pairs: list[tuple[Image, Image]], label: OverlaySettings) -> Image:
    """Rows of source, before and after, each picture 480 px square; (h, w, 3) uint8."""
    overlay = Overlay(label)
    rows = []
    for before, after in pairs:
        shown = overlay(Frame(_square(after), 0, 0.0)).image
        rows.append(np.hstack([_square(source), _square(before), shown]))
    image = np.vstack(rows)
    middles = {"source": 0.5 * _ROW, "before": 1.5 * _ROW, "after": 2.5 * _ROW}
    size = 0.05 * _ROW / image.shape[0]
    texts = tuple(TextOverlay(text=name, x=middle / image.shape[1], y=0.01, size=size) for name, middle in middles.items())
    return Overlay(OverlaySettings(label="none", texts=texts))(Frame(image, 0, 0.0)).image


def _square(image: Image) -> Image:
    """The upper middle of a picture, where a portrait's face is."""
    side = min(image.shape[:2])
    left = (image.shape[1] - side) // 2
    return np.asarray(cv2.resize(image[:side, left : left + side], (_ROW, _ROW), interpolation=cv2.INTER_AREA), np.uint8)


def _write(path: Path, image: Image) -> None:
    data = cv2.imencode(".png", image)[1]
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise RealtimeError(f"{path} cannot be written: {error.strerror}.") from None


__all__ = ["Pairs", "demo"]
