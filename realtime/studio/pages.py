"""The page's own files, the moving JPEG of what leaves the machine, and overlay pages."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from realtime.machine.home import expanded
from realtime.studio.endless import Endless
from realtime.studio.pictures import Pictures, Side, Viewing
from realtime.studio.policy import policy

_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}
_BOUNDARY = "swapcam-frame"
_LARGEST_PAGE = 4 << 20
_HOST = re.compile(r"[A-Za-z0-9.\-]+|[0-9a-fA-F:]+")
# Of its own origin, wherever it is opened: it may not ask the studio for anything.
_SANDBOX = "sandbox allow-scripts; frame-ancestors 'self'"


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page: its bytes, its media type and a tag that changes with them."""

    data: bytes
    kind: str
    tag: str


def page_files() -> dict[str, PageFile]:
    """Every file of the page by its name, read once: what a browser asks for is looked up here and opens nothing."""
    found: dict[str, PageFile] = {}
    for entry in resources.files("realtime.studio").joinpath("page").iterdir():
        if entry.is_file() and not entry.name.startswith("."):
            data = entry.read_bytes()
            kind = _TYPES.get(Path(entry.name).suffix) or mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
            kind += "; charset=utf-8" if kind.startswith("text/") else ""
            found[entry.name] = PageFile(data, kind, f'"{hashlib.sha256(data).hexdigest()[:24]}"')
    return found


def page_routes(pages: Callable[[], tuple[str, ...]], pictures: Pictures) -> APIRouter:
    """/, /call, /source, /static/NAME, /source.mjpg, /preview.mjpg and /overlay/N.

    pages: the files or addresses of the overlay pages as the settings have them now.
    """
    router, files = APIRouter(), page_files()

    def file(request: Request, name: str) -> Response:
        found = files.get(name)
        if found is None:
            raise HTTPException(404, "There is no such file.")
        headers = {"etag": found.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.data, media_type=found.kind, headers=headers)

    @router.get("/")
    async def studio(request: Request) -> Response:
        return file(request, "studio.html")

    @router.get("/call")
    async def call(request: Request) -> Response:
        return file(request, "call.html")

    @router.get("/source")
    async def source(request: Request) -> Response:
        # The pages that it puts over the picture may come from anywhere.
        answer = file(request, "source.html")
        answer.headers["content-security-policy"] = policy(sorted({_origin(page) for page in pages()} - {""}))
        return answer

    @router.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        return file(request, name)

    @router.get("/overlay/{number}")
    def overlay(number: int) -> Response:
        return _overlay(pages(), number)

    @router.get("/source.mjpg")
    async def moving(height: int = 0) -> Response:
        return _moving(pictures, "after", height)

    @router.get("/preview.mjpg")
    async def preview(view: Side = "both", height: int = 480) -> Response:
        return _moving(pictures, view, height)

    return router


def _overlay(pages: tuple[str, ...], number: int) -> Response:
    """A page of the settings, which name it; the browser gives only its number."""
    if not 0 <= number < len(pages):
        raise HTTPException(404, "There is no such overlay page.")
    if "://" in pages[number]:
        # The page that frames it knows only the masked address, for what stands in a chat's may be a key.
        if not _origin(pages[number]):
            raise HTTPException(404, "The overlay page's address is none of a web page; expected http:// or https://.")
        return RedirectResponse(pages[number], 307)
    path = expanded(pages[number])
    if path.suffix.lower() not in (".html", ".htm", ".svg"):
        raise HTTPException(404, f"The overlay page {path.name} is no page; expected a file that ends with .html.")
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_PAGE + 1)
    except OSError as error:
        raise HTTPException(404, f"The overlay page {path.name} cannot be read: {error.strerror}.") from None
    if len(data) > _LARGEST_PAGE:
        raise HTTPException(404, f"The overlay page {path.name} is larger than {_LARGEST_PAGE >> 20} MB.")
    kind = "image/svg+xml" if path.suffix.lower() == ".svg" else "text/html; charset=utf-8"
    return Response(data, media_type=kind, headers={"content-security-policy": _SANDBOX})


def _origin(address: str) -> str:
    """Scheme, host and port of a web page's address, "" of anything else."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    # A semicolon or space in it would begin another rule of the policy that it goes into.
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def _moving(pictures: Pictures, view: Side, height: int) -> Response:
    if height and not 90 <= height <= 2160:
        raise HTTPException(422, "The height has to be 90 to 2160, or 0 for the picture's own.")
    viewing = pictures.open(view, height)

    return Endless(_parts(viewing), f"multipart/x-mixed-replace; boundary={_BOUNDARY}", viewing.close)


async def _parts(viewing: Viewing) -> AsyncIterator[bytes]:
    """One JPEG after another, until there is none."""
    while (data := await viewing.jpeg()) is not None:
        yield f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n"


__all__ = ["PageFile", "page_files", "page_routes"]
