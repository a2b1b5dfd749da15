"""Signed calls in, claims out: PagerDuty alone, and beside incident.io.

The original's defects are tested here, and in the other files about PagerDuty where they show.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.pagerduty_faults import RateLimited
from sandbox.vendors.server import Double, Fault
from tests.handler.accounts import LAYERED, ON_CALLS, PAGERDUTY_KEY, PAYMENTS, SHIFT_BASED, fill
from tests.handler.conftest import ANA, BO, CY
from tests.handler.test_app import NOTHING, Webhook, request_of

BOT = {
    "kind": "indent.v1.Bot",
    "id": "pagerduty-approval-bot",
    "displayName": "PagerDuty Approval Bot",
    "email": "bot@indent.com",
}
HOUR = timedelta(hours=1)
Opener = Callable[..., Webhook]


@pytest.fixture
def pagerduty() -> Iterator[PagerDuty]:
    """Ana is on call for Payments."""
    with PagerDuty(PAGERDUTY_KEY) as one:
        fill(one)
        one.put_on_shift("Payments", ANA)
        yield one


@pytest.fixture
def opened(pagerduty: PagerDuty, incidentio: IncidentIO) -> Iterator[Opener]:
    """Make Apps on PagerDuty, and on incident.io too if asked to; they are closed at the end."""
    with ExitStack() as hooks:

        def open_one(*, both: bool = False, budget: float = 5.0, **settings: str) -> Webhook:
            switched = {"PAGERDUTY_KEY": PAGERDUTY_KEY, "PAGERDUTY_BASE_URL": pagerduty.url}
            if not both:
                switched["INCIDENTIO_API_KEY"] = ""
            hook = Webhook(incidentio, budget, **{**switched, **settings})
            hooks.callback(hook.app.client.close)
            return hook

        yield open_one


@pytest.mark.parametrize(
    ("key", "schedules"),
    [
        ("AUTO_APPROVAL_SCHEDULES", ""),
        ("AUTO_APPROVAL_SCHEDULES", "Payments"),
        ("AUTO_APPROVAL_SCHEDULES", f"x, {PAYMENTS}"),
        ("AUTO_APPROVAL_PAGERDUTY_SCHEDULES", f"x, {PAYMENTS}"),
        ("AUTO_APPROVAL_PAGERDUTY_SCHEDULES", " Payments ,"),
    ],
)
def test_alone(key: str, schedules: str, opened: Opener) -> None:
    """Whoever is on call is approved in its bot's name: by name, too, and with blanks in the list.

    The original took ids alone, and blanks for a part of them.
    """
    hook = opened(**{key: schedules})
    (claim,) = hook.ask(request_of(ANA))
    assert claim["actor"] == BOT
    assert claim["reason"].startswith("Approved: on call for Payments (PagerDuty) until ")
    assert not hook.ask(request_of(BO))
    assert not opened(**{key: "Search"}).ask(request_of(ANA))


@pytest.mark.parametrize(
    ("schedules", "paths"),
    [
        ("", [ON_CALLS]),
        ("Payments", [ON_CALLS, LAYERED, SHIFT_BASED]),
        (PAYMENTS, [ON_CALLS, LAYERED, SHIFT_BASED]),
    ],
)
def test_the_calls_of_a_decision(
    schedules: str, paths: list[str], pagerduty: PagerDuty, opened: Opener
) -> None:
    """One where any schedule counts, three where some are named, for a yes and for a no."""
    hook = opened(AUTO_APPROVAL_SCHEDULES=schedules)
    for email in (ANA, BO):
        pagerduty.calls.clear()
        hook.ask(request_of(email))
        assert sorted(pagerduty.calls.paths()) == paths


def test_a_schedule_in_no_policy(pagerduty: PagerDuty, opened: Opener) -> None:
    """It is found where a rule names it, with its end, for two more calls."""
    pagerduty.add_schedule("Forgotten", v3=True)
    pagerduty.put_on_shift("Forgotten", BO)
    assert not opened().ask(request_of(BO))
    pagerduty.calls.clear()
    (claim,) = opened(AUTO_APPROVAL_SCHEDULES="Forgotten").ask(request_of(BO))
    assert claim["reason"].startswith("Approved: on call for Forgotten (PagerDuty) until ")
    assert len(pagerduty.calls) == 5


def test_both_together(opened: Opener, incidentio: IncidentIO) -> None:
    """Each vouches for its own people, in its own bot's name: the original lost the claims."""
    hook = opened(both=True)
    asked = {ANA: BOT["id"], CY: "incidentio-approval-bot"}
    for email, bot in asked.items():
        (claim,) = hook.ask(request_of(email))
        assert claim["actor"]["id"] == bot
    assert not hook.ask(request_of("nobody@acme.example"))
    assert len(incidentio.calls) == 6


