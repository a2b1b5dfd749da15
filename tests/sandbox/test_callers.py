"""Each caller that the sandbox imitates sends real requests and reads the answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest

import sandbox.__main__ as commands
from cli.access_request import AccessRequest, UnsupportedRequestError
from cli.webhook_client import WebhookAnswer
from handler.callers import CALLERS
from handler.rules.model import Policy
from sandbox import env_file
from sandbox.callers import SENDERS
from sandbox.callers.authzen import AuthZen
from sandbox.callers.base import Verdict, verdict_of
from sandbox.callers.conductorone import ConductorOne
from sandbox.callers.indent import Indent
from sandbox.demo_data import JANE, NORA
from sandbox.stack import Sandbox
from tests.handler.authzen_schema import QUESTION_SCHEMA
from tests.handler.scripted import Scripted, reply
from tests.support.projects import project_in

HOUR = timedelta(hours=1)
REQUEST = AccessRequest(JANE, (("", "prod-db"),), duration=HOUR, reason="INC-7 — läuft voll")


def test_each_caller_has_a_sender() -> None:
    """The sandbox can imitate every caller of the function."""
    assert [*SENDERS] == [entry.name for entry in CALLERS]


@pytest.fixture
def webhook() -> Iterator[Scripted]:
    """A server that records requests."""
    with Scripted(reply(b"{}")) as server:
        yield server


def test_indent_signs_time_and_body(webhook: Scripted) -> None:
    """The signature matches one computed here from the received request."""
    Indent(webhook.url, "wks0-a-secret-of-the-test").send(REQUEST)
    (call,) = webhook.requests
    timestamp = call.headers["x-indent-timestamp"]
    signed = b"v0:" + timestamp.encode() + b":" + call.body
    digest = hmac.new(b"wks0-a-secret-of-the-test", signed, hashlib.sha256).hexdigest()
    assert digest in call.headers["x-indent-signature"]
    (event,) = json.loads(call.body)["events"]
    assert event["reason"] == REQUEST.reason
    assert event["resources"][0]["kind"] == "example.v1.Resource"


def test_authzen_sends_a_question_for_each_resource(webhook: Scripted) -> None:
    """Each question has the action and labels, and the token is a bearer token."""
    request = REQUEST._replace(
        resources=(("", "prod-db"), ("group", "g1")), labels={"Env": "Prod"}, action="deploy"
    )
    AuthZen(webhook.url, "the-token").send(request)
    (call,) = webhook.requests
    assert call.target == "/access/v1/evaluations"
    assert call.headers["authorization"] == "Bearer the-token"
    first, second = json.loads(call.body)["evaluations"]
    assert first == {
        "subject": {"type": "user", "id": JANE},
        "action": {"name": "deploy"},
        "resource": {
            "type": "example.v1.Resource",
            "id": "prod-db",
            "properties": {"Env": "Prod"},
        },
        "context": {"reason": REQUEST.reason, "duration": "1h0m0s"},
    }
    assert second["resource"]["type"] == "group"
    for question in (first, second):
        QUESTION_SCHEMA.validate(question)


def test_conductorone_sends_what_its_tenant_signs(webhook: Scripted, sandbox: Sandbox) -> None:
    """An independent library verifies the token with the tenant's keys."""
    ConductorOne(webhook.url, sandbox.tenant.calls_url).send(REQUEST)
    (call,) = webhook.requests
    token = call.headers["authorization"].removeprefix("bearer ")
    keys = pyjwt.PyJWKClient(f"{sandbox.tenant.url}/auth/v1/jwks")
    claims = pyjwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        ["RS256"],
        audience="sandbox.lambda-url.us-west-2.on.aws",
    )
    digest = base64.b64encode(hashlib.sha256(call.body).digest()).decode()
    assert claims["htb_s256"] == digest
    assert call.headers["content-digest"] == f"sha-256={digest}"
    task = json.loads(call.body)["payload"]["taskView"]["task"]
    assert task["description"] == REQUEST.reason


@pytest.mark.parametrize("caller", SENDERS)
def test_answers_of_the_function(sandbox: Sandbox, caller: str) -> None:
    """As every caller, Jane is approved for an hour, and Nora is left to humans."""
    sender = SENDERS[caller].from_variables(sandbox.variables())
    approved = verdict_of(sender, sender.send(REQUEST), REQUEST)
    assert (approved.outcome, approved.duration, approved.http) == ("approved", HOUR, 200)
    assert "Incident Lead of INC-1" in approved.reason
    for_nora = REQUEST._replace(email=NORA)
    assert verdict_of(sender, sender.send(for_nora), for_nora).outcome == "left to humans"
    assert "secret" not in repr(sender)
    assert not any(
        value in repr(sender)
        for name, value in sandbox.variables().items()
        if name in {"INDENT_WEBHOOK_SECRET", "AUTHZEN_TOKEN", "CONDUCTORONE_CALLS_URL"}
    )


