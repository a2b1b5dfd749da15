"""Label selectors as Kubernetes writes them, as text and as JSON. No I/O.

Syntax: "Labels and Selectors" of the Kubernetes documentation. Keys are laxer than there, since
Indent's own hold colons and several slashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from handler.shapes import array, as_record, as_text, record, text

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]

_KEY = r"[\w./:-]+"
_VALUE = r"[\w./:@-]*"
_COMMA = re.compile(r",(?![^()]*\))")
_EQUALITY = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(((?:\s*{_VALUE}\s*,)*\s*{_VALUE}\s*)\)")
_PRESENCE = re.compile(rf"(!?)\s*({_KEY})")


class SelectorError(ValueError):
    """A selector that cannot be read; the message says which part."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it; an absent label is not in any set."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


Selector = tuple[Requirement, ...]


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether labels meet every requirement; a selector without any matches everything."""
    return all(each.holds(labels) for each in selector)


def parse(written: str) -> Selector:
    """Read `k=v, k!=v, k in (a,b), k notin (a,b), k, !k`.

    Raises:
        SelectorError: it is none.
    """
    if not written.strip():
        return ()
    return tuple(_requirement(part.strip()) for part in _COMMA.split(written))


def from_json(value: Mapping[str, Any]) -> Selector:
    """Read `{matchLabels, matchExpressions: [{key, operator, values}]}`.

    Raises:
        SelectorError, ShapeError: it is none.
    """
    labels = record(value, "matchLabels", "selector.")
    equal = (
        Requirement(key, "In", frozenset({as_text(each, "a value of selector.matchLabels")}))
        for key, each in labels.items()
    )
    return (*equal, *_expressions(array(value, "matchExpressions", "selector.")))


def _expressions(values: Iterable[object]) -> Iterable[Requirement]:
    for value in values:
        each = as_record(value, "matchExpressions[]")
        operator, key = text(each, "operator"), text(each, "key")
        members = frozenset(as_text(one, "values[]") for one in array(each, "values"))
        for known in get_args(Operator):
            if operator == known and key and bool(members) == (known in {"In", "NotIn"}):
                yield Requirement(key, known, members)
                break
        else:
            raise SelectorError("a matchExpression lacks a key, a known operator or its values")


def _requirement(part: str) -> Requirement:
    if found := _EQUALITY.fullmatch(part):
        key, sign, value = found.groups()
        return Requirement(key, "NotIn" if sign == "!=" else "In", frozenset({value}))
    if found := _SET.fullmatch(part):
        key, word, inside = found.groups()
        values = frozenset(value.strip() for value in inside.split(","))
        return Requirement(key, "In" if word == "in" else "NotIn", values)
    if found := _PRESENCE.fullmatch(part):
        absent, key = found.groups()
        return Requirement(key, "DoesNotExist" if absent else "Exists")
    raise SelectorError(f"{part!r} is no requirement of a label selector")
