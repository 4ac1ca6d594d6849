"""Routes of people and of the machine: enrolling, thumbnails, models, cameras and what the doctor says."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import Field

from realtime.machine import loopback
from realtime.people import identities
from realtime.people.identities import STATEMENT
from realtime.steering.show import Show
from realtime.studio import choices
from realtime.studio.enrolling import Enrolments
from realtime.studio.people import People
from realtime.studio.steering import Ask

_NOWHERE = "This enrolment is not there any more; begin again."


class Finish(Ask):
    """What the enrolled person is called, and that they agreed."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    consent: bool
    overwrite: bool = False


def people_routes(show: Show, people: People, enrolments: Enrolments, changed: Callable[[str], None]) -> APIRouter:
    """/api/enrolments and /api/sources.  changed: told "sources" when somebody was enrolled or deleted."""
    router = APIRouter(prefix="/api")

    @router.post("/enrolments")
    def begin() -> dict[str, str]:
        return {"id": enrolments.begin(), "statement": STATEMENT}

    @router.post("/enrolments/{name}/photos")
    async def add(name: str, request: Request) -> dict[str, Any]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        data = await request.body()
        return await run_in_threadpool(_found, lambda: enrolments.add(name, data, kind))

    @router.delete("/enrolments/{name}/photos/{number}")
    def leave_out(name: str, number: int) -> dict[str, bool]:
        _found(lambda: enrolments.leave_out(name, number))
        return {"done": True}

    @router.post("/enrolments/{name}")
    def finish(name: str, asked: Finish) -> dict[str, str]:
        person = _found(lambda: enrolments.finish(name, asked.name, asked.consent, asked.overwrite))
        changed("sources")
        return {"name": person}

    @router.delete("/enrolments/{name}")
    def drop(name: str) -> dict[str, bool]:
        _found(lambda: enrolments.drop(name))
        return {"done": True}

    @router.get("/sources/{name}/thumbnail")
    def thumbnail(name: str) -> Response:
        return Response(people.thumbnail(name), media_type="image/jpeg", headers={"cache-control": "no-cache"})

    @router.delete("/sources/{name}")
    def remove(name: str) -> dict[str, bool]:
        # First off everybody's face, undoing included; then there is nobody left to put it on.
        show.forget(name)
        identities.remove(name)
        changed("sources")
        return {"done": True}

    return router


def machine_routes(show: Show) -> APIRouter:
    """/api/models; /api/doctor and /api/cameras, one look at a time, because looking opens devices."""
    router, turn = APIRouter(prefix="/api"), threading.Lock()

    @router.get("/models")
    def models() -> dict[str, Any]:
        return choices.models(show.settings.models.licence)

    @router.get("/doctor")
    def doctor() -> dict[str, Any]:
        from realtime.doctor import examine, status

        with turn:
            checks = examine()
        return {"checks": [asdict(check) for check in checks], "status": status(checks)}

    @router.get("/cameras")
    def cameras() -> dict[str, Any]:
        from realtime.machine.devices import cameras as find
        from realtime.machine.devices import summary

        with turn:
            found, virtual = find(), _virtual_cameras()
        entries = [
            {
                "index": camera.index,
                "name": camera.name,
                "path": camera.path,
                "problem": camera.problem,
                "summary": "" if camera.problem else summary(camera.modes),
                "modes": [asdict(mode) for mode in camera.modes],
            }
            for camera in found
        ]
        return {"cameras": entries, "virtual": virtual}

    return router


def _virtual_cameras() -> list[dict[str, str | None]]:
    """What can be sent to: path, label, state and problem; path None where the system has one virtual camera alone."""
    if platform.system() != "Linux":
        return [{"path": None, "label": "The virtual camera of this system", "state": "free", "problem": ""}]
    usable = ("free", "stuck")
    return [
        {"path": one.path, "label": one.label, "state": one.state, "problem": "" if one.state in usable else loopback.reason(one)}
        for one in loopback.loopbacks()
    ]


def _found(work: Callable[[], Any]) -> Any:
    """The result; raises HTTPException 404 for an enrolment or photo that is not there."""
    try:
        return work()
    except KeyError:
        raise HTTPException(404, _NOWHERE) from None


__all__ = ["machine_routes", "people_routes"]
