"""Routes that steer the loop: settings and their history, start and stop, presets, recording, snapshots and faces."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from realtime.people import identities
from realtime.settings import Draft
from realtime.steering.show import Show
from realtime.studio import state
from realtime.studio.access import is_loopback
from realtime.studio.remote import check_remote
from realtime.studio.secrecy import restored

Key = Annotated[str, Field(max_length=100)] | Annotated[int, Field(ge=0, le=10**6)]
Fraction = Annotated[float, Field(ge=0, le=1)]
# Of those worn before, so many stay at hand for a change without reading.
_OTHERS = 3


class Ask(BaseModel):
    """The body of a request; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class Change(Ask):
    """One setting."""

    path: list[Key] = Field(min_length=1, max_length=8)
    value: Any

    @field_validator("value")
    @classmethod
    def written(cls, value: Any) -> Any:
        """JSON can write half a letter, which nobody can write again: the state could not be told to any page."""
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("There is half a letter in it, which is no text") from None
        return value


class Record(Ask):
    """Begin or end."""

    on: bool


class Assign(Ask):
    """The face at a place of the picture, in fractions of it, gets a source; None: what the others get."""

    x: Fraction
    y: Fraction
    source: str | None = Field(None, max_length=4096)


class Wear(Ask):
    """Whose face everybody gets; None: nobody's."""

    source: str | None = Field(max_length=4096)


def steering_routes(show: Show, whole: Callable[[], dict[str, Any]]) -> APIRouter:
    """/api/state and everything that changes the loop.  whole: what /api/state tells; read in a thread."""
    router = APIRouter(prefix="/api")
    router.include_router(_settings_routes(show))
    router.include_router(_preset_routes(show))

    @router.get("/state")
    def read() -> dict[str, Any]:
        return whole()

    @router.post("/start")
    def start() -> dict[str, str]:
        show.start()
        return state.loop(show)

    @router.post("/stop")
    def stop() -> dict[str, str]:
        show.stop()
        return state.loop(show)

    @router.post("/record")
    def record(asked: Record) -> dict[str, str | None]:
        path = show.record(asked.on)
        return {"recording": path.name if path and asked.on else None, "file": path.name if path else None}

    @router.post("/snapshot")
    def snapshot() -> Response:
        return Response(show.snapshot_png(), media_type="image/png")

    @router.post("/assign")
    def assign(asked: Assign, request: Request) -> dict[str, Any]:
        _person(asked.source, show, request)
        show.assign(asked.x, asked.y, asked.source)
        return state.settings(show)

    @router.post("/wear")
    def wear(asked: Wear, request: Request) -> dict[str, Any]:
        _person(asked.source, show, request)
        swap = show.settings.swap
        if asked.source is None:
            show.change(("swap", "enabled"), False)
        else:
            others = [name for name in swap.sources if name != asked.source and name in identities.names()]
            worn = swap.model_copy(update={"sources": (asked.source, *others[:_OTHERS]), "enabled": True})
            show.replace(show.settings.model_copy(update={"swap": worn}))
        return state.settings(show)

    return router


def _settings_routes(show: Show) -> APIRouter:
    router = APIRouter()

    @router.post("/settings")
    def change(asked: Change, request: Request) -> dict[str, Any]:
        value = _typed(asked.path, restored(asked.value, show.settings.model_dump(mode="json")))
        if not local(request):
            draft = Draft({**show.settings.model_dump(mode="json")})
            draft.put(tuple(asked.path), value, "From the page")
            check_remote(show.settings, draft.check())
        show.change(asked.path, value)
        return state.settings(show)

    @router.post("/undo")
    def undo() -> dict[str, Any]:
        show.undo()
        return state.settings(show)

    @router.post("/redo")
    def redo() -> dict[str, Any]:
        show.redo()
        return state.settings(show)

    @router.post("/save")
    def save() -> dict[str, str]:
        return {"config": show.save().name}

    return router


def _preset_routes(show: Show) -> APIRouter:
    router = APIRouter(prefix="/presets")

    @router.put("/{name}")
    def save(name: str) -> dict[str, Any]:
        show.save_preset(name)
        return {"presets": show.presets()}

    @router.post("/{name}")
    def apply(name: str) -> dict[str, Any]:
        show.apply_preset(name)
        return state.settings(show)

    @router.delete("/{name}")
    def remove(name: str) -> dict[str, Any]:
        show.remove_preset(name)
        return {"presets": show.presets()}

    return router


def local(request: Request) -> bool:
    """Whether a request comes from this machine."""
    return request.client is not None and is_loopback(request.client.host)


def _typed(path: list[Any], value: Any) -> Any:
    """A camera's number comes from a text field as text; everything else is what JSON says."""
    if path[-1:] == ["device"] and path[:1] == ["input"] and isinstance(value, str) and value.isdecimal():
        return int(value)
    return value


def _person(source: str | None, show: Show, request: Request) -> None:
    """Raise HTTPException for somebody who is neither enrolled nor in the settings; on this machine a photo will do."""
    swap = show.settings.swap
    if source is None or local(request) or source in identities.names() or source in (*swap.sources, *swap.assign.values()):
        return
    raise HTTPException(404, "Nobody of that name is enrolled.")


__all__ = ["Ask", "local", "steering_routes"]
