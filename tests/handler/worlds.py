"""Hypothesis strategies for decisions: small worlds in which names, people and times coincide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from handler.callers.indent import DURATION, EXPIRES, read_request
from handler.durations import format_instant
from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty, ProviderSnapshot
from handler.request import ACCESS, Request, Resource
from handler.rules.conditions import (
    ANY,
    AllOf,
    AnyOf,
    Condition,
    IncidentRole,
    OnCall,
    PostedUpdate,
    RequestedDuration,
    Requester,
)
from handler.rules.model import Policy, Rule, Selector, ShiftEnd
from handler.settings import load
from tests.handler.strategies import NOW, rarely

JANE, JD, JOAN = "jane@example.com", "jd@corp.example", "joan@example.com"
PROVIDERS = ("PagerDuty", "incident.io")
NAMES, IDS = ("DBA", "Lead"), ("X1", "X2")
Value = TypeVar("Value")


def mostly(usual: Sequence[Value], unusual: Sequence[Value]) -> st.SearchStrategy[Value]:
    """Draw one of the usual values in about 19 of 20 cases, by a single choice, which is fast."""
    return st.sampled_from([*usual] * -(-19 * len(unusual) // len(usual)) + [*unusual])


# Near the limits: now, the minute below which access isn't granted, and what rules allow.
TINY = tuple(timedelta(seconds=seconds) for seconds in (0.5, 1, 59.5))
USABLE = tuple(timedelta(seconds=seconds) for seconds in (60, 61, 600, 1800, 3600, 10**6))
# As people and programs write them: some ask for nothing, some can't be read.
WISHES = (
    *("10 min", "1 Hour 30 Minutes", "1.5h0m0s", "1d", "45s", "1w", "999999h"),
    *("-1ns", "0s", "indefinite", "soonish", "90", "1h1h", "1e308h"),
)
SPANS = mostly(USABLE, TINY)
LATER = [NOW + span for span in USABLE * 3 + TINY]
EARLIER = [*(NOW - span for span in USABLE * 3 + TINY), *[NOW] * len(LATER)]
PEOPLE = st.sampled_from([*[JANE] * 8, JD, JD, JOAN])
TRUE_RARELY = mostly([False], [True])


class World(NamedTuple):
    """A request, the duties, and the policy."""

    request: Request
    snapshot: ProviderSnapshot
    policy: Policy


def maybe(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw one of these values, or none."""
    return st.sampled_from([(), *((value,) for value in values)])


def rarely_some(values: Sequence[str]) -> st.SearchStrategy[frozenset[str]]:
    """Draw none of these values, and rarely one or two of them."""
    some = [frozenset(chosen) for size in (1, 2) for chosen in combinations(values, size)]
    return mostly([frozenset()], some)


def members(
    condition: st.SearchStrategy[Condition], least: int = 1
) -> st.SearchStrategy[tuple[Condition, ...]]:
    """Draw the members of a group."""
    return st.lists(condition, min_size=least, max_size=3).map(tuple)


