"""The tables in `decisions/`, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest

from handler import emails
from handler.duty import Duty, ProviderSnapshot
from handler.identities import identify
from handler.request import Resource
from handler.rules.evaluate import IRRELEVANT, NO_DUTY, Decision, decide_all
from handler.rules.model import Policy, Rule, Selector
from policy.loader import load
from tests.handler.tables import NOW, Expected, Row, Table, read_tables

TABLES = list(read_tables())
ROWS = {f"{table.name}: {row.name}": (table, row) for table in TABLES for row in table.rows}
STRANGER = "stranger@elsewhere.example"
SOMEBODY = Resource("slack/user", "U9", STRANGER)
IN_DRY_RUN = "only rules in dry run would approve it"


def decided(table: Table, row: Row) -> tuple[Decision, ...]:
    """Decide a row."""
    return _decided(row, table.policy())


def _decided(row: Row, policy: Policy) -> tuple[Decision, ...]:
    snapshot = ProviderSnapshot(
        tuple(duty for duty in row.duties if emails.is_address(duty.holder)),
        without_email=tuple(duty for duty in row.duties if not emails.is_address(duty.holder)),
    )
    return decide_all(row.requests, identify(snapshot, policy.identities), policy, NOW)


@pytest.mark.parametrize(("table", "row"), ROWS.values(), ids=ROWS)
def test_row(table: Table, row: Row) -> None:
    """Each row has the expected outcome."""
    for expected, decision in zip(row.expected, decided(table, row), strict=True):
        if expected.duration:
            _is_approved(decision, expected)
        else:
            _is_left_to_humans(decision, expected)


def _is_approved(decision: Decision, expected: Expected) -> None:
    assert decision.approved, f"{decision.reason}: {decision.rule_results}"
    assert decision.duration == expected.duration
    assert decision.rules == expected.rules
    if expected.evidence is not None:
        expected_evidence, evidence = expected.evidence, decision.evidence
        if any(duty.user for duty in expected_evidence):
            expected_evidence, evidence = (
                _without_people(expected_evidence),
                _without_people(evidence),
            )
        assert expected_evidence == evidence
    assert expected.why in {"", decision.limits[-1]}
    assert expected.reason in {"", decision.reason}
    assert decision.could_change is bool(expected.asks_on)


def _without_people(duties: Iterable[Duty]) -> tuple[Duty, ...]:
    """Remove the people, users and declarers from duties."""
    return tuple(duty._replace(holder="", user="", declarers=frozenset()) for duty in duties)


def _is_left_to_humans(decision: Decision, expected: Expected) -> None:
    assert not decision.approved, f"{decision.duration}: {decision.reason}"
    assert (decision.duration, decision.rules, decision.evidence) == (timedelta(0), (), ())
    open_ = decision.reason.endswith((NO_DUTY, IN_DRY_RUN))
    # If only a duty is missing, a row may give the reason against a duty or a rule instead.
    output = {
        why
        for result in decision.rule_results
        for why in (result.why, *dict(result.duties).values())
    }
    assert expected.why in {decision.reason, *(output if open_ else ())}, decision
    assert decision.could_change is (open_ if expected.asks_on is None else expected.asks_on)


def _decoys(policy: Policy, row: Row) -> Iterator[tuple[str, Policy, Row]]:
    """Give variations of an approved row that must not be approved."""
    others = tuple(duty._replace(holder=STRANGER, user="") for duty in row.duties)
    yield "nobody is on duty", policy, row._replace(duties=())
    yield "somebody else is on duty", policy, row._replace(duties=others)
    users = tuple(duty._replace(holder="", user=f"{duty.user}0") for duty in row.duties)
    yield "another user is on duty", policy, row._replace(duties=users)
    stranger = [request._replace(requester=Resource(email=STRANGER)) for request in row.requests]
    yield "a stranger asks", policy, row._replace(requests=tuple(stranger))
    more = [request._replace(resources=(*request.resources, SOMEBODY)) for request in row.requests]
    yield "a person is requested as well", policy, row._replace(requests=tuple(more))
    rules = (*policy.rules, Rule("nobody at all", Selector(), deny=True))
    yield "another rule denies", policy._replace(rules=rules), row
    rules = tuple(rule._replace(dry_run=True) for rule in policy.rules)
    yield "all rules run dry", policy._replace(rules=rules), row


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_decoys(table: Table) -> None:
    """Variations of an approved row that differ in one respect aren't approved."""
    policy = table.policy()
    for row in table.rows:
        if any(outcome.duration for outcome in row.expected):
            for why, changed, decoy in _decoys(policy, row):
                decisions = _decided(decoy, changed)
                assert not any(decision.approved for decision in decisions), (row.name, why)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_rule_counts(table: Table) -> None:
    """Each rule acts in some row, and each approving rule fails in another."""
    judged = [
        result for row in table.rows for one in decided(table, row) for result in one.rule_results
    ]
    acts = {result.rule for result in judged if result.verdict != "no"}
    fails = {
        result.rule for result in judged if result.verdict == "no" and result.why not in IRRELEVANT
    }
    rules = table.policy().rules
    assert table.odd or acts == {rule.name for rule in rules}
    assert fails >= {rule.name for rule in rules if not rule.deny}


@pytest.mark.parametrize(
    "table", [table for table in TABLES if table.body], ids=lambda table: table.name
)
def test_policies_are_valid(table: Table) -> None:
    """`policy/` accepts the policies of all tables except those marked as odd."""
    errors = load(json.dumps(table.body).encode()).errors
    assert bool(errors) is table.odd, errors
