"""`oncall preflight`: notes on people on duty whom e-mail or domain may exclude."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from cli.preflight_people import check_people
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, ProviderSnapshot
from handler.rules.model import Policy
from policy.loader import load
from sandbox.vendors.jsm import JSM
from tests.cli.conftest import JANE, NOW, OMAR, RITA, Command

ON_DBA = "{on_call: {schedules: [DBA]}}"
IN_DOMAIN = "{requester: {emails: [rita@example.com], domains: [example.com]}}"
BRIEF = "{requested_duration: {up_to: 1h}}"
INSIDERS = f"{{all: [{ON_DBA}, {IN_DOMAIN}]}}"
AWAY = "jane@elsewhere.example"


def rule(when: str, name: str = "R") -> str:
    """A rule with a condition."""
    return f"  - {{name: {name}, resources: {{kinds: [db]}}, when: {when}, duration: 1h}}\n"


def policy_of(*whens: str, more: str = "") -> Policy:
    """A policy with a rule for each condition."""
    rules = "".join(rule(when, f"R{number}") for number, when in enumerate(whens))
    loaded = load(f"rules:\n{rules}{more}".encode())
    assert loaded.errors == ()
    return loaded.policy


def duty(holder: str, user: str = "U1", **changes: Any) -> Duty:  # noqa: ANN401 - of any field
    """A duty on call for DBA at PagerDuty, with some fields changed."""
    values = {"provider": "PagerDuty", "kind": ON_CALL, "id": "S1", "name": "DBA"}
    return Duty(**{**values, "holder": holder, "user": user, **changes})


def notes(policy: Policy, *duties: Duty) -> list[str]:
    """Return the notes about these duties; those without an address are hidden."""
    hidden = tuple(one for one in duties if "@" not in one.holder)
    visible = tuple(one for one in duties if "@" in one.holder)
    found = list(check_people(policy, ProviderSnapshot(visible, without_email=hidden), NOW))
    assert {one.level for one in found} <= {"note"}
    return [one.text for one in found]


@pytest.mark.parametrize(
    ("hidden", "note"),
    [
        (
            (duty(""), duty("", id="S2")),
            (
                "PagerDuty: the user U1 is on duty for DBA and shows no e-mail. To let them count "
                'by id, write in a policy file: `identities: {pagerduty: {"U1": THEIR_EMAIL}}`'
            ),
        ),
        (
            (duty("nora", "4b-1", provider="Opsgenie"),),
            (
                'Opsgenie: the user 4b-1 "nora" is on duty for DBA and shows no e-mail. To let '
                "them count by id, write in a policy file: "
                '`identities: {opsgenie: {"4b-1": THEIR_EMAIL}}`'
            ),
        ),
        (
            (duty("", "7", provider="JSM Operations", inactive=True),),
            (
                "JSM Operations: the user 7 is on duty for DBA, but the account is closed or isn't "
                "a person's: take it off the schedule"
            ),
        ),
        (
            (duty("nora", "", provider="Opsgenie"),),
            (
                'Opsgenie: the user "nora" is on duty for DBA, but shows neither an e-mail nor an '
                "id: change the username to their e-mail"
            ),
        ),
    ],
)
def test_people_without_an_email(hidden: tuple[Duty, ...], note: str) -> None:
    """The note names the user's id at the provider, and what to type."""
    assert notes(policy_of(ON_DBA), *hidden) == [note]


@pytest.mark.parametrize(
    "hidden",
    [duty("", end=NOW), duty("", name="API"), duty("", level=2), duty("", kind=INCIDENT_ROLE)],
    ids=["not now", "another schedule", "another level", "a role"],
)
def test_people_whose_duty_does_not_count(hidden: Duty) -> None:
    """People whose duty no rule accepts aren't listed."""
    assert notes(policy_of(ON_DBA), hidden) == []


def test_two_users_with_one_email() -> None:
    """Two users with one e-mail are noted, unless the policy maps both."""
    pair = duty(JANE), duty(JANE, "U2")
    note = (
        f"PagerDuty: 2 users on duty have the e-mail {JANE}, and the duties of each count for that "
        "person: U1, U2"
    )
    one_mapped = policy_of(ON_DBA, more=f"identities: {{pagerduty: {{U1: {JANE}}}}}")
    both_mapped = policy_of(ON_DBA, more=f"identities: {{pagerduty: {{U1: {JANE}, U2: {JANE}}}}}")
    assert notes(policy_of(ON_DBA), *pair) == [note]
    assert notes(one_mapped, *pair) == [note]
    assert notes(both_mapped, *pair) == []
    assert notes(policy_of(ON_DBA), pair[0], pair[1]._replace(provider="Opsgenie")) == []
    assert notes(policy_of(ON_DBA), duty(JANE), duty(JANE, id="S2")) == []


