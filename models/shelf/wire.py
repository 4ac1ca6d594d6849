"""Servers of weights: which may be asked, how, and what their refusals mean."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from typing import Any

from models.network import NetworkError

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_MEANINGS = {401: "it asks for a login", 403: "it refuses access", 404: "it has no such file", 407: "the proxy asks for a login"}
BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
"""What a connection that fails in the middle raises."""


class FailedError(Exception):
    """A server could not give a file; the next may."""


class BrokenError(FailedError):
    """A server broke off or did not answer; it may do better the next time."""


def check_address(url: str) -> None:
    """Raise NetworkError for anything but https, and http on this machine."""
    place = urllib.parse.urlsplit(url)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in _LOCAL):
        raise NetworkError(f"{url} is refused: weights come by https only.")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows from https to https only, and 308 (Python 3.10 does not)."""

    def http_error_308(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        return self.http_error_302(req, fp, 307, msg, headers)

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        place = urllib.parse.urlsplit(newurl)
        local = place.scheme == "http" and req.type == "http" and place.hostname in _LOCAL
        if place.scheme != "https" and not local:
            raise FailedError(f"it sends on to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> urllib.request.OpenerDirector:
    """Opens http and https alone, through the proxies of the environment."""
    director = urllib.request.OpenerDirector()
    handlers: tuple[urllib.request.BaseHandler, ...] = (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    )
    for handler in handlers:
        director.add_handler(handler)
    return director


def refused(error: urllib.error.HTTPError) -> FailedError:
    """What an error of HTTP means, in words."""
    with closing(error):
        if error.code in (301, 302, 303, 307, 308):
            # urllib itself keeps from what is not of the web.
            return FailedError("it sends on to what is not https" if "not allowed" in str(error) else "it sends on in a circle")
        what = f"{_MEANINGS.get(error.code, 'it answered')} (HTTP {error.code})"
        return BrokenError(what) if error.code in (408, 429) or error.code >= 500 else FailedError(what)


def unreachable(reason: object) -> FailedError:
    """What a connection that failed means, in words."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FailedError("its certificate is not trusted here; check the clock, or the certificates of your network's proxy")
    if isinstance(reason, socket.gaierror):
        return FailedError("its address cannot be found (is there no internet?)")
    if isinstance(reason, TimeoutError):
        return BrokenError("it did not answer in time")
    return BrokenError(f"the connection failed ({str(reason).rstrip('.') or type(reason).__name__})")


__all__ = ["BROKEN", "BrokenError", "FailedError", "check_address", "opener", "refused", "unreachable"]
