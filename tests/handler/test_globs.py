"""Patterns of ids: `*` stands for anything, and every other character for itself."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.rules.matching import matches
from tests.handler.strategies import STEADY


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("db-1", "db-1"),
        ("db-*", "db-1"),
        ("db-*", "db-"),
        ("*", ""),
        ("*-db", "a-db"),
        ("a*c", "abc"),
        ("a*c", "ac"),
        ("a*b*c", "a1b2c"),
        ("*b*", "abc"),
        ("a**c", "abc"),
        ("a*b*b*c", "abbc"),
        ("*ab*ab*", "abab"),
    ],
)
def test_fits(pattern: str, text: str) -> None:
    """The whole text has to fit."""
    assert matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("db-1", "db-12"),
        ("db-1", "xdb-1"),
        ("db-*", "xdb-1"),
        ("db-*", "DB-1"),
        ("*-db", "a-dbx"),
        ("ab*ba", "aba"),
        ("a*b*c", "acb"),
        ("*b*", "ac"),
        ("*ab*ab*", "abxa"),
        ("", "a"),
        ("a?c", "abc"),
        ("a[b]c", "abc"),
    ],
)
def test_does_not_fit(pattern: str, text: str) -> None:
    """A part of it, another letter case, or one character for two, is not enough."""
    assert not matches(pattern, text)


@STEADY
@given(pattern=st.text("ab*", max_size=9), text=st.text("ab", max_size=9))
def test_as_the_shell_does(pattern: str, text: str) -> None:
    """Python's own reading of such patterns says the same."""
    assert matches(pattern, text) == fnmatchcase(text, pattern)
