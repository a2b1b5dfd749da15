"""The decision's log line: the audit trail, without other people's e-mails."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handler.audit import decision_record
from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty, Failure, ProviderSnapshot
from handler.providers.base import DutyQuery
from handler.request import Request, Resource
from handler.rules.evaluate import Decision, RuleResult
from handler.rules.model import Policy, policy_from_settings

POLICY = policy_from_settings(timedelta(hours=6))
JANE = Resource("slack/user", "T1/U1", " Jane@Example.com")
GROUP = Resource("okta.v1.Group", "00g1")
REQUEST = Request(JANE, (GROUP,), groups=("p-1",))
SHIFT = Duty(
    "incident.io",
    ON_CALL,
    "S1",
    "DBA",
    "jane@example.com",
    end=datetime(2026, 3, 4, 18, tzinfo=UTC),
    link="https://app.incident.io/s1",
)


NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def by(*names: str) -> Policy:
    """A policy with rules of these names."""
    return POLICY._replace(rules=tuple(POLICY.rules[0]._replace(name=name) for name in names))


def record_of(
    decision: Decision,
    *failures: Failure,
    policy: Policy = POLICY,
    dry_run: bool = False,
    milliseconds: int = 7,
) -> dict[str, Any]:
    """The record, as read back from the log."""
    record = decision_record(
        decision,
        snapshot=ProviderSnapshot(failures=failures),
        providers=("incident.io",),
        policy=policy,
        dry_run=dry_run,
        milliseconds=milliseconds,
    )
    read: dict[str, Any] = json.loads(json.dumps(record, allow_nan=False))
    assert read == record
    return read


def test_how_long_the_evidence_lasts() -> None:
    """Each duty has a text for how long it lasts, and its end if known."""
    evidence = (
        SHIFT._replace(end=NOW + HOUR),
        SHIFT._replace(end=None),
        SHIFT._replace(end=None, endless=True),
        SHIFT._replace(end=None, kind=INCIDENT_ROLE, incident="INC-1"),
    )
    decision = Decision(REQUEST, "why", evidence, duties=evidence, duration=HOUR, now=NOW)
    record = record_of(decision)
    lines = [(duty["lasts"], duty.get("end"), duty.get("endless")) for duty in record["evidence"]]
    assert lines == [
        ("until the shift ends", "2026-03-04T13:00:00Z", None),
        ("until the shift ends", None, None),
        ("with no end", None, True),
        ("for as long as the incident is live", None, None),
    ]


def test_nobody_else_is_named_anywhere() -> None:
    """Other people's e-mails are redacted in all fields."""
    request = Request(
        Resource(email="jane@example.com"),
        (
            Resource("user:ann@x.io", "1"),
            Resource("u", "ann%40x.io"),
            Resource("k", "jane@example.com"),
        ),
        groups=("for ann@x.io",),
    )
    shift = Duty("P", ON_CALL, "S1", "Override for ann@x.io", "jane@example.com")
    limits = ("because of ann@x.io", f"{'a' * 193} ann@x.io")
    judged = (RuleResult("for ann@x.io", "no", "ann@x.io", duties=((shift, "not of ann@x.io"),)),)
    reason = f"Approved: {shift.describe(NOW)}"
    decision = Decision(
        request,
        reason,
        (shift,),
        duties=(shift,),
        rule_results=judged,
        other_limits=limits[:1],
        deciding_limit=limits[1],
    )
    record = record_of(decision, policy=by("for ann@x.io"))
    assert len(record["trace"]["rules"]) == 1
    assert "ann" not in str(record)
    assert record["resources"][2] == "k:jane@example.com"
    assert record["reason"] == "Approved: on call for S1 (P)"
    assert record["whole"] is False


def test_the_trace_is_cut_to_size() -> None:
    """Of thousands of duties and rules, only the first are logged."""
    duties = tuple(SHIFT._replace(id=f"{number:01000}") for number in range(5000))
    long = RuleResult("x" * 1000, "no", duties=((duties[0], "x" * 1000),))
    names = [f"rule {number}" for number in range(5000)]
    judged = (long, *(RuleResult(name, "no") for name in names))
    decision = Decision(REQUEST, "no", duties=duties, rule_results=judged)
    record = record_of(decision, policy=by(long.rule, *names))
    trace = record["trace"]
    assert len(trace["duties"]) == 50
    assert 400 < len(trace["rules"]) < 600
    assert {len(duty["id"]) for duty in trace["duties"]} == {200}
    assert (len(trace["rules"][0]["rule"]), trace["rules"][0]["duties"][0]["duty"]) == (200, 0)
    assert record["whole"] is False


