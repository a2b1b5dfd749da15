"""CloudWatch Logs' filter patterns for JSON lines, as far as the program uses them.

Supported parts of "Filter pattern syntax for metric filters" in the CloudWatch Logs user guide:
selectors of fields by name, `=` with text or a number, `>=` and the like with a number, `IS TRUE`,
`IS FALSE`, `&&` before `||`, parentheses. Anything else raises an error. Moto stores filters
without evaluating them.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Line = Mapping[str, Any]
Condition = Callable[[Line], bool]
MOST_CHARACTERS = 1024  # which patterns may contain

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<selector>\$(?:\.[A-Za-z_][A-Za-z0-9_-]*)+)
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?)
    | "(?P<text>[^"\\*]*)"
    | (?P<word>IS|TRUE|FALSE)\b
    | (?P<sign>>=|<=|!=|&&|\|\||[=<>{}()])
    )""",
    re.VERBOSE,
)
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}


class UnsupportedPatternError(ValueError):
    """A pattern that is invalid, or not supported here."""


def matches(pattern: str, line: str) -> bool:
    """Whether a line of the log matches. A line that isn't a JSON object never does."""
    condition = _Reader(pattern).read_pattern()
    record = _object(line)
    return record is not None and condition(record)


def value_in(selector: str, line: str) -> float | None:
    """The value that a metric takes from a line: a constant, or the number in a field."""
    if not selector.startswith("$"):
        return float(selector)
    return _number(_field(selector, _object(line) or {}))


def _object(line: str) -> Line | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _field(selector: str, line: Line) -> object:
    value: object = line
    for name in selector.split(".")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MOST_CHARACTERS:
            raise UnsupportedPatternError(f"{len(pattern)} characters")
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(pattern.rstrip()):
            token = _TOKEN.match(pattern, place)
            if not token or not token.lastgroup:
                raise UnsupportedPatternError(pattern[place:])
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            place = token.end()

    def read_pattern(self) -> Condition:
        self._take("sign", "{")
        condition = self._read_any()
        self._take("sign", "}")
        if self._tokens:
            raise UnsupportedPatternError(f"{self._tokens} after the end")
        return condition

    def _read_any(self) -> Condition:
        parts = [self._read_all()]
        while self._next("||"):
            parts.append(self._read_all())
        return lambda line: any(part(line) for part in parts)

    def _read_all(self) -> Condition:
        parts = [self._read_comparison()]
        while self._next("&&"):
            parts.append(self._read_comparison())
        return lambda line: all(part(line) for part in parts)

    def _read_comparison(self) -> Condition:
        if self._next("("):
            inner = self._read_any()
            self._take("sign", ")")
            return inner
        selector = self._take("selector")
        if self._next("IS"):
            word = self._take("word")
            if word == "IS":
                raise UnsupportedPatternError("IS IS")
            return lambda line: _field(selector, line) is (word == "TRUE")
        sign = self._take("sign")
        if sign == "!=":
            other = self._take("text")
            return lambda line: isinstance(text := _field(selector, line), str) and text != other
        if sign not in _ORDER:
            raise UnsupportedPatternError(f"{selector} {sign}")
        kind, value = self._tokens.pop(0) if self._tokens else ("", "")
        if kind == "text" and sign == "=":
            return lambda line: _field(selector, line) == value
        if kind != "number":
            raise UnsupportedPatternError(f"{selector} {sign} {value}")
        return lambda line: _compares(_number(_field(selector, line)), sign, float(value))

    def _next(self, text: str) -> bool:
        if self._tokens and self._tokens[0][1] == text and self._tokens[0][0] != "text":
            del self._tokens[0]
            return True
        return False

    def _take(self, kind: str, text: str | None = None) -> str:
        found_kind, value = self._tokens.pop(0) if self._tokens else ("", "")
        if found_kind != kind or text not in {None, value}:
            raise UnsupportedPatternError(f"{value!r} in place of {text or kind}")
        return value


def _compares(value: float | None, sign: str, limit: float) -> bool:
    return value is not None and _ORDER[sign](value, limit)
