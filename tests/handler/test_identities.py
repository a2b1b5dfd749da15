"""Users of providers that the policy maps to an e-mail, and whose duties they give."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog import replay
from auditlog.explain import tree
from handler.audit import decision_record
from handler.callers import CALLERS
from handler.clock import Deadline
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, ProviderSnapshot
from handler.http import Client
from handler.identities import identify
from handler.providers.base import DutyQuery, ProviderClient
from handler.providers.collect import (
    DutyCollector,
    Outcome,
    collect_and_decide,
    dependencies,
    duty_queries,
    load_clients,
)
from handler.providers.registry import PROVIDERS
from handler.request import Request, Resource
from handler.rules.codec import read_policy
from handler.rules.evaluate import Decision, decide, decide_all
from handler.rules.model import Policy
from sandbox.vendors import faults
from tests.handler.accounts import PAYMENTS, Account, id_of, open_account
from tests.handler.conftest import ANA, BO, CY, NOW, SetClock
from tests.handler.strategies import STEADY
from tests.handler.worlds import WORLDS, World

HOUR = timedelta(hours=1)
GHOST, JDOE = "ghost@acme.example", "jdoe@corp.example"
RESOURCE, VAULT = Resource("db", "1"), Resource("vault", "1")
IDS = tuple(provider.id for provider in PROVIDERS)
EVERY_PROVIDER = pytest.mark.parametrize("provider", IDS)
Identities = Mapping[str, Mapping[str, str]]


class Place(NamedTuple):
    """A provider where Ghost, who shows no e-mail, and Bo are on call for Payments."""

    account: Account[Any]
    ghost: str

    def policy(self, identities: Identities, schedules: object = "any", **rule: object) -> Policy:
        """A policy of one rule, and a second rule that denies the vault to JDOE."""
        when = {"on_call": {"schedules": schedules}}
        rules = [
            {"name": "R", "resources": "any", "when": when, "duration": "6h", **rule},
            {
                "name": "not by another account",
                "resources": {"kinds": ["vault"]},
                "when": {"requester": {"emails": [JDOE]}},
                "deny": True,
            },
        ]
        body = {"rules": rules, "aliases": {}, "identities": identities}
        return read_policy(json.dumps(body))

    def clients(self) -> dict[str, ProviderClient]:
        """The function's client for the provider."""
        account = self.account
        return load_clients(account.http, account.clock.clock, {account.provider: account.settings})

    def decide(self, policy: Policy, *who: str, resource: Resource = RESOURCE) -> Outcome:
        """Decide for each of these people, as the function does."""
        self.account.double.calls.clear()
        requests = [Request(Resource(email=email), (resource,)) for email in who]
        clock = self.account.clock.clock
        return collect_and_decide(requests, policy, self.clients(), clock, Deadline(clock, 6))

    def approves(self, identities: Identities, who: str, resource: Resource = RESOURCE) -> bool:
        """Check that rules for any schedule, its name and its id agree, and give the result."""
        results = {
            self.decide(self.policy(identities, named), who, resource=resource)
            .decisions[0]
            .approved
            for named in ("any", ["Payments"], [PAYMENTS])
        }
        (result,) = results
        return result

    def of(self, **people: str) -> dict[str, dict[str, str]]:
        """Identities at this provider: `ghost` stands for Ghost's id, and so on."""
        ids = {"ghost": self.ghost, "bo": id_of(self.account, BO), "ana": id_of(self.account, ANA)}
        if "jdoe" in people:
            ids["jdoe"] = id_of(self.account, JDOE)
        return {self.account.provider: {ids[name]: email for name, email in people.items()}}


Open = Callable[[str], Place]


@pytest.fixture
def open_place(client: Client, set_clock: SetClock) -> Iterator[Open]:
    """Open an account at a provider."""
    opened = []

    def open_(provider: str) -> Place:
        context = open_account(Account[Any], provider, client, set_clock)
        account = context.__enter__()
        opened.append(context)
        double = account.double
        ghost = double.add_person("G. Host", None)
        if provider == "pagerduty":  # a layer-based schedule has one person on shift
            double.upgrade_schedule("Payments")
        double.put_on_shift("Payments", ghost)
        double.put_on_shift("Payments", BO)
        return Place(account, ghost.id)

    yield open_
    for context in opened:
        context.__exit__(None, None, None)


# -- identities over HTTP ------------------------------------------------------------------------


