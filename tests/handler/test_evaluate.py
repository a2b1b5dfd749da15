"""How a decision explains itself. Who is approved, and for how long, is in the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty, Failure, ProviderSnapshot
from handler.request import Request, Resource
from handler.rules.conditions import (
    NOT_LISTED,
    AllOf,
    AnyOf,
    IncidentRole,
    OnCall,
    PostedUpdate,
    Requester,
)
from handler.rules.evaluate import (
    DENIED,
    DENIES_OTHERS,
    NEEDS_ANOTHER_DUTY,
    NO_DUTY,
    OTHER_RESOURCES,
    RuleResult,
    decide,
    decide_all,
)
from handler.rules.model import Policy, Rule, Selector, ShiftEnd, policy_from_settings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
JANE = "jane@example.com"
ANY = policy_from_settings(timedelta(hours=6))
ASKED = Request(Resource("slack/user", "U1", JANE), (Resource("postgres.v1.Role", "prod-db"),))
SHIFT = Duty("incident.io", ON_CALL, "S1", "DBA", JANE, end=NOW + timedelta(hours=1))
LEAD = Duty("incident.io", INCIDENT_ROLE, "R1", "Incident Lead", JANE, incident="INC-42")
OWN_LEAD = LEAD._replace(self_declared=True)


def test_a_failing_provider_hides_no_duty_and_gives_none() -> None:
    """A failure neither hides a duty nor replaces one."""
    failure = Failure("incident.io", "schedules", "answered 500")
    assert decide(ASKED, ProviderSnapshot((LEAD,), (failure,)), ANY, NOW).approved
    assert not decide(ASKED, ProviderSnapshot((), (failure,)), ANY, NOW).approved


def test_trace_says_why_each_duty_counts_or_not() -> None:
    """The trace has each of the requester's duties, why it counts or not, and the limit."""
    others = LEAD._replace(holder="joan@example.com", incident="INC-7")
    decision = decide(ASKED, ProviderSnapshot((OWN_LEAD, SHIFT, others)), ANY, NOW)
    assert (decision.request, decision.now) == (ASKED, NOW)
    assert decision.duties == (OWN_LEAD, SHIFT)
    notes = ((OWN_LEAD, "self-declared by the requester"), (SHIFT, ""))
    assert decision.rule_results == (
        RuleResult("", "grants", until=NOW + timedelta(hours=6), duties=notes),
    )
    assert decision.limits == ("the policy allows 6 hours",)


@pytest.mark.parametrize("field", ["start", "end"])
def test_a_time_without_zone_is_an_error(field: str) -> None:
    """A time without a zone raises, rather than approves."""
    naive = SHIFT._replace(**{field: NOW.replace(tzinfo=None)})  # type: ignore[arg-type]  # the point
    with pytest.raises(TypeError):
        decide(ASKED, ProviderSnapshot((naive,)), ANY, NOW)


def test_what_a_caller_leaves_to_humans() -> None:
    """What the caller leaves to humans, no rule, duty or further fact approves."""
    asked = ASKED._replace(objection="it is not open")
    decision = decide(asked, ProviderSnapshot((SHIFT, LEAD)), ANY, NOW)
    assert (decision.approved, decision.reason) == (False, "it is not open")
    assert not decision.could_change


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (timedelta(hours=6), ""),
        (timedelta(hours=6, microseconds=1), "access for 6 hours is requested, but the policy"),
        (timedelta(days=1), "access for 24 hours is requested, but the policy allows 6 hours"),
        (timedelta(0), "the request asks for less than a second"),
        (None, "access without an end is requested, but the policy allows 6 hours"),
    ],
)
def test_all_or_nothing(asked: timedelta | None, reason: str) -> None:
    """An all-or-nothing request isn't shortened: if it exceeds the policy, humans decide."""
    request = ASKED._replace(requested_duration=asked, all_or_nothing=True)
    decision = decide(request, ProviderSnapshot((LEAD,)), ANY, NOW)
    assert decision.approved is not bool(reason)
    assert decision.reason.startswith(reason)
    assert decision.could_change is ("access for" in reason)
    if asked:
        usual = request._replace(all_or_nothing=False)
        shortened = decide(usual, ProviderSnapshot((LEAD,)), ANY, NOW)
        assert shortened.duration == min(asked, timedelta(hours=6))


