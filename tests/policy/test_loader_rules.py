"""What is wrong with a rule is told by line, in a sentence."""

from __future__ import annotations

import pytest

from tests.policy.texts import SELECTOR, changed, errors_of

EXAMPLE = "use for example 90m or 1h30m"
IN_QUOTES = "write it in quotes"
BOUNDS = "at least 1s and at most 168h are allowed"
LIMITS_ONLY = (
    "has no place in a denying rule: an outage of the provider would lift it; "
    "requester and requested_duration are allowed there"
)
OF_THAT_NAME = "would be the name of one: any stands alone, where it is allowed at all"

# A sentence, what is changed into what, and what is said in which line.
RULES = [
    (
        "a misspelt key has a nearest word, and what it was meant for lacks",
        ("resources: {kinds", "resorces: {kinds"),
        [
            (2, 'a rule has no "resources"'),
            (3, '"resorces" is no key of a rule; the nearest is "resources"'),
        ],
    ),
    (
        "a key like no other comes with those that there are",
        ("aliases:", "x: [1]\naliases:"),
        [(9, '"x" is no key of a policy; allowed: rules, aliases')],
    ),
    (
        "a key twice is told with its first place",
        ("duration: 3h", "duration: 3h\n    duration: 2h"),
        [(6, '"duration" is here twice: first in line 5')],
    ),
    (
        "a rule is a mapping",
        ("  - name: nobody", "  - everybody\n  - name: nobody"),
        [(6, 'a rule is "everybody": a mapping (key: value) is needed')],
    ),
    (
        "a rule has a name",
        ("- name: nobody\n    resources", "- resources"),
        [(6, 'a rule has no "name"')],
    ),
    (
        "a name has a value",
        ("name: nobody", "name:"),
        [(6, '"name" has no value: give it one, or leave it out')],
    ),
    (
        "a name is told apart without regard to case",
        ("name: nobody", "name: dbas"),
        [(6, 'the name "dbas" is taken by the rule of line 2: the log tells rules by their names')],
    ),
    (
        "a name holds no e-mail, and none is repeated",
        ("name: nobody", "name: not for a@b.example"),
        [(6, '"name" holds an @: names of rules go into the log, e-mails do not')],
    ),
    (
        "a name has 100 characters at most",
        ("name: nobody", f"name: {'x' * 101}"),
        [(6, '"name" has 101 characters: at most 100 are allowed')],
    ),
    (
        "a name has one line",
        ("name: nobody", "name: |-\n      two\n      lines"),
        [(6, "a text holds a line break")],
    ),
    (
        "a name holds nothing that cannot be seen",
        ("name: nobody", 'name: "no\\u200bbody"'),
        [(6, "a text holds U+200B ZERO WIDTH SPACE, which cannot be seen: leave it out")],
    ),
    (
        "a name is a text",
        ("name: nobody", "name: 12"),
        [(6, '"name" is 12, which YAML reads as a number: write it in quotes ("12")')],
    ),
    (
        "what is long is quoted in part",
        ("deny: true", f"deny: {'x' * 61}"),
        [
            (6, 'an approving rule has no "when"'),
            (8, f'"deny" is "{"x" * 60}...": true and false are allowed'),
        ],
    ),
    (
        "what is short is quoted whole",
        ("deny: true", f"deny: {'x' * 60}"),
        [
            (6, 'an approving rule has no "when"'),
            (8, f'"deny" is "{"x" * 60}": true and false are allowed'),
        ],
    ),
    (
        "a rule says which resources",
        (f"    resources: {SELECTOR}\n", ""),
        [(2, 'a rule has no "resources"')],
    ),
    (
        "an empty selector selects nothing",
        (SELECTOR, "{}"),
        [(3, "resources is empty: name something in it")],
    ),
    (
        "all resources are called any",
        (SELECTOR, "all"),
        [(3, 'resources is "all": a mapping (key: value) is needed')],
    ),
    (
        "a list of kinds names one",
        ("[postgres.v1.Role]", "[]"),
        [(3, '"kinds" is empty: name something in it')],
    ),
    (
        "a kind is no pattern",
        ("[postgres.v1.Role]", '["postgres.*"]'),
        [(3, '"kinds": "postgres.*" is compared whole: * is a wildcard in ids only')],
    ),
    *[
        (
            f"in ids, {mark} is no wildcard",
            ('"db-*"', f'"{pattern}"'),
            [(3, f'"ids": "{pattern}" holds {mark}: only * is a wildcard')],
        )
        for pattern, mark in (("db-?", "?"), ("db-[0-9]", "[ and ]"), ("db]", "]"))
    ],
    *[
        (
            f"the pattern {pattern} fits everything without saying so",
            ('"db-*"', f'"{pattern}"'),
            [(3, f'"ids": "{pattern}" fits every id: leave ids out, or write resources: any')],
        )
        for pattern in ("*", "**")
    ],
    *[
        (
            f"the label's value {value} is {meaning} to YAML",
            ("Prod}", f"{value}}}"),
            [
                (3, f'"Env" is {value}, which YAML reads as {meaning}: {IN_QUOTES} ("{value}")'),
            ],
        )
        for value, meaning in (
            ("0", "a number"),
            ("1.50", "a number"),
            ("0o17", "a number"),
            ("1e3", "a number"),
            ("0x1F", "a number"),
            ("true", "true or false"),
            ("no", "true or false"),
            ("~", "nothing"),
            ("2026-11-24", "a time"),
        )
    ],
    (
        "a label without a value",
        ("Prod}", "}"),
        [(3, '"Env" is empty, which YAML reads as nothing: write it in quotes ("")')],
    ),
    ("a label's value is not empty", ("Prod}", '""}'), [(3, '"Env" is empty')]),
    (
        "a label's value is one text",
        ("Prod}", "[Prod]}"),
        [(3, '"Env" is a list: a text is needed')],
    ),
    (
        "a label's value is no pattern",
        ("Prod}", '"P*"}'),
        [(3, '"Env": "P*" is compared whole: * is a wildcard in ids only')],
    ),
    (
        "a label's name is a text",
        ("Env:", "1:"),
        [(3, '"the name of a label" is 1, which YAML reads as a number: write it in quotes ("1")')],
    ),
    (
        "a rule has when or deny",
        ("    deny: true\n", ""),
        [(6, 'a rule has neither "when" nor "deny: true"')],
    ),
    (
        "deny: false is no denial",
        ("deny: true", "deny: false"),
        [(6, 'an approving rule has no "when"')],
    ),
    (
        "a condition alone grants nothing",
        ("    duration: 3h\n", ""),
        [(2, 'an approving rule has no "duration"')],
    ),
    (
        "a denying rule grants nothing",
        (
            "deny: true",
            "deny: true\n    duration: 3h\n    end_with_shift: true\n    dry_run: false",
        ),
        [
            (9, 'a denying rule has no "duration": it grants nothing'),
            (10, 'a denying rule has no "end_with_shift": it grants nothing'),
            (11, 'a denying rule has no "dry_run": it grants nothing'),
        ],
    ),
    (
        "a denial rests on no shift",
        ("deny: true", "deny: true\n    when: {on_call: {schedules: any}}"),
        [(9, f'"on_call" {LIMITS_ONLY}')],
    ),
    (
        "a denial rests on no role, however deep it stands",
        ("deny: true", "deny: true\n    when: {any: [{all: [{incident_role: {roles: any}}]}]}"),
        [(9, f'"incident_role" {LIMITS_ONLY}')],
    ),
    (
        "a switch is true or false",
        ("duration: 3h", "duration: 3h\n    dry_run: yes"),
        [(6, '"dry_run" is yes: true and false are allowed')],
    ),
    (
        "a switch is not in quotes",
        ("duration: 3h", 'duration: 3h\n    dry_run: "true"'),
        [(6, '"dry_run" is "true": true and false are allowed')],
    ),
    *[
        (
            f"the duration {told} has no unit or none that is known",
            ("3h", written),
            [(5, f'"duration" is {told}, which isn\'t a duration: {hint}')],
        )
        for written, told, hint in (
            ("3", "3", "a number needs a unit, for example 3m or 3h"),
            ("1.5", "1.5", "a number needs a unit, for example 1.5m or 1.5h"),
            ("3h30", '"3h30"', "did you mean 3h30m?"),
            ("3 months", '"3 months"', EXAMPLE),
            ("1h1h", '"1h1h"', EXAMPLE),
            ("30m1h", '"30m1h"', "did you mean 1h30m?"),
            ("1:30", "1:30", EXAMPLE),
            ("[3h]", "a list", EXAMPLE),
            ("true", "true", EXAMPLE),
        )
    ],
    *[
        (
            f"the duration {written} has a fraction of a second",
            ("3h", written),
            [(5, f'"duration" is "{written}": only whole seconds are allowed')],
        )
        for written in ("500ms", "1.5s")
    ],
    *[
        (
            f"the duration {written} is out of bounds",
            ("3h", written),
            [(5, f'"duration" is "{written}": {BOUNDS}')],
        )
        for written in ("0s", "-1h", "168h1s")
    ],
    (
        "grace has an end, and what has none gets some time",
        ("duration: 3h", "duration: 3h\n    end_with_shift: {grace: 25h, without_end: 0s}"),
        [
            (6, '"grace" is "25h": at least 0s and at most 24h are allowed'),
            (6, f'"without_end" is "0s": {BOUNDS}'),
        ],
    ),
    (
        "ending with the shift by a time is said as grace",
        ("duration: 3h", "duration: 3h\n    end_with_shift: 15m"),
        [(6, '"end_with_shift" is "15m": true and false are allowed')],
    ),
]


@pytest.mark.parametrize(
    ("change", "said"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
def test_wrong_rule_is_told(change: tuple[str, str], said: list[tuple[int, str]]) -> None:
    """Each sentence of the table is an error with its line, and nothing else is one."""
    assert errors_of(changed(*change)) == said
