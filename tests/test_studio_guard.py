"""The guard before the studio, attacked over a real connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from studios import Running, running

from realtime.frame import RealtimeError
from realtime.studio.access import Access, Buckets, client_of, is_loopback
from realtime.studio.hosting import Wish, opened
from realtime.studio.serving import bind

_TOKEN = "a-token-for-the-tests"
_JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def open_one(place: Path) -> Iterator[Running]:
    """A studio for this machine alone, which asks nobody for a token."""
    with running(place) as one:
        yield one


@pytest.fixture
def shut_one(tmp_path: Path) -> Iterator[Running]:
    """A studio that asks everybody for a token."""
    with running(tmp_path, wish=Wish(port=0, token=_TOKEN, open=False)) as one:
        yield one


def _raw(root: str, data: bytes, wait: float = 5.0) -> bytes:
    """What comes back for bytes that no client would send."""
    parts = urlsplit(root)
    with socket.create_connection((parts.hostname, parts.port), timeout=wait) as connection:
        connection.sendall(data)
        got = b""
        while True:
            try:
                more = connection.recv(65536)
            except (TimeoutError, ConnectionResetError):
                return got
            if not more:
                return got
            got += more


def _get(root: str, path: str) -> bytes:
    return _raw(root, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1"))


# Names


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5:8321", "", "localhost.evil.example:80", "0.0.0.0"])
def test_a_name_that_somebody_points_here_is_not_answered(open_one: Running, host: str) -> None:
    answer = open_one.client.get("/api/state", headers={"host": host})
    assert answer.status_code in (400, 421)
    assert "settings" not in answer.text


@pytest.mark.parametrize("host", ["[::1", "[zz]", ""])
def test_a_name_that_is_none_is_refused_and_fills_no_log(open_one: Running, host: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = _raw(open_one.root, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 421")
    assert not caplog.records


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9000", "[::1]:1", "studio.localhost"])
def test_names_of_this_machine_are_answered(open_one: Running, host: str) -> None:
    assert open_one.client.get("/api/presets/none", headers={"host": host}).status_code == 405


# Tokens


def test_without_a_token_nothing_is_told(shut_one: Running) -> None:
    for path in ("/", "/call", "/source", "/api/state", "/api/events", "/source.mjpg", "/static/studio.js", "/overlay/0", "/no"):
        answer = shut_one.client.get(path)
        assert answer.status_code == 401, path
        assert "settings" not in answer.text
    assert shut_one.client.post("/api/stop", json={}).status_code == 401


def test_the_printed_link_opens_and_the_address_keeps_no_token(shut_one: Running) -> None:
    link = shut_one.house.links[0].split()[-1]
    assert link == f"{shut_one.root}/?token={_TOKEN}"
    answer = shut_one.client.get("/", params={"token": _TOKEN, "view": "a&b"})
    assert answer.status_code == 200
    assert 'content="0; url=/?view=a%26b"' in answer.text
    assert _TOKEN not in answer.text
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert shut_one.client.get("/api/state").status_code == 200, "the client kept the cookie"


def test_bearer_opens_too(shut_one: Running) -> None:
    assert shut_one.client.get("/api/state", headers={"authorization": f"Bearer {_TOKEN}"}).status_code == 200


@pytest.mark.parametrize("wrong", ["x", _TOKEN[:-1], _TOKEN + "x", _TOKEN.upper(), "ä" * 20, "a" * 10000])
def test_a_wrong_token_opens_nothing(shut_one: Running, wrong: str) -> None:
    answer = shut_one.client.get("/", params={"token": wrong})
    assert answer.status_code in (401, 403)
    assert "set-cookie" not in answer.headers
    assert shut_one.client.get("/api/state", headers={"authorization": f"Bearer {wrong}".encode()}).status_code in (401, 403)


def test_guessing_is_slowed_down_and_the_right_token_is_not_found_by_it(shut_one: Running) -> None:
    answers = [shut_one.client.get("/", params={"token": f"guess-{number}"}).status_code for number in range(12)]
    assert answers[:8] == [403] * 8
    assert set(answers[9:]) == {429}
    # Who asks while guesses are stopped learns nothing, not even by the right one.
    answer = shut_one.client.get("/", params={"token": _TOKEN})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_another_site_cannot_use_up_the_guesses(shut_one: Running) -> None:
    for number in range(12):
        headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
        assert shut_one.client.get("/", params={"token": f"guess-{number}"}, headers=headers).status_code == 403
    # A link in a letter is another thing.
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert shut_one.client.get("/", params={"token": _TOKEN}, headers=headers).status_code == 200


def test_a_visitors_link_opens_the_call_and_nothing_else(shut_one: Running) -> None:
    visitor = shut_one.house.access.visitor
    assert shut_one.client.get("/call", params={"token": visitor}).status_code == 200
    assert shut_one.client.get("/static/call.js").status_code in (200, 404)
    for path in ("/", "/api/state", "/api/events", "/source", "/source.mjpg", "/api/cameras", "/api/models"):
        assert shut_one.client.get(path).status_code == 403, path
    assert shut_one.client.post("/api/settings", json={"path": ["swap", "shape"], "value": 0}).status_code == 403


def test_an_owner_who_tries_the_visitors_link_stays_the_owner(shut_one: Running) -> None:
    shut_one.client.get("/", params={"token": _TOKEN})
    shut_one.client.get("/call", params={"token": shut_one.house.access.visitor})
    assert shut_one.client.get("/api/state").status_code == 200
    access = shut_one.house.access
    old = {"cookie": f"{access.cookie}=a-token-of-before; {access.cookie}-call={access.visitor}"}
    assert access.scope(access.given(old)) == "call"


def test_no_token_is_ever_logged(shut_one: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    shut_one.client.get("/", params={"token": _TOKEN})
    shut_one.client.get("/api/state")
    shut_one.client.get("/nothing", params={"token": _TOKEN})
    assert not [line for line in caplog.records if _TOKEN in line.getMessage() and not line.name.startswith(("httpx", "httpcore"))]


# Other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_changes_nothing(open_one: Running, headers: dict[str, str]) -> None:
    before = open_one.house.show.settings
    for kind in ("application/json", "text/plain"):
        body = json.dumps({"path": ["swap", "shape"], "value": 0.123})
        answer = open_one.client.post("/api/settings", content=body, headers={**headers, "content-type": kind})
        assert answer.status_code in (403, 415)
    for path in ("/api/stop", "/api/start", "/api/undo", "/api/save"):
        assert open_one.client.post(path, headers=headers).status_code == 403
    assert open_one.client.delete("/api/presets/x", headers=headers).status_code == 403
    assert open_one.house.show.settings == before


def test_another_site_cannot_look_either(open_one: Running) -> None:
    picture = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert open_one.client.get("/source.mjpg", headers=picture).status_code == 403
    frame = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert open_one.client.get("/", headers=frame).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert open_one.client.get("/", headers=link).status_code in (200, 404)


def test_a_form_of_an_old_browser_changes_nothing(open_one: Running) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        assert open_one.client.post("/api/stop", content=b"a=b", headers={"content-type": kind}).status_code == 415
    assert open_one.client.post("/api/stop").status_code == 403


def test_the_own_page_and_scripts_may(open_one: Running) -> None:
    for headers in ({"origin": open_one.root}, {"sec-fetch-site": "same-origin"}, {}):
        answer = open_one.client.post("/api/settings", json={"path": ["swap", "eyes"], "value": 0.5}, headers=headers)
        assert answer.status_code == 200, answer.text


def test_nothing_is_said_to_other_sites_about_what_they_may(open_one: Running) -> None:
    asks = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = open_one.client.request("OPTIONS", "/api/settings", headers=asks)
    assert answer.status_code == 405
    for one in (answer, open_one.client.get("/api/state", headers={"origin": open_one.root})):
        assert not [name for name in one.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/api/state", "/nothing", "/static/nothing.js"])
def test_browsers_are_bound(open_one: Running, path: str) -> None:
    headers = open_one.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/static/..\\app.py",
        "/static//etc/passwd",
        "//etc/passwd",
        "/static/studio.html%00.js",
        "/static/%252e%252e/app.py",
        "/static/.",
        "/static/",
        "/static/__init__.py",
        "/static/STUDIO.HTML/",
        "/overlay/../../etc/passwd",
        "/overlay/-1",
        "/overlay/0x0",
        "/overlay/99999999999999999999999",
        "/../etc/passwd",
        "/api/sources/..%2f..%2fsecret/thumbnail",
        "/api/sources/%2e%2e/thumbnail",
        "/api/sources/.hidden/thumbnail",
        "/%ff%fe",
        "/static/\x01",
    ],
)
def test_no_path_reaches_a_file(open_one: Running, path: str) -> None:
    answer = _get(open_one.root, path)
    status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 400
    assert 400 <= status < 500, answer[:200]
    assert b"root:" not in answer
    assert b"import annotations" not in answer


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/settings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /api/settings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_are_refused_or_dropped(open_one: Running, request_line: bytes) -> None:
    answer = _raw(open_one.root, request_line, 1.0)
    assert not answer or int(answer.split(b" ", 2)[1]) in (400, 403, 415, 421, 431)
    assert open_one.client.get("/api/state").status_code == 200


# Sizes


def test_a_hundred_megabytes_are_refused_before_they_are_in_memory(open_one: Running) -> None:
    name = open_one.client.post("/api/enrolments", json={}).json()["id"]
    process, amount, sent = psutil.Process(), 100 << 20, 0
    before = process.memory_info().rss
    for path, kind in ((f"/api/enrolments/{name}/photos", "image/jpeg"), ("/api/settings", "application/json")):
        parts = urlsplit(open_one.root)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        connection.putrequest("POST", path)
        connection.putheader("Content-Type", kind)
        # In pieces, so that no length is told beforehand.
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        try:
            for _ in range(amount >> 20):
                connection.send(piece)
                sent += 1
            status = connection.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            status = 413
        connection.close()
        assert status == 413
    assert sent < 80, "the server closed the door long before the end"
    assert process.memory_info().rss - before < 64 << 20


def test_a_length_that_is_too_large_is_refused_by_its_number(open_one: Running) -> None:
    head = b"POST /api/settings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n"
    answer = _raw(open_one.root, head)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"problem"' in answer


def test_json_that_goes_very_deep_breaks_nothing(open_one: Running) -> None:
    body = b'{"path":["swap"],"value":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
    answer = open_one.client.post("/api/settings", content=body, headers=_JSON)
    assert 400 <= answer.status_code <= 500
    assert "problem" in answer.json()
    assert open_one.client.get("/api/state").status_code == 200


# Numbers


def test_two_hundred_connections_are_answered(open_one: Running) -> None:
    parts = urlsplit(open_one.root)
    connections = [socket.create_connection((parts.hostname, parts.port), timeout=30) for _ in range(200)]
    try:
        for connection in connections:
            connection.sendall(b"GET /api/presets/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heads = [connection.recv(12) for connection in connections]
        assert set(heads) == {b"HTTP/1.1 405"}
        assert open_one.client.get("/api/state").status_code == 200
    finally:
        for connection in connections:
            connection.close()


def test_more_connections_than_there_may_be_lose_theirs_and_the_others_go_on(open_one: Running) -> None:
    parts = urlsplit(open_one.root)
    first = socket.create_connection((parts.hostname, parts.port), timeout=30)
    more = [socket.create_connection((parts.hostname, parts.port), timeout=30) for _ in range(450)]
    try:
        time.sleep(0.5)
        first.sendall(b"GET /api/presets/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert first.recv(12) == b"HTTP/1.1 405"
    finally:
        for connection in (first, *more):
            connection.close()
    time.sleep(0.3)
    assert open_one.client.get("/api/state").status_code == 200


def test_pages_that_listen_are_counted(open_one: Running) -> None:
    parts = urlsplit(open_one.root)
    listeners = [socket.create_connection((parts.hostname, parts.port), timeout=30) for _ in range(70)]
    try:
        for connection in listeners:
            connection.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heads = [connection.recv(12) for connection in listeners]
        assert heads.count(b"HTTP/1.1 200") == 64
        assert heads.count(b"HTTP/1.1 503") == 6
    finally:
        for connection in listeners:
            connection.close()


def test_a_client_that_asks_without_end_has_to_wait(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        # A clock that stands still, for a busy machine may ask no faster than is allowed.
        now = [time.monotonic()]
        one.house.access.requests._now = lambda: now[0]
        statuses = [one.client.get("/nothing").status_code for _ in range(420)]
        assert statuses[0] == 404
        assert set(statuses[401:]) == {429}
        now[0] += 0.2
        assert one.client.get("/nothing").status_code == 404


def test_buckets_fill_again_and_forget_whom_they_did_not_see_for_long() -> None:
    now = [0.0]
    buckets = Buckets(2, 0.5, lambda: now[0])
    assert [buckets.take("a"), buckets.take("a")] == [0.0, 0.0]
    assert buckets.take("a") == pytest.approx(2.0)
    assert buckets.take("b") == 0.0
    now[0] = 2.0
    assert buckets.take("a") == 0.0
    for number in range(10_000):
        buckets.take(str(number))
    assert len(buckets._left) <= 4096


def test_a_body_that_does_not_come_is_given_up(open_one: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.studio.guard._PATIENCE", 0.3)
    head = b"POST /api/settings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    assert _raw(open_one.root, head).startswith(b"HTTP/1.1 408")


def test_a_body_that_comes_in_drops_is_given_up(open_one: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.studio.guard._PATIENCE", 0.5)
    monkeypatch.setattr("realtime.studio.guard._SLOWEST", 1 << 20)
    parts = urlsplit(open_one.root)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        connection.sendall(b"POST /api/wear HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n")
        connection.settimeout(0.2)
        for _ in range(30):
            with contextlib.suppress(TimeoutError):
                got = connection.recv(4096)
                break
            connection.sendall(b" ")
        else:
            raise AssertionError("it waits for ever")
    assert got.startswith(b"HTTP/1.1 408")


def test_who_begins_another_request_and_says_no_more_loses_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.studio.connection._SPEAK", 0.5)
    with running(tmp_path) as one:
        parts = urlsplit(one.root)
        with socket.create_connection((parts.hostname, parts.port), timeout=8) as connection:
            for _ in range(2):
                connection.sendall(f"GET /api/call HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
                time.sleep(0.8)
                assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.sendall(b"G")
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_who_says_nothing_loses_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.studio.connection._SPEAK", 0.3)
    with running(tmp_path) as one:
        assert _raw(one.root, b"GET / HTTP/1.1\r\nHost:", 3.0) == b""


# Clients, hosts, beyond this machine


def test_who_a_client_is() -> None:
    assert client_of("192.0.2.7") == "192.0.2.7"
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert client_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert is_loopback("127.8.8.8")
    assert is_loopback("[::1]")
    assert not is_loopback("192.0.2.7")
    assert not is_loopback("localhost.example")


def test_tokens_are_told_apart() -> None:
    access = Access("a" * 32, 1, False, True)
    assert access.scope("a" * 32) == "all"
    assert access.scope(access.visitor or "") == "call"
    assert access.scope("") == access.scope("b") == "none"
    assert "Secure" in access.baked("x")


def test_beyond_this_machine_there_is_https_and_a_token_that_outlives_a_restart(tmp_path: Path, home: Path) -> None:
    wish = Wish(host="0.0.0.0", port=0, open=False)
    with running(tmp_path, wish=wish) as one:
        assert one.root.startswith("https://")
        assert one.client.get("/api/state").status_code == 401
        token = one.house.access.token
        assert one.client.get("/api/state", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert token is not None
        assert len(token) >= 24
        assert f"?token={token}" in one.house.links[0]
    for name in ("token", "key.pem", "certificate.pem"):
        assert (home / "studio" / name).stat().st_mode & 0o077 == 0
    first = (home / "studio" / "certificate.pem").read_bytes()
    with opened(one.house.show.settings, wish, None, tmp_path) as again:
        assert again.access.token == token
    assert (home / "studio" / "certificate.pem").read_bytes() == first


def test_the_certificate_is_one_for_this_machines_names(tmp_path: Path, home: Path) -> None:
    with running(tmp_path, wish=Wish(host="0.0.0.0", port=0, open=False)) as one:
        trusting = ssl.create_default_context(cafile=str(home / "studio" / "certificate.pem"))
        for name in ("127.0.0.1", "localhost"):
            with httpx.Client(verify=trusting) as client:
                assert client.get(f"https://{name}:{one.house.access.port}/").status_code == 401


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(port=70000), "no port"),
        (Wish(host="192.0.2.200", port=0), "no address of this machine"),
        (Wish(host="no such host", port=0), "no such address"),
        (Wish(port=0, token="short"), "at least 12"),
        (Wish(port=0, token="with spaces in it"), "at least 12"),
        (Wish(port=0, key=Path("key.pem")), "--certificate"),
        (Wish(port=0, certificate=Path("nowhere.pem")), "no file nowhere.pem"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path: Path, wish: Wish, words: str) -> None:
    from studios import STILL

    with pytest.raises(RealtimeError, match=words), opened(STILL, wish, None, tmp_path):
        pass


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    taken = bind("127.0.0.1", 0)
    with pytest.raises(RealtimeError, match=r"in use.*--port"):
        bind("127.0.0.1", taken.getsockname()[1])
    taken.close()


def test_a_file_that_is_no_certificate_is_one_sentence(tmp_path: Path) -> None:
    from studios import STILL

    path = tmp_path / "certificate.pem"
    path.write_text("not one")
    with pytest.raises(RealtimeError, match="cannot be used"), opened(STILL, Wish(port=0, certificate=path), None, tmp_path):
        pass


def test_requests_from_many_threads_all_come_through(open_one: Running) -> None:
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=open_one.root, timeout=30) as client:
            statuses.extend(client.get("/api/state").status_code for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