@pytest.mark.parametrize(
    ("both", "settings", "bots"),
    [
        (False, {}, ["pagerduty-approval-bot"]),
        (True, {}, ["incidentio-approval-bot", "pagerduty-approval-bot"]),
        (True, {"PAGERDUTY_KEY": ""}, ["incidentio-approval-bot"]),
    ],
)
def test_bots(both: bool, settings: dict[str, str], bots: list[str], opened: Opener) -> None:  # noqa: FBT001 - a column of the table
    """PullUpdate gives the bot of each provider that is on, and PagerDuty's as it always was."""
    hook = opened(both=both, **settings)
    _, answer = hook.call({"kinds": ["indent.v1.Bot"]})
    assert [each["id"] for each in answer["resources"]] == bots
    assert [each for each in answer["resources"] if each["id"] == BOT["id"]] in ([], [BOT])


@pytest.mark.parametrize("down", ["PagerDuty", "incident.io"])
@pytest.mark.parametrize(
    "fault",
    [
        faults.Hang(),
        faults.Status(500),
        faults.Status(401),
        faults.Garbage(),
        faults.HangUp(),
        RateLimited(3600),
        RateLimited(),
    ],
    ids=lambda fault: repr(fault)[:20],
)
def test_one_that_is_down_hides_no_other(
    fault: Fault, down: str, pagerduty: PagerDuty, incidentio: IncidentIO, opened: Opener
) -> None:
    """Its people get no claim, the other's do, and the log says which failed."""
    doubles: dict[str, tuple[Double, str, str]] = {
        "PagerDuty": (pagerduty, ANA, CY),
        "incident.io": (incidentio, CY, ANA),
    }
    double, its, other = doubles[down]
    double.fail("/", fault)
    hook = opened(both=True, budget=1.5, AUTO_APPROVAL_SCHEDULES="Payments, DBA")
    assert hook.call({"events": [request_of(its)]}) == (200, NOTHING)
    (line,) = hook.decisions
    assert line["provider_failures"]
    assert all(each.startswith(f"{down} ") for each in line["provider_failures"])
    assert len(hook.ask(request_of(other))) == 1


def test_one_name_at_two_providers(pagerduty: PagerDuty, opened: Opener) -> None:
    """It is not shared: what a provider calls by it counts there, for a rule without a provider."""
    pagerduty.add_schedule("DBA")
    pagerduty.add_escalation_policy("DBA", "DBA")
    pagerduty.put_on_shift("DBA", BO)
    hook = opened(both=True, AUTO_APPROVAL_SCHEDULES="DBA")
    assert [bool(hook.ask(request_of(each))) for each in (BO, CY, ANA)] == [True, True, False]


def test_nothing_of_a_secret_is_logged(pagerduty: PagerDuty, opened: Opener) -> None:
    """Neither approvals nor refusals nor failures tell the key, or who else is on call."""
    pagerduty.add_schedule("Forgotten")
    pagerduty.put_on_shift("Forgotten", BO)
    hook = opened(AUTO_APPROVAL_SCHEDULES="Payments, Forgotten")
    hook.ask(request_of(ANA))
    hook.ask(request_of("nobody@acme.example"))
    for fault in (faults.Status(401), faults.Status(403), faults.Replaced((), [BO])):
        pagerduty.fail("/", fault)
        hook.ask(request_of(ANA))
    text = json.dumps(hook.log)
    for hidden in (PAGERDUTY_KEY, BO, BO.lower(), "Bo Berg", "Token token"):
        assert hidden not in text


# -- defects of the original that show in a call -------------------------------------------------


