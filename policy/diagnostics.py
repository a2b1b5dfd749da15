"""What is wrong with a file: where, in a sentence, with the nearest right word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from handler.folding import fold
from policy.spelling import named

_MOST_QUOTED = 60
_MOST_LISTED = 8
_MOST_DIFFERENCES = 3
# What a single character, with its accent, is written with.
_LETTER = 2


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
    words = list(allowed)
    if found := nearest_of(word, words):
        unlike = hidden_difference(word, found)
        return f"; the nearest is {quoted(found)}{f': {unlike}' if unlike else ''}"
    listed = 0 < len(words) <= _MOST_LISTED
    return f"; allowed: {', '.join(words)}" if listed else ""


def nearest_of(word: str, allowed: Iterable[str]) -> str:
    """Give the word that is most like another one, or ""."""
    by_plain = {_plain(each): each for each in allowed}
    found = difflib.get_close_matches(_plain(word), by_plain, n=1)
    return by_plain[found[0]] if found else ""


def hidden_difference(word: str, other: str) -> str:
    """Say how another word is written that looks like this one; "" where a reader sees it."""
    matcher = difflib.SequenceMatcher(None, word, other, autojunk=False)
    pieces = [
        (word[begin:end], other[start:stop])
        for tag, begin, end, start, stop in matcher.get_opcodes()
        if tag != "equal"
    ]
    alike = fold(word) == fold(other) or all(
        len(each) <= _LETTER for both in pieces for each in both
    )
    if "@" in word + other or not alike or all(map(_is_plain, map("".join, pieces))):
        return ""
    told = (
        f"it has {_spelt(there)} instead of {_spelt(here)}"
        if here and there
        else f"it has {_spelt(there)}, which yours lacks"
        if there
        else f"it lacks your {_spelt(here)}"
        for here, there in pieces[:_MOST_DIFFERENCES]
    )
    return ", and ".join(told)


def _spelt(text: str) -> str:
    return " and ".join(f'"{each}"' if _is_plain(each) else named(each) for each in text)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _plain(word: str) -> str:
    return fold(word).replace("-", "_")
