"""`oncall preflight`: it checks keys and names before anybody needs access."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty
from tests.cli.conftest import API_KEY, NOW, OMAR, OPEN, Command

OK = (
    "ok       incident.io: INCIDENTIO_API_KEY works and can read everything the policy needs "
    "(roles of the key: viewer, schedules_reader)"
)
FROM_ENVIRONMENT = "policy: environment variables"
ROLES_OFF = (
    "note     AUTO_APPROVAL_SCHEDULES is set and AUTO_APPROVAL_INCIDENTIO_ROLES is not: "
    "incident roles open nothing"
)
SHIFTS_OFF = (
    "note     AUTO_APPROVAL_INCIDENTIO_ROLES is set and AUTO_APPROVAL_SCHEDULES is not: "
    "being on call opens nothing"
)
OF_REACH = {ROLES_OFF, SHIFTS_OFF, f"note     {OPEN}"}
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
    """Return what preflight prints about these names, without the lines about key and policy."""
    lines = all_checked(oncall, schedules, roles)
    return [line for line in lines if line not in {OK, FROM_ENVIRONMENT, *OF_REACH}]


def all_checked(oncall: Command, schedules: str = "", roles: str = "") -> list[str]:
    """Return everything that preflight prints if the settings name these."""
    oncall.environment["AUTO_APPROVAL_SCHEDULES"] = schedules
    oncall.environment["AUTO_APPROVAL_INCIDENTIO_ROLES"] = roles
    answer = oncall("preflight")
    assert answer.status == int(any(line.startswith("problem") for line in answer.lines))
    return answer.lines


def test_everything_is_ok(oncall: Command) -> None:
    """With a working key and no names, the status is 0."""
    answer = oncall("preflight")
    assert answer == (0, f"{OK}\nnote     {OPEN}\n{FROM_ENVIRONMENT}\n", "")


def test_naming_schedules_excludes_roles(oncall: Command) -> None:
    """A note warns that naming only schedules excludes roles, and vice versa."""
    assert ROLES_OFF in all_checked(oncall, schedules="Production")
    assert SHIFTS_OFF in all_checked(oncall, roles="lead")
    assert not {ROLES_OFF, SHIFTS_OFF} & set(
        all_checked(oncall, schedules="Production", roles="lead")
    )
    policy = oncall.write("policy.yaml", POLICY % "Production")
    assert "nothing" not in oncall("preflight", "--policy", policy).out


def test_roles_if_access_ends_with_the_shift(oncall: Command) -> None:
    """If access ends with the shift, a note says that incident roles open nothing."""
    oncall.environment["AUTO_APPROVAL_END_WITH_SHIFT"] = "15m"
    message = (
        "AUTO_APPROVAL_END_WITH_SHIFT is set: incident roles open nothing, since they have no end"
    )
    assert any(message in line for line in all_checked(oncall))
    assert any(
        f"{message}, so nobody is approved" in line for line in all_checked(oncall, roles="lead")
    )
    assert not any(message in line for line in all_checked(oncall, schedules="Production"))


def test_existing_names(oncall: Command, double: IncidentIO) -> None:
    """Each existing schedule, role, severity and type is `ok`."""
    double.add_role("Communications Lead", "comms")
    policy = oncall.write("policy.yaml", POLICY % "Production")
    answer = oncall("preflight", "--policy", policy)
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines[1:-1] == [
        f'ok       rule "R": {what} exists at incident.io'
        for what in (
            'schedule "Production"',
            'role "Incident Lead"',
            'role "comms"',
            'severity "Major"',
            'type of incidents "Production"',
        )
    ]


def test_missing_names(oncall: Command) -> None:
    """A similar name is proposed; otherwise the existing names are listed."""
    policy = oncall.write(
        "policy.yaml",
        (POLICY % "production, Nightwatch")
        .replace("Incident Lead, comms", "incident lead")
        .replace("Major", "Mayor")
        .replace("Production]", "Prod]"),
    )
    answer = oncall("preflight", "--policy", policy)
    assert answer.status == 1
    there = "at incident.io; the names there are:"
    assert answer.lines[1:-1] == [
        f'problem  rule "R": {missing}'
        for missing in (
            'no schedule "production" at incident.io; did you mean "Production"?',
            f'no schedule "Nightwatch" {there} Production',
            'no role "incident lead" at incident.io; did you mean "Incident Lead"?',
            'no severity "Mayor" at incident.io; did you mean "Major"?',
            f'no type of incidents "Prod" {there} Production, Security',
        )
    ]


def test_ambiguous_names(oncall: Command, double: IncidentIO) -> None:
    """A name that two schedules have is a problem, unless it is also the id of one."""
    one, other = double.add_schedule("Nights"), double.add_schedule("Nights")
    lines = checked(oncall, schedules="Nights")
    ids = ", ".join(sorted((one.id, other.id)))
    assert lines == [
        (
            'problem  default rule: 2 schedules at incident.io match "Nights"; '
            f"none of them counts, so write an id instead; their ids are {ids}"
        )
    ]
    double.add_schedule(other.id)
    (line, *_) = checked(oncall, schedules=other.id)
    assert line.startswith(f'note     default rule: 2 schedules at incident.io match "{other.id}"')
    assert "only the one with that id counts" in line


def test_nobody_on_call(oncall: Command, double: IncidentIO) -> None:
    """A schedule with nobody on call is a note, since that may be intended."""
    double.take_off_shift("Production", OMAR)
    double.put_on_shift("Production", OMAR, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    assert checked(oncall, schedules="Production") == [
        'ok       default rule: schedule "Production" exists at incident.io',
        "note     default rule: nobody is on call for Production (incident.io) right now",
    ]


def test_somebody_without_an_email(oncall: Command, double: IncidentIO) -> None:
    """Somebody on duty without an e-mail is a problem, with remedies."""
    ghost = double.add_person("Ghost", None)
    double.put_on_shift("Production", ghost)
    message = (
        "1 of 2 people on duty at incident.io shows no e-mail, so they cannot be approved: give "
        "each of these users an e-mail in incident.io, and take deactivated ones off the schedules "
        "and roles"
    )
    found = 'ok       default rule: schedule "Production" exists at incident.io'
    by_id = (
        f"note     incident.io: the user {ghost.id} is on duty for Production and shows no e-mail. "
        "To let them count by id, write in a policy file: "
        f'`identities: {{incidentio: {{"{ghost.id}": THEIR_EMAIL}}}}`'
    )
    assert checked(oncall, schedules="Production") == [f"problem  {message}", found, by_id]
    double.take_off_shift("Production", OMAR)
    assert checked(oncall, schedules="Production") == [
        f"problem  {message.replace('1 of 2 people', 'the only person')}",
        found,
        (
            "note     default rule: nobody on call for Production (incident.io) right now has a "
            "visible e-mail"
        ),
        by_id,
    ]
    # They don't matter if the policy doesn't name their schedule.
    double.add_schedule("Nights")
    lines = checked(oncall, schedules="Nights")
    assert not any("e-mail" in line for line in lines)


def _vendor(oncall: Command, name: str) -> Any:  # noqa: ANN401 - doubles have no common type
    """Configure this provider alone, and return its double."""
    key = "k3y-0123456789"
    double: Any
    if name == "PagerDuty":
        double = PagerDuty(key, now=lambda: NOW)
        oncall.environment = {"PAGERDUTY_KEY": key, "PAGERDUTY_BASE_URL": double.url}
    elif name == "Opsgenie":
        double = Opsgenie(key, now=lambda: NOW)
        oncall.environment = {"OPSGENIE_KEY": key, "OPSGENIE_BASE_URL": double.url}
    else:
        double = JSM("bot@example.com", key, now=lambda: NOW)
        oncall.environment = {
            "JSM_API_TOKEN": key,
            "JSM_EMAIL": "bot@example.com",
            **dict.fromkeys(("JSM_SITE", "JSM_BASE_URL"), double.url),
        }
    return double


def test_a_key_that_may_not_see_users(oncall: Command) -> None:
    """A key without the right to read users is a problem, since decisions need it."""
    with _vendor(oncall, "PagerDuty") as double:
        double.add_schedule("Nights")
        lines = checked(oncall, schedules="Nights")
        assert lines[0].startswith("ok       PagerDuty: PAGERDUTY_KEY works")
        double.scopes = ("oncalls.read", "schedules.read")
        lines = checked(oncall, schedules="Nights")
        assert lines[0].startswith("problem  no answer from PagerDuty users: answered 403;")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("PagerDuty", "read-only key of the whole account"),
        ("Opsgenie", "make each user's username their e-mail address"),
        ("JSM Operations", "Profile and visibility"),
    ],
)
def test_each_vendors_remedy(oncall: Command, name: str, remedy: str) -> None:
    """Each vendor's remedy for hidden e-mails uses the vendor's own terms."""
    with _vendor(oncall, name) as double:
        schedule = double.add_schedule("Nights")
        double.put_on_shift(schedule, double.add_person("Ghost", None))
        if name == "PagerDuty":
            double.add_escalation_policy("Nights", schedule)
        answer = oncall("preflight")
    assert answer.status == 1
    # The others: what is open, how to map the user's id, and the policy's origin.
    assert len(answer.lines) == 4
    start = f"problem  the only person on duty at {name} shows no e-mail"
    assert answer.lines[0].startswith(start)
    assert remedy in answer.lines[0]


@pytest.fixture
def pagerduty(oncall: Command) -> Iterator[PagerDuty]:
    """PagerDuty alone, where Omar is on call for a back-up schedule on escalation level 2."""
    with _vendor(oncall, "PagerDuty") as one:
        first, second = one.add_schedule("Databases"), one.add_schedule("Back-up")
        one.put_on_shift(second, one.add_person("Omar", OMAR), NOW, NOW + timedelta(hours=2))
        one.add_target(one.add_escalation_policy("Databases", first), second, level=2)
        yield one


LEVEL_2 = (
    "nobody on call for Back-up (PagerDuty) right now would be approved: on call for Back-up "
    "(PagerDuty) until 14:00 UTC: escalation level 2; only level 1 counts. To "
    "accept it, write `provider: pagerduty, max_level: 2` in "
)


@pytest.mark.usefixtures("pagerduty")
def test_a_back_up_schedule(oncall: Command) -> None:
    """A note explains that the person on call has a level that doesn't count."""
    lines = checked(oncall, schedules="Back-up, Databases")
    where = "a policy file: the default rule accepts level 1 only"
    assert f"note     default rule: {LEVEL_2}{where}" in lines
    assert lines[-1] == (
        "note     default rule: nobody is on call for Databases (PagerDuty) right now"
    )
    explained = oncall("explain", "--as", OMAR, "--resource", "db:1", "--json").json["why"]
    assert explained in LEVEL_2
    policy = POLICY[: POLICY.index("        - incident_role")] + "    duration: 1h\n"
    file = oncall.write("policy.yaml", policy % "Back-up")
    assert f'note     rule "R": {LEVEL_2}this rule' in oncall("preflight", "--policy", file).lines
    file = oncall.write(
        "policy.yaml", (policy % "Back-up").replace("]}", "], provider: pagerduty, max_level: 2}")
    )
    answer = oncall("preflight", "--policy", file)
    assert (answer.status, "note" in answer.out) == (0, False)


