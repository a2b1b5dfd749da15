"""The policy's own functions; its decisions are in the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler import emails
from handler.audit import decision_record
from handler.duty import ON_CALL, Duty, ProviderSnapshot
from handler.request import ACCESS, Request, Resource
from handler.rules.conditions import (
    ANY,
    AccessEnd,
    AllOf,
    AnyOf,
    Condition,
    Facts,
    IncidentRole,
    OnCall,
    PostedUpdate,
    RequestedDuration,
    Requester,
    accepts,
)
from handler.rules.evaluate import decide_all
from handler.rules.matching import fold_resource, matches
from handler.rules.model import Policy, Rule, Selector, ShiftEnd, digest_of, policy_from_settings
from tests.handler.strategies import STEADY

JANE = "jane@example.com"


def test_grace_beyond_the_largest_datetime() -> None:
    """A grace period beyond the largest datetime doesn't raise."""
    rule = Rule("r", Selector(), OnCall(ANY), timedelta(hours=1), shift_end=ShiftEnd(timedelta(1)))
    now = datetime(2026, 3, 2, tzinfo=UTC)
    shift = Duty("P", ON_CALL, "S", "DBA", JANE, end=datetime.max.replace(tzinfo=UTC))
    facts = Facts(JANE, frozenset([JANE]), frozenset([JANE]), (shift,), None, now)
    assert rule.access_end(shift, facts) == AccessEnd(now + timedelta(hours=1))


@pytest.mark.parametrize(
    ("schedules", "roles", "ways"),
    [
        (("DBA",), (), (OnCall(("DBA",)),)),
        ((), ("Lead",), (IncidentRole(("Lead",)),)),
        (("DBA",), ("Lead",), (IncidentRole(("Lead",)), OnCall(("DBA",)))),
        ((), (), (IncidentRole(ANY), OnCall(ANY))),
    ],
)
def test_settings_ask_for_no_more_than_they_name(
    schedules: tuple[str, ...], roles: tuple[str, ...], ways: tuple[Condition, ...]
) -> None:
    """If the settings name only schedules or roles, the default rule needs nothing else."""
    (rule,) = policy_from_settings(timedelta(hours=6), schedules, roles).rules
    assert rule.when == AnyOf(ways)


def test_fingerprint_tells_policies_apart() -> None:
    """Equal policies have equal fingerprints, and every field changes it."""
    six = timedelta(hours=6)
    base = policy_from_settings(six)
    others = [
        policy_from_settings(timedelta(hours=3)),
        policy_from_settings(six, schedules=("DBA",)),
        policy_from_settings(six, incident_roles=("DBA",)),
        policy_from_settings(six, resource_labels=(("Env", "Prod"),)),
        policy_from_settings(six, participants=True),
        policy_from_settings(six, self_declared=True),
        policy_from_settings(six, shift_end=ShiftEnd()),
        policy_from_settings(six, shift_end=ShiftEnd(timedelta(minutes=15))),
        base._replace(aliases={JANE: ("jane@corp.example",)}),
        base._replace(rules=()),
        base._replace(rules=(base.rules[0]._replace(resources=Selector(actions=("deploy",))),)),
        base._replace(identities={"authzen": {"jane": JANE}}),
        base._replace(identities={"authzen": {"jane": "jane@corp.example"}}),
        base._replace(identities={"authzen": {"Jane": JANE}}),
        base._replace(identities={"indent": {"jane": JANE}}),
    ]
    assert base.fingerprint == policy_from_settings(timedelta(minutes=360)).fingerprint
    assert len({policy.fingerprint for policy in [base, *others]}) == len(others) + 1
    assert len(base.fingerprint) == 16


def test_fingerprint_ignores_defaults() -> None:
    """A new field with its default doesn't change the fingerprint."""
    assert policy_from_settings(timedelta(hours=6)).fingerprint == "59412e91a9ed0234"
    named = policy_from_settings(
        timedelta(hours=6), schedules=("DBA",), resource_labels=(("Env", "Prod"),)
    )
    assert named.fingerprint == "a2ff36eaf2168949"


CONDITIONS: tuple[Condition, ...] = (
    OnCall(("x",)),
    IncidentRole(("x",)),
    OnCall(ANY),
    IncidentRole(ANY),
    # The same fields as the previous one.
    IncidentRole(None, "", 1),  # type: ignore[arg-type]
    OnCall(None, "", 1),
    PostedUpdate(),
    Requester(("x",), ()),
    Requester((), ("x",)),
    RequestedDuration(timedelta(hours=1)),
    AnyOf((OnCall(ANY),)),
    AllOf((OnCall(ANY),)),
    AnyOf((PostedUpdate(),)),
    AllOf((PostedUpdate(),)),
)


