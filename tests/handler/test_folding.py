"""Folding of spellings: a denial matches any disguise of a name, and no other name."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from idna import uts46data

from handler import emails
from handler.characters import BLANK_GLYPHS, IGNORABLE, is_unseen
from handler.duty import Incident
from handler.folding import fold, fold_domain
from handler.request import ACCESS, Resource
from handler.rules.conditions import Facts, Requester
from handler.rules.matching import fold_resource, matches
from handler.rules.model import Policy, Selector
from tests.handler.strategies import NOW, STEADY, TEXT


def _every_character() -> Iterator[str]:
    return map(chr, range(sys.maxunicode + 1))


@cache
def _unseen_by_name() -> frozenset[str]:
    """Give characters whose Unicode name says that they are ignorable or blank."""
    words = ("FILLER", "VARIATION SELECTOR", "ZERO WIDTH", "INVISIBLE", "SOFT HYPHEN", "VOWEL SEPA")
    names = ("COMBINING GRAPHEME JOINER", "WORD JOINER", "BRAILLE PATTERN BLANK")
    unseen = re.compile(f"{'|'.join(words)}|^TAG |^({'|'.join(names)})$")
    return frozenset(
        char
        for char in _every_character()
        if (name := unicodedata.name(char, ""))
        and unseen.search(name)
        # Punctuation is visible.
        and unicodedata.category(char)[0] != "P"
    )


def _ignored_by_idna() -> Iterator[str]:
    """Give characters that IDNA's mapping removes."""
    starts, statuses = uts46data.uts46_starts, uts46data.uts46_statuses
    ends = [*starts[1:], sys.maxunicode + 1]
    for first, end, status in zip(starts, ends, statuses, strict=True):
        if chr(status) == "I":
            yield from map(chr, range(first, end))


def test_lists_agree() -> None:
    """Characters that are ignorable by name or in IDNA are treated as invisible."""
    by_name, by_idna = _unseen_by_name(), set(_ignored_by_idna())
    assert len(by_name) > 350
    assert len(by_idna) > 250
    assert all(map(is_unseen, by_name | by_idna))
    assert not any(map(fold, by_name | by_idna))


def test_no_letter_is_unseen() -> None:
    """No letter, digit or mark is dropped, except fillers and marks without a glyph."""
    dropped = {char for char in _every_character() if is_unseen(char) and char.isprintable()}
    listed = {chr(code) for first, last in IGNORABLE for code in range(first, last + 1)}
    assert dropped <= listed | BLANK_GLYPHS
    assert {unicodedata.category(char)[0] for char in dropped} == {"L", "M", "S"}
    assert len(dropped - _unseen_by_name()) < 10


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prod-db", "PROD-DB"),
        ("prod-db", " prod\u00a0-\tdb\n"),
        ("prod-db", "\uff50\uff52\uff4f\uff44\uff0d\uff44\uff42"),
        *(
            ("prod-db", f"prod{dash}db")
            for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63"
        ),
        *(("it's", f"it{quote}s") for quote in "\u2018\u2019\u02bc\uff07"),
        *(('a "b"', f"a {one}b{other}") for one, other in ("\u201c\u201d", "\u00ab\u00bb")),
        ("a/b:c.d", "a\u2044b\uff1ac\u3002d"),
        ("é", "e\u0301"),
        ("ệ", "e\u0302\u0323"),
        ("ệ", "e\u0323\u034f\u0302"),
        ("straße", "STRASSE"),
        ("ﬁle", "FILE"),
        ("admin", "ADM\u0130N"),
        ("admin", "adm\u0131n"),
        ("ᾴ", "\u03b1\u0345\u0301"),
        ("σς", "ΣΣ"),
        ("한", "\u1112\u1161\u11ab"),
        ("1/2", "½"),
        ("K", "\u212a"),
    ],
)
def test_equal_texts(one: str, other: str) -> None:
    """Texts that look the same to readers fold to the same form."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prod-db", "prod_db"),
        ("é", "e"),
        ("e\u0301\u0323x", "ex"),
        ("1", "l"),
        ("й", "и"),
        # Folding doesn't unify similar letters of different scripts.
        ("a", "\u0430"),
        ("\U0001f600", "\U0001f601"),
    ],
)
def test_different_texts(one: str, other: str) -> None:
    """Different letters, accents and signs stay different."""
    assert fold(one) != fold(other)


def test_case_of_every_character() -> None:
    """For every character, case doesn't matter, and folding twice changes nothing."""
    changed = [
        char
        for char in _every_character()
        if not char == char.upper() == char.casefold() == unicodedata.normalize("NFKD", char)
    ]
    assert len(changed) > 15_000
    for char in changed:
        folded = fold(char)
        assert {fold(char.upper()), fold(char.lower()), fold(folded)} == {folded}, ascii(char)