@EVERY_PROVIDER
def test_somebody_without_an_email_counts_by_id(provider: str, open_place: Open) -> None:
    """A user without an e-mail counts only as the person to whom the policy maps the id."""
    place = open_place(provider)
    assert place.approves(place.of(ghost=GHOST), GHOST)
    assert place.approves(place.of(ghost="Ghost@ACME.example"), GHOST)
    assert not place.approves({}, GHOST)
    assert not place.approves(place.of(ghost=GHOST), ANA)
    assert not place.approves(place.of(ghost=ANA), GHOST)
    assert place.approves(place.of(ghost=ANA), ANA)
    assert place.approves(place.of(ghost=GHOST), BO)


@EVERY_PROVIDER
def test_another_id_or_provider(provider: str, open_place: Open) -> None:
    """Ids are compared exactly, and count at their own provider only."""
    place = open_place(provider)
    others = [other for other in (*IDS, *(entry.name for entry in CALLERS)) if other != provider]
    for other in others:
        assert not place.approves({other: {place.ghost: GHOST}}, GHOST)
    for odd in (f"{place.ghost}0", place.ghost[:-1], f" {place.ghost}", place.ghost.lower()):
        assert odd == place.ghost or not place.approves({provider: {odd: GHOST}}, GHOST)
    assert not place.approves({provider: {id_of(place.account, ANA): GHOST}}, GHOST)


@EVERY_PROVIDER
def test_the_policy_overrides_what_is_shown(provider: str, open_place: Open) -> None:
    """A mapped user's duty is the mapped person's only, not also the shown e-mail's."""
    place = open_place(provider)
    assert place.approves(place.of(bo=CY), CY)
    assert not place.approves(place.of(bo=CY), BO)
    both = place.of(bo=GHOST, ghost=GHOST)
    assert place.approves(both, GHOST)
    assert not place.approves(both, BO)


@EVERY_PROVIDER
def test_two_people_never_share_a_duty(provider: str, open_place: Open) -> None:
    """Each duty approves one person only, of all who ask in one call."""
    place = open_place(provider)
    people = (ANA, BO, CY, GHOST)
    for identities in (place.of(ghost=ANA, bo=ANA), place.of(ghost=BO), place.of(bo=GHOST)):
        outcome = place.decide(place.policy(identities), *people)
        assert sum(decision.approved for decision in outcome.decisions) == 1


@EVERY_PROVIDER
def test_what_a_provider_shows_is_denied(provider: str, open_place: Open) -> None:
    """A denial of the shown e-mail applies to the person to whom the user is mapped."""
    place = open_place(provider)
    double = place.account.double
    jdoe = double.add_person("J. Doe", JDOE)
    double.put_on_shift("Payments", jdoe)
    identities = {provider: {jdoe.id: GHOST}}
    assert place.approves(identities, GHOST)
    assert not place.approves(identities, GHOST, VAULT)
    assert place.approves(place.of(ghost=GHOST), GHOST, VAULT)


def test_a_shift_without_a_policy_at_pagerduty(open_place: Open) -> None:
    """PagerDuty: users on schedules outside of escalation policies can be mapped as well."""
    place = open_place("pagerduty")
    double = place.account.double
    jdoe = double.add_person("J. Doe", JDOE)
    for name, person in (("Alone", jdoe), ("Quiet", double.add_person("Q. Uiet", None))):
        double.put_on_shift(double.add_schedule(name), person)
    quiet = double.people[-1].id

    def decide_by(
        name: str, who: str, resource: Resource = RESOURCE, users: Mapping[str, str] | None = None
    ) -> Outcome:
        identities = {"pagerduty": users or {jdoe.id: GHOST, quiet: CY}}
        return place.decide(place.policy(identities, [name]), who, resource=resource)

    assert decide_by("Alone", GHOST).decisions[0].approved
    assert double.calls.paths().count(f"/users/{jdoe.id}") == 1
    assert not decide_by("Alone", GHOST, VAULT).decisions[0].approved
    assert not decide_by("Alone", CY).decisions[0].approved
    assert decide_by("Quiet", CY).decisions[0].approved
    assert decide_by("Quiet", CY, VAULT).decisions[0].approved
    assert not decide_by("Quiet", CY, users={jdoe.id: CY}).decisions[0].approved
    # The user's e-mail may be denied, so it must be readable.
    double.fail(f"/users/{jdoe.id}", faults.Status(500))
    failed = decide_by("Alone", GHOST)
    assert not failed.decisions[0].approved
    assert any("somebody on shift" in one.problem for one in failed.snapshot.failures)


