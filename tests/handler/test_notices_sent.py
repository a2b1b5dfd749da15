"""Sending notices: one for each approval, in time, and without effect on any answer."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from handler import notices
from handler.app import App
from handler.callers import EVALUATION, EVALUATIONS
from handler.callers.authzen import AuthZen
from handler.clock import Deadline
from handler.http import Client, HttpError
from handler.notices import Log, Notifier
from handler.settings import NoticeSettings
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.conftest import API_KEY, CY, SetClock
from tests.handler.scripted import (
    Answer,
    Scripted,
    drip,
    head,
    reply,
    write_and_close,
    write_and_hang,
    write_and_reset,
)
from tests.handler.test_notices import decide

Serve = Callable[..., Scripted]
TOKEN = "t0k3n-of-the-caller-" * 2
SECRET = f"whsec_{base64.b64encode(b'current secret, 24 bytes').decode()}"
OLDER = f"whsec_{base64.b64encode(b'previous secret, 25 bytes').decode()}"
HIDDEN = "/hook/h1dd3n"
BO = "bo@acme.example"
LINE = {"level", "message", "timestamp", "call", "caller", "caller_request", "decision_id", "why"}


class Pdp:
    """An App on the double that an AuthZEN caller calls, with a clock set by hand.

    With `is_real`, deadlines use real time.
    """

    def __init__(
        self, double: IncidentIO, set_clock: SetClock, *, is_real: bool, **settings: str
    ) -> None:
        self.clock = set_clock
        self.log: list[dict[str, Any]] = []
        environment = {
            "AUTHZEN_TOKEN": TOKEN,
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": double.url,
            "AWS_LAMBDA_LOG_GROUP_NAME": "log-group",
            "AWS_REGION": "eu-west-1",
            **settings,
        }
        write = lambda line: self.log.append(dict(line))  # noqa: E731 - as short as it can be
        clock = set_clock.clock._replace(monotonic=time.monotonic) if is_real else set_clock.clock
        self.app = App(environment, clock, write)
        self.calls = 0

    def ask(
        self, *resources: str, email: str = CY, id_: str = "", semantic: str = "execute_all"
    ) -> list[bool]:
        """Ask about each resource in one call, and give the decisions."""
        self.calls += 1
        items = [
            {
                "subject": {"type": "user", "id": email},
                "action": {"name": "access"},
                "resource": {"type": "db", "id": resource},
            }
            for resource in resources or ("1",)
        ]
        options = {"evaluations_semantic": semantic}
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        answer = self.app.handle(
            {
                "rawPath": EVALUATIONS,
                "requestContext": {
                    "http": {"method": "POST"},
                    "requestId": f"call-{self.calls}",
                    "domainName": "abc.lambda-url.eu-west-1.on.aws",
                },
                "headers": {**headers, **({"x-request-id": id_} if id_ else {})},
                "body": json.dumps({"evaluations": items, "options": options}),
            }
        )
        assert answer["statusCode"] == 200
        evaluations = json.loads(answer["body"])["evaluations"]
        return [evaluation["decision"] for evaluation in evaluations]

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Give the log lines of failed notices."""
        return [line for line in self.log if line["message"] == "notice failed"]


Opener = Callable[..., Pdp]


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let coverage measure the threads that send notices."""

    def start(function: Callable[..., object], args: tuple[object, ...]) -> None:
        threading.Thread(target=function, args=args, daemon=True).start()

    monkeypatch.setattr(notices, "start_new_thread", start)


@pytest.fixture
def pdp(incidentio: IncidentIO, set_clock: SetClock) -> Iterator[Opener]:
    """Make Apps on the double with these settings; they are closed at the end."""
    made: list[Pdp] = []

    def make(*, is_real: bool = False, **settings: str) -> Pdp:
        made.append(Pdp(incidentio, set_clock, is_real=is_real, **settings))
        return made[-1]

    # The library that verifies signatures compares their time with the real clock.
    set_clock.now = datetime.now(UTC)
    yield make
    for one in made:
        one.app.client.close()


def to_webhook(server: Scripted, **more: str) -> dict[str, str]:
    """Give the settings that send notices to this server."""
    return {"NOTIFY_URL": f"{server.url}{HIDDEN}", "NOTIFY_SECRET": SECRET, **more}


def to_slack(server: Scripted) -> dict[str, str]:
    """Give the settings that send notices to this server as to Slack."""
    return {"NOTIFY_SLACK_URL": f"{server.url}{HIDDEN}"}


def test_a_notice_is_verified_by_its_own_library(pdp: Opener, serve: Serve) -> None:
    """Standard Webhooks' library verifies a notice with the current and the previous secret."""
    server = serve(reply(b"", 204))
    hook = pdp(**to_webhook(server, NOTIFY_SECRET_PREVIOUS=OLDER))
    assert hook.ask("prod-db", id_="build-7") == [True]
    (notice,) = server.requests
    assert (notice.method, notice.target) == ("POST", HIDDEN)
    assert notice.headers["content-type"] == "application/json"
    for secret in (SECRET, OLDER):
        body = Webhook(secret).verify(notice.body, dict(notice.headers))
        (approval,) = body["data"]["approvals"]
        assert body["type"] == "access.approved"
        assert approval["requester"] == CY
        assert approval["resources"] == [{"kind": "db", "id": "prod-db"}]
        assert approval["decision_id"] == "call-1-0"
        assert approval["caller_request"] == "build-7"
        assert "log-group --region eu-west-1" in approval["look_up"]
    (line,) = (line for line in hook.log if line["message"] == "decision")
    assert line["decision_id"] == "call-1-0"
    assert hook.failures == []


