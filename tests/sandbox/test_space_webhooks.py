"""What the space asks its webhooks, and which of their claims count."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from sandbox.space import Space, tokens
from sandbox.space import petition_store as desk
from sandbox.vendors import faults
from sandbox.vendors.exchange import Answer
from sandbox.vendors.server import Fault
from tests.sandbox.asked import Watch
from tests.sandbox.running_space import (
    ADA,
    BOT,
    HOUR,
    JANE,
    NOON,
    OMAR,
    SECRET,
    Client,
    Json,
    PlayedWebhook,
    approval,
    approve_all,
)

PROD = {"kind": "okta.v1.Group", "id": "prod"}
TEST = {"kind": "okta.v1.Group", "id": "test"}
ACTION = {"kind": "action", "id": "reset-password:1", "displayName": "Reset"}


def test_an_approval_grants_for_its_duration(
    jane: Client, webhook: PlayedWebhook, watch: Watch
) -> None:
    """A bot's claim grants; at its expiry the access is revoked, and the petition closes."""
    webhook.claims = approve_all
    petition = jane.request(PROD)
    name = petition["name"]
    assert petition["state"]["status"]["phase"] == "granted"
    assert petition["meta"]["expireTime"] == "2026-03-02T18:00:00.000Z"
    watch.time = NOON + 6 * HOUR - HOUR / 3600
    assert jane.phase(name) == "granted"
    watch.time = NOON + 6 * HOUR
    assert jane.phase(name) == "revoked"
    watch.time += HOUR / 3600
    assert jane.phase(name) == "closed"
    events = ["access/request", "access/approve", "access/grant", "access/revoke"]
    assert jane.events(name) == events


def test_expiry_is_dated_when_it_was(jane: Client, webhook: PlayedWebhook, watch: Watch) -> None:
    """A petition that nobody looked at for long was revoked at its expiry, not when looked at."""
    webhook.claims = approve_all
    name = jane.request(PROD)["name"]
    watch.time = NOON + 100 * HOUR
    last = jane("GET", f"/petitions/{name}")[1]["state"]["eventHistory"][-1]
    assert (last["event"], last["timestamp"]) == ("access/revoke", "2026-03-02T18:00:00.000Z")
    assert [each["id"] for each in last["resources"]] == [JANE, "prod"]


def test_labels_are_the_catalogue_s(jane: Client, webhook: PlayedWebhook) -> None:
    """What a client says of a resource but its kind and id is not passed on."""
    jane.request(
        {**PROD, "labels": {"Env": "Prod", "risk": "none"}, "displayName": "x", "email": "a@b.c"}
    )
    ((event,),) = webhook.asked
    (sent,) = event["resources"]
    assert (sent["displayName"], sent["labels"]["Env"]) == ("Production", "Prod")
    assert set(sent["labels"]) == {"Env", "indent.com/block"}
    assert "email" not in sent


def test_a_client_s_labels_do_not_reach_the_policy(jane: Client, webhook: PlayedWebhook) -> None:
    """The webhook is not asked about a resource that only its requester labels Env=Prod."""
    webhook.claims = approve_all
    for claimed in (TEST, ACTION):
        petition = jane.request({**claimed, "labels": {"Env": "Prod"}})
        assert petition["state"]["status"]["phase"] == "open"
    assert webhook.asked == []


def test_every_resource_has_to_match(jane: Client, webhook: PlayedWebhook) -> None:
    """A policy that matches one of two resources does not match the petition."""
    jane.request(PROD, TEST)
    assert webhook.asked == []


def test_an_action_has_no_labels(
    space: Space, jane: Client, webhook: PlayedWebhook, ada: Client
) -> None:
    """An action that a client makes up is sent without labels, by a policy for everything."""
    hook = ada("GET", "/webhooks")[1]["webhooks"][0]["name"]
    space.add_policy(hook)
    jane.request({**ACTION, "labels": {"Env": "Prod"}})
    ((event,),) = webhook.asked
    assert event["resources"] == [ACTION]


def test_one_event_for_each_petitioner(ada: Client, jane: Client, webhook: PlayedWebhook) -> None:
    """The petitioners travel in one call, under the petition's own labels and the asked time."""
    assert jane.token
    ada_s = ada.request(
        PROD,
        petitioners=[{"email": JANE}, {"email": ADA}, {"email": JANE.upper()}],
        defaultDuration="5400s",
        meta={"labels": {"petition": "another", "indent.com/petition": "another", "x": "y"}},
    )
    (events,) = webhook.asked
    assert [event["actor"]["email"] for event in events] == [JANE, ADA]
    labels = events[0]["meta"]["labels"]
    assert labels == {
        "petition": ada_s["name"],
        "indent.com/petition": ada_s["name"],
        "indent.com/petition/duration": "1h30m0s",
        "x": "y",
    }
    assert ada_s["defaultDuration"] == "5400s"