@STEADY
@given(TEXT)
@example("i\u0307\u0307\u0323")
@example("\u0307i\u034f\u0307")
def test_folding_again_changes_nothing(text: str) -> None:
    """Folding is idempotent, for texts, domains and e-mails."""
    assert fold(fold(text)) == fold(text)
    assert fold_domain(fold_domain(text)) == fold_domain(text)
    assert emails.folded(emails.folded(text)) == emails.folded(text)


def test_a_long_text_of_marks_is_sorted() -> None:
    """A hundred thousand marks in the wrong order are sorted, without quadratic time."""
    marks = "\u0301\u0323" * 50_000
    assert fold(f"e{marks}") == "e" + "\u0323" * 50_000 + "\u0301" * 50_000


# Deferred, since otherwise each process that collects tests would scan all names.
UNSEEN = st.deferred(
    lambda: st.sampled_from(
        sorted({*_unseen_by_name(), *"\u00a0\u2003\u3000 \t\n\x00\u202e\ud800"})
    )
)


def _with_unseen(draw: st.DrawFn, text: str) -> str:
    at = draw(st.integers(0, len(text)))
    unseen: str = draw(UNSEEN)
    return text[:at] + unseen + text[at:]


DISGUISES: list[Callable[[st.DrawFn, str], str]] = [
    lambda _, text: text.upper(),
    lambda _, text: text.lower(),
    lambda _, text: text.swapcase(),
    lambda _, text: unicodedata.normalize("NFD", text),
    lambda _, text: unicodedata.normalize("NFKC", text),
    lambda _, text: text.replace("-", "\u2013"),
    lambda _, text: text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
    _with_unseen,
]


