"""AuthZEN's API: calls, answers and log lines; no failure approves anybody."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.app import App
from handler.callers import EVALUATION, EVALUATIONS, METADATA
from handler.callers.authzen import evaluation
from handler.clock import Clock
from handler.duty import (
    INCIDENT_ROLE,
    INCIDENT_UPDATE,
    ON_CALL,
    UNTIL_END,
    WHILE_LIVE,
    WITHOUT_END,
    Duty,
)
from handler.providers.collect import Outcome, collect_and_decide
from handler.request import Request, Resource
from handler.rules.evaluate import Decision
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from tests.handler.authzen_schema import ANSWER_SCHEMA
from tests.handler.conftest import API_KEY
from tests.handler.strategies import STEADY

TOKEN, PREVIOUS = "current-token-" * 3, "previous-token-" * 3
UUID = "3f2b8a54-90c1-4d7e-8a36-5b1c0d9e7f32"
JANE, JOAN = "jane@example.com", "joan@example.com"
HOST = "abc.lambda-url.eu-central-1.on.aws"
STRANGER = {"error": {"status": 401, "message": "The call is not authenticated."}}
POLICY = {
    "rules": [
        {
            "name": "databases",
            "resources": {"kinds": ["db"]},
            "when": {"on_call": {"schedules": ["DBA"]}},
            "duration": "2h",
        },
        {
            "name": "deploy",
            "resources": {"kinds": ["service"], "labels": {"env": "prod"}, "actions": ["deploy"]},
            "when": {"on_call": {"schedules": ["DBA"]}},
            "duration": "1h",
        },
        {"name": "no secrets", "resources": {"kinds": ["secret"]}, "deny": True},
    ],
    "aliases": {},
    "identities": {"authzen": {"jane": JANE}},
}
SUBJECT = {"type": "user", "id": JANE}
RESOURCE = {"type": "db", "id": "1"}
ACTION = {"name": "access"}
QUESTION = {"subject": SUBJECT, "resource": RESOURCE, "action": ACTION}
# A decision, with everything that its context may have. The specification's own schema, which
# allows any context, is `ANSWER_SCHEMA`.
ANSWER = {
    "type": "object",
    "required": ["decision", "context"],
    "additionalProperties": False,
    "properties": {
        "decision": {"type": "boolean"},
        "context": {
            "type": "object",
            "required": ["outcome", "reason", "decision_id"],
            "additionalProperties": False,
            "properties": {
                "outcome": {"enum": ["approved", "left to humans"]},
                "reason": {"type": "string", "minLength": 1},
                "decision_id": {"type": "string", "minLength": 1},
                "expires_at": {"type": "string", "format": "date-time"},
                "duration_seconds": {"type": "integer", "minimum": 1},
                "rests_on": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["provider", "kind", "name", "lasts"],
                        "additionalProperties": False,
                        "properties": {
                            "provider": {"type": "string", "minLength": 1},
                            "kind": {"enum": ["on_call", "incident_role", "incident_update"]},
                            "name": {"type": "string", "minLength": 1},
                            "incident": {"type": "string", "minLength": 1},
                            "lasts": {"enum": [UNTIL_END, WITHOUT_END, WHILE_LIVE]},
                            "until": {"type": "string", "format": "date-time"},
                        },
                    },
                },
            },
        },
    },
    "if": {"properties": {"decision": {"const": True}}},
    "then": {
        "properties": {
            "context": {
                "required": ["expires_at", "duration_seconds", "rests_on"],
                "properties": {"outcome": {"const": "approved"}},
            }
        }
    },
    "else": {"properties": {"context": {"properties": {"outcome": {"const": "left to humans"}}}}},
}


class Pdp:
    """An App on the double, called as the function URL calls it."""

    def __init__(self, double: IncidentIO, policy_file: str, **settings: str) -> None:
        self.log: list[dict[str, Any]] = []
        environment = {
            "AUTHZEN_TOKEN": TOKEN,
            "AUTHZEN_TOKEN_PREVIOUS": PREVIOUS,
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": double.url,
            "AUTO_APPROVAL_POLICY": "policy/test.yaml",
            **settings,
        }
        clock = Clock(lambda: datetime.now(UTC), time.monotonic, lambda _: None)
        write = lambda line: self.log.append(dict(line))  # noqa: E731 - as short as it can be
        self.app = App(environment, clock, write, policy_file=policy_file)
        self.headers: dict[str, str] = {}

    def call(
        self,
        body: object = QUESTION,
        path: str = EVALUATION,
        headers: Mapping[str, str | None] | None = None,
        method: str = "POST",
        **event: object,
    ) -> tuple[int, dict[str, Any]]:
        """Send a call, and give the HTTP status and the body; a header of None is left out."""
        sent = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        all_headers = {**sent, **(headers or {})}
        answer = self.app.handle(
            {
                "rawPath": path,
                "requestContext": {
                    "http": {"method": method},
                    "requestId": "call-1",
                    "domainName": HOST,
                    "timeEpoch": int(time.time() * 1000),
                },
                "headers": {
                    name: value for name, value in all_headers.items() if value is not None
                },
                "body": body if isinstance(body, str) else json.dumps(body),
                "isBase64Encoded": False,
                **event,
            }
        )
        self.headers = answer["headers"]
        assert self.headers["Content-Type"] == "application/json"
        return answer["statusCode"], json.loads(answer["body"])

    def ask(self, **changes: object) -> dict[str, Any]:
        """Ask one question with these changes, and validate the answer against both schemas."""
        http, answer = self.call({**QUESTION, **changes})
        assert http == 200
        ANSWER_SCHEMA.validate(answer)
        jsonschema.validate(answer, ANSWER)
        return answer

    def ask_all(self, *items: object, **fields: object) -> list[dict[str, Any]]:
        """Ask a batch with these defaults."""
        http, answer = self.call({**fields, "evaluations": list(items)}, EVALUATIONS)
        assert (http, [*answer]) == (200, ["evaluations"])
        answers: list[dict[str, Any]] = answer["evaluations"]
        for one in answers:
            ANSWER_SCHEMA.validate(one)
        return answers

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """The decision lines of the log."""
        return [line for line in self.log if line["message"] == "decision"]


@pytest.fixture(scope="module")
def double() -> Iterator[IncidentIO]:
    """incident.io with Jane on shift."""
    with IncidentIO(API_KEY) as double:
        for email in (JANE, JOAN):
            double.add_person(email.partition("@")[0].title(), email)
        double.add_schedule("DBA")
        double.put_on_shift("DBA", JANE)
        yield double


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The policy file, as it is in the zip."""
    file = tmp_path_factory.mktemp("zip") / "policy.json"
    file.write_text(json.dumps(POLICY))
    return str(file)


