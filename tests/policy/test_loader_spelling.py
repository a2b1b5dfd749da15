"""Invisible and typographic characters are refused in a policy, or warned of by name."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from handler.characters import is_unseen
from policy.case_file import read_cases
from policy.diagnostics import DASHES, QUOTES
from policy.loader import load
from tests.policy.policy_folder import TESTS
from tests.policy.refused import Refused, refused
from tests.policy.texts import POLICY, changed, errors_of

DENIAL, ALIAS = '{labels: {Tier: "0"}}', "jane@example.com: [jane.doe@corp.example]"
OF_YAML = "remove it, and quote with \" or '"
LEFT, RIGHT = "U+201C LEFT DOUBLE QUOTATION MARK", "U+201D RIGHT DOUBLE QUOTATION MARK"
ANEW = "has a letter and its accent as two characters: retype it as one (NFC)"
UNSEEN = "which is invisible: remove it"


@pytest.mark.parametrize("row", refused("spelling"), ids=lambda row: row.name)
def test_lookalikes_in_denials_are_refused(row: Refused) -> None:
    """Denials, e-mails and domains have only characters that look like what they are."""
    assert errors_of(row.data) == row.errors


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("[DBA]", "[\u2018DBA\u2019]"),
            (
                4,
                '"schedules": "\u2018DBA\u2019" begins with U+2018 LEFT SINGLE QUOTATION MARK: '
                + OF_YAML,
            ),
        ),
        (
            ("{Env: Prod}", "{Env: Prod\u2011EU}"),
            (3, '"Env": "Prod\u2011EU" contains U+2011 NON-BREAKING HYPHEN: write - instead'),
        ),
        (("[DBA]", "[De\u0301pannage]"), (4, f'"schedules": "De\u0301pannage" {ANEW}')),
        (
            ("name: nobody", "name: \u201cnobody\u201d"),
            (6, f'"name": "\u201cnobody\u201d" begins with {LEFT}: {OF_YAML}'),
        ),
    ],
)
def test_lookalikes_in_approvals_are_warned_of(
    change: tuple[str, str], expected: tuple[int, str]
) -> None:
    """A schedule may have such a name at its provider: then only these letters match it."""
    loaded = load(changed(*change))
    assert loaded.errors == ()
    assert [tuple(each) for each in loaded.warnings] == [expected]


@pytest.mark.parametrize(
    "change",
    [
        ("[DBA]", "[D\u00e9pannage \u2013 Nuit, \U0001f6a8 DBA, it\u2019s us]"),
        ("name: nobody", 'name: it\u2019s nobody\u2019s \u2013 \u201cever\u201d, "they" said'),
        (DENIAL, "{labels: {\u00c1rea: Tr\u00e9sor}, ids: [b\u00fccher's, 'a\"b']}"),
        ("jane@example.com", "o'brien@b\u00fccher.example"),
    ],
)
def test_usual_text_is_accepted(change: tuple[str, str]) -> None:
    """Letters of any language, dashes between words and apostrophes in words."""
    loaded = load(changed(*change))
    assert (loaded.errors, loaded.warnings) == ((), ())


@pytest.mark.parametrize("quote", QUOTES)
def test_every_typographic_quote_is_named(quote: str) -> None:
    """On either end, whichever it is."""
    for text in (f"{quote}0", f"0{quote}"):
        ((line, output),) = errors_of(changed(DENIAL, f"{{labels: {{Tier: {text}}}}}"))
        assert line == 7
        assert unicodedata.name(quote) in output


def test_every_dash_is_one() -> None:
    """What the list of dashes holds is one to Unicode, or a minus, a bullet or the like."""
    ends = DASHES.split("\u2010-\u2015")
    dashes = [*ends[0], *map(chr, range(0x2010, 0x2016)), *ends[1]]
    kinds = {unicodedata.category(each) for each in dashes}
    assert kinds <= {"Pd", "Sm", "So", "Sk", "Po"}
    for dash in dashes:
        ((_, output),) = errors_of(changed(DENIAL, f"{{ids: [a{dash}b]}}"))
        assert unicodedata.name(dash) in output


def test_cases_whose_names_look_alike() -> None:
    """A name says which case is red."""
    wrong = TESTS.replace("name: runs dry", "name: ON \uff53hift")
    output = "the case in line 3 has the same name"
    assert [
        tuple(each) for each in read_cases(wrong.encode(), {"DBAs", "dry", "no vault"}).errors
    ] == [(8, output)]


def test_invisible_characters_in_cases_are_refused() -> None:
    """Their e-mails and names can be read."""
    wrong = TESTS.replace("kind: box", "kind: bo\u2800x").replace(
        "name: the vault\n    who: omar@", "name: the vault\n    who: om\u2013ar@"
    )
    assert [
        tuple(each) for each in read_cases(wrong.encode(), {"DBAs", "dry", "no vault"}).errors
    ] == [
        (10, f"a text contains U+2800 BRAILLE PATTERN BLANK, {UNSEEN}"),
        (14, '"who": this e-mail contains U+2013 EN DASH: write - instead'),
    ]


def test_policy_of_these_tests_is_plain() -> None:
    """The policy that the tables change is valid."""
    loaded = load(POLICY.encode())
    assert (loaded.errors, loaded.warnings) == ((), ())


def unseen_characters() -> frozenset[str]:
    """Give each invisible character of Unicode."""
    every = map(chr, range(sys.maxunicode + 1))
    return frozenset(
        each for each in every if is_unseen(each) and unicodedata.category(each) != "Cn"
    )
