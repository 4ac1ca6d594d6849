"""What the name of a licence says about commercial use."""

from __future__ import annotations

import re

from models.weights import Commercial

_FREE = {"mit", "apache", "bsd", "isc", "zlib", "unlicense", "cc0", "gpl", "lgpl", "agpl", "mpl", "own"}


def commercial(licence: str) -> Commercial:
    """yes, no, or unknown for a name that says nothing; `own` is what somebody made themselves."""
    plain = licence.lower()
    if re.search(r"non.?commercial|\bnc\b|research|s-lab", plain):
        return "no"
    return "yes" if re.split(r"[^a-z0-9]", plain)[0] in _FREE else "unknown"


__all__ = ["commercial"]