Opener = Callable[..., Pdp]


@pytest.fixture(scope="module")
def opened(double: IncidentIO, policy_file: str) -> Iterator[Opener]:
    """Make Apps with these settings; they are closed at the end."""
    apps: list[Pdp] = []

    def open_one(**settings: str) -> Pdp:
        apps.append(Pdp(double, policy_file, **settings))
        return apps[-1]

    yield open_one
    for one in apps:
        one.app.client.close()


@pytest.fixture(scope="module")
def shared(opened: Opener) -> Pdp:
    """An App with the usual settings."""
    return opened()


@pytest.fixture
def pdp(shared: Pdp) -> Pdp:
    """The shared App, with an empty log."""
    shared.log.clear()
    return shared


def test_approved(pdp: Pdp) -> None:
    """An approval has its end, its reason and the id of its log line."""
    answer = pdp.ask()
    context = answer["context"]
    (line,) = pdp.decisions
    assert answer["decision"] is True
    assert context["duration_seconds"] == 7200
    ends = datetime.fromisoformat(context["expires_at"])
    assert abs(ends - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert context["reason"].startswith('Rule "databases": ')
    assert context["decision_id"] == line["decision_id"] == "call-1-0"
    assert (line["caller"], line["outcome"], line["requester"]) == ("authzen", "approve", JANE)
    assert line["resources"] == ["db:1"]
    (duty,) = context["rests_on"]
    assert datetime.fromisoformat(duty.pop("until")) > datetime.now(UTC)
    assert duty == {
        "provider": "incident.io",
        "kind": "on_call",
        "name": "DBA",
        "lasts": "until the shift ends",
    }


NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
SHIFT = Duty("PagerDuty", ON_CALL, "S1", "DBA", JANE)
LEAD = Duty("incident.io", INCIDENT_ROLE, "R1", "Lead", JANE, incident="INC-1")
AT_PAGERDUTY = {"provider": "PagerDuty", "kind": "on_call", "name": "DBA"}
LASTS = [
    (
        SHIFT._replace(end=datetime.fromisoformat("2026-03-29T16:00:00+02:00")),
        {**AT_PAGERDUTY, "lasts": UNTIL_END, "until": "2026-03-29T14:00:00.000Z"},
    ),
    (SHIFT, {**AT_PAGERDUTY, "lasts": UNTIL_END}),
    (
        SHIFT._replace(end=NOON + timedelta(days=7, seconds=1)),
        {**AT_PAGERDUTY, "lasts": UNTIL_END},
    ),
    (SHIFT._replace(endless=True), {**AT_PAGERDUTY, "lasts": WITHOUT_END}),
    (
        LEAD,
        {
            "provider": "incident.io",
            "kind": "incident_role",
            "name": "Lead",
            "incident": "INC-1",
            "lasts": WHILE_LIVE,
        },
    ),
    (
        Duty("incident.io", INCIDENT_UPDATE, "01H", "", JANE, incident="INC-1"),
        {
            "provider": "incident.io",
            "kind": "incident_update",
            "name": "01H",
            "incident": "INC-1",
            "lasts": WHILE_LIVE,
        },
    ),
    (
        SHIFT._replace(name="<b>DBA</b>\nof [x](https://x.io)"),
        {
            **AT_PAGERDUTY,
            "name": "(b)DBA(/b) of [x] (https: x.io)",
            "lasts": UNTIL_END,
        },
    ),
    (SHIFT._replace(name=f"of {JOAN}"), {**AT_PAGERDUTY, "name": "S1", "lasts": UNTIL_END}),
    (
        SHIFT._replace(name=f"of {JOAN}", id=JOAN),
        {**AT_PAGERDUTY, "name": "(an e-mail)", "lasts": UNTIL_END},
    ),
    (
        LEAD._replace(incident=JOAN),
        {
            "provider": "incident.io",
            "kind": "incident_role",
            "name": "Lead",
            "incident": "(an e-mail)",
            "lasts": WHILE_LIVE,
        },
    ),
]


@pytest.mark.parametrize(("duty", "expected"), LASTS)
def test_what_an_approval_rests_on(duty: Duty, expected: dict[str, str]) -> None:
    """`rests_on` lists duties and certain ends, without markup or e-mails."""
    decision = Decision(
        Request(Resource(email=JANE), ()),
        "why",
        (duty,),
        duration=timedelta(hours=1),
        now=NOON,
    )
    answer = evaluation(decision, "call-0")
    jsonschema.validate(answer, ANSWER)
    assert answer["context"]["rests_on"] == [expected]


@pytest.mark.parametrize(
    ("changes", "approved"),
    [
        ({"subject": {"type": "user", "id": "jane"}}, True),
        ({"subject": {"type": "user", "id": "JANE@Example.COM"}}, True),
        ({"subject": {"type": "person", "id": JANE, "properties": {"email": JOAN}}}, True),
        ({"subject": {"type": "user", "id": "Jane"}}, False),
        ({"subject": {"type": "user", "id": "jane "}}, False),
        ({"subject": {"type": "user", "id": "nobody"}}, False),
        ({"subject": {"type": "user", "id": JOAN}}, False),
        ({"subject": {"type": "user", "id": "joan", "properties": {"email": JANE}}}, False),
        ({"resource": {"type": "db", "id": "x", "properties": {"a": 1, "b": "c"}}}, True),
        ({"resource": {"type": "secret", "id": "1"}}, False),
        ({"resource": {"type": "DB", "id": "1"}}, False),
        # Access for somebody else isn't approved.
        ({"resource": {"type": "user", "id": "joan"}}, False),
        ({"action": {"name": "deploy"}}, False),
        ({"action": {"name": "Access"}}, False),
        ({"action": {"name": "access", "properties": {"method": "GET"}}}, True),
        (
            {
                "resource": {"type": "service", "id": "1", "properties": {"env": "prod"}},
                "action": {"name": "deploy"},
            },
            True,
        ),
        (
            {
                "resource": {"type": "service", "id": "1", "properties": {"env": ["prod"]}},
                "action": {"name": "deploy"},
            },
            False,
        ),
        (
            {"resource": {"type": "service", "id": "1", "properties": {"env": "prod"}}},
            False,
        ),
        ({"context": None}, True),
        ({"context": {"reason": None, "duration": None}}, True),
        ({"context": {"reason": "INC-12", "time": 7, "ip": ["x"]}}, True),
        ({"foo": "bar", "futureField": {"nested": True}, "evaluations": 7}, True),
    ],
)
def test_decisions(pdp: Pdp, changes: dict[str, Any], approved: bool) -> None:  # noqa: FBT001 - a column of a table
    """A request is approved only if requester, resource and action match exactly."""
    assert pdp.ask(**changes)["decision"] is approved


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        *(("30m", 1800), ("1h30m", 5400), ("90 min", 5400), ("5h", 7200)),
        *(("PT30M", 1800), ("PT1H30M", 5400), ("P1D", 7200), ("P1W", 7200), ("PT0.5H", 1800)),
        *(("PT0,5H", 1800), ("P1DT1H", 7200), ("PT90S", 90), ("PT1H30M15S", 5415)),
        (f"PT{'0' * 62}1H", 3600),
    ],
)
def test_requested_durations(pdp: Pdp, duration: str, seconds: int) -> None:
    """A duration may be Go's or ISO 8601's; access never exceeds the policy."""
    answer = pdp.ask(context={"duration": duration})
    assert answer["context"]["duration_seconds"] == seconds


