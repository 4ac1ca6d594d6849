"""The guard before every request: names, tokens, origins, rates and sizes, and the headers that browsers are bound by."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.exceptions import HTTPException

from realtime.studio.access import Access, client_of, is_loopback
from realtime.studio.policy import policy

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

JSON_LIMIT = 256 << 10
PHOTO_LIMIT = 20 << 20
_UPLOADS = 4
_PATIENCE = 20.0
# Bytes a second; a photo of the largest size has five minutes.
_SLOWEST = 70_000
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
_TYPES = ("application/json", "image/jpeg", "image/png", "image/webp")
_PHOTOS = re.compile(r"^/api/enrolments/[^/]+/photos$")
# Of what a visitor's token opens, the pictures and scripts are the same for everybody.
_VISITORS = re.compile(r"^/(call|static/[^/]+|api/call(/[^/]+)?)$")
_HEADERS = {
    "content-security-policy": policy(),
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
_OPENED = '<!doctype html><meta charset="utf-8"><title>swapcam</title><meta http-equiv="refresh" content="0; url={}">'
_SHUT = '<!doctype html><meta charset="utf-8"><title>swapcam</title><p>{}</p>'


class Guard:
    """Lets through to `app` what may come in, and answers the rest itself.

    Raises nothing; a refusal is {"problem": "one sentence"}, or a short page where a person opened an address.
    """

    def __init__(self, app: App, access: Access) -> None:
        self.app, self.access = app, access
        self._uploads = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        guarded = _with_headers(send, scope["path"])
        try:
            if await self._opened(scope, headers, guarded):
                return
            self._check(scope, headers)
        except HTTPException as refusal:
            await _refuse(guarded, refusal, headers)
            return
        if not _PHOTOS.match(scope["path"]):
            await self.app(scope, _measured(receive, JSON_LIMIT), guarded)
            return
        self._uploads += 1
        try:
            await self.app(scope, _measured(receive, PHOTO_LIMIT), guarded)
        finally:
            self._uploads -= 1

    async def _opened(self, scope: Message, headers: dict[str, str], send: Send) -> bool:
        """Keep the token of a printed link in a cookie and take it out of the address; False where there is none."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = next((value for key, value in query if key == "token"), None)
        if token is None or scope["method"] != "GET" or scope["path"] not in ("/", "/call", "/source") or self.access.token is None:
            return False
        self._name(scope, headers)
        # A page elsewhere could use up the guesses of its readers with a picture of this address.
        _origin(scope, headers)
        self._guess(scope, token)
        rest = urlencode([(key, value) for key, value in query if key != "token"])
        # Not by a redirect: coming from another site, a browser would not send the strict cookie along.
        page = _OPENED.format(scope["path"] + (f"?{rest}".replace("&", "&amp;") if rest else ""))
        await _answer(send, 200, page.encode(), "text/html; charset=utf-8", {"set-cookie": self.access.baked(token)})
        return True

    def _check(self, scope: Message, headers: dict[str, str]) -> None:
        """Raise HTTPException for what may not come in."""
        if scope["method"] not in _METHODS:
            raise HTTPException(405, f"{scope['method'][:16]} means nothing here.")
        self._name(scope, headers)
        wait = self.access.requests.take(_client(scope))
        if wait:
            raise HTTPException(429, "That were too many requests; wait a moment.", {"retry-after": str(math.ceil(wait))})
        _path(scope)
        opens = self._token(scope, headers)
        if opens == "call" and not _VISITORS.match(scope["path"]):
            raise HTTPException(403, "This link is for visitors of /call alone.")
        _origin(scope, headers)
        if scope["method"] not in ("GET", "HEAD"):
            self._body(scope, headers)

    def _name(self, scope: Message, headers: dict[str, str]) -> None:
        """A page elsewhere may point its own name at this machine (DNS rebinding); bound to loopback, only its names count."""
        host = _host(headers.get("host", ""))
        if not host or (self.access.loopback and not is_loopback(host)):
            raise HTTPException(421, "This studio answers to 127.0.0.1 and localhost alone.")

    def _token(self, scope: Message, headers: dict[str, str]) -> str:
        if self.access.token is None:
            return "all"
        given = self.access.given(headers)
        if not given:
            raise HTTPException(401, "This studio opens by its link alone: use the one that swapcam studio printed.")
        return self._guess(scope, given)

    def _guess(self, scope: Message, token: str) -> str:
        """What a token opens; raises HTTPException for a wrong one, and for every one after too many wrong ones."""
        client = _client(scope)
        if self.access.guesses.left(client) < 1:
            raise HTTPException(429, "Too many wrong tokens came from there; wait a minute.", {"retry-after": "60"})
        opens = self.access.scope(token)
        if opens == "none":
            self.access.guesses.take(client)
            raise HTTPException(403, "This link is not right, or it is an old one: use the one that swapcam studio printed.")
        return opens

    def _body(self, scope: Message, headers: dict[str, str]) -> None:
        photo = bool(_PHOTOS.match(scope["path"]))
        if photo and self._uploads >= _UPLOADS:
            raise HTTPException(503, "Other photos are being read; send this one again.", {"retry-after": "1"})
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        length = headers.get("content-length", "0")
        bodied = length != "0" or "transfer-encoding" in headers
        if bodied and kind not in (_TYPES[1:] if photo else _TYPES[:1]):
            wanted = "image/jpeg, image/png or image/webp" if photo else _TYPES[0]
            raise HTTPException(415, f"The type {kind[:40] or '(none)'} is not taken here; expected {wanted}.")
        # Forms of other sites can send a POST without its origin in old browsers, but none with this type.
        if scope["method"] == "POST" and kind not in _TYPES and not ({"origin", "sec-fetch-site"} & headers.keys()):
            raise HTTPException(403, "A request that changes something has to say where it comes from, or that it is JSON.")
        if length.isdecimal() and int(length) > (PHOTO_LIMIT if photo else JSON_LIMIT):
            raise _too_large(PHOTO_LIMIT if photo else JSON_LIMIT)


