"""The sandbox's HTTP server: whom it answers, what it sends, and cleanup."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from typing import Any

import pytest

from sandbox.local_server import HOST, LocalHandler, LocalServer, SecretPath, checked_by_service
from sandbox.vendors.incidentio import IncidentIO
from sandbox.wsgi import WsgiServer

PATIENCE = 20.0  # seconds until a test that waits for a thread fails
CORS = [
    ("Access-Control-Allow-Origin", "*"),
    ("access-control-allow-credentials", "true"),
    ("Vary", "Origin"),
]


class Echo(LocalHandler):
    """Answers with the request's body; a path of `/defect...` raises an error."""

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        """Answer, with headers that would let any site read the answer."""
        if self.path.startswith("/defect"):
            raise ValueError(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.reply(HTTPStatus.OK, body, CORS)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A running server."""
    with LocalServer(Echo, checked_by_service) as server:
        yield server


def connect(server: LocalServer) -> socket.socket:
    """Connect, with a timeout."""
    return socket.create_connection((HOST, server.port), PATIENCE)


def send(server: LocalServer, head: str, body: bytes = b"") -> bytes:
    """Send a raw request, with the server's authority for `OWN`, and return the answer."""
    with connect(server) as connection:
        connection.sendall(head.replace("OWN", server.authority).encode() + b"\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return answer.read()


def status(answer: bytes) -> int:
    """The status of an answer."""
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param("POST / HTTP/1.1\r\nHost: OWN\r\n", 200, id="its own"),
        pytest.param("POST / HTTP/1.0\r\nHost: OWN\r\n", 200, id="HTTP/1.0"),
        pytest.param("POST / HTTP/1.1\r\n", 421, id="no Host"),
        pytest.param("POST / HTTP/1.1\r\nHost:\r\n", 421, id="empty"),
        pytest.param("POST / HTTP/1.1\r\nHost: evil.example\r\n", 421, id="another"),
        pytest.param("POST / HTTP/1.1\r\nHost: OWN.evil.example\r\n", 421, id="it and more"),
        pytest.param("POST / HTTP/1.1\r\nHost: OWN, evil.example\r\n", 421, id="a list"),
        pytest.param("POST / HTTP/1.1\r\nHost: OWN\r\nHost: OWN\r\n", 421, id="twice"),
        pytest.param("POST / HTTP/1.1\r\nHost: OWN\r\nHost: evil\r\n", 421, id="two"),
        pytest.param("POST / HTTP/1.1\r\nHost: OWN\r\n .evil.example\r\n", 421, id="folded"),
        pytest.param("POST http://evil.example/ HTTP/1.1\r\nHost: OWN\r\n", 421, id="by target"),
        pytest.param("POST http://OWN/ HTTP/1.1\r\nHost: OWN\r\n", 421, id="absolute target"),
        pytest.param("POST * HTTP/1.1\r\nHost: OWN\r\n", 421, id="no path"),
    ],
)
def test_host(server: LocalServer, head: str, expected: int) -> None:
    """Only requests for the exact printed host are answered."""
    assert status(send(server, head)) == expected


@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        ([], True),
        (["Sec-Fetch-Site: same-origin"], True),
        (["Sec-Fetch-Site: none"], True),
        (["Origin: http://OWN"], True),
        (["Origin: http://OWN", "Sec-Fetch-Site: same-origin"], True),
        (["Origin: null", "Sec-Fetch-Site: same-origin"], True),
        (["Origin: null"], False),
        (["Origin: null", "Sec-Fetch-Site: none"], False),
        (["Origin: null", "Sec-Fetch-Site: cross-site"], False),
        (["Origin: http://OWN", "Sec-Fetch-Site: cross-site"], False),
        (["Origin: https://OWN"], False),
        (["Origin: http://localhost:1"], False),
        (["Origin: http://127.0.0.1"], False),
        (["Origin: https://evil.example"], False),
        (["Origin:"], False),
        (["Origin: http://OWN", "Origin: https://evil.example"], False),
        (["Sec-Fetch-Site: same-site"], False),
        (["Sec-Fetch-Site: cross-site"], False),
        (["Sec-Fetch-Site: whatever"], False),
        (["sec-fetch-site: CROSS-SITE"], False),
        (["Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"], False),
    ],
)
def test_site(server: LocalServer, headers: list[str], *, is_answered: bool) -> None:
    """Requests from other sites are refused, whatever other headers they have."""
    head = "\r\n".join(["POST / HTTP/1.1", "Host: OWN", *headers, ""])
    assert status(send(server, head)) == (200 if is_answered else 403)


def test_no_answer_lets_another_site_read(server: LocalServer) -> None:
    """The service's CORS headers are removed, the others kept."""
    answer = send(server, "POST / HTTP/1.1\r\nHost: OWN\r\n").lower()
    assert b"access-control" not in answer
    assert b"vary: origin" in answer


def test_refused_call_is_not_asked_for_its_body(server: LocalServer) -> None:
    """With `Expect: 100-continue`, a refused client gets the answer at once."""
    head = "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
    assert status(send(server, head.format("evil.example"))) == 421
    answer = send(server, head.format("OWN"), b"{}")
    assert status(answer) == 100
    assert b"HTTP/1.1 200 OK" in answer