@pytest.mark.parametrize(
    "timestamp", ["1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "yesterday", None, 7]
)
def test_the_time_that_a_request_tells(timestamp: object, opened: Opener) -> None:
    """It is ours that counts: the original judged by whatever time the first event told."""
    hook = opened()
    assert hook.ask({"event": "access/approve", "timestamp": timestamp}, request_of(ANA))
    assert hook.ask(request_of(ANA, timestamp=timestamp))
    assert not hook.ask(request_of(BO, timestamp=timestamp))


def test_the_time_of_a_shift_that_is_over_or_to_come(pagerduty: PagerDuty, opened: Opener) -> None:
    """Telling a time within it helps nobody."""
    now = datetime.now(UTC)
    pagerduty.take_off_shift("Payments", ANA)
    pagerduty.put_on_shift("Payments", ANA, now - 2 * HOUR, now - HOUR)
    pagerduty.put_on_shift("Payments", BO, now + HOUR, now + 2 * HOUR)
    hook = opened(AUTO_APPROVAL_SCHEDULES="Payments")
    for email, moment in ((ANA, now - 1.5 * HOUR), (BO, now + 1.5 * HOUR)):
        assert not hook.ask(request_of(email, timestamp=moment.isoformat()))


@pytest.mark.parametrize(
    "event",
    [
        request_of(None),
        request_of(""),
        request_of(actor=None),
        request_of(resources=None),
        request_of(ANA, meta=None, resources=[]),
    ],
    ids=["no e-mail", "an empty one", "no actor", "no resources", "an empty list of them"],
)
def test_a_request_with_something_missing(
    event: dict[str, object], pagerduty: PagerDuty, opened: Opener
) -> None:
    """It is answered with no claim, and costs no call: the original crashed on it."""
    ghost = pagerduty.add_person("Ghost", None)
    pagerduty.put_on_shift("Payments", ghost)
    hook = opened()
    assert hook.call({"events": [event]}) == (200, NOTHING)
    assert len(pagerduty.calls) == 0


def test_the_windows_of_the_original(opened: Opener) -> None:
    """Its settings of minutes before and after are not read: what was no number made it fail."""
    window = {"AUTO_APPROVAL_WINDOW_BEFORE": "soon", "AUTO_APPROVAL_WINDOW_AFTER": "600"}
    assert opened(**window).ask(request_of(ANA))


def test_several_requests_in_one_call(pagerduty: PagerDuty, opened: Opener) -> None:
    """Each is decided by itself, for one round of questions: the original looked at the first."""
    hook = opened()
    events = [
        request_of(each, meta={"labels": {"petition": each}})
        for each in ("nobody@acme.example", ANA, BO)
    ]
    (claim,) = hook.ask(*events)
    assert claim["resources"][0]["email"] == ANA
    assert len(pagerduty.calls) == 1


def test_a_key_that_could_break_out_of_its_header(opened: Opener) -> None:
    """Such a setting is refused, and not repeated."""
    hook = opened(PAGERDUTY_KEY="k3y\r\nX-Other: 1")
    http, _ = hook.call({"events": [request_of(ANA)]})
    assert http == 500
    assert "PAGERDUTY_KEY" in hook.log[-1]["why"]
    assert "k3y" not in json.dumps(hook.log)


@pytest.mark.parametrize("down", [None, faults.Status(500), faults.Hang()])
def test_an_id_is_no_other_providers_name(
    down: Fault | None, opened: Opener, incidentio: IncidentIO, pagerduty: PagerDuty
) -> None:
    """A schedule elsewhere that is called like PagerDuty's id lets nobody in, nor in an outage."""
    schedule = incidentio.add_schedule(PAYMENTS)
    incidentio.put_on_shift(schedule, CY)
    hook = opened(both=True, budget=1.5, AUTO_APPROVAL_SCHEDULES=PAYMENTS)
    if down:
        pagerduty.fail("/", down)
    assert not hook.ask(request_of(CY))
    assert bool(hook.ask(request_of(ANA))) is (down is None)
    by_id = opened(both=True, budget=1.5, AUTO_APPROVAL_SCHEDULES=f"{PAYMENTS}, {schedule.id}")
    assert by_id.ask(request_of(CY))
