"""`typing` for the handler: importing the real one takes a thirtieth of a cold start.

Type checkers and linters read the real names. At run time only `NamedTuple` does anything: the
other names are only in annotations and type aliases, where any object will do.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import (
        Any,
        ClassVar,
        NamedTuple,
        NoReturn,
        Protocol,
        Self,
        TypeAlias,
        TypeGuard,
        TypeVar,
    )
else:
    Any = ClassVar = NoReturn = Protocol = Self = TypeAlias = TypeGuard = object

    def TypeVar(_name: str, **_: object) -> type[object]:  # noqa: N802 - as in `typing`
        """Stand for a type variable, in an alias that is evaluated."""
        return object

    class _NamedTupleMaker(type):
        """Turns a class statement with fields into a named tuple, as `typing` does."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults)  # noqa: PYI024 - this makes it
            for attribute, value in body.items():
                setattr(made, attribute, value)
            return made

    class NamedTuple(metaclass=_NamedTupleMaker):
        """The base of a class whose annotated names are the fields of a tuple."""


__all__ = [
    "TYPE_CHECKING",
    "Any",
    "ClassVar",
    "NamedTuple",
    "NoReturn",
    "Protocol",
    "Self",
    "TypeAlias",
    "TypeGuard",
    "TypeVar",
]
