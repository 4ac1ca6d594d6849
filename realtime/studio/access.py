"""Who may come in: tokens, the cookie that keeps them, and how often somebody may ask or guess."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Literal

Scope = Literal["all", "call", "none"]
_CLIENTS = 4096


class Buckets:
    """A token bucket for each client.

    amount: how many a client may take at once.  rate: how many come back in a second.  The clients asked for least
    recently are forgotten when there are too many, so that inventing addresses costs no memory.
    """

    def __init__(self, amount: float, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        self._amount, self._rate, self._now = amount, rate, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, count: float = 1.0) -> float:
        """Take some; 0 where they were there, else the seconds until they will be."""
        left = self.left(client)
        if left >= count:
            self._keep(client, left - count)
            return 0.0
        self._keep(client, left)
        return (count - left) / self._rate

    def left(self, client: str) -> float:
        """How many the client has now."""
        left, then = self._left.get(client, (self._amount, self._now()))
        return min(self._amount, left + (self._now() - then) * self._rate)

    def _keep(self, client: str, left: float) -> None:
        self._left[client] = left, self._now()
        self._left.move_to_end(client)
        if len(self._left) > _CLIENTS:
            self._left.popitem(last=False)


@dataclass(frozen=True)
class Access:
    """Who may use a studio.

    token: what everybody has to know, None where nobody has to.  port: of the studio; cookies of one host know no ports.
    loopback: it is bound to this machine alone, and answers to this machine's names alone.  secure: it speaks HTTPS.
    """

    token: str | None
    port: int
    loopback: bool
    secure: bool
    requests: Buckets = field(default_factory=lambda: Buckets(400, 100))
    guesses: Buckets = field(default_factory=lambda: Buckets(8, 0.2))

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return f"swapcam-{self.port}"

    @property
    def visitor(self) -> str | None:
        """The token for /call alone, made of the other one: a visitor's link opens no studio."""
        return None if self.token is None else hmac.new(self.token.encode(), b"visitor", hashlib.sha256).hexdigest()[:32]

    def scope(self, token: str) -> Scope:
        """What a token opens; takes the same time for every wrong one."""
        if self.token is None:
            return "all"
        given = token.encode()
        whole = hmac.compare_digest(given, self.token.encode())
        part = hmac.compare_digest(given, (self.visitor or "").encode())
        return "all" if whole else "call" if part else "none"

    def given(self, headers: dict[str, str]) -> str:
        """The token that a request brings as Bearer or in the cookie, "" where it brings none."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return token.strip()
        try:
            found = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return ""
        # Two names: an owner who tries the visitors' link stays the owner.
        kept = [found[name].value for name in (self.cookie, f"{self.cookie}-call") if name in found]
        return next((token for token in kept if self.scope(token) != "none"), kept[0] if kept else "")

    def baked(self, token: str) -> str:
        """The Set-Cookie header that keeps a token."""
        name = self.cookie if self.scope(token) == "all" else f"{self.cookie}-call"
        return f"{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000" + ("; Secure" if self.secure else "")


def client_of(address: str) -> str:
    """Whom an address stands for: itself, or the network of one customer for IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by one of the names that need no name server."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


__all__ = ["Access", "Buckets", "Scope", "client_of", "is_loopback"]