@pytest.mark.parametrize(
    "duration",
    [
        *("", " ", "soon", "0", "0s", "-1h", "PT0S", "-PT1H", "PT-1H", "P", "PT", "P1DT", "T1H"),
        *("P1Y", "P1M", "P1Y1D", "PT1H1D", "P1W1D", "PT1.5H30M", "pt1h", "PT1h", "PT\u0661H", "90"),
        *("PT1H ", "indefinite", "PT99999999H" * 9, JOAN, 'a"b'),
    ],
)
def test_invalid_requested_durations(pdp: Pdp, duration: str) -> None:
    """An invalid duration is left to humans: ignoring it could grant longer access."""
    answer = pdp.ask(context={"duration": duration})
    assert answer["decision"] is False
    assert "isn't valid" in answer["context"]["reason"]
    assert "@" not in answer["context"]["reason"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        *(
            (
                {name: value for name, value in QUESTION.items() if name != gone},
                f"{gone} is missing",
            )
            for gone in QUESTION
        ),
        ({**QUESTION, "subject": None}, "subject is missing"),
        ({**QUESTION, "subject": {"id": "a"}}, "subject.type is missing"),
        ({**QUESTION, "subject": {"type": "user"}}, "subject.id is missing"),
        ({**QUESTION, "subject": {"type": "user", "id": None}}, "subject.id is missing"),
        ({**QUESTION, "subject": {"type": "user", "id": ""}}, "subject.id is missing"),
        ({**QUESTION, "subject": {"type": 1, "id": "a"}}, "subject.type is not a string"),
        ({**QUESTION, "subject": "alice"}, "subject is not an object"),
        ({**QUESTION, "subject": ""}, "subject is not an object"),
        ({**QUESTION, "subject": False}, "subject is not an object"),
        ({**QUESTION, "resource": {"id": "1"}}, "resource.type is missing"),
        ({**QUESTION, "resource": {"type": "db"}}, "resource.id is missing"),
        ({**QUESTION, "resource": [RESOURCE]}, "resource is not an object"),
        (
            {**QUESTION, "resource": {**RESOURCE, "properties": []}},
            "resource.properties is not an object",
        ),
        ({**QUESTION, "action": {}}, "action.name is missing"),
        ({**QUESTION, "action": {"name": 123}}, "action.name is not a string"),
        ({**QUESTION, "context": "x"}, "context is not an object"),
        ({**QUESTION, "context": {"duration": 3600}}, "context.duration is not a string"),
        ({**QUESTION, "context": {"reason": ["x"]}}, "context.reason is not a string"),
        ("", "the body is not JSON in UTF-8"),
        ("{", "the body is not JSON in UTF-8"),
        ('{"a": NaN}', "the body is not JSON in UTF-8"),
        ("[" * 100_000, "the body is not JSON in UTF-8"),
        ("[]", "the body is not a JSON object"),
        ("null", "the body is not a JSON object"),
        ('{"subject": {}, "subject": {}}', "an object in the body has a name twice"),
        ('{"a": "\\ud800"}', "a text in the body is not Unicode"),
    ],
)
@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS])
def test_malformed(pdp: Pdp, path: str, body: object, message: str) -> None:
    """A malformed request gets a 400 without a decision, at both paths."""
    assert pdp.call(body, path) == (400, {"error": {"status": 400, "message": message}})
    assert not pdp.decisions


