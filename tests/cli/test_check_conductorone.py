"""`oncall check --caller conductorone`: only in the sandbox are its calls signed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.access_request import AccessRequest, UnsupportedRequestError
from cli.check_conductorone import read_step_answer, signed_call
from cli.webhook_client import SendError
from handler.callers.conductorone import ENTITLEMENT_KIND
from handler.json_fields import ShapeError
from sandbox.callers.conductorone import TENANT
from sandbox.demo_data import JANE, NORA
from sandbox.stack import Sandbox
from tests.cli.conftest import Answer as Printed
from tests.cli.conftest import Command
from tests.cli.stacks import Stack
from tests.handler.scripted import Answer, Scripted, reply

CONDUCTORONE = ("--caller", "conductorone")
ENTITLEMENT = f"{ENTITLEMENT_KIND}:e-1"
NOT_SIGNED = "note     test: only ConductorOne can sign a call, so no signed call was made"
UNAUTHENTICATED = reply(b'{"message": "The call is not authenticated."}', 401)


@pytest.fixture
def oncall(tmp_path: Path, sandbox: Sandbox) -> Command:
    """The command in a shell that has read `.sandbox/env`."""
    oncall = Command(tmp_path, "").by_the_machines_clock()
    oncall.environment = {**sandbox.variables(), "PATH": str(tmp_path)}
    return oncall


def check(oncall: Command, *arguments: str) -> Printed:
    """Run the check, which must not print the secret part of the tenant's address."""
    answer = oncall("check", *CONDUCTORONE, *arguments)
    secret = oncall.environment["CONDUCTORONE_CALLS_URL"].rpartition("/")[2]
    assert secret not in answer.out + answer.err
    return answer


def test_in_the_sandbox(oncall: Command, sandbox: Sandbox) -> None:
    """An unsigned call is refused, the tenant's keys are valid, and a signed call is answered."""
    answer = check(oncall)
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines == [
        f"ok       address: {sandbox.url}conductorone refuses an unsigned call, as it should",
        f"ok       keys: tenant {TENANT} publishes 1 usable key",
        "ok       test: a signed test call is answered",
    ]


def test_a_person_on_duty(oncall: Command) -> None:
    """The request is for one hour; a shorter limit of the policy shortens the access."""
    answer = check(oncall, "--as", JANE)
    assert answer.status == 0
    yes = f"ok       policy step: {JANE} would get {ENTITLEMENT_KIND}:oncall-check for 1 hour ("
    assert answer.lines[-1].startswith(yes)
    oncall.environment["AUTO_APPROVAL_DURATION"] = "20m"
    assert (
        f"{JANE} would get {ENTITLEMENT} for 20 minutes ("
        in check(oncall, "--as", JANE, "--resource", ENTITLEMENT, "--label", "app=aws").lines[-1]
    )


def test_a_person_off_duty(oncall: Command) -> None:
    """Without an approval the status is 1, and the reason is shown."""
    answer = check(oncall, "--as", NORA)
    assert answer.status == 1
    no, remedy = answer.lines[-2:]
    assert no.startswith(f"no       policy step: a request by {NORA} for ")
    assert " would be left to humans: " in no
    assert "function.log" in remedy


def test_a_resource_that_cannot_be_requested(oncall: Command) -> None:
    """For a resource that isn't an entitlement, a note replaces the decision."""
    answer = check(oncall, "--as", JANE, "--resource", "postgres.v1.Role:db-1")
    assert answer.status == 0
    assert answer.lines[-1] == (
        "note     policy step: no decision was asked for: ConductorOne requests entitlements, not "
        f"postgres.v1.Role:db-1: give for example --resource {ENTITLEMENT_KIND}:db-1 "
        "--label app=app-1"
    )


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (AccessRequest(JANE, (("", "a"), ("", "b"))), "give --resource once"),
        (AccessRequest(JANE, (("", "a"),), {"Env": "Prod"}), "has the label app only, not Env"),
        (AccessRequest(JANE, (("", "a"),), action="deploy"), "leave out --action"),
    ],
)
def test_requests_that_cannot_be_made(request_: AccessRequest, problem: str) -> None:
    """Each error names the option to change."""
    with pytest.raises(UnsupportedRequestError, match=problem):
        signed_call("http://127.0.0.1:1/", request_)


@pytest.mark.parametrize("answer", [reply(b"{}"), reply(b"[]"), reply(b"?", 404)])
def test_a_tenant_that_makes_no_call(answer: Answer) -> None:
    """The error names the tenant's address without its secret part."""
    with Scripted(answer) as server, pytest.raises(SendError) as error:
        signed_call(f"{server.url}/calls/s3cret", None)
    assert "makes no call" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_a_tenant_with_an_invalid_address() -> None:
    """An invalid address is neither called nor printed."""
    for url in ("http://[::1/calls/s3cret", "http://jane:s3cret@[::1/"):
        with pytest.raises(SendError, match="makes no call") as error:
            signed_call(url, None)
        assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"approve": {"comment": "fine"}},
        {"replacePolicy": {"policySteps": []}},
        {"replacePolicy": {"policySteps": [{"approval": {}}]}},
        {"replacePolicy": {"policySteps": [{"accept": {}}, {"approval": {}}]}},
        {"deny": {"comment": "Left to humans: no"}},
    ],
)
def test_wrong_answers_to_a_step(body: object) -> None:
    """Only the function's two exact answers are accepted."""
    with pytest.raises(ShapeError):
        read_step_answer(body)


# A deployed stack, for which only ConductorOne can sign calls.


