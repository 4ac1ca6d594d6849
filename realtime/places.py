"""The files that a run writes, looked at before anything opens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from realtime.config import FaceOutput, Settings, VideoInput
from realtime.frame import RealtimeError
from realtime.machine.home import expanded
from realtime.outputs import FILES


def check_recordings(settings: Settings) -> None:
    """Raise RealtimeError for a recording, or a face's, that cannot be made, or where two are one file."""
    seen: set[str] = set()
    clip = settings.input.path if isinstance(settings.input, VideoInput) else None
    for output in settings.outputs:
        if not isinstance(output, FILES):
            continue
        if _file(output.path) in seen:
            raise RealtimeError(f"{output.path} is there twice among the outputs; give each recording a name of its own.")
        seen.add(_file(output.path))
        # Late, because they bring the encoders, which most runs do without.
        if isinstance(output, FaceOutput):
            from realtime.sinks import face

            face.check(expanded(output.path), output.overwrite)
            if clip is not None and _file(clip) == _file(output.path):
                raise RealtimeError(f"{output.path} is the clip being read; keep the face under another name.")
        else:
            from realtime.sinks.recording import check

            check(expanded(output.path), output.overwrite, None if clip is None else expanded(clip))


def check_reports(reports: Mapping[str, Path | None], settings: Settings, overwrite: bool) -> None:
    """Raise RealtimeError for a report, by its option, that cannot be written or would replace another file of this run or of before."""
    used = {_file(output.path): "--output" for output in settings.outputs if isinstance(output, FILES)}
    for option, path in reports.items():
        if path is None:
            continue
        if _file(path) in used:
            raise RealtimeError(f"{option} and {used[_file(path)]} both name {path}; give each a file of its own.")
        used[_file(path)] = option
        if path.is_dir():
            raise RealtimeError(f"{option} {path} is a folder; give the name of a file in it.")
        if path.is_file() and not overwrite:
            raise RealtimeError(f"{option} {path} exists already; --overwrite replaces it.")
        if not path.parent.is_dir():
            raise RealtimeError(f"{option} {path} cannot be written: the folder {path.parent} does not exist.")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise RealtimeError(f"{option} {path} cannot be written: permission denied.")


def _file(path: str | Path) -> str:
    return os.path.normcase(os.path.realpath(expanded(path)))


__all__ = ["check_recordings", "check_reports"]
