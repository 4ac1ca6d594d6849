"""Whose faces settings may name: who is enrolled has agreed; a photo is named by whoever starts the program, not by a page."""

from __future__ import annotations

from collections.abc import Set

from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.people import identities


def named(settings: Settings) -> frozenset[str]:
    """Every source of the settings."""
    return frozenset((*settings.swap.sources, *settings.swap.assign.values()))


def photos(settings: Settings) -> frozenset[str]:
    """Those that are not enrolled."""
    return named(settings) - set(identities.names())


def agreed(wanted: Settings, before: Settings, allowed: Set[str]) -> Settings:
    """The settings wanted; raises RealtimeError for a source new in them who is neither enrolled nor allowed."""
    known = identities.names()
    for name in sorted(named(wanted) - named(before) - allowed):
        if name not in known:
            hint = f"enrolled: {', '.join(known)}." if known else "nobody is enrolled yet."
            raise RealtimeError(f"Nobody named {name} is enrolled; {hint}")
    return wanted


def without(settings: Settings, name: str) -> Settings:
    """The settings in which nobody wears that face."""
    assign = {track: source for track, source in settings.swap.assign.items() if source != name}
    sources = tuple(source for source in settings.swap.sources if source != name)
    return settings.model_copy(update={"swap": settings.swap.model_copy(update={"sources": sources, "assign": assign})})


def unassigned(settings: Settings, tracks: Set[int]) -> Settings:
    """The settings without the faces of these numbers."""
    assign = {track: source for track, source in settings.swap.assign.items() if track not in tracks}
    return settings.model_copy(update={"swap": settings.swap.model_copy(update={"assign": assign})})


__all__ = ["agreed", "named", "photos", "unassigned", "without"]
