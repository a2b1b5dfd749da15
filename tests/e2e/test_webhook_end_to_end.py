"""The deployed zip at its URL: every kind of answer, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from handler import __version__
from handler.callers.base import MOST_BODY_BYTES
from handler.providers.registry import PROVIDERS
from sandbox.demo_data import DAN, JANE, NORA, OMAR, RITA
from sandbox.local_aws.resources.awslambda import PUBLIC_STATEMENTS
from sandbox.stack import Sandbox
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.server import Fault
from tests.e2e.webhook_calls import (
    BINARY,
    JSON,
    NOTHING,
    Webhook,
    duration_of,
    over_http,
    request_of,
)

FORGED = "not-the-secret-of-this-webhook"
TOO_LARGE = b" " * (MOST_BODY_BYTES + 1)


@pytest.fixture
def webhook(sandbox: Sandbox) -> Webhook:
    """The webhook at its URL."""
    return Webhook(sandbox.webhook_secret, over_http(sandbox.url))


@pytest.fixture
def double(sandbox: Sandbox) -> Iterator[IncidentIO]:
    """The provider, whose faults are cleared afterwards."""
    assert sandbox.double
    yield sandbox.double
    sandbox.double.clear_faults()


class Log:
    """The function's log from now on; a line may arrive after its answer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._log = sandbox.log
        self._since = len(sandbox.log.records)

    def next(self, message: str, **parts: str) -> dict[str, Any]:
        """Wait for the first line with this message whose fields contain these parts."""

        def matches(line: dict[str, Any]) -> bool:
            return line.get("message") == message and all(
                part in str(line[field]) for field, part in parts.items()
            )

        record = self._log.wait_for(matches, since=self._since, seconds=30)
        assert record, self._log.records[self._since :]
        return record


@pytest.fixture
def log(sandbox: Sandbox) -> Log:
    """The lines that the function logs in this test."""
    return Log(sandbox)


class TestOrder:
    """Checks have a fixed order; nothing is parsed before its signature is verified."""

    def test_method_is_checked_first(self, webhook: Webhook) -> None:
        """A wrong method is a 405, whatever else is wrong."""
        for method, body in (("GET", b""), ("PUT", TOO_LARGE)):
            answer = webhook.post(body, {}, method)
            assert (answer.http, answer.body["status"]["code"]) == (405, 3)

    def test_size_goes_before_the_signature(self, webhook: Webhook) -> None:
        """A body over 1 MiB is a 413, signed or not, as text or base64."""
        unsigned = webhook.post(TOO_LARGE, JSON)
        signed = webhook.call(TOO_LARGE, headers=BINARY)
        for answer in (unsigned, signed):
            assert (answer.http, answer.body["status"]["code"]) == (413, 3)

    def test_largest_body_is_read(self, webhook: Webhook) -> None:
        """A body of exactly 1 MiB is read."""
        body = json.dumps({"info": True}).ljust(MOST_BODY_BYTES)
        assert webhook.call(body).http == 200

    def test_signature_is_checked_before_the_body(self, webhook: Webhook, log: Log) -> None:
        """Any invalid signature gets the same 401; only the log has the reason."""
        answers = [
            webhook.post(b"{not JSON", JSON),
            webhook.call(b"{not JSON", secret=FORGED),
            webhook.call({"info": True}, secret=FORGED),
            webhook.call({"info": True}, age=timedelta(seconds=310)),
            webhook.call({"info": True}, age=timedelta(seconds=-310)),
            webhook.post(b"", {}),
        ]
        assert [(answer.http, answer.body["status"]["code"]) for answer in answers] == [
            (401, 16)
        ] * 6
        assert len({json.dumps(answer.body) for answer in answers}) == 1
        for why in ("missing", "is wrong", "timestamp is 310 s old", "timestamp is -310 s old"):
            assert log.next("refused", why=why)["http"] == 401

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ("", "not JSON"),
            ("[]", "not a JSON object"),
            ("null", "not a JSON object"),
            ("{", "not JSON"),
            (b'{"info": "\xff"}', "not JSON in UTF-8"),
            ("[" * 100_000, "not JSON"),
            ({"events": {}}, "events is not a list"),
            ({"events": [{"event": "access/request", "actor": {"email": []}}]}, "actor.email"),
        ],
    )
    def test_body_that_cannot_be_read(self, webhook: Webhook, body: object, problem: str) -> None:
        """A signed body of the wrong shape is a 400 that names the problem."""
        answer = webhook.call(body)
        assert (answer.http, answer.body["status"]["code"]) == (400, 3)
        assert problem in answer.body["status"]["message"]

    @pytest.mark.parametrize(
        "body", [{}, {"hello": 1}, {"events": [request_of(JANE), {"event": "access/grant"}]}]
    )
    def test_call_that_is_not_answered(self, webhook: Webhook, body: object) -> None:
        """An unknown call is a 404 that names the known ones."""
        answer = webhook.call(body)
        assert (answer.http, answer.body["status"]["code"]) == (404, 5)
        assert "GetDecision, PullUpdate, GetInfo" in answer.body["status"]["message"]


