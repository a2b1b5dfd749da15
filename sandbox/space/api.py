"""One call to the API, read: who makes it, what is asked, what it brings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from handler.json_fields import as_record
from sandbox.space.errors import INVALID_ARGUMENT, ApiError
from sandbox.space.tokens import Owner
from sandbox.vendors.exchange import OK, Answer, Request


@dataclass(frozen=True, slots=True)
class Call:
    """A call by the owner of a token; `body` is the request message."""

    owner: Owner
    query: Mapping[str, list[str]]
    body: Mapping[str, Any]


Route = Callable[..., Answer]
Routes = dict[str, Route]


class HalfPairError(ValueError):
    """A text holds half a surrogate pair, which no UTF-8 can show."""


def read_json(raw: bytes) -> object:
    """Read JSON whose texts can be shown and sent on.

    Raises:
        ValueError, RecursionError: it is none; HalfPairError where a text is at fault.
    """
    value = json.loads(raw)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise HalfPairError("it holds half a surrogate pair") from None
    return value


def read(request: Request, owner: Owner) -> Call:
    """Read a call; ApiError where its body is no JSON object."""
    try:
        body = as_record(read_json(request.body) if request.body else {}, "the body")
    except HalfPairError as error:
        raise ApiError(INVALID_ARGUMENT, f"The body cannot be read: {error}.") from None
    except (ValueError, RecursionError):
        raise ApiError(INVALID_ARGUMENT, "The body is not a JSON object.") from None
    return Call(owner, request.query, body)


def unquoted(parts: Mapping[str, str]) -> dict[str, str]:
    """The names in a path, decoded."""
    return {name: unquote(part) for name, part in parts.items()}


def ok(body: object) -> Answer:
    """A call that went well."""
    return Answer(OK, body)