@pytest.mark.parametrize(
    ("account", "counts"),
    [
        ({"hidden": True}, True),
        ({"hidden": True, "active": False}, False),
        ({"hidden": True, "account_type": "app"}, False),
        ({"hidden": True, "account_type": "customer"}, False),
        ({"active": False}, False),
    ],
)
def test_an_account_that_is_closed(
    account: dict[str, Any],
    counts: bool,  # noqa: FBT001 - a column of the table
    open_place: Open,
) -> None:
    """JSM: a mapped account that is closed, or isn't a person's, approves nobody."""
    place = open_place("jsm")
    place.account.double.change_person(BO, **account)
    bo = place.of(bo=CY)
    assert place.approves(bo, CY) is counts
    everybody = place.decide(place.policy(bo), CY, GHOST, ANA).decisions
    assert [decision.approved for decision in everybody] == [counts, False, False]


def test_an_account_that_cannot_be_read(open_place: Open) -> None:
    """JSM: while a mapped account can't be read, it approves nobody."""
    place = open_place("jsm")
    place.account.double.fail("/ex/jira/", faults.Status(403))
    place.account.double.fail("/rest/api/", faults.Status(403))
    assert not place.approves(place.of(ghost=GHOST), GHOST)


def test_roles_at_incidentio(open_place: Open) -> None:
    """A mapped user's role counts, but not in incidents that the same person declared."""
    place = open_place("incidentio")
    double = place.account.double
    role = {"incident_role": {"roles": ["Incident Lead"]}}
    ghost = next(person for person in double.people if person.id == place.ghost)

    def is_approved(identities: Identities, who: str) -> bool:
        return place.decide(place.policy(identities, when=role), who).decisions[0].approved

    double.declare_incident("Fire", by=ghost, lead=ghost)
    mine = place.of(ghost=GHOST)
    assert not is_approved(mine, GHOST)
    # A second incident with the same role; for others' duties, the reader would keep only one.
    double.declare_incident("Flood", by=ANA, lead=ghost)
    assert is_approved(mine, GHOST)
    assert not is_approved({}, GHOST)
    # The newest incident is first, and is self-declared.
    double.declare_incident("Frost", by=ghost, lead=ghost)
    assert is_approved(mine, GHOST)
    assert not is_approved(place.of(ghost=GHOST, ana=GHOST), GHOST)
    assert is_approved(place.of(ghost=GHOST, bo=GHOST), GHOST)
    # Ana declared an incident, under her own e-mail and the mapped one.
    assert not is_approved(place.of(ghost=ANA, ana=CY), ANA)
    assert not is_approved(place.of(ghost=CY, ana=CY), CY)


# -- calls ---------------------------------------------------------------------------------------


@EVERY_PROVIDER
@pytest.mark.parametrize("named", [["Payments"], [PAYMENTS], "any"], ids=["name", "id", "any"])
def test_what_it_costs(provider: str, named: object, open_place: Open) -> None:
    """For somebody who counts by id at most two calls, and three for each schedule."""
    place = open_place(provider)
    policy = place.policy(place.of(ghost=GHOST), named)
    assert place.decide(policy, GHOST).decisions[0].approved
    calls = [path for path in place.account.double.calls.paths() if "tenant_info" not in path]
    assert len(calls) <= 5


@EVERY_PROVIDER
def test_an_approval_says_when_the_shift_ends(provider: str, open_place: Open) -> None:
    """Whether the person counts by e-mail, by id, or by both."""
    place = open_place(provider)
    both = place.of(ghost=BO)
    for identities, who in (
        ({}, BO),
        (place.of(ghost=GHOST), GHOST),
        (both, BO),
        (place.of(bo=CY), CY),
    ):
        (decision,) = place.decide(place.policy(identities), who).decisions
        assert [duty.end for duty in decision.evidence] == [NOW.replace(hour=20)]


