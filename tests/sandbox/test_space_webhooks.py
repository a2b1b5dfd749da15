"""What the space asks its webhooks, and how their claims count."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from typing import Any

import pytest

from sandbox.space import Space, petition_store
from sandbox.vendors import faults
from sandbox.vendors.server import Fault
from tests.sandbox.manual_clock import HOUR, NOON, ManualClock
from tests.sandbox.running_space import (
    ADA,
    BOT,
    JANE,
    OMAR,
    PROD,
    SECRET,
    TEST,
    Client,
    FakeWebhook,
    approval,
    approve_all,
    phase_of,
)

ACTION = {"kind": "action", "id": "reset-password:1", "displayName": "Reset"}


@pytest.mark.parametrize("looked_at", [True, False])
def test_an_approval_grants_for_its_duration(
    looked_at: bool,  # noqa: FBT001 - drawn
    jane: Client,
    webhook: FakeWebhook,
    clock: ManualClock,
) -> None:
    """At its expiry access is revoked and the petition closes, even if nobody reads it."""
    webhook.claims = approve_all
    petition = jane.request(PROD)
    name = petition["name"]
    assert phase_of(petition) == "granted"
    assert petition["meta"]["expireTime"] == "2026-03-02T18:00:00.000Z"
    if looked_at:
        clock.time = NOON + 6 * HOUR - HOUR / 3600
        assert jane.phase(name) == "granted"
        clock.time = NOON + 6 * HOUR
        assert jane.phase(name) == "revoked"
    clock.time = NOON + 100 * HOUR
    assert jane.phase(name) == "closed"
    events = ["access/request", "access/approve", "access/grant", "access/revoke"]
    assert jane.events(name) == events
    last = jane("GET", f"/petitions/{name}")[1]["state"]["eventHistory"][-1]
    assert last["timestamp"] == "2026-03-02T18:00:00.000Z"


def test_labels_are_the_space_s_own(space: Space, jane: Client, webhook: FakeWebhook) -> None:
    """Of a client's resource only kind and id count; its labels are ignored."""
    webhook.claims = approve_all
    labels = {"Env": "Prod", "risk": "none"}
    for resources in ([TEST], [ACTION], [PROD, TEST]):
        petition = jane.request(*({**resource, "labels": labels} for resource in resources))
        assert phase_of(petition) == "open"
    assert webhook.decision_requests == []
    space.add_policy(space.webhooks.all()[0].name)
    jane.request(ACTION | {"labels": labels}, {**PROD, "labels": labels, "email": "a@b.c"})
    ((event,),) = webhook.decision_requests
    action, prod = event["resources"]
    assert action == ACTION
    assert (prod["displayName"], prod["labels"]["Env"]) == ("Production", "Prod")
    assert set(prod["labels"]) == {"Env", "indent.com/block"}
    assert "email" not in prod


@pytest.mark.usefixtures("jane")
def test_one_event_for_each_petitioner(ada: Client, webhook: FakeWebhook) -> None:
    """One call has an event per petitioner, with the space's labels and the duration."""
    petition = ada.request(
        PROD,
        petitioners=[{"email": JANE}, {"email": ADA}, {"email": JANE.upper()}],
        defaultDuration="5400s",
        meta={"labels": {"petition": "another", "indent.com/petition": "another", "x": "y"}},
    )
    (events,) = webhook.decision_requests
    assert [event["actor"]["email"] for event in events] == [JANE, ADA]
    labels = events[0]["meta"]["labels"]
    assert labels == {
        "petition": petition["name"],
        "indent.com/petition": petition["name"],
        "indent.com/petition/duration": "1h30m0s",
        "x": "y",
    }


@pytest.mark.usefixtures("jane", "omar")
def test_every_petitioner_needs_a_claim(ada: Client, webhook: FakeWebhook) -> None:
    """One claim for two petitioners grants nothing until a human adds the other."""
    webhook.claims = lambda events: [approval(events[0]), approval(events[0])]
    petition = ada.request(PROD, petitioners=[{"email": JANE}, {"email": OMAR}])
    assert phase_of(petition) == "open"
    person = {"kind": "user", "email": OMAR}
    assert ada.review(petition["name"], "access/approve", resources=[person, PROD])[0] == 200
    assert ada.phase(petition["name"]) == "granted"


