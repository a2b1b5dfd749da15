"""People on duty without a visible e-mail are counted, and approve nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from handler import emails
from handler.audit import decision_record
from handler.clock import Deadline
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, Incident, ProviderSnapshot, ScheduleOrRole
from handler.http import Client
from handler.providers.base import DutyQuery, Page, ProviderClient
from handler.providers.collect import (
    DutyCollector,
    Outcome,
    collect_and_decide,
    load_clients,
    without_email,
)
from handler.providers.registry import BY_ID
from handler.providers.runner import ask
from handler.request import Request, Resource
from handler.rules.conditions import ANY, IncidentRole, OnCall
from handler.rules.evaluate import Decision
from handler.rules.model import Policy, policy_from_settings
from sandbox.vendors.jsm import CLOUD_ID
from tests.handler.accounts import Account, open_account
from tests.handler.builders import fetching, make_duty, make_question
from tests.handler.conftest import ANA, BO, NOW, SetClock
from tests.handler.edited_answers import Edited

HOURS = timedelta(hours=6)
RESOURCE = Resource("db", "1")


class Shown(NamedTuple):
    """The place of the first person's e-mail in a provider's answer.

    Attributes:
        path: of the call that shows e-mails.
        entry: the way to the first person in that answer.
        field: what holds the e-mail.
    """

    path: str
    entry: tuple[str | int, ...]
    field: str = "email"


SHOWN = {
    "incidentio": Shown("/v2/schedules", ("schedules", 0, "current_shifts", 0, "user")),
    "pagerduty": Shown("/oncalls", ("oncalls", 0, "user")),
    "opsgenie": Shown("/v2/schedules/on-calls", ("data", 0, "onCallParticipants", 0), "name"),
    "jsm": Shown(f"/ex/jira/{CLOUD_ID}/rest/api/3/user/", ("values", 0), "emailAddress"),
}


@contextmanager
def on_duty(provider: str, client: Client, clock: SetClock) -> Iterator[tuple[Any, Ask]]:
    """Put Ana and Bo on call for Payments; give the double, and a function that decides."""
    with open_account(Account[Any], provider, client, clock) as account:
        double = account.double
        if provider == "pagerduty":  # a layer-based schedule has one person on shift
            double.upgrade_schedule("Payments")
        for email in (ANA, BO):
            double.put_on_shift("Payments", email)
        clients = load_clients(client, clock.clock, {provider: account.settings})

        def decide(*who: str, policy: Policy | None = None) -> Outcome:
            requests = [Request(Resource(email=email), (RESOURCE,)) for email in who]
            return collect_and_decide(
                requests,
                policy or policy_from_settings(HOURS),
                clients,
                clock.clock,
                Deadline(clock.clock, 6),
            )

        yield double, decide


Ask = Callable[..., Outcome]
Counts = dict[str, tuple[int, int]]


def edited(expected: Shown, change: Callable[[dict[str, Any]], object]) -> Edited:
    """Change the first person in the answer."""

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        if isinstance(body, list):  # a search for accounts
            for account in body:
                if account["emailAddress"] == ANA:
                    change(account)
            return
        for step in expected.entry:
            body = body[step]
        change(body)

    return Edited(edit)


@pytest.mark.parametrize("provider", SHOWN)
@pytest.mark.parametrize("email", [..., None, "", " \t", "ana", "@acme.example", "ana@"], ids=repr)
def test_an_address_that_is_not_shown(
    provider: str, email: object, client: Client, set_clock: SetClock
) -> None:
    """A person with a missing or invalid e-mail is counted, and matches nobody."""

    def hide(user: dict[str, Any]) -> None:
        if provider == "pagerduty" and user["email"] != ANA:  # each answer is about one person
            return
        user.pop(SHOWN[provider].field)
        if email is not ...:
            user[SHOWN[provider].field] = email

    with on_duty(provider, client, set_clock) as (double, decide):
        double.fail(SHOWN[provider].path, edited(SHOWN[provider], hide))
        others = ["", " ", str(email), "None", "null", "@", ANA]
        outcome = decide(BO, *others)
    assert outcome.snapshot.failures == ()
    assert dict(outcome.without_email) == {BY_ID[provider].name: (1, 2)}
    assert [decision.approved for decision in outcome.decisions] == [True, *(False for _ in others)]


@pytest.mark.parametrize("provider", SHOWN)
def test_everybody_shows_an_address(provider: str, client: Client, set_clock: SetClock) -> None:
    """If everybody's e-mail is visible, nobody is counted, and the log omits the field."""
    with on_duty(provider, client, set_clock) as (_, decide):
        outcome = decide(BO)
    assert (dict(outcome.without_email), outcome.snapshot.without_email) == ({}, ())
    assert "without_email" not in record_of(outcome)


