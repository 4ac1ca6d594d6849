"""Routes: how a page asks to be let in, to wear another face, and to be let go."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import Field

from realtime.calls.calls import Calls, FullError
from realtime.calls.visitor import Wish
from realtime.frame import RealtimeError
from realtime.part import Part

_LONGEST = 100_000


class Offer(Part):
    """A browser's offer; strip: rows of the time code in a picture of `height` rows, strip included."""

    sdp: str = Field(max_length=_LONGEST)
    type: str = Field("offer", max_length=16)
    source: str | None = Field(None, max_length=255)
    plain: bool = False
    strip: int = Field(0, ge=0, le=270)
    height: int = Field(384, ge=16, le=4320)


class Choice(Part):
    """Another face for somebody who is there, or with `plain` none."""

    source: str | None = Field(None, max_length=255)
    plain: bool = False


def routes(calls: Calls) -> APIRouter:
    """GET and POST /api/call, POST and DELETE /api/call/ID.

    Refusals are HTTPException with one sentence: 503 at the limit, 422 for a bad wish or offer, 404 for somebody who has gone.
    """
    router = APIRouter()

    @router.get("/api/call")
    async def about() -> dict[str, Any]:
        settings = calls.settings
        size = {"height": settings.call.height, "fps": settings.call.fps}
        return {"visitors": len(calls), "limit": calls.limit, "sources": calls.sources(), **size}

    @router.post("/api/call")
    async def come(offer: Offer) -> dict[str, str]:
        if offer.strip * 4 > offer.height:
            raise HTTPException(422, f"The strip may be a quarter of the picture; got {offer.strip} of {offer.height} rows.")
        try:
            answer = await calls.answer(offer.sdp, offer.type, Wish(offer.source, offer.plain, offer.strip / offer.height))
        except FullError as error:
            raise HTTPException(503, str(error), {"retry-after": "10"}) from None
        except RealtimeError as error:
            raise HTTPException(422, str(error)) from None
        return {"sdp": answer.sdp, "type": answer.type, "id": answer.id}

    @router.post("/api/call/{name}")
    async def wear(name: str, choice: Choice) -> dict[str, bool]:
        try:
            await calls.wear(name, choice.source, choice.plain)
        except KeyError:
            raise HTTPException(404, "This call has ended; start it again.") from None
        except RealtimeError as error:
            raise HTTPException(422, str(error)) from None
        return {"changed": True}

    @router.delete("/api/call/{name}")
    async def leave(name: str) -> dict[str, bool]:
        return {"closed": await calls.close(name)}

    return router


__all__ = ["Choice", "Offer", "routes"]