def test_one_email_in_two_spellings() -> None:
    """Different spellings of an address are noted, since only one can match a request."""
    odd = "jane@\uff45xample.com"
    assert notes(policy_of(ON_DBA), duty(JANE), duty(odd, "U2", provider="Opsgenie")) == [
        (
            "one e-mail is spelled in 2 ways, and only the way in which it is spelled in a request "
            f"counts: {JANE} (PagerDuty), {odd} (Opsgenie)"
        )
    ]


OUTSIDE = (
    f"PagerDuty: {AWAY} is on duty, but the rules for that duty only name the domain example.com. "
    "If they request access with another address, map it in `aliases` or `identities`"
)


@pytest.mark.parametrize(
    ("policy", "email", "is_outside"),
    [
        (policy_of(INSIDERS), AWAY, True),
        (policy_of(INSIDERS), JANE, False),
        (policy_of(INSIDERS), "jane@sub.example.com", True),
        (policy_of(f"{{all: [{ON_DBA}, {{requester: {{emails: [{JANE}]}}}}]}}"), AWAY, False),
        (policy_of(INSIDERS, ON_DBA), AWAY, False),
        (policy_of(INSIDERS, "{on_call: {schedules: [API]}}"), AWAY, True),
        (policy_of(f"{{any: [{INSIDERS}, {{on_call: {{schedules: [API]}}}}]}}"), AWAY, True),
        (policy_of(f"{{any: [{INSIDERS}, {ON_DBA}]}}"), AWAY, False),
        (
            policy_of(f"{{all: [{ON_DBA}, {{any: [{IN_DOMAIN}, {BRIEF}]}}]}}"),
            AWAY,
            False,
        ),
        (policy_of(INSIDERS, more=f"aliases: {{{JANE}: [{AWAY}]}}"), AWAY, False),
        (policy_of(INSIDERS, more=f"aliases: {{jane@other.example: [{AWAY}]}}"), AWAY, True),
    ],
)
def test_addresses_outside_the_domains(policy: Policy, email: str, is_outside: bool) -> None:  # noqa: FBT001 - a column of the table
    """People are noted if all rules for their duty exclude their domain."""
    assert notes(policy, duty(email)) == [OUTSIDE.replace(AWAY, email)] * is_outside


def test_all_domains_are_named() -> None:
    """The note names all domains of the rules."""
    second = f"{{all: [{ON_DBA}, {{requester: {{domains: [corp.example]}}}}]}}"
    (note,) = notes(policy_of(INSIDERS, second), duty(AWAY))
    assert "only name the domains corp.example, example.com." in note


@pytest.fixture
def jsm(oncall: Command) -> Iterator[JSM]:
    """JSM alone, with Omar on duty, whose e-mail is hidden."""
    with JSM("bot@example.com", "jsm-k3y-0123456789", now=lambda: NOW) as double:
        schedule = double.add_schedule("DBA")
        double.put_on_shift(schedule, double.add_person("Omar", OMAR))
        double.change_person(OMAR, hidden=True)
        oncall.environment = {
            "JSM_API_TOKEN": "jsm-k3y-0123456789",
            "JSM_EMAIL": "bot@example.com",
            **dict.fromkeys(("JSM_SITE", "JSM_BASE_URL"), double.url),
        }
        yield double


def test_the_proposed_line_works(oncall: Command, jsm: JSM) -> None:
    """With the printed `identities` line in the policy, the person counts."""
    file = oncall.write("policy.yaml", f"rules:\n{rule(ON_DBA)}")
    answer = oncall("preflight", "--policy", file, "--json")
    (note,) = (one["text"] for one in answer.json["checks"] if "by id" in one["text"])
    assert answer.status == 1
    (line,) = re.findall("`(identities: .*)`", note)
    file = oncall.write(
        "policy.yaml", f"rules:\n{rule(ON_DBA)}{line.replace('THEIR_EMAIL', RITA)}\n"
    )
    answer = oncall("preflight", "--policy", file)
    assert (answer.status, "e-mail" in answer.out) == (0, False)
    answer = oncall("explain", "--as", RITA, "--resource", "db:1", "--policy", file)
    assert answer.status == 0
    assert f"by the user id {jsm.people[0].id}: counts" in answer.out
    answer = oncall("who", "db:1", "--policy", file)
    assert RITA in answer.out


@pytest.mark.usefixtures("jsm")
def test_identities_of_a_provider_that_is_not_asked(oncall: Command) -> None:
    """Identities at a provider without a key, or of people off duty, are noted."""
    more = f"identities: {{pagerduty: {{P1: {RITA}}}, jsm: {{a: {JANE}, b: {JANE}}}}}\n"
    file = oncall.write("policy.yaml", f"rules:\n{rule(ON_DBA)}{more}")
    answer = oncall("preflight", "--policy", file)
    assert (
        "note     the policy has identities for PagerDuty, which is not asked because "
        "PAGERDUTY_KEY is not set"
    ) in answer.lines
    answer = oncall("explain", "--as", JANE, "--resource", "db:1", "--policy", file)
    assert (
        f"`identities` maps a, b at JSM Operations to {JANE}; nobody of that id is on duty there"
    ) in answer.out
