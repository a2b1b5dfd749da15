"""The HTTPS client: what is sent, and what counts as an answer."""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from handler.callers import indent
from handler.clock import Deadline
from handler.connection import USER_AGENT
from handler.http import Client, HttpError
from tests.handler.conftest import SetClock
from tests.handler.scripted import (
    CHUNKED,
    Answer,
    Scripted,
    failure_of,
    head,
    reply,
    write,
    write_and_close,
)

Serve = Callable[..., Scripted]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(b'{"a": [1]}'), id="with its length"),
        pytest.param(write_and_close(head() + b'{"a": [1]}'), id="until the connection ends"),
        pytest.param(write(CHUNKED + b'4\r\n{"a"\r\n6\r\n: [1]}\r\n0\r\n\r\n'), id="in chunks"),
        pytest.param(
            write(CHUNKED + b'a;x="y"\r\n{"a": [1]}\r\n0\r\nX-Trailer: 1\r\n\r\n'),
            id="in chunks, with an extension and a trailer",
        ),
        pytest.param(
            reply(b'{"a": [1]}', headers={"Connection": "close"}), id="the last of its connection"
        ),
        pytest.param(
            write_and_close(b'HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n{"a": [1]}'),
            id="in HTTP/1.0",
        ),
        pytest.param(reply('{"a": [1]}'.encode("utf-16")), id="in UTF-16"),
        pytest.param(
            write(head(100) * 3 + head(200, {"Content-Length": "10"}) + b'{"a": [1]}'),
            id="after 100 Continue",
        ),
        pytest.param(reply(b'{"a": [1]}', 201), id="201"),
    ],
)
def test_reads_json(answer: Answer, client: Client, serve: Serve, set_clock: SetClock) -> None:
    """A 2xx response is read to its end, however it is framed."""
    server = serve(answer)
    assert client.get_json(server.url, {}, set_clock.deadline()) == {"a": [1]}
    assert client.get_json(server.url, {}, set_clock.deadline()) == {"a": [1]}
    assert set_clock.waits == []


def test_sends_what_it_is_given(client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Method, path, query, headers and body arrive as they were given."""
    server = serve(reply(b"yes"))
    output = client.send(
        "POST", f"{server.url}/a%20b?c=d%5Be%5D", {"X-Key": "v"}, b"body", set_clock.deadline()
    )
    assert output == b"yes"
    (asked,) = server.requests
    assert (asked.method, asked.target, asked.body) == ("POST", "/a%20b?c=d%5Be%5D", b"body")
    assert asked.headers["x-key"] == "v"
    assert asked.headers["user-agent"] == USER_AGENT
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(("path", "target"), [("", "/"), ("?a=b", "/?a=b"), ("/c", "/c")])
def test_asks_for_json_at_any_path(
    path: str, target: str, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A URL without a path means "/"; the request accepts JSON, and no compression."""
    server = serve(reply())
    client.get_json(server.url + path, {}, set_clock.deadline())
    assert server.requests[0].target == target
    assert server.requests[0].headers["accept"] == "application/json"
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"\xff\xfe\xfd",
        b'{"a": ',
        b"[" * 100_000 + b"]" * 100_000,
        b"1" * 5_000,
    ],
    ids=["nothing", "HTML", "no text", "half of it", "nested absurdly deep", "an absurd number"],
)
def test_a_body_that_is_not_json(
    body: bytes, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A 200 that is not JSON is a failure: it is not retried, and never quoted."""
    server = serve(reply(body))
    assert str(failure_of(client, server, set_clock.deadline())) == "the response is not JSON"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [203, 204])
def test_empty_success(status: int, client: Client, serve: Serve, set_clock: SetClock) -> None:
    """Any 2xx is a success for `send`, even without a body."""
    server = serve(reply(b"", status))
    assert client.send("GET", server.url, {}, None, set_clock.deadline()) == b""


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 409, 422])
def test_other_statuses_fail_at_once(
    status: int, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """They are not retried; the error has the body, and the message does not."""
    body = b"" if status == 304 else b'{"secret": "s3cret"}'
    server = serve(reply(body, status))
    error = failure_of(client, server, set_clock.deadline())
    assert (str(error), error.status, error.body) == (f"answered {status}", status, body)
    assert len(server.requests) == 1


def test_another_way_to_connect(serve: Serve, set_clock: SetClock) -> None:
    """A client can be given another way to connect to some hosts; its errors are failures."""
    server, asked = serve(reply(b"[1]")), []

    def connect(host: str, port: int, _: Deadline) -> socket.socket | None:
        asked.append((host, port))
        if port == 2:
            raise HttpError("no way leads there")
        return socket.create_connection(("127.0.0.1", server.port)) if port == 1 else None

    client = Client(set_clock.clock, connect)
    assert client.get_json("http://localhost:1/", {}, set_clock.deadline()) == [1]
    assert client.get_json(server.url, {}, set_clock.deadline()) == [1]
    with pytest.raises(HttpError, match=r"^no way leads there$"):
        client.get_json("http://127.0.0.1:2/", {}, set_clock.deadline())
    client.close()
    assert asked == [("localhost", 1), ("127.0.0.1", server.port), ("127.0.0.1", 2)]
    assert server.requests[0].headers["host"] == "localhost:1"


PAGE = b"\xef\xbb\xbf\r\n<!DOCTYPE html><html><body>Forbidden by s3cret</body></html>"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((status, PAGE) for status in (401, 402, 403, 407)),
        (403, b"Access Denied"),
        (403, b"error code: 1020"),
        (407, b""),
        (407, b'{"a": 1}'),
    ],
)
def test_refusals_of_a_proxy(
    status: int, body: bytes, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """An API sends no HTML page: the error gives no hint about the key, and no quote."""
    server = serve(reply(body, status))
    error = failure_of(client, server, set_clock.deadline())
    output = f"a firewall or proxy in front of 127.0.0.1 refused the request ({status})"
    assert (str(error), error.status) == (output, status)
    assert str(error.with_hint("; the key is wrong")) == output
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b"Client must be authenticated to access this resource."),
        (401, b""),
        (403, b""),
        (403, b' {"message": "<html>"}'),
        (403, b'["no"]'),
        (404, PAGE),
        (422, PAGE),
        (503, PAGE),
    ],
)
def test_refusals_of_the_provider(
    status: int, body: bytes, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """JSON, an empty body, or a page where it means nothing else is the provider's answer."""
    error = failure_of(client, serve(reply(body, status)), set_clock.deadline())
    assert str(error) == f"answered {status}"
    assert str(error.with_hint("; a hint")) == f"answered {status}; a hint"
    assert error.with_hint("").status == status


def test_too_many_open_files(
    client: Client, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a failure like any other."""

    def none(*_: object) -> object:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", none)
    with pytest.raises(HttpError, match=r"^connection failed \(OSError\)$"):
        client.get_json("http://localhost", {}, set_clock.deadline())


def test_user_agent() -> None:
    """Every request's User-Agent has the version of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"{project['name']}/{project['version']}" == USER_AGENT
    assert project["name"] == indent.NAME
