"""An HTTP answer as JSON or as the error that it stands for. No I/O.

The error body is the gRPC gateway's (google.rpc.Status in JSON: `code`, `message`, `details`);
older gateways add `error`, a text or an object of the same form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.client import responses
from types import MappingProxyType
from typing import Any

from indentapi.errors import IndentError, UnexpectedAnswerError, class_for

_LONGEST_TEXT = 200
_NOT_FOUND = 404
# A space itself, or one of its collections: what is not there is then the space.
_IN_A_SPACE = re.compile(r"/spaces/([^/]+)(?:/[^/:]+)?")
_NO_SPACE = "Is {} the name of your space? Set INDENT_SPACE or pass space_name="
_HINTS: Mapping[int, str] = MappingProxyType(
    {
        401: "Set INDENT_API_TOKEN or pass api_token=: a new access token from your space's "
        "settings, or from the .sandbox/env of a running sandbox",
        404: "Its space is what INDENT_SPACE or space_name= says",
    }
)


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
    unknown_space = status == _NOT_FOUND and _IN_A_SPACE.fullmatch(path)
    code, details = fields.get("code"), fields.get("details")
    return class_for(status)(
        said or text.strip()[:_LONGEST_TEXT] or responses.get(status, "no reason given"),
        method=method,
        path=path,
        status=status,
        code=code if isinstance(code, int) else None,
        details=[d for d in details if isinstance(d, dict)] if isinstance(details, list) else (),
        retry_after=retry_after,
        hint=_NO_SPACE.format(unknown_space[1]) if unknown_space else _HINTS.get(status, ""),
    )


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