@st.composite
def disguised(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> tuple[str, str]:
    """Give a text, and the same text in disguises."""
    text = draw(texts)
    disguised_text = text
    for disguise in draw(st.lists(st.sampled_from(DISGUISES), max_size=4)):
        disguised_text = disguise(draw, disguised_text)
    return text, disguised_text


WORDS = st.text(st.characters(exclude_characters="*"), min_size=1, max_size=8).filter(fold)


@STEADY
@given(disguised(WORDS), disguised(WORDS), disguised(WORDS))
def test_no_disguise_gets_past_a_denial(
    kind: tuple[str, str], id_: tuple[str, str], label: tuple[str, str]
) -> None:
    """A denial by kind, id or label matches them in any disguise."""
    named = Selector((kind[0],), (id_[0],), ((label[0], kind[0]),))
    resource = Resource(kind[1], id_[1], labels={label[0]: "other", label[1]: kind[1]})
    assert named.matches_for_deny(fold_resource(resource, ACCESS))
    lone = Resource(kind[1], id_[1], labels={label[1]: "other"})
    exact = label[0] == label[1] and fold(kind[0]) != "other"
    assert named.matches_for_deny(fold_resource(lone, ACCESS)) is not exact


@STEADY
@given(disguised(WORDS), TEXT, TEXT)
def test_no_disguise_gets_past_a_pattern(word: tuple[str, str], before: str, after: str) -> None:
    """The text around a pattern's asterisks matches in any disguise."""
    assume("*" not in fold(word[0]))
    for pattern in (f"*{word[0]}*", f"{word[0]}*", f"*{word[0]}"):
        front = before if pattern.startswith("*") else ""
        behind = after if pattern.endswith("*") else ""
        # A mark right after a letter could combine with it into another letter.
        if unicodedata.combining((fold(behind) or " ")[0]):
            behind = f".{behind}"
        if front and unicodedata.combining((fold(word[0]))[0]):
            front = f"{front}."
        spelling = fold_resource(Resource("k", f"{front}{word[1]}{behind}"), ACCESS)
        assert Selector(ids=(pattern,)).matches_for_deny(spelling), (pattern, spelling)


PATTERNS = st.lists(
    st.sampled_from(["*", "a", "\u0301", "\u0323", "I", "\u0307", "é", "ß", "\uff0a"])
)


@STEADY
@given(PATTERNS.map("".join), PATTERNS.map("".join))
def test_folding_matches_all_that_a_plain_comparison_does(pattern: str, id_: str) -> None:
    """A pattern that matches the plain text also matches after folding."""
    hit = Selector(ids=(pattern or "a",)).matches_for_deny(
        fold_resource(Resource("k", id_), ACCESS)
    )
    assert hit >= matches(pattern or "a", id_)


@pytest.mark.parametrize(
    ("pattern", "id_", "hit"),
    [
        ("a*c", "abc", True),
        ("a*c", "\uff21\uff22\uff23", True),
        ("a*c", "ab", False),
        # Asterisks in the request, or made by folding, aren't wildcards.
        ("abc", "a*c", False),
        ("abc", "a\uff0ac", False),
        ("a\uff0ac", "abc", False),
        ("a\uff0ac", "a*c", True),
        ("a*c", "a\uff0ac", True),
        ("a\uff0a*c", "a*bc", True),
        ("a\uff0a*c", "abc", False),
        ("a?c", "abc", False),
        ("a?c", "a\uff1fc", True),
    ],
)
def test_wildcards(pattern: str, id_: str, hit: bool) -> None:  # noqa: FBT001 - a column of the table
    """Only the policy's own ASCII asterisk is a wildcard."""
    assert (
        Selector(ids=(pattern,)).matches_for_deny(fold_resource(Resource("k", id_), ACCESS)) is hit
    )


@STEADY
@given(TEXT, TEXT)
def test_no_other_name_is_denied(one: str, other: str) -> None:
    """A denial matches another text only if both fold to the same form."""
    hit = Selector(ids=(one.replace("*", "") or "x",)).matches_for_deny(
        fold_resource(Resource("k", other), ACCESS)
    )
    assert hit is (fold(one.replace("*", "") or "x") == fold(other))


@pytest.mark.parametrize(
    ("domain", "same"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("bücher.example", "XN--BCHER-KVA.Example."),
        ("bücher.example", "bu\u0308cher\u3002example\uff61"),
        (
            "bücher.example",
            "\uff58\uff4e\uff0d\uff0d\uff42\uff43\uff48\uff45\uff52\uff0d\uff4b\uff56\uff41\uff0eexample",
        ),
        ("xn--bcher-kva.example", "BÜCHER.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("agency.example", "agency\u00ad.exa\u200dmple"),
        ("agency.example", "agency.example>"),
        ("agency.example", "(agency).example;"),
        ("agency.example", "xn--agency-.example"),
    ],
)
def test_one_domain(domain: str, same: str) -> None:
    """A domain is the same in A-label form, in Unicode, and with a final dot."""
    assert fold_domain(domain) == fold_domain(same)
    asking = emails.folded(f"ann@{same}")
    facts = Facts("", frozenset(), frozenset([asking]), (), None, NOW)
    assert Requester(domains=(domain,)).may_hold(facts)
    assert Requester(emails=(f"Ann@{domain}",)).may_hold(facts)
    assert not Requester(("ann@example.com",), (f"sub.{domain}",)).may_hold(facts)


@pytest.mark.parametrize("label", ["xn--\u00fc", "xn--a!b", "xn--99999999", f"xn--{'a' * 60}-"])
def test_invalid_a_labels_are_unchanged(label: str) -> None:
    """An invalid A-label is compared as it is."""
    assert fold_domain(f"{label}.example") == f"{fold(label)}.example"


@pytest.mark.parametrize(
    "spelling",
    [
        "KIM@EXAMPLE.COM",
        "kim@example.com.",
        "k\u0130m@example.com",
        "kim\u200b@example.com",
        "kim\uff20example.com",
        '"kim"@example.com',
        "Kim <kim@example.com>",
    ],
)
def test_one_person(spelling: str) -> None:
    """For denials, an e-mail matches in any spelling, and under any alias."""
    policy = Policy((), {"kim@example.com": ("kk@corp.example",)})
    assert policy.known_as(spelling) == {"kim@example.com", "kk@corp.example"}
    assert policy.addresses(spelling) in ({spelling}, {spelling, "kk@corp.example"})


@pytest.mark.parametrize(
    ("holder", "declared"),
    [("jane@example.com", True), ("jane\u200b@EXAMPLE.com.", True), ("joan@example.com", False)],
)
def test_who_declared_an_incident(holder: str, declared: bool) -> None:  # noqa: FBT001 - a column of the table
    """A person with another id but the same e-mail, in any spelling, declared it."""
    incident = Incident("I1", "INC-1", (("jane@example.com", "U1"),))
    assert incident.may_be_declared_by(holder, "U2") is declared
