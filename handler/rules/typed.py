"""Tuples with names that equal only those of their own type. No I/O."""

from __future__ import annotations

from typing import Any, TypeVar

_T = TypeVar("_T", bound=tuple[Any, ...])


def typed(cls: type[_T]) -> type[_T]:
    """Make instances of a named tuple differ from those of another that hold the same.

    A dataclass would, too, but loading that module takes longer than a call may wait.
    """
    cls.__eq__ = _equal  # type: ignore[method-assign]
    cls.__ne__ = _unequal  # type: ignore[assignment, method-assign]
    cls.__hash__ = _hash  # type: ignore[assignment, method-assign]
    return cls


def _equal(one: tuple[Any, ...], other: object) -> bool:
    return type(one) is type(other) and tuple.__eq__(one, other)


def _unequal(one: tuple[Any, ...], other: object) -> bool:
    return not _equal(one, other)


def _hash(one: tuple[Any, ...]) -> int:
    return hash((type(one), *one))