def record_of(outcome: Outcome) -> dict[str, Any]:
    """The first decision's log line."""
    return decision_record(
        outcome.decisions[0],
        snapshot=outcome.snapshot,
        providers=outcome.providers,
        policy=policy_from_settings(HOURS),
        dry_run=False,
        milliseconds=0,
        without_email=outcome.without_email,
    )


@pytest.mark.parametrize(
    "account",
    [
        {"active": False},
        {"account_type": "app"},
        {"account_type": "customer"},
        {"hidden": True},
        {"active": None},
    ],
)
def test_accounts_without_a_usable_email(
    account: dict[str, Any], client: Client, set_clock: SetClock
) -> None:
    """JSM: accounts that are closed, hide the e-mail or aren't a person's are counted."""
    with on_duty("jsm", client, set_clock) as (double, decide):
        double.change_person(ANA, **account)
        outcome = decide(ANA)
    is_unchanged = account == {"active": None}
    assert dict(outcome.without_email) == ({} if is_unchanged else {"JSM Operations": (1, 2)})
    assert outcome.decisions[0].approved is is_unchanged


def test_an_account_that_the_site_does_not_know(client: Client, set_clock: SetClock) -> None:
    """JSM: an account on shift that the site doesn't return is counted."""
    with on_duty("jsm", client, set_clock) as (double, decide):
        double.fail(f"{SHOWN['jsm'].path}bulk", Edited(lambda body: body["values"].pop(0)))
        assert dict(decide("nora@acme.example").without_email) == {"JSM Operations": (1, 2)}


def find_all(clients: Mapping[str, ProviderClient], clock: SetClock, *schedules: str) -> Counts:
    """Count for everybody on duty, as `oncall who` does."""
    collector = DutyCollector(clients, Deadline(clock.clock, 6))
    while collector.advance({name: DutyQuery(schedules, not schedules) for name in clients}):
        pass
    conditions = [OnCall(schedules or ANY)]
    return without_email(collector.snapshot, conditions, clock.now)


def test_a_user_who_was_deleted(client: Client, set_clock: SetClock) -> None:
    """PagerDuty: a deleted user is counted once, however many schedules list them.

    They don't affect a decision about somebody else.
    """
    with on_duty("pagerduty", client, set_clock) as (double, decide):
        for name in ("Search", "Nights"):
            schedule = double.add_schedule(name)
            double.put_on_shift(schedule, ANA)
            double.add_escalation_policy(name, schedule)
        double.delete_person(ANA)
        clients = load_clients(client, set_clock.clock, {"pagerduty": double.settings})
        assert find_all(clients, set_clock) == {"PagerDuty": (1, 2)}
        assert dict(decide(BO).without_email) == {}


def test_who_is_counted_is_not_named(client: Client, set_clock: SetClock) -> None:
    """The log has only the numbers, neither ids nor e-mails."""
    with on_duty("pagerduty", client, set_clock) as (double, decide):
        (ana,) = (person.id for person in double.people if person.email == ANA)
        double.fail("/oncalls", edited(SHOWN["pagerduty"], lambda user: user.pop("email")))
        outcome = decide(ANA)
    assert record_of(outcome)["without_email"] == {"pagerduty": {"people": 1, "of": 1}}
    line = json.dumps(record_of(outcome))
    assert ana not in line
    assert BO.lower() not in line


def test_who_is_on_shift_of_a_schedule_without_a_policy(
    client: Client, set_clock: SetClock
) -> None:
    """PagerDuty: users on a schedule without escalation policies are looked up and counted."""
    with on_duty("pagerduty", client, set_clock) as (double, _):
        clients = load_clients(client, set_clock.clock, {"pagerduty": double.settings})
        schedule = double.add_schedule("Alone")
        double.put_on_shift(schedule, double.add_person("Ghost", None))
        assert find_all(clients, set_clock, "Alone") == {"PagerDuty": (1, 1)}
        double.put_on_shift(schedule, ANA)
        assert find_all(clients, set_clock, "Alone") == {}


def test_a_staffed_schedule_is_not_looked_up(client: Client, set_clock: SetClock) -> None:
    """PagerDuty: a schedule whose users are in the on-calls isn't read itself."""
    with on_duty("pagerduty", client, set_clock) as (double, _):
        clients = load_clients(client, set_clock.clock, {"pagerduty": double.settings})
        for person in (ANA, BO):
            double.delete_person(person)
        find_all(clients, set_clock, "Payments")
        assert {call.path for call in double.calls} == {"/oncalls", "/schedules", "/v3/schedules"}


