"""How steady and how prompt the landmarks are with each filter, against the truth of Animated."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks import report
from models.detector import Detector
from models.landmarks import Landmarker
from realtime.config import AnimatedInput, DetectSettings, TrackSettings
from realtime.sources.animated import Animated
from realtime.stages.detect import Detect
from realtime.stages.track import Track

Tracks = NDArray[np.float64]

FILTERS = ("none", "kalman", "one-euro")
_WARM = 30
_LAGS = np.arange(-2.0, 5.0, 0.02)


def run(seconds: float = 6.0, noise: float = 2.0, speed: float = 1.0, size: tuple[int, int] = (1280, 720)) -> dict[str, Any]:
    """Figures of each filter, by its name: jitter_px, lag_frames, error_px; and the tracks that were measured, under "tracks".

    jitter_px: a still head under camera noise; root mean square distance of a landmark from its own mean over time.
    lag_frames: a moving head; the delay of the truth at which it correlates best with the filtered landmarks.
    error_px: a moving head; root mean square distance from the truth.
    The truth is the photo's own landmarks, warped; the landmark model sees each of them a little elsewhere, always.
    That constant bias is nobody's jitter or lag, so each landmark's mean difference over time is taken off first
    (for jitter this is the mean itself, as the truth stands still).  The first second is left out.
    seconds: per scene.  noise: standard deviation in grey levels.  speed: 1 a person who talks.
    """
    still, still_truth = _record(seconds, noise, 0.0, size)
    moving, truth = _record(seconds, noise, speed, size)
    figures: dict[str, Any] = {"seconds": seconds, "noise": noise, "speed": speed, "width": size[0], "height": size[1]}
    for name in FILTERS:
        figures[name] = {
            "jitter_px": error(still[name], still_truth),
            "lag_frames": lag(moving[name], truth),
            "error_px": error(moving[name], truth),
        }
    figures["tracks"] = {"still": still, "moving": moving, "truth": truth}
    return figures


def error(found: Tracks, truth: Tracks) -> float:
    """Root mean square distance in pixels between tracks (frames, points, 2), each landmark's mean difference taken off."""
    difference = found - truth
    difference = difference - difference.mean(axis=0)
    return float(np.sqrt((difference**2).sum(axis=2).mean()))


def lag(found: Tracks, truth: Tracks) -> float:
    """By how many frames tracks (frames, points, 2) follow the truth: the delay with the highest correlation, to 0.02."""
    moments = np.arange(len(truth))
    inside = slice(int(np.ceil(_LAGS.max())), len(truth) + int(np.floor(_LAGS.min())))
    seen = found[inside].reshape(inside.stop - inside.start, -1)
    seen = seen - seen.mean(axis=0)
    best = []
    for delay in _LAGS:
        low = np.floor(moments[inside] - delay).astype(int)
        share = (moments[inside] - delay - low)[:, None, None]
        late = (truth[low] * (1 - share) + truth[np.minimum(low + 1, len(truth) - 1)] * share).reshape(len(seen), -1)
        late = late - late.mean(axis=0)
        best.append(float((seen * late).sum() / np.sqrt((seen**2).sum() * (late**2).sum())))
    return float(_LAGS[int(np.argmax(best))])


def _record(seconds: float, noise: float, speed: float, size: tuple[int, int]) -> tuple[dict[str, Tracks], Tracks]:
    """Tracks (frames, points, 2) of each filter on the same frames, and the truth; a lost frame counts as it was predicted."""
    wanted = AnimatedInput(width=size[0], height=size[1], seconds=seconds, realtime=False, noise=noise, speed=speed)
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in FILTERS}
    truth = []
    with closing(Detector()) as detector, closing(Landmarker()) as landmarker, closing(Animated(wanted)) as source:
        tracks = {name: Track(landmarker, TrackSettings(faces=1, filter=name)) for name in FILTERS}
        detect = Detect(detector, DetectSettings(), lambda: any(track.searching for track in tracks.values()))
        for frame in source:
            searched = detect(frame)
            truth.append(source.truth(frame.index)[0][:, :2])
            for name, track in tracks.items():
                faces = [face for face in track(searched).faces if face.landmarks is not None]
                if not faces:
                    raise RuntimeError(f"frame {frame.index}: got no face with the filter {name}, expected one")
                found[name].append(faces[0].landmarks[:, :2])  # type: ignore[index]
    return {name: np.array(track[_WARM:], np.float64) for name, track in found.items()}, np.array(truth[_WARM:], np.float64)


def tracking(
    json: Annotated[Path | None, typer.Option(help="Write the figures there.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a PNG there.")] = None,
    seconds: Annotated[float, typer.Option(min=3.0, max=60.0, help="Length of each scene.")] = 6.0,
    noise: Annotated[float, typer.Option(min=0.0, max=50.0, help="Camera noise, grey levels.")] = 2.0,
    speed: Annotated[float, typer.Option(min=0.1, max=5.0, help="1 is a person who talks.")] = 1.0,
) -> None:
    """Jitter, lag and error of the landmarks with each filter, against known truth."""
    figures = run(seconds, noise, speed)
    tracks = figures.pop("tracks")
    plain = figures["none"]["jitter_px"]
    rows = [
        [name, figures[name]["jitter_px"], f"{100 * (1 - figures[name]['jitter_px'] / plain):.0f} %", *list(figures[name].values())[1:]]
        for name in FILTERS
    ]
    report.show("Landmarks against the truth", ["filter", "jitter px", "less", "lag frames", "error px"], rows)
    if json:
        report.write(json, figures)
    if plot:
        _draw(plot, tracks)


def _draw(path: Path, tracks: dict[str, Any]) -> None:
    """The tip of the nose, across: the still head, the moving head, and the moving head's difference from the truth."""
    figure, axes = report.canvas(3)
    nose = 1
    for name in FILTERS:
        still, moving = tracks["still"][name][:, nose, 0], tracks["moving"][name][:, nose, 0]
        away = moving - tracks["truth"][:, nose, 0]
        axes[0].plot(still - still.mean(), label=name, linewidth=1)
        axes[1].plot(moving, label=name, linewidth=1)
        axes[2].plot(away - away.mean(), label=name, linewidth=1)
    axes[1].plot(tracks["truth"][:, nose, 0], "k:", label="truth", linewidth=1)
    for axis, title in zip(axes, ("still head: px from the mean", "moving head: px", "moving head: px from the truth"), strict=True):
        axis.set_title(f"{title} (tip of the nose, across)", fontsize=9)
        axis.legend(fontsize=8)
    axes[2].set_xlabel("frame")
    figure.savefig(path, dpi=120)


__all__ = ["FILTERS", "error", "lag", "run", "tracking"]
