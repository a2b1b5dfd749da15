"""What is wrong with a file: where, in a sentence, with the nearest right word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple, Protocol

_MOST_QUOTED = 60
_MOST_LISTED = 8


class Problem(NamedTuple):
    """One thing that is wrong, or doubtful, with a file.

    Attributes:
        line: where, from 1.
        text: what, in a sentence that holds nobody's e-mail.
    """

    line: int
    text: str


class Placed(Protocol):
    """Whatever knows its line."""

    @property
    def line(self) -> int:
        """The line, from 1."""


class Problems:
    """Collects all that is wrong with one file, so that one run tells all of it."""

    def __init__(self) -> None:
        self._errors: list[Problem] = []
        self._warnings: list[Problem] = []

    def error(self, at: Placed, text: str) -> None:
        """Note what has to be mended."""
        self._errors.append(Problem(at.line, text))

    def warn(self, at: Placed, text: str) -> None:
        """Note what is allowed, and doubtful."""
        self._warnings.append(Problem(at.line, text))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What has to be mended, by line."""
        return tuple(sorted(self._errors, key=lambda each: each.line))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is doubtful, by line."""
        return tuple(sorted(self._warnings, key=lambda each: each.line))


def quoted(text: str) -> str:
    """Quote a text of the file, cut to size; an e-mail is not repeated: logs are kept."""
    if "@" in text:
        return "this e-mail"
    return f'"{text}"' if len(text) <= _MOST_QUOTED else f'"{text[:_MOST_QUOTED]}..."'


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Say `; the nearest is "..."`, or which words are allowed where none is near."""
    by_plain = {_plain(each): each for each in allowed}
    found = difflib.get_close_matches(_plain(word), by_plain, n=1)
    if found:
        return f"; the nearest is {quoted(by_plain[found[0]])}"
    listed = 0 < len(by_plain) <= _MOST_LISTED
    return f"; allowed: {', '.join(by_plain.values())}" if listed else ""


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")
