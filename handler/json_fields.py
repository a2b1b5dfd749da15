"""Reads JSON that somebody else wrote: absent and `null` are empty, a wrong type is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from handler.durations import parse_instant
from handler.typing import Any, NoReturn, TypeAlias, TypeVar

_T = TypeVar("_T")
JsonObject: TypeAlias = Mapping[str, Any]


class ShapeError(ValueError):
    """A field has the wrong type. The message names the field, never its value."""


def as_object(value: object, path: str) -> JsonObject:
    """Read a value that is an object."""
    if value is not None and not isinstance(value, dict):
        raise ShapeError(f"{path} is not an object")
    return value or {}


def as_str(value: object, path: str) -> str:
    """Read a value that is a string."""
    if value is not None and not isinstance(value, str):
        raise ShapeError(f"{path} is not a string")
    return value or ""


def as_list(value: object, path: str) -> list[Any]:
    """Read a value that is a list."""
    if value is not None and not isinstance(value, list):
        raise ShapeError(f"{path} is not a list")
    return value or []


# These check for the right type first, which is faster: a page has thousands of fields.


def get_object(parent: JsonObject, field: str, at: str = "") -> JsonObject:
    """Read a field that is an object; `at` is its parent's path, with a dot at its end."""
    value = parent.get(field)
    return value if type(value) is dict else as_object(value, at + field)


def get_str(parent: JsonObject, field: str, at: str = "") -> str:
    """Read a field that is a string."""
    value = parent.get(field)
    return value if type(value) is str else as_str(value, at + field)


def get_list(parent: JsonObject, field: str, at: str = "") -> list[Any]:
    """Read a field that is a list."""
    value = parent.get(field)
    return value if type(value) is list else as_list(value, at + field)


def deferred(read: Callable[[], _T]) -> Callable[[], _T]:
    """Read now, but raise an error only when the value is used: what precedes it still counts."""
    try:
        value = read()
    except ShapeError as error:
        return _raising(error.with_traceback(None))  # a traceback keeps everything that was read
    return lambda: value


def _raising(error: ShapeError) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def require_str(parent: JsonObject, field: str) -> str:
    """Read a required field that is a string."""
    if not (text := get_str(parent, field)):
        raise ShapeError(f"{field} is missing")
    return text


def require_list(parent: JsonObject, field: str) -> list[Any]:
    """Read a required list. Treating a missing one as empty would hide its entries."""
    if parent.get(field) is None:
        raise ShapeError(f"{field} is missing")
    return get_list(parent, field)


def require_instant(parent: JsonObject, field: str) -> datetime:
    """Read a required RFC 3339 time."""
    if (instant := parse_instant(get_str(parent, field))) is None:
        raise ShapeError(f"{field} is not an RFC 3339 time")
    return instant


def read_entries(entries: Iterable[Any], read: Callable[[JsonObject], _T]) -> tuple[list[_T], int]:
    """Read objects, and count the unreadable ones, so that they don't hide the others."""
    values, unread = [], 0
    for entry in entries:
        try:
            values.append(read(as_object(entry, "an entry")))
        except ShapeError:
            unread += 1
    return values, unread
