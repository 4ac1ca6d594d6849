"""Offers: what of a browser's offer is looked at before aiortc sees it, and the codecs that are answered with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiortc import RTCRtpSender
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError

UNREADABLE = (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError)
"""What aiortc raises for an offer that is none."""
UNFIT = (InvalidAccessError, InvalidStateError, OperationError)
"""What it raises for one that does not go with what there is."""
_CANDIDATES = 60


def media(sdp: str) -> list[str]:
    """The kinds of media in an offer (video, audio, application), sorted: what nobody takes of it piles up in memory."""
    return sorted(line[2:].split(" ")[0] for line in sdp.splitlines() if line.startswith("m="))


def crowded(sdp: str) -> bool:
    """Whether an offer names more ways to be reached than a browser has."""
    return sdp.count("a=candidate") > _CANDIDATES


def prefer(transceiver: Any, *names: str) -> None:
    """Answer with these codecs (h264, vp8), the first where both know it; before the offer is read, for aiortc chooses then."""
    known: Sequence[Any] = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([codec for name in (*names, "rtx") for codec in known if codec.name.lower() == name])


__all__ = ["UNFIT", "UNREADABLE", "crowded", "media", "prefer"]
