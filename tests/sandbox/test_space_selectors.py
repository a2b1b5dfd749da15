"""Label selectors: what each form means, what is none, and that nothing takes long to say so."""

from __future__ import annotations

import sys
from contextlib import suppress

import pytest

from sandbox.space import selectors
from sandbox.space.selectors import MAX_LENGTH, Requirement, SelectorError, matches, parse


def among(key: str, *values: str) -> Requirement:
    """A label that has one of these values."""
    return Requirement(key, "In", frozenset(values))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", ()),
        ("  ", ()),
        ("a=b", (among("a", "b"),)),
        ("a == b", (among("a", "b"),)),
        ("a=", (among("a", ""),)),
        ("a!=b", (Requirement("a", "NotIn", frozenset({"b"})),)),
        ("a in (b)", (among("a", "b"),)),
        (" a  in( b ,c,) ", (among("a", "b", "c", ""),)),
        ("a notin (b, c)", (Requirement("a", "NotIn", frozenset({"b", "c"})),)),
        ("a", (Requirement("a", "Exists"),)),
        ("! a", (Requirement("a", "DoesNotExist"),)),
        ("in in (in)", (among("in", "in"),)),
        ("a in (b,c),d=e", (among("a", "b", "c"), among("d", "e"))),
        ("indent.com/app:x=user@example.com", (among("indent.com/app:x", "user@example.com"),)),
    ],
)
def test_what_is_read(written: str, read: tuple[Requirement, ...]) -> None:
    """Equality, sets and presence, with blanks wherever Kubernetes lets them be."""
    assert parse(written) == read


@pytest.mark.parametrize(
    "written",
    [
        *(
            "=",
            "=b",
            "a=b=c",
            "a b",
            "a in b",
            "a in",
            "a in (b",
            "a in b)",
            "a in ((b))",
            "in (b)",
        ),
        *("a=(b)", "a in (b c)", "a in (b) c", ",", "a,", "!", "!!a", "!a=b", "a=b;c", "a\x00"),
    ],
)
def test_what_is_none(written: str) -> None:
    """It is refused, and named."""
    with pytest.raises(SelectorError, match="is no requirement"):
        parse(written)


def test_a_limit() -> None:
    """Nobody writes longer ones; the message does not repeat it."""
    assert matches(parse("a=" + "b" * (MAX_LENGTH - 2)), {"a": "b" * (MAX_LENGTH - 2)})
    with pytest.raises(SelectorError, match=f"^it is longer than {MAX_LENGTH} characters$"):
        parse("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    "repeated",
    ["a in (%s", "a in (%s)", "a in (b%sc", "a%s", "a%s=", "a=%s;", "!%s", "%s;", "a in (b%s("],
)
@pytest.mark.parametrize("with_", [" ", ",", "(", ")", "a", ", ", "a,", " ,a", "(,", "=", "!"])
def test_the_work_grows_with_the_length_only(
    monkeypatch: pytest.MonkeyPatch, repeated: str, with_: str
) -> None:
    """Even without the limit, far more comes to an end; squared, it would take minutes."""
    monkeypatch.setattr(selectors, "MAX_LENGTH", sys.maxsize)
    with suppress(SelectorError):
        parse(repeated % (with_ * 10_000))
