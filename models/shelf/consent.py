"""Models with somebody's face in them are taken over only with that person's consent, which is kept with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from models.families.signature import Kind
from models.families.swappers import FAMILIES
from models.network import NetworkError

STATEMENT = "The person whose face is in this model agreed to its being used by me in video calls and recordings with swapcam."


def consent(kind: Kind, name: str, agreed: Callable[[str], bool]) -> str:
    """What a model is kept with that has a face in it: when (ISO 8601, UTC) and what was stated; "" for any other.

    agreed: asked with the model's name whether the person agreed.  Raises NetworkError where nobody says so.
    """
    if not any(row.name == kind.family and row.source is None for row in FAMILIES):
        return ""
    if not agreed(name):
        raise NetworkError(f"{name} was not added: somebody's face is in it, and nobody confirmed that the person agreed.")
    return f"{datetime.now(timezone.utc).isoformat(timespec='seconds')} {STATEMENT}"


__all__ = ["STATEMENT", "consent"]
