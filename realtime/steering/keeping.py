"""Settings kept in files: config.yaml with everything in it that somebody wrote by hand, and presets."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import Any

from models import folders
from models.whole import replacing
from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.part import Part
from realtime.people.identities import check_name
from realtime.settings import Draft, load
from realtime.stages.overlay import label_off
from realtime.steering.revise import revised

_NEW = "# Settings of swapcam: what differs from the defaults.  swapcam run --config FILE takes them too.\n"
_PRESET = "# A preset of swapcam: what differs from the defaults.\n"
_APART = ("input", "outputs", "audio", "call")
"""Of this machine and this occasion, not of how a face looks."""
_ENDING = ".yaml"


def home() -> Path:
    """The settings file in the user's own folder."""
    return folders.own("config.yaml")


def read(path: Path) -> Settings:
    """The settings of a file, the defaults where there is none; raises RealtimeError."""
    return load(path).check() if path.exists() else Settings()


def save(path: Path, settings: Settings, before: Settings) -> None:
    """Write into a settings file what has changed since `before`, which it had; whole or not at all.

    Comments, order and spelling stay, and so does what somebody wrote into the file meanwhile where the settings did not
    change.  Raises RealtimeError, with the file as it was.
    """
    path = path.resolve()
    held = read(path)
    text = path.read_bytes().decode("utf-8") if path.exists() else _NEW
    merged = _merged(plain(held), plain(before), plain(settings))
    target = Draft(merged).check()
    if target != held or not path.exists():
        _write(path, text, held, target)


def presets() -> list[str]:
    """The names of all presets, sorted; raises RealtimeError."""
    try:
        found = (entry.name for entry in _folder().iterdir() if entry.is_file())
        return sorted(name.removesuffix(_ENDING) for name in found if name.endswith(_ENDING) and not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RealtimeError(f"The presets in {_folder()} cannot be listed: {error.strerror}.") from error


def save_preset(name: str, settings: Settings) -> str:
    """Keep how faces look under a name, replacing what has it; the name as it is kept.  Raises RealtimeError."""
    name = check_name(name)
    default = Settings()
    # Numbers of people on the way through one picture mean nothing another time.
    swap = settings.swap.model_copy(update={"assign": {}})
    kept = settings.model_copy(update={"swap": swap} | {section: getattr(default, section) for section in _APART})
    _write(_folder() / f"{name}{_ENDING}", _PRESET, default, kept)
    return name


def preset(name: str, settings: Settings) -> Settings:
    """The settings with a preset in place of all that presets keep.  Raises RealtimeError.

    It takes nobody's face off and not the label either: a preset without a face leaves the face, and whether to swap is not its word.
    """
    path = _there(name)
    draft = load(path)
    for section in _APART:
        draft.data.pop(section, None)
    kept = draft.check()
    update: dict[str, object] = {section: getattr(settings, section) for section in _APART}
    sources = kept.swap.sources or settings.swap.sources
    stays = {"assign": settings.swap.assign, "sources": sources, "enabled": settings.swap.enabled}
    update["swap"] = kept.swap.model_copy(update=stays)
    if label_off(kept.overlay):
        update["overlay"] = kept.overlay.model_copy(update={"label": settings.overlay.label})
    return kept.model_copy(update=update)


def remove_preset(name: str) -> None:
    """Delete a preset; raises RealtimeError."""
    path = _there(name)
    try:
        path.unlink()
    except OSError as error:
        raise RealtimeError(f"The preset {name} cannot be deleted: {error.strerror}.") from error


def plain(settings: Settings) -> dict[str, Any]:
    """Settings as YAML has them: maps, lists and values."""
    data: dict[str, Any] = settings.model_dump(mode="json")
    data["swap"]["assign"] = {int(track): source for track, source in data["swap"]["assign"].items()}
    return data


def _folder() -> Path:
    return folders.own("presets")


def _there(name: str) -> Path:
    path = _folder() / f"{check_name(name)}{_ENDING}"
    if not path.is_file():
        known = ", ".join(presets())
        raise RealtimeError(f"There is no preset {name}; {f'there are: {known}' if known else 'none was saved yet'}.")
    return path


def _merged(now: Any, before: Any, wanted: Any) -> Any:
    """What a file is to have: of `now` what is wanted as it was before, else what is wanted."""
    if wanted == before:
        return now
    maps = [value for value in (now, before, wanted) if isinstance(value, dict)]
    if len(maps) < 3 or now.get("kind") != wanted.get("kind"):
        return wanted
    missing = object()
    merged = {key: _merged(now.get(key, missing), before.get(key, missing), value) for key, value in wanted.items()}
    return {key: value for key, value in merged.items() if value is not missing}


def _lean(value: Any) -> Any:
    """A part of the settings as plain values, without what the defaults say anyway."""
    if isinstance(value, (tuple, list)):
        return [_lean(item) for item in value]
    if not isinstance(value, Part):
        return value
    data = {}
    for name, about in type(value).model_fields.items():
        inner = getattr(value, name)
        if name == "kind" or about.is_required() or inner != about.get_default(call_default_factory=True):
            data[name] = _lean(inner)
    return data


def _write(path: Path, text: str, now: Settings, target: Settings) -> None:
    """Put a settings file in place in one step, `text`, which says `now`, made to say `target`; raises RealtimeError."""
    # Lines of Windows' editors stay such lines.
    ending = "\r\n" if "\r\n" in text else "\n"
    try:
        new = revised(text.replace("\r\n", "\n"), plain(now), plain(target), _lean(target))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.stat().st_mode & stat.S_IWUSR:
            # It could be replaced all the same, against the wish of whoever protected it.
            raise PermissionError(errno.EACCES, "it is write-protected")
        with replacing(path, path.stat().st_mode & 0o777 if path.exists() else 0o600) as file:
            file.write(new.replace("\n", ending).encode())
            file.flush()
            _check(Path(file.name), path, target)
    except OSError as error:
        raise RealtimeError(f"{path} cannot be written: {error.strerror or error}.") from error
    except ValueError as error:
        raise RealtimeError(f"{path} cannot be changed without losing what is in it ({error}); change it by hand.") from error


def _check(written: Path, path: Path, target: Settings) -> None:
    """Raise ValueError where a file would not say what it should: it may have been written in a way that is not known here."""
    try:
        if load(written).check() == target:
            return
    except RealtimeError:
        pass
    raise ValueError(f"{path.name} is written in an unusual way")


__all__ = ["home", "plain", "preset", "presets", "read", "remove_preset", "save", "save_preset"]