def test_queries_and_aliases() -> None:
    """The trace has the queries, and marks duties under an alias without its address."""
    wants = DutyQuery(
        schedules=("DBA", "of ann@x.io"), ends=True, holders=frozenset({"j@corp.example"})
    )
    alias = SHIFT._replace(holder="j@corp.example")
    policy = POLICY._replace(aliases={"jane@example.com": ("j@corp.example",)})
    record = decision_record(
        Decision(REQUEST, "no duty", duties=(SHIFT, alias)),
        snapshot=ProviderSnapshot((SHIFT, alias)),
        providers=("incident.io",),
        policy=policy,
        dry_run=False,
        milliseconds=7,
        queries={"incident.io": wants},
    )
    trace = record["trace"]
    assert trace["wanted"] == {
        "incident.io": {"schedules": ["DBA", "of (an e-mail)"], "ends": True}
    }
    assert [duty.get("alias", False) for duty in trace["duties"]] == [False, True]
    assert "corp.example" not in json.dumps(record)
    assert record["whole"] is True


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST._replace(groups=("p" * 201,)),
        REQUEST._replace(requester=Resource(email=f"{'j' * 200}@example.com")),
    ],
)
def test_cut_names_are_not_whole(request_: Request) -> None:
    """If the petition or requester is cut, the line is marked as not whole."""
    assert record_of(Decision(request_, "no duty"))["whole"] is False


def test_the_callers_own_id_names_nobody() -> None:
    """An e-mail in the caller's own id is redacted, and the line stays replayable."""
    decision = Decision(Request(Resource(email="jane@example.com"), ()), now=NOW)
    record = decision_record(
        decision,
        snapshot=ProviderSnapshot(),
        providers=(),
        policy=POLICY,
        dry_run=False,
        milliseconds=7,
        call="c-1",
        caller="authzen",
        caller_request="for ann@x.io",
    )
    assert (record["whole"], "ann" in str(record)) == (True, False)
    assert (record["caller"], record["decision_id"]) == ("authzen", "c-1-0")


@pytest.mark.parametrize(
    ("id_", "caller", "logged"),
    [
        ("T1/U1", "indent", "T1/U1"),
        ("alice\u2705", "authzen", "alice\u2705"),
        ("a" * 201, "authzen", "a" * 200),
        ("T1/mary@example.com", "indent", "(an e-mail)"),
        ("mary@example.com", "indent", "(an e-mail)"),
        ("Jane@example.com ", "authzen", None),
        ("", "indent", None),
        ("T1/U1", "", None),
    ],
)
def test_the_callers_name_for_the_requester(id_: str, caller: str, logged: str | None) -> None:
    """The caller's name for the requester is logged for mapping, without others' e-mails."""
    decision = Decision(Request(JANE._replace(id=id_), ()), now=NOW)
    record = decision_record(
        decision,
        snapshot=ProviderSnapshot(),
        providers=(),
        policy=POLICY,
        dry_run=False,
        milliseconds=7,
        call="c-1",
        caller=caller,
    )
    assert record.get("requester_id") == logged
    assert (record["whole"], record.get("omitted")) == (True, None)


def test_identities_are_only_identified() -> None:
    """By system, in any order: the line says whether they changed, and names nobody."""
    people = {"P1": "omar@example.com", "P2": "jane@example.com"}
    by_system = {"PagerDuty": people, "authzen": {"omar": "omar@example.com"}, "JSM Operations": {}}
    digests = []
    for identities in (
        by_system,
        {**by_system, "PagerDuty": dict(reversed(people.items()))},
        {**by_system, "PagerDuty": {**people, "P2": "omar@example.com"}},
    ):
        policy = POLICY._replace(identities=identities)
        record = record_of(Decision(REQUEST, "no duty"), policy=policy)
        assert "omar" not in json.dumps(record["identities"])
        assert record["identities"].keys() == {"PagerDuty", "authzen"}
        digests.append(record["identities"])
    assert digests[0] == digests[1] != digests[2]
    assert digests[0]["authzen"] == digests[2]["authzen"]
    assert "identities" not in record_of(Decision(REQUEST, "no duty"))


