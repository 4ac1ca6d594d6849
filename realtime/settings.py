"""Settings from a YAML file and from --set; every mistake is told with its place and the nearest right name."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from realtime.address import masked
from realtime.config import Settings
from realtime.frame import RealtimeError

Key = str | int
Keys = tuple[Key, ...]


class YamlLoader(yaml.SafeLoader):
    """YAML in which only true and false are truth values, so that `off` stays the word it is in `tiles: off`."""


YamlLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or letter in "tTfF"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class Draft:
    """Settings on their way: plain data, and for each key the place where somebody wrote it."""

    data: dict[Any, Any] = field(default_factory=dict)
    places: dict[Keys, str] = field(default_factory=dict)

    def put(self, keys: Keys, value: Any, place: str) -> None:
        """Set one value, making what leads to it as the defaults have it; raises RealtimeError."""
        here: Any = self.data
        for depth, key in enumerate(keys[:-1], 1):
            _check(here, keys[:depth], place)
            if isinstance(here, dict) and key not in here:
                here[key] = _default(keys[:depth])
            here = here[key]
        _check(here, keys, place)
        here[keys[-1]] = value
        self.places = {path: at for path, at in self.places.items() if path[: len(keys)] != keys}
        self.places[keys] = place

    def assign(self, text: str) -> None:
        """Set one value as --set section.key=value writes it; the value is YAML.  Raises RealtimeError."""
        name, equals, value = text.partition("=")
        keys = tuple(int(key) if key.isdecimal() else key for key in name.strip().split("."))
        if not equals or "" in keys:
            raise RealtimeError(f"--set {text}: expected section.key=value, for example --set input.fps=60.")
        place = f"--set {name.strip()}"
        self.put(keys, _read(value, place)[0], place)

    def check(self) -> Settings:
        """The settings; raises RealtimeError for the first mistake and counts the others."""
        try:
            # A section of which every line is commented out is empty, and means its defaults.
            return Settings.model_validate({key: value for key, value in self.data.items() if value is not None})
        except ValidationError as error:
            found: dict[Keys, str] = {}
            # A key that is missing is often one that was misspelt, so the unknown ones come first.
            for problem in sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden"):
                path = _path(self.data, problem["loc"])
                path += ("kind",) if problem["type"].startswith("union_tag") else ()
                found.setdefault(path, f"{self._place(path)}{_sentence(self.data, path, problem)}")
            first, *more = found.values()
            raise RealtimeError(first + (f" (And {len(more)} more.)" if more else "")) from None

    def _place(self, path: Keys) -> str:
        above = [self.places[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.places]
        below = [at for keys, at in self.places.items() if keys[: len(path)] == path]
        return f"{(above or below)[0]}: " if above or below else ""


def load(path: str | Path) -> Draft:
    """The settings file as it stands; raises RealtimeError with the line of what is no YAML, or stands there twice."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RealtimeError(f"The settings {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise RealtimeError(f"The settings {path} are not a text file in UTF-8.") from None
    data, places = _read(text, str(path), lines=True)
    if not isinstance(data, dict | None):
        raise RealtimeError(f"{path} line 1: expected sections such as input: and outputs:, got {json.dumps(data, default=str)[:40]}.")
    return Draft(data or {}, places)


def _read(text: str, name: str, lines: bool = False) -> tuple[Any, dict[Keys, str]]:
    """Plain data of a YAML text, and the place of each key."""
    places: dict[Keys, str] = {}

    def build(node: yaml.Node, path: Keys) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return [build(child, note(child, (*path, number))) for number, child in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return loader.construct_object(node)
        result: dict[Key, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if key_node.tag == "tag:yaml.org,2002:null" else build(key_node, path)
            if not isinstance(key, (str, int)):
                raise RealtimeError(f"{name} line {key_node.start_mark.line + 1}: a key has to be a word or a number.")
            if key in result:
                raise RealtimeError(f'{name} line {key_node.start_mark.line + 1}: the key "{key}" is there twice.')
            result[key] = build(value_node, note(key_node, (*path, key)))
        return result

    def note(node: yaml.Node, path: Keys) -> Keys:
        places[path] = f"{name} line {node.start_mark.line + 1}" if lines else name
        return path

    try:
        loader = YamlLoader(text)
        node = loader.get_single_node()
        return (None if node is None else build(node, ())), places
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if lines and error.problem_mark else ""
        raise RealtimeError(f"{name}{line}: not valid YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RealtimeError(f"{name}: not valid YAML: {str(error).splitlines()[0]}.") from None


def _check(here: Any, path: Keys, place: str) -> None:
    """Raise RealtimeError unless the last key of a path can be used on what is there."""
    if not isinstance(here, (dict, list)):
        raise RealtimeError(f"{place}: {_dotted(path[:-1])} is a single value and has no key {path[-1]}.")
    if isinstance(here, list) and not (isinstance(path[-1], int) and path[-1] < len(here)):
        raise RealtimeError(f"{place}: {_dotted(path[:-1])} has {len(here)} entries, counted from 0; got {path[-1]}.")


def _path(data: Any, place: tuple[Key, ...]) -> Keys:
    """Where a problem lies in the data: pydantic's place without the names of union members."""
    path: list[Key] = []
    here = data
    for part in place:
        if isinstance(here, dict):
            if part not in here and part == here.get("kind"):
                continue
            here = here.get(part)
        elif isinstance(here, (list, tuple)) and isinstance(part, int):
            here = here[part] if part < len(here) else None
        else:
            continue
        path.append(part)
    return tuple(path)


def _sentence(data: Any, path: Keys, problem: ErrorDetails) -> str:
    name, kind, given = path[-1], problem["type"], problem["input"]
    # An address holds a stream key or a password.
    got = json.dumps(masked(given) if name == "url" and isinstance(given, str) else given, default=str)
    inside = _dotted(path[:-1])
    if kind == "extra_forbidden":
        known = sorted(field for part in _parts(data, path[:-1]) for field in part.model_fields)
        near = difflib.get_close_matches(str(name), known, 1)
        elsewhere = [section for section in Settings.model_fields if any(name in part.model_fields for part in _parts({}, (section,)))]
        other = f"it belongs in {' or '.join(elsewhere)}." if elsewhere else f"known: {', '.join(known)}."
        hint = f'did you mean "{near[0]}"?' if near else other
        return f'unknown key "{name}"{f" in {inside}" if inside else ""}; {hint}'
    if kind == "missing":
        return f'the key "{name}" is missing in {inside}.'
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        kinds = [str(part.model_fields["kind"].default) for part in _parts({}, path[:-1])]
        given = given.get("kind") if isinstance(given, dict) else None
        near = difflib.get_close_matches(str(given), kinds, 1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        return f"{_dotted(path)} is {json.dumps(given)}; it should be one of {', '.join(kinds)}.{hint}"
    if name == "url" and kind == "string_pattern_mismatch":
        return f"{_dotted(path)} is {got}; it should begin with rtmp://, rtmps://, srt://, rtsp:// or udp://, and have no blanks."
    message = problem["msg"].replace("Input should be", "it should be").replace("a valid tuple", "a list")
    message = message.partition(" to extract fields")[0].replace("dictionary or object", "group of keys")
    near = difflib.get_close_matches(str(problem["input"]), problem.get("ctx", {}).get("expected", "").replace("'", " ").split(), 1)
    return f"{_dotted(path)} is {got}; {message}." + (f' Did you mean "{near[0]}"?' if near else "")


def _parts(data: Any, path: Keys) -> list[type[BaseModel]]:
    """The settings classes that may stand at a path; where the data tell the kind, only that one."""
    parts: list[type[BaseModel]] = [Settings]
    for key in path:
        entries = dict(enumerate(data)) if isinstance(data, list) else data
        data = entries.get(key) if isinstance(entries, dict) else None
        if isinstance(key, str):
            parts = [inner for part in parts if key in part.model_fields for inner in _classes(part.model_fields[key].annotation)]
        kind = data.get("kind") if isinstance(data, dict) else None
        parts = [part for part in parts if kind is None or ("kind" in part.model_fields and part.model_fields["kind"].default == kind)]
    return parts


def _classes(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [inner for argument in get_args(annotation) for inner in _classes(argument)]


def _default(path: Keys) -> Any:
    """What the defaults have at a path, with nothing spelt out but the kinds."""
    here: Any = Settings()
    for key in path:
        here = getattr(here, str(key), None)

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        return {"kind": value.kind} if hasattr(value, "kind") else {}

    return plain(here)


def _dotted(path: Keys) -> str:
    return ".".join(str(key) for key in path)


__all__ = ["Draft", "YamlLoader", "load"]
