"""`oncall preflight`: keys and names are checked before anybody needs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from sandbox.doubles import faults
from sandbox.doubles.exchange import Answer, Exchange
from sandbox.doubles.incidentio import IncidentIO
from sandbox.doubles.opsgenie import Opsgenie
from tests.ops.conftest import API_KEY, NOW, OMAR, Command

OK = (
    "ok       incident.io: INCIDENTIO_API_KEY is valid and reads all that the policy needs, "
    "as viewer, schedules_reader"
)
FROM_ENVIRONMENT = "the policy is from the environment's settings"
POLICY = """
rules:
  - name: R
    resources: any
    when:
      any:
        - on_call: {schedules: [%s]}
        - incident_role: {roles: [Incident Lead, comms], severities: [Major], types: [Production]}
    duration: 1h
"""


def checked(oncall: Command, schedules: str = "", roles: str = "") -> list[str]:
    """What preflight says of these names, beside the key and the origin."""
    oncall.environment["AUTO_APPROVAL_SCHEDULES"] = schedules
    oncall.environment["AUTO_APPROVAL_INCIDENTIO_ROLES"] = roles
    answer = oncall("preflight")
    assert answer.status == int(any(line.startswith("problem") for line in answer.lines))
    return [line for line in answer.lines if line not in {OK, FROM_ENVIRONMENT}]


def test_all_well(oncall: Command) -> None:
    """The key works, and nothing is named: the status is 0."""
    answer = oncall("preflight")
    assert answer == (0, f"{OK}\n{FROM_ENVIRONMENT}\n", "")


def test_names_that_are_there(oncall: Command, double: IncidentIO) -> None:
    """Schedules, roles by name or shortform, severities and types, each is found."""
    double.add_role("Communications Lead", "comms")
    policy = oncall.write("policy.yaml", POLICY % "Production")
    answer = oncall("preflight", "--policy", policy)
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines[1:-1] == [
        f'ok       rule "R": {what} is at incident.io'
        for what in (
            'schedule "Production"',
            'role "Incident Lead"',
            'role "comms"',
            'severity "Major"',
            'type of incidents "Production"',
        )
    ]


def test_names_that_are_not_there(oncall: Command) -> None:
    """The nearest right name is told, where one is near."""
    policy = oncall.write(
        "policy.yaml",
        (POLICY % "production, Nightwatch")
        .replace("Incident Lead, comms", "incident lead")
        .replace("Major", "Mayor")
        .replace("Production]", "Prod]"),
    )
    answer = oncall("preflight", "--policy", policy)
    assert answer.status == 1
    missing = "is not to be found at incident.io"
    assert answer.lines[1:-1] == [
        f'problem  rule "R": schedule "production" {missing}; the nearest is "Production"',
        f'problem  rule "R": schedule "Nightwatch" {missing}; allowed: Production',
        f'problem  rule "R": role "incident lead" {missing}; the nearest is "Incident Lead"',
        f'problem  rule "R": severity "Mayor" {missing}; the nearest is "Major"',
        f'problem  rule "R": type of incidents "Prod" {missing}; allowed: Production, Security',
    ]


def test_names_that_two_share(oncall: Command, double: IncidentIO) -> None:
    """A name counts for neither; an id that another bears as its name means the one."""
    one, other = double.add_schedule("Nights"), double.add_schedule("Nights")
    lines = checked(oncall, schedules="Nights")
    ids = ", ".join(sorted((one.id, other.id)))
    assert lines == [
        (
            'problem  the settings: 2 schedules of incident.io go by "Nights": '
            f"it counts for none; their ids are {ids}"
        )
    ]
    double.add_schedule(other.id)
    (line, *_) = checked(oncall, schedules=other.id)
    assert line.startswith(f'note     the settings: 2 schedules of incident.io go by "{other.id}"')
    assert "it means the one with that id" in line


def test_nobody_on_call(oncall: Command, double: IncidentIO) -> None:
    """A schedule by which nobody would be approved now may be meant so: it is a note."""
    double.take_off_shift("Production", OMAR)
    double.put_on_shift("Production", OMAR, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    assert checked(oncall, schedules="Production") == [
        'ok       the settings: schedule "Production" is at incident.io',
        "note     the settings: nobody is on call for Production (incident.io) right now",
    ]


def test_a_shift_that_is_over(oncall: Command) -> None:
    """By our clock nobody is on shift any more, whatever the provider's says."""
    oncall.clock = oncall.clock._replace(now=lambda: NOW + timedelta(hours=2))
    assert "right now" in checked(oncall, schedules="Production")[-1]


@pytest.mark.parametrize("names", ["", "Production"])
def test_a_key_that_is_not_valid(oncall: Command, names: str) -> None:
    """One sentence names the setting, however many questions it failed."""
    oncall.environment["INCIDENTIO_API_KEY"] = f"another-{API_KEY}"
    lines = checked(oncall, schedules=names)
    assert lines[0].startswith("problem  incident.io refuses INCIDENTIO_API_KEY: answered 401")
    assert lines[1:] == [
        (
            f'problem  the settings: schedule "{names}" cannot be looked for: '
            "incident.io did not list them all"
        )
    ] * bool(names)


