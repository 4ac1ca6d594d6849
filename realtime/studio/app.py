"""The studio: everything that a page can see and do, put together over a Show."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException as PlainHTTPException

from realtime.calls.calls import Calls
from realtime.calls.routes import routes as call_routes
from realtime.frame import RealtimeError
from realtime.sinks.monitor import Monitor
from realtime.steering.show import Show
from realtime.studio import state
from realtime.studio.access import Access
from realtime.studio.controls import controls
from realtime.studio.enrolling import Enrolments
from realtime.studio.events import Events, Lines, event_routes
from realtime.studio.gathering import machine_routes, people_routes
from realtime.studio.guard import Guard
from realtime.studio.pages import page_routes
from realtime.studio.people import People
from realtime.studio.pictures import Pictures, Side
from realtime.studio.rtc import Peers
from realtime.studio.secrecy import scrubbed
from realtime.studio.steering import Ask, local, steering_routes


class Offer(Ask):
    """A browser's offer to receive a view of the loop."""

    sdp: str = Field(max_length=64 << 10)
    type: Literal["offer"] = "offer"
    view: Side = "both"
    height: int = Field(480, ge=90, le=1080)


class Studio:
    """The application behind the guard, and what has to end with it.

    show, monitor: what is steered and what is seen; both are closed by who made them.  access: who may come in.
    folder: where recordings go, for the page to name.
    """

    def __init__(self, show: Show, monitor: Monitor, access: Access, folder: Path) -> None:
        self.show, self._folder = show, folder
        self._people, self._enrolments, self._controls = People(), Enrolments(), controls()
        self._pictures = Pictures(monitor, lambda: show.settings.blend)
        self._peers = Peers(self._pictures)
        self.calls = Calls(lambda: show.settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.events = Events(
            {
                "state": lambda: state.loop(show),
                "settings": lambda: state.settings(show),
                "outputs": lambda: state.outputs(show),
                "sources": lambda: self._people.list(show.settings),
                "presets": lambda: show.presets(),
                "faces": lambda: state.faces(show),
                "figures": self._figures,
            }
        )
        self._lines = Lines(self.events)
        self._forget: list[Callable[[], None]] = [show.listen(self._heard)]
        for name in ("realtime", "models"):
            logging.getLogger(name).addHandler(self._lines)
        self.app = Guard(self._routes(), access)

    def toggle(self) -> None:
        """Swap on and off, in a thread."""
        swap = self.show.settings.swap
        threading.Thread(target=self.show.change, args=(("swap", "enabled"), not swap.enabled), daemon=True).start()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Know the server's loop, in which pages and visitors are told what other threads change."""
        self._loop = loop
        self.events.attach(loop)

    async def end(self) -> None:
        """End every answer that has no end of its own, and every peer."""
        self.events.close()
        await asyncio.gather(self._peers.close_all(), self.calls.close_all())
        self._pictures.close()

    def close(self) -> None:
        """Let go of everything; the show is not touched."""
        for name in ("realtime", "models"):
            logging.getLogger(name).removeHandler(self._lines)
        for forget in self._forget:
            forget()
        self._enrolments.close()

    def _heard(self, event: str) -> None:
        self.events.tell(event)
        if event in ("settings", "sources") and self._loop is not None:
            # The server may have ended, and every visitor with it.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._visitors)

    def _visitors(self) -> None:
        """Let visitors know what has changed for them."""
        self.calls.change(self.show.settings)
        self.calls.dismiss()

    def _routes(self) -> FastAPI:
        app = FastAPI(title="swapcam studio", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
        _sentences(app)
        app.include_router(steering_routes(self.show, self._whole))
        app.include_router(event_routes(self.events))
        app.include_router(people_routes(self.show, self._people, self._enrolments, self._heard))
        app.include_router(machine_routes(self.show))
        app.include_router(_preview_routes(self._peers))
        app.include_router(call_routes(self.calls))
        app.include_router(page_routes(lambda: tuple(page.path for page in self.show.settings.overlay.pages), self._pictures))
        return app

    def _figures(self) -> dict[str, Any]:
        show = self.show
        return {**state.figures(show.statistics()), "outputs": state.outputs(show), "faces": state.faces(show), "call": self._call()}

    def _call(self) -> dict[str, int]:
        return {"visitors": len(self.calls), "limit": self.calls.limit}

    def _whole(self) -> dict[str, Any]:
        show = self.show
        return {
            "version": _version(),
            "loop": state.loop(show),
            **state.settings(show),
            "controls": self._controls,
            "config": show.config.name,
            "presets": show.presets(),
            "sources": self._people.list(show.settings),
            "outputs": state.outputs(show),
            "faces": state.faces(show),
            "recording": show.recording.name if show.recording else None,
            "figures": self._figures(),
            "call": self._call(),
            "folder": str(self._folder.resolve()),
        }


def _preview_routes(peers: Peers) -> APIRouter:
    router = APIRouter(prefix="/api/preview")

    @router.post("")
    async def preview(offer: Offer, request: Request) -> dict[str, str]:
        return await peers.answer(offer.sdp, offer.view, offer.height, local(request))

    @router.delete("/{name}")
    async def close(name: str) -> dict[str, bool]:
        if not await peers.close(name):
            raise HTTPException(404, "There is no such preview.")
        return {"done": True}

    return router


def _sentences(app: FastAPI) -> None:
    """Every mistake as {"problem": "one sentence"}."""

    @app.exception_handler(RealtimeError)
    async def told(_: Request, error: RealtimeError) -> JSONResponse:
        return JSONResponse({"problem": scrubbed(str(error))}, 400)

    @app.exception_handler(PlainHTTPException)
    async def refused(_: Request, error: PlainHTTPException) -> JSONResponse:
        known = {404: "There is no such address here.", 405: "That cannot be done with this address."}
        plain = error.detail in ("Not Found", "Method Not Allowed")
        return JSONResponse({"problem": known[error.status_code] if plain else error.detail}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def unread(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return JSONResponse({"problem": f"{place[:80]}: {first['msg']}."}, 422)

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"problem": "Something went wrong inside; the terminal says what."}, 500)


def _version() -> str:
    try:
        return version("swapcam")
    except PackageNotFoundError:
        return "development"


__all__ = ["Studio"]