def test_all_or_nothing_until_the_shift_ends() -> None:
    """The duty's end limits an all-or-nothing request as well."""
    policy = policy_from_settings(timedelta(hours=6), shift_end=ShiftEnd())
    request = ASKED._replace(requested_duration=2 * HOUR, all_or_nothing=True)
    decision = decide(request, ProviderSnapshot((SHIFT,)), policy, NOW)
    assert decision.reason == (
        "access for 2 hours is requested, "
        "but the duty ends at 2026-03-02T13:00:00.000Z, including any grace period"
    )
    request = request._replace(requested_duration=HOUR)
    assert decide(request, ProviderSnapshot((SHIFT,)), policy, NOW).approved


HOUR = timedelta(hours=1)
SHIFTS, LEADS = OnCall(("DBA",)), IncidentRole(("Incident Lead",))
VAULT = Selector(kinds=("vault",))
LIVE = Rule("live", Selector(), SHIFTS, 2 * HOUR, shift_end=ShiftEnd())
NEAR = [
    LIVE,
    Rule("dry", Selector(), SHIFTS, HOUR, dry_run=True),
    Rule("not theirs", Selector(), LEADS, HOUR),
    Rule("elsewhere", VAULT, SHIFTS, HOUR),
    Rule("labelled", Selector(labels=(("Env", "Prod"),)), SHIFTS, HOUR),
    Rule("never the vault", VAULT, deny=True),
]


def test_trace_says_what_became_of_each_rule() -> None:
    """The trace has each rule in the file's order, with verdict, reason, end and duties."""
    counts, does_not = ((SHIFT, ""),), ((SHIFT, NOT_LISTED),)
    assert decide(ASKED, ProviderSnapshot((SHIFT,)), Policy(tuple(NEAR)), NOW).rule_results == (
        RuleResult("live", "grants", until=NOW + HOUR, duties=counts),
        RuleResult("dry", "dry_run", until=NOW + HOUR, duties=counts),
        RuleResult("not theirs", "no", duties=does_not),
        RuleResult("elsewhere", "no", OTHER_RESOURCES),
        RuleResult("labelled", "no", OTHER_RESOURCES),
        RuleResult("never the vault", "no", DENIES_OTHERS),
    )


def test_trace_of_a_rule_that_needs_another_duty() -> None:
    """If one of two needed duties is missing, the trace says that another is needed."""
    both = Rule("both", Selector(), AllOf((SHIFTS, LEADS)), HOUR)
    (result,) = decide(ASKED, ProviderSnapshot((SHIFT,)), Policy((both,)), NOW).rule_results
    assert (result.verdict, result.why) == ("no", NEEDS_ANOTHER_DUTY)
    assert (SHIFT, "") in result.duties
    of_few = AllOf((SHIFTS, Requester(emails=("rita@example.com",))))
    named = Rule("named", Selector(), of_few, HOUR)
    (result,) = decide(ASKED, ProviderSnapshot((SHIFT,)), Policy((named,)), NOW).rule_results
    assert result.why == "the requester is not one of the people or domains that it names"


def test_trace_of_a_denial() -> None:
    """The trace names the rules that deny; other rules aren't evaluated."""
    denials = [Rule(name, Selector(), deny=True) for name in ("first", "second")]
    rules = (LIVE, *denials, Rule("never the vault", VAULT, deny=True))
    decision = decide(ASKED, ProviderSnapshot((SHIFT,)), Policy(rules), NOW)
    assert decision.reason == 'denied by rule "first"'
    assert decision.rule_results == (
        RuleResult("live", "no", DENIED),
        RuleResult("first", "denies"),
        RuleResult("second", "denies"),
        RuleResult("never the vault", "no", DENIED),
    )


OTHERS = OnCall(("API",))


@pytest.mark.parametrize("ways", [(SHIFTS, OTHERS), (OTHERS, SHIFTS)])
def test_a_duty_that_counts_has_no_reason_against_it(ways: tuple[OnCall, OnCall]) -> None:
    """A duty that one alternative accepts counts, in whatever order."""
    rule = Rule("r", Selector(), AnyOf(ways), HOUR)
    (judged,) = decide(ASKED, ProviderSnapshot((SHIFT,)), Policy((rule,)), NOW).rule_results
    assert judged.duties == ((SHIFT, ""),)


ASKED_BOTH = ASKED._replace(
    requested_duration=timedelta(hours=3), requested_expiry=NOW + timedelta(hours=2, minutes=30)
)
IN_WORDS = (
    "the request asks for 3 hours",
    "the request asks for access until 2026-03-02T14:30:00.000Z",
)