def test_a_denial_wins(jane: Client, webhook: FakeWebhook) -> None:
    """A denial wins over an approval of the same webhook."""
    webhook.claims = lambda events: [
        approval(events[0]),
        {**approval(events[0]), "event": "access/deny"},
    ]
    name = jane.request(PROD)["name"]
    assert jane.phase(name) == "closed"
    assert jane.events(name) == ["access/request", "access/deny"]


def test_an_ignored_claim_is_noted(
    space: Space, jane: Client, ada: Client, webhook: FakeWebhook
) -> None:
    """A note gives the reason; valid claims beside it still count."""
    webhook.claims = lambda events: [{**approval(events[0]), "actor": {**BOT, "id": "other"}}]
    name = jane.request(PROD)["name"]
    assert jane.events(name) == ["access/request"]
    assert jane("GET", f"/petitions/{name}/claims")[1]["claims"] == []
    note = "One of its claims was ignored: its actor isn't an allowed reviewer."
    assert space.petitions.get(name).notes[-1].text == note
    assert ada.review(name, "access/approve")[0] == 200
    webhook.claims = lambda events: [7, *approve_all(events)]
    assert phase_of(jane.request(PROD)) == "granted"


def test_a_webhook_speaks_for_its_own_bots_only(
    space: Space, jane: Client, clock: ManualClock, webhook: FakeWebhook
) -> None:
    """A webhook can't approve in the name of another webhook's bot."""
    with FakeWebhook(clock) as other:
        other.bots = [
            {"kind": "user", "id": JANE},
            {**BOT, "id": "others-bot"},
            {"kind": BOT["kind"]},
        ]
        other.claims = approve_all
        space.add_policy(space.add_webhook(f"{other.url}/hook", SECRET))
        assert phase_of(jane.request(PROD)) == "open"
        other.claims = lambda events: [
            {**approval(events[0]), "actor": {**BOT, "id": "others-bot"}}
        ]
        assert phase_of(jane.request(PROD)) == "granted"
    assert len(webhook.decision_requests) == 2


NO_ANSWERS: dict[str, Fault] = {
    "an error": faults.Status(500),
    "an error that is final": faults.Status(401),
    "garbage": faults.Garbage(),
    "a hang-up": faults.HangUp(),
    "a hang-up in the body": faults.HangUp("body"),
    "claims that are none": faults.WrongValue("claims", "yes"),
    "half a surrogate pair": faults.WrongValue("claims", ["\ud800"]),
    "a status that says no": faults.WrongValue("status", {"code": 13}),
    "a status that is none": faults.WrongValue("status", 0.5),
    "deep nesting": faults.Nested(),
    "a body without end": faults.EndlessBody(),
}


