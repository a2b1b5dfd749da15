"""`oncall check --caller authzen`: it calls the deployed function and explains the answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handler.callers.authzen import AuthZen
from handler.callers.base import UNREAD_SECRET
from sandbox.demo_data import JANE, NORA, RESOURCE
from sandbox.stack import Sandbox
from tests.cli.stacks import Stack
from tests.handler.scripted import Answer, Scripted, reply

ASKED = f"example.v1.Resource:{RESOURCE}"
AUTHZEN = ("--caller", "authzen")
WRONG = "evaluation: the answer is wrong"
OTHER = "this isn't the function's answer to this call"
UNREADABLE = AuthZen.failure(503, UNREAD_SECRET, {}, None)["body"].encode()
ACCEPTED = reply(b'{"error": {"status": 400, "message": "subject is missing"}}', 400)
FOUND = reply(b'{"policy_decision_point": "https://pdp.example.com"}')


@pytest.fixture
def deployed(tmp_path: Path, sandbox: Sandbox) -> Stack:
    """The sandbox's stack, as the CLI describes it."""
    outputs = {**sandbox.deployment.outputs, "webhook_url": sandbox.url}
    return Stack(tmp_path, outputs, sandbox.authzen_token)


def test_it_works(deployed: Stack) -> None:
    """The check reads AuthZEN's metadata and tries the token of AUTHZEN_TOKEN."""
    answer = deployed.check(*AUTHZEN)
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines == [
        "ok       metadata: AuthZEN is on at https://sandbox.lambda-url.us-west-2.on.aws",
        "ok       token: the token is the deployed one",
    ]
    assert any(call.startswith("config get AUTHZEN_TOKEN") for call in deployed.pulumi_calls)


def test_a_person_on_duty(deployed: Stack, sandbox: Sandbox) -> None:
    """An approval shows duration and rule; the function's log has the check's request id."""
    logged = len(sandbox.log.records)
    answer = deployed.check(*AUTHZEN, "--as", JANE, "--resource", ASKED)
    record = sandbox.log.wait_for(lambda line: line.get("message") == "decision", since=logged)
    assert record
    assert record["caller_request"].startswith("oncall-check-")
    assert answer.status == 0
    assert answer.lines[-1].startswith(
        f"ok       evaluation: {JANE} would get {ASKED} for 6 hours ("
    )
    assert answer.lines[-1].endswith(", by the default rule")
    data = json.loads(
        deployed.run(
            "check", "--stack", "dev", *AUTHZEN, "--as", JANE, "--resource", ASKED, "--json"
        ).out
    )
    assert (data["approved"], data["callers"][0]["approval"]["duration"]) == (True, "6h0m0s")


def test_a_person_off_duty(deployed: Stack) -> None:
    """Without an approval the status is 1, and the remedy explains it or names the log."""
    answer = deployed.check(*AUTHZEN, "--as", NORA, "--resource", ASKED)
    assert answer.status == 1
    no, remedy = answer.lines[-2:]
    left = f"a request by {NORA} for {ASKED} would be left to humans: "
    assert no.startswith(f"no       evaluation: {left}")
    assert f"`oncall explain --as {NORA} --resource {ASKED} --stack dev` explains why" in remedy
    assert "aws logs tail" in remedy


def test_a_wrong_token(tmp_path: Path, sandbox: Sandbox) -> None:
    """A wrong token is reported as not the deployed one."""
    outputs = {**sandbox.deployment.outputs, "webhook_url": sandbox.url}
    answer = Stack(tmp_path, outputs, "another-token-" * 3).check(*AUTHZEN)
    assert answer.status == 1
    assert answer.lines[-2] == "problem  token: HTTP 401: the token isn't the deployed one"


