"""One form for all spellings: what a denial names, it hits in any disguise, and nothing else."""

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

EVERY_CHARACTER = list(map(chr, range(sys.maxunicode + 1)))


@cache
def _unseen_by_name() -> frozenset[str]:
    """Give what is ignorable or blank by its name: a second list, made in another way."""
    words = ("FILLER", "VARIATION SELECTOR", "ZERO WIDTH", "INVISIBLE", "SOFT HYPHEN", "VOWEL SEPA")
    names = ("COMBINING GRAPHEME JOINER", "WORD JOINER", "BRAILLE PATTERN BLANK")
    unseen = re.compile(f"{'|'.join(words)}|^TAG |^({'|'.join(names)})$")
    return frozenset(
        each
        for each in EVERY_CHARACTER
        if (name := unicodedata.name(each, ""))
        and unseen.search(name)
        # Punctuation is seen, though some fills a line.
        and unicodedata.category(each)[0] != "P"
    )


def _ignored_by_idna() -> Iterator[str]:
    """Give what IDNA's mapping leaves out of a domain."""
    starts, statuses = uts46data.uts46_starts, uts46data.uts46_statuses
    ends = [*starts[1:], sys.maxunicode + 1]
    for first, end, status in zip(starts, ends, statuses, strict=True):
        if chr(status) == "I":
            yield from map(chr, range(first, end))


def test_lists_agree() -> None:
    """Whatever is ignorable by its name, or to IDNA, is unseen here."""
    by_name, by_idna = _unseen_by_name(), set(_ignored_by_idna())
    assert len(by_name) > 350
    assert len(by_idna) > 250
    assert all(map(is_unseen, by_name | by_idna))
    assert not any(map(fold, by_name | by_idna))