@pytest.fixture
def deployed(tmp_path: Path, sandbox: Sandbox) -> Stack:
    """The sandbox's stack, as the CLI describes it."""
    stack = Stack(tmp_path, {**sandbox.deployment.outputs, "webhook_url": sandbox.url})
    stack.write_settings(**sandbox.tenant.settings)
    return stack


def test_a_deployed_stack(deployed: Stack, sandbox: Sandbox) -> None:
    """The unsigned call and the keys are checked; a note explains how to send a signed one."""
    answer = deployed.check(*CONDUCTORONE, "--as", JANE)
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines == [
        f"ok       address: {sandbox.url}conductorone refuses an unsigned call, as it should",
        f"ok       keys: tenant {TENANT} publishes 1 usable key",
        NOT_SIGNED,
        "         remedy: in ConductorOne, open Integrations > Webhooks, and choose Test webhook",
    ]
    data = deployed.run("check", "--stack", "dev", *CONDUCTORONE, "--as", JANE, "--json").json
    assert (data["ok"], data["approved"]) == (True, None)
    assert not any("config get" in call for call in deployed.pulumi_calls)


@pytest.mark.parametrize(
    ("answer", "problem", "remedy"),
    [
        (reply(b'{"message": "x"}', 404), "HTTP 404: ConductorOne is off at ", "set CONDUCTORONE"),
        *(
            (reply(b'{"message": "%s"}' % text, http), f"HTTP {http}: API Gateway lets ", "by hand")
            for http, text in ((401, b"Unauthorized"), (404, b"Not Found"))
        ),
        (reply(b"{}"), "what answers at ", "see the log"),
        (reply(b'{"message": "Who is it?"}', 401), "what answers at ", "see the log"),
        (reply(b"{}", 429), "HTTP 429: ", "RESERVED_CONCURRENCY"),
        (reply(b"{}", 502), "HTTP 502: ", "see the log"),
    ],
)
def test_a_wrong_address(tmp_path: Path, answer: Answer, problem: str, remedy: str) -> None:
    """Each status has its remedy, and stops further calls."""
    with Scripted(answer) as server:
        stack = Stack(tmp_path, {"webhook_url": server.url})
        stack.write_settings(CONDUCTORONE_TENANT="acme")
        printed = stack.check(*CONDUCTORONE)
    assert printed.status == 1
    first, second = printed.lines
    assert first.startswith(f"problem  address: {problem}")
    assert remedy in second


@pytest.mark.parametrize(
    ("answer", "settings", "problem", "remedy"),
    [
        (reply(b"{}", 404), {}, "HTTP 404 at ", "isn't the first part of your tenant's address"),
        (reply(b'{"keys": []}'), {}, "no RSA key for RS256", "choose RS256 in ConductorOne"),
        (reply(b"[]"), {}, "the key set", "choose RS256 in ConductorOne"),
        (
            reply(b"{}"),
            {"CONDUCTORONE_TENANT": "a b"},
            "CONDUCTORONE_TENANT is 'a b'",
            "correct it",
        ),
    ],
)
def test_wrong_keys(
    tmp_path: Path, answer: Answer, settings: Mapping[str, str], problem: str, remedy: str
) -> None:
    """The error describes the key set or the tenant, and the remedy how to correct it."""
    with Scripted(UNAUTHENTICATED) as server, Scripted(answer) as tenant:
        stack = Stack(tmp_path, {"webhook_url": server.url})
        stack.write_settings(
            **{"CONDUCTORONE_TENANT": "acme", "CONDUCTORONE_BASE_URL": tenant.url, **settings}
        )
        printed = stack.check(*CONDUCTORONE)
    assert printed.status == 1
    first, second = printed.lines[1:]
    assert first.startswith("problem  keys: ")
    assert problem in first
    assert remedy in second


def test_keys_that_cannot_be_read(tmp_path: Path) -> None:
    """If nothing listens at the address of the keys, the error names it."""
    with Scripted(UNAUTHENTICATED) as server:
        stack = Stack(tmp_path, {"webhook_url": server.url})
        stack.write_settings(CONDUCTORONE_TENANT="acme", CONDUCTORONE_BASE_URL="http://127.0.0.1:1")
        printed = stack.check(*CONDUCTORONE)
    assert "http://127.0.0.1:1/auth/v1/jwks did not answer" in printed.lines[1]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([reply(b"{}", 401)], "test: HTTP 401: the function refuses the tenant's signature"),
        ([reply(b"{}", 500)], "test: HTTP 500: "),
        ([reply(b"{}")], "test: the answer to a test call is wrong"),
        ([reply(b'{"version": "v1"}'), reply(b"{}")], "policy step: the answer is wrong"),
        ([reply(b'{"version": "v1"}'), reply(b"{}", 410)], "policy step: HTTP 410: "),
    ],
)
def test_wrong_answers_to_signed_calls(
    oncall: Command, answers: list[Answer], problem: str
) -> None:
    """An answer that isn't exactly as expected is a problem."""
    with Scripted(UNAUTHENTICATED, *answers) as server:
        oncall.environment["WEBHOOK_URL"] = server.url
        printed = check(oncall, "--as", JANE)
    assert printed.status == 1
    assert any(line.startswith(f"problem  {problem}") for line in printed.lines)


def test_a_tenant_that_is_gone(oncall: Command) -> None:
    """If the sandbox's tenant is gone, the remedy is to start the sandbox again."""
    oncall.environment["CONDUCTORONE_CALLS_URL"] = "http://127.0.0.1:1/calls/s3cret"
    answer = check(oncall)
    assert answer.status == 1
    assert answer.lines[-2] == "problem  test: the sandbox's tenant at 127.0.0.1:1 makes no call"
    assert "run `make up` again" in answer.lines[-1]