def test_refused_client_may_send_all_before_it_reads(server: LocalServer) -> None:
    """A refused client gets its answer even if it sends a large body first."""
    body = b"POST / HTTP/1.1\r\n" * 200_000
    head = f"POST / HTTP/1.1\r\nHost: evil\r\nContent-Length: {len(body)}\r\n"
    answer = send(server, head, body)
    assert status(answer) == 421
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("{}/", 200),
        ("{}/more?x", 200),
        ("{}", 403),
        ("{}x/", 403),
        ("{}?/", 403),
        ("/x{}/", 403),
        ("/", 403),
        ("/x/..{}/", 403),
    ],
)
def test_secret_path(target: str, expected: int) -> None:
    """Only paths below the secret one are answered; each server has its own."""
    paths = [SecretPath(), SecretPath()]
    assert paths[0].prefix != paths[1].prefix
    with LocalServer(Echo, paths[0]) as server:
        head = "POST {} HTTP/1.1\r\nHost: OWN\r\n"
        assert status(send(server, head.format(target.format(paths[0].prefix)))) == expected
        refused = send(server, head.format(f"{paths[1].prefix}/"))
        assert status(refused) == 403
        assert paths[0].prefix.encode() not in refused


def test_closing_ends_all(server: LocalServer) -> None:
    """Closing, even twice, ends connections and threads, and frees the port."""
    before = set(threading.enumerate())
    with connect(server) as silent, connect(server) as idle:
        idle.sendall(f"POST / HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode())
        assert idle.recv(1000).startswith(b"HTTP/1.1 200 OK")
        server.close()
        server.close()
        assert silent.recv(1) == b""
        assert idle.recv(1) == b""
    assert not set(threading.enumerate()) - before
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_a_defect_is_shown(server: LocalServer, capfd: pytest.CaptureFixture[str]) -> None:
    """After a bug the client is disconnected, a traceback printed, and the next client served.

    Control characters from the client are escaped.
    """
    assert send(server, "POST /defect\x1b[2J\x07 HTTP/1.1\r\nHost: OWN\r\n") == b""
    assert status(send(server, "POST / HTTP/1.1\r\nHost: OWN\r\n")) == 200
    server.close()
    assert "ValueError: /defect\\x1b[2J\\x07\n" in capfd.readouterr().err


# WSGI applications.


@pytest.fixture
def application() -> Iterator[WsgiServer]:
    """An application below a path that answers with the call it received."""

    def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ANN401 - WSGI's own
        names = ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "HTTP_X_TWICE")
        values = [str(environ.get(name)) for name in names]
        body = environ["wsgi.input"].read() if environ["PATH_INFO"] != "/unread" else b""
        start_response("200 OK", [*CORS, ("Connection", "keep-alive")])
        return [" ".join(values).encode("latin-1"), b" ", body]

    with WsgiServer(echo, checked_by_service, mount_path="/at") as server:
        yield server


def test_application_gets_the_call(application: WsgiServer) -> None:
    """It gets mount path, decoded path, query, headers and body."""
    with closing(http.client.HTTPConnection(application.authority, timeout=PATIENCE)) as connection:
        for body in (b"{}", b"", iter([b"in ", b"chunks"])):
            connection.putrequest("PUT", "/at/a%20b/%C3%BC?q=%20")
            for value in ("1", "2"):
                connection.putheader("X-Twice", value)
            connection.putheader("X_Twice", "3")
            connection.putheader("Content-Type", "text/plain")
            if isinstance(body, bytes):
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
            else:
                connection.putheader("Transfer-Encoding", "chunked")
                connection.endheaders(body, encode_chunked=True)
            answer = connection.getresponse()
            body_of_answer = answer.read()
            assert body_of_answer.startswith(b"/at /a b/\xc3\xbc q=%20 text/plain 1,2 ")
            assert body_of_answer.endswith(body if isinstance(body, bytes) else b" in chunks")
            assert "Access-Control-Allow-Origin" not in answer.headers


def test_unread_body_ends_the_connection(application: WsgiServer) -> None:
    """An unread body isn't parsed as the next request."""
    body = b"GET /at/ HTTP/1.1\r\n\r\n"
    head = f"POST /at/unread HTTP/1.1\r\nHost: OWN\r\nContent-Length: {len(body)}\r\n"
    answer = send(application, head, body)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in answer


def test_incomplete_body(application: WsgiServer) -> None:
    """The application isn't called with an incomplete body."""
    head = "POST /at/ HTTP/1.1\r\nHost: OWN\r\nContent-Length: 9\r\n"
    assert send(application, head, b"{}") == b""


@pytest.fixture
def double() -> Iterator[IncidentIO]:
    """A double, which reads request bodies itself."""
    with IncidentIO("key") as double:
        yield double


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: x"],
        ["Content-Length: -1"],
        ["Content-Length: +2"],
        ["Content-Length: \u00b2"],
        ["Content-Length:"],
        ["Content-Length: 2, 2"],
        [f"Content-Length: {'9' * 16}"],
        [f"Content-Length: {'9' * 5000}"],
        ["Content-Length: 0", "Content-Length: 2"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked\x0b"],
    ],
)
def test_body_with_an_ambiguous_length(
    application: WsgiServer,
    double: IncidentIO,
    headers: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A body with an ambiguous length is refused, and not parsed as a request."""
    for server in (application, double._server):
        head = "\r\n".join(["POST /at/ HTTP/1.1", "Host: OWN", *headers, ""])
        answer = send(
            server, head, f"GET /at/ HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode()
        )
        assert status(answer) == 400
        assert answer.count(b"HTTP/1.1") == 1
    assert list(double.calls) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", f"Content-Length: {2**40}"])
def test_body_that_a_double_refuses(double: IncidentIO, header: str) -> None:
    """A double refuses chunked and huge bodies without reading them."""
    assert status(send(double._server, f"POST / HTTP/1.1\r\nHost: OWN\r\n{header}\r\n")) == 400
