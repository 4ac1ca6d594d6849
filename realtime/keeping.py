"""Settings kept in files: config.yaml with everything in it that somebody wrote by hand, and presets."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models import folders
from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.people.identities import check_name
from realtime.settings import Draft, load

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
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    now, wanted = plain(load(path).check() if text.strip() else Settings()), plain(settings)
    target = _merged(now, plain(before), wanted)
    new = _edited(text, now, target) if text.strip() else _NEW + _edited("", plain(Settings()), target)
    if new != text:
        _write(path, new, target)


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
    data = {section: value for section, value in plain(settings).items() if section not in _APART}
    # Numbers of people on the way through one picture mean nothing another time.
    data["swap"] = {**data["swap"], "assign": {}}
    default = plain(Settings())
    left = {section: default[section] for section in _APART}
    _write(_folder() / f"{name}{_ENDING}", _PRESET + _edited("", default, data | left), data | left)
    return name


def preset(name: str, settings: Settings) -> Settings:
    """The settings with a preset in place of all that presets keep; a preset without a face leaves the face.  Raises RealtimeError."""
    path = _there(name)
    draft = load(path)
    for section in _APART:
        draft.data.pop(section, None)
    kept = draft.check()
    update: dict[str, object] = {section: getattr(settings, section) for section in _APART}
    sources = kept.swap.sources or settings.swap.sources
    update["swap"] = kept.swap.model_copy(update={"assign": settings.swap.assign, "sources": sources})
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


def _edited(text: str, now: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """A YAML text that says `now`, changed so that it says `target`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        tree = yaml.load(text)
        tree = CommentedMap() if tree is None else tree
        _turn(tree, now, target)
        out = io.StringIO()
        if tree:
            yaml.dump(tree, out)
    except YAMLError as error:
        raise RealtimeError(f"The settings cannot be written: {str(error).splitlines()[0]}.") from error
    return out.getvalue() if tree else text


def _turn(tree: Any, now: Mapping[Any, Any], target: Mapping[Any, Any]) -> None:
    """Change in a map of a YAML tree what differs; what is not written stays unwritten where it need not be."""
    for key in [key for key in tree if key in now and key not in target]:
        del tree[key]
    for key, value in target.items():
        if key in now and now[key] == value:
            continue
        if isinstance(tree.get(key), dict) and isinstance(value, dict) and isinstance(now.get(key), dict) and _alike(now[key], value):
            _turn(tree[key], now[key], value)
        elif isinstance(value, dict) and isinstance(now.get(key), dict) and _alike(now[key], value) and key != "assign":
            tree[key] = {name: inner for name, inner in value.items() if name not in now[key] or now[key][name] != inner}
        elif isinstance(tree.get(key), list) and isinstance(value, list) and isinstance(now.get(key), list):
            _turn_list(tree[key], now[key], value)
        else:
            tree[key] = value


def _turn_list(tree: Any, now: Sequence[Any], target: Sequence[Any]) -> None:
    """The same for a list: entries that stay keep their comments, wherever they go."""
    entries = list(zip(list(tree), now, strict=True))
    for place, value in enumerate(target):
        match = next((entry for entry in entries if entry[1] == value), None)
        if match is None and place < len(now) and isinstance(value, dict) and now[place] not in target and _alike(now[place], value):
            match = entries[place]
            _turn(match[0], match[1], value)
        new = value if match is None else match[0]
        if place < len(tree):
            if tree[place] is not new:
                tree[place] = new
        else:
            tree.append(new)
    del tree[len(target) :]


def _alike(now: Any, value: Any) -> bool:
    return isinstance(now, dict) and isinstance(value, dict) and now.get("kind") == value.get("kind")


def _write(path: Path, text: str, data: Mapping[str, Any]) -> None:
    """Put a settings file in place in one step, once it is sure to say what it should; raises RealtimeError."""
    expected = Draft(dict(data)).check()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if load(temporary).check() != expected:
                raise RealtimeError(f"{path} was not written: it would not say what the settings are.")
            if path.exists():
                temporary.chmod(path.stat().st_mode & 0o777)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RealtimeError(f"{path} cannot be written: {error.strerror or error}.") from error


__all__ = ["home", "plain", "preset", "presets", "read", "remove_preset", "save", "save_preset"]
