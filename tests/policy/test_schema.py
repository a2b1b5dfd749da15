"""The schema for editors agrees with the loader, as far as a schema can."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from policy.case_file import read_cases
from policy.loader import load
from policy.schema import schemas
from tests.policy import test_loader_spelling, test_refused
from tests.policy.refused import refused
from tests.policy.test_loader import WHOLE
from tests.policy.texts import ON_CALL, POLICY, changed

ROOM = Path(__file__).resolve().parents[2] / "policy"
# What takes the whole file, the providers' names or arithmetic to see, or the other YAML.
BEYOND_A_SCHEMA = {
    "a misspelt provider gets a suggestion, in any case",
    "a switch other than true or false",
    "the label's value 0o17 is a number in YAML",
    "the label's value 1e3 is a number in YAML",
    "the label's value 2026-11-24 is a time in YAML",
    "names that differ only in case",
    "a denied id with a decomposed character",
    "an e-mail with a decomposed character",
    "rules with names that look alike",
    "a duplicate key is reported with the line of the first",
    'the duration "1h1h" has a missing or unknown unit',
    'the duration "30m1h" has a missing or unknown unit',
    "the duration 500ms has a fraction of a second",
    "the duration 1.5s has a fraction of a second",
    "the duration 0s is out of bounds",
    "the duration 168h1s is out of bounds",
    "grace over 24h, and without_end of zero",
    "an e-mail is listed twice, in any case",
    "a value is listed twice",
    "a value under two keys, in any case",
    "a value that is another key",
    "a value that is its own key",
    "two keys that are the same address",
    "a name is given twice",
    "a name is given twice, in another case",
    "a name is given twice, with a space, for the same person",
    "a name that is an e-mail in another spelling",
    "an id is given twice",
    "an id is given twice, in another case",
    "an id that is an e-mail, escaped",
}
BAD = [*test_refused.ROWS, *refused("spelling")]
GOOD = [
    POLICY.encode(),
    WHOLE.encode(),
    (ROOM / "example.yaml").read_bytes(),
    changed('{labels: {Tier: "0"}}', "{actions: [deploy, delete]}"),
    changed("{kinds: [postgres.v1.Role]", "{actions: [access, deploy], kinds: [a]"),
    changed("deny: true", "deny: true\n    when: {any: [{requester: {emails: [a@b.c]}}]}"),
    changed(ON_CALL, f"{{all: [{{any: [{{requester: {{domains: [a.b]}}}}]}}, {ON_CALL}]}}"),
    *(
        changed("3h", each)
        for each in ("1h30m", "90 min", "2 hours", "1 Hour 30 Minutes", "1.5h", "1d")
    ),
    *(changed("3h", f'3h\n    end_with_shift: {{grace: "{each}"}}') for each in ("0", "0s", "+0")),
]


class _Loader(yaml.SafeLoader):
    """Reads YAML as editors do, which know no times."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to state it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@cache
def validator_of(schema: str) -> Any:  # noqa: ANN401 - jsonschema has no types
    """Read a schema, which is one."""
    read = json.loads((ROOM / schema).read_text(encoding="utf-8"))
    Draft7Validator.check_schema(read)
    return Draft7Validator(read)


def said_by(schema: str, data: bytes) -> list[str]:
    """Give the schema's errors for a file."""
    value: Any = yaml.load(data, _Loader)  # noqa: S506 - a SafeLoader
    return [error.message for error in validator_of(schema).iter_errors(value)]


def test_what_the_loader_refuses_the_schema_refuses() -> None:
    """Except for errors that only the loader can see."""
    assert {row.name for row in BAD if not said_by("schema.json", row.data)} == BEYOND_A_SCHEMA


@pytest.mark.parametrize("data", GOOD)
def test_what_the_loader_takes_the_schema_takes(data: bytes) -> None:
    """An editor marks nothing in a valid file."""
    assert load(data).errors == ()
    assert said_by("schema.json", data) == []


def test_schema_knows_every_character_that_cannot_be_seen() -> None:
    """The list of them that the schema has to have is the loader's, as far as this Unicode goes."""
    read = json.loads((ROOM / "schema.json").read_text(encoding="utf-8"))
    pattern = re.compile(read["definitions"]["unseen"]["pattern"])
    every = "".join(
        each for each in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(each) != "Cn"
    )
    unseen = test_loader_spelling.unseen_characters()
    assert set(pattern.findall(every)) == unseen
    assert len(unseen) > 100_000  # with those of private use


def test_schemas_are_those_of_the_grammar() -> None:
    """What is checked in is what `python -m policy.schema` writes."""
    for name, text in schemas().items():
        assert (ROOM / name).read_text(encoding="utf-8") == text


EXAMPLE = (ROOM / "example.test.yaml").read_text(encoding="utf-8")
OFF_DUTY = EXAMPLE[EXAMPLE.index("  - name: Somebody off duty") :]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("who: nora", "whom: nora"),
        ("who: nora@example.com", "who: nora"),
        ("who: nora@example.com", "who: {conductorone: nora}"),
        ("who: nora@example.com", "who: {authzen: [nora]}"),
        ("approved: false", "approved: no one"),
        ("approved: false", "approved: true"),
        ("{approved: false,", "{"),
        ("approved: false, why", "approved: false, rule"),
        ("    expect", "    providers_say: []\n    expect"),
        ("    expect", "    providers_say: [{on_call: {provider: incidentio}}]\n    expect"),
        ("    expect", "    duration: 1\n    expect"),
        ("kind: postgres.v1.Role, ", ""),
        ('Tier: "1"', "Tier: 1"),
    ],
)
def test_schema_of_the_tests_agrees_with_their_reader(old: str, new: str) -> None:
    """The same of test files."""
    right = f"at: 2026-11-24T10:00:00Z\ncases:\n{OFF_DUTY}"
    wrong = changed(old, new, right)
    assert read_cases(right.encode(), ()).errors == ()
    assert said_by("test.schema.json", right.encode()) == []
    assert said_by("test.schema.json", EXAMPLE.encode()) == []
    assert read_cases(wrong, ()).errors
    assert said_by("test.schema.json", wrong)


def test_schema_of_the_tests_knows_names() -> None:
    """A requester may be an AuthZEN caller's name instead of an e-mail."""
    text = f"at: 2026-11-24T10:00:00Z\ncases:\n{OFF_DUTY}"
    by_name = changed("who: nora@example.com", "who: {authzen: nora}", text)
    assert read_cases(by_name, ()).errors == ()
    assert said_by("test.schema.json", by_name) == []
