"""HTTP requests: retries, lost connections, and where the token goes."""

from __future__ import annotations

import socket
import traceback
from email.utils import formatdate
from pathlib import Path

import pytest
import requests
from indentapi import IndentAPI, IndentConnectionError, IndentError, IndentTimeoutError
from indentapi.transport import Failure, is_retryable, retry_delay
from scripted_api import HANG_UP, Response, ScriptedApi, ScriptedClock, petition


def _create(indent: IndentAPI) -> object:
    return indent.petition.create(reason="debug", resources=[{"kind": "action", "id": "x"}])


@pytest.mark.parametrize("answer", [HANG_UP, *(Response({}, s) for s in (408, 429, 500, 502, 503))])
def test_reading_is_repeated(
    answer: Response, api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock
) -> None:
    """A GET is retried twice, with growing pauses."""
    api.respond_with(answer, answer, petition("open"))
    assert indent.petition.get("aec1")["name"] == "aec1b116"
    assert len(api.requests) == 3
    first, second = clock.sleeps
    assert 0.375 <= first <= 0.5
    assert 0.75 <= second <= 1.0


def test_reading_is_given_up(api: ScriptedApi, indent: IndentAPI) -> None:
    """After two retries the last failure is raised."""
    api.respond_with(Response({"message": "down"}, 503))
    with pytest.raises(IndentError, match="down"):
        indent.petition.get("aec1")
    assert len(api.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_refusals_are_final(status: int, api: ScriptedApi, indent: IndentAPI) -> None:
    """Client errors aren't retried."""
    api.respond_with(Response({}, status))
    with pytest.raises(IndentError):
        indent.petition.get("aec1")
    assert len(api.requests) == 1


@pytest.mark.parametrize("answer", [HANG_UP, *(Response({}, s) for s in (408, 409, 500, 502, 503))])
def test_a_retry_never_makes_two_petitions(
    answer: Response, api: ScriptedApi, indent: IndentAPI
) -> None:
    """A create that may have succeeded isn't retried."""
    api.respond_with(answer, petition("open"))
    with pytest.raises(IndentError):
        _create(indent)
    assert len(api.requests) == 1


def test_a_create_is_repeated_when_refused_for_its_rate(
    api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock
) -> None:
    """After a 429 a create is retried, since nothing was done."""
    api.respond_with(Response({}, 429, {"Retry-After": "3"}), petition("open"))
    assert _create(indent)
    assert len(api.requests) == 2
    assert clock.sleeps == [3.0]


class _ServerComesUp(ScriptedClock):
    """The first sleep starts a server that accepts connections and never answers."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.listener: socket.socket | None = None

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        self.listener = self.listener or socket.create_server(("127.0.0.1", self.port), backlog=8)


def test_a_create_is_repeated_until_it_reaches_the_server() -> None:
    """A refused connection is retried; an unanswered request isn't."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    clock = _ServerComesUp(port)
    url = f"http://127.0.0.1:{port}"
    with (
        IndentAPI("a", "t", base_url=url, clock=clock, max_retries=5, timeout=0.05) as indent,
        pytest.raises(IndentTimeoutError),
    ):
        _create(indent)
    assert len(clock.sleeps) == 1
    assert clock.listener
    clock.listener.close()


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("7", 7.0),
        ("60", 60.0),
        (formatdate(1_705_314_600.0 + 30, usegmt=True), 30.0),
        (formatdate(1_705_314_600.0 - 30, usegmt=True), 0.0),
    ],
)
def test_retry_after_is_honoured(
    header: str, waits: float, api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock
) -> None:
    """The pause is that of Retry-After, in seconds or as a date."""
    api.respond_with(Response({}, 503, {"Retry-After": header}), petition("open"))
    indent.petition.get("aec1")
    assert clock.sleeps == [waits]


@pytest.mark.parametrize("header", ["61", "86400", formatdate(1_705_314_600.0 + 90, usegmt=True)])
def test_a_long_retry_after_is_the_callers_to_wait(
    header: str, api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock
) -> None:
    """A pause over 60 s raises an exception with its length."""
    api.respond_with(Response({}, 429, {"Retry-After": header}))
    with pytest.raises(IndentError) as caught:
        indent.petition.get("aec1")
    assert len(api.requests) == 1
    assert caught.value.retry_after
    assert caught.value.retry_after > 60
    assert not clock.sleeps


@pytest.mark.parametrize("header", ["soon", "-5", "1e3", ""])
def test_a_senseless_retry_after_is_ignored(
    header: str, api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock
) -> None:
    """An invalid Retry-After leaves the usual pause."""
    api.respond_with(Response({}, 503, {"Retry-After": header}), petition("open"))
    indent.petition.get("aec1")
    assert 0.375 <= clock.sleeps[0] <= 0.5