@pytest.mark.parametrize(
    "media_type", [None, "", "text/plain", "application/jsonx", "application/x-www-form-urlencoded"]
)
def test_wrong_content_type(pdp: Pdp, media_type: str | None) -> None:
    """Another content type gets a 400, as the specification requires, not a 415."""
    http, answer = pdp.call(headers={"content-type": media_type})
    assert (http, answer["error"]["message"]) == (400, "Content-Type is not application/json")


@pytest.mark.parametrize("media_type", ["Application/JSON", "application/json; charset=utf-8"])
def test_content_type(pdp: Pdp, media_type: str) -> None:
    """The content type may be in any case, with parameters."""
    assert pdp.call(headers={"content-type": media_type})[1]["decision"] is True


def basic(text: str) -> str:
    """Encode credentials for Basic authentication."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        *(f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN}", f"Bearer {PREVIOUS}"),
        *(f"Basic {basic(f'user:{TOKEN}')}", f"basic {basic(f':{PREVIOUS}')}"),
    ],
)
def test_authenticated(pdp: Pdp, authorization: str) -> None:
    """Both tokens are accepted, as a bearer token or as Basic's password."""
    assert pdp.call(headers={"authorization": authorization})[1]["decision"] is True


@pytest.mark.parametrize(
    "authorization",
    [
        *(None, "", "Bearer", "Bearer ", "Bearer x", TOKEN, f"Token {TOKEN}", f"Bearer {TOKEN}x"),
        *(f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN}, Bearer {TOKEN}"),
        *(f"Bearer {basic(f'user:{TOKEN}')}", f"Basic {TOKEN}", f"Basic {basic(TOKEN)}"),
        *(f"Basic {basic(f'user:{TOKEN}x')}", f"Basic {basic(f'{TOKEN}:user')}", "Basic"),
        *("Basic /w==", "Basic é", "Bearer \ud800", "Bearer ü", f"Bearer\t{TOKEN}"),
    ],
)
@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS])
def test_unauthenticated_calls(pdp: Pdp, path: str, authorization: str | None) -> None:
    """Whatever is wrong with the token, the answer is the same 401, before the body is read."""
    answer = pdp.call("{", path, {"authorization": authorization})
    assert answer == (401, STRANGER)
    assert pdp.headers["WWW-Authenticate"] == "Bearer"
    (line,) = pdp.log
    assert (line["message"], line["http"]) == ("refused", 401)
    assert TOKEN not in str(line)


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        (None, "there is no bearer token"),
        (f"Token {TOKEN}", "there is no bearer token"),
        ("Basic /w==", "Basic's credentials are not base64 of UTF-8"),
        (f"Basic {basic(f'a:{TOKEN}')}*", "Basic's credentials are not base64 of UTF-8"),
        (f"Basic *{basic(f'a:{TOKEN}')}", "Basic's credentials are not base64 of UTF-8"),
        (
            f"Bearer {'x' * 31}",
            "the token is too short, or contains a character that a token can't have",
        ),
        (f"Bearer {TOKEN}x", "the token is wrong"),
    ],
)
def test_the_log_says_what_is_wrong_with_a_token(
    pdp: Pdp, authorization: str | None, why: str
) -> None:
    """The log distinguishes missing, malformed and wrong tokens."""
    assert pdp.call(headers={"authorization": authorization})[0] == 401
    assert pdp.log[0]["why"] == why


@pytest.mark.parametrize(
    ("authorization", "http"),
    [
        *((f"Bearer {'x' * 31}", 401), (f"Basic {basic('a:' + 'x' * 31)}", 401)),
        *((f"Bearer {'x' * 31}\u00fc", 401), (f"Bearer {'x' * 31}\ud800", 401)),
        *(
            (f"Bearer {'x' * 16} {'x' * 16}", 401),
            (f"Basic {basic('a:' + 'x' * 40 + chr(0))}", 401),
        ),
        *((f"Bearer {'x' * 32}", 503), (f"Basic {basic('a:' + '!' * 32)}", 503)),
    ],
)
def test_impossible_tokens_cause_no_fetch(opened: Opener, authorization: str, http: int) -> None:
    """A text that can't be a token is refused without fetching the secret."""
    pdp = opened(HANDLER_SECRET_ARN="arn:aws:s3:::bucket", HANDLER_CALLERS="authzen")
    assert pdp.call(headers={"authorization": authorization})[0] == http


