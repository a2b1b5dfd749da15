"""Two e-mail addresses are one person's, or they are not."""

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
    """Blanks around it and the case of A to Z do not matter."""
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
        # A no-break space is part of an address, however odd: it is not trimmed.
        ("jane@example.com", "\u00a0jane@example.com"),
    ],
)
def test_another_address(one: str, other: str) -> None:
    """Addresses are compared whole, and no letter beyond A to Z is folded."""
    assert not emails.same(one, other)
    assert not emails.same(other, one)


@pytest.mark.parametrize("missing", [None, "", " ", "\t\r\n", 0, False, [], {}, 7, b"a@b"])
def test_a_missing_address_matches_nobody(missing: object) -> None:
    """Not even another missing one."""
    assert emails.normal(missing) == ""
    assert not emails.same(missing, missing)
    assert not emails.same(missing, "jane@example.com")


def test_the_normal_form() -> None:
    """It is what the log says: trimmed, A to Z lowered, the rest as it was."""
    assert emails.normal("  Jane.DOE+X@Example.com ") == "jane.doe+x@example.com"
    assert emails.normal("STRA\u00dfE\u212a@x") == "stra\u00dfe\u212a@x"


def test_only_addresses_are_cached() -> None:
    """A text that is longer than any address is folded, but does not stay in memory."""
    before = emails._fold_cached.cache_info().currsize
    name = "J" * 310
    assert emails.folded(f"{name}@B.example") == f"{name.lower()}@b.example"
    assert emails._fold_cached.cache_info().currsize == before + 1
    assert emails.folded(f"{name}@Bc.example") == f"{name.lower()}@bc.example"
    assert emails._fold_cached.cache_info().currsize == before + 1
