"""The handler as a whole, in process: signed calls in, answers and log lines out."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handler import __version__, app
from handler.app import App
from handler.aws_secret import SecretError
from handler.callers.indent import sign
from handler.clock import Clock
from handler.durations import format_instant, parse_instant
from handler.duty import WHILE_LIVE
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.server import Fault
from tests.handler.conftest import API_KEY
from tests.handler.scripted import Scripted, reply

CALL = "call-1"
LEAD = f"Incident Lead of INC-1 (incident.io) {WHILE_LIVE}"
SECRET, PREVIOUS = "wks0-current-secret-00", "wks0-previous-secret-0"
JANE, OMAR, DAN, RITA = (
    "jane@example.com",
    "omar@example.com",
    "dan@example.com",
    "rita@example.com",
)
DATABASE = {"kind": "postgres.v1.Role", "id": "prod-db", "displayName": "Production"}
NOTHING: dict[str, Any] = {"status": {"code": 0}, "claims": []}


def request_of(email: str | None = JANE, **changes: object) -> dict[str, Any]:
    """An `access/request` event as Indent sends it."""
    event: dict[str, Any] = {
        "event": "access/request",
        "timestamp": "2024-01-15T10:30:00.000Z",
        "reason": "debug prod, token=hunter2",
        "actor": {"kind": "slack/user", "id": "T1/U1", "email": email, "altIds": ["jane"]},
        "resources": [DATABASE],
        "meta": {"labels": {"petition": "aec1b116", "indent.com/workflow/origin/id": "wf-1"}},
    }
    return {**event, **changes}


def with_labels(labels: Mapping[str, str], email: str = JANE) -> dict[str, Any]:
    """The same request with these additional labels."""
    return request_of(email, meta={"labels": {"petition": "aec1b116", **labels}})


class Webhook:
    """An App on the double, called as the function URL calls it."""

    def __init__(self, double: IncidentIO, budget: float = 5.0, **settings: str) -> None:
        self.double = double
        self.log: list[dict[str, Any]] = []
        self.environment = {
            "INDENT_WEBHOOK_SECRET": SECRET,
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": double.url,
            "AUTO_APPROVAL_DURATION": "6",
            **settings,
        }
        clock = Clock(lambda: datetime.now(UTC), time.monotonic, lambda _: None)
        write = lambda line: self.log.append(dict(line))  # noqa: E731 - as short as it can be
        self.app = App(self.environment, clock, write, budget)

    def call(
        self,
        body: object,
        *,
        secret: str = SECRET,
        age: timedelta = timedelta(0),
        **event: object,
    ) -> tuple[int, dict[str, Any]]:
        """Sign and send a call, and give the HTTP status and the body."""
        raw = body if isinstance(body, str) else json.dumps(body)
        timestamp = format_instant(datetime.now(UTC) - age)
        headers = {
            "x-indent-timestamp": timestamp,
            "x-indent-signature": sign(secret, timestamp, raw.encode()),
        }
        answer = self.app.handle(
            {
                "requestContext": {"http": {"method": "POST"}, "requestId": CALL},
                "headers": headers,
                "body": raw,
                "isBase64Encoded": False,
                **event,
            }
        )
        assert answer["headers"] == {"Content-Type": "application/json"}
        return answer["statusCode"], json.loads(answer["body"])

    def ask(self, *events: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Send request events, expect a 200, and give the claims."""
        http, body = self.call({"events": list(events)})
        assert http == 200
        assert body["status"] == {"code": 0}
        claims: list[dict[str, Any]] = body["claims"]
        return claims

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """The decision lines of the log."""
        return [line for line in self.log if line["message"] == "decision"]


@pytest.fixture
def double() -> Iterator[IncidentIO]:
    """Jane leads Rita's incident, Omar is on shift, Dan leads an incident of their own."""
    with IncidentIO(API_KEY) as double:
        for email in (JANE, OMAR, DAN, RITA, "nora@example.com"):
            double.add_person(email.partition("@")[0].title(), email)
        double.add_schedule("DBA")
        double.put_on_shift("DBA", OMAR)
        double.declare_incident("Payroll leaked", by=RITA, lead=JANE)
        double.declare_incident("Trust me", by=DAN, lead=DAN)
        yield double


Opener = Callable[..., Webhook]