@pytest.mark.parametrize("level", [1, 2])
def test_a_list_of_schedules_that_is_refused(
    oncall: Command, pagerduty: PagerDuty, level: int
) -> None:
    """If PagerDuty refuses the list, names don't count, and a note shows the id."""
    if level == 1:
        pagerduty.add_escalation_policy("Back-up", "Back-up")
    pagerduty.fail("/v3/schedules", faults.Status(403))
    (schedule,) = (one.id for one in pagerduty.schedules if one.name == "Back-up")
    (line,) = (text for text in checked(oncall, schedules="Back-up") if text.startswith("note"))
    assert "nobody is on call" not in line
    assert "its name may not be unique; the policy must name it by id" in line
    if level == 1:
        assert line.endswith(f". Its id is {schedule}")
        assert not any(text.startswith("note") for text in checked(oncall, schedules=schedule))


def test_unknown_on_calls(oncall: Command, pagerduty: PagerDuty) -> None:
    """If the provider doesn't answer, a note says that it's unknown who is on call."""
    pagerduty.fail("/oncalls", faults.Status(403))
    (line,) = (text for text in checked(oncall, schedules="Back-up") if text.startswith("note"))
    assert line == (
        "note     default rule: who is on call for Back-up (PagerDuty) right now is unknown: "
        "not everything was answered"
    )