def test_behind_an_http_api(tmp_path: Path) -> None:
    """The ids of its calls are in base64 for URLs; the log is searched for them."""
    no = b'{"evaluations": [{"decision": false, "context": {"decision_id": "RFpm-D1DoEF_Uw=-0"}}]}'
    with Scripted(FOUND, ACCEPTED, reply(no)) as server:
        stack = Stack(tmp_path, {"webhook_url": server.url})
        answer = stack.run("check", "--stack", "dev", *AUTHZEN, "--as", JANE, "--resource", ASKED)
    assert any(line.startswith("no       evaluation: ") for line in answer.lines)
    assert """--filter-pattern '"RFpm-D1DoEF_Uw=-0"'""" in answer.lines[-1]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([reply(b'{"message": "x"}', 404)], "metadata: HTTP 404: AuthZEN is off at "),
        *(
            ([reply(b'{"message": "%s"}' % text, http)], f"metadata: HTTP {http}: API Gateway")
            for http, text in ((401, b"Unauthorized"), (404, b"Not Found"))
        ),
        ([reply(b"{}", 500)], "metadata: HTTP 500: "),
        ([reply(b"[]")], "metadata: what answers at "),
        *(
            ([FOUND, reply(body, 400)], f"token: HTTP 400: {OTHER}")
            for body in (
                b"{}",
                b"",
                b"<html>Bad Request</html>",
                b'{"message": "subject is missing"}',
                b'{"error": {"status": 401, "message": "subject is missing"}}',
                b'{"error": {"status": 400, "message": 7}}',
                b'{"error": {"status": 400, "message": "x", "code": 7}}',
            )
        ),
        ([FOUND, reply(b'{"message": "Unauthorized"}', 401)], "token: HTTP 401: API Gateway lets"),
        *(
            ([FOUND, reply(body, 401)], f"token: HTTP 401: {OTHER}")
            for body in (
                b'{"error": "denied"}',
                b'{"error": {"status": 400, "message": "The call is not authenticated."}}',
            )
        ),
        (
            [FOUND, reply(b'{"error": {"status": 401, "message": "as it was once said"}}', 401)],
            "token: HTTP 401: the token isn't the deployed one",
        ),
        ([FOUND, reply(b"<html>", 401)], "token: HTTP 401: something in front of "),
        ([FOUND, reply(b"{}", 503)], "token: HTTP 503: AWS itself failed"),
        ([FOUND, reply(UNREADABLE, 503)], "token: HTTP 503: the function cannot read its secret"),
        ([FOUND, ACCEPTED, reply(b"{}", 500)], "evaluation: HTTP 500: "),
        ([FOUND, ACCEPTED, reply(b"{}")], "evaluation: the answer is wrong"),
        (
            [FOUND, ACCEPTED, reply(b'{"evaluations": [{"decision": true}]}')],
            "evaluation: the answer is wrong",
        ),
        *(
            ([FOUND, ACCEPTED, reply(b'{"evaluations": [%s]}' % item)], WRONG)
            for item in (
                b'{"decision": "yes"}',
                b'{"decision": true, "context": {"duration_seconds": 60, "expires_at": "soon"}}',
                b'{"decision": true, "context": {"duration_seconds": "60"}}',
                b'{"decision": false, "context": {"expires_at": "2026-03-04T12:00:00Z"}}',
                b'{"decision": false, "context": {"duration_seconds": 60}}',
                b'{"decision": false}, {"decision": false}',
                b'{"decision": false, "context": {"decision_id": "x\' ; date; \'"}}',
                *(
                    b'{"decision": true, "context": {"duration_seconds": %s, "expires_at": '
                    b'"2026-03-04T12:00:00Z"}}' % seconds
                    for seconds in (b"1%s" % (b"0" * 20), b"604801", b"-60", b"true")
                ),
            )
        ),
    ],
)
def test_wrong_answers(tmp_path: Path, answers: list[Answer], problem: str) -> None:
    """The problem names the failed call; an incomplete or malformed answer is never a yes."""
    with Scripted(*answers) as server:
        stack = Stack(tmp_path, {"webhook_url": server.url})
        answer = stack.run("check", "--stack", "dev", *AUTHZEN, "--as", JANE, "--resource", ASKED)
    assert answer.status == 1
    assert any(line.startswith(f"problem  {problem}") for line in answer.lines)
    assert stack.secret not in answer.out


@pytest.mark.parametrize(
    "answers",
    [
        [reply(b'{"policy_decision_point": "%s"}' % (b"x" * 100_000)), ACCEPTED],
        [
            FOUND,
            ACCEPTED,
            reply(
                b'{"evaluations": [{"decision": false, "context": {"reason": "%s"}}]}'
                % (b"x" * 100_000)
            ),
        ],
        [
            FOUND,
            ACCEPTED,
            reply(
                b'{"evaluations": [{"decision": true, "context": {"reason": "%s", '
                b'"duration_seconds": 60, "expires_at": "2026-03-04T12:00:00Z"}}]}'
                % (b"x" * 100_000)
            ),
        ],
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_long_texts_are_cut(tmp_path: Path, answers: list[Answer], form: tuple[str, ...]) -> None:
    """Long texts from the server are cut before they are printed."""
    with Scripted(*answers) as server:
        stack = Stack(tmp_path, {"webhook_url": server.url})
        answer = stack.run(
            "check", "--stack", "dev", *AUTHZEN, "--as", JANE, "--resource", ASKED, *form
        )
    assert answer.status in {0, 1}
    assert "xxx" in answer.out
    assert len(answer.out) < 10_000


@pytest.mark.parametrize(
    ("form", "status", "line"),
    [
        (
            '{"error": {"status": 400, "message": %s}}',
            0,
            "note     token: the token is the deployed one, but the function answers",
        ),
        ('{"message": %s}', 1, f"problem  token: HTTP 400: {OTHER} but"),
    ],
)
def test_other_words_are_quoted(tmp_path: Path, form: str, status: int, line: str) -> None:
    """In the function's own form, a 400 with other words still proves the token.

    Another version may be deployed, or something changes the call. Long words are cut.
    """
    words = json.dumps(f"no \x1b[2J type {'x' * 10_000}")
    with Scripted(FOUND, reply((form % words).encode(), 400)) as server:
        stack = Stack(tmp_path, {"webhook_url": server.url})
        answer = stack.run("check", "--stack", "dev", *AUTHZEN)
    assert answer.status == status
    (printed,) = (text for text in answer.lines if text.startswith(line))
    assert "no \\x1b[2J type xxx" in printed
    assert len(printed) < 500


def test_an_answer_that_has_the_token_is_not_quoted(tmp_path: Path) -> None:
    """AWS's own gateways quote an `Authorization` header that they don't understand."""
    token = "token-of-thirty-two-characters--"
    body = {"message": f"'Bearer {token}' not a valid key=value pair in Authorization header"}
    with Scripted(FOUND, reply(json.dumps(body).encode(), 400)) as server:
        stack = Stack(tmp_path, {"webhook_url": server.url}, token)
        answer = stack.run("check", "--stack", "dev", *AUTHZEN)
    assert answer.status == 1
    assert f"token: HTTP 400: {OTHER}" in answer.out
    assert token not in answer.out + answer.err


def test_a_token_that_cannot_be_sent(tmp_path: Path) -> None:
    """Such a token is neither sent nor printed."""
    with Scripted(FOUND) as server:
        stack = Stack(tmp_path, {"webhook_url": server.url}, "t\u00f6ken-of-thirty-two-characters-")
        answer = stack.run("check", "--stack", "dev", *AUTHZEN)
    assert (answer.status, answer.err) == (1, "")
    assert answer.lines[1].endswith("the request has a character that can't be sent")
    assert "ken-of-thirty" not in answer.out
