"""What is wrong with the tests of a policy is told as for the policy itself."""

from __future__ import annotations

import pytest

from policy.case_file import read_cases
from tests.policy.texts import changed
from tests.policy.tried import TESTS

RULES = ("DBAs", "dry", "no vault")
CASE = """\
at: 2026-11-24T10:00:00Z
cases:
  - name: on shift
    who: omar@example.com
    asks_for: {kind: db, id: orders, labels: {Env: Prod}}
    duration: 30m
    providers_say:
      - on_call: {provider: incidentio, schedule: DBA, level: 2, until: never}
      - incident_role: {role: Lead, severity: Major, declared_by: rita@example.com}
      - failure: {provider: incidentio}
    expect: {approved: true, rule: DBAs, duration: 3h}
"""
NEEDS_TIME = "a time with its offset is needed, such as 2026-11-24T10:00:00Z"
SAYINGS = "allowed: on_call, incident_role, failure"
WITH_YES = "allowed: approved, rule, rules, duration, evidence"
WITH_NO = "allowed: approved, denied_by, dry_run_of, why"
WRONG = [
    (
        "no cases",
        (CASE[CASE.index("cases:") :], "cases: []\n"),
        [(2, '"cases" is empty: name something in it')],
    ),
    ("no time at all", ("at: 2026-11-24T10:00:00Z\n", ""), [(2, 'a case has no "at"')]),
    (
        "a time without offset",
        ("at: 2026-11-24T10:00:00Z", "at: 2026-11-24 10:00"),
        [(1, f'"at" is "2026-11-24 10:00": {NEEDS_TIME}')],
    ),
    (
        "a time is one",
        ("at: 2026-11-24T10:00:00Z", "at: [2026-11-24T10:00:00Z]"),
        [(1, f'"at" is a list: {NEEDS_TIME}')],
    ),
    (
        "a misspelt key",
        ("who: omar", "whom: omar"),
        [(3, 'a case has no "who"'), (4, '"whom" is no key of a case; the nearest is "who"')],
    ),
    (
        "nobody asks",
        ("who: omar@example.com", "who: omar"),
        [(4, '"who" holds what is no e-mail: one whole address is needed')],
    ),
    (
        "nothing is asked for",
        ("{kind: db, id: orders, labels: {Env: Prod}}", "[]"),
        [(5, '"asks_for" is empty: name something in it')],
    ),
    ("a resource has an id", (", id: orders", ""), [(5, 'a resource has no "id"')]),
    (
        "a label's value is a text",
        ("Prod", "1"),
        [(5, '"Env" is 1, which YAML reads as a number: write it in quotes ("1")')],
    ),
    (
        "a duration has a unit",
        ("duration: 30m", "duration: 30"),
        [
            (
                6,
                (
                    '"duration" is 30, which isn\'t a duration: '
                    "a number needs a unit, for example 30m or 30h"
                ),
            )
        ],
    ),
    (
        "a provider that there is not",
        ("- failure: {provider: incidentio}", "- failure: {provider: incident_io}"),
        [(10, '"incident_io" is no provider; the nearest is "incidentio"')],
    ),
    (
        "a list of providers' words has one",
        (CASE[CASE.index("      - on_call") : CASE.index("    expect")], "      []\n"),
        [(8, '"providers_say" is empty: name something in it')],
    ),
    ("a shift is for a schedule", ("schedule: DBA, ", ""), [(8, 'on_call has no "schedule"')]),
    (
        "a level is a number",
        ("level: 2", "level: 0"),
        [(8, '"level" is 0: whole numbers from 1 to 999 are allowed, without quotes')],
    ),
    (
        "a shift ends at a time",
        ("until: never", "until: soon"),
        [(8, f'"until" is "soon": {NEEDS_TIME}')],
    ),
    ("a role is one", ("role: Lead, ", ""), [(9, 'incident_role has no "role"')]),
    (
        "a duty of another kind",
        ("- failure:", "- outage:"),
        [(10, f'"outage" is no key of what a provider says; {SAYINGS}')],
    ),
    (
        "nothing is expected",
        ("{approved: true, rule: DBAs, duration: 3h}", "{rule: DBAs}"),
        [(11, 'expect has no "approved"')],
    ),
    (
        "a rule that there is not",
        ("rule: DBAs", "rule: DBA"),
        [(11, '"DBA" is no rule of the policy; the nearest is "DBAs"')],
    ),
    (
        "an approval by no rule",
        ("rule: DBAs, ", ""),
        [(11, 'an approval is expected by a "rule", or by "rules": name it')],
    ),
    (
        "an approval by two at once",
        ("rule: DBAs", "rule: DBAs, rules: [dry]"),
        [(11, 'an approval is expected by a "rule", or by "rules": name it')],
    ),
    (
        "an approval for no time",
        (", duration: 3h", ""),
        [(11, 'an approval is expected for a "duration": say which')],
    ),
    (
        "an approval that is denied",
        ("duration: 3h", "duration: 3h, denied_by: no vault"),
        [(11, f'"denied_by" does not go with "approved: true"; {WITH_YES}')],
    ),
    (
        "a refusal for some time",
        ("{approved: true, rule: DBAs, duration: 3h}", "{approved: false, duration: 3h}"),
        [(11, f'"duration" does not go with "approved: false"; {WITH_NO}')],
    ),
]


@pytest.mark.parametrize(
    ("change", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_wrong_case_is_told(change: tuple[str, str], said: list[tuple[int, str]]) -> None:
    """Each sentence of the table is an error with its line, and no case is decided then."""
    found = read_cases(changed(*change, CASE), RULES)
    assert [tuple(each) for each in found.errors] == said
    assert found.cases == ()


def test_right_case_is_read() -> None:
    """What the rows change is right before: who, what, when, on which facts."""
    (case,) = read_cases(CASE.encode(), RULES).cases
    assert (case.line, case.name) == (3, "on shift")
    assert case.request.requester.email == "omar@example.com"
    (resource,) = case.request.resources
    assert (resource.kind, resource.id, resource.labels) == ("db", "orders", {"Env": "Prod"})
    shift, role = case.snapshot.duties
    assert (shift.level, shift.endless, shift.has_end) == (2, True, False)
    assert role.declarers == {"rita@example.com"}
    assert (role.severity, role.reporter, role.incident) == (("Major",), False, "INC-1")
    assert [str(each) for each in case.snapshot.failures] == [
        "incident.io everything: given up: no answer in time"
    ]


def test_two_cases_have_two_names() -> None:
    """A name says which case is red."""
    wrong = TESTS.replace("runs dry", "on shift")
    assert [tuple(each) for each in read_cases(wrong.encode(), RULES).errors] == [
        (8, "the case of line 3 has this name, too")
    ]


def test_file_that_is_not_yaml_is_told() -> None:
    """As for a policy."""
    said = "this is not YAML: expected the node content, but found '<stream end>'"
    assert [tuple(each) for each in read_cases(b"cases: [", RULES).errors] == [(1, said)]


def test_everything_wrong_is_told_at_once() -> None:
    """One run tells all of it, by line."""
    wrong = TESTS.replace("omar@", "omar").replace("kind: box", "knd: box")
    lines = [each.line for each in read_cases(wrong.encode(), RULES).errors]
    assert lines == [4, 9, 10, 10, 14]
