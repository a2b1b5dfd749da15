"""Reading JSON that somebody else wrote: absent and `null` are empty, another type is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

_T = TypeVar("_T")


class ShapeError(ValueError):
    """A field has the wrong type; the message names the field, never its value."""


def as_object(value: object, path: str) -> Mapping[str, Any]:
    """Take a value as an object."""
    if value is not None and not isinstance(value, dict):
        raise ShapeError(f"{path} is not an object")
    return value or {}


def as_str(value: object, path: str) -> str:
    """Take a value as a string."""
    if value is not None and not isinstance(value, str):
        raise ShapeError(f"{path} is not a string")
    return value or ""


def as_list(value: object, path: str) -> list[Any]:
    """Take a value as a list."""
    if value is not None and not isinstance(value, list):
        raise ShapeError(f"{path} is not a list")
    return value or []


# Those that read a field take the right type first: a page holds thousands of fields.


def get_object(parent: Mapping[str, Any], field: str, at: str = "") -> Mapping[str, Any]:
    """Read a field that is an object; `at` is the path of its parent, with its dot."""
    value = parent.get(field)
    return value if type(value) is dict else as_object(value, at + field)


def get_str(parent: Mapping[str, Any], field: str, at: str = "") -> str:
    """Read a field that is a string."""
    value = parent.get(field)
    return value if type(value) is str else as_str(value, at + field)


def get_list(parent: Mapping[str, Any], field: str, at: str = "") -> list[Any]:
    """Read a field that is a list."""
    value = parent.get(field)
    return value if type(value) is list else as_list(value, at + field)


def deferred(read: Callable[[], _T]) -> Callable[[], _T]:
    """Read now, and raise what is wrong when the value is asked for: what came before it counts."""
    try:
        value = read()
    except ShapeError as error:
        return _raising(error.with_traceback(None))  # which would keep all that was being read
    return lambda: value


def _raising(error: ShapeError) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def require_str(parent: Mapping[str, Any], field: str) -> str:
    """Read a field that is a string and must be there."""
    if not (found := get_str(parent, field)):
        raise ShapeError(f"{field} is missing")
    return found