def _host(given: str) -> str:
    """The name in a Host header, "" where there is none."""
    try:
        return urlsplit(f"//{given}").hostname or ""
    except ValueError:
        return ""


def _client(scope: Message) -> str:
    return client_of(scope["client"][0] if scope.get("client") else "")


def _path(scope: Message) -> None:
    """Refuse what only somebody writes who looks for files."""
    path, raw = scope["path"], scope.get("raw_path", b"").lower()
    odd = any(ord(letter) < 32 or letter in "\\\x7f" for letter in path) or "//" in path or b"%2f" in raw or b"%25" in raw
    if odd or ".." in path.split("/"):
        raise HTTPException(400, "There is no such address here.")


def _origin(scope: Message, headers: dict[str, str]) -> None:
    """Other sites may link to the pages, and do nothing else."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    opened = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if site is not None and site not in ("same-origin", "none") and not opened:
        raise HTTPException(403, "Requests from other sites are refused.")
    own = f"{scope['scheme']}://{headers.get('host', '')}".lower()
    if origin is not None and origin.lower() != own:
        raise HTTPException(403, "Requests from other sites are refused.")


def _measured(receive: Receive, limit: int) -> Receive:
    """The body, counted while it comes, and given up where it does not come, or comes in drops."""
    seen, complete = 0, False
    end = time.monotonic() + _PATIENCE + limit / _SLOWEST

    async def measured() -> Message:
        nonlocal seen, complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), min(_PATIENCE, end - time.monotonic()))
        except asyncio.TimeoutError:
            raise HTTPException(408, "The rest of this request did not come.", {"connection": "close"}) from None
        seen += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if seen > limit:
            raise _too_large(limit)
        return message

    return measured


def _too_large(limit: int) -> HTTPException:
    size = f"{limit >> 20} MB" if limit >= 1 << 20 else f"{limit >> 10} kB"
    return HTTPException(413, f"That is too large; at most {size} are taken.", {"connection": "close"})


def _with_headers(send: Send, path: str) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", [])}
            more = [(name.encode(), value.encode()) for name, value in _HEADERS.items() if name.encode() not in given]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return guarded


async def _refuse(send: Send, refusal: HTTPException, headers: dict[str, str]) -> None:
    if headers.get("sec-fetch-dest") == "document":
        page = _SHUT.format(refusal.detail.replace("&", "&amp;").replace("<", "&lt;"))
        await _answer(send, refusal.status_code, page.encode(), "text/html; charset=utf-8", dict(refusal.headers or {}))
        return
    body = json.dumps({"problem": refusal.detail}).encode()
    await _answer(send, refusal.status_code, body, "application/json", dict(refusal.headers or {}))


async def _answer(send: Send, status: int, body: bytes, kind: str, more: dict[str, str]) -> None:
    headers = {"content-type": kind, "content-length": str(len(body)), **more}
    start = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


__all__ = ["JSON_LIMIT", "PHOTO_LIMIT", "Guard"]
