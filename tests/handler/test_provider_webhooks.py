"""Signed calls in, claims out: with each provider alone, and with all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from handler.callers.indent import bot_of
from handler.providers.registry import PROVIDERS
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.server import Fault
from tests.handler.accounts import (
    PAYMENTS,
    SECRETS,
    fill,
    make_double,
    settings_of,
)
from tests.handler.conftest import ANA, API_KEY, BO, CY
from tests.handler.edited_answers import Edited
from tests.handler.test_app import NOTHING, Webhook, request_of

DI = "di@acme.example"
# Who is on call at which provider: Cy for DBA, the others for Payments.
ON_CALL = {"pagerduty": ANA, "opsgenie": BO, "jsm": DI, "incidentio": CY}
Opener = Callable[..., Webhook]
EMAIL_EVERYWHERE = Edited(lambda body: body.update(dict.fromkeys(body, BO)))


@pytest.fixture
def running(incidentio: IncidentIO) -> Iterator[dict[str, Any]]:
    """The doubles of all four providers, each with its own person on call."""
    with ExitStack() as servers:
        doubles: dict[str, Any] = {"incidentio": incidentio}
        for provider in ("pagerduty", "opsgenie", "jsm"):
            double = doubles[provider] = servers.enter_context(make_double(provider))
            fill(double)
            double.add_person("Di Ode", DI)
            double.put_on_shift("Payments", ON_CALL[provider])
        yield doubles


@pytest.fixture
def opened(running: dict[str, Any], incidentio: IncidentIO) -> Iterator[Opener]:
    """Make Apps on these providers only; they are closed at the end."""
    with ExitStack() as hooks:

        def open_one(*providers: str, budget: float = 5.0, **settings: str) -> Webhook:
            switched = {"INCIDENTIO_API_KEY": "", "INCIDENTIO_BASE_URL": ""}
            for provider in providers:
                switched |= settings_of(provider, running[provider].url)
            hook = Webhook(incidentio, budget, **{**switched, **settings})
            hooks.callback(hook.app.client.close)
            return hook

        yield open_one


@pytest.mark.parametrize(
    ("provider", "name", "calls"),
    [
        ("pagerduty", "PagerDuty", (2, 4, 2)),
        ("opsgenie", "Opsgenie", (2, 2, 2)),
        ("jsm", "JSM Operations", (5, 5, 6)),
    ],
)
@pytest.mark.parametrize(
    ("schedules", "number"), [("", 0), ("Payments", 1), (f" x, {PAYMENTS} ,", 2)]
)
def test_alone(
    schedules: str,
    number: int,
    provider: str,
    name: str,
    calls: tuple[int, ...],
    running: dict[str, Any],
    opened: Opener,
) -> None:
    """With one provider, only people on call are approved, by its bot, within a few calls."""
    hook = opened(provider, AUTO_APPROVAL_SCHEDULES=schedules)
    (claim,) = hook.ask(request_of(ON_CALL[provider]))
    assert claim["actor"]["id"] == f"{provider}-approval-bot"
    assert claim["reason"].startswith(f"Approved: on call for Payments ({name})")
    assert len(running[provider].calls) == calls[number]
    assert not hook.ask(request_of(CY))
    other = opened(provider, AUTO_APPROVAL_SCHEDULES="Search")
    assert not other.ask(request_of(ON_CALL[provider]))


def test_settings_of_the_original(opened: Opener) -> None:
    """The original's PagerDuty schedules are read; its windows around shifts are ignored."""
    window = {"AUTO_APPROVAL_WINDOW_BEFORE": "soon", "AUTO_APPROVAL_WINDOW_AFTER": "600"}
    hook = opened("pagerduty", AUTO_APPROVAL_PAGERDUTY_SCHEDULES=f"x, {PAYMENTS}", **window)
    assert hook.ask(request_of(ANA))


def test_all_together(opened: Opener) -> None:
    """With all providers, each approves its own people, by its own bot."""
    hook = opened(*ON_CALL)
    for provider, email in ON_CALL.items():
        (claim,) = hook.ask(request_of(email))
        assert claim["actor"]["id"] == f"{provider}-approval-bot"
    assert not hook.ask(request_of("nobody@acme.example"))


def test_bots(opened: Opener) -> None:
    """PullUpdate gives the bot of each provider that is on, as in the original."""
    _, answer = opened("pagerduty", "opsgenie").call({"kinds": ["indent.v1.Bot"]})
    assert [bot["id"] for bot in answer["resources"]] == [
        "pagerduty-approval-bot",
        "opsgenie-approval-bot",
    ]
    assert {bot_of(provider)["displayName"] for provider in PROVIDERS} == {
        "Incident.io Approval Bot",
        "PagerDuty Approval Bot",
        "OpsGenie Approval Bot",
        "JSM Operations Approval Bot",
    }


