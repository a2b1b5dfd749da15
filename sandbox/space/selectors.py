"""Label selectors as Kubernetes writes them, as text and as JSON. No I/O.

Syntax: "Labels and Selectors" of the Kubernetes documentation. Keys are laxer than there, since
Indent's own hold colons and several slashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from handler.json_fields import as_object, as_str, get_list, get_object, get_str

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
LONGEST = 4096

_KEY = re.compile(r"[\w./:-]+")
_VALUE = re.compile(r"[\w./:@-]*")
# Values are looked at one by one afterwards: patterns of what may be blank in many ways are slow.
_EQUALITY = re.compile(r"([\w./:-]+)\s*(==|=|!=)(.*)", re.DOTALL)
_SET = re.compile(r"([\w./:-]+)\s+(in|notin)\s*\(([^()]*)\)")


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
    if len(written) > LONGEST:
        raise SelectorError(f"it is longer than {LONGEST} characters")
    if not written.strip():
        return ()
    return tuple(_requirement(part.strip()) for part in _parts(written))


def from_json(value: Mapping[str, Any]) -> Selector:
    """Read `{matchLabels, matchExpressions: [{key, operator, values}]}`.

    Raises:
        SelectorError, ShapeError: it is none.
    """
    labels = get_object(value, "matchLabels", "selector.")
    equal = (
        Requirement(key, "In", frozenset({as_str(each, "a value of selector.matchLabels")}))
        for key, each in labels.items()
    )
    return (*equal, *_expressions(get_list(value, "matchExpressions", "selector.")))


def _expressions(values: Iterable[object]) -> Iterable[Requirement]:
    for value in values:
        each = as_object(value, "matchExpressions[]")
        operator, key = get_str(each, "operator"), get_str(each, "key")
        members = frozenset(as_str(one, "values[]") for one in get_list(each, "values"))
        for known in get_args(Operator):
            if operator == known and key and bool(members) == (known in {"In", "NotIn"}):
                yield Requirement(key, known, members)
                break
        else:
            raise SelectorError("a matchExpression lacks a key, a known operator or its values")


def _parts(written: str) -> Iterator[str]:
    """Split at the commas outside of parentheses."""
    begin, inside = 0, False
    for at, character in enumerate(written):
        if character in "()":
            inside = character == "("
        elif character == "," and not inside:
            yield written[begin:at]
            begin = at + 1
    yield written[begin:]


def _requirement(part: str) -> Requirement:
    if found := _SET.fullmatch(part):
        key, word, listed = found.groups()
        values = frozenset(value.strip() for value in listed.split(","))
        if all(map(_VALUE.fullmatch, values)):
            return Requirement(key, "In" if word == "in" else "NotIn", values)
    elif found := _EQUALITY.fullmatch(part):
        key, sign, value = found.groups()
        if _VALUE.fullmatch(value.strip()):
            return Requirement(key, "NotIn" if sign == "!=" else "In", frozenset({value.strip()}))
    else:
        key = part.removeprefix("!").strip()
        if _KEY.fullmatch(key):
            return Requirement(key, "DoesNotExist" if part.startswith("!") else "Exists")
    raise SelectorError(f"{part!r} is no requirement of a label selector")