def test_slack_gets_a_message(pdp: Opener, serve: Serve) -> None:
    """A message for Slack isn't signed, since its URL is the secret."""
    server = serve(reply(b"ok"))
    assert pdp(**to_slack(server)).ask() == [True]
    (notice,) = server.requests
    assert (notice.method, notice.target) == ("POST", HIDDEN)
    assert not [name for name in notice.headers if name.startswith("webhook-")]
    assert CY in json.loads(notice.body)["blocks"][0]["text"]["text"]


def test_both_are_sent(pdp: Opener, serve: Serve) -> None:
    """A notice goes to each configured address."""
    webhook, slack = serve(reply()), serve(reply())
    assert pdp(**to_webhook(webhook), **to_slack(slack)).ask() == [True]
    assert [len(webhook.requests), len(slack.requests)] == [1, 1]


@pytest.mark.parametrize("settings", [{"AUTO_APPROVAL_DRY_RUN": "true"}, {}])
def test_no_notice_without_an_approval(
    settings: Mapping[str, str], pdp: Opener, serve: Serve
) -> None:
    """No notice is sent in dry run, or for a request that is left to humans."""
    server = serve(reply())
    hook = pdp(**to_webhook(server), **settings)
    assert hook.ask(email=CY if settings else BO) == [False]
    assert server.requests == []
    # The module for notices isn't even loaded.
    assert hook.app._notifier is None


def test_no_notice_of_what_fails_or_is_refused(pdp: Opener, serve: Serve) -> None:
    """No notice is sent for a call that gets a 401."""
    server = serve(reply())
    hook = pdp(**to_webhook(server))
    event = {"rawPath": EVALUATION, "requestContext": {"http": {"method": "POST"}}}
    assert hook.app.handle({**event, "headers": {}, "body": "{}"})["statusCode"] == 401
    assert server.requests == []


