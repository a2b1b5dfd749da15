"""The nearest valid word, and differences that nobody can see."""

from __future__ import annotations

import unicodedata

import pytest

from policy.diagnostics import hidden_difference, nearest

TEAM = "\u00c9quipe SRE"
APART = unicodedata.normalize("NFD", TEAM)
ACUTE, LETTER = "U+0301 COMBINING ACUTE ACCENT", "U+00C9 LATIN CAPITAL LETTER E WITH ACUTE"


@pytest.mark.parametrize(
    ("word", "other", "expected"),
    [
        (TEAM, APART, f'it has "E" and {ACUTE} instead of {LETTER}'),
        (APART, TEAM, f'it has {LETTER} instead of "E" and {ACUTE}'),
        ("On call", "On\u00a0call", "it has U+00A0 NO-BREAK SPACE instead of U+0020 SPACE"),
        ("DBA", "DBA ", "it also has U+0020 SPACE"),
        ("DBA\u200b", "DBA", "it does not have U+200B ZERO WIDTH SPACE"),
        ("On  call", "On call", "it does not have U+0020 SPACE"),
        ("Production", "Pr\u043eduction", 'it has U+043E CYRILLIC SMALL LETTER O instead of "o"'),
        ("A-B", "A\u2013B", 'it has U+2013 EN DASH instead of "-"'),
        ("\u00e9\u00e9", "e\u0301e\u0301", 'it has "e" and U+0301 COMBINING ACUTE ACCENT and "e" '),
        # What a reader sees needs no words.
        ("production", "Production", ""),
        ("DBA", "DBAs", ""),
        ("DBA", "Datenbank-Bereitschaft f\u00fcr alle", ""),
        ("j\u00f6@example.com", "jo\u0308@example.com", ""),
        (TEAM, TEAM, ""),
    ],
)
def test_an_invisible_difference(word: str, other: str, expected: str) -> None:
    """It is described by the characters' names."""
    output = hidden_difference(word, other)
    assert output.startswith(expected)
    assert bool(output) == bool(expected)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("production", '; did you mean "Production"?'),
        ("\u00c9", f'; did you mean "E\u0301" (it has "E" and {ACUTE} instead of {LETTER})?'),
        ("Search", "; must be one of: Production, E\u0301"),
    ],
)
def test_the_nearest_word(word: str, expected: str) -> None:
    """Also of one letter, in any normal form."""
    assert nearest(word, ["Production", "E\u0301"]) == expected


def test_many_words_are_not_listed() -> None:
    """Nor is a word that resembles none."""
    assert nearest("x", map(str, range(9))) == ""
