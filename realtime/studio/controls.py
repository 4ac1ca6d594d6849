"""The controls of a page, made from the settings' schema alone: what a setting is called, may be, and is by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realtime.config import Settings
from realtime.networks import WORDS

Schema = dict[str, Any]
Control = dict[str, Any]
Path = tuple[str, ...]

_RESTARTS = (("input",), ("models",), ("detect", "model"), ("detect", "confidence"), ("detect", "tiles"))
# Ranges up to so wide are moved in steps of so much.
_STEPS = ((0.3, 0.005), (5, 0.01), (60, 0.1))
_FINE = 1000


def controls() -> list[dict[str, Any]]:
    """Sections {name, title, help, controls}; a setting that stands in no section is one of its own.

    A control: path, label, kind (toggle, range, number, choice, text, colour, list, map, union, entries), default, help,
    optional (may be null), restart, and by kind: minimum, maximum, step and integer; choices; item (of a list), key and
    value (of a map); variants [{kind, title, help, controls}] (of a union, and of entries that come in kinds), entry (of
    entries of one kind, a list of controls); words (texts that a number may be instead); names (what it names: people, or
    models of that role) with built_in (words that stand for no model).  Paths inside of variants and entries begin at the
    variant or entry.
    """
    schema, defaults = Settings.model_json_schema(), Settings().model_dump(mode="json")
    sections = []
    for name, field in schema["properties"].items():
        found = _resolved(field, schema)
        if found.get("type") == "object" and "properties" in found:
            inside = _fields(found, schema, (name,), defaults[name])
            sections.append({"name": name, "title": _title(name), "help": found.get("description", ""), "controls": inside})
        else:
            control = _control(name, field, schema, (name,), defaults[name])
            sections.append({"name": name, "title": _title(name), "help": control["help"], "controls": [control]})
    return sections


def _fields(model: Schema, schema: Schema, path: Path, defaults: Any) -> list[Control]:
    """The controls of a group of settings."""
    given = defaults if isinstance(defaults, dict) else {}
    return [
        _control(name, field, schema, (*path, name), given.get(name, field.get("default")))
        for name, field in model["properties"].items()
        if name != "kind"
    ]


def _control(name: str, field: Schema, schema: Schema, path: Path, default: Any) -> Control:
    found = _resolved(field, schema)
    kinds = [_resolved(kind, schema) for kind in found.get("anyOf", [found])]
    optional = any(kind.get("type") == "null" for kind in kinds)
    kinds = [kind for kind in kinds if kind.get("type") != "null"]
    made = {
        "path": list(path),
        "label": _label(name, field),
        "help": field.get("description", "") or found.get("description", ""),
        "default": default,
        "optional": optional,
        "restart": any(path[: len(start)] == start for start in _RESTARTS),
    }
    made |= {key: field[key] for key in ("format", "unit") if key in field}
    if "names" in field:
        made |= {"names": field["names"], "built_in": list(WORDS.get(field["names"], ()))}
    return made | _kind(kinds, schema, found)


def _kind(kinds: Sequence[Schema], schema: Schema, found: Schema) -> Control:
    """What sort of control goes with one of these types."""
    words = [word for kind in kinds for word in _choices(kind)]
    numbers = [kind for kind in kinds if kind.get("type") in ("number", "integer")]
    if "oneOf" in found:
        return {"kind": "union", "variants": _variants(found, schema)}
    if numbers and len(kinds) == 1:
        return _number(numbers[0])
    if numbers and words:
        return {**_number(numbers[0]), "kind": "number", "words": words}
    if numbers:
        return {"kind": "text", "integer": True}
    kind = kinds[0]
    if words:
        return {"kind": "choice", "choices": words}
    if kind.get("type") == "boolean":
        return {"kind": "toggle"}
    if kind.get("type") == "array":
        return _list(_resolved(kind["items"], schema), schema)
    if kind.get("type") == "object" and "properties" not in kind:
        return {"kind": "map", "key": {"kind": "number", "integer": True, "minimum": 0}, "value": {"kind": "text"}}
    if kind.get("pattern", "").startswith("^#"):
        return {"kind": "colour"}
    made: Control = {"kind": "text"}
    return made | {key: kind[key] for key in ("pattern", "minLength", "maxLength") if key in kind}


def _list(item: Schema, schema: Schema) -> Control:
    if "oneOf" in item:
        return {"kind": "entries", "variants": _variants(item, schema)}
    if "properties" in item:
        return {"kind": "entries", "entry": _fields(item, schema, (), None), "required": item.get("required", [])}
    choices = _choices(item)
    return {"kind": "list", "item": {"kind": "choice", "choices": choices} if choices else {"kind": "text"}}


def _variants(union: Schema, schema: Schema) -> list[dict[str, Any]]:
    """Every kind that a union may be."""
    found = []
    for option in union["oneOf"]:
        model = _resolved(option, schema)
        kind = model["properties"]["kind"]["default"]
        inside = _fields(model, schema, (), None)
        required = model.get("required", [])
        found.append({"kind": kind, "title": _title(kind), "help": model.get("description", ""), "controls": inside, "required": required})
    return found


def _number(kind: Schema) -> Control:
    """A number: a range where both ends are known and near enough for a slider."""
    integer = kind["type"] == "integer"
    low, high = (_end(kind, end) for end in ("inimum", "aximum"))
    span = high - low if low is not None and high is not None else None
    step = 1 if integer else 0.01 if span is None else next((step for most, step in _STEPS if span <= most), 1.0)
    # A bound that itself is not allowed: the next step is.
    low = kind["exclusiveMinimum"] + step if "exclusiveMinimum" in kind else low
    high = kind["exclusiveMaximum"] - step if "exclusiveMaximum" in kind else high
    slider = span is not None and span / step <= _FINE
    made: Control = {"kind": "range" if slider else "number", "integer": integer, "step": step}
    return made | {name: round(value, 6) for name, value in (("minimum", low), ("maximum", high)) if value is not None}


def _end(kind: Schema, end: str) -> float | None:
    found = kind.get(f"m{end}", kind.get(f"exclusiveM{end}"))
    return None if found is None else float(found) if kind["type"] != "integer" else int(found)


def _choices(kind: Schema) -> list[str]:
    return [kind["const"]] if "const" in kind else list(kind.get("enum", []))


def _resolved(field: Schema, schema: Schema) -> Schema:
    if "$ref" in field:
        return {**schema["$defs"][field["$ref"].rpartition("/")[2]]}
    return field


def _label(name: str, field: Schema) -> str:
    """The title that the setting was given, or its name; pydantic gives a title to those without."""
    given = field.get("title", "")
    return _title(name) if given in ("", name.replace("_", " ").title()) else str(given)


def _title(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ")
    return "HLS" if name == "hls" else words[:1].upper() + words[1:]


__all__ = ["controls"]
