"""Addresses that carry stream keys and passwords: how they may be shown, and how a shown one is understood again."""

from __future__ import annotations

import re

_HIDDEN = "***"
# With others the last part of the path is, or may be, the key that lets anybody send in the user's name.
_OPEN = ("srt", "rtsp", "udp")


def masked(url: str) -> str:
    """The address without what is secret: the stream key of rtmp, user and password, and every value behind the question mark.

    udp has nothing to hide."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return _HIDDEN
    place, question, query = rest.partition("?")
    authority, slash, path = place.partition("/")
    if "@" in authority:
        authority = f"{_HIDDEN}@{authority.rpartition('@')[2]}"
    if scheme.lower() not in _OPEN and path:
        # Where there is but one part it may be the key as well as the application.
        path = re.sub(r"[^/]+/*$", _HIDDEN, path)
    if question and scheme.lower() != "udp":
        parts = [part.partition("=") for part in query.split("&")]
        query = "&".join(f"{name}={_HIDDEN}" if equals else _HIDDEN for name, equals, _ in parts)
    return f"{scheme}{mark}{authority}{slash}{path}{question}{query}"


def unmasked(shown: str, url: str) -> str:
    """What somebody meant who was shown masked(url): the address itself where that came back untouched."""
    return url if shown == masked(url) else shown


__all__ = ["masked", "unmasked"]