def test_within_bounds_all_tries(api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock) -> None:
    """With `within`, no pause exceeds the remaining time."""
    api.respond_with(Response({}, 503, {"Retry-After": "5"}))
    with pytest.raises(IndentError):
        indent.petition.get("aec1", within=7)
    assert clock.sleeps == [5.0]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writing_is_repeated_only_when_nothing_was_done(method: str) -> None:
    """Writing methods are retried only after a 429 or a refused connection."""
    statuses = (None, 408, 429, 500, 503)
    retried = [s for s in statuses if is_retryable(method, Failure(IndentError("x", status=s)))]
    assert retried == [429]
    assert is_retryable(method, Failure(IndentError("x"), connected=False))


def test_pauses_stop_growing() -> None:
    """Without Retry-After, no pause exceeds eight seconds."""
    assert 6 <= retry_delay(50, Failure(IndentError("x", status=503))) <= 8


def test_a_refused_connection(clock: ScriptedClock) -> None:
    """The error names address and variable, not the library's objects; 0 retries is one try."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    with (
        IndentAPI("acmecorp", "t", base_url=url, max_retries=0, clock=clock) as indent,
        pytest.raises(IndentConnectionError, match="refused") as caught,
    ):
        indent.petition.list()
    assert isinstance(caught.value, ConnectionError)
    message = str(caught.value)
    assert f"{url} cannot be reached: check the network, or INDENT_API_URL" in message
    assert "object at" not in message
    assert "HTTPConnection" not in message
    assert not clock.sleeps


def test_silence_is_a_timeout() -> None:
    """An API that doesn't answer raises a TimeoutError."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        IndentAPI(
            "a",
            "t",
            base_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            max_retries=0,
            timeout=0.05,
        ) as indent,
        pytest.raises(IndentTimeoutError) as caught,
    ):
        indent.resource.list()
    assert isinstance(caught.value, TimeoutError)


def test_hang_up_is_a_connection_error(api: ScriptedApi, indent: IndentAPI) -> None:
    """A connection that breaks before the answer raises a connection error."""
    api.respond_with(HANG_UP)
    with pytest.raises(IndentConnectionError):
        indent.petition.delete("aec1")


def test_the_token_is_never_shown(api: ScriptedApi) -> None:
    """The token isn't in any `repr`, error, cause or detail."""
    api.respond_with(
        Response({"message": "bad tok-secret", "details": [{"saw": "tok-secret"}]}, 401)
    )
    with IndentAPI("acmecorp", "tok-secret", base_url=api.url) as indent:
        assert "tok-secret" not in repr(indent) + repr(vars(indent)["_settings"])
        with pytest.raises(IndentError) as caught:
            indent.resource.list()
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value.details)
    assert "tok-secret" not in text
    assert caught.value.__context__ is None


def test_a_broken_connection_reveals_no_token(api: ScriptedApi) -> None:
    """The library's exception, which has the token's header, isn't chained."""
    api.respond_with(HANG_UP)
    with IndentAPI("acmecorp", "tok-secret", base_url=api.url, max_retries=0) as indent:
        with pytest.raises(IndentError) as caught:
            indent.resource.list()
        assert caught.value.__context__ is caught.value.__cause__ is None
        assert "tok-secret" not in repr(vars(caught.value)) + str(caught.value)


def test_netrc_does_not_replace_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in netrc for the API's host doesn't replace the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.example login jane password secret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with IndentAPI("acmecorp", "tok-1", base_url="https://api.example") as indent:
        session = indent._transport._session
        prepared_request = session.prepare_request(
            requests.Request("GET", "https://api.example/spaces")
        )
    assert prepared_request.headers["Authorization"] == "Bearer tok-1"


def test_proxies_do_not_get_local_calls(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local calls ignore the environment's proxies."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with IndentAPI("acmecorp", "t", base_url=api.url, max_retries=0) as indent:
        indent.resource.list()
    assert len(api.requests) == 1


def test_an_empty_answer_is_fine(api: ScriptedApi, indent: IndentAPI) -> None:
    """An answer without a body is accepted."""
    api.respond_with(Response(None, 204))
    indent.petition.delete("p")
    assert api.targets() == ["DELETE /spaces/acmecorp/petitions/p"]


def test_connections_are_kept(api: ScriptedApi, indent: IndentAPI) -> None:
    """Consecutive calls share a connection."""
    for _ in range(5):
        indent.resource.list()
    assert api.connections == 1