def test_rotation(opened: Opener) -> None:
    """Without a previous token, only the current one is accepted, and never an empty one."""
    pdp = opened(AUTHZEN_TOKEN_PREVIOUS="")
    assert pdp.call(headers={"authorization": f"Bearer {PREVIOUS}"})[0] == 401
    assert pdp.call(headers={"authorization": "Bearer "})[0] == 401
    assert pdp.call()[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "used"),
    [
        (EVALUATION, "GET", "POST"),
        (EVALUATIONS, "GET", "POST"),
        (EVALUATION, "PUT", "POST or GET"),
        (METADATA, "POST", "GET"),
        (METADATA, "DELETE", "POST or GET"),
    ],
)
def test_other_methods(pdp: Pdp, path: str, method: str, used: str) -> None:
    """Other methods get a 405."""
    http, answer = pdp.call(path=path, method=method)
    message = f"{method} isn't supported here: use {used}"
    assert (http, answer) == (405, {"error": {"status": 405, "message": message}})


@pytest.mark.parametrize("id_", ["r-1", "x" * 200, "a b {}"])
@pytest.mark.parametrize(
    ("change", "http"),
    [
        ({}, 200),
        ({"body": "{"}, 400),
        ({"headers": {"authorization": "x"}}, 401),
        ({"method": "PUT"}, 405),
        ({"body": "x" * (2**20 + 1)}, 413),
        ({"requestContext": {"http": {"method": "POST"}, "timeEpoch": None}}, 500),
        ({"path": METADATA, "method": "GET"}, 200),
    ],
)
def test_their_id_is_sent_back(pdp: Pdp, id_: str, change: dict[str, Any], http: int) -> None:
    """The caller's request id is in every answer, and in the log of decisions."""
    headers = {**change.get("headers", {}), "x-request-id": id_}
    assert pdp.call(**{**change, "headers": headers})[0] == http
    assert pdp.headers["X-Request-ID"] == id_
    assert all(line["caller_request"] == id_ for line in pdp.decisions)


def test_no_request_id(pdp: Pdp) -> None:
    """If the caller sends no request id, none is made up."""
    assert pdp.call()[0] == 200
    assert "X-Request-ID" not in pdp.headers
    assert "caller_request" not in pdp.decisions[0]


@pytest.mark.parametrize("id_", ["", "x" * 201, "a\r\nSet-Cookie: b", "a\x00", "é", "\ud800", "\t"])
def test_ids_that_are_not_sent_back(pdp: Pdp, id_: str) -> None:
    """An id that is too long, or could inject a header, isn't sent back or logged."""
    assert pdp.call(headers={"x-request-id": id_})[0] == 200
    assert "X-Request-ID" not in pdp.headers
    assert "caller_request" not in pdp.decisions[0]


@pytest.mark.parametrize("token", [TOKEN, PREVIOUS])
@pytest.mark.parametrize(
    ("change", "http"),
    [
        ({}, 200),
        ({"body": "{"}, 400),
        ({"headers": {"authorization": f"Bearer {'x' * 32}"}}, 401),
        ({"headers": {"authorization": f"Basic {basic(f'me:{PREVIOUS}')}"}}, 200),
        ({"method": "PUT"}, 405),
        ({"path": EVALUATIONS, "body": {**QUESTION, "evaluations": [{}] * 201}}, 413),
        ({"path": METADATA, "method": "GET"}, 200),
    ],
)
def test_a_token_as_request_id(pdp: Pdp, token: str, change: dict[str, Any], http: int) -> None:
    """A request id with a token in it is neither logged nor sent back."""
    pdp.call()
    headers = {**change.get("headers", {}), "x-request-id": f"a {token} b"}
    assert pdp.call(**{**change, "headers": headers})[0] == http
    assert "X-Request-ID" not in pdp.headers
    assert token not in json.dumps(pdp.log)


@pytest.mark.parametrize(
    ("id_", "is_sent_back"),
    [
        *((TOKEN, False), (f"a {PREVIOUS}", False), ("x" * 32, False)),
        *(("x" * 31, True), (f"{'x' * 31} {'y' * 31}", True)),
        *((UUID, True), (UUID.upper(), True), (UUID.replace("-", ""), False)),
        *((f"{UUID}0", False), (f"x{UUID}", False), (UUID.replace("3", "g"), False)),
    ],
)
@pytest.mark.parametrize(
    ("change", "http"),
    [
        ({}, 503),
        ({"headers": {"authorization": f"Bearer {'x' * 32}"}}, 503),
        ({"headers": {"authorization": None}}, 401),
        ({"method": "PUT"}, 405),
        ({"path": METADATA, "method": "GET"}, 200),
    ],
)
def test_request_id_before_the_settings_are_loaded(
    opened: Opener, id_: str, change: dict[str, Any], http: int, *, is_sent_back: bool
) -> None:
    """Before the tokens are known, an id that could hold one isn't sent back; a UUID is."""
    pdp = opened(HANDLER_SECRET_ARN="arn:aws:s3:::bucket", HANDLER_CALLERS="authzen")
    headers = {**change.get("headers", {}), "x-request-id": id_}
    assert pdp.call(**{**change, "headers": headers})[0] == http
    assert pdp.headers.get("X-Request-ID") == (id_ if is_sent_back else None)
    assert id_ not in json.dumps(pdp.log)