@pytest.fixture
def opened(double: IncidentIO) -> Iterator[Opener]:
    """Make Apps on the double, with these settings; they are closed at the end."""
    hooks: list[Webhook] = []

    def open_one(budget: float = 5.0, **settings: str) -> Webhook:
        hooks.append(Webhook(double, budget, **settings))
        return hooks[-1]

    yield open_one
    for hook in hooks:
        hook.app.client.close()


@pytest.fixture
def hook(opened: Opener) -> Webhook:
    """An App with default settings."""
    return opened()


class TestClaim:
    """The content of an approval."""

    def test_whole(self, hook: Webhook) -> None:
        """The claim has the bot, the evidence, requester and resources, and our times."""
        (claim,) = hook.ask(request_of())
        made = parse_instant(claim["timestamp"])
        assert made is not None
        assert claim == {
            "event": "access/approve",
            "timestamp": claim["timestamp"],
            "actor": {
                "kind": "indent.v1.Bot",
                "id": "incidentio-approval-bot",
                "displayName": "Incident.io Approval Bot",
                "email": "bot@indent.com",
            },
            "reason": f"Approved: {LEAD}",
            "resources": [request_of()["actor"], DATABASE],
            "meta": {
                "labels": {
                    "petition": "aec1b116",
                    "indent.com/workflow/origin/id": "wf-1",
                    "indent.com/time/duration": "6h0m0s",
                    "indent.com/time/expires": format_instant(made + timedelta(hours=6)),
                }
            },
        }

    def test_never_an_incidents_title(self, hook: Webhook) -> None:
        """Neither claim nor log has an incident's title, which may be private."""
        claims = hook.ask(request_of())
        assert "Payroll" not in json.dumps([claims, hook.log])

    def test_expiry_and_duration_agree(self, hook: Webhook) -> None:
        """If a shorter time is requested, both labels have it."""
        (claim,) = hook.ask(with_labels({"indent.com/petition/duration": "45m"}))
        labels = claim["meta"]["labels"]
        made = parse_instant(claim["timestamp"])
        assert made is not None
        assert labels["indent.com/time/duration"] == "45m0s"
        assert labels["indent.com/time/expires"] == format_instant(made + timedelta(minutes=45))

    def test_shift(self, hook: Webhook) -> None:
        """A person on shift is approved, with the schedule as the reason."""
        (claim,) = hook.ask(request_of(OMAR))
        assert claim["reason"].startswith("Approved: on call for DBA (incident.io) until ")

    def test_timestamp_of_the_event_is_ignored(self, hook: Webhook) -> None:
        """Only the signature's timestamp is checked; the event's may be anything."""
        for timestamp in ("1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "yesterday", None, 7):
            assert hook.ask(request_of(timestamp=timestamp))


SILENT = [
    ("an empty list", []),
    ("history only", [{"event": "access/approve"}, {"event": "sso.login", "actor": 7}]),
    ("an event without a name", [{}]),
    ("the tester's bare event", [{"event": "access/request"}]),
    ("no actor", [request_of(actor=None)]),
    ("no e-mail", [request_of(None)]),
    ("no resources", [request_of(resources=[])]),
    ("resources null", [request_of(resources=None)]),
    ("a resource without kind and id", [request_of(resources=[{"displayName": "Production"}])]),
    ("off duty", [request_of("nora@example.com")]),
    ("unknown at the provider", [request_of("eve@example.com")]),
    ("the reporter", [request_of(RITA)]),
    ("a self-declared incident", [request_of(DAN)]),
    ("another person", [request_of(resources=[{"kind": "u", "id": "2", "email": RITA}])]),
    ("two of one petition, one off duty", [request_of(), request_of("nora@example.com")]),
]


@pytest.mark.parametrize("events", [row[1] for row in SILENT], ids=[row[0] for row in SILENT])
def test_no_claim(hook: Webhook, events: list[dict[str, Any]]) -> None:
    """People who aren't on duty, and other events, get HTTP 200 without a claim."""
    assert hook.call({"events": events}) == (200, NOTHING)


def test_request_without_meta_is_approved(hook: Webhook) -> None:
    """A request without `meta` is approved; its claim has no petition label."""
    (claim,) = hook.ask(request_of(meta=None))
    assert set(claim["meta"]["labels"]) == {"indent.com/time/duration", "indent.com/time/expires"}


def test_every_request_of_a_call_is_decided(hook: Webhook) -> None:
    """All requests of a call are decided, and the provider is queried once for all."""
    events = [
        request_of(email, meta={"labels": {"petition": email}})
        for email in ("nora@example.com", JANE, OMAR)
    ]
    claims = hook.ask({"event": "access/approve"}, *events)
    assert [claim["meta"]["labels"]["petition"] for claim in claims] == [JANE, OMAR]
    assert sorted(hook.double.calls.paths()) == ["/v2/incidents", "/v2/schedules"]


def test_hopeless_request_asks_nobody(hook: Webhook) -> None:
    """No provider is queried for a request that no duty can approve."""
    hook.ask(request_of(resources=[]))
    assert not hook.double.calls


class TestErrors:
    """HTTP errors, which reveal little."""

    def test_size(self, hook: Webhook) -> None:
        """A body over 1 MiB gets a 413 before the signature is checked."""
        http, body = hook.call(" " * (2**20 + 1), secret="x" * 16)
        assert (http, body["status"]["code"]) == (413, 3)

    @pytest.mark.parametrize(("of_first", "of_others"), [(200, 0), (0, 199), (1, 199), (100, 100)])
    def test_more_resources_than_can_be_decided(
        self, hook: Webhook, of_first: int, of_others: int
    ) -> None:
        """A call for more than 200 resources gets a 413, and nothing is decided."""
        group = {"kind": "okta.v1.Group", "id": "prod"}
        first = request_of(OMAR, resources=[group] * of_first)
        others = [request_of(OMAR, resources=[group])] * of_others
        http, _ = hook.call({"events": [first, *others]})
        assert http == 200
        text = hook.call({"events": [first, *others, request_of(OMAR, resources=[])]})
        assert text[0] == 413
        output = "the call asks for 201 resources: at most 200 are decided at once"
        assert text[1]["status"]["message"] == output

    @pytest.mark.parametrize("holds", ["the request", "its requester", "a resource", "resources"])
    def test_more_labels_than_can_be_decided(self, hook: Webhook, holds: str) -> None:
        """A call with more than 2000 labels in all gets a 413: every rule compares each."""

        def call(count: int) -> tuple[int, dict[str, Any]]:
            labels = {f"L {number}": "x" for number in range(count)}
            half = {f"L {number}": "x" for number in range(count // 2)}
            rest = {f"L {number}": "x" for number in range(count - count // 2)}
            event = {
                "the request": request_of(OMAR, meta={"labels": labels}),
                "its requester": request_of(actor={"email": OMAR, "labels": labels}, meta={}),
                "a resource": request_of(OMAR, resources=[{"labels": labels}], meta={}),
                "resources": request_of(
                    OMAR, resources=[{"labels": half}, {"labels": rest}], meta={}
                ),
            }[holds]
            return hook.call({"events": [event]})

        assert call(2000)[0] == 200
        http, body = call(2001)
        output = "the call has 2001 labels: at most 2000 are decided at once"
        assert (http, body["status"]["message"]) == (413, output)

    @pytest.mark.parametrize("field", ["kind", "id", "labels"])
    def test_longer_names_than_can_be_decided(self, hook: Webhook, field: str) -> None:
        """A call with more than 50,000 characters of names gets a 413: every rule folds each."""
        own = len("T1/U1slack/user") + len(OMAR)
        others = len("petition" + "aec1b116" + "indent.com/workflow/origin/id" + "wf-1")

        def call(length: int) -> tuple[int, dict[str, Any]]:
            text = "\u0434" * (length - own - others - (field == "labels"))
            resource = {field: {"E": text} if field == "labels" else text}
            return hook.call({"events": [request_of(OMAR, resources=[resource])]})

        assert call(50_000)[0] == 200
        http, body = call(50_001)
        assert http == 413
        assert "in 50001 characters: at most 50000 are" in body["status"]["message"]

    @pytest.mark.parametrize(
        ("name", "twice"),
        [
            ('"id"', '"id": "staging", "id"'),
            ('"kind"', '"kind": "x", "kind"'),
            ('"labels"', '"labels": {"Tier": "0", "Tier": "1"}, "x"'),
            ('"email"', '"email": "bob@example.com", "email"'),
            ('"resources"', '"resources": [], "resources"'),
            ('"id"', r'"i\u0064": "staging", "id"'),
        ],
    )
    def test_a_duplicate_name(self, hook: Webhook, name: str, twice: str) -> None:
        """A duplicate JSON name gets a 400: another reader may use the other value."""
        text = json.dumps({"events": [request_of()]}).replace(name, twice, 1)
        http, body = hook.call(text)
        assert (http, body["status"]["message"]) == (400, "an object in the body has a name twice")
        assert [line["message"] for line in hook.log] == ["refused"]

    @pytest.mark.parametrize("half", [r"\ud800", r"\udFFF", r"\udc00\ud800", "\U0001f389\\uDBFF"])
    @pytest.mark.parametrize("place", ["reason", "id", "label", "name", "unread"])
    def test_half_a_surrogate_pair(self, hook: Webhook, half: str, place: str) -> None:
        """A lone surrogate anywhere gets a 400, since it can't be logged faithfully."""
        event = {
            "reason": request_of(reason=half),
            "id": request_of(resources=[{**DATABASE, "id": half}]),
            "label": request_of(meta={"labels": {"petition": half}}),
            "name": request_of(meta={"labels": {half: "x"}}),
            "unread": {**request_of(), "unread": [{"deep": half}]},
        }[place]
        text = json.dumps({"events": [event]}, ensure_ascii=False)
        http, body = hook.call(text.replace("\\\\u", "\\u"))
        assert (http, body["status"]["message"]) == (400, "a text in the body is not Unicode")
        assert [line["message"] for line in hook.log] == ["refused"]

    def test_a_whole_pair_is_text(self, hook: Webhook) -> None:
        """A full surrogate pair is text, and so is an escaped backslash before `ud800`."""
        reason = "\N{PARTY POPPER} \\ud800"
        http, body = hook.call(json.dumps({"events": [request_of(reason=reason)]}))
        assert (http, len(body["claims"])) == (200, 1)

    def test_unauthenticated_is_one_sentence(self, hook: Webhook) -> None:
        """Wrong, stale and missing signatures get the same answer; the log has the reason."""
        answers = [
            hook.call({"info": True}, secret="another-secret-of-mine"),
            hook.call({"info": True}, age=timedelta(seconds=302)),
            hook.call({"info": True}, age=timedelta(seconds=-302)),
            hook.call({"info": True}, headers={}),
            hook.call({"info": True}, headers=None),
            hook.call("{not even JSON", secret="another-secret-of-mine"),
        ]
        assert [http for http, _ in answers] == [401] * 6
        assert len({json.dumps(body) for _, body in answers}) == 1
        assert answers[0][1]["status"]["code"] == 16
        assert [line["why"] for line in hook.log] == [
            "the signature is wrong",
            "the timestamp is 302 s old",
            "the timestamp is -302 s old",
            "the timestamp or the signature is missing",
            "the timestamp or the signature is missing",
            "the signature is wrong",
        ]

    def test_wrong_shape_names_the_field(self, hook: Webhook) -> None:
        """The error names the field of a wrong type; the log doesn't have its value."""
        event = request_of(actor={"email": ["hunter3"]})
        http, answer = hook.call({"events": [event]})
        assert (http, answer["status"]["code"]) == (400, 3)
        assert answer["status"]["message"] == "events[0].actor.email is not a string"
        assert "hunter3" not in json.dumps(hook.log)

    def test_an_unexpected_error(self, opened: Opener) -> None:
        """An unexpected error is a 500 without details; the log has type and place."""
        hook = opened()
        http, answer = hook.call({"info": True}, requestContext=None)
        assert (http, answer["status"]["code"]) == (500, 13)
        assert "NoneType" not in json.dumps(answer)
        assert hook.log[-1]["why"].startswith("TypeError at app.py:")

    def test_wrong_settings(self, opened: Opener) -> None:
        """Wrong settings give a 500; one log line names all of them first."""
        long = "x" * 3000
        hook = opened(AUTO_APPROVAL_DURATION=long, AUTO_APPROVAL_DRY_RUN="perhaps")
        http, answer = hook.call({"info": True})
        assert (http, answer["status"]["code"]) == (500, 13)
        (line,) = hook.log
        assert line["why"].startswith("AUTO_APPROVAL_DURATION, AUTO_APPROVAL_DRY_RUN are wrong: ")
        assert "AUTO_APPROVAL_DURATION" not in json.dumps(answer)

    def test_unsigned_call_causes_no_fetch(self, opened: Opener) -> None:
        """A call without recent signature headers gets a 401 without fetching the secret."""
        hook = opened(HANDLER_SECRET_ARN="arn:aws:s3:::bucket", HANDLER_CALLERS="indent")
        assert hook.call({"info": True}, headers={})[0] == 401
        assert hook.call({"info": True}, age=timedelta(hours=1))[0] == 401

    def test_secret_cannot_be_read(self, opened: Opener) -> None:
        """If the secret can't be read, the answer is a 503, and the log has the reason."""
        hook = opened(HANDLER_SECRET_ARN="arn:aws:s3:::bucket")
        http, answer = hook.call({"info": True})
        assert (http, answer["status"]["code"]) == (503, 14)
        assert "HANDLER_SECRET_ARN" in hook.log[-1]["why"]


class TestOtherCalls:
    """GetInfo, PullUpdate, and the two secrets."""

    def test_info(self, hook: Webhook) -> None:
        """GetInfo gives name, version and capabilities as JSON text in a DebugInfo."""
        http, answer = hook.call({"info": {}})
        (detail,) = answer["status"]["details"]
        assert (http, answer["status"]["code"]) == (200, 0)
        assert detail["@type"] == "type.googleapis.com/google.rpc.DebugInfo"
        assert json.loads(detail["detail"])["integrations"] == [
            {
                "name": "oncall-approvals",
                "version": __version__,
                "capabilities": ["GetDecision", "PullUpdate"],
            }
        ]

    @pytest.mark.parametrize(
        ("kinds", "count"),
        [
            (["indent.v1.Bot"], 1),
            (["x", "indent.v1.Bot"], 1),
            (["foo.indent.v1.Botany"], 0),
            (["indent.v1.bot"], 0),
            (["indent.v1.Bot "], 0),
            ([], 0),
        ],
    )
    def test_bots(self, hook: Webhook, kinds: list[str], count: int) -> None:
        """PullUpdate gives the bot only for exactly its kind."""
        _, answer = hook.call({"kinds": kinds})
        assert answer["status"] == {"code": 0}
        assert [bot["id"] for bot in answer["resources"]] == ["incidentio-approval-bot"] * count

    def test_both_secrets(self, opened: Opener) -> None:
        """The previous secret is accepted only while it is set."""
        both = opened(INDENT_WEBHOOK_SECRET_PREVIOUS=PREVIOUS)
        assert [both.call({"info": 1}, secret=secret)[0] for secret in (SECRET, PREVIOUS)] == [
            200,
            200,
        ]
        one = opened()
        assert [one.call({"info": 1}, secret=secret)[0] for secret in (SECRET, PREVIOUS)] == [
            200,
            401,
        ]

    def test_secrets_come_from_the_secret(
        self, opened: Opener, serve: Callable[..., Scripted]
    ) -> None:
        """With an ARN, secrets are fetched once, and those in the environment are ignored."""
        values = {"INDENT_WEBHOOK_SECRET": PREVIOUS, "INCIDENTIO_API_KEY": API_KEY}
        answer = json.dumps({"SecretString": json.dumps(values)})
        server = serve(reply(answer.encode()))
        hook = opened(
            HANDLER_SECRET_ARN="arn:aws:secretsmanager:us-west-2:1:secret:s-1",
            AWS_ENDPOINT_URL=server.url,
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secret",
        )
        assert [hook.call({"info": 1}, secret=secret)[0] for secret in (PREVIOUS, SECRET)] == [
            200,
            401,
        ]
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("secret", "version", "http", "fetches"),
        [
            # Unreadable at first, then right.
            (None, "v-1", 503, [1, 1, 2, 2]),
            # Readable but wrong: a fixed version stays wrong, but the newest one may be corrected.
            ({"INDENT_WEBHOOK_SECRET": "short"}, "v-1", 500, [1, 1, 1, 1]),
            ({"INDENT_WEBHOOK_SECRET": "short"}, "", 500, [1, 1, 2, 2]),
        ],
    )
    def test_a_failure_is_remembered(
        self,
        serve: Callable[..., Scripted],
        double: IncidentIO,
        *,
        secret: dict[str, str] | None,
        version: str,
        http: int,
        fetches: list[int],
    ) -> None:
        """A bad secret isn't fetched again with each call, but after a while."""

        def answer_of(values: object) -> Any:  # noqa: ANN401 - as scripts are
            return reply(json.dumps({"SecretString": json.dumps(values)}).encode())

        right = {"INDENT_WEBHOOK_SECRET": SECRET, "INCIDENTIO_API_KEY": API_KEY}
        bad = {**right, **secret} if secret else []
        server = serve(answer_of(bad), answer_of(right))
        hook = Webhook(
            double,
            HANDLER_CALLERS="indent",
            HANDLER_SECRET_ARN="arn:aws:secretsmanager:us-west-2:1:secret:s-1",
            HANDLER_SECRET_VERSION=version,
            AWS_ENDPOINT_URL=server.url,
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secret",
        )
        seconds = 100.0
        clock = Clock(lambda: datetime.now(UTC), lambda: seconds, lambda _: None)
        hook.app = App(hook.environment, clock, lambda line: hook.log.append(dict(line)))
        counts, answers = [], []
        for wait in (0.0, 4.9, 0.2, 10**6):
            seconds += wait
            answers.append(hook.call({"info": 1})[0])
            counts.append(len(server.requests))
        assert counts == fetches
        assert answers == [http, http, *([200, 200] if fetches[-1] == 2 else [http, http])]
        assert {line["level"] for line in hook.log} == {"ERROR"}
        assert len({line["why"] for line in hook.log}) == 1
        assert "short" not in json.dumps(hook.log)
        hook.app.client.close()

    @pytest.mark.parametrize(
        ("budget", "share", "is_remembered"),
        [(0.9, 1, False), (0.1, 1, False), (1, 1, True), (6, 1, True), (0.1, 0.5, True)],
    )
    def test_a_failure_for_lack_of_time_is_not_remembered(
        self,
        serve: Callable[..., Scripted],
        double: IncidentIO,
        monkeypatch: pytest.MonkeyPatch,
        *,
        budget: float,
        share: float,
        is_remembered: bool,
    ) -> None:
        """A fetch with less than 1 s left isn't remembered as failed if time ran out."""
        right = {"INDENT_WEBHOOK_SECRET": SECRET, "INCIDENTIO_API_KEY": API_KEY}
        server = serve(reply(json.dumps({"SecretString": json.dumps(right)}).encode()))
        hook = Webhook(
            double,
            HANDLER_CALLERS="indent",
            HANDLER_SECRET_ARN="arn:aws:secretsmanager:us-west-2:1:secret:s-1",
            AWS_ENDPOINT_URL=server.url,
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secret",
        )
        seconds = 100.0
        clock = Clock(lambda: datetime.now(UTC), lambda: seconds, lambda _: None)
        hook.app = App(hook.environment, clock, lambda line: hook.log.append(dict(line)), budget)

        def fail(*arguments: Any) -> None:  # noqa: ANN401 - as in `fetch`
            nonlocal seconds
            seconds += arguments[-1].left() * share
            raise SecretError("Secrets Manager: no complete answer in time")

        with monkeypatch.context() as patch:
            patch.setattr("handler.aws_secret.fetch", fail)
            assert hook.call({"info": 1})[0] == 503
        assert hook.call({"info": 1})[0] == (503 if is_remembered else 200)
        hook.app.client.close()

    def test_base64(self, hook: Webhook) -> None:
        """The signature covers the decoded bytes."""
        raw = '{"info": "é"}'
        timestamp = format_instant(datetime.now(UTC))
        headers = {
            "X-Indent-Timestamp": timestamp,
            "X-INDENT-SIGNATURE": sign(SECRET, timestamp, raw.encode()),
        }
        encoded = base64.b64encode(raw.encode()).decode()
        http, _ = hook.call(encoded, headers=headers, isBase64Encoded=True)
        assert http == 200


class TestParticipants:
    """Approval for having posted an update, if that is switched on."""

    def test_asked_only_when_nothing_else_approves(
        self, double: IncidentIO, opened: Opener
    ) -> None:
        """Updates are read only if no other duty approves, one call per incident."""
        updates = "/v2/incident_updates"
        hook = opened(INCIDENTIO_APPROVE_PARTICIPANTS="true")
        assert hook.ask(request_of())
        assert updates not in double.calls.paths()
        assert not hook.ask(request_of("nora@example.com"))
        assert double.calls.paths()[-2:] == [updates] * 2
        assert double.calls.paths().count(updates) == 2

    def test_approved(self, double: IncidentIO, opened: Opener) -> None:
        """A person who posted an update to a live incident is approved."""
        double.post_update("INC-1", by="nora@example.com")
        double.post_update("INC-1", by=None)
        hook = opened(INCIDENTIO_APPROVE_PARTICIPANTS="true")
        (claim,) = hook.ask(request_of("nora@example.com"))
        assert claim["reason"] == f"Approved: posted an update to INC-1 (incident.io) {WHILE_LIVE}"


class TestSettings:
    """Effects of settings."""

    def test_dry_run(self, opened: Opener) -> None:
        """In dry run, decisions are logged, but nothing is claimed."""
        hook = opened(AUTO_APPROVAL_DRY_RUN="true")
        assert not hook.ask(request_of())
        (line,) = hook.decisions
        assert (line["outcome"], line["dry_run"]) == ("approve", True)


BAD_DAYS = [
    faults.Status(500),
    faults.Status(401),
    faults.Status(403),
    faults.Garbage(),
    faults.Nested(),
    faults.HangUp("before"),
    faults.HangUp("body"),
    faults.TooManyRequests(seconds=3600),
    faults.Redirect("http://127.0.0.1:9/"),
    faults.WrongValue("", []),
    faults.Hang(),
    faults.Drip(0.05),
    faults.EndlessBody(),
    faults.Huge(100),
]


@pytest.mark.parametrize("fault", BAD_DAYS, ids=lambda fault: repr(fault)[:40])
class TestProviderDown:
    """Whatever a provider does, the answer is HTTP 200, without an approval by it."""

    def test_nobody_is_approved_by_it(
        self, double: IncidentIO, opened: Opener, fault: Fault
    ) -> None:
        """If everything fails, there is no claim, and each failure is logged."""
        double.fail("/", fault)
        hook = opened(budget=0.5)
        assert hook.call({"events": [request_of()]}) == (200, NOTHING)
        (line,) = hook.decisions
        assert len(line["provider_failures"]) >= 2
        assert API_KEY not in json.dumps(hook.log)

    def test_other_answer_still_counts(
        self, double: IncidentIO, opened: Opener, fault: Fault
    ) -> None:
        """If one list fails, a duty in the other still approves."""
        double.fail("/v2/schedules", fault)
        hook = opened(budget=0.5)
        assert len(hook.ask(request_of())) == 1
        assert not hook.ask(request_of(OMAR))


class TestLog:
    """One JSON line for each request, without secrets."""

    def test_line(self, hook: Webhook) -> None:
        """The line has who, what, why, for how long, and by which policy."""
        hook.ask(request_of())
        (line,) = hook.decisions
        milliseconds = line.pop("milliseconds")
        assert isinstance(milliseconds, int)
        assert parse_instant(line.pop("timestamp"))
        assert line.pop("trace")["rules"][0]["duties"][0] == {"duty": 0, "why": ""}
        assert parse_instant(line.pop("decided_at"))
        assert len(line.pop("policy")) == 16
        (duty,) = line.pop("evidence")
        assert (duty["provider"], duty["name"], duty["incident"]) == (
            "incident.io",
            "Incident Lead",
            "INC-1",
        )
        assert (line["level"], line["call"], line["number"], line["of"]) == ("INFO", CALL, 0, 1)
        assert (line["outcome"], line["dry_run"], line["duration"]) == ("approve", False, "6h0m0s")
        assert line["reason"] == f"Approved: {LEAD}"
        assert line["failing"] == {"incidentio": 0}

    def test_no_secret_body_signature_or_other_peoples_mail(self, hook: Webhook) -> None:
        """Approvals, refusals and failures log no secret, body, or other person's e-mail."""
        other = {"kind": "u", "id": "Eve@example.com", "email": "eve@example.com"}
        hook.ask(request_of())
        hook.ask(request_of(resources=[other]))
        hook.call({"events": [request_of()]}, secret="another-secret-of-mine")
        hook.double.fail("/", faults.Status(500))
        hook.ask(request_of())
        text = json.dumps(hook.log).lower()
        for hidden in (SECRET, API_KEY, "hunter2", "eve@", OMAR, RITA, DAN, "bearer"):
            assert hidden not in text


def test_lambda_entry_writes_json_lines(
    double: IncidentIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`handler.app.handle` reads the process environment, and prints one JSON line per record."""
    environment = {
        "INDENT_WEBHOOK_SECRET": SECRET,
        "INCIDENTIO_API_KEY": API_KEY,
        "INCIDENTIO_BASE_URL": double.url,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    answer = app.handle({"requestContext": {"http": {"method": "PUT"}}}, None)
    assert answer["statusCode"] == 405
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["why"] == "PUT isn't supported here: use POST"