class TestAnswers:
    """The answers to valid calls."""

    def test_info(self, webhook: Webhook) -> None:
        """GetInfo returns name and version."""
        answer = webhook.call({"info": True})
        (detail,) = answer.body["status"]["details"]
        (about,) = json.loads(detail["detail"])["integrations"]
        assert (about["name"], about["version"]) == ("oncall-approvals", __version__)

    def test_bots(self, webhook: Webhook) -> None:
        """PullUpdate returns each provider's bot for its kind, and nothing for other kinds."""
        for kinds, ids in (
            (["indent.v1.Bot"], [f"{provider.id}-approval-bot" for provider in PROVIDERS]),
            (["user"], []),
            ([], []),
        ):
            answer = webhook.call({"kinds": kinds})
            assert (answer.http, answer.body["status"]) == (200, {"code": 0})
            assert [bot["id"] for bot in answer.body["resources"]] == ids

    def test_lead_of_a_live_incident_is_approved(self, webhook: Webhook, log: Log) -> None:
        """The claim has bot, requester and resources, as does the log line."""
        event = request_of(JANE)
        (claim,) = webhook.ask(event)
        assert claim["event"] == "access/approve"
        assert claim["actor"]["id"] == "incidentio-approval-bot"
        assert claim["resources"] == [event["actor"], *event["resources"]]
        lead = "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
        assert claim["reason"] == f"Approved: {lead}"
        assert duration_of(claim) == "6h0m0s"
        petition = event["meta"]["labels"]["petition"]
        assert claim["meta"]["labels"]["petition"] == petition
        line = log.next("decision", petition=petition)
        assert (line["outcome"], line["requester"], line["duration"]) == ("approve", JANE, "6h0m0s")

    def test_person_on_shift_is_approved(self, webhook: Webhook) -> None:
        """The reason names the schedule and the end of the shift."""
        (claim,) = webhook.ask(request_of(OMAR))
        assert claim["reason"].startswith("Approved: on call for Production (incident.io) until ")

    @pytest.mark.parametrize("email", [RITA, DAN, NORA, "eve@elsewhere.example", ""])
    def test_everyone_else_is_not(self, webhook: Webhook, email: str) -> None:
        """Reporters, self-declared leads, people off duty, and unknown people get no claim."""
        answer = webhook.call({"events": [request_of(email)]})
        assert (answer.http, answer.body) == (200, NOTHING)

    def test_body_as_base64(self, webhook: Webhook) -> None:
        """The signature of a base64 body is verified over its bytes."""
        body = json.dumps({"events": [request_of(JANE, reason="dépannage")]}, ensure_ascii=False)
        answer = webhook.call(body, headers=BINARY)
        assert (answer.http, len(answer.claims)) == (200, 1)


@pytest.mark.parametrize("statement", PUBLIC_STATEMENTS, ids=lambda statement: statement["Action"])
def test_url_needs_both_public_statements(
    sandbox: Sandbox, webhook: Webhook, statement: dict[str, Any]
) -> None:
    """Without either statement calls get 403; once restored, they are answered."""
    functions, name = sandbox.aws.client("lambda"), sandbox.deployment.function.config.name
    functions.remove_permission(FunctionName=name, StatementId=statement["StatementId"])
    try:
        assert webhook.call({"info": True}).http == 403
    finally:
        functions.add_permission(FunctionName=name, Principal="*", **statement)
    assert webhook.call({"info": True}).http == 200


@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(500),
        faults.Status(401),
        faults.HangUp(),
        faults.Garbage(),
        faults.Hang(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_failing_provider_makes_no_claim(
    webhook: Webhook, double: IncidentIO, log: Log, fault: Fault
) -> None:
    """If the provider fails, the answer is a 200 without a claim, and the log says so."""
    double.fail("/v2/", fault)
    answer = webhook.call({"events": [request_of(JANE)]})
    assert (answer.http, answer.body) == (200, NOTHING)
    line = log.next("decision")
    assert (line["outcome"], line["level"]) == ("abstain", "INFO")
    assert {failure.partition(":")[0] for failure in line["provider_failures"]} == {
        "incident.io incidents",
        "incident.io schedules",
    }


def test_one_list_failing_does_not_hide_the_other(
    webhook: Webhook, double: IncidentIO, log: Log
) -> None:
    """If schedules fail, the lead is approved, and the person on shift isn't."""
    double.fail("/v2/schedules", faults.Status(500))
    (claim,) = webhook.ask(request_of(JANE), request_of(OMAR))
    assert claim["resources"][0]["email"] == JANE
    (failure,) = log.next("decision")["provider_failures"]
    assert failure.startswith("incident.io schedules: answered 500")


def test_nothing_leaks(sandbox: Sandbox, webhook: Webhook, log: Log) -> None:
    """The log has no secret, signature, reason, or other person's e-mail."""
    webhook.ask(request_of(NORA, reason="the password is hunter2"))
    webhook.call({"events": [request_of(NORA)]}, secret=FORGED)
    webhook.call({"events": [{"event": "access/request", "actor": {"email": ["hunter3"]}}]})
    log.next("refused", http="400")
    lines = sandbox.log.file.read_text(encoding="utf-8")
    assert "hunter" not in lines
    assert sandbox.webhook_secret not in lines
    assert sandbox.variables()["INCIDENTIO_API_KEY"] not in lines
    of_nora = [line for line in lines.splitlines() if NORA in line]
    assert of_nora
    assert not any(other in line for line in of_nora for other in (JANE, OMAR, RITA, DAN))