def test_every_petitioner_needs_a_claim(
    ada: Client, jane: Client, omar: Client, webhook: PlayedWebhook
) -> None:
    """One claim for two petitioners grants nothing; a human's for the other completes it."""
    assert jane.token
    assert omar.token
    webhook.claims = lambda events: [approval(events[0]), approval(events[0])]
    petition = ada.request(PROD, petitioners=[{"email": JANE}, {"email": OMAR}])
    assert petition["state"]["status"]["phase"] == "open"
    person = {"kind": "user", "email": OMAR}
    assert ada.review(petition["name"], "access/approve", resources=[person, PROD])[0] == 200
    assert ada.phase(petition["name"]) == "granted"


def test_a_claim_that_cannot_be_shown_is_no_answer(jane: Client, webhook: PlayedWebhook) -> None:
    """Half a surrogate pair in it: it counts for nothing, and the petition can be read."""
    webhook.claims = lambda events: [{**approval(events[0]), "reason": "half \ud800"}]
    petition = jane.request(PROD)
    assert petition["state"]["status"]["phase"] == "open"
    assert jane("GET", "/petitions")[0] == 200


def test_a_denial_wins(jane: Client, webhook: PlayedWebhook) -> None:
    """A webhook that approves and denies denies."""
    webhook.claims = lambda events: [
        approval(events[0]),
        {**approval(events[0]), "event": "access/deny"},
    ]
    petition = jane.request(PROD)
    assert petition["state"]["status"]["phase"] == "closed"
    assert jane.events(petition["name"]) == ["access/request", "access/deny"]


def _with(**fields: object) -> Callable[[Json], object]:
    return lambda event: {**approval(event), **fields}


def _labelled(**labels: str) -> Callable[[Json], object]:
    def make(event: Json) -> object:
        claim = approval(event)
        told = {name.replace("__", "/").replace("_", "."): to for name, to in labels.items()}
        claim["meta"]["labels"].update(told)
        return claim

    return make


def _without_label(*names: str) -> Callable[[Json], object]:
    def make(event: Json) -> object:
        claim = approval(event)
        for name in names:
            del claim["meta"]["labels"][name]
        return claim

    return make


def _resources(change: Callable[[list[Json]], list[Any]]) -> Callable[[Json], object]:
    return lambda event: {**approval(event), "resources": change(approval(event)["resources"])}


DECOYS: dict[str, Callable[[Json], object]] = {
    "a bot of another id under the same name": _with(actor={**BOT, "id": "other-bot"}),
    "a person with the bot's id": _with(actor={**BOT, "kind": "user"}),
    "the bot's display name only": _with(actor={"displayName": "Played Bot"}),
    "the petitioner himself": lambda event: {**approval(event), "actor": event["actor"]},
    "no actor": _with(actor=None),
    "another petition": _labelled(petition="p-2", indent_com__petition="p-2"),
    "two petitions": _labelled(petition="p-2"),
    "no petition": _without_label("petition", "indent.com/petition"),
    "no labels": _with(meta={}),
    "more resources": _resources(lambda resources: [*resources, TEST]),
    "the resource twice": _resources(lambda resources: [*resources, resources[-1]]),
    "fewer resources": _resources(lambda resources: resources[:1]),
    "another resource": _resources(lambda resources: [resources[0], TEST]),
    "another kind of that id": _resources(lambda resources: [resources[0], {**PROD, "kind": "x"}]),
    "no petitioner": _resources(lambda resources: resources[1:]),
    "no resources": _with(resources=[]),
    "another petitioner": _resources(
        lambda resources: [{"kind": "user", "id": OMAR, "email": OMAR}, *resources[1:]]
    ),
    "another's id beside the e-mail": _resources(
        lambda resources: [{**resources[0], "id": OMAR}, *resources[1:]]
    ),
    "no time": _without_label("indent.com/time/duration"),
    "no sensible time": _labelled(indent_com__time__duration="a while"),
    "no time at all left": _labelled(indent_com__time__duration="0s"),
    "a time that is over": _labelled(indent_com__time__expires="2026-03-02T12:00:00Z"),
    "half a time": _labelled(indent_com__time__expires="soon"),
    "a grant instead of an approval": _with(event="access/grant"),
    "a request": lambda event: event,
    "null": lambda _: None,
    "a number": lambda _: 7,
    "a list": lambda event: [approval(event)],
    "resources that are texts": _with(resources=["a", "b"]),
    "an actor that is a text": _with(actor="played-bot"),
    "an id that is a number": _with(actor={**BOT, "id": 1}),
    "labels that are numbers": _with(meta={"labels": {"petition": 1}}),
}


