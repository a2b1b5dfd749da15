"""What goes wrong, as exceptions."""

from __future__ import annotations

import json
import pickle
import socket
from pathlib import Path
from typing import Any

import indentapi
import pytest
from indentapi import (
    IndentAPI,
    IndentConnectionError,
    IndentError,
    IndentTimeoutError,
)
from indentapi.errors import error_from_response
from scripted_api import HANGS_UP, Says, ScriptedApi

RECORDED = sorted((Path(__file__).parent / "errors").glob("*.json"))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_recorded_error(file: Path, api: ScriptedApi, indent: IndentAPI) -> None:
    """Every status has its class; the body's words, code and details come through."""
    case: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    api.says(Says(case["body"], case["status"], {"Location": "/v1/elsewhere"}))
    with pytest.raises(IndentError) as caught:
        indent.petition.claims("aec1").create({"event": "access/approve"})
    error = caught.value
    assert type(error) is getattr(indentapi, case["raises"])
    assert (error.message, error.code, error.status) == (
        case["message"],
        case["code"],
        case["status"],
    )
    assert (error.method, error.path) == ("POST", "/spaces/acmecorp/petitions/aec1/claims")
    assert case["message"] in str(error)
    assert all("@type" in detail for detail in error.details)


def test_details_come_through(api: ScriptedApi, indent: IndentAPI) -> None:
    """The details of the body are the exception's."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ROLE"}]
    api.says(Says({"code": 7, "message": "no", "details": details}, 403))
    with pytest.raises(indentapi.PermissionDeniedError) as caught:
        indent.petition.get("aec1")
    assert [*caught.value.details] == details


@pytest.mark.parametrize("body", ["<html>", "[]", "7", '"text"'])
def test_answer_that_is_no_object(body: str, api: ScriptedApi, indent: IndentAPI) -> None:
    """A good status with something else in it is an error, not a result."""
    api.says(Says(body))
    with pytest.raises(indentapi.UnexpectedAnswerError):
        indent.petition.get("aec1")


def test_refused_connection() -> None:
    """An API that nobody listens for is a connection error, of the standard kind too."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        IndentAPI("a", "t", base_url=f"http://127.0.0.1:{port}", max_retries=0) as indent,
        pytest.raises(IndentConnectionError, match="refused") as caught,
    ):
        indent.resource.list()
    assert isinstance(caught.value, ConnectionError)


def test_silence_is_a_timeout() -> None:
    """An API that accepts and says nothing is a timeout, of the standard kind too."""
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
    """A connection that breaks before the answer is a connection error."""
    api.says(HANGS_UP)
    with pytest.raises(IndentConnectionError):
        indent.petition.delete("aec1")


@pytest.mark.parametrize(
    "error",
    [
        indentapi.NotFoundError("x", method="GET", path="/y", status=404, code=5, details=[{}]),
        indentapi.PetitionTimeoutError("x", {"name": "n", "spaceName": "s"}),
    ],
)
def test_errors_travel(error: IndentError) -> None:
    """An exception crosses a process boundary whole."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled right here
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))


def test_one_tree() -> None:
    """Every exception of the package is an IndentError."""
    named = [getattr(indentapi, name) for name in indentapi.__all__ if name.endswith("Error")]
    assert all(issubclass(one, IndentError) for one in named)


@pytest.mark.parametrize(
    ("status", "path", "hint"),
    [
        (401, "/spaces/acmecorp/petitions", "Set INDENT_API_TOKEN or pass api_token="),
        (404, "/spaces/acmecorp/petitions", "Is acmecorp the name of your space? Set INDENT_SPACE"),
        (404, "/spaces/acmecorp", "Is acmecorp the name of your space? Set INDENT_SPACE"),
        (404, "/spaces/acmecorp/petitions/p", "Its space is what INDENT_SPACE"),
        (404, "/spaces/acmecorp/resources:bulkDelete", "Its space is what INDENT_SPACE"),
        (403, "/spaces/acmecorp/petitions", ""),
        (500, "/spaces/acmecorp/petitions", ""),
    ],
)
def test_what_to_set(status: int, path: str, hint: str) -> None:
    """An error that a setting may have caused names the variable, after the API's own words."""
    body = json.dumps({"code": 5, "message": "Not Found."})
    error = error_from_response(body, method="POST", path=path, status=status)
    assert error.message == "Not Found."
    assert hint in error.hint
    assert bool(hint) == bool(error.hint)
    told = f"Not Found (HTTP {status}). {hint}" if hint else f"Not Found. (HTTP {status})"
    assert f"POST {path}: {told}" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - made right here


def test_an_api_that_cannot_be_reached_is_named() -> None:
    """The sentence has the address and the variable, and no object of the library's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with (
        IndentAPI("acmecorp", "t", base_url=url, max_retries=0) as indent,
        pytest.raises(IndentConnectionError) as caught,
    ):
        indent.petition.list()
    said = str(caught.value)
    assert f"{url} cannot be reached: check the network, or what INDENT_API_URL says" in said
    assert "object at" not in said
    assert "HTTPConnection" not in said
