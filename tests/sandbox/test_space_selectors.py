"""Label selectors: what each form means, and what is refused."""

from __future__ import annotations

import pytest

from sandbox.space.selectors import MAX_LENGTH, Requirement, SelectorError, matches, parse


def among(key: str, *values: str) -> Requirement:
    """A requirement of one of these values."""
    return Requirement(key, "In", frozenset(values))


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        (" ", ()),
        ("a == b", (among("a", "b"),)),
        ("a=", (among("a", ""),)),
        ("a!=b", (Requirement("a", "NotIn", frozenset({"b"})),)),
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
    """Equality, sets and presence, with spaces wherever Kubernetes allows them."""
    assert parse(text) == selector


def test_selectors_that_are_refused() -> None:
    """The error names the wrong part, unless it is too long."""
    wrong = "=|=b|a=b=c|a b|a in|a in (b|a in b)|a in ((b))|a=(b)|a in (b c)|,|a,|!|!!a|!a=b|a=b;c"
    for text in wrong.split("|"):
        with pytest.raises(SelectorError, match="isn't a requirement"):
            parse(text)
    assert matches(parse("a=" + "b" * (MAX_LENGTH - 2)), {"a": "b" * (MAX_LENGTH - 2)})
    with pytest.raises(SelectorError, match=f"^it is longer than {MAX_LENGTH} characters$"):
        parse("a" * (MAX_LENGTH + 1))
