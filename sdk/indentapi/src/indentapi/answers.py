"""An HTTP answer as JSON or as the error that it stands for. No I/O.

The error body is the gRPC gateway's (google.rpc.Status in JSON: `code`, `message`, `details`);
older gateways add `error`, a text or an object of the same form.
"""

from __future__ import annotations

import json
from http.client import responses
from typing import Any

from indentapi.errors import IndentError, UnexpectedAnswerError, class_for

_LONGEST_TEXT = 200


def read(text: str, *, method: str, path: str, status: int) -> dict[str, Any]:
    """The object in the body of a good answer; an empty body is an empty object.

    Raises:
        UnexpectedAnswerError: it is something else.
    """
    body = _parsed(text) if text.strip() else {}
    if not isinstance(body, dict):
        raise UnexpectedAnswerError(
            "the answer is no JSON object", method=method, path=path, status=status
        )
    return body


def error(
    text: str, *, method: str, path: str, status: int, retry_after: float | None = None
) -> IndentError:
    """The exception for a bad answer, in the API's own words where it has any."""
    body = _parsed(text)
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    nested = fields.get("error")
    if isinstance(nested, dict):
        fields = {**nested, **{k: v for k, v in fields.items() if k != "error"}}
    named = [fields.get("message"), nested]
    said = next((word for word in named if isinstance(word, str) and word), None)
    code, details = fields.get("code"), fields.get("details")
    return class_for(status)(
        said or text.strip()[:_LONGEST_TEXT] or responses.get(status, "no reason given"),
        method=method,
        path=path,
        status=status,
        code=code if isinstance(code, int) else None,
        details=[d for d in details if isinstance(d, dict)] if isinstance(details, list) else (),
        retry_after=retry_after,
    )


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