def test_batch(pdp: Pdp) -> None:
    """Items are decided in order, each on its own; an item's objects replace the defaults."""
    answers = pdp.ask_all(
        {},
        {"subject": {"type": "user", "id": JOAN}},
        {"resource": {"type": "db"}},
        "x",
        {"subject": None, "context": {"duration": "10m"}},
        **QUESTION,
        context={"duration": "20m"},
    )
    assert [answer["decision"] for answer in answers] == [True, False, False, False, True]
    for answer in (answers[0], answers[1], answers[4]):
        jsonschema.validate(answer, ANSWER)
    assert answers[2]["context"] == {
        "error": {"status": 400, "message": "resource.id is missing"},
    }
    assert answers[3]["context"]["error"]["message"] == "the item is not an object"
    assert [answers[place]["context"]["duration_seconds"] for place in (0, 4)] == [1200, 600]
    ids = [answers[place]["context"]["decision_id"] for place in (0, 1, 4)]
    assert ids == ["call-1-0", "call-1-1", "call-1-4"]
    assert [line["decision_id"] for line in pdp.decisions] == [f"call-1-{n}" for n in range(5)]


def test_a_reason_with_an_email_is_not_sent() -> None:
    """A reason with an e-mail isn't sent; the answer points to the log."""
    request = Request(Resource(), ())
    named = Duty("incident.io", ON_CALL, "S1", "for ann@x.io", JANE)
    reason = "Approved: on call for ann@x.io"
    hour = timedelta(hours=1)
    yes = Decision(request, reason, (named,), duration=hour, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert evaluation(yes, "c-0")["context"]["reason"] == (
        "Approved by a duty whose name isn't shown here; find it in the log by its id"
    )
    no = Decision(request, 'rule "ann@x.io" denies it')
    assert evaluation(no, "c-0")["context"]["reason"] == (
        "The reason isn't shown here; find it in the log by the decision's id"
    )


def test_an_item_that_cannot_be_read_is_logged(pdp: Pdp) -> None:
    """An unreadable item is logged as left to humans, with the error."""
    pdp.ask_all(BAD, "x", YES)
    assert [(line["outcome"], line["reason"]) for line in pdp.decisions[:2]] == [
        ("abstain", "the item can't be read: action is not an object"),
        ("abstain", "the item can't be read: the item is not an object"),
    ]
    assert [(line["number"], line["of"]) for line in pdp.decisions] == [(0, 3), (1, 3), (2, 3)]


def test_a_name_that_is_not_mapped_is_logged(pdp: Pdp) -> None:
    """A subject that isn't mapped is logged, so that somebody can map it."""
    names = ["nobody", "n" * 1000, "jane", JANE, JANE.upper()]
    pdp.ask_all(*({"subject": {"type": "user", "id": name}} for name in names), **QUESTION)
    lines = [(line["requester"], line.get("requester_id")) for line in pdp.decisions]
    assert lines == [
        *(("", "nobody"), ("", "n" * 200)),
        *((JANE, "jane"), (JANE, None), (JANE, None)),
    ]
    assert {line["whole"] for line in pdp.decisions} == {True}


YES, NO, BAD = (
    QUESTION,
    {**QUESTION, "subject": {"type": "user", "id": JOAN}},
    {**QUESTION, "action": 7},
)


@pytest.mark.parametrize(
    ("semantic", "items", "decisions"),
    [
        ("execute_all", [NO, YES, BAD], [False, True, False]),
        (None, [NO, YES], [False, True]),
        ("deny_on_first_deny", [YES, NO, YES], [True, False]),
        ("deny_on_first_deny", [YES, BAD, YES], [True, False]),
        ("deny_on_first_deny", [YES, YES], [True, True]),
        ("permit_on_first_permit", [NO, BAD, YES, NO], [False, False, True]),
        ("permit_on_first_permit", [NO, BAD], [False, False]),
        ("permit_on_first_permit", [BAD], [False]),
    ],
)
def test_semantics(
    pdp: Pdp, semantic: str | None, items: list[object], decisions: list[bool]
) -> None:
    """Answer and log end with the item that decides."""
    answers = pdp.ask_all(*items, options={"evaluations_semantic": semantic})
    assert [answer["decision"] for answer in answers] == decisions
    assert [line["outcome"] == "approve" for line in pdp.decisions] == decisions
    assert {line["of"] for line in pdp.decisions} == {len(decisions)}


def test_a_dry_run_denies_first(opened: Opener) -> None:
    """In dry run, the answer ends as if each item were denied."""
    pdp = opened(AUTO_APPROVAL_DRY_RUN="true")
    options = {"evaluations_semantic": "deny_on_first_deny"}
    assert [one["decision"] for one in pdp.ask_all(YES, YES, options=options)] == [False]
    assert [line["outcome"] for line in pdp.decisions] == ["approve"]
    options = {"evaluations_semantic": "permit_on_first_permit"}
    assert [one["decision"] for one in pdp.ask_all(YES, YES, options=options)] == [False] * 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"options": {"evaluations_semantic": "any"}},
            (
                "options.evaluations_semantic is not one of execute_all, deny_on_first_deny, "
                "permit_on_first_permit"
            ),
        ),
        ({"options": {"evaluations_semantic": 1}}, "options.evaluations_semantic is not a string"),
        ({"options": []}, "options is not an object"),
        ({"evaluations": {}}, "evaluations is not a list"),
    ],
)
def test_malformed_batch(pdp: Pdp, fields: dict[str, Any], message: str) -> None:
    """A malformed batch gets a 400 as a whole."""
    body = {"evaluations": [QUESTION], **fields}
    assert pdp.call(body, EVALUATIONS) == (400, {"error": {"status": 400, "message": message}})