def test_pagerduty_is_asked_about_users_by_id(open_place: Open) -> None:
    """One call for all of a person's users, beside the search for the e-mail.

    Nobody is approved, so that no call is left out.
    """
    place = open_place("pagerduty")
    unmet = {"all": [{"on_call": {"schedules": "any"}}, {"requested_duration": {"up_to": "1h"}}]}
    place.decide(place.policy(place.of(ghost=BO, bo=BO, ana=CY), when=unmet), BO)
    calls = {call.path: call.query for call in place.account.double.calls}
    assert calls.keys() == {"/users", "/oncalls"}
    assert calls["/oncalls"]["user_ids[]"] == sorted((place.ghost, id_of(place.account, BO)))
    assert len(list(place.account.double.calls)) == 2


def test_jsm_is_not_asked_about_others(open_place: Open) -> None:
    """If the policy names an account, no other is looked up, and it only if on shift."""
    place = open_place("jsm")
    policy = place.policy(place.of(ghost=GHOST, ana=CY))
    place.decide(policy, GHOST)
    lookups = [
        call.query["accountId"] for call in place.account.double.calls if "bulk" in call.path
    ]
    assert lookups == [[place.ghost]]
    place.decide(policy, CY)
    assert not any("bulk" in path for path in place.account.double.calls.paths())


NOBODY_AND_SOME: tuple[dict[str, str], ...] = (
    {},
    {"ghost": GHOST},
    {"ghost": ANA},
    {"ghost": BO},
    {"bo": CY},
    {"bo": GHOST, "ghost": GHOST},
    {"ana": BO, "bo": ANA},
    {"ana": JDOE, "ghost": CY},
    {"jdoe": GHOST},
    {"jdoe": ANA},
)


