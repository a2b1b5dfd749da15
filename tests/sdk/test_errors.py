"""The exceptions, and which error response raises which."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import indentapi
import pytest
from indentapi import IndentAPI, IndentError
from indentapi.errors import error_from_response
from scripted_api import Response, ScriptedApi

RESPONSES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "error_responses.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", RESPONSES.values(), ids=RESPONSES)
def test_recorded_error(case: dict[str, Any], api: ScriptedApi, indent: IndentAPI) -> None:
    """Each status has its class; message, code and details are kept."""
    api.respond_with(Response(case["body"], case["status"], {"Location": "/v1/elsewhere"}))
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
    """The exception has the details of the body."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ROLE"}]
    api.respond_with(Response({"code": 7, "message": "no", "details": details}, 403))
    with pytest.raises(indentapi.PermissionDeniedError) as caught:
        indent.petition.get("aec1")
    assert [*caught.value.details] == details


@pytest.mark.parametrize("body", ["<html>", "[]", "7", '"text"'])
def test_answer_without_an_object(body: str, api: ScriptedApi, indent: IndentAPI) -> None:
    """A successful status with another body than an object is an error."""
    api.respond_with(Response(body))
    with pytest.raises(indentapi.UnexpectedAnswerError):
        indent.petition.get("aec1")


@pytest.mark.parametrize(
    "error",
    [
        indentapi.NotFoundError("x", method="GET", path="/y", status=404, code=5, details=[{}]),
        indentapi.PetitionTimeoutError("x", {"name": "n", "spaceName": "s"}),
    ],
)
def test_errors_can_be_pickled(error: IndentError) -> None:
    """Exceptions can be pickled."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled right here
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))


def test_one_base_class() -> None:
    """Every exception of the package is an IndentError."""
    classes = [getattr(indentapi, name) for name in indentapi.__all__ if name.endswith("Error")]
    assert all(issubclass(c, IndentError) for c in classes)


@pytest.mark.parametrize(
    ("status", "path", "hint"),
    [
        (401, "/spaces/acmecorp/petitions", "Set INDENT_API_TOKEN or pass api_token="),
        (404, "/spaces/acmecorp/petitions", "Is acmecorp the name of your space? Set INDENT_SPACE"),
        (404, "/spaces/acmecorp", "Is acmecorp the name of your space? Set INDENT_SPACE"),
        (404, "/spaces/acmecorp/petitions/p", "INDENT_SPACE or space_name= is the space"),
        (404, "/spaces/acmecorp/resources:bulkDelete", "INDENT_SPACE or space_name= is the space"),
        (403, "/spaces/acmecorp/petitions", ""),
        (500, "/spaces/acmecorp/petitions", ""),
    ],
)
def test_hints_name_settings(status: int, path: str, hint: str) -> None:
    """If a setting may be the cause, the error names its variable after the API's message."""
    body = json.dumps({"code": 5, "message": "Not Found."})
    error = error_from_response(body, method="POST", path=path, status=status)
    assert error.message == "Not Found."
    assert hint in error.hint
    assert bool(hint) == bool(error.hint)
    sentence = f"Not Found (HTTP {status}). {hint}" if hint else f"Not Found. (HTTP {status})"
    assert f"POST {path}: {sentence}" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - made right here
