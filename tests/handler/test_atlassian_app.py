"""Signed calls in, claims out: each of the providers alone, and all of them together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.server import Double
from tests.handler.accounts import BOT, OPSGENIE_KEY, PAYMENTS, SECRETS, TOKEN, fill
from tests.handler.conftest import ANA, API_KEY, BO, CY
from tests.handler.test_app import NOTHING, Webhook, request_of

OPSGENIE, JSM_OPERATIONS = "opsgenie-approval-bot", "jsm-approval-bot"
Opener = Callable[..., Webhook]


@pytest.fixture
def opsgenie() -> Iterator[Opsgenie]:
    """Ana is on call for Payments."""
    with Opsgenie(OPSGENIE_KEY) as one:
        fill(one)
        one.put_on_shift("Payments", ANA)
        yield one


@pytest.fixture
def jsm() -> Iterator[JSM]:
    """Bo is on call for Payments."""
    with JSM(BOT, TOKEN) as one:
        fill(one)
        one.put_on_shift("Payments", BO)
        yield one


def _settings(double: Double) -> dict[str, str]:
    """What switches this provider on."""
    if isinstance(double, Opsgenie):
        return {"OPSGENIE_KEY": OPSGENIE_KEY, "OPSGENIE_BASE_URL": double.url}
    if isinstance(double, JSM):
        site = {"JSM_SITE": double.url, "JSM_BASE_URL": double.url}
        return {"JSM_API_TOKEN": TOKEN, "JSM_EMAIL": BOT, **site}
    return {"INCIDENTIO_API_KEY": API_KEY, "INCIDENTIO_BASE_URL": double.url}


@pytest.fixture
def opened(incidentio: IncidentIO) -> Iterator[Opener]:
    """Make Apps on these providers and no other; they are closed at the end."""
    with ExitStack() as hooks:

        def open_one(*doubles: Double, budget: float = 5.0, **settings: str) -> Webhook:
            switched = {"INCIDENTIO_API_KEY": "", "INCIDENTIO_BASE_URL": ""}
            for each in doubles:
                switched |= _settings(each)
            hook = Webhook(incidentio, budget, **{**switched, **settings})
            hooks.callback(hook.app.client.close)
            return hook

        yield open_one


@pytest.mark.parametrize("schedules", ["", "Payments", f"x, {PAYMENTS}"])
def test_opsgenie_alone(schedules: str, opsgenie: Opsgenie, opened: Opener) -> None:
    """Whoever is on call there is approved in its bot's name, and nobody else."""
    hook = opened(opsgenie, AUTO_APPROVAL_SCHEDULES=schedules)
    (claim,) = hook.ask(request_of(ANA))
    assert claim["actor"]["id"] == OPSGENIE
    assert claim["reason"] == "Approved: on call for Payments (Opsgenie)"
    assert opsgenie.calls.paths() == ["/v2/schedules/on-calls"]
    assert not hook.ask(request_of(BO))
    assert not opened(opsgenie, AUTO_APPROVAL_SCHEDULES="Search").ask(request_of(ANA))


@pytest.mark.parametrize("schedules", ["", "Payments", f"x, {PAYMENTS}"])
def test_jsm_alone(schedules: str, jsm: JSM, opened: Opener) -> None:
    """Whoever is on call there is approved in its bot's name, and nobody else."""
    hook = opened(jsm, AUTO_APPROVAL_SCHEDULES=schedules)
    (claim,) = hook.ask(request_of(BO))
    assert claim["actor"]["id"] == JSM_OPERATIONS
    assert claim["reason"] == "Approved: on call for Payments (JSM Operations)"
    assert len(jsm.calls) == 4
    assert not hook.ask(request_of(ANA))
    assert not opened(jsm, AUTO_APPROVAL_SCHEDULES="Search").ask(request_of(BO))


def test_all_together(opsgenie: Opsgenie, jsm: JSM, incidentio: IncidentIO, opened: Opener) -> None:
    """Each vouches for its own people; what each asks for is asked once: the original fell over."""
    hook = opened(opsgenie, jsm, incidentio)
    asked = {ANA: OPSGENIE, BO: JSM_OPERATIONS, CY: "incidentio-approval-bot"}
    for email, bot in asked.items():
        (claim,) = hook.ask(request_of(email))
        assert claim["actor"]["id"] == bot
    assert not hook.ask(request_of("nobody@acme.example"))
    _, answer = hook.call({"kinds": ["indent.v1.Bot"]})
    assert {each["id"] for each in answer["resources"]} == set(asked.values())


def test_several_requests_in_one_call(opsgenie: Opsgenie, jsm: JSM, opened: Opener) -> None:
    """Each is decided by itself, for one round of questions: the original looked at the first."""
    hook = opened(opsgenie, jsm)
    events = [
        request_of(each, meta={"labels": {"petition": each}})
        for each in ("nobody@acme.example", ANA, BO)
    ]
    claims = hook.ask(*events)
    assert [each["actor"]["id"] for each in claims] == [OPSGENIE, JSM_OPERATIONS]
    assert len(opsgenie.calls) == 1
    assert len(jsm.calls) == 4


@pytest.mark.parametrize("down", ["opsgenie", "jsm"])
@pytest.mark.parametrize(
    "fault",
    [faults.Hang(), faults.Status(500), faults.Status(401), faults.Garbage(), faults.HangUp()],
    ids=lambda fault: repr(fault)[:20],
)
def test_one_that_is_down_hides_no_other(
    down: str, fault: faults.Status, opsgenie: Opsgenie, jsm: JSM, opened: Opener
) -> None:
    """Its people get no claim, the other's do, and the log says which failed."""
    double, its, other = (opsgenie, ANA, BO) if down == "opsgenie" else (jsm, BO, ANA)
    double.fail("/", fault)
    hook = opened(opsgenie, jsm, budget=3.0)
    assert hook.call({"events": [request_of(its)]}) == (200, NOTHING)
    (line,) = hook.decisions
    name = {"opsgenie": "Opsgenie", "jsm": "JSM Operations"}[down]
    assert [each.startswith(name) for each in line["provider_failures"]] == [True]
    assert len(hook.ask(request_of(other))) == 1


def test_nothing_of_a_secret_is_logged(opsgenie: Opsgenie, jsm: JSM, opened: Opener) -> None:
    """Neither approvals nor refusals nor failures tell keys, or who else is on call."""
    hook = opened(opsgenie, jsm)
    hook.ask(request_of(ANA))
    opsgenie.fail("/", faults.Status(403))
    jsm.fail("/", faults.Status(401))
    hook.ask(request_of(ANA))
    text = json.dumps(hook.log)
    for hidden in (*SECRETS, BO, BO.lower(), CY, "GenieKey", "Basic "):
        assert hidden not in text


def test_a_shift_is_over_at_its_end(opsgenie: Opsgenie, opened: Opener) -> None:
    """A hand-over shows in the next decision: nothing of who is on call is kept."""
    hook = opened(opsgenie)
    now = datetime.now(UTC)
    opsgenie.take_off_shift("Payments", ANA)
    opsgenie.put_on_shift("Payments", BO, now - timedelta(hours=1), now + timedelta(hours=1))
    assert not hook.ask(request_of(ANA))
    assert hook.ask(request_of(BO))