@pytest.mark.parametrize("one", CONDITIONS)
def test_conditions_of_different_types_are_never_equal(one: Condition) -> None:
    """Conditions of different types aren't equal, even with equal fields."""
    for other in CONDITIONS:
        same = repr(one) == repr(other)
        assert (one == other) is same
        assert (one != other) is not same
        assert (hash(one) == hash(other)) is same
        assert (Rule("r", Selector(), one) == Rule("r", Selector(), other)) is same
    assert one != tuple(one)


def test_duties_that_a_condition_accepts() -> None:
    """A condition compares both the duty's kind and its name."""
    shift = Duty("PagerDuty", ON_CALL, "S", "DBA", JANE)
    assert accepts(OnCall(("DBA",)), shift)
    assert not accepts(OnCall(("API",)), shift)
    assert not accepts(IncidentRole(ANY), shift)
    assert not accepts(OnCall(ANY, "Opsgenie"), shift)


THINGS = {name: Resource("k", name, labels={"Env": "Prod"}) for name in ("a", "b")}


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ([], []),
        ([()], []),
        ([(THINGS["a"],)], ["a", "no stage", "all"]),
        ([(THINGS["a"],), (THINGS["b"],)], ["a", "b", "no stage", "not b", "all"]),
        ([(THINGS["b"]._replace(labels={}),)], ["b", "no stage", "not b", "all"]),
        ([(THINGS["b"]._replace(labels={"Env": "Test"}),)], ["b", "not b", "all"]),
        ([(THINGS["b"]._replace(id="B"),)], ["no stage", "not b", "all"]),
    ],
)
def test_relevant_rules(asked: list[tuple[Resource, ...]], near: list[str]) -> None:
    """Deny rules are also relevant to resources without the label, and to any spelling of an id."""
    rules = (
        Rule("a", Selector(ids=("a",))),
        Rule("b", Selector(ids=("b",))),
        Rule("no stage", Selector(labels=(("Env", "Prod"),)), deny=True),
        Rule("not b", Selector(ids=("b",)), deny=True),
        Rule("all", Selector()),
    )
    requests = [Request(Resource(), resources) for resources in asked]
    assert [rule.name for rule in Policy(rules).relevant_to(requests).rules] == near


@pytest.mark.parametrize(
    ("actions", "action", "approves", "denies"),
    [
        ((), ACCESS, True, True),
        ((), "deploy", False, True),
        ((), "", False, True),
        ((), "Access", False, True),
        ((ACCESS,), ACCESS, True, True),
        ((ACCESS,), "deploy", False, False),
        ((ACCESS,), "ACCESS", False, True),
        (("deploy",), "deploy", True, True),
        (("deploy",), "DE\u200bPLOY", False, True),
        (("Deploy",), "deploy", False, True),
        (("deploy",), ACCESS, False, False),
        (("deploy",), "", False, False),
        (("deploy",), "deploy-all", False, False),
        (("deploy", ACCESS), ACCESS, True, True),
    ],
)
def test_actions(actions: tuple[str, ...], action: str, *, approves: bool, denies: bool) -> None:
    """By default rules approve access only, and deny every action, in any spelling."""
    selector, resource = Selector(actions=actions), Resource("k", "x")
    assert selector.covers(resource, action) is approves
    assert selector.matches_for_deny(fold_resource(resource, action)) is denies


def test_the_only_rule_stays() -> None:
    """The default rule always stays, since it explains why it doesn't match."""
    only = policy_from_settings(timedelta(hours=6), resource_labels=(("Env", "Prod"),))
    assert only.relevant_to([]) == only


def test_known_as_includes_every_alias() -> None:
    """Every alias entry that names a person adds that person's addresses."""
    aliases = {"jane@x.example": ("j@y.example",), "admin@x.example": ("jane@x.example",)}
    known = {"jane@x.example", "j@y.example", "admin@x.example"}
    assert Policy((), aliases).known_as("jane@x.example") == known