ALL = [INDENT, AUTHZEN, CONDUCTORONE] = [
    Indent("", ""),
    AuthZen("", ""),
    ConductorOne("", ""),
]


@pytest.mark.parametrize("sender", ALL, ids=lambda sender: sender.name)
@pytest.mark.parametrize("body", [[], "text", {"claims": 7}, {"evaluations": {}}, {"deny": {}}])
def test_wrong_answers(sender: Indent | AuthZen | ConductorOne, body: Any) -> None:  # noqa: ANN401 - whatever comes
    """An answer that the function wouldn't send is never read as an approval."""
    verdict = verdict_of(sender, WebhookAnswer(200, body), REQUEST)
    # For Indent's caller, an object without claims is a valid answer.
    none = sender is INDENT and isinstance(body, dict) and "claims" not in body
    assert verdict.outcome == ("left to humans" if none else "wrong answer")
    assert verdict_of(sender, WebhookAnswer(401, body), REQUEST) == Verdict("refused", http=401)


@pytest.mark.parametrize("claims", [[{}, {}], [{}], [{"meta": {"labels": {}}}]])
def test_wrong_claims(claims: list[Any]) -> None:
    """Several claims, or a claim without a duration, aren't an approval."""
    verdict = verdict_of(INDENT, WebhookAnswer(200, {"claims": claims}), REQUEST)
    assert verdict.outcome == "wrong answer"


def test_one_denied_resource_denies_the_request() -> None:
    """AuthZEN approves only if all resources are approved, for the shortest duration."""
    two = REQUEST._replace(resources=(("", "a"), ("", "b")))

    def yes(minutes: int) -> dict[str, Any]:
        context = {"duration_seconds": 60 * minutes, "expires_at": "2026-03-04T12:00:00Z"}
        return {"decision": True, "context": {**context, "reason": f"{minutes}"}}

    no = {"decision": False, "context": {"reason": "off duty"}}
    both = verdict_of(AUTHZEN, WebhookAnswer(200, {"evaluations": [yes(60), yes(30)]}), two)
    assert both == Verdict("approved", timedelta(minutes=30), "30")
    one = verdict_of(AUTHZEN, WebhookAnswer(200, {"evaluations": [yes(60), no]}), two)
    assert one == Verdict("left to humans", reason="off duty")


def test_unsupported_requests() -> None:
    """A request that the protocol can't express is refused before it is sent."""
    with pytest.raises(UnsupportedRequestError, match="leave out --action"):
        INDENT.send(REQUEST._replace(action="deploy"))
    with pytest.raises(UnsupportedRequestError, match="leave out --action"):
        CONDUCTORONE.handler_request(REQUEST._replace(action="deploy"), Policy(()))


# The command.


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Path:
    """A project's folder with a running sandbox."""
    monkeypatch.setattr(commands, "ROOT", project_in(tmp_path))
    env_file.write(tmp_path / env_file.FILE, sandbox.variables())
    return tmp_path


AS_JANE = ("--as", JANE, "--resource", "prod-db", "--duration", "1h")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("caller", SENDERS)
def test_send_as_each_caller(caller: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`send` prints the answer as it arrived, then in words."""
    assert commands.main(["send", "--caller", caller, *AS_JANE]) == 0
    printed = capsys.readouterr()
    assert isinstance(json.loads(printed.out), dict)
    lead = "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
    reason = f"{lead}, by the default rule"
    assert printed.err == f"approved for 1 hour: {reason}\n"
    assert commands.main(["send", "--caller", caller, "--as", NORA, *AS_JANE[2:]]) == 0
    assert capsys.readouterr().err.startswith("left to humans")


@pytest.mark.usefixtures("here")
def test_send_with_an_action(capsys: pytest.CaptureFixture[str]) -> None:
    """AuthZEN sends the action; other callers refuse it."""
    assert commands.main(["send", "--caller", "authzen", *AS_JANE, "--action", "deploy"]) == 0
    assert "left to humans" in capsys.readouterr().err
    assert commands.main(["send", "--caller", "conductorone", *AS_JANE, "--action", "deploy"]) == 2
    assert "leave out --action" in capsys.readouterr().err