@pytest.mark.parametrize("fault", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_no_usable_answer_grants_nothing(
    fault: Fault, space: Space, jane: Client, webhook: FakeWebhook
) -> None:
    """After any unusable answer the petition stays open for a human."""
    webhook.claims = approve_all
    webhook.fail("/hook", fault)
    name = jane.request(PROD)["name"]
    petition = space.petitions.get(name)
    assert (petition.phase, petition.reviewable) == ("open", True)
    assert re.match(r"The webhook on-call (does not answer \(|answered )", petition.notes[-1].text)


@pytest.mark.parametrize("fault", [faults.Status(503), faults.HangUp()], ids=["5xx", "hang-up"])
def test_retries(fault: Fault, jane: Client, webhook: FakeWebhook) -> None:
    """Connection errors and 5xx are retried with a new signature, three tries in all."""
    webhook.claims = approve_all
    webhook.fail("/hook", fault, times=2)
    assert phase_of(jane.request(PROD)) == "granted"
    assert len(webhook.decision_requests) == 3
    webhook.fail("/hook", fault, times=3)
    assert phase_of(jane.request(PROD)) == "open"
    assert len(webhook.decision_requests) == 6


def test_a_bot_that_could_not_be_pulled_is_pulled_later(
    space: Space, jane: Client, clock: ManualClock
) -> None:
    """If a webhook was down at first, its bot is read before a decision."""
    with FakeWebhook(clock) as late:
        late.claims = approve_all
        late.fail("/hook", faults.Status(503))
        space.add_policy(space.add_webhook(f"{late.url}/hook", SECRET))
        late.clear_faults()
        assert phase_of(jane.request(TEST)) == "granted"


@pytest.mark.parametrize(
    "fault",
    [faults.Hang(), faults.Drip(0.01, "headers"), faults.Drip(0.01)],
    ids=["silent", "headers that trickle", "a body that trickles"],
)
def test_a_slow_webhook_is_given_up(fault: Fault, clock: ManualClock, webhook: FakeWebhook) -> None:
    """The timeout limits the whole answer, even if bytes keep arriving."""
    with Space(now=clock, webhook_timeout=0.1, webhook_pauses=()) as space:
        space.add_resource("okta.v1.Group", "prod")
        space.add_policy(space.add_webhook(f"{webhook.url}/hook", SECRET))
        webhook.claims = approve_all
        webhook.fail("/hook", fault)
        client = Client(space, space.token_for(JANE))
        assert phase_of(client.request(PROD)) == "open"
        assert "TimeoutError" in space.petitions.all()[-1].notes[-1].text


def test_a_human_may_be_faster(jane: Client, webhook: FakeWebhook) -> None:
    """If a human has decided before the webhook answers, its claim has no effect."""
    slow = faults.Slow()
    webhook.claims = approve_all
    webhook.fail("/hook", slow)
    denied, deleted = (
        jane("POST", "/petitions", {"petition": {"resources": [PROD]}})[1] for _ in range(2)
    )
    assert [phase_of(denied), phase_of(deleted)] == ["open", "open"]
    assert jane.review(denied["name"], "access/deny")[0] == 200
    assert jane("DELETE", f"/petitions/{deleted['name']}")[0] == 200
    slow.released.set()
    webhook.clear_faults()
    assert phase_of(jane.request(PROD)) == "granted"
    assert jane.phase(denied["name"]) == "closed"
    assert jane("GET", f"/petitions/{deleted['name']}")[0] == 404


def test_closing_ends_waiting_calls(clock: ManualClock) -> None:
    """A space closes at once, even while a webhook hangs and a caller waits."""
    with FakeWebhook(clock) as hanging, Space(now=clock, webhook_timeout=60) as space:
        space.add_resource("okta.v1.Group", "prod")
        space.add_policy(space.add_webhook(f"{hanging.url}/hook", SECRET))
        hanging.fail("/hook", faults.Hang())
        client = Client(space, space.token_for(JANE))

        def request() -> None:
            with suppress(OSError):
                client.request(PROD)

        waiting = threading.Thread(target=request, daemon=True)
        waiting.start()
        hanging.calls.wait_for(2)
        closing = threading.Thread(target=space.close, daemon=True)
        closing.start()
        closing.join(5)
        waiting.join(5)
        assert not closing.is_alive()
        assert not waiting.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_leaves_no_petition_waiting(
    jane: Client, space: Space, webhook: FakeWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If asking fails for any reason, humans can decide, and a note says so."""
    webhook.claims = approve_all

    def fails(*_: object) -> list[Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(space._client, "get_decision", fails)
    petition = jane.request(PROD)
    assert phase_of(petition) == "open"
    current = space.petitions.get(petition["name"])
    assert current.reviewable
    assert current.notes[-1].text == "Asking the webhooks failed (ZeroDivisionError)."


def test_waiting_for_the_webhooks_ends(
    jane: Client, webhook: FakeWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If webhooks take too long, the petition is returned as it is."""
    monkeypatch.setattr(petition_store, "_MAX_WAIT", 0)
    webhook.fail("/hook", faults.Hang())
    assert phase_of(jane.request(PROD)) == "open"