@pytest.mark.parametrize("items", [{}, {"evaluations": []}, {"evaluations": None}])
def test_batch_of_none(pdp: Pdp, items: dict[str, Any]) -> None:
    """A batch without items is a single question, with a single answer."""
    http, answer = pdp.call({**QUESTION, **items}, EVALUATIONS)
    jsonschema.validate(answer, ANSWER)
    assert (http, answer["decision"]) == (200, True)


def test_two_hundred_at_most(pdp: Pdp) -> None:
    """A batch of more than 200 items is refused as a whole."""
    assert [one["decision"] for one in pdp.ask_all(*[{}] * 200, **QUESTION)] == [True] * 200
    pdp.log.clear()
    http, answer = pdp.call({**QUESTION, "evaluations": [{}] * 201}, EVALUATIONS)
    message = "the call asks for 201 resources: at most 200 are decided at once"
    assert (http, answer["error"]["message"]) == (413, message)
    assert not pdp.decisions


@pytest.mark.parametrize(
    ("properties", "count"),
    [
        ({str(number): "" for number in range(101)}, 20),
        ({str(number): "" for number in range(2001)}, 1),
        ({"a": "x" * 5000}, 10),
        ({"a": "x" * 50_001}, 1),
        ({}, 1),
    ],
)
def test_size_counts_what_items_inherit(pdp: Pdp, properties: dict[str, str], count: int) -> None:
    """Defaults count once for each item that inherits them."""
    resource = {**RESOURCE, "properties": properties}
    body = {**QUESTION, "resource": resource, "evaluations": [{}] * count}
    assert pdp.call(body, EVALUATIONS)[0] == (413 if properties else 200)


@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS])
def test_properties_of_other_types_count_as_well(pdp: Pdp, path: str) -> None:
    """Properties that aren't texts count for the limit, though they aren't labels."""

    def call(count: int) -> tuple[int, dict[str, Any]]:
        properties = {str(number): number for number in range(count)}
        resource = {**RESOURCE, "properties": properties}
        return pdp.call({**QUESTION, "resource": resource, "evaluations": [{}] * 200}, path)

    assert call(2000)[0] == 200
    error = {"status": 413, "message": "resource.properties has more than 2000 entries"}
    assert call(2001) == (413, {"error": error})


def test_an_action_that_is_too_long(pdp: Pdp) -> None:
    """An action of more than 200 characters is an error of its item, and isn't approved."""
    longest = pdp.ask(action={"name": "x" * 200})
    assert longest["decision"] is False
    too_long = {"name": "x" * 201}
    error = {"status": 400, "message": "action.name is longer than 200 characters"}
    assert pdp.call({**QUESTION, "action": too_long}) == (400, {"error": error})
    answers = pdp.ask_all({}, {"action": too_long}, **QUESTION)
    assert [answer["decision"] for answer in answers] == [True, False]
    assert answers[1]["context"] == {"error": error}


def test_actions_count_for_the_size_of_a_call(pdp: Pdp) -> None:
    """The actions of all items count for the size of the call."""

    def call(length: int) -> int:
        body = {
            "subject": {"type": "u", "id": "y" * 49},
            "resource": {"type": "d", "id": "z" * (length - 1 - 50 - 199)},
            "action": {"name": "x" * 199},
        }
        return pdp.call({**body, "evaluations": [{}] * 100}, EVALUATIONS)[0]

    assert call(500) == 200
    assert call(501) == 413