# A provider answers no more; of `Duty` itself, Hypothesis would draw the other fields as well.
_BARE = Duty("", "", "", "", "")
DUTIES = st.builds(
    _BARE._replace,
    provider=st.sampled_from(PROVIDERS),
    kind=st.sampled_from([ON_CALL, ON_CALL, INCIDENT_ROLE, INCIDENT_ROLE, INCIDENT_UPDATE]),
    id=st.sampled_from(IDS),
    name=st.sampled_from(NAMES),
    holder=PEOPLE,
    shortform=st.sampled_from(["", "DBA"]),
    level=st.sampled_from([1, 1, 1, 2, 3]),
    start=mostly([None] * len(EARLIER) + EARLIER, LATER),
    end=mostly([None] * len(LATER) + LATER, EARLIER),
    endless=st.booleans(),
    incident=st.sampled_from(["INC-1", "INC-2"]),
    reporter=TRUE_RARELY,
    severity=maybe("Major", "Minor"),
    type=maybe("Outage"),
    self_declared=TRUE_RARELY,
    declarers=rarely_some((JANE, JD, JOAN)),
    shared_names=rarely_some(NAMES),
    ids_elsewhere=rarely_some(NAMES),
)
NAMED = st.just(ANY) | st.lists(st.sampled_from(NAMES + IDS), min_size=1, unique=True).map(tuple)
DUTY_CONDITIONS: st.SearchStrategy[Condition] = st.one_of(
    st.sampled_from([OnCall(ANY), IncidentRole(ANY)]),
    st.builds(OnCall, NAMED, st.sampled_from(["", "", *PROVIDERS]), st.sampled_from([1, 2])),
    st.builds(IncidentRole, NAMED, maybe("Major"), maybe("Outage")),
    st.builds(PostedUpdate),
)
LIMITS: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Requester, maybe(JANE, JOAN), maybe("example.com", "corp.example")),
    st.builds(RequestedDuration, SPANS),
)
LEAVES = DUTY_CONDITIONS | LIMITS
GROUPS = members(LEAVES).flatmap(
    lambda conditions: st.sampled_from([AnyOf(conditions), AllOf(conditions)])
)
# As in policy files: every path needs a duty.
PROVEN: st.SearchStrategy[Condition] = st.recursive(
    DUTY_CONDITIONS,
    lambda inner: st.one_of(
        st.builds(AnyOf, members(inner)),
        st.builds(
            lambda one, more: AllOf((one, *more)), inner, members(LEAVES | GROUPS | inner, least=0)
        ),
        st.builds(lambda one, more: AllOf((*more, one)), inner, members(LEAVES)),
    ),
    max_leaves=3,
)
# As the handler accepts them: they may hold without a duty.
ODD_CONDITIONS = st.one_of(PROVEN, LIMITS, GROUPS, members(LEAVES | GROUPS).map(AnyOf))

LABELS: tuple[dict[str, str], ...] = ({}, {"Env": "Prod"}, {"Env": "Dev"}, {"Env": ""})
RESOURCES = st.builds(
    lambda kind, id_, labels: Resource(kind, id_, labels=labels),
    st.sampled_from(["db", "app"]),
    st.sampled_from(["db-1", "x"]),
    st.sampled_from(LABELS),
)
ACTIONS = st.sampled_from([(), (), (ACCESS,), ("deploy",), ("deploy", ACCESS)])
BOTH = Selector(actions=("deploy", ACCESS))
SELECTORS = st.one_of(
    st.sampled_from([Selector(), BOTH]),
    st.sampled_from([BOTH, BOTH, Selector(kinds=("db",)), Selector(kinds=("app",))]),
    st.builds(
        Selector,
        maybe("db", "app"),
        maybe("db-*", "x"),
        st.sampled_from([(), (), (("Env", "Prod"),)]),
        ACTIONS,
    ),
)
SHIFT_ENDS = st.none() | st.builds(ShiftEnd, SPANS | st.just(timedelta(0)), st.none() | SPANS)
DENIALS = st.builds(
    lambda selector, when: Rule("denial", selector, when, deny=True),
    SELECTORS,
    st.none() | LIMITS | members(LIMITS).map(AllOf) | members(LIMITS).map(AnyOf),
)


def approving(conditions: st.SearchStrategy[Condition]) -> st.SearchStrategy[Rule]:
    """Draw approving rules, a few of them in dry run."""
    return st.builds(
        lambda selector, when, span, end, dry: Rule(
            "rule", selector, when, span, shift_end=end, dry_run=dry
        ),
        SELECTORS,
        conditions,
        SPANS,
        SHIFT_ENDS,
        st.sampled_from([False] * 3 + [True]),
    )


