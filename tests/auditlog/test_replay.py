"""Replaying a record: the same decision, a difference, or a record with too few facts."""

from __future__ import annotations

import json

import pytest

from auditlog.explain import tree
from auditlog.record import read_line
from auditlog.replay import (
    ANOTHER_HOLDER,
    ANOTHER_PERSON,
    INCOMPLETE_CALL,
    INCONSISTENT_CALL,
    MAPPED_ELSEWHERE,
    NOT_WHOLE,
    UNDECIDED_PETITION,
    UNKNOWN_USER,
    ReplayResult,
    replay,
)
from handler.callers.indent import DURATION, EXPIRES, REQUESTED_DURATION
from handler.duty import Duty
from handler.providers.base import DutyQuery
from handler.request import Resource
from handler.rules.conditions import AnyOf, IncidentRole, OnCall, Requester
from handler.rules.model import Policy, Rule, Selector, ShiftEnd, policy_from_settings
from tests.auditlog.records import HOUR, LEAD, POLICY, SHIFT, log_records, request_by
from tests.cli.conftest import JANE, NOW, OMAR

PETITION = {"petition": "p-1"}


def problems(replayed: list[ReplayResult]) -> list[str]:
    """Why each record could not be replayed."""
    return [each.problem for each in replayed]


def test_the_same_policy_gives_the_same() -> None:
    """Approvals and refusals are the same, with everything that was logged about them."""
    records = log_records(request_by(), request_by(OMAR))
    for each in replay(records, POLICY):
        assert (each.problem, each.differences) == ("", ())
        assert each.new_record
        assert each.new_record["trace"]["rules"] == each.record["trace"]["rules"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({DURATION: "soonish"}, '"soonish"'),
        ({DURATION: "1h", REQUESTED_DURATION: "soonish"}, '"soonish"'),
        ({DURATION: f"soonish {OMAR}"}, '"..."'),
        ({EXPIRES: "tomorrow", DURATION: "1h"}, '"tomorrow"'),
        ({EXPIRES: "x" * 300}, '"..."'),
    ],
)
def test_an_unreadable_duration(labels: dict[str, str], expected: str) -> None:
    """The log has it, so any policy leaves the request to humans for that reason."""
    (record,) = log_records(request_by(labels=labels))
    assert expected in record["reason"]
    assert read_line(json.dumps(record)) == record
    for policy in (POLICY, policy_from_settings(HOUR)):
        (new_record,) = replay([record], policy)
        assert (new_record.problem, new_record.differences) == ("", ())
    assert tree(record).under[0].text == f"why: {record['reason']}"


def test_the_caller() -> None:
    """The replayed record has the caller; records of an older form have none."""
    request = request_by()
    request = request._replace(requester=request.requester._replace(id="jane"))
    (record,) = log_records(request, caller="authzen", caller_request="r-1")
    (again,) = replay([record], POLICY)
    assert again.new_record
    names = ("caller", "caller_request", "decision_id", "requester_id")
    assert [again.new_record[name] for name in names] == ["authzen", "r-1", "c-1-0", "jane"]
    (older,) = replay(log_records(request_by()), POLICY)
    assert older.new_record
    assert "caller" not in older.new_record


NAMES = {"jdoe": JANE}


@pytest.mark.parametrize(
    ("caller", "email", "logged", "now", "problem"),
    [
        ("authzen", JANE, NAMES, NAMES, ""),
        ("authzen", JANE, NAMES, {"jdoe": OMAR}, ANOTHER_PERSON),
        ("authzen", JANE, NAMES, {}, ANOTHER_PERSON),
        ("authzen", "", {}, NAMES, ANOTHER_PERSON),
        ("authzen", "", {}, {"other": JANE}, ""),
        ("indent", JANE, {}, {"jdoe": OMAR}, ""),
        ("", JANE, {}, {"jdoe": OMAR}, ""),
    ],
)
def test_a_name_that_means_another_person(
    caller: str, email: str, logged: dict[str, str], now: dict[str, str], problem: str
) -> None:
    """A policy that maps the name to somebody else needs duties that the log does not have."""
    request = request_by(email)
    request = request._replace(requester=request.requester._replace(id="jdoe"))
    before = POLICY._replace(identities={caller: logged} if logged else {})
    (record,) = log_records(request, caller=caller, policy=before)
    after = policy_from_settings(HOUR, schedules=("DBA",))._replace(identities={caller: now})
    (replayed,) = replay([record], after)
    assert replayed.problem == problem


