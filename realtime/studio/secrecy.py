"""Keys and passwords in addresses: hidden from pages, and put back where a page sends the hidden form."""

from __future__ import annotations

import re
from typing import Any

from realtime.address import masked

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_INSIDE = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"',;)]+", re.IGNORECASE)


def hidden(data: Any) -> Any:
    """Plain data with every address in it masked."""
    if isinstance(data, dict):
        return {key: hidden(value) for key, value in data.items()}
    if isinstance(data, list):
        return [hidden(value) for value in data]
    return masked(data) if isinstance(data, str) and _ADDRESS.match(data) else data


def scrubbed(text: str) -> str:
    """A sentence with every address in it masked."""
    return _INSIDE.sub(lambda found: masked(found.group()), text)


def restored(data: Any, known: Any) -> Any:
    """What a page sent, with every masked address in it put back from what is `known` (plain data, searched whole)."""
    addresses = {masked(address): address for address in _addresses(known)}

    def back(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: back(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [back(inner) for inner in value]
        return addresses.get(value, value) if isinstance(value, str) else value

    return back(data)


def _addresses(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [address for value in data.values() for address in _addresses(value)]
    if isinstance(data, list):
        return [address for value in data for address in _addresses(value)]
    return [data] if isinstance(data, str) and _ADDRESS.match(data) else []


__all__ = ["hidden", "restored", "scrubbed"]
