"""Connections from an operator's machine, through its proxy where one is set."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult

import pytest
from cryptography import x509

from cli import proxies
from cli.proxies import UnreachableError, connector
from cli.webhook_client import SendError, send
from handler.app import SYSTEM_CLOCK
from handler.clock import Deadline
from handler.http import Client, HttpError
from tests.handler.scripted import Scripted, reply, tunnel, write, write_and_close, write_and_hang
from tests.support.certificates import make_certificate, serve_tls

HOST = "api.provider.test"
PASSWORD = "pa55:w@rd/x"
ENCODED = "pa55%3Aw%40rd%2Fx"
OK = write(b"HTTP/1.0 200 OK\r\nVia: proxy\r\n\r\n")


def deadline(seconds: float = 20.0) -> Deadline:
    """A deadline on the machine's clock."""
    return Deadline(SYSTEM_CLOCK, seconds)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for the provider's host that this machine trusts."""
    file = make_certificate(tmp_path, x509.DNSName(HOST), timedelta(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


def ask(environment: Mapping[str, str], seconds: float = 20.0) -> object:
    """Request JSON from the provider, as the commands do."""
    client = Client(SYSTEM_CLOCK, connector(environment))
    try:
        return client.get_json(
            f"https://{HOST}/v1", {"Authorization": "Bearer k3y"}, deadline(seconds)
        )
    finally:
        client.close()


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_provider_is_asked_through_the_proxy(variable: str, trusted: Path) -> None:
    """The proxy sees host and port only; the key goes through TLS to the provider."""
    with (
        serve_tls(trusted, reply(b"[1]")) as provider,
        Scripted(tunnel(provider.port)) as proxy,
    ):
        url = f"http://jane:{ENCODED}@127.0.0.1:{proxy.port}"
        assert ask({variable: url}) == [1]
    (asked,) = proxy.requests
    assert (asked.method, asked.target) == ("CONNECT", f"{HOST}:443")
    credentials = base64.b64encode(f"jane:{PASSWORD}".encode()).decode()
    assert asked.headers["proxy-authorization"] == f"Basic {credentials}"
    assert "authorization" not in asked.headers
    (request,) = provider.requests
    assert request.headers["authorization"] == "Bearer k3y"
    assert "proxy-authorization" not in request.headers


def test_a_webhook_is_called_through_the_proxy(trusted: Path) -> None:
    """A signed call to a webhook goes through the proxy as well."""
    with (
        serve_tls(trusted, reply(b'{"claims": []}')) as webhook,
        Scripted(tunnel(webhook.port)) as proxy,
    ):
        connect = connector({"HTTPS_PROXY": f"127.0.0.1:{proxy.port}"})
        assert send(f"https://{HOST}:8443/", "s" * 20, {}, connect=connect).http == 200
    assert [request.target for request in proxy.requests] == [f"{HOST}:8443"]


@pytest.mark.usefixtures("trusted")
def test_a_proxy_that_impersonates_the_provider(tmp_path: Path) -> None:
    """Without the provider's certificate in the tunnel, no key is sent."""
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other", x509.DNSName(HOST), timedelta(days=1))
    with serve_tls(other, reply()) as impostor, Scripted(tunnel(impostor.port)) as proxy:
        with pytest.raises(HttpError, match=r"^the certificate of \S+ is not valid: "):
            ask({"HTTPS_PROXY": proxy.url})
        assert impostor.requests == []


NAMED = r"the proxy 127\.0\.0\.1:\d+ \(HTTPS_PROXY\)"
WANTS = r"requires a user name and a password \(HTTP 407\); set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT"
WRONG_USER = r"does not accept the user name and password \(HTTP 407\); correct them in HTTPS_PROXY"
REFUSES = (
    r"refuses to connect to api\.provider\.test:443 \(HTTP {}\); ask its administrator to allow .+"
)
NO_HTTP = "doesn't answer as an HTTP proxy; check HTTPS_PROXY"
REFUSALS = {
    "no user is given": (reply(status=407), "", WANTS),
    "a wrong user": (reply(status=407), f"jane:{ENCODED}@", WRONG_USER),
    "a host that is not allowed": (reply(b"<html>", 403), "", REFUSES.format(403)),
    "a host that it cannot reach": (reply(b"<html>", 502), "", REFUSES.format(502)),
    "a redirect": (reply(b"", 302, {"Location": "https://x/"}), "", REFUSES.format(302)),
    "no HTTP": (write(b"SSH-2.0-x\r\n\r\n"), "", NO_HTTP),
    "a head without end": (write(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 20_000), "", NO_HTTP),
    "hangs up": (write_and_close(b"HTTP/1.1 200"), "", NO_HTTP),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_proxy_that_refuses(name: str) -> None:
    """The error names the proxy and its variable, but no password, and nothing is retried."""
    answer, userinfo, message = REFUSALS[name]
    with (
        Scripted(answer) as proxy,
        pytest.raises(HttpError, match=f"^{NAMED} {message}$") as refused,
    ):
        ask({"HTTPS_PROXY": f"http://{userinfo}127.0.0.1:{proxy.port}/"})
    assert proxy.connections == 1
    for secret in (PASSWORD, ENCODED, "pa55", "jane", "k3y"):
        assert secret not in str(refused.value)


def test_a_proxy_that_hangs() -> None:
    """The deadline also limits the proxy, and the error names it."""
    with Scripted(write_and_hang(b"HTTP/1.1 200 OK\r\n")) as proxy:
        message = (
            r"^the proxy 127\.0\.0\.1:\d+ \(ALL_PROXY\) doesn't answer in time; check ALL_PROXY$"
        )
        with pytest.raises(HttpError, match=message):
            ask({"ALL_PROXY": proxy.url}, seconds=1.5)


def test_a_proxy_whose_name_is_not_resolved_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline ends the wait even while the name is being resolved."""
    given_up, ended = threading.Event(), threading.Event()

    def resolve(*_: object) -> object:
        given_up.wait(20)
        ended.set()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        with pytest.raises(
            HttpError, match=r"^the proxy p\.test:80 \(ALL_PROXY\) doesn't answer in"
        ):
            ask({"ALL_PROXY": "p.test"}, seconds=1.5)
        assert not ended.is_set()
    finally:
        given_up.set()


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that the proxy refuses connections or can't be resolved."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(HttpError, match=r"\(https_proxy\) can't be reached \(Connection refus"):
            ask({"https_proxy": url})
    monkeypatch.setattr(socket, "getaddrinfo", _unknown)
    with pytest.raises(HttpError, match=r"^the proxy p\.test:80 \(HTTPS_PROXY\) can't be resolved"):
        ask({"HTTPS_PROXY": "p.test"})


def _unknown(*_: object) -> object:
    raise socket.gaierror


WRONG = "HTTPS_PROXY isn't a valid proxy address; write it like http://proxy.example.com:3128"
KIND = "HTTPS_PROXY begins with {}://, which isn't supported here; set HTTPS_PRO"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("https://jane:s3cr3t@proxy.test:3128", KIND.format("https")),
        ("socks5h://jane:s3cr3t@proxy.test:1080", KIND.format("socks5h")),
        ("SOCKS4://proxy.test", KIND.format("socks4")),
        ("s3cr3t://proxy.test", WRONG),
        ("http://jane:s3cr3t/x@proxy.test:3128", WRONG),
        ("http://jane:12/s3cr3t@proxy.test:3128", WRONG),
        ("http://jane:s3cr3t#x@proxy.test", WRONG),
        ("http://jane:12?s3cr3t@proxy.test", WRONG),
        ("http://proxy.test:s3cr3t", WRONG),
        ("http://proxy.test:99999", WRONG),
        ("http://[::1", WRONG),
        ("http://jane:s3cr3t@proxy..test", WRONG),
        (f"http://jane:s3cr3t@{'x' * 64}:3128", WRONG),
        ("http://jane:s3cr3t@pr\udcffxy.test", WRONG),
        ("http://", WRONG),
        ("://s3cr3t", WRONG),
    ],
)
def test_invalid_proxies_are_refused(value: str, message: str) -> None:
    """The error names the variable, and never its value, which may hold a password."""
    with pytest.raises(UnreachableError) as refused:
        connector({"HTTPS_PROXY": value})(HOST, 443, deadline())
    assert str(refused.value).startswith(message)
    assert "s3cr3t" not in str(refused.value)


class WentThroughError(Exception):
    """The connection goes through the proxy."""


@pytest.fixture
def _asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise an error with the proxy's address when a proxy is used."""

    def asked(way: SplitResult, *_: object) -> None:
        raise WentThroughError(way.hostname, way.port)

    monkeypatch.setattr(proxies, "Connection", asked)


def way_of(environment: Mapping[str, str], host: str = HOST) -> tuple[str, int] | None:
    """Return the proxy that a connection to the host uses, if any."""
    try:
        assert connector(environment)(host, 443, deadline()) is None
    except WentThroughError as asked:
        return asked.args
    return None


PROXY = "http://proxy.test:3128"
THROUGH, DIRECT = ("proxy.test", 3128), None


@pytest.mark.parametrize(
    ("host", "exceptions", "way"),
    [
        ("api.incident.io", "", THROUGH),
        ("api.incident.io", "incident.io", DIRECT),
        ("API.Incident.IO.", ".incident.io", DIRECT),
        ("api.incident.io", "*.incident.io", DIRECT),
        ("api.incident.io", "a.test, INCIDENT.IO", DIRECT),
        ("api.incident.io", "a.test incident.io", DIRECT),
        ("api.incident.io", "incident.io:443", DIRECT),
        ("api.incident.io", "incident.io:8443", THROUGH),
        ("api.incident.io", f"incident.io:{'4' * 5000}", THROUGH),
        ("api.incident.io", "*", DIRECT),
        ("xincident.io", "incident.io", THROUGH),
        ("incident.io.test", "incident.io", THROUGH),
        ("api.incident.io", ", . ,*.", THROUGH),
        ("10.1.2.3", "10.0.0.0/8", DIRECT),
        ("10.1.2.3", "10.1.2.3", DIRECT),
        ("10.1.2.3", "10.1.2.3:443", DIRECT),
        ("10.1.2.3", "10.1.2.3:80", THROUGH),
        ("10.1.2.3", "11.0.0.0/8,2.3,x/y", THROUGH),
        ("2001:db8::1", "2001:db8::/32", DIRECT),
        ("2001:db8::1", "[2001:DB8::1]:443", DIRECT),
        ("2001:db8::1", "2001:db8::2", THROUGH),
        ("localhost", "", DIRECT),
        ("LOCALHOST.", "", DIRECT),
        ("page.localhost", "", DIRECT),
        ("127.9.9.9", "", DIRECT),
        ("::1", "", DIRECT),
        ("::ffff:127.0.0.1", "", DIRECT),
        ("localhost.test", "", THROUGH),
    ],
)
@pytest.mark.usefixtures("_asks")
def test_hosts_that_use_the_proxy(host: str, exceptions: str, way: tuple[str, int] | None) -> None:
    """All hosts use the proxy, except this machine and those in NO_PROXY."""
    for name in ("no_proxy", "NO_PROXY"):
        assert way_of({"HTTPS_PROXY": PROXY, name: exceptions}, host) == way


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({}, DIRECT),
        ({"HTTP_PROXY": PROXY, "http_proxy": PROXY}, DIRECT),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other.test"}, THROUGH),
        ({"https_proxy": "", "HTTPS_PROXY": PROXY}, DIRECT),
        ({"https_proxy": "", "ALL_PROXY": PROXY}, THROUGH),
        ({"HTTPS_PROXY": PROXY, "ALL_PROXY": "socks5://other.test"}, THROUGH),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "", "NO_PROXY": "*"}, THROUGH),
    ],
)
@pytest.mark.usefixtures("_asks")
def test_order_of_variables(environment: dict[str, str], way: tuple[str, int] | None) -> None:
    """Lower case wins over upper case, even if empty, and HTTPS_PROXY over ALL_PROXY."""
    assert way_of(environment) == way