def test_no_letter_is_unseen() -> None:
    """No letter, digit or mark is dropped, but for fillers and marks without a glyph."""
    dropped = {each for each in EVERY_CHARACTER if is_unseen(each) and each.isprintable()}
    listed = {chr(each) for first, last in IGNORABLE for each in range(first, last + 1)}
    assert dropped <= listed | BLANK_GLYPHS
    assert {unicodedata.category(each)[0] for each in dropped} == {"L", "M", "S"}
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
def test_one_text(one: str, other: str) -> None:
    """What a reader takes for one text has one form."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prod-db", "prod_db"),
        ("é", "e"),
        ("e\u0301\u0323x", "ex"),
        ("1", "l"),
        ("й", "и"),
        # Confusable letters of two scripts are beyond what folding is for.
        ("a", "\u0430"),
        ("\U0001f600", "\U0001f601"),
    ],
)
def test_two_texts(one: str, other: str) -> None:
    """Letters, accents and signs that differ stay different."""
    assert fold(one) != fold(other)


def test_case_of_every_character() -> None:
    """No character gets past by its case, and none changes when it is folded again."""
    changed = [
        each
        for each in EVERY_CHARACTER
        if not each == each.upper() == each.casefold() == unicodedata.normalize("NFKD", each)
    ]
    assert len(changed) > 15_000
    for each in changed:
        folded = fold(each)
        assert {fold(each.upper()), fold(each.lower()), fold(folded)} == {folded}, ascii(each)


@STEADY
@given(TEXT)
@example("i\u0307\u0307\u0323")
@example("\u0307i\u034f\u0307")
def test_folding_again_changes_nothing(text: str) -> None:
    """The folded form is its own, whole or as a domain or an e-mail."""
    assert fold(fold(text)) == fold(text)
    assert fold_domain(fold_domain(text)) == fold_domain(text)
    assert emails.folded(emails.folded(text)) == emails.folded(text)


def test_a_long_text_of_marks_takes_no_time_by_its_square() -> None:
    """A hundred thousand marks in the wrong order are ordered as a list is sorted."""
    marks = "\u0301\u0323" * 50_000
    assert fold(f"e{marks}") == "e" + "\u0323" * 50_000 + "\u0301" * 50_000


# When it is drawn from: each process that collects tests would look through all names.
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
    """Give a text, and the same in a disguise or several."""
    text = draw(texts)
    worn = text
    for disguise in draw(st.lists(st.sampled_from(DISGUISES), max_size=4)):
        worn = disguise(draw, worn)
    return text, worn


WORDS = st.text(st.characters(exclude_characters="*"), min_size=1, max_size=8).filter(fold)


@STEADY
@given(disguised(WORDS), disguised(WORDS), disguised(WORDS))
def test_no_disguise_gets_past_a_denial(
    kind: tuple[str, str], id_: tuple[str, str], label: tuple[str, str]
) -> None:
    """Kind, id, label and its value are hit, whatever each is dressed up as."""
    named = Selector((kind[0],), (id_[0],), ((label[0], kind[0]),))
    resource = Resource(kind[1], id_[1], labels={label[0]: "other", label[1]: kind[1]})
    assert named.matches_for_deny(fold_resource(resource, ACCESS))
    lone = Resource(kind[1], id_[1], labels={label[1]: "other"})
    exact = label[0] == label[1] and fold(kind[0]) != "other"
    assert named.matches_for_deny(fold_resource(lone, ACCESS)) is not exact


@STEADY
@given(disguised(WORDS), TEXT, TEXT)
def test_no_disguise_gets_past_a_pattern(word: tuple[str, str], before: str, after: str) -> None:
    """What stands around the asterisks is hit in any disguise, whatever the asterisks stand for."""
    assume("*" not in fold(word[0]))
    for pattern in (f"*{word[0]}*", f"{word[0]}*", f"*{word[0]}"):
        front = before if pattern.startswith("*") else ""
        behind = after if pattern.endswith("*") else ""
        # A mark after a letter may be put in another order than before: then it is another letter.
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
def test_folding_loses_nothing_that_a_plain_comparison_hits(pattern: str, id_: str) -> None:
    """A pattern that fits by the letter denies, in whatever order marks stand."""
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
        # Neither is a wildcard: not the one of the request, nor one that folding makes.
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
    """Only an asterisk that the policy has is one."""
    assert (
        Selector(ids=(pattern,)).matches_for_deny(fold_resource(Resource("k", id_), ACCESS)) is hit
    )


@STEADY
@given(TEXT, TEXT)
def test_nobody_else_is_hit(one: str, other: str) -> None:
    """A denial of one text hits another only where both fold to the same."""
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
    """A domain is the same as DNS has it, as people write it, and with the root's dot."""
    assert fold_domain(domain) == fold_domain(same)
    asking = emails.folded(f"ann@{same}")
    facts = Facts("", frozenset(), frozenset([asking]), (), None, NOW)
    assert Requester(domains=(domain,)).may_hold(facts)
    assert Requester(emails=(f"Ann@{domain}",)).may_hold(facts)
    assert not Requester(("ann@example.com",), (f"sub.{domain}",)).may_hold(facts)


@pytest.mark.parametrize("label", ["xn--\u00fc", "xn--a!b", "xn--99999999", f"xn--{'a' * 60}-"])
def test_what_no_label_can_be_stays(label: str) -> None:
    """What only looks like an A-label, or is too long for one, is compared as it stands."""
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
    """Speaking against somebody, an address is theirs in any spelling, and under any alias."""
    policy = Policy((), {"kim@example.com": ("kk@corp.example",)})
    assert policy.known_as(spelling) == {"kim@example.com", "kk@corp.example"}
    assert policy.addresses(spelling) in ({spelling}, {spelling, "kk@corp.example"})


@pytest.mark.parametrize(
    ("holder", "declared"),
    [("jane@example.com", True), ("jane\u200b@EXAMPLE.com.", True), ("joan@example.com", False)],
)
def test_who_declared_an_incident(holder: str, declared: bool) -> None:  # noqa: FBT001 - a column of the table
    """By another id, but by the same address in another spelling, it is the same person."""
    incident = Incident("I1", "INC-1", (("jane@example.com", "U1"),))
    assert incident.may_be_declared_by(holder, "U2") is declared