@pytest.mark.parametrize(
    ("email", "known"),
    [
        ("jane@x.example", {"jane@x.example", "jd@y.example", "j@login.example"}),
        ("jd@y.example", {"jane@x.example", "jd@y.example", "j@login.example"}),
        ("j@login.example", {"jane@x.example", "jd@y.example", "j@login.example"}),
        ("00U1", {"00u1", "jane@x.example", "jd@y.example", "j@login.example"}),
        ("omar@x.example", {"omar@x.example"}),
        # Two callers use this name for two people: denials of either apply.
        ("shared", {"shared", "jane@x.example", "jd@y.example", "j@login.example", "o@x.example"}),
        ("o@x.example", {"o@x.example"}),
    ],
)
def test_known_as_includes_every_name(email: str, known: set[str]) -> None:
    """A caller's name for a person leads to that person's e-mails."""
    jane, omar = "jane@x.example", "o@x.example"
    identities = {
        "authzen": {"J@Login.example": jane, "00u1": jane, "Shared": omar},
        "indent": {"shared": jane},
    }
    policy = Policy((), {jane: ("jd@y.example",)}, identities=identities)
    assert policy.known_as(email) == known


def test_people_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many people the policy names, one more request or record costs the same."""
    folded = Mock(side_effect=emails.folded)
    digest = Mock(side_effect=digest_of)
    monkeypatch.setattr(emails, "folded", folded)
    monkeypatch.setattr("handler.rules.model.digest_of", digest)
    people = {f"U{number}": f"p{number}@x.example" for number in range(100)}
    aliases = {f"p{number}@x.example": (f"p{number}@y.example",) for number in range(100)}
    rule = Rule("r", Selector(kinds=("db",)), OnCall(ANY), timedelta(hours=1))
    policy = Policy((rule, rule), aliases, identities={"PagerDuty": people})
    requests = [Request(Resource(email="p1@x.example"), (Resource("db", "x"),))] * 20
    now = datetime(2026, 3, 2, tzinfo=UTC)
    for _ in range(2):
        relevant = policy.relevant_to(requests)
        for decision in decide_all(requests, ProviderSnapshot(), relevant, now):
            decision_record(
                decision,
                snapshot=ProviderSnapshot(),
                providers=(),
                policy=policy,
                dry_run=False,
                milliseconds=1,
            )
    assert folded.call_count < 4 * 100 + 10 * 40
    assert digest.call_count < 20
    assert policy.known_as("p1@x.example") == {"p1@x.example", "p1@y.example"}
    assert policy._replace(aliases={}).known_as("p1@x.example") == {"p1@x.example"}


def test_a_name_belongs_to_its_system() -> None:
    """An unknown name, or another system's, is the empty address: it never is `None`."""
    policy = Policy((), identities={"authzen": {"jane": "jane@x.example"}})
    names = [("authzen", "jane"), ("authzen", "Jane"), ("pagerduty", "jane")]
    assert [policy.email_of(*name) for name in names] == ["jane@x.example", "", ""]


def test_a_rule_that_denies_approves_nothing() -> None:
    """A deny rule approves nothing."""
    request, rule = Request(Resource(), (Resource("k", "x"),)), Rule("r", Selector())
    assert rule.may_approve(request)
    assert not rule._replace(deny=True).may_approve(request)


def test_a_denied_domain_follows_the_last_at_sign() -> None:
    """The domain follows the last @, so another @ doesn't avoid a denial."""
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    facts = Facts("", frozenset(), frozenset(["x@y@denied.example"]), (), None, now)
    assert Requester(domains=("denied.example",)).may_hold(facts)
    assert not Requester(domains=("y@denied.example",)).may_hold(facts)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("db-*", "db-", True),
        ("*", "", True),
        ("a*b*b*c", "abbc", True),
        ("*ab*ab*", "abxa", False),
        ("ab*ba", "aba", False),
        ("db-*", "DB-1", False),
        ("a?c", "abc", False),
        ("a[b]c", "abc", False),
    ],
)
def test_patterns_of_ids(pattern: str, text: str, fits: bool) -> None:  # noqa: FBT001 - a column of the table
    """Patterns match whole ids, case-sensitively; only the asterisk is special."""
    assert matches(pattern, text) is fits


@STEADY
@given(pattern=st.text("ab*", max_size=9), text=st.text("ab", max_size=9))
def test_patterns_are_read_as_the_shell_does(pattern: str, text: str) -> None:
    """Patterns match as Python's fnmatch does."""
    assert matches(pattern, text) == fnmatchcase(text, pattern)