def test_an_abstention() -> None:
    """An abstention has no duty or duration, but the reason and the failures."""
    failure = Failure("incident.io", "schedules", "answered 500")
    record = record_of(Decision(REQUEST, "no duty"), failure, dry_run=True)
    assert record["outcome"] == "abstain"
    assert record["evidence"] == []
    assert record["duration"] is None
    assert record["reason"] == "no duty"
    assert record["provider_failures"] == ["incident.io schedules: answered 500"]
    assert record["failing"] == {"incidentio": 1}
    assert record["dry_run"] is True


def test_which_provider_fails() -> None:
    """`failing` is 1 for a failed provider, 0 for one that answered, else absent."""
    record = decision_record(
        Decision(REQUEST, "no duty"),
        snapshot=ProviderSnapshot(failures=(Failure("PagerDuty", "oncalls", "answered 500"),) * 2),
        providers=("incident.io", "PagerDuty", "a provider of the past"),
        policy=POLICY,
        dry_run=False,
        milliseconds=7,
    )
    assert record["failing"] == {"incidentio": 0, "pagerduty": 1}


@pytest.mark.parametrize(
    ("duty", "self_made"),
    [
        (SHIFT, False),
        (SHIFT._replace(kind=INCIDENT_ROLE, declarers=frozenset({"bo@example.com"})), False),
        (SHIFT._replace(kind=INCIDENT_ROLE, self_declared=True), True),
        (SHIFT._replace(kind=INCIDENT_ROLE, declarers=frozenset({"jane@example.com"})), True),
        (SHIFT._replace(kind=INCIDENT_ROLE, declarers=frozenset({"j@corp.example"})), True),
        (SHIFT._replace(kind=INCIDENT_UPDATE), True),
    ],
)
def test_self_made_duties(duty: Duty, self_made: bool) -> None:  # noqa: FBT001 - the column of a table
    """Self-declared incidents and posted updates are logged as self-made."""
    policy = POLICY._replace(aliases={"jane@example.com": ("j@corp.example",)})
    decision = Decision(REQUEST, "Approved", (SHIFT, duty), duties=(SHIFT, duty))
    assert record_of(decision, policy=policy)["self_made"] is self_made
    # A duty that isn't evidence doesn't count.
    assert record_of(decision._replace(evidence=()), policy=policy)["self_made"] is False


def test_a_duty_without_end() -> None:
    """A role in an incident has no end, and its incident's reference."""
    role = Duty("incident.io", INCIDENT_ROLE, "R1", "Lead", "jane@example.com", incident="INC-42")
    (duty,) = record_of(Decision(REQUEST, "", (role,)))["evidence"]
    assert "end" not in duty
    assert duty["incident"] == "INC-42"


@pytest.mark.parametrize(
    ("id_", "named"),
    [
        ("jane@example.com", "user:jane@example.com"),
        ("JANE@example.com ", "user:JANE@example.com "),
        ("mary@example.com", "user:(an e-mail)"),
        ("T1/mary@example.com", "user:(an e-mail)"),
        ("mary", "user:mary"),
        ("", "user:"),
    ],
)
def test_nobody_elses_address(id_: str, named: str) -> None:
    """A resource with another person's e-mail as its id is redacted; the requester's isn't."""
    request = Request(JANE, (Resource("user", id_, "mary@example.com"),))
    record = record_of(Decision(request, ""))
    assert record["resources"] == [named]
    assert "mary@example.com" not in json.dumps(record)


def test_a_missing_requester() -> None:
    """A request without a requester is logged as well."""
    record = record_of(Decision(Request(Resource(), ()), "the requester's e-mail is missing"))
    assert (record["requester"], record["petition"], record["resources"]) == ("", "", [])


def test_a_huge_request() -> None:
    """For a huge request the line stays far below 256 KB, and has the number of resources."""
    long = "\u2705" * 1000
    many = (Resource(long, long),) * 5000
    record = record_of(Decision(Request(Resource(email=long), many, groups=(long,)), ""))
    assert record["resource_count"] == 5000
    assert 40 < len(record["resources"]) <= 50
    assert {len(name) for name in record["resources"]} == {200}
    assert len(record["requester"]) == len(record["petition"]) == 200
    assert record["whole"] is False
    assert len(json.dumps(record)) < 192 * 1024