@pytest.mark.parametrize(
    ("down", "fault"),
    [
        *((provider, faults.Status(500)) for provider in ON_CALL),
        *((provider, faults.Garbage()) for provider in ON_CALL),
        ("pagerduty", faults.Hang()),
        ("jsm", faults.HangUp()),
    ],
    ids=repr,
)
def test_one_that_is_down_hides_no_other(
    down: str, fault: Fault, running: dict[str, Any], opened: Opener
) -> None:
    """If one provider is down, the others' people are still approved, and the log names it."""
    running[down].fail("/", fault)
    other = "jsm" if down != "jsm" else "opsgenie"
    budget = 1.0 if isinstance(fault, faults.Hang) else 5.0
    hook = opened(down, other, budget=budget, AUTO_APPROVAL_SCHEDULES="Payments, DBA")
    assert hook.call({"events": [request_of(ON_CALL[down])]}) == (200, NOTHING)
    (line,) = hook.decisions
    (name,) = (provider.name for provider in PROVIDERS if provider.id == down)
    assert line["provider_failures"]
    assert all(failure.startswith(f"{name} ") for failure in line["provider_failures"])
    assert len(hook.ask(request_of(ON_CALL[other]))) == 1


def test_one_name_at_two_providers(running: dict[str, Any], opened: Opener) -> None:
    """A schedule name at two providers counts at both, for a rule without a provider."""
    pagerduty = running["pagerduty"]
    pagerduty.add_schedule("DBA")
    pagerduty.add_escalation_policy("DBA", "DBA")
    pagerduty.put_on_shift("DBA", BO)
    hook = opened("pagerduty", "incidentio", AUTO_APPROVAL_SCHEDULES="DBA")
    assert [bool(hook.ask(request_of(email))) for email in (BO, CY, ANA)] == [True, True, False]


@pytest.mark.parametrize("down", [None, faults.Status(500), faults.Hang()], ids=repr)
def test_an_id_does_not_match_another_providers_name(
    down: Fault | None, running: dict[str, Any], opened: Opener
) -> None:
    """A schedule named like another provider's id approves nobody, even in an outage."""
    incidentio = running["incidentio"]
    schedule = incidentio.add_schedule(PAYMENTS)
    incidentio.put_on_shift(schedule, CY)
    on = ("pagerduty", "incidentio")
    hook = opened(*on, budget=1.0, AUTO_APPROVAL_SCHEDULES=PAYMENTS)
    if down:
        running["pagerduty"].fail("/", down)
    assert not hook.ask(request_of(CY))
    assert bool(hook.ask(request_of(ANA))) is (down is None)
    by_id = opened(*on, budget=1.0, AUTO_APPROVAL_SCHEDULES=f"{PAYMENTS}, {schedule.id}")
    assert by_id.ask(request_of(CY))


def test_no_secret_is_logged(running: dict[str, Any], opened: Opener) -> None:
    """No log line has a key, or other people on call."""
    running["pagerduty"].add_schedule("Forgotten")
    running["pagerduty"].put_on_shift("Forgotten", BO)
    hook = opened(*ON_CALL, AUTO_APPROVAL_SCHEDULES="Payments, Forgotten")
    hook.ask(request_of(ANA))
    hook.ask(request_of("nobody@acme.example"))
    for fault in (faults.Status(401), faults.Status(403), EMAIL_EVERYWHERE):
        for double in running.values():
            double.fail("/", fault)
        hook.ask(request_of(ANA))
    text = json.dumps(hook.log)
    hidden = (*SECRETS, API_KEY, BO, BO.lower(), CY, DI, "Bo Berg")
    for secret in (*hidden, "Token token", "GenieKey", "Basic ", "Bearer"):
        assert secret not in text


def test_a_hand_over_shows_in_the_next_decision(running: dict[str, Any], opened: Opener) -> None:
    """Duties aren't cached: a handover counts from the next decision on."""
    for provider in ("pagerduty", "opsgenie", "jsm"):
        hook, double = opened(provider), running[provider]
        assert hook.ask(request_of(ON_CALL[provider]))
        double.take_off_shift("Payments", ON_CALL[provider])
        double.put_on_shift("Payments", CY)
        assert not hook.ask(request_of(ON_CALL[provider]))
        assert hook.ask(request_of(CY))