def test_a_firewall_that_refuses(oncall: Command, double: IncidentIO) -> None:
    """It is not the provider that refuses the key, and the key lacks nothing."""
    double.fail("/", _Blocked(401))
    said = "something in front of 127.0.0.1 (a firewall or proxy) refused the call (401)"
    lines = checked(oncall)
    assert lines
    assert all(
        re.fullmatch(rf"problem  no answer from [^:]+: {re.escape(said)}", each) for each in lines
    )


@dataclass(frozen=True)
class _Blocked:
    """What a firewall answers in the vendor's stead."""

    status: int

    def play(self, exchange: Exchange) -> None:
        """Answer with a page."""
        exchange.send(Answer(self.status, b"<html>"))


def test_a_key_that_may_not_read_all(oncall: Command, double: IncidentIO) -> None:
    """The list and the right that it needs are told."""
    double.key_roles = ("viewer",)
    lines = checked(oncall, schedules="Production")
    assert lines[0].startswith(
        "problem  no answer from incident.io schedules: answered 403; "
        "the key needs the scope schedules.view"
    )


def test_what_is_not_needed_is_not_asked(oncall: Command, double: IncidentIO) -> None:
    """A key that only reads schedules is enough for a policy that names only schedules."""
    double.key_roles = ("schedules_reader",)
    assert checked(oncall, schedules="Production")[1:] == [
        'ok       the settings: schedule "Production" is at incident.io'
    ]
    assert {call.path for call in double.calls} == {"/v1/identity", "/v2/schedules"}


@pytest.fixture
def opsgenie(oncall: Command) -> Iterator[Opsgenie]:
    """A second provider, switched on."""
    with Opsgenie("g3nie-key-0123", now=lambda: NOW) as one:
        oncall.environment |= {"OPSGENIE_KEY": one.api_key, "OPSGENIE_BASE_URL": one.url}
        yield one


def test_keys_that_no_rule_uses(oncall: Command, opsgenie: Opsgenie) -> None:
    """A key whose provider has nothing that the policy names is better not there."""
    note = "no rule uses OPSGENIE_KEY: nothing that the policy names is at Opsgenie"
    assert f"note     {note}" in checked(oncall, schedules="Production")
    policy = oncall.write(
        "policy.yaml",
        (POLICY % "Production").replace("{schedules", "{provider: incidentio, schedules"),
    )
    assert f"note     {note}" in oncall("preflight", "--policy", policy).lines
    opsgenie.add_schedule("Production")
    assert note not in "\n".join(checked(oncall, schedules="Production"))
    assert note not in "\n".join(checked(oncall))


def test_a_schedule_that_is_switched_off(oncall: Command, opsgenie: Opsgenie) -> None:
    """Nobody is on duty by it, so it is a problem to count on it."""
    opsgenie.add_schedule("Nights", enabled=False)
    assert (
        'problem  the settings: the schedule "Nights" of Opsgenie is switched off: '
        "nobody is on duty by it" in checked(oncall, schedules="Nights")
    )


def test_a_name_at_both(oncall: Command, opsgenie: Opsgenie) -> None:
    """Where the policy names no provider, each that knows the name is told."""
    opsgenie.add_schedule("Production")
    lines = checked(oncall, schedules="Production")
    for provider in ("incident.io", "Opsgenie"):
        assert f'ok       the settings: schedule "Production" is at {provider}' in lines


def test_a_name_that_is_an_id_elsewhere(
    oncall: Command, double: IncidentIO, opsgenie: Opsgenie
) -> None:
    """An id means that one schedule, and no other provider's of that name."""
    schedule = double.add_schedule("Nights")
    opsgenie.add_schedule(schedule.id)
    lines = checked(oncall, schedules=schedule.id)
    assert f'ok       the settings: schedule "{schedule.id}" is at incident.io' in lines
    assert (
        f'note     the settings: the schedule of Opsgenie that is called "{schedule.id}" does not '
        f'count: "{schedule.id}" is the id of one of incident.io' in lines
    )


def test_rules_without_a_key(oncall: Command, double: IncidentIO) -> None:
    """A rule that counts on a provider whom nobody asks is a problem."""
    double.add_role("Communications Lead", "comms")
    policy = oncall.write(
        "policy.yaml", (POLICY % "Nights").replace("{schedules", "{provider: jsm, schedules")
    )
    answer = oncall("preflight", "--policy", policy)
    assert answer.status == 1
    said = "counts duties of JSM Operations, which nobody asks: JSM_API_TOKEN is not set"
    assert f'problem  rule "R" {said}' in answer.lines


def test_roles_that_nobody_lists(oncall: Command, opsgenie: Opsgenie) -> None:
    """Without a provider of incident roles, their names cannot be checked, which is told."""
    del oncall.environment["INCIDENTIO_API_KEY"]
    opsgenie.add_schedule("Production")
    policy = oncall.write("policy.yaml", POLICY % "Production")
    lines = oncall("preflight", "--policy", policy).lines
    assert (
        'note     rule "R": role "Incident Lead" cannot be looked for: '
        "no provider that is asked lists them" in lines
    )


def test_json(oncall: Command, double: IncidentIO) -> None:
    """A script gets each check with its level."""
    double.fail("/v2/schedules", faults.Status(500))
    answer = oncall("preflight", "--json")
    assert answer.status == 1
    said = answer.json
    assert said.keys() == {"ok", "checks"}
    assert said["ok"] is False
    (check,) = said["checks"]
    assert check["level"] == "problem"
    assert check["text"].startswith("no answer from incident.io schedules: answered 500")