def test_a_name_that_looks_the_same(oncall: Command, double: IncidentIO) -> None:
    """If names differ in invisible ways, the characters and the id are shown."""
    schedule = double.add_schedule(unicodedata.normalize("NFD", "\u00c9quipe SRE"))
    (line,) = checked(oncall, schedules="\u00c9quipe SRE")
    assert line.endswith(
        ' (it has "E" and U+0301 COMBINING ACUTE ACCENT instead of U+00C9 LATIN CAPITAL LETTER E '
        f"WITH ACUTE)? Copy it from there, or write its id, {schedule.id}"
    )


def test_a_shift_that_is_over(oncall: Command) -> None:
    """Whether a shift is over depends on this machine's clock."""
    oncall.clock = oncall.clock._replace(now=lambda: NOW + timedelta(hours=2))
    assert "right now" in checked(oncall, schedules="Production")[-1]


@pytest.mark.parametrize("names", ["", "Production"])
def test_an_invalid_key(oncall: Command, names: str) -> None:
    """A rejected key is one problem that names its setting."""
    oncall.environment["INCIDENTIO_API_KEY"] = f"another-{API_KEY}"
    lines = checked(oncall, schedules=names)
    assert lines[0].startswith(
        "problem  incident.io does not accept INCIDENTIO_API_KEY: answered 401"
    )
    assert lines[1:] == [
        (
            f'problem  default rule: schedule "{names}" cannot be checked: '
            "incident.io did not list them all"
        )
    ] * bool(names)