def test_an_action() -> None:
    """The record has any action but access, as older records have none; replay uses it."""
    (access,), (deploy,) = (
        log_records(request_by()),
        log_records(request_by()._replace(action="deploy")),
    )
    assert "action" not in access["trace"]["request"]
    assert deploy["trace"]["request"]["action"] == "deploy"
    rule = Rule("r", Selector(kinds=("db",), actions=("deploy",)), OnCall(("DBA",)), HOUR)
    for record, policy, outcome in (
        (access, POLICY, "approve"),
        (deploy, POLICY, "abstain"),
        (access, Policy((rule,)), "abstain"),
    ):
        (replayed,) = replay([read_line(json.dumps(record)) or {}], policy)
        assert replayed.problem == ""
        assert (replayed.new_record or {})["outcome"] == outcome
    headline = tree(deploy).text
    assert headline == "left to humans: jane@example.com requests db:prod (action deploy)"


def test_an_action_that_the_log_hides() -> None:
    """An action with an e-mail in it, or a too long one, makes the record impossible to replay."""
    for action in (f"as {OMAR}", "x" * 300):
        (record,) = log_records(request_by()._replace(action=action))
        assert OMAR not in json.dumps(record)
        (replayed,) = replay([record], POLICY)
        assert replayed.problem == NOT_WHOLE


def test_a_line_worded_by_another_version() -> None:
    """Only values are compared: other words for the same decision are no difference."""
    records = log_records(request_by(), request_by(OMAR))
    for record in records:
        record["reason"] = "as it was worded once"
        for rule in record["trace"]["rules"]:
            rule["why"] = "as it was worded once"
    assert [result.differences for result in replay(records, POLICY)] == [(), ()]


def test_values_that_differ() -> None:
    """Evidence and the denying rule are compared, if the record has them."""
    (record,) = log_records(request_by())
    record["evidence"][0]["id"] = "another"
    assert replay([record], POLICY)[0].differences == ("evidence",)
    record["evidence"] = []
    assert replay([record], POLICY)[0].differences == ()
    denying = Policy((*POLICY.rules, Rule("none", Selector(), deny=True)))
    (denied,) = log_records(request_by(), policy=denying)
    renamed = Policy((*POLICY.rules, Rule("no", Selector(), deny=True)))
    assert replay([denied], renamed)[0].differences == ("denied_by",)
    denied["trace"]["rules"], denied["trace"]["other_rules"] = [], {}
    assert replay([denied], renamed)[0].differences == ()


def test_another_policy_gives_what_differs() -> None:
    """A shorter duration, another rule, or no approval."""
    (record,) = log_records(request_by())
    (shorter,) = replay([record], policy_from_settings(HOUR, schedules=("DBA",)))
    assert shorter.differences == ("duration",)
    (named,) = replay([record], Policy((POLICY.rules[0]._replace(name="DBAs"),)))
    assert named.differences == ("rules",)
    (no,) = replay([record], Policy((*POLICY.rules, Rule("none", Selector(), deny=True))))
    assert no.differences == ("outcome", "rules", "duration", "evidence", "denied_by")
    assert no.new_record
    assert no.new_record["reason"] == 'denied by rule "none"'


@pytest.mark.parametrize(
    ("queries", "rule", "known"),
    [
        # All that the other policy needs was asked for.
        (DutyQuery(schedules=("DBA", "API")), OnCall(("API",)), True),
        (DutyQuery(any_schedule=True), OnCall(("API",)), True),
        (DutyQuery(roles=True), IncidentRole(("Lead",)), True),
        (DutyQuery(schedules=("DBA",)), OnCall(("DBA", "API"), "Opsgenie"), False),
        # Some of it was not.
        (DutyQuery(schedules=("DBA",)), OnCall(("API",)), False),
        (DutyQuery(schedules=("DBA",)), OnCall(None), False),
        (DutyQuery(schedules=("DBA",)), AnyOf((OnCall(("DBA",)), IncidentRole(None))), False),
        (None, OnCall(("DBA",)), False),
    ],
)
def test_a_refusal_needs_all_facts(queries: DutyQuery | None, rule: OnCall, known: bool) -> None:  # noqa: FBT001 - the table's column
    """Another policy refuses only if everything that it needs was asked for."""
    records = log_records(
        request_by(), duties=(), queries={"incident.io": queries} if queries else {}
    )
    (other,) = log_records(request_by(OMAR), call="c-2")
    policy = Policy((Rule("", Selector(), rule, HOUR),))
    replayed, _ = replay([*records, other], policy)
    assert (replayed.problem == "") is known
    if not known:
        assert "would have been asked for facts that the log lacks" in replayed.problem


