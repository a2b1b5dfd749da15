"""The HTTPS client: which servers it talks to."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from handler.clock import Deadline
from handler.http import Client, HttpError
from tests.handler.conftest import SetClock
from tests.handler.scripted import (
    Exchange,
    Scripted,
    failure_of,
    head,
    reply,
    write_and_close,
    write_and_hang,
)
from tests.support.certificates import HERE, make_certificate, serve_tls

Serve = Callable[..., Scripted]
REFUSED = r"^the certificate of 127\.0\.0\.1 is not valid: "
ELSEWHERE = x509.DNSName("api.incident.io")
LOCAL = "localhost"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def test_a_trusted_server(
    client: Client, set_clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its certificate is trusted and valid for the name: it gets the request, once."""
    certificate = make_certificate(tmp_path, HERE, timedelta(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve_tls(certificate, reply(b"[1]")) as server:
        for _ in range(2):
            assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
        assert [request.connection for request in server.requests] == [1, 1]


@pytest.mark.parametrize(
    ("trusted", "name", "ends", "why"),
    [
        pytest.param(False, HERE, timedelta(days=1), "self-signed cert", id="signed by itself"),
        pytest.param(
            True, ELSEWHERE, timedelta(days=1), "IP address mismatch", id="another's name"
        ),
        pytest.param(True, HERE, timedelta(days=-1), "certificate has expired", id="expired"),
    ],
)
def test_an_untrusted_server(
    trusted: bool,  # noqa: FBT001 - a column of the table
    name: x509.GeneralName,
    ends: timedelta,
    why: str,
    client: Client,
    set_clock: SetClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that cannot prove its name gets no request, so no key, and no retry."""
    certificate = make_certificate(tmp_path, name, ends)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve_tls(certificate, reply()) as server:
        with pytest.raises(HttpError, match=REFUSED + why):
            client.get_json(server.url, {"Authorization": "Bearer k3y"}, set_clock.deadline())
        server.close()
        assert server.connections == 1
        assert server.requests == []


def test_a_trusted_server_that_hangs(
    client: Client,
    real_deadline: Callable[[float], Deadline],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The deadline applies within TLS."""
    certificate = make_certificate(tmp_path, HERE, timedelta(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        serve_tls(certificate, write_and_hang(b"HTTP/1.1 200 OK\r\n")) as server,
        pytest.raises(HttpError, match=r"^no complete answer in time$"),
    ):
        client.get_json(server.url, {}, real_deadline(0.3))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "connection failed (ConnectionResetError)", id="no response"),
        pytest.param(head() + b"[1]", "connection failed (ConnectionResetError)", id="no length"),
        pytest.param(
            head(200, {"Content-Length": "9"}) + b"[1]",
            "connection failed (ConnectionResetError)",
            id="within a length",
        ),
        pytest.param(head(200, {"Content-Length": "3"}) + b"[1]", "", id="after its length"),
    ],
)
def test_tls_that_is_cut_off(
    data: bytes,
    problem: str,
    client: Client,
    set_clock: SetClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the end of TLS, anybody in between may have ended the connection, and a body."""
    certificate = make_certificate(tmp_path, HERE, timedelta(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve_tls(certificate, write_and_close(data)) as server:
        if problem:
            assert str(failure_of(client, server, set_clock.deadline())) == problem
        else:
            assert client.get_json(server.url, {}, set_clock.deadline()) == [1]


def test_tls_that_ends(
    client: Client, set_clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it, a body without a length is whole."""
    certificate = make_certificate(tmp_path, HERE, timedelta(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    def answer(exchange: Exchange) -> None:
        exchange.write(head() + b"[1]")
        assert isinstance(exchange.connection, ssl.SSLSocket)
        exchange.connection.unwrap()
        raise ConnectionAbortedError

    with serve_tls(certificate, answer) as server:
        assert client.get_json(server.url, {}, set_clock.deadline()) == [1]


def test_the_default_port(
    client: Client, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a port, https means 443 and http means 80."""
    asked: list[object] = []

    def resolve(_host: str, port: object, *_: object) -> object:
        asked.append(port)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for host, url in (("api.incident.io", "https://api.incident.io"), (LOCAL, f"http://{LOCAL}")):
        with pytest.raises(HttpError, match=rf"^connection failed: {host} cannot be resolved$"):
            client.get_json(f"{url}/v2/schedules", {}, set_clock.deadline())
    assert asked == [443] * 3 + [80] * 3


@pytest.mark.parametrize(
    "url",
    [
        "http://api.incident.io/v2/schedules",
        "HTTP://API.INCIDENT.IO",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "http://example.com#@127.0.0.1",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::2]",
        "ftp://example.com",
        "//example.com",
        "/v2/schedules",
    ],
)
def test_plain_http_stays_on_this_machine(
    url: str, client: Client, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TLS, only this machine gets requests: no other name is even looked up."""
    looked_up: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: looked_up.append(args))
    with pytest.raises(
        HttpError, match=r"^plain HTTP is only allowed to this machine; use https://$"
    ):
        client.get_json(url, {}, set_clock.deadline())
    assert looked_up == []


@pytest.mark.parametrize(
    "url",
    ["https://[::1", "https://localhost:65536", "https://localhost:http", "http://localhost:-1"],
)
def test_malformed_addresses(
    url: str, client: Client, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A malformed address is a failure like others, before any lookup."""
    looked_up: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: looked_up.append(args))
    with pytest.raises(HttpError, match=r"^the URL is not valid$"):
        client.get_json(url, {}, set_clock.deadline())
    assert looked_up == []


@pytest.mark.parametrize(
    "host", ["a..b.example", ".example", "a" * 64 + ".example", f"{'a' * 60}." * 5]
)
def test_an_invalid_host(host: str, client: Client, set_clock: SetClock) -> None:
    """What no resolver accepts is a failure like others, which names the host."""
    output = rf"^connection failed: {re.escape(host)} cannot be resolved$"
    with pytest.raises(HttpError, match=output):
        client.get_json(f"https://{host}/v2", {}, set_clock.deadline())


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a b", {}),
        ("/\u00e4", {}),
        ("/\x7f", {}),
        ("/", {"X-Key": "k3y\r\nX: 1"}),
        ("/", {"X-Key": "\u00e4"}),
        ("/", {"X\n": "k3y"}),
    ],
)
def test_line_breaks_are_refused(
    path: str, headers: dict[str, str], client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """Nothing is sent, and no connection is opened."""
    server = serve(reply())
    with pytest.raises(HttpError, match=r"^the request has a character that can't be sent$"):
        client.get_json(server.url + path, headers, set_clock.deadline())
    server.close()
    assert server.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(
    status: int, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A redirect is a failure: its target gets no request, so no key."""
    target = serve(reply())
    server = serve(reply(b"", status, {"Location": f"{target.url}/"}))
    with pytest.raises(HttpError, match=f"^answered {status}$"):
        client.get_json(server.url, {"Authorization": "Bearer k3y"}, set_clock.deadline())
    assert len(server.requests) == 1
    target.close()
    assert target.connections == 0


def test_proxies_of_the_environment_are_ignored(
    client: Client,
    serve: Serve,
    set_clock: SetClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The provider is called directly."""
    proxy, server = serve(reply()), serve(reply(b"[1]"))
    for name in PROXIES:
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("no_proxy", "")
    certificate = make_certificate(tmp_path, HERE, timedelta(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve_tls(certificate, reply(b"[2]")) as secure:
        assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
        assert client.get_json(secure.url, {}, set_clock.deadline()) == [2]
    proxy.close()
    assert proxy.connections == 0