@pytest.mark.parametrize(
    ("duration", "limits"),
    [
        (2 * HOUR, (*IN_WORDS, "the policy allows 2 hours")),
        (4 * HOUR, ("the policy allows 4 hours", *IN_WORDS)),
        (HOUR / 7200, (*IN_WORDS, "the policy allows less than a second")),
    ],
)
def test_what_set_the_time_comes_last(duration: timedelta, limits: tuple[str, ...]) -> None:
    """All limits are listed, with the deciding one last."""
    decision = decide(ASKED_BOTH, ProviderSnapshot((LEAD,)), policy_from_settings(duration), NOW)
    assert decision.limits == limits
    assert decision.approved or decision.reason == limits[-1]


def test_an_expired_request() -> None:
    """If the requested time is over, that is the only limit listed."""
    over = ASKED._replace(requested_expiry=NOW + timedelta(seconds=59))
    decision = decide(over, ProviderSnapshot((LEAD,)), ANY, NOW)
    assert decision.limits == (decision.reason,)
    assert decision.reason == "the request asks for access until 2026-03-02T12:00:59.000Z"
    both = over._replace(requested_duration=3 * HOUR)
    decision = decide(both, ProviderSnapshot((LEAD,)), ANY, NOW)
    assert decision.limits == ("the request asks for 3 hours", decision.reason)


def test_duties_of_a_request_that_is_denied_or_over() -> None:
    """They are listed as for others, without the address that the provider shows.

    Nothing more is held against them if the request is denied to the requester anyway.
    """
    mapped = LEAD._replace(user="U1", shown="old@example.com")
    deny = Rule("d", Selector(), Requester(emails=(JANE,)), deny=True)
    deny_shown = deny._replace(when=Requester(emails=("old@example.com",)))
    identities = {"incident.io": {"U1": JANE}}
    over = ASKED._replace(requested_expiry=NOW)
    for request, rules, denied in (
        (over, ANY.rules, False),
        (ASKED, (deny, *ANY.rules), False),
        (ASKED, (deny, deny_shown, *ANY.rules), False),
        (ASKED, (deny_shown, *ANY.rules), True),
    ):
        policy = Policy(rules, identities=identities)
        decision = decide(request, ProviderSnapshot((mapped,)), policy, NOW)
        assert not decision.approved
        assert decision.duties == (mapped._replace(shown="", denied=denied),)


@pytest.mark.parametrize(
    ("provider", "user", "email"),
    [
        ("incident.io", "U1", JANE),
        ("incident.io", "U2", JANE),
        ("PagerDuty", "U1", JANE),
        ("incident.io", "U1", "joan@example.com"),
    ],
)
def test_a_duty_has_its_user_where_it_counts_by_id(provider: str, user: str, email: str) -> None:
    """Only a user whom the policy maps to the holder is part of the evidence."""
    policy = ANY._replace(identities={provider: {user: email}})
    decision = decide(ASKED, ProviderSnapshot((LEAD._replace(user="U1"),)), policy, NOW)
    counts_by_id = (provider, user, email) == ("incident.io", "U1", JANE)
    assert decision.evidence == (LEAD._replace(user="U1" if counts_by_id else ""),)


def test_a_rule_without_a_condition_approves_nobody() -> None:
    """A rule without a condition approves nobody, though the codec refuses it."""
    policy = Policy((Rule("r", Selector(), duration=HOUR),))
    decision = decide(ASKED, ProviderSnapshot((LEAD, SHIFT)), policy, NOW)
    assert (decision.approved, decision.reason) == (False, NO_DUTY)


def test_the_shortest_of_a_petition_is_a_limit_of_the_others() -> None:
    """A petition's shortest request limits the others, and is listed last."""
    short, long = (
        ASKED._replace(groups=("p",), requested_duration=duration) for duration in (HOUR, 2 * HOUR)
    )
    _, decision = decide_all([short, long], ProviderSnapshot((LEAD,)), ANY, NOW)
    assert decision.duration == HOUR
    assert decision.limits == (
        "the policy allows 6 hours",
        "the request asks for 2 hours",
        "another part of the request is approved for 1 hour",
    )


def test_a_condition_without_fields() -> None:
    """`posted_update` has no fields, and is a condition like any other."""
    update = Duty("incident.io", INCIDENT_UPDATE, "U1", "", JANE, incident="INC-42")
    policy = Policy((Rule("r", Selector(), PostedUpdate(), HOUR),))
    assert decide(ASKED, ProviderSnapshot((update,)), policy, NOW).evidence == (update,)
    assert not decide(ASKED, ProviderSnapshot((LEAD,)), policy, NOW).approved
