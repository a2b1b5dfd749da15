"""How a list is filtered and cut into pages: `labelSelector`, `among`, `pageSize`, `pageToken`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.space import selectors
from sandbox.space.errors import INVALID_ARGUMENT, ApiError
from sandbox.vendors.server import OK, Response

Json = dict[str, Any]
_USUAL_SIZE = 50
_LARGEST_SIZE = 500


def asked(query: Mapping[str, list[str]], name: str) -> str:
    """A parameter's value, or ""."""
    return query.get(name, [""])[-1]


def page_of(
    query: Mapping[str, list[str]], field: str, rows: Sequence[tuple[str, Json]]
) -> Response:
    """The page of the rows (name and body) that a token asks for: what follows the row it names."""
    size, skipped = _size(asked(query, "pageSize")), 0
    names = [name for name, _ in rows]
    if token := asked(query, "pageToken"):
        last = _named(token)
        if last not in names:
            raise ApiError(INVALID_ARGUMENT, "pageToken is none of this list.")
        skipped = names.index(last) + 1
    page = rows[skipped : skipped + size]
    more = skipped + size < len(rows)
    body = {
        field: [body for _, body in page],
        "nextPageToken": _token(page[-1][0]) if more else "",
    }
    return Response(OK, body, page=1 + -(-skipped // size))


def selected(
    query: Mapping[str, list[str]], rows: Sequence[tuple[str, Json]]
) -> list[tuple[str, Json]]:
    """The rows whose labels the query's selector matches, among the names that it gives."""
    try:
        selector = selectors.parse(asked(query, "labelSelector"))
    except selectors.SelectorError as error:
        raise ApiError(INVALID_ARGUMENT, f"labelSelector: {error}.") from None
    among = query.get("among")
    return [
        (name, body)
        for name, body in rows
        if selectors.matches(selector, labels_of(body)) and (among is None or name in among)
    ]


def labels_of(body: Mapping[str, Any]) -> Mapping[str, str]:
    """A thing's labels: of its own, or of its `meta`."""
    found: Mapping[str, str] = body.get("labels") or body.get("meta", {}).get("labels", {})
    return found


def _size(told: str) -> int:
    if not told or told == "0":
        return _USUAL_SIZE
    if not (told.isascii() and told.isdecimal()):
        raise ApiError(INVALID_ARGUMENT, "pageSize is not a number.")
    return min(int(told[:9]), _LARGEST_SIZE)


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _named(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError):
        return ""
