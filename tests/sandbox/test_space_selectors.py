"""Label selectors: what each form means, what is refused, and that neither takes long."""

from __future__ import annotations

import sys
from contextlib import suppress

import pytest

from sandbox.space import selectors
from sandbox.space.selectors import MAX_LENGTH, Requirement, SelectorError, matches, parse


def among(key: str, *values: str) -> Requirement:
    """A requirement of one of these values."""
    return Requirement(key, "In", frozenset(values))


@pytest.mark.parametrize(
    ("text", "selector"),
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
def test_selectors(text: str, selector: tuple[Requirement, ...]) -> None:
    """Equality, sets and presence, with blanks wherever Kubernetes lets them be."""
    assert parse(text) == selector


@pytest.mark.parametrize(
    "text",
    [
        *("=", "=b", "a=b=c", "a b", "a in b", "a in", "a in (b", "a in b)", "a in ((b))"),
        *(
            "in (b)",
            "a=(b)",
            "a in (b c)",
            "a in (b) c",
            ",",
            "a,",
            "!",
            "!!a",
            "!a=b",
            "a=b;c",
            "a\x00",
        ),
    ],
)
def test_selectors_that_are_refused(text: str) -> None:
    """The message names the part."""
    with pytest.raises(SelectorError, match="is no requirement"):
        parse(text)


def test_the_longest() -> None:
    """The message does not repeat one that is longer."""
    assert matches(parse("a=" + "b" * (MAX_LENGTH - 2)), {"a": "b" * (MAX_LENGTH - 2)})
    with pytest.raises(SelectorError, match=f"^it is longer than {MAX_LENGTH} characters$"):
        parse("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    "selector", ["a in (%s", "a in (b%sc", "a%s", "a=%s;", "!%s", "a in (b%s("]
)
@pytest.mark.parametrize("filler", [" ", ",", "(", "a", ", ", "="])
def test_the_work_grows_with_the_length_only(
    monkeypatch: pytest.MonkeyPatch, selector: str, filler: str
) -> None:
    """Even without the limit, far more comes to an end; squared, it would take minutes."""
    monkeypatch.setattr(selectors, "MAX_LENGTH", sys.maxsize)
    with suppress(SelectorError):
        parse(selector % (filler * 10_000))