def policies(rules: st.SearchStrategy[Rule]) -> st.SearchStrategy[Policy]:
    """Draw policies of a few rules, rarely with a deny rule."""

    def policy(
        drawn: list[Rule],
        kinds: tuple[str, ...],
        aliases: dict[str, tuple[str, ...]],
        identities: dict[str, dict[str, str]],
        *,
        own: bool,
    ) -> Policy:
        rules = [rule._replace(name=f"{rule.name} {place}") for place, rule in enumerate(drawn)]
        # A rule for each kind, so that two are often needed.
        for place, kind in enumerate(kinds):
            selector = Selector(kinds=(kind,), actions=rules[place].resources.actions)
            rules[place] = rules[place]._replace(resources=selector)
        return Policy(tuple(rules), aliases, own, identities=identities)

    return st.builds(
        policy,
        st.lists(rarely(DENIALS, rules), min_size=2, max_size=4),
        st.sampled_from([(), ("db", "app")]),
        st.sampled_from([{}, {JANE: (JD,)}]),
        rarely(st.just({"authzen": {JOAN: JANE}}), st.just({})),
        own=TRUE_RARELY,
    )


LEAST = {"INDENT_WEBHOOK_SECRET": "signing-secret-1", "INCIDENTIO_API_KEY": "key"}
SWITCHES = TRUE_RARELY.map(lambda on: "true" if on else "")
NAMES_SET = st.sampled_from(["", "", "DBA", "X1", "DBA, Lead, X2"])
SETTINGS = st.fixed_dictionaries(
    {
        "AUTO_APPROVAL_DURATION": st.sampled_from(["6", "1s", "61s", "30m"]),
        "AUTO_APPROVAL_SCHEDULES": NAMES_SET,
        "AUTO_APPROVAL_INCIDENTIO_ROLES": NAMES_SET,
        "AUTO_APPROVAL_RESOURCE_LABELS": rarely(st.just("Env=Prod"), st.just("")),
        "AUTO_APPROVAL_END_WITH_SHIFT": st.sampled_from(["", "false", "true", "1s", "10m", "24h"]),
        "INCIDENTIO_APPROVE_PARTICIPANTS": SWITCHES,
        "INCIDENTIO_APPROVE_SELF_DECLARED": SWITCHES,
    }
)
SETTINGS_POLICIES = SETTINGS.map(lambda values: load({**LEAST, **values}).policy)


def requests() -> st.SearchStrategy[Request]:
    """Draw requests that could be approved."""
    spans = st.sampled_from(WISHES) | SPANS.map(
        lambda span: f"{span // timedelta(microseconds=1)}us"
    )
    asked = st.fixed_dictionaries({}, optional={DURATION: spans})
    until = mostly(LATER, EARLIER).map(lambda moment: {EXPIRES: format_instant(moment)})
    nothing: st.SearchStrategy[dict[str, str]] = st.just({})
    labels = nothing | asked | until | st.builds(lambda one, other: one | other, asked, until)
    who = PEOPLE.map(lambda email: Resource("user", "u1", email))
    both = st.just((Resource("db", "x"), Resource("app", "x")))
    resources = both | st.lists(RESOURCES, min_size=1, max_size=2).map(tuple)
    made = st.builds(read_request, who, resources, labels)
    actions = mostly([*[ACCESS] * 4, "deploy"], ["Deploy"])
    return st.builds(lambda request, action: request._replace(action=action), made, actions)


FINDINGS = st.lists(DUTIES, min_size=3, max_size=6).map(
    lambda duties: ProviderSnapshot(tuple(duties))
)


def worlds(conditions: st.SearchStrategy[Condition]) -> st.SearchStrategy[World]:
    """Draw worlds with these conditions."""
    return st.builds(World, requests(), FINDINGS, policies(approving(conditions)))


WORLDS, ODD_WORLDS = worlds(PROVEN), worlds(ODD_CONDITIONS)
SETTINGS_WORLDS = st.builds(World, requests(), FINDINGS, SETTINGS_POLICIES)
