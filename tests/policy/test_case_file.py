"""Errors in the tests of a policy are reported like errors in the policy."""

from __future__ import annotations

import pytest

from policy.case_file import read_cases
from tests.policy.policy_folder import TESTS
from tests.policy.refused import Refused, refused

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


@pytest.mark.parametrize("row", refused("cases", CASE), ids=lambda row: row.name)
def test_wrong_case_is_reported(row: Refused) -> None:
    """Each error has its line, and no case is decided."""
    cases = read_cases(row.data, RULES)
    assert [tuple(each) for each in cases.errors] == row.errors
    assert cases.cases == ()


def test_right_case_is_read() -> None:
    """The unchanged cases of these tables are read: who, what, when, on which facts."""
    (case,) = read_cases(CASE.encode(), RULES).cases
    assert (case.line, case.name) == (3, "on shift")
    assert case.request.requester.email == "omar@example.com"
    assert case.request.action == "access"
    (resource,) = case.request.resources
    assert (resource.kind, resource.id, resource.labels) == ("db", "orders", {"Env": "Prod"})
    shift, role = case.snapshot.duties
    assert (shift.level, shift.endless, shift.has_end) == (2, True, False)
    assert role.declarers == {"rita@example.com"}
    assert (role.severity, role.reporter, role.incident) == (("Major",), False, "INC-1")
    assert [str(each) for each in case.snapshot.failures] == [
        "incident.io everything: no complete answer in time"
    ]


def test_a_duty_of_a_user() -> None:
    """An id alone shows no e-mail; with who, both are shown."""
    text = CASE.replace("level: 2", "level: 2, user: P1")
    text = text.replace("role: Lead", "role: Lead, user: U1, who: rita@example.com")
    (case,) = read_cases(text.encode(), RULES).cases
    assert [(duty.holder, duty.user) for duty in case.snapshot.duties] == [
        ("", "P1"),
        ("rita@example.com", "U1"),
    ]


def test_two_cases_have_two_names() -> None:
    """A case's name is unique, as it says which case failed."""
    wrong = TESTS.replace("runs dry", "on shift")
    assert [tuple(each) for each in read_cases(wrong.encode(), RULES).errors] == [
        (8, "the case in line 3 has the same name")
    ]


def test_file_that_is_not_yaml_is_reported() -> None:
    """As for a policy."""
    output = "this is not YAML: expected the node content, but found '<stream end>'"
    assert [tuple(each) for each in read_cases(b"cases: [", RULES).errors] == [(1, output)]


def test_all_errors_are_reported_at_once() -> None:
    """In the order of their lines."""
    wrong = TESTS.replace("omar@", "omar").replace("kind: box", "knd: box")
    lines = [each.line for each in read_cases(wrong.encode(), RULES).errors]
    assert lines == [4, 9, 10, 10, 14]