def test_a_firewall_that_refuses(oncall: Command, double: IncidentIO) -> None:
    """If a firewall answers instead of the provider, the key isn't blamed."""
    double.fail("/", faults.Status(401, b"<html>"))
    message = "a firewall or proxy in front of 127.0.0.1 refused the request (401)"
    lines = checked(oncall)
    assert lines
    assert all(
        re.fullmatch(rf"problem  no answer from [^:]+: {re.escape(message)}", line)
        for line in lines
    )


def test_a_key_that_may_not_read_all(oncall: Command, double: IncidentIO) -> None:
    """The problem names the list and the missing scope."""
    double.key_roles = ("viewer",)
    lines = checked(oncall, schedules="Production")
    assert lines[0].startswith(
        "problem  no answer from incident.io schedules: answered 403; "
        "the key needs the scope schedules.view"
    )


def test_only_needed_lists_are_read(oncall: Command, double: IncidentIO) -> None:
    """Only lists that the policy needs are read, so a limited key suffices."""
    double.key_roles = ("schedules_reader",)
    assert checked(oncall, schedules="Production")[1:] == [
        'ok       default rule: schedule "Production" exists at incident.io'
    ]
    assert {call.path for call in double.calls} == {"/v1/identity", "/v2/schedules"}


@pytest.fixture
def opsgenie(oncall: Command) -> Iterator[Opsgenie]:
    """A second provider, switched on."""
    with Opsgenie("g3nie-key-0123", now=lambda: NOW) as one:
        oncall.environment |= {"OPSGENIE_KEY": one.api_key, "OPSGENIE_BASE_URL": one.url}
        yield one


def test_keys_that_no_rule_uses(oncall: Command, opsgenie: Opsgenie) -> None:
    """A note names a key whose provider has nothing that the policy names."""
    note = "OPSGENIE_KEY is not used: nothing that the policy names exists at Opsgenie"
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
    """A disabled schedule is a problem."""
    opsgenie.add_schedule("Nights", enabled=False)
    assert (
        'problem  default rule: schedule "Nights" is disabled at Opsgenie, '
        "so nobody is on duty for it" in checked(oncall, schedules="Nights")
    )


def test_a_name_at_two_providers(oncall: Command, opsgenie: Opsgenie) -> None:
    """If the rule names no provider, the name is `ok` at each provider that has it."""
    opsgenie.add_schedule("Production")
    lines = checked(oncall, schedules="Production")
    for provider in ("incident.io", "Opsgenie"):
        assert f'ok       default rule: schedule "Production" exists at {provider}' in lines


def test_a_name_that_is_an_id_elsewhere(
    oncall: Command, double: IncidentIO, opsgenie: Opsgenie
) -> None:
    """A note says that a schedule's id doesn't match another provider's name."""
    schedule = double.add_schedule("Nights")
    opsgenie.add_schedule(schedule.id)
    lines = checked(oncall, schedules=schedule.id)
    assert f'ok       default rule: schedule "{schedule.id}" exists at incident.io' in lines
    assert (
        f'note     default rule: the schedule called "{schedule.id}" at Opsgenie does not count: '
        f'"{schedule.id}" is an id at incident.io' in lines
    )


def test_rules_without_a_key(oncall: Command, double: IncidentIO) -> None:
    """A rule that needs a provider without a key is a problem."""
    double.add_role("Communications Lead", "comms")
    policy = oncall.write(
        "policy.yaml", (POLICY % "Nights").replace("{schedules", "{provider: jsm, schedules")
    )
    answer = oncall("preflight", "--policy", policy)
    assert answer.status == 1
    message = "names JSM Operations, which is not asked because JSM_API_TOKEN is not set"
    assert f'problem  rule "R" {message}' in answer.lines


def test_roles_without_incidentio(oncall: Command, opsgenie: Opsgenie) -> None:
    """Without incident.io, a note says that role names can't be checked."""
    del oncall.environment["INCIDENTIO_API_KEY"]
    opsgenie.add_schedule("Production")
    policy = oncall.write("policy.yaml", POLICY % "Production")
    lines = oncall("preflight", "--policy", policy).lines
    assert (
        'note     rule "R": role "Incident Lead" cannot be checked: '
        "no provider that is asked lists such names" in lines
    )


def test_json(oncall: Command, double: IncidentIO) -> None:
    """JSON has each check with its level."""
    double.fail("/v2/schedules", faults.Status(500))
    answer = oncall("preflight", "--json")
    assert answer.status == 1
    data = answer.json
    assert data.keys() == {"ok", "checks", "policy"}
    assert data["ok"] is False
    check, note = data["checks"]
    assert note == {"level": "note", "text": OPEN}
    assert check["level"] == "problem"
    assert check["text"].startswith("no answer from incident.io schedules: answered 500")