@pytest.mark.parametrize("entity", ["subject", "resource"])
@pytest.mark.parametrize(
    ("items", "length"), [(0, 900_000), (1, 900_000), (200, 49_000), (2, 30_000)]
)
def test_size_is_checked_before_a_text_is_scanned(
    pdp: Pdp, monkeypatch: pytest.MonkeyPatch, items: int, length: int, entity: str
) -> None:
    """A text that is too long is refused before it's searched for an e-mail."""

    def scan(text: str) -> bool:
        assert len(text) < 100, "a long text is scanned"
        return False

    monkeypatch.setattr("handler.emails.has_at", scan)
    body: dict[str, Any] = {**QUESTION, entity: {"type": "x", "id": "%40%" * (length // 4)}}
    body["evaluations"] = [{}] * items
    assert pdp.call(body, EVALUATIONS)[0] == 413
    if items < 2:
        assert pdp.call(body)[0] == 413
    assert not pdp.decisions


@pytest.mark.parametrize(
    ("settings", "url"),
    [({}, f"https://{HOST}"), ({"PUBLIC_URL": "https://a.test/"}, "https://a.test")],
)
def test_metadata(opened: Opener, settings: dict[str, str], url: str) -> None:
    """The metadata is public, and has PUBLIC_URL or AWS's address."""
    headers = {"authorization": None, "content-type": None, "host": "evil.test"}
    assert opened(**settings).call("", METADATA, headers, "GET") == (
        200,
        {
            "policy_decision_point": url,
            "access_evaluation_endpoint": f"{url}/access/v1/evaluation",
            "access_evaluations_endpoint": f"{url}/access/v1/evaluations",
        },
    )


def test_metadata_causes_no_fetch(opened: Opener) -> None:
    """The metadata is answered without fetching the secret."""
    pdp = opened(HANDLER_SECRET_ARN="arn:aws:s3:::bucket", HANDLER_CALLERS="authzen")
    assert pdp.call("", METADATA, {"authorization": None}, "GET")[0] == 200


@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS, METADATA])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_switched_off(opened: Opener, path: str, method: str) -> None:
    """Without AUTHZEN_TOKEN all paths answer 404, even if the previous token is set."""
    pdp = opened(AUTHZEN_TOKEN="", INDENT_WEBHOOK_SECRET="a-signing-secret")
    headers = {"authorization": f"Bearer {PREVIOUS}"}
    assert pdp.call(path=path, headers=headers, method=method)[0] == 404


def test_indent_switched_off(pdp: Pdp) -> None:
    """If Indent is off, its paths answer 404."""
    assert pdp.call(path="/")[0] == pdp.call(path="/indent")[0] == 404


def test_dry_run(opened: Opener) -> None:
    """In dry run nobody is approved; the log has what would be approved."""
    pdp = opened(AUTO_APPROVAL_DRY_RUN="true")
    answer = pdp.ask()
    assert answer["decision"] is False
    assert answer["context"]["reason"] == "in dry run, humans decide"
    assert pdp.decisions[0]["outcome"] == "approve"


def test_a_provider_that_fails(opened: Opener, double: IncidentIO) -> None:
    """If a provider fails, the answer is a denial with the reason, not an HTTP error."""
    pdp = opened()
    double.fail("/", faults.Status(500))
    try:
        answer = pdp.ask()
    finally:
        double.clear_faults()
    assert answer["decision"] is False
    assert answer["context"]["reason"].endswith("; no complete answer came from incident.io")


@pytest.mark.parametrize(("setting", "ago", "most"), [("0.5", 0, 0.5), ("6", 60, 0), ("12", 0, 12)])
def test_its_deadline(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, setting: str, ago: float, most: float
) -> None:
    """The deadline is a setting, and counts from when AWS received the call."""
    left: list[float] = []

    def decide(*arguments: Any) -> Outcome:  # noqa: ANN401 - passed on as they are
        left.append(arguments[-1].left())
        return collect_and_decide(*arguments)

    monkeypatch.setattr("handler.app.collect_and_decide", decide)
    pdp = opened(AUTHZEN_DEADLINE=setting)
    context = {"http": {"method": "POST"}, "timeEpoch": int((time.time() - ago) * 1000)}
    http, answer = pdp.call(requestContext=context)
    assert http == 200
    assert most or answer["decision"] is False
    assert max(0, most - 2) <= left[0] <= most


@pytest.mark.parametrize(
    "settings",
    [{"AUTHZEN_DEADLINE": "soon"}, {"AUTO_APPROVAL_DURATION": "ever"}, {"AUTHZEN_TOKEN": "short"}],
)
def test_wrong_settings(opened: Opener, settings: dict[str, str]) -> None:
    """Wrong settings give an error that doesn't name them; the log does."""
    pdp = opened(**settings)
    http, answer = pdp.call()
    assert (http, [*answer]) == (500, ["error"])
    (key,) = settings
    assert key not in str(answer)
    assert key in pdp.log[0]["why"]


def test_secret_that_cannot_be_read(opened: Opener) -> None:
    """If the secret can't be read, the answer is a 503 without a decision."""
    pdp = opened(HANDLER_SECRET_ARN="arn:aws:s3:::bucket", HANDLER_CALLERS="authzen")
    http, answer = pdp.call()
    assert (http, [*answer]) == (503, ["error"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["access", "db", "1h"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["subject", "resource", "action", "context", "type", "id", "name"])
            | st.sampled_from(["properties", "reason", "duration", "evaluations", "options"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
QUESTIONS = st.fixed_dictionaries(
    {name: st.just(value) | JSON for name, value in NO.items()},
    optional={"context": JSON, "evaluations": JSON, "options": JSON},
)


@STEADY
@given(body=QUESTIONS | JSON, path=st.sampled_from([EVALUATION, EVALUATIONS]))
def test_no_body_raises_or_approves_joan(shared: Pdp, body: object, path: str) -> None:
    """No body causes a 5xx, or approves a person without a duty."""
    shared.log.clear()
    http, answer = shared.call(body, path)
    assert http in {200, 400, 413}
    assert "true" not in json.dumps([one["decision"] for one in answer.get("evaluations", [])])
    assert answer.get("decision") is not True


@STEADY
@given(
    headers=st.dictionaries(
        st.sampled_from(["authorization", "content-type", "x-request-id"]), st.text() | st.none()
    )
)
def test_no_header_raises_or_approves(shared: Pdp, headers: dict[str, Any]) -> None:
    """Without the token, no headers cause anything but a 401."""
    http, _ = shared.call(headers={"authorization": None, **headers})
    assert http == 401
