"""The short forms of --input and --output: `camera:0`, `clip.mp4`, `animated:portrait.jpg`, `virtual-camera`, `out.mp4`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from realtime.address import masked
from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.settings import Draft, load

_PHOTOS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
_WORDS = ("virtual-camera", "window", "none")
_STREAMS = ("rtmp", "rtmps", "srt", "rtsp", "udp")


def input_of(text: str) -> dict[str, Any]:
    """Settings of `camera[:N]`, `animated[:photo]`, a photo, a clip or an address; raises RealtimeError."""
    head, _, rest = text.partition(":")
    if head == "camera":
        return {"kind": "camera", "device": int(rest) if rest.isdecimal() else rest or 0}
    if head == "animated":
        return {"kind": "animated", "path": rest}
    if text.startswith("/dev/video"):
        return {"kind": "camera", "device": text}
    if not text.strip():
        raise RealtimeError("--input is empty; expected camera:0, a clip, a photo, an address or animated:portrait.jpg.")
    return {"kind": "image" if PurePath(text).suffix.lower() in _PHOTOS else "video", "path": text}


def output_of(text: str) -> dict[str, Any]:
    """Settings of `virtual-camera[:device]`, `window`, `none`, an address, `hls:folder`, `face:file` or a file; raises RealtimeError."""
    head, _, rest = text.partition(":")
    if head == "virtual-camera":
        return {"kind": "virtual-camera"} | ({"device": rest} if rest else {})
    if text in _WORDS:
        return {"kind": text}
    if head in _STREAMS and rest.startswith("//"):
        return {"kind": "stream", "url": text}
    if head == "hls" and rest:
        return {"kind": "hls", "folder": rest}
    if head == "face" and rest:
        return {"kind": "face", "path": rest}
    if "://" in text:
        raise RealtimeError(f"--output {masked(text)}: streams go to {', '.join(f'{scheme}://' for scheme in _STREAMS)}; got {head}://.")
    if not PurePath(text).suffix:
        near = difflib.get_close_matches(text, _WORDS, 1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        known = ", ".join([*_WORDS, "rtmp://server/application/key (or srt, rtsp, udp)", "hls:folder", "face:face.webm"])
        raise RealtimeError(f'--output "{text}" is unknown; expected {known} or a file name such as out.mp4.{hint}')
    return {"kind": "recording", "path": text}


def gather(
    config: Path | None,
    sources: Sequence[str],
    input: str | None,
    outputs: Sequence[str],
    changes: Sequence[str],
    overwrite: bool,
    clip: Sequence[str] = (),
    quality: str | None = None,
    engine: str | None = None,
) -> Settings:
    """The settings of a run: the file's, over them the options', over them those of --set; raises RealtimeError.

    clip: switches of a clip that are on, `realtime` and `loop`.
    """
    draft = load(config) if config else Draft()
    apply(draft, input, outputs, overwrite)
    if sources:
        draft.put(("swap", "sources"), list(sources), "--source")
    if quality is not None:
        draft.put(("quality",), quality, "--quality")
    if engine is not None:
        draft.put(("swap", "engine"), engine, "--engine")
    for change in changes:
        draft.assign(change)
    for switch in clip:
        turn_on(draft, switch)
    pace(draft)
    return draft.check()


def apply(draft: Draft, input: str | None, outputs: Sequence[str], overwrite: bool) -> None:
    """Put the command line's input and outputs over the file's; what the file says of the same kind stays."""
    if input is not None:
        wanted = input_of(input)
        written = draft.data.get("input")
        below = written if isinstance(written, dict) and written.get("kind") == wanted["kind"] else {}
        _lay(draft, ("input",), below, wanted, "--input")
    if outputs:
        written = draft.data.get("outputs")
        before = [entry for entry in written if isinstance(entry, dict)] if isinstance(written, list) else []
        draft.put(("outputs",), [], "--output")
        for number, text in enumerate(outputs):
            wanted = output_of(text)
            match = next((entry for entry in before if entry.get("kind") == wanted["kind"]), {})
            draft.data["outputs"].append(match | wanted)
            draft.places["outputs", number] = "--output"
    if overwrite and isinstance(draft.data.get("outputs"), list):
        for entry in draft.data["outputs"]:
            if isinstance(entry, dict) and entry.get("kind") in ("recording", "face"):
                entry["overwrite"] = True


def turn_on(draft: Draft, switch: str) -> None:
    """Set `realtime` or `loop` of a clip; raises RealtimeError for another input."""
    given = draft.data.get("input")
    kind = given.get("kind") if isinstance(given, dict) else "camera"
    if kind != "video":
        raise RealtimeError(f"--{switch} is for a clip (--input clip.mp4); the input is {kind}.")
    draft.put(("input", switch), True, f"--{switch}")


def pace(draft: Draft) -> None:
    """Play a clip or photo like a webcam where somebody watches it live and no file is made; a written `realtime` stays."""
    given = draft.data.get("input")
    if not isinstance(given, dict) or given.get("kind") not in ("video", "image") or "realtime" in given:
        return
    outputs = draft.data.get("outputs", [{"kind": "window"}])
    kinds = {entry.get("kind") for entry in outputs if isinstance(entry, dict)} if isinstance(outputs, list) else set()
    if kinds & {"window", "virtual-camera", "stream", "hls"} and not kinds & {"recording", "face"}:
        given["realtime"] = True


def _lay(draft: Draft, keys: tuple[str, ...], below: dict[str, Any], above: dict[str, Any], place: str) -> None:
    kept = {path: at for path, at in draft.places.items() if path[: len(keys)] == keys and len(path) > len(keys)} if below else {}
    draft.put(keys, below | above, place)
    draft.places |= {path: at for path, at in kept.items() if path[len(keys)] not in above}


__all__ = ["apply", "gather", "input_of", "output_of", "pace", "turn_on"]