def test_no_notice_of_an_answer_that_fails(
    pdp: Opener, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No notice is sent if the approval doesn't reach the caller."""

    def fail(*_args: object) -> None:
        raise RuntimeError

    server = serve(reply())
    hook = pdp(**to_webhook(server))
    monkeypatch.setattr(AuthZen, "answer", fail)
    with pytest.raises(AssertionError):
        hook.ask()
    assert [line["message"] for line in hook.log] == ["decision", "failed"]
    assert server.requests == []


def test_a_call_with_several_requests(pdp: Opener, serve: Serve) -> None:
    """The approvals of a call are one notice, which has only those in the answer."""
    server = serve(reply())
    hook = pdp(**to_webhook(server))
    assert hook.ask("a", "b", "a") == [True, True, True]
    (notice,) = server.requests
    approvals = json.loads(notice.body)["data"]["approvals"]
    assert [one["decision_id"] for one in approvals] == ["call-1-0", "call-1-1"]
    assert hook.ask("c", "d", semantic="permit_on_first_permit") == [True]
    assert json.loads(server.requests[1].body)["data"]["approval_count"] == 1


def test_a_repeated_call_is_one_notice(pdp: Opener, serve: Serve) -> None:
    """A repeated call sends no second notice; another id or resource does."""
    webhook, slack = serve(reply()), serve(reply())
    hook = pdp(**to_webhook(webhook), **to_slack(slack))
    for id_ in ("", "build-7"):
        for _ in range(3):
            hook.clock.advance(2)
            assert hook.ask("a", id_=id_) == [True]
    assert [len(webhook.requests), len(slack.requests)] == [2, 2]
    hook.ask("b", id_="build-7")
    hook.ask("a", "b", "c", id_="build-7")
    assert [len(webhook.requests), len(slack.requests)] == [4, 4]
    # The notice of a batch has only the new approvals.
    assert json.loads(webhook.requests[3].body)["data"]["approval_count"] == 1


def test_access_that_is_prolonged(pdp: Opener, serve: Serve) -> None:
    """If access is prolonged, a new notice is sent, even for the same id."""
    server = serve(reply())
    hook = pdp(**to_slack(server))
    for minutes, count in ((0, 1), (4, 1), (1, 1), (1, 2), (5, 2), (60, 3)):
        hook.clock.advance(60 * minutes)
        hook.ask(id_="build-7")
        assert len(server.requests) == count, minutes


@pytest.mark.parametrize("hours", [(1, 6), (6, 1), (1, 6, 2)])
def test_the_same_resource_for_different_times(
    hours: tuple[int, ...], serve: Serve, set_clock: SetClock
) -> None:
    """If a call is approved twice for the same, the notice has the approval that lasts longest."""
    server, client = serve(reply()), Client(set_clock.clock)
    to = NoticeSettings(f"{server.url}{HIDDEN}", (SECRET,))
    notifier = Notifier(to, client, set_clock.clock, Log())
    decisions = {
        f"call-1-{length}": decide(duration=timedelta(hours=length), now=set_clock.now)
        for length in hours
    }
    for _ in range(2):
        assert notifier.send(decisions, "authzen", "", set_clock.deadline()) == []
    client.close()
    (notice,) = server.requests
    (approval,) = json.loads(notice.body)["data"]["approvals"]
    assert (approval["decision_id"], approval["duration_seconds"]) == ("call-1-6", 6 * 3600)


def test_another_environment(pdp: Opener, serve: Serve) -> None:
    """Another environment resends a notice with the same id, so receivers can drop it."""
    server = serve(reply())
    step = notices.REPEATED_WITHIN.total_seconds()
    begin = (datetime.now(UTC).timestamp() // step + 1) * step
    for seconds in (0, 9):
        hook = pdp(**to_webhook(server))
        hook.clock.now = datetime.fromtimestamp(begin + seconds, UTC)
        hook.ask(id_="build-7")
    one, other = server.requests
    assert one.headers["webhook-id"] == other.headers["webhook-id"]
    assert one.headers["webhook-timestamp"] != other.headers["webhook-timestamp"]


def test_memory_is_bounded(pdp: Opener, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a limited number of sent notices is remembered, and only while access lasts."""
    monkeypatch.setattr(notices, "MOST_REMEMBERED", 2)
    server = serve(reply())
    hook = pdp(**to_slack(server))
    for name in "abc":
        hook.ask(name)
    hook.ask("d")
    hook.ask("c")
    assert len(server.requests) == 4
    hook.ask("a")
    assert len(server.requests) == 5
    assert hook.app._notifier
    assert len(hook.app._notifier._sent) <= 3
    hook.clock.advance(6 * 3600)
    hook.ask("e")
    assert len(hook.app._notifier._sent) == 1


RECEIVERS: Mapping[str, tuple[Answer, str]] = {
    "500": (reply(b"oops h1dd3n", 500), "answered 500"),
    "503": (reply(status=503, headers={"Retry-After": "1"}), "answered 503"),
    "429": (reply(status=429, headers={"Retry-After": "1"}), "answered 429"),
    "410": (reply(status=410), "answered 410"),
    "404": (reply(b"no_service", 404), "answered 404"),
    "403": (
        reply(b"invalid_token", 403),
        "a firewall or proxy in front of 127.0.0.1 refused the request (403)",
    ),
    "redirects": (
        reply(status=308, headers={"Location": "http://127.0.0.1:1/h1dd3n"}),
        "answered 308",
    ),
    "a firewall": (
        reply(b"<html>h1dd3n", 403),
        "a firewall or proxy in front of 127.0.0.1 refused the request (403)",
    ),
    "hangs up": (write_and_close(), "connection failed (ConnectionResetError)"),
    "resets": (write_and_reset(), "connection failed ("),
    "is slow": (write_and_hang(), "no complete answer in time"),
    "drips": (drip(head(), b"1"), "no complete answer in time"),
    "too much": (
        reply(b" " * (6 * 2**20 + 1)),
        "the response is larger than 6 MiB",
    ),
}
# Slack names the error in the body.
SLACK_ERRORS = {"404": "answered 404 (no_service)", "403": "answered 403 (invalid_token)"}


@pytest.mark.parametrize("way", ["NOTIFY_URL", "NOTIFY_SLACK_URL"])
@pytest.mark.parametrize("receiver", RECEIVERS)
def test_receivers_that_fail(receiver: str, way: str, pdp: Opener, serve: Serve) -> None:
    """A failing receiver doesn't change the answer; one log line has decision, host and reason."""
    answer, why = RECEIVERS[receiver]
    server = serve(answer)
    settings = to_webhook(server) if way == "NOTIFY_URL" else to_slack(server)
    hook = pdp(is_real="in time" in why, **settings)
    assert hook.ask(id_="build-7") == [True]
    assert len(server.requests) == 1
    (line,) = hook.failures
    assert line.keys() == LINE | {"to"}
    assert (line["level"], line["decision_id"]) == ("ERROR", "call-1-0")
    assert (line["caller"], line["caller_request"]) == ("authzen", "build-7")
    assert line["to"] == f"{way} (127.0.0.1)"
    if way == "NOTIFY_SLACK_URL":
        why = SLACK_ERRORS.get(receiver, why)
    assert line["why"].startswith(why)
    for hidden in ("h1dd3n", SECRET, SECRET[6:], TOKEN, API_KEY):
        assert hidden not in repr(hook.log)


@pytest.mark.parametrize("way", ["NOTIFY_URL", "NOTIFY_SLACK_URL"])
@pytest.mark.parametrize(
    ("receiver", "again"), [("500", True), ("429", True), ("hangs up", False), ("resets", False)]
)
def test_a_call_that_is_repeated_after_a_failure(
    receiver: str, way: str, pdp: Opener, serve: Serve, *, again: bool
) -> None:
    """A failed notice is sent again, except to Slack if it may have arrived."""
    server = serve(RECEIVERS[receiver][0], reply())
    hook = pdp(**(to_webhook(server) if way == "NOTIFY_URL" else to_slack(server)))
    for _ in range(3):
        assert hook.ask() == [True]
    assert len(hook.failures) == 1
    assert len(server.requests) == (2 if again or way == "NOTIFY_URL" else 1)
    ids = {notice.headers.get("webhook-id") for notice in server.requests}
    assert len(ids) == 1


def test_one_address_that_fails(pdp: Opener, serve: Serve) -> None:
    """If one address fails, the other still gets its notice."""
    webhook, slack = serve(reply(status=500)), serve(reply())
    hook = pdp(**to_webhook(webhook), **to_slack(slack))
    hook.ask("a", "b")
    assert len(slack.requests) == 1
    assert [(line["decision_id"], line["to"]) for line in hook.failures] == [
        ("call-1-0", "NOTIFY_URL (127.0.0.1)"),
        ("call-1-1", "NOTIFY_URL (127.0.0.1)"),
    ]


class Sender(Client):
    """A client that sends no notice but fails with `failure`, and records the deadlines."""

    def __init__(self, set_clock: SetClock, failure: Exception | None = None) -> None:
        super().__init__(set_clock.clock)
        self.failure = failure
        self.seconds: list[float] = []

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        *,
        once: bool = False,
    ) -> bytes:
        """Fail for a notice; send anything else."""
        if not once:
            return super().send(method, url, headers, body, deadline)
        self.seconds.append(deadline.left())
        if self.failure:
            raise self.failure
        return b""


@pytest.mark.parametrize(
    ("caller_has", "notice_gets"),
    [(60, 0.9), (6, 0.9), (1.15, 0.9), (1, 0.75), (0.5, 0.25), (0.3, 0.05)],
)
def test_how_long_it_may_take(caller_has: float, notice_gets: float, set_clock: SetClock) -> None:
    """A notice takes less than a second, and less than the caller's remaining time."""
    client = Sender(set_clock)
    to = NoticeSettings("https://h/", (SECRET,), "https://hooks.slack.com/services/T/B/x")
    notifier = Notifier(to, client, set_clock.clock, Log())
    failed = notifier.send({"call-1-0": decide()}, "indent", "", set_clock.deadline(caller_has))
    assert failed == []
    assert client.seconds == [pytest.approx(notice_gets)] * 2


@pytest.mark.parametrize("caller_has", [0.25, 0.1, 0])
def test_a_caller_without_time(caller_has: float, set_clock: SetClock) -> None:
    """If the caller's time is over, no notice is sent, and that is logged as a failure."""
    client = Sender(set_clock)
    notifier = Notifier(NoticeSettings("https://h/", (SECRET,)), client, set_clock.clock, Log())
    failed = notifier.send({"call-1-0": decide()}, "indent", "", set_clock.deadline(caller_has))
    assert failed == [("call-1-0", "NOTIFY_URL (h)", "the caller's time was over")]
    assert client.seconds == []


def test_time_for_building_the_notice_counts(
    set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time spent on building the notice is subtracted from the time for sending it."""
    make = notices.make_approval

    def slowly(*args: Any) -> notices.Approval:  # noqa: ANN401 - passed on
        set_clock.advance(0.5)
        return make(*args)

    monkeypatch.setattr(notices, "make_approval", slowly)
    client = Sender(set_clock)
    notifier = Notifier(NoticeSettings("https://h/", (SECRET,)), client, set_clock.clock, Log())
    notifier.send({"call-1-0": decide(now=set_clock.now)}, "indent", "", set_clock.deadline())
    assert client.seconds == [pytest.approx(0.4)]


def test_time_for_loading_the_module_counts(
    pdp: Opener, serve: Serve, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first notice of an environment loads is part of the time that it may take."""
    channels_of = notices.channels_of

    def slowly(settings: NoticeSettings) -> tuple[notices.Channel, ...]:
        set_clock.advance(0.5)
        return channels_of(settings)

    monkeypatch.setattr(notices, "channels_of", slowly)
    hook = pdp(**to_webhook(serve()))
    hook.app.client = client = Sender(set_clock)
    hook.ask("a")
    hook.ask("b")
    assert client.seconds == [pytest.approx(0.4), pytest.approx(0.9)]


def test_an_address_that_does_not_resolve_in_time(
    set_clock: SetClock, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that hangs in sending is given up in time."""
    monkeypatch.setattr(notices, "MOST_SECONDS", 0.05)

    class Stuck(Sender):
        def send(self, *_args: Any, **_how: Any) -> bytes:  # noqa: ANN401 - as declared
            released.wait()
            return b""

    notifier = Notifier(
        NoticeSettings("https://h/", (SECRET,)), Stuck(set_clock), set_clock.clock, Log()
    )
    failed = notifier.send({"call-1-0": decide()}, "indent", "", set_clock.deadline())
    assert failed == [("call-1-0", "NOTIFY_URL (h)", "no complete answer in time")]


def test_names_that_take_long_to_write(
    set_clock: SetClock, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a call names, nobody waits for the words: they are made while it is sent."""
    monkeypatch.setattr(notices, "MOST_SECONDS", 0.05)
    monkeypatch.setattr(notices, "plain", lambda *_: str(released.wait(3)))
    client = Sender(set_clock)
    notifier = Notifier(NoticeSettings("https://h/", (SECRET,)), client, set_clock.clock, Log())
    failed = notifier.send({"call-1-0": decide()}, "indent", "", set_clock.deadline())
    assert failed == [("call-1-0", "NOTIFY_URL (h)", "no complete answer in time")]


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (HttpError("answered 500", status=500), "answered 500"),
        (OSError("h1dd3n"), "it couldn't be sent (OSError)"),
        (ValueError("h1dd3n"), "it couldn't be sent (ValueError)"),
        (RecursionError("h1dd3n"), "it couldn't be sent (RecursionError)"),
        (MemoryError("h1dd3n"), "it couldn't be sent (MemoryError)"),
    ],
)
def test_no_failure_changes_the_answer(
    failure: Exception, why: str, pdp: Opener, serve: Serve, set_clock: SetClock
) -> None:
    """A failing notice changes neither the answer nor the logged decision."""
    server = serve()
    quiet, hook = pdp(), pdp(**to_webhook(server))
    hook.app.client = Sender(set_clock, failure)
    assert hook.ask("a", "b") == quiet.ask("a", "b") == [True, True]
    assert [line["why"] for line in hook.failures] == [why] * 2
    assert "h1dd3n" not in repr(hook.log)
    facts = ("decision_id", "outcome", "rules", "duration")
    decisions = [
        [[line[fact] for fact in facts] for line in one.log if line["message"] == "decision"]
        for one in (quiet, hook)
    ]
    assert decisions[0] == decisions[1]


def test_a_defect_does_not_change_the_answer(
    pdp: Opener, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even an unexpected error doesn't change the answer; its text isn't logged."""

    def fail(*_args: object) -> None:
        raise RuntimeError("h1dd3n")

    monkeypatch.setattr(notices, "start_new_thread", fail)
    hook = pdp(**to_webhook(serve()))
    assert hook.ask("a", "b") == [True, True]
    assert [line["decision_id"] for line in hook.failures] == ["call-1-0", "call-1-1"]
    assert all(line.keys() == LINE for line in hook.failures)
    assert hook.failures[0]["why"].startswith("RuntimeError at app.py:")
    assert "h1dd3n" not in repr(hook.log)