def test_an_approval_needs_no_further_facts() -> None:
    """More facts could only add to it."""
    (record,) = log_records(request_by())
    policy = policy_from_settings(HOUR, schedules=("DBA", "API"), incident_roles=("Lead",))
    (replayed,) = replay([record], policy)
    assert (replayed.problem, replayed.differences) == ("", ("duration",))


@pytest.mark.parametrize(
    ("asked", "wish", "known"),
    [(False, {}, False), (True, {}, True), (False, {DURATION: "1h"}, True)],
)
def test_longer_access_needs_all_facts(
    asked: bool,  # noqa: FBT001 - the table's column
    wish: dict[str, str],
    known: bool,  # noqa: FBT001
) -> None:
    """The function would have waited for a duty that opens longer access, unless none is wished."""
    lead = Rule("lead", Selector(), IncidentRole(("Lead",)), 8 * HOUR)
    policy = Policy((POLICY.rules[0], lead))
    queries = {"incident.io": DutyQuery(("DBA",), roles=asked)}
    (record,) = log_records(request_by(labels=wish), queries=queries)
    (replayed,) = replay([record], policy)
    assert ("would have been asked for facts that the log lacks" not in replayed.problem) is known
    assert replayed.differences == ()


def test_ends_are_facts() -> None:
    """A policy that needs ends cannot be replayed on a record whose duties had no end read."""
    (record,) = log_records(request_by(), duties=(SHIFT._replace(end=None),))
    policy = Policy((Rule("", Selector(), OnCall(("DBA",)), HOUR, shift_end=ShiftEnd()),))
    (replayed,) = replay([record], policy)
    assert "incident.io would have been asked" in replayed.problem
    # Also where another duty opens it, but for less time than that one might.
    brief = SHIFT._replace(id="S2", end=NOW + HOUR / 6)
    for ends, known in ((None, False), (NOW + HOUR, True)):
        (record,) = log_records(request_by(), duties=(SHIFT._replace(end=ends), brief))
        (replayed,) = replay([record], policy)
        assert ("would have been asked" not in replayed.problem) is known


def test_a_duty_without_an_end_stays_so() -> None:
    """A duty that never ends differs from one whose end was not read."""
    rule = Rule("", Selector(), OnCall(("DBA",)), HOUR, shift_end=ShiftEnd(without_end=HOUR / 2))
    endless = SHIFT._replace(end=None, endless=True)
    policy = Policy((rule,))
    records = log_records(request_by(), duties=(endless,), policy=policy)
    (replayed,) = replay(records, policy)
    assert replayed.differences == ()
    assert replayed.record["duration"] == "30m0s"


def test_an_aliases_duty_needs_the_alias() -> None:
    """A policy without the alias does not match the duty that was held under it."""
    alias = "jane@corp.example"
    aliases = {JANE: (alias,)}
    policy = POLICY._replace(aliases=aliases)
    (record,) = log_records(request_by(), duties=(SHIFT._replace(holder=alias),), policy=policy)
    assert alias not in json.dumps(record)
    (same,) = replay([record], policy)
    assert same.differences == ()
    (without,) = replay([record], POLICY)
    assert without.new_record
    assert without.new_record["outcome"] == "abstain"


def test_a_new_alias_is_a_fact_that_is_missing() -> None:
    """Duties under the requester's new address were not looked up at the time."""
    (record,) = log_records(request_by(), duties=())
    (replayed,) = replay([record], POLICY._replace(aliases={JANE: ("j@corp.example",)}))
    assert "requester's other addresses" in replayed.problem


def test_an_aliases_duty_by_other_aliases() -> None:
    """The log has no holder: a policy with other aliases does not approve on that duty."""
    aliases = {JANE: ("jane@corp.example",)}
    policy = POLICY._replace(aliases=aliases)
    (record,) = log_records(
        request_by(), duties=(SHIFT._replace(holder="jane@corp.example"),), policy=policy
    )
    (replayed,) = replay([record], POLICY._replace(aliases={JANE: ("j@corp.example",)}))
    assert "of another address of the requester, which is not logged" in replayed.problem