@pytest.mark.parametrize(
    ("host", "environment", "remedy"),
    [
        (HOST, {}, proxies.PROXY_REMEDY),
        (HOST, {"ALL_PROXY": PROXY, "NO_PROXY": HOST}, "NO_PROXY excludes it from the proxy of AL"),
        (HOST, {"HTTPS_PROXY": PROXY}, ""),
        ("127.0.0.1", {}, ""),
    ],
)
def test_remedies(host: str, environment: dict[str, str], remedy: str) -> None:
    """The remedy sets a proxy, or names NO_PROXY if that excludes the host."""
    advice = proxies.remedy_for(host, 443, environment)
    assert advice.startswith(remedy)
    assert bool(advice) is bool(remedy)


def test_a_webhook_that_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the host and the remedy."""
    monkeypatch.setattr(socket, "getaddrinfo", _unknown)
    with pytest.raises(SendError, match=f"{HOST} cannot be resolved; {proxies.PROXY_REMEDY}"):
        send(f"https://{HOST}/", "s" * 20, {}, connect=connector({}))


@pytest.mark.parametrize("host", ["a b", "a..b", "a\r\nX-Y: z", "ü" * 70])
def test_invalid_hosts_are_refused(host: str) -> None:
    """An invalid host name can't add a line to the request to the proxy."""
    with Scripted(OK) as proxy:
        with pytest.raises(UnreachableError, match=r"isn't a valid host name; correct it$"):
            connector({"HTTPS_PROXY": proxy.url})(host, 443, deadline())
        assert proxy.requests == []


def test_bytes_after_the_proxys_head_are_the_hosts() -> None:
    """Bytes after the head of the proxy's answer are the host's."""
    with Scripted(write(b"HTTP/1.1 200 OK\r\n\r\nthe host's")) as proxy:
        tunnelled = connector({"HTTPS_PROXY": proxy.url})(HOST, 443, deadline())
        assert tunnelled
        with tunnelled:
            assert tunnelled.recv(100) == b"the host's"