def test_roles_and_updates(client: Client, set_clock: SetClock) -> None:
    """incident.io: role holders and posters without an e-mail count if a rule accepts them."""
    with on_duty("incidentio", client, set_clock) as (double, decide):
        ghost, shade = (double.add_person(name, None) for name in ("Ghost", "Shade"))
        double.declare_incident("Fire", by=ANA, lead=ghost)
        double.post_update("INC-1", by=shade)
        by_role = policy_from_settings(HOURS, incident_roles=("Incident Lead",))
        by_update = policy_from_settings(HOURS, participants=True)
        assert dict(decide(ANA, policy=by_role).without_email) == {"incident.io": (1, 1)}
        nora = "nora@acme.example"  # nora has no duty, so everything is read
        assert dict(decide(nora, policy=policy_from_settings(HOURS)).without_email) == {
            "incident.io": (1, 3)
        }
        asked = decide("nora@acme.example", policy=by_update)
        assert dict(asked.without_email) == {"incident.io": (2, 4)}


LEVEL_2 = Duty("PagerDuty", ON_CALL, "S1", "DBA", "", level=2, user="U1")
ON_DBA = OnCall(("DBA",))


@pytest.mark.parametrize(
    ("hidden", "condition", "counted"),
    [
        (LEVEL_2._replace(level=1), ON_DBA, True),
        (LEVEL_2._replace(level=1), OnCall(ANY), True),
        (LEVEL_2, OnCall(("DBA",), max_level=2), True),
        (LEVEL_2, ON_DBA, False),
        (LEVEL_2._replace(level=1, name="API"), ON_DBA, False),
        (LEVEL_2._replace(level=1, shared_names=frozenset({"DBA"})), ON_DBA, False),
        (LEVEL_2._replace(level=1, end=NOW), ON_DBA, False),
        (LEVEL_2._replace(level=1), OnCall(ANY, "Opsgenie"), False),
        (LEVEL_2._replace(level=1), IncidentRole(ANY), False),
        (LEVEL_2._replace(kind=INCIDENT_ROLE, reporter=True), IncidentRole(ANY), False),
        (LEVEL_2._replace(kind=INCIDENT_ROLE), IncidentRole(ANY), True),
    ],
)
def test_only_who_would_matter_is_counted(
    hidden: Duty,
    condition: OnCall | IncidentRole,
    counted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A person whose duty no condition accepts isn't counted."""
    snapshot = ProviderSnapshot(without_email=(hidden,))
    expected = {"PagerDuty": (1, 1)} if counted else {}
    assert without_email(snapshot, [condition], NOW) == expected


def test_people_are_counted_once_for_each_provider() -> None:
    """A person is counted once per provider, however many duties they have."""
    first = LEVEL_2._replace(level=1)
    output = first._replace(holder=ANA, user="")
    snapshot = ProviderSnapshot(
        duties=(output, output._replace(id="S2"), output._replace(provider="Opsgenie", holder=BO)),
        without_email=(first, first._replace(id="S2"), first._replace(user="U2")),
    )
    assert without_email(snapshot, [OnCall(ANY)], NOW) == {"PagerDuty": (2, 3)}


def test_a_name_that_is_shared_counts_for_nobody(set_clock: SetClock) -> None:
    """Shared names are also marked on duties without an e-mail."""
    hidden = make_duty("DBA")._replace(holder="", user="U1")
    titled = tuple(ScheduleOrRole("P", ON_CALL, id_, ("DBA",)) for id_ in (hidden.id, "another"))
    result = ask([make_question("q", fetching(Page((hidden,), titled)))], set_clock.deadline())
    assert result.duties == ()
    assert [duty.shared_names for duty in result.without_email] == [frozenset({"DBA"})]


def test_people_without_email_are_compared_by_id() -> None:
    """Two people without an e-mail are compared by id."""
    assert Incident("1", "INC-1", (("", "U1"),)).may_be_declared_by("", "U2") is False
    assert Incident("1", "INC-1", (("", "U1"),)).may_be_declared_by("", "U1") is True


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a@b", True), ("a@b@c", True), ("", False), ("ana", False), ("@b", False), ("a@", False)],
)
def test_what_is_an_address(text: str, is_one: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An address has text on both sides of an @."""
    assert emails.is_address(text) is is_one


def test_a_provider_without_a_metric_is_left_out() -> None:
    """The log names providers by id, and omits unknown ones."""
    decisions = (Decision(Request(Resource(email=ANA), (RESOURCE,))),)
    outcome = Outcome(decisions, ProviderSnapshot(), (), {}, {"Acme": (1, 2), "Opsgenie": (1, 2)})
    assert record_of(outcome)["without_email"] == {"opsgenie": {"people": 1, "of": 2}}