@pytest.mark.parametrize(
    ("aliases", "self_declared", "known"),
    [
        ({}, False, True),
        ({OMAR: ("o@corp.example",)}, False, True),
        ({JANE: ("j@corp.example",)}, False, False),
        ({"j@corp.example": (JANE,)}, False, False),
        ({JANE: ("j@corp.example",)}, True, True),
    ],
)
def test_who_declared_an_incident_is_not_logged(
    aliases: dict[str, tuple[str, ...]],
    self_declared: bool,  # noqa: FBT001 - the table's column
    known: bool,  # noqa: FBT001 - the same
) -> None:
    """With another alias, the declarer might be the requester."""
    led = LEAD._replace(declarers=frozenset({"j@corp.example"}))
    policy = policy_from_settings(6 * HOUR, incident_roles=("Incident Lead",))
    (record,) = log_records(request_by(), duties=(led,), policy=policy)
    other = policy._replace(aliases=aliases, self_declared=self_declared)
    (replayed,) = replay([record], other._replace(rules=(*policy.rules, policy.rules[0])))
    assert (replayed.problem == "") is known


BY_ID = SHIFT._replace(provider="PagerDuty", user="P1")
DENIES_DOMAIN = Rule("no", Selector(("x",)), Requester(domains=("b.example",)), deny=True)


@pytest.mark.parametrize(
    ("users", "problem"),
    [
        ({"P1": JANE}, ""),
        ({"P1": JANE, "P2": OMAR}, ""),
        ({"P1": OMAR}, ANOTHER_HOLDER),
        ({"P2": JANE}, ANOTHER_HOLDER),
        ({}, ANOTHER_HOLDER),
    ],
)
def test_an_id_that_means_another_person(users: dict[str, str], problem: str) -> None:
    """The log doesn't say whose the duty would be by what the provider shows."""
    before = POLICY._replace(identities={"PagerDuty": {"P1": JANE}})
    (record,) = log_records(request_by(), duties=(BY_ID,), policy=before)
    assert record["trace"]["duties"][0]["user"] == "P1"
    after = policy_from_settings(HOUR, schedules=("DBA",))._replace(identities={"PagerDuty": users})
    (replayed,) = replay([record], after)
    assert replayed.problem == problem
    (same,) = replay([record], before)
    assert (same.problem, same.differences) == ("", ())


def test_a_denial_whatever_a_provider_shows() -> None:
    """A request that is denied anyway can be replayed, even if the log hides a shown address."""
    deny = Rule("tier 0", Selector(kinds=("vault",)), deny=True)
    policy = POLICY._replace(rules=(deny, *POLICY.rules), identities={"PagerDuty": {"P1": JANE}})
    vault = request_by()._replace(resources=(Resource("vault", "prod"),))
    duty = BY_ID._replace(shown="old@example.com")
    records = log_records(vault, request_by(), duties=(duty,), policy=policy)
    assert [record["outcome"] for record in records] == ["abstain", "approve"]
    assert [(each.problem, each.differences) for each in replay(records, policy)] == [("", ())] * 2


SHOWN = SHIFT._replace(provider="PagerDuty")
OTHERS = {"P2": OMAR}


@pytest.mark.parametrize(
    ("logged", "users", "problem"),
    [
        ({}, OTHERS, UNKNOWN_USER),
        ({"P3": OMAR}, OTHERS, UNKNOWN_USER),
        (OTHERS, OTHERS, ""),
        (OTHERS, {"P2": OMAR, "P3": "carol@example.com"}, UNKNOWN_USER),
        (OTHERS, {"P2": JANE}, ""),
        (OTHERS, {}, ""),
        ({}, {"P2": JANE}, ""),
        ({}, {"P2": "j@corp.example"}, ""),
    ],
)
def test_a_user_who_may_be_mapped_to_another_person(
    logged: dict[str, str], users: dict[str, str], problem: str
) -> None:
    """The log has no id of a user who counts by the e-mail that the provider shows."""
    policy = POLICY._replace(aliases={JANE: ("j@corp.example",)})
    (record,) = log_records(
        request_by(), duties=(SHOWN,), policy=policy._replace(identities={"PagerDuty": logged})
    )
    assert "user" not in record["trace"]["duties"][0]
    rules = (POLICY.rules[0]._replace(name="DBAs"),)
    after = policy._replace(rules=rules, identities={"PagerDuty": users})
    (replayed,) = replay([record], after)
    assert replayed.problem == problem
    # Without the duty, humans decide in any case.
    denied = after._replace(rules=(*rules, Rule("none", Selector(), deny=True)))
    assert replay([record], denied)[0].problem == ""


