"""Label selectors in Kubernetes's syntax, as text and as JSON. No I/O.

Syntax: "Labels and Selectors" of the Kubernetes documentation. More keys are valid here, since
Indent's own contain colons and several slashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from handler.json_fields import as_object, as_str, get_list, get_object, get_str

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
MAX_LENGTH = 4096

_KEY = re.compile(r"[\w./:-]+")
_VALUE = re.compile(r"[\w./:@-]*")
# Values are checked one by one afterwards: a pattern with many optional blanks is slow.
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
    return all(requirement.holds(labels) for requirement in selector)


def parse(selector: str) -> Selector:
    """Read `k=v, k!=v, k in (a,b), k notin (a,b), k, !k`.

    Raises:
        SelectorError: it isn't a label selector.
    """
    if len(selector) > MAX_LENGTH:
        raise SelectorError(f"it is longer than {MAX_LENGTH} characters")
    if not selector.strip():
        return ()
    return tuple(_requirement(part.strip()) for part in _parts(selector))


def from_json(value: Mapping[str, Any]) -> Selector:
    """Read `{matchLabels, matchExpressions: [{key, operator, values}]}`.

    Raises:
        SelectorError, ShapeError: it isn't a label selector.
    """
    labels = get_object(value, "matchLabels", "selector.")
    equalities = (
        Requirement(key, "In", frozenset({as_str(label, "a value of selector.matchLabels")}))
        for key, label in labels.items()
    )
    return (*equalities, *_expressions(get_list(value, "matchExpressions", "selector.")))


def _expressions(values: Iterable[object]) -> Iterable[Requirement]:
    for value in values:
        expression = as_object(value, "matchExpressions[]")
        operator, key = get_str(expression, "operator"), get_str(expression, "key")
        members = frozenset(as_str(member, "values[]") for member in get_list(expression, "values"))
        for known in get_args(Operator):
            if operator == known and key and bool(members) == (known in {"In", "NotIn"}):
                yield Requirement(key, known, members)
                break
        else:
            raise SelectorError("a matchExpression lacks a key, a known operator or its values")


def _parts(selector: str) -> Iterator[str]:
    """Split at the commas outside parentheses."""
    start, inside = 0, False
    for i, character in enumerate(selector):
        if character in "()":
            inside = character == "("
        elif character == "," and not inside:
            yield selector[start:i]
            start = i + 1
    yield selector[start:]


def _requirement(part: str) -> Requirement:
    if match := _SET.fullmatch(part):
        key, word, members = match.groups()
        values = frozenset(value.strip() for value in members.split(","))
        if all(map(_VALUE.fullmatch, values)):
            return Requirement(key, "In" if word == "in" else "NotIn", values)
    elif match := _EQUALITY.fullmatch(part):
        key, sign, value = match.groups()
        if _VALUE.fullmatch(value.strip()):
            return Requirement(key, "NotIn" if sign == "!=" else "In", frozenset({value.strip()}))
    else:
        key = part.removeprefix("!").strip()
        if _KEY.fullmatch(key):
            return Requirement(key, "DoesNotExist" if part.startswith("!") else "Exists")
    raise SelectorError(f"{part!r} isn't a requirement of a label selector")
