"""Problems of a file: the line, a sentence, and a suggestion.

Characters that look like others, or are invisible, are named.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

import yaml

from handler.folding import fold

_MOST_QUOTED = 60
_MOST_LISTED = 8
_MOST_DIFFERENCES = 3
# The most code points of a letter with its accent.
_LETTER = 2

_DOUBLE = "\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02\u2033\u301d\u301e\u301f"
_SINGLE = "\u2018\u2019\u201a\u201b\u2039\u203a\uff07\u2032"
# What editors and word processors substitute for quotes and hyphens.
QUOTES = _DOUBLE + _SINGLE
DASHES = (
    "\u02d7\u058a\u2010-\u2015\u2043\u207b\u208b\u2212\u2796"
    "\u2e3a\u2e3b\ufe31\ufe32\ufe58\ufe63\uff0d"
)
STARS = "\u2217\u204e\ufe61\uff0a"
_AT_AN_END = re.compile(f"^[{QUOTES}]|[{QUOTES}]$")
_DASH = re.compile(f"[{DASHES}]")
_STAR = re.compile(f"[{STARS}]")
# A dash with spaces around it, between two words, is fine.
_BETWEEN_WORDS = re.compile(rf"(?<=\s)[{DASHES}](?=\s)")
_QUOTED = re.compile(r"""(["']).*\1""")


class Problem(NamedTuple):
    """An error or a warning.

    Attributes:
        line: from 1.
        text: a sentence without e-mails.
    """

    line: int
    text: str


class Problems:
    """Collects the problems of a file, so that one run reports them all."""

    def __init__(self) -> None:
        self._errors: list[Problem] = []
        self._warnings: list[Problem] = []

    def error(self, at: yaml.Node | int, text: str) -> None:
        """Note an error, at a node or in a line."""
        self._errors.append(Problem(line_of(at), text))

    def warn(self, at: yaml.Node | int, text: str) -> None:
        """Note something that is valid but probably unintended."""
        self._warnings.append(Problem(line_of(at), text))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The errors, by line."""
        return tuple(sorted(self._errors, key=lambda problem: problem.line))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings, by line."""
        return tuple(sorted(self._warnings, key=lambda problem: problem.line))


def line_of(at: yaml.Node | int) -> int:
    """Return the line of a node, from 1; a number is a line already."""
    return at if isinstance(at, int) else at.start_mark.line + 1


def quoted(text: str) -> str:
    """Quote a text of the file, shortened; e-mails are not repeated, as output may be logged."""
    if "@" in text:
        return "this e-mail"
    return f'"{text}"' if len(text) <= _MOST_QUOTED else f'"{text[:_MOST_QUOTED]}..."'


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return `; did you mean "..."?`, or the allowed words if none is similar."""
    words = list(allowed)
    if near := nearest_of(word, words):
        difference = hidden_difference(word, near)
        return f"; did you mean {quoted(near)}{f' ({difference})' if difference else ''}?"
    listed = 0 < len(words) <= _MOST_LISTED
    return f"; must be one of: {', '.join(words)}" if listed else ""


def nearest_of(word: str, allowed: Iterable[str]) -> str:
    """Return the most similar word, or ""."""
    by_plain = {_plain(other): other for other in allowed}
    near = difflib.get_close_matches(_plain(word), by_plain, n=1)
    return by_plain[near[0]] if near else ""


def hidden_difference(word: str, other: str) -> str:
    """Describe an invisible difference between two words, or return ""."""
    matcher = difflib.SequenceMatcher(None, word, other, autojunk=False)
    pieces = [
        (word[begin:end], other[start:stop])
        for tag, begin, end, start, stop in matcher.get_opcodes()
        if tag != "equal"
    ]
    alike = fold(word) == fold(other) or all(
        len(text) <= _LETTER for both in pieces for text in both
    )
    if "@" in word + other or not alike or all(map(_is_plain, map("".join, pieces))):
        return ""
    differences = (
        f"it has {_spelt(there)} instead of {_spelt(here)}"
        if here and there
        else f"it also has {_spelt(there)}"
        if there
        else f"it does not have {_spelt(here)}"
        for here, there in pieces[:_MOST_DIFFERENCES]
    )
    return ", and ".join(differences)


def _spelt(text: str) -> str:
    return " and ".join(
        f'"{character}"' if _is_plain(character) else character_name(character)
        for character in text
    )


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _plain(word: str) -> str:
    return fold(word).replace("-", "_")


def character_name(character: str) -> str:
    """Name a character: `U+200B ZERO WIDTH SPACE`."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".strip()


def composed(text: str) -> str:
    """Compose letters with their accents (NFC), as keyboards do."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def look_of(text: str) -> str:
    """Return the same text for all texts that look alike, word by word."""
    return " ".join(map(fold, text.split()))


def typographic_in(text: str, *, strict: bool) -> str:
    """Say which character no keyboard types, and what to type instead, or return "".

    With `strict`, a dash between two words and quotes within quotes are problems as well.
    """
    if match := _AT_AN_END.search(text):
        where = "begins" if text.startswith(match[0]) else "ends"
        return f"{where} with {character_name(match[0])}: remove it, and quote with \" or '"
    if strict and _QUOTED.fullmatch(text):
        return f"begins and ends with {text[0]} inside the quotes of YAML: remove one pair"
    if match := _STAR.search(text):
        return f"contains {character_name(match[0])}: write * instead"
    if match := _DASH.search(text if strict else _BETWEEN_WORDS.sub("", text)):
        return f"contains {character_name(match[0])}: write - instead"
    return ""
