"""Comparing e-mail addresses."""

from __future__ import annotations

import pytest

from handler import emails


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jane@example.com", "jane@example.com"),
        ("Jane@Example.COM", "jane@example.com"),
        (" jane@example.com\r\n", "\tjane@example.com"),
        ("JÜRGEN@example.com", "jÜrgen@example.com"),
    ],
)
def test_the_same_address(one: str, other: str) -> None:
    """Spaces around an address and the case of A to Z don't matter."""
    assert emails.same(one, other)
    assert emails.same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jane@example.com", "joan@example.com"),
        ("jane@example.com", "jane@example.org"),
        ("jane@example.com", "jane@example.com.evil.test"),
        ("jane@example.com", "xjane@example.com"),
        ("jane@example.com", "ja ne@example.com"),
        ("jane@example.com", "jane+x@example.com"),
        # str.casefold or str.lower would make each of these pairs one person.
        ("strasse@example.com", "stra\u00dfe@example.com"),
        ("mike@example.com", "mi\u212ae@example.com"),
        ("j\u00fcrgen@example.com", "J\u00dcRGEN@example.com"),
        ("i@example.com", "\u0130@example.com"),
        # A no-break space isn't trimmed.
        ("jane@example.com", "\u00a0jane@example.com"),
    ],
)
def test_another_address(one: str, other: str) -> None:
    """Addresses are compared whole; only A to Z are folded."""
    assert not emails.same(one, other)
    assert not emails.same(other, one)


@pytest.mark.parametrize("missing", [None, "", " ", "\t\r\n", 0, False, [], {}, 7, b"a@b"])
def test_a_missing_address_matches_nobody(missing: object) -> None:
    """A missing address matches nothing, not even another missing one."""
    assert emails.normal(missing) == ""
    assert not emails.same(missing, missing)
    assert not emails.same(missing, "jane@example.com")


def test_the_normal_form() -> None:
    """The normal form, used in the log, is trimmed, with A to Z in lower case."""
    assert emails.normal("  Jane.DOE+X@Example.com ") == "jane.doe+x@example.com"
    assert emails.normal("STRA\u00dfE\u212a@x") == "stra\u00dfe\u212a@x"


def test_only_addresses_are_cached() -> None:
    """A text longer than any address is folded, but not cached."""
    before = emails._fold_cached.cache_info().currsize
    name = "J" * 310
    assert emails.folded(f"{name}@B.example") == f"{name.lower()}@b.example"
    assert emails._fold_cached.cache_info().currsize == before + 1
    assert emails.folded(f"{name}@Bc.example") == f"{name.lower()}@bc.example"
    assert emails._fold_cached.cache_info().currsize == before + 1
