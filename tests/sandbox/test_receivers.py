"""The sandbox's receivers of notices accept what Standard Webhooks and Slack accept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from handler.app import SYSTEM_CLOCK
from handler.clock import Deadline
from handler.http import Client, HttpError
from handler.notices import channels_of, make_test
from handler.settings import NoticeSettings
from sandbox.receivers import SLACK, WEBHOOK, Receivers

BODY = json.dumps({"type": "x", "timestamp": "", "data": {"text": "hello"}})


def section(text: str, kind: str = "plain_text") -> dict[str, Any]:
    """A block of a message."""
    return {"type": "section", "text": {"type": kind, "text": text}}


TEXT = section("hello")
MESSAGE: dict[str, Any] = {"text": "hello", "blocks": [TEXT]}


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Running receivers."""
    with Receivers() as made:
        yield made


@pytest.fixture
def client() -> Iterator[Client]:
    """The client that sends."""
    client = Client(SYSTEM_CLOCK)
    yield client
    client.close()


def post(client: Client, url: str, headers: Mapping[str, str], body: str) -> bytes:
    """Send a body once."""
    deadline = Deadline(SYSTEM_CLOCK, 20)
    return client.send("POST", url, headers, body.encode(), deadline, once=True)


def signed(secret: str, body: str = BODY, at: datetime | None = None) -> dict[str, str]:
    """Sign with the Standard Webhooks library."""
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": f"v1,AAAA {Webhook(secret).sign('msg_1', at, body)}",
    }


def test_a_webhook(receivers: Receivers, client: Client) -> None:
    """A correctly signed notice is accepted; a repetition counts once."""
    url, secret = (receivers.settings[key] for key in ("NOTIFY_URL", "NOTIFY_SECRET"))
    for _ in range(2):
        post(client, url, signed(secret), BODY)
    assert [(notice.receiver, notice.text) for notice in receivers.notices] == [(WEBHOOK, "hello")]


def test_webhooks_that_are_refused(receivers: Receivers, client: Client) -> None:
    """A wrong secret, signature, time, body or address is refused."""
    url, secret = (receivers.settings[key] for key in ("NOTIFY_URL", "NOTIFY_SECRET"))
    old = datetime.now(UTC) - timedelta(minutes=6)
    good = signed(secret)
    other_secret = f"whsec_{'A' * 43}="
    refused: list[tuple[str, Mapping[str, str], str, int]] = [
        (url, signed(other_secret), BODY, 401),
        (url, signed(secret, at=old), BODY, 401),
        (url, good, BODY.replace("hello", "HELLO"), 401),
        (url, {**good, "webhook-timestamp": "x"}, BODY, 401),
        (url, {**good, "webhook-id": "msg_2"}, BODY, 401),
        (url, {}, BODY, 401),
        (url, signed(secret, "{}"), "{}", 400),
        (f"{receivers.url}/webhook/x", good, BODY, 404),
        (f"{receivers.url}/", good, BODY, 404),
    ]
    for to, headers, body, status in refused:
        with pytest.raises(HttpError) as caught:
            post(client, to, headers, body)
        assert caught.value.status == status
    assert not receivers.notices


@pytest.mark.parametrize(
    ("message", "is_valid"),
    [
        (MESSAGE, True),
        ({**MESSAGE, "text": ""}, False),
        ({"text": "hello"}, False),
        ({**MESSAGE, "blocks": []}, False),
        ({**MESSAGE, "blocks": [TEXT] * 51}, False),
        ({**MESSAGE, "blocks": [section("x" * 3001)]}, False),
        ({**MESSAGE, "blocks": [section("*x*", "mrkdwn")]}, False),
        ([], False),
    ],
)
def test_messages_in_slack(
    message: object, receivers: Receivers, client: Client, *, is_valid: bool
) -> None:
    """A message must be within Slack's limits, and without markup."""
    url = receivers.settings["NOTIFY_SLACK_URL"]
    if is_valid:
        assert post(client, url, {}, json.dumps(message)) == b"ok"
        (notice,) = receivers.notices
        assert (notice.receiver, notice.text) == (SLACK, "hello")
        return
    with pytest.raises(HttpError) as caught:
        post(client, url, {}, json.dumps(message))
    assert (caught.value.status, caught.value.body) == (400, b"invalid_payload")
    assert not receivers.notices


def test_an_unknown_slack_address(receivers: Receivers, client: Client) -> None:
    """An unknown Slack address answers as a revoked one."""
    with pytest.raises(HttpError) as caught:
        post(client, f"{receivers.url}/services/T0SANDBOX/B0SANDBOX/x", {}, json.dumps(MESSAGE))
    assert (caught.value.status, caught.value.body) == (404, b"no_service")


def test_notices_of_the_function(receivers: Receivers, client: Client) -> None:
    """Both receivers accept what the function sends."""
    settings = receivers.settings
    to = NoticeSettings(
        settings["NOTIFY_URL"], (settings["NOTIFY_SECRET"],), settings["NOTIFY_SLACK_URL"]
    )
    now = datetime.now(UTC)
    for channel in channels_of(to):
        channel.send(make_test(now), client, now, Deadline(SYSTEM_CLOCK, 20))
    assert [notice.receiver for notice in receivers.notices] == [WEBHOOK, SLACK]
