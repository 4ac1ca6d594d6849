"""The controls of the page: every setting has one, and what it offers is what the settings take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.steering.history import changed
from realtime.studio.controls import controls

_CONFIG = Path(__file__).resolve().parents[1] / "config.yaml"
_KINDS = {"toggle", "range", "number", "choice", "text", "colour", "list", "map", "union", "entries"}


def _all() -> list[dict[str, Any]]:
    return [control for section in controls() for control in section["controls"]]


def _inside(control: dict[str, Any]) -> list[dict[str, Any]]:
    """The controls of variants and entries."""
    variants = [inner for variant in control.get("variants", []) for inner in variant["controls"]]
    return [*variants, *control.get("entry", [])]


def _every() -> list[dict[str, Any]]:
    return [each for control in _all() for each in (control, *_inside(control))]


def _name(control: dict[str, Any]) -> str:
    return ".".join(map(str, control["path"]))


def test_every_setting_has_exactly_one_control() -> None:
    settings = Settings()
    wanted = set()
    for name in Settings.model_fields:
        value = getattr(settings, name)
        single = name in ("input", "outputs", "quality")
        wanted |= {name} if single else {f"{name}.{field}" for field in type(value).model_fields}
    found = [_name(control) for control in _all()]
    assert sorted(found) == sorted(wanted)


def test_every_control_says_what_it_is() -> None:
    for control in _every():
        assert control["kind"] in _KINDS, control
        assert control["label"], control
        assert 0 < len(control["help"]) <= 130, control
        assert not control["help"].endswith("..."), control
    for section in controls():
        assert section["title"], section["name"]
        assert section["help"], section["name"]


def test_every_default_is_the_settings_own() -> None:
    defaults = Settings().model_dump(mode="json")
    for control in _all():
        here: Any = defaults
        for key in control["path"]:
            here = here[key]
        assert control["default"] == here, control


@pytest.mark.parametrize("control", [one for one in _all() if one["kind"] in ("range", "number")], ids=_name)
def test_numbers_are_taken_to_their_ends_and_not_beyond(control: dict[str, Any]) -> None:
    settings, path, step = Settings(), control["path"], control["step"]
    for end, beyond in (("minimum", -2 * step), ("maximum", 2 * step)):
        if end in control:
            value = control[end]
            assert changed(settings, path, value) is not None
            with pytest.raises(RealtimeError, match=path[-1]):
                changed(settings, path, value + beyond)
    assert control["integer"] == isinstance(control["minimum"], int)


@pytest.mark.parametrize("control", [one for one in _all() if one["kind"] in ("choice", "toggle", "colour")], ids=_name)
def test_choices_are_taken_and_others_are_not(control: dict[str, Any]) -> None:
    settings = Settings()
    for value in control.get("choices", [True, False] if control["kind"] == "toggle" else ["#12aBcd"]):
        changed(settings, control["path"], value)
    with pytest.raises(RealtimeError, match=str(control["path"][-1])):
        changed(settings, control["path"], "neither of them")


def test_words_that_a_number_may_be_are_taken() -> None:
    control = next(one for one in _all() if one["path"] == ["audio", "delay"])
    assert control["kind"] == "number"
    assert control["words"] == ["auto"]
    changed(Settings(), control["path"], "auto")
    changed(Settings(), control["path"], control["maximum"])


def test_what_may_be_left_empty_is_told() -> None:
    outputs = next(one for one in _all() if one["path"] == ["outputs"])
    camera = next(variant for variant in outputs["variants"] if variant["kind"] == "virtual-camera")
    assert {one["path"][0]: one["optional"] for one in camera["controls"]} == {
        "device": True,
        "backend": False,
        "fps": True,
        "width": True,
        "height": True,
    }


def test_kinds_of_inputs_and_outputs_are_whole() -> None:
    """An entry made of the defaults and of something for each required field is one that the settings take."""
    sample = {"path": "x.mp4", "url": "udp://127.0.0.1:1", "folder": "x"}
    for path, wrap in ((["input"], lambda entry: entry), (["outputs"], lambda entry: [entry])):
        control = next(one for one in _all() if one["path"] == path)
        kinds = set()
        for variant in control["variants"]:
            entry = {"kind": variant["kind"]} | {inner["path"][0]: inner["default"] for inner in variant["controls"]}
            entry |= {name: sample[name] for name in variant["required"]}
            Settings.model_validate({path[0]: wrap(entry)})
            kinds.add(variant["kind"])
            with pytest.raises(ValidationError):
                Settings.model_validate({path[0]: wrap({**entry, "unknown": 1})})
        assert len(kinds) == len(control["variants"]) > 3


def test_entries_of_one_kind_are_whole() -> None:
    for name in ("images", "texts", "pages"):
        control = next(one for one in _all() if one["path"] == ["overlay", name])
        entry = {inner["path"][0]: inner["default"] for inner in control["entry"]} | dict.fromkeys(control["required"], "x")
        Settings.model_validate({"overlay": {name: [entry]}})


def test_what_counts_from_a_new_start_is_told() -> None:
    restarts = {_name(control) for control in _all() if control["restart"]}
    assert {"input", "detect.model", "models.providers"} <= restarts
    assert not {"swap.engine", "swap.sources", "outputs", "overlay.label"} & restarts


def _comments() -> dict[str, tuple[Any, str]]:
    """Every key of config.yaml's defaults with its value and the comment behind it."""
    found: dict[str, tuple[Any, str]] = {}
    section = ""
    for line in _CONFIG.read_text(encoding="utf-8").splitlines():
        if head := re.match(r"^(\w+):\s*(\S.*)?$", line):
            section = head[1]
            value, _, comment = (head[2] or "").partition("#")
            if value.strip():
                found[section] = yaml.safe_load(value), comment
        elif entry := re.match(r"^  (\w+): (.*?)(?:\s+#\s(.*))?$", line):
            found[f"{section}.{entry[1]}"] = yaml.safe_load(entry[2]), entry[3] or ""
    return found


def test_the_settings_file_and_the_page_say_the_same_of_ranges_and_choices() -> None:
    known = {_name(control): control for control in _every() if control["path"][0] not in ("kind",)}
    checked = 0
    for name, (_, comment) in _comments().items():
        control = known.get(name)
        if control is None:
            continue
        bounds = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)(?: \([^)]*\))?\.\.(\d+(?:\.\d+)?)", comment)
        if bounds and control["kind"] in ("range", "number"):
            step = control["step"]
            assert abs(control["minimum"] - float(bounds[1])) <= 1.01 * step, (name, comment)
            assert abs(control["maximum"] - float(bounds[2])) <= 1.01 * step, (name, comment)
            checked += 1
        if control["kind"] == "choice" and comment:
            said = [choice for choice in control["choices"] if choice in comment]
            assert said == control["choices"] or len(said) >= len(control["choices"]) - 1, (name, comment)
            checked += 1
    assert checked >= 25