@EVERY_PROVIDER
@pytest.mark.parametrize("number", range(len(NOBODY_AND_SOME)))
def test_asking_about_people_is_asking_about_everybody(
    provider: str, number: int, open_place: Open
) -> None:
    """Querying for the requester gives the same decision as reading all of the provider's data."""
    people = NOBODY_AND_SOME[number]
    place = open_place(provider)
    double = place.account.double
    nights = double.add_schedule("Nights")  # at PagerDuty without an escalation policy
    if provider == "pagerduty":
        double.upgrade_schedule("Nights")
    double.put_on_shift("Nights", ANA)
    double.put_on_shift("Nights", double.add_person("J. Doe", JDOE))
    # Each two of people, name, end and resource come together; all four together would take long.
    for at, named in enumerate(("any", ["Payments"], ["Nights"], [nights.id])):
        more: dict[str, object] = {"end_with_shift": {}} if (number + at) % 2 else {}
        policy = place.policy(place.of(**people), named, **more)
        resource = (RESOURCE, VAULT)[(number + at) // 2 % 2]
        who = (ANA, BO, CY, GHOST, JDOE)
        whole = _decide_from_everything(place, policy, who, resource)
        for email, expected in zip(who, whole, strict=True):
            (decision,) = place.decide(policy, email, resource=resource).decisions
            assert _result(decision) == _result(expected), (named, email)


def _decide_from_everything(
    place: Place,
    policy: Policy,
    who: tuple[str, ...],
    resource: Resource,
) -> tuple[Decision, ...]:
    requests = [Request(Resource(email=email), (resource,)) for email in who]
    clients = place.clients()
    needs = [one._replace(holders=None) for one in dependencies(requests, policy, NOW)]
    queries = duty_queries(clients, needs)
    deadline = Deadline(place.account.clock.clock, 6)
    collector = DutyCollector(clients, deadline, policy.identities)
    while collector.advance(queries):
        pass
    return decide_all(requests, collector.snapshot, policy, place.account.clock.now)


def _result(decision: Decision) -> tuple[object, ...]:
    return decision.approved, decision.duration, decision.rules


# -- log and replay ------------------------------------------------------------------------------


@EVERY_PROVIDER
def test_the_log_names_the_id_and_no_email(provider: str, open_place: Open) -> None:
    """The log has the requester's user ids as evidence, and no e-mails of others."""
    place = open_place(provider)
    jdoe = place.account.double.add_person("J. Doe", JDOE)
    place.account.double.put_on_shift("Payments", jdoe)
    policy = place.policy({provider: {place.ghost: GHOST, jdoe.id: GHOST, "other": CY}})
    outcome = place.decide(policy, GHOST)
    record = _record(outcome, policy)
    duties = record["trace"]["duties"]
    assert {duty["user"] for duty in duties} <= {place.ghost, jdoe.id}
    assert not any("alias" in duty for duty in duties)
    line = json.dumps(record)
    assert not any(email in line for email in (JDOE, CY, BO))
    assert f"by the user id {record['evidence'][0]['user']}: counts" in str(tree(record))
    (again,) = replay.replay([record], policy)
    assert (again.problem, again.differences) == ("", ())


def _record(outcome: Outcome, policy: Policy) -> dict[str, Any]:
    record = decision_record(
        outcome.decisions[0],
        snapshot=outcome.snapshot,
        providers=outcome.providers,
        policy=policy,
        dry_run=False,
        milliseconds=0,
        queries=outcome.queries,
        without_email=outcome.without_email,
    )
    logged: dict[str, Any] = json.loads(json.dumps({"message": "decision", **record}))
    return logged


def test_a_denial_of_a_shown_email_cannot_be_replayed(open_place: Open) -> None:
    """A denied shown e-mail isn't logged, so the line is marked as not replayable."""
    place = open_place("pagerduty")
    jdoe = place.account.double.add_person("J. Doe", JDOE)
    place.account.double.put_on_shift("Payments", jdoe)
    policy = place.policy({"pagerduty": {jdoe.id: GHOST}})
    denied = _record(place.decide(policy, GHOST, resource=VAULT), policy)
    assert (denied["whole"], JDOE in json.dumps(denied)) == (False, False)
    assert _record(place.decide(policy, GHOST), policy)["whole"]
    (again,) = replay.replay([denied], policy)
    assert again.problem == replay.NOT_WHOLE


# -- without HTTP --------------------------------------------------------------------------------

SHIFT = Duty("PagerDuty", ON_CALL, "S1", "DBA", "", user="P1")


def test_an_end_that_was_read_later() -> None:
    """A duty with an end replaces the one without, even if the holder was mapped since."""
    first, ended = SHIFT, SHIFT._replace(holder=ANA, end=NOW + HOUR)
    snapshot = ProviderSnapshot(without_email=(first,)).merge(ProviderSnapshot((ended,)))
    identified = identify(snapshot, {"PagerDuty": {"P1": ANA}})
    assert (identified.duties, identified.without_email) == ((ended,), ())
    again = identify(identified, {"PagerDuty": {"P1": ANA}})
    assert again == identified
    shown = SHIFT._replace(holder=BO)
    identified = identify(
        ProviderSnapshot((shown,)).merge(ProviderSnapshot((ended,))), {"PagerDuty": {"P1": ANA}}
    )
    assert identified.duties == (ended,)


@EVERY_PROVIDER
def test_what_is_shown_later_changes_nothing(provider: str, open_place: Open) -> None:
    """A duty of a denied e-mail opens nothing, and takes nothing from another: in any order."""
    place = open_place(provider)
    name = place.clients().popitem()[0]
    own, denied = (SHIFT._replace(provider=name, holder=holder) for holder in (ANA, JDOE))
    denied = denied._replace(end=NOW + 9 * HOUR)
    policy = place.policy({provider: {"P1": ANA}})
    request = Request(Resource(email=ANA), (VAULT,))

    def approves(*duties: Duty) -> bool:
        snapshot = identify(ProviderSnapshot(duties), policy.identities)
        return decide(request, snapshot, policy, NOW).approved

    own = own._replace(user="")
    results = [approves(*duties) for duties in ((own,), (own, denied), (denied, own), (denied,))]
    assert results == [True, True, True, False]


def test_a_query_asks_for_the_ids_of_its_people() -> None:
    """A query has its people's ids at that provider; a query for everybody has none."""
    users = {"P1": ANA, "P2": BO, "P3": ANA}
    identities = {"PagerDuty": users, "Opsgenie": {"o": BO}, "authzen": {"ana": ANA}}
    request = Request(Resource(email=ANA), (RESOURCE,))
    rule = {
        "name": "R",
        "resources": "any",
        "when": {"on_call": {"schedules": "any"}},
        "duration": "1h",
    }
    policy = read_policy(json.dumps({"rules": [rule], "aliases": {}}))
    needs = dependencies([request], policy, NOW)
    queries = duty_queries(["PagerDuty", "Opsgenie", "authzen2"], needs, identities)
    assert queries["PagerDuty"].users == {"P1": ANA, "P3": ANA}
    assert queries["Opsgenie"].users == {}
    everybody = duty_queries(["PagerDuty"], [needs[0]._replace(holders=None)], identities)
    assert everybody["PagerDuty"] == DutyQuery(any_schedule=True)


def test_callers_and_providers_have_different_names() -> None:
    """No caller has a provider's name, since both are keys of the same mapping."""
    callers = {entry.name for entry in CALLERS}
    assert callers.isdisjoint({name for one in PROVIDERS for name in (one.id, one.name)})


@STEADY
@given(
    world=WORLDS,
    users=st.lists(st.sampled_from(["", "P1", "P2"]), min_size=6, max_size=6),
    declarers=st.lists(st.sampled_from(["P1", "P2"]), max_size=2),
)
def test_without_identities_nothing_changes(
    world: World, users: list[str], declarers: list[str]
) -> None:
    """User ids that the policy doesn't map don't change the decision or its reason."""
    with_ids = tuple(
        duty._replace(user=user, declarers=duty.declarers.union(declarers))
        for duty, user in zip(world.snapshot.duties, users, strict=False)
    )
    bare = ProviderSnapshot(
        tuple(duty._replace(user="") for duty in with_ids),
    )
    snapshot = identify(ProviderSnapshot(with_ids), world.policy.identities)
    assert snapshot == ProviderSnapshot(with_ids)
    one = decide(world.request, snapshot, world.policy, NOW)
    assert one == decide(world.request, bare, world.policy, NOW)
    before = decide(world.request, world.snapshot, world.policy, NOW)
    assert (before.approved, before.duration) == (one.approved, one.duration)


@STEADY
@given(world=WORLDS, users=st.lists(st.sampled_from(["", "P1", "P2"]), min_size=6, max_size=6))
def test_an_id_only_moves_duties(world: World, users: list[str]) -> None:
    """A mapping decides as if the provider showed the mapped e-mail, or more strictly."""
    identities = {"PagerDuty": {"P1": "jane@example.com", "P2": "joan@example.com"}}
    with_ids = tuple(
        duty._replace(user=user) for duty, user in zip(world.snapshot.duties, users, strict=False)
    )
    policy = world.policy._replace(identities={**world.policy.identities, **identities})
    moved = tuple(
        duty._replace(holder=policy.email_of(duty.provider, duty.user) or duty.holder, user="")
        for duty in with_ids
    )
    as_shown = decide(world.request, ProviderSnapshot(moved), world.policy, NOW)
    snapshot = identify(ProviderSnapshot(with_ids), policy.identities)
    mapped = decide(world.request, snapshot, policy, NOW)
    assert mapped.approved <= as_shown.approved
    assert mapped.duration <= as_shown.duration
    if mapped.approved:
        assert mapped.duration == as_shown.duration


ANY_SHIFT, ANY_ROLE = {"on_call": {"schedules": "any"}}, {"incident_role": {"roles": "any"}}
BY_JDOE = {"requester": {"emails": [JDOE]}}
LEAD = SHIFT._replace(kind=INCIDENT_ROLE, id="R1", name="Lead", incident="INC-1")


def test_no_later_answer_takes_an_approval_back() -> None:
    """So it doesn't matter which answers came first: whoever is approved early stays approved."""
    body = {
        "rules": [
            {"name": "on call", "resources": "any", "when": ANY_SHIFT, "duration": "1h"},
            {"name": "leads", "resources": "any", "when": ANY_ROLE, "duration": "2h"},
            {
                "name": "not J. Doe",
                "resources": {"kinds": ["vault"]},
                "when": BY_JDOE,
                "deny": True,
            },
        ],
        "aliases": {},
        "identities": {"pagerduty": {"P1": ANA, "P2": ANA}},
    }
    policy = read_policy(json.dumps(body))

    def decide_by(resource: Resource, *duties: Duty) -> Decision:
        snapshot = identify(ProviderSnapshot(duties), policy.identities)
        return decide(Request(Resource(email=ANA), (resource,)), snapshot, policy, NOW)

    people = (ANA, ""), (ANA, "P1"), (JDOE, "P2"), (JDOE, "")
    for declarer in (JDOE, BO, "P1"):
        lead = LEAD._replace(declarers=frozenset({declarer}))
        duties = [
            duty._replace(holder=holder, user=user)
            for duty, (holder, user) in product((SHIFT, lead), people)
        ]
        for resource, first, second in product((RESOURCE, VAULT), duties, duties):
            early, late = decide_by(resource, first), decide_by(resource, first, second)
            assert early.approved <= late.approved
            assert early.duration <= late.duration
