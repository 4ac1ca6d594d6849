"""What may be set from another machine: no path of this one."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.people import identities

Keys = tuple[str | int, ...]

# Words that name a file of this machine wherever they are not the name of something known.
_FILES = {"path", "folder", "device", "engine", "model", "masks", "points", "recogniser", "enhancer", "microphone", "virtual_microphone"}
_PEOPLE = {"sources", "assign"}


def check_remote(before: Settings, after: Settings) -> None:
    """Raise RealtimeError where a page on another machine names a file of this one.

    Names of models and devices and addresses may be set; people have to be enrolled.  What stands already may stay.
    """
    old, new = dict(_leaves(before.model_dump(mode="json"))), dict(_leaves(after.model_dump(mode="json")))
    # The same again, perhaps at another place of its list; what is read may not become what is written over.
    known = {(_words(keys), value) for keys, value in old.items()}
    for keys, value in new.items():
        if not isinstance(value, str) or (_words(keys), value) in known:
            continue
        words = set(_words(keys))
        if words & _PEOPLE and value not in identities.names():
            raise RealtimeError(f"From another machine only people who are enrolled can be chosen; got {value[:60]}.")
        if words & _FILES and not _address(keys, value) and _file_like(value):
            raise RealtimeError("Files of this machine can only be named on it: in the settings file, or on its own page at 127.0.0.1.")


def _address(keys: Keys, value: str) -> bool:
    """Whether it is an address where addresses are taken: elsewhere http://../x is a folder and what lies beside it."""
    taken = keys == ("input", "path") or keys[:2] == ("overlay", "pages")
    return taken and value.lower().startswith(("http://", "https://", "rtsp://"))


def _file_like(value: str) -> bool:
    # Names of models end with versions, such as gfpgan_1.4.
    ending = PurePath(value).suffix.removeprefix(".")
    return any(letter in value for letter in "/\\~") or value.startswith(".") or bool(ending and not ending.isdecimal())


def _words(keys: Keys) -> tuple[str, ...]:
    """A place without the numbers in it, and without whose number it is."""
    return ("swap", "assign") if keys[:2] == ("swap", "assign") else tuple(key for key in keys if isinstance(key, str))


def _leaves(data: Any, keys: Keys = ()) -> list[tuple[Keys, Any]]:
    if isinstance(data, dict):
        return [leaf for key, value in data.items() for leaf in _leaves(value, (*keys, key))]
    if isinstance(data, list):
        return [leaf for number, value in enumerate(data) for leaf in _leaves(value, (*keys, number))]
    return [(keys, data)]


__all__ = ["check_remote"]