def test_other_providers_users_do_not_matter() -> None:
    """An id of one provider says nothing about users of another."""
    (record,) = log_records(request_by(), duties=(SHOWN,))
    after = policy_from_settings(HOUR)._replace(identities={"Opsgenie": OTHERS, "authzen": OTHERS})
    (replayed,) = replay([record], after)
    assert (replayed.problem, replayed.differences) == ("", ("duration",))


@pytest.mark.parametrize(
    ("logged", "users", "problem"),
    [
        (OTHERS, {}, MAPPED_ELSEWHERE),
        (OTHERS, {"P3": OMAR}, MAPPED_ELSEWHERE),
        (OTHERS, OTHERS, ""),
        ({}, OTHERS, ""),
    ],
)
def test_a_user_who_may_have_been_mapped_to_another_person(
    logged: dict[str, str], users: dict[str, str], problem: str
) -> None:
    """Duties that the logged policy gave to somebody else may be the requester's."""
    queries = {"PagerDuty": DutyQuery(schedules=("DBA",))}
    before = POLICY._replace(identities={"PagerDuty": logged})
    (record,) = log_records(request_by(), duties=(), queries=queries, policy=before)
    after = policy_from_settings(HOUR, schedules=("DBA",))
    (replayed,) = replay([record], after._replace(identities={"PagerDuty": users}))
    assert replayed.problem == problem


def test_an_id_that_means_an_alias() -> None:
    """Which of a person's addresses is not logged."""
    alias = {JANE: ("j@corp.example",)}
    before = POLICY._replace(aliases=alias, identities={"PagerDuty": {"P1": "j@corp.example"}})
    duty = BY_ID._replace(holder="j@corp.example")
    (record,) = log_records(request_by(), duties=(duty,), policy=before)
    for rules, problem in ((before.rules, ""), ((*before.rules, *before.rules), "another address")):
        (replayed,) = replay([record], before._replace(rules=rules))
        assert problem in replayed.problem


def test_what_a_user_of_the_requester_might_add() -> None:
    """Their duties, what a denial hits, and who declared an incident: none of it is logged."""
    mapped = {"PagerDuty": {"P2": JANE}}
    (refused,) = log_records(request_by(), duties=())
    (approved,) = log_records(request_by())
    led = policy_from_settings(6 * HOUR, incident_roles=("Incident Lead",))
    (leads,) = log_records(request_by(), duties=(LEAD,), policy=led)
    for record, policy, problem in (
        (refused, POLICY, "duties of the requester's users at a provider would count"),
        (approved, POLICY, ""),
        (
            approved,
            POLICY._replace(rules=(*POLICY.rules, DENIES_DOMAIN)),
            "may deny the e-mail that a provider shows",
        ),
        (leads, led, "another address or user"),
    ):
        (replayed,) = replay([record], policy._replace(identities=mapped))
        assert problem in replayed.problem
        assert bool(problem) is bool(replayed.problem)
    # By unchanged identities, their duties were looked up.
    (refused,) = log_records(request_by(), duties=(), policy=POLICY._replace(identities=mapped))
    later = policy_from_settings(HOUR, schedules=("DBA",))
    for identities, problem in (
        (mapped, ""),
        ({**mapped, "PagerDuty": {"P3": JANE}}, "the requester's users at a provider"),
        ({**mapped, "Opsgenie": {"O1": JANE}}, "the requester's users at a provider"),
    ):
        (replayed,) = replay([refused], later._replace(identities=identities))
        assert problem in replayed.problem
        assert bool(problem) is bool(replayed.problem)


def test_named_schedules_of_pagerduty_are_looked_up() -> None:
    """A policy for any schedule did not list names, so another schedule could share one."""
    shift = SHIFT._replace(provider="PagerDuty", shared_names=frozenset({"DBA"}))
    records = log_records(
        request_by(),
        duties=(shift,),
        policy=policy_from_settings(HOUR),
        queries={"PagerDuty": DutyQuery(any_schedule=True)},
    )
    (replayed,) = replay(records, POLICY)
    assert "PagerDuty would have been asked for facts that the log lacks" in replayed.problem