@pytest.mark.parametrize("decoy", DECOYS.values(), ids=DECOYS)
def test_claims_that_do_not_count(
    decoy: Callable[[Json], object], space: Space, jane: Client, webhook: PlayedWebhook
) -> None:
    """The petition stays open, without the claim, and a note says why; humans may still decide."""
    webhook.claims = lambda events: [decoy(events[0])]
    petition = jane.request(PROD)
    assert petition["state"]["status"]["phase"] == "open"
    assert jane.events(petition["name"]) == ["access/request"]
    assert jane("GET", f"/petitions/{petition['name']}/claims")[1]["claims"] == []
    assert "does not count" in space.petitions.all()[-1].notes[-1].text


def test_decoys_do_not_spoil_a_good_claim(jane: Client, webhook: PlayedWebhook) -> None:
    """Each claim is judged by itself."""
    webhook.claims = lambda events: [
        *(make(events[0]) for make in DECOYS.values()),
        *approve_all(events),
    ]
    assert jane.request(PROD)["state"]["status"]["phase"] == "granted"


def test_a_webhook_speaks_for_its_own_bots_only(
    space: Space, jane: Client, watch: Watch, webhook: PlayedWebhook
) -> None:
    """The bot of one webhook is no reviewer when another names it."""
    with PlayedWebhook(watch) as other:
        other.bots = [
            {"kind": "user", "id": JANE},
            {**BOT, "id": "others-bot"},
            {"kind": BOT["kind"]},
        ]
        other.claims = approve_all
        space.add_policy(space.add_webhook(f"{other.url}/hook", SECRET))
        assert jane.request(PROD)["state"]["status"]["phase"] == "open"
        other.claims = lambda events: [
            {**approval(events[0]), "actor": {**BOT, "id": "others-bot"}}
        ]
        assert jane.request(PROD)["state"]["status"]["phase"] == "granted"
    assert len(webhook.asked) == 2


NO_ANSWERS: dict[str, Fault] = {
    "an error": faults.Status(500),
    "an error that is final": faults.Status(401),
    "garbage": faults.Garbage(),
    "a hang-up": faults.HangUp(),
    "a hang-up in the body": faults.HangUp("body"),
    "claims that are none": faults.Replaced(("claims",), "yes"),
    "a status that says no": faults.Replaced(("status",), {"code": 13}),
    "a status that is none": faults.Replaced(("status",), 0.5),
    "deep nesting": faults.Nested(),
    "a body without end": faults.EndlessBody(),
}


