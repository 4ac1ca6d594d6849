"""The models that are on this machine, as a page offers them: by name, and no file of this machine with it."""

from __future__ import annotations

import logging
from typing import Any

from models.network import NetworkError
from models.shelf.held import check_licence
from models.shelf.listing import Item, listing
from models.weights import ROLES, Licence
from realtime.frame import RealtimeError

logger = logging.getLogger(__name__)


def models(licence: Licence) -> dict[str, list[dict[str, Any]]]:
    """By role: {name, family, licence, commercial, note, checked, refused} of each that is here; raises RealtimeError.

    licence: as the settings have it; what it refuses is told as refused.  checked: somebody answers for its hash, and its file
    has not changed since.
    """
    try:
        items = [item for item in listing() if item.state in ("here", "unverified")]
    except NetworkError as error:
        # The sentence names the place of the list, which is nobody's business but the terminal's.
        logger.debug("%s", error)
        raise RealtimeError("The list of models cannot be read; swapcam models list, in a terminal, says why.") from error
    return {role: [_told(item, licence) for item in items if item.role == role] for role in ROLES}


def _told(item: Item, licence: Licence) -> dict[str, Any]:
    return {
        "name": item.name,
        "family": item.family,
        "licence": item.licence,
        "commercial": item.commercial,
        "note": item.note,
        "checked": item.state == "here",
        "refused": _refused(item, licence),
    }


def _refused(item: Item, licence: Licence) -> bool:
    try:
        check_licence(item.name, item.licence, item.commercial, licence)
    except NetworkError:
        return True
    return False


__all__ = ["models"]