def test_an_answer_for_which_nobody_waited() -> None:
    """An approval ends the waiting, so the other providers' answers are unknown."""
    shift = SHIFT._replace(provider="PagerDuty")
    queries = {"PagerDuty": DutyQuery(("DBA",), roles=True), "incident.io": DutyQuery()}
    records = log_records(request_by(), duties=(shift,), queries=queries)
    (same,) = replay(records, POLICY)
    assert (same.problem, same.differences) == ("", ())
    leads = policy_from_settings(HOUR, incident_roles=("Lead",))
    (other,) = replay(records, leads._replace(digest="another"))
    assert "incident.io would have been asked for facts that the log lacks" in other.problem


def test_requests_of_a_petition_are_decided_together() -> None:
    """All are approved or none; the other requests of the call are decided alone."""
    records = log_records(request_by(OMAR, PETITION), request_by(JANE, PETITION), request_by())
    assert [each["outcome"] for each in records] == ["abstain", "abstain", "approve"]
    assert not any(each.differences or each.problem for each in replay(records, POLICY))
    torn = replay(records[1:], POLICY)
    assert problems(torn) == [INCOMPLETE_CALL, ""]
    assert torn[1].differences == ()


@pytest.mark.parametrize("duties", [(SHOWN,), (BY_ID,)])
def test_a_petition_with_a_request_that_cannot_be_decided(duties: tuple[Duty, ...]) -> None:
    """None of its requests is shown as approved, as all are approved or none; others may be."""
    petitions = request_by(JANE, PETITION), request_by(OMAR, PETITION)
    others = request_by(OMAR), request_by(OMAR, {"petition": "p-2"})
    own = SHIFT._replace(provider="Opsgenie", holder=OMAR)
    before = POLICY._replace(identities={"PagerDuty": {"P1": JANE}})
    records = log_records(*petitions, *others, duties=(*duties, own), policy=before)
    assert [record["outcome"] for record in records] == ["approve"] * 4
    after = POLICY._replace(identities={"PagerDuty": OTHERS})
    replayed = replay(records, after)
    outcomes = {result.record["number"]: result.new_record for result in replayed}
    assert [outcomes[number] is None for number in range(4)] == [True, True, False, False]
    assert sorted(problems(replayed))[:3] == ["", "", UNDECIDED_PETITION]


def test_a_call_with_an_incomplete_record() -> None:
    """Its petition is unknown: only requests without a petition are replayed."""
    long = {"petition": "p" * 300}
    replayed = replay(
        log_records(request_by(labels=long), request_by(labels=PETITION), request_by()), POLICY
    )
    assert problems(replayed) == [NOT_WHOLE, INCOMPLETE_CALL, ""]


def test_records_are_grouped_by_call() -> None:
    """By the call's id, or by the first request if there is none; a repeated line counts once."""
    named = log_records(request_by(OMAR, PETITION), call="a") + log_records(
        request_by(JANE, PETITION), call="b"
    )
    assert [
        each.new_record["outcome"] for each in replay(named * 2, POLICY) if each.new_record
    ] == [
        "abstain",
        "approve",
    ]
    unnamed = log_records(request_by(OMAR, PETITION), call="") + log_records(
        request_by(JANE, PETITION), call=""
    )
    assert [each.new_record["outcome"] for each in replay(unnamed, POLICY) if each.new_record] == [
        "abstain",
        "approve",
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"whole": False}, NOT_WHOLE),
        ({"number": 0}, INCONSISTENT_CALL),
        ({"of": 3}, INCONSISTENT_CALL),
        ({"decided_at": "2026-03-04T12:00:01Z"}, INCONSISTENT_CALL),
        ({"policy": "another"}, INCONSISTENT_CALL),
        ({"version": "another"}, ""),
    ],
)
def test_contradictory_records_of_a_call(change: dict[str, object], problem: str) -> None:
    """None of them is replayed; other calls are."""
    one, two = log_records(request_by(), request_by(OMAR))
    (other,) = log_records(request_by(), call="c-2")
    result = problems(replay([one, {**two, **change}, other], POLICY))
    of_the_call = (
        [problem, problem] if problem == INCONSISTENT_CALL else sorted(["", problem])[::-1]
    )
    assert result == [*of_the_call, ""]


def test_a_duty_in_one_record_of_a_call_only() -> None:
    """It approves none of the call's requests."""
    one, two = log_records(request_by(), request_by(), duties=())
    (with_duty,) = log_records(request_by())
    two["trace"]["duties"] = with_duty["trace"]["duties"]
    one["trace"]["duties"] = [{**with_duty["trace"]["duties"][0], "name": "another"}]
    assert problems(replay([one, two], POLICY)) == [INCONSISTENT_CALL] * 2