@pytest.mark.parametrize("fault", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_no_usable_answer_grants_nothing(
    fault: Fault, jane: Client, ada: Client, webhook: PlayedWebhook
) -> None:
    """Whatever a webhook says instead of claims, the petition stays open for a human."""
    webhook.claims = approve_all
    webhook.fail("/hook", fault)
    name = jane.request(PROD)["name"]
    assert jane.phase(name) == "open"
    assert ada.review(name, "access/approve")[0] == 200
    assert jane.phase(name) == "granted"


@pytest.mark.parametrize("fault", [faults.Status(503), faults.HangUp()], ids=["5xx", "hang-up"])
def test_retries(fault: Fault, jane: Client, webhook: PlayedWebhook) -> None:
    """Connection errors and 5xx are tried again, signed anew, three times in all."""
    webhook.claims = approve_all
    webhook.fail("/hook", fault, times=2)
    assert jane.request(PROD)["state"]["status"]["phase"] == "granted"
    assert len(webhook.asked) == 3
    webhook.fail("/hook", fault, times=3)
    assert jane.request(PROD)["state"]["status"]["phase"] == "open"
    assert len(webhook.asked) == 6


def test_no_retry_of_what_is_refused(jane: Client, webhook: PlayedWebhook) -> None:
    """A 4xx is an answer."""
    webhook.fail("/hook", faults.Status(401))
    jane.request(PROD)
    assert len(webhook.asked) == 1


def test_a_bot_that_could_not_be_pulled_is_pulled_later(
    space: Space, jane: Client, watch: Watch
) -> None:
    """A webhook that was down at the start is asked for its bot before its first decision."""
    with PlayedWebhook(watch) as late:
        late.claims = approve_all
        late.fail("/hook", faults.Status(503))
        space.add_policy(space.add_webhook(f"{late.url}/hook", SECRET))
        late.heal()
        assert jane.request(TEST)["state"]["status"]["phase"] == "granted"


@pytest.mark.parametrize(
    "fault",
    [faults.Hang(), faults.Drip(0.01, "headers"), faults.Drip(0.01)],
    ids=["silent", "headers that trickle", "a body that trickles"],
)
def test_a_slow_webhook_is_given_up(fault: Fault, watch: Watch, webhook: PlayedWebhook) -> None:
    """The time for an answer is for the whole of it, however steadily its bytes come."""
    with Space(now=watch, webhook_timeout=0.1, webhook_pauses=()) as one:
        one.add_resource("okta.v1.Group", "prod")
        one.add_policy(one.add_webhook(f"{webhook.url}/hook", SECRET))
        webhook.claims = approve_all
        webhook.fail("/hook", fault)
        client = Client(one, one.token_for(JANE))
        assert client.request(PROD)["state"]["status"]["phase"] == "open"
        assert "TimeoutError" in one.petitions.all()[-1].notes[-1].text


def test_waiting_is_the_caller_s_choice(jane: Client, webhook: PlayedWebhook) -> None:
    """Without `waitForReviewable` the answer comes at once, while the webhook still thinks."""
    thinks = faults.Slow()
    webhook.claims = approve_all
    webhook.fail("/hook", thinks)
    status, petition = jane("POST", "/petitions", {"petition": {"resources": [PROD]}})
    assert (status, petition["state"]["status"]["phase"]) == (200, "open")
    jane("DELETE", f"/petitions/{petition['name']}")
    thinks.released.set()
    webhook.heal()
    assert jane.request(PROD)["state"]["status"]["phase"] == "granted"
    assert jane("GET", f"/petitions/{petition['name']}")[0] == 404


def test_a_human_may_be_faster(jane: Client, webhook: PlayedWebhook) -> None:
    """A claim that comes after the petition was cancelled changes nothing."""
    thinks = faults.Slow()
    webhook.claims = approve_all
    webhook.fail("/hook", thinks)
    _, petition = jane("POST", "/petitions", {"petition": {"resources": [PROD]}})
    assert jane.review(petition["name"], "access/deny")[0] == 200
    thinks.released.set()
    webhook.heal()
    jane.request(PROD)
    assert jane.phase(petition["name"]) == "closed"


def test_closing_ends_all_that_waits(watch: Watch) -> None:
    """A space closes at once, with a webhook that hangs and a caller that waits for it."""
    with PlayedWebhook(watch) as hanging, Space(now=watch, webhook_timeout=60) as one:
        one.add_resource("okta.v1.Group", "prod")
        one.add_policy(one.add_webhook(f"{hanging.url}/hook", SECRET))
        hanging.fail("/hook", faults.Hang())
        client = Client(one, one.token_for(JANE))

        def request() -> None:
            with suppress(OSError):
                client.request(PROD)

        waiting = threading.Thread(target=request, daemon=True)
        waiting.start()
        hanging.calls.wait_for(2)
        closing = threading.Thread(target=one.close, daemon=True)
        closing.start()
        closing.join(5)
        waiting.join(5)
        assert not closing.is_alive()
        assert not waiting.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_leaves_no_petition_waiting(
    jane: Client, space: Space, webhook: PlayedWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails while the webhooks are asked, humans can decide, and can read that it did."""
    webhook.claims = approve_all

    def fails(*_: object) -> list[Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(space._client, "get_decision", fails)
    petition = jane.request(PROD)
    assert petition["state"]["status"]["phase"] == "open"
    kept = space.petitions.get(petition["name"])
    assert kept.reviewable
    assert kept.notes[-1].text == "Asking the webhooks failed (ZeroDivisionError)."


def test_waiting_for_the_webhooks_ends(
    jane: Client, webhook: PlayedWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A petition is given as it is, if the webhooks take longer than anybody waits."""
    monkeypatch.setattr(desk, "_MAX_WAIT", 0)
    webhook.fail("/hook", faults.Hang())
    assert jane.request(PROD)["state"]["status"]["phase"] == "open"


def test_a_page_that_takes_long_holds_up_no_other_call(space: Space, jane: Client) -> None:
    """To know on which page a fault is to be played, the answer is made; others go on meanwhile."""
    entered, released = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> Answer:
        entered.set()
        assert released.wait(10)
        return Answer(200, {})

    space.fail("/", faults.Status(500), page=2)
    space._routes.insert(0, (re.compile("GET /slow"), slow))
    calls = threading.Thread(target=jane.raw, args=("GET", "/slow"))
    calls.start()
    assert entered.wait(10)
    assert jane("GET", "/petitions")[0] == 200
    released.set()
    calls.join()


def test_a_token_is_verified_once(
    space: Space, jane: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each call, before its path is looked at."""
    verify, seen = tokens.verify, []

    def counted(*arguments: Any) -> Any:  # noqa: ANN401 - as it is called
        seen.append(arguments)
        return verify(*arguments)

    monkeypatch.setattr(tokens, "verify", counted)
    assert jane("GET", "/petitions")[0] == 200
    assert len(seen) == 1
    stranger = Client(space, "")
    assert [stranger("GET", each)[0] for each in ("/petitions", "/nothing")] == [401, 401]
