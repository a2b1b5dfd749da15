"""`oncall check`: it calls the deployed function and explains each answer."""

from __future__ import annotations

import json
import re
import shlex
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from cli.diagnosis import unreachable
from cli.proxies import UnreachableError
from cli.target import Target
from cli.webhook_client import SendError
from handler import __version__
from handler.callers import indent
from handler.callers.base import UNREAD_KEYS, UNREAD_SECRET
from handler.callers.indent import claim, read_events
from handler.response import ResponseError, ResponseTooLargeError
from sandbox.demo_data import JANE, NORA, RESOURCE
from sandbox.local_aws.program import ROOT
from sandbox.stack import Sandbox
from tests.cli.conftest import Command
from tests.cli.stacks import SECRET, Stack
from tests.handler.scripted import Answer, Exchange, Scripted, head, reply, write, write_and_close

ASKED = f"example.v1.Resource:{RESOURCE}"
AS_JANE = ("--as", JANE, "--resource", ASKED)
AS_NORA = ("--as", NORA, "--resource", ASKED, "--label", "Env=it's")
BOTS = {"resources": [{"kind": "indent.v1.Bot", "id": "pagerduty-approval-bot"}]}


@pytest.fixture
def deployed_stack(tmp_path: Path, sandbox: Sandbox) -> Stack:
    """The sandbox's stack, as the Pulumi CLI describes it."""
    outputs = {**sandbox.deployment.outputs, "webhook_url": sandbox.url}
    return Stack(tmp_path, outputs, sandbox.webhook_secret)


def test_it_works(deployed_stack: Stack, sandbox: Sandbox) -> None:
    """If all is well, each step prints `ok`, with the version and the providers."""
    answer = deployed_stack.check()
    assert (answer.status, answer.err) == (0, "")
    every = "incident.io, PagerDuty, Opsgenie, JSM Operations"
    assert answer.lines == [
        f"ok       GetInfo: oncall-approvals {__version__} answers at {sandbox.url}",
        f"ok       PullUpdate: it asks {every}, and has a bot to review for each",
    ]


def test_a_person_on_duty(deployed_stack: Stack, sandbox: Sandbox) -> None:
    """The approval shows duration, end and reason; the function logs the check's request id."""
    logged = len(sandbox.log.records)
    answer = deployed_stack.check(*AS_JANE)
    assert answer.status == 0
    assert re.fullmatch(
        rf"ok       GetDecision: {JANE} would get {ASKED} for 6 hours \(until .+ UTC\): "
        r"Incident Lead of INC-1 \(incident\.io\) for as long as the incident is live, "
        r"by the default rule",
        answer.lines[-1],
    )
    record = sandbox.log.wait_for(lambda line: line.get("message") == "decision", since=logged)
    assert record
    assert record["petition"].startswith("oncall-check-")


def test_a_person_off_duty(deployed_stack: Stack, sandbox: Sandbox) -> None:
    """Without an approval the status is 1, and the remedy names `oncall explain` and the log."""
    answer = deployed_stack.check(*AS_NORA)
    assert answer.status == 1
    no, remedy = answer.lines[-2:]
    assert no == f"no       GetDecision: a request by {NORA} for {ASKED} would be left to humans"
    explain = (
        f"`oncall explain --as {NORA} --resource {ASKED} --label 'Env=it'\"'\"'s' --stack dev`"
    )
    assert remedy.startswith(
        f"         remedy: {explain} explains why; or see the log: `aws logs tail "
    )
    group = sandbox.deployment.outputs["log_group"]
    assert re.search(
        rf'"{group}" --since 10m --filter-pattern \'"oncall-check-[0-9a-f-]+"\'', remedy
    )


def test_a_sandbox(tmp_path: Path, sandbox: Sandbox) -> None:
    """A shell that has read `.sandbox/env` needs neither the Pulumi CLI nor a stack."""
    oncall = Command(tmp_path, "").by_the_machines_clock()
    oncall.environment = {**sandbox.variables(), "PATH": str(tmp_path)}
    answer = oncall("check", "--caller", "indent", *AS_JANE, "--json")
    assert answer.status == 0
    assert sandbox.webhook_secret not in answer.out
    assert {name: answer.json[name] for name in ("ok", "approved", "url")} == {
        "ok": True,
        "approved": True,
        "url": sandbox.url,
    }
    (result,) = answer.json["callers"]
    assert (result["caller"], result["ok"], result["approved"]) == ("indent", True, True)
    assert [(step["call"], step["level"]) for step in result["steps"]] == [
        ("GetInfo", "ok"),
        ("PullUpdate", "ok"),
        ("GetDecision", "ok"),
    ]
    approval = result["approval"]
    lead = "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
    assert approval["why"] == f"{lead}, by the default rule"
    assert approval["duration"] == "6h0m0s"
    assert datetime.fromisoformat(approval["until"]) > datetime.now(UTC)
    refused = oncall("check", "--caller", "indent", *AS_NORA, "--json")
    assert (refused.status, refused.json["ok"], refused.json["approved"]) == (1, True, False)
    assert (
        "(.sandbox/function.log) for oncall-check-"
        in refused.json["callers"][0]["steps"][-1]["remedy"]
    )


def _without_what_varies(text: str) -> str:
    """Replace what differs between a deployment and a sandbox: addresses, times, providers."""
    text = re.sub(r"https?://\S+|([0-9-]{10} )?[0-9]{2}:[0-9]{2} UTC", "...", text)
    return re.sub(r"it asks .+, and has", "it asks ..., and has", text)


def test_document_shows_the_output(deployed_stack: Stack) -> None:
    """docs/deploy.md shows what `oncall check` prints."""
    document = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    text = document.partition("### Confirm that it works\n")[2]
    command, _, shown = text.partition("```console\n$ ")[2].partition("```")[0].partition("\n")
    words = shlex.split(command)
    assert words[:4] == [".venv/bin/oncall", "check", "--stack", "dev"]
    assert _without_what_varies(deployed_stack.check(*words[4:]).out) == _without_what_varies(shown)


def test_dry_run_is_named(deployed_stack: Stack) -> None:
    """If the stack is in dry run, the answer names the setting and how to remove it."""
    deployed_stack.write_settings(AUTO_APPROVAL_DRY_RUN="true")
    answer = deployed_stack.check(*AS_NORA)
    assert answer.lines[-2].endswith(
        "would be left to humans: with AUTO_APPROVAL_DRY_RUN, every request is"
    )
    remedy = f"run `pulumi config rm AUTO_APPROVAL_DRY_RUN --stack dev`, then {DEPLOY}"
    assert answer.lines[-1].endswith(remedy)


def test_a_person_without_a_resource(deployed_stack: Stack) -> None:
    """Without --resource the check requests an example resource with the labels of the settings."""
    deployed_stack.write_settings(AUTO_APPROVAL_RESOURCE_LABELS="Env=Prod, Team=DB")
    answer = deployed_stack.check(*AS_JANE[:2])
    assert answer.status == 0
    assert "jane@example.com would get example.v1.Resource:oncall-check for" in answer.lines[-1]
    answer = deployed_stack.check(*AS_NORA[:2], "--label", "Team=API")
    shown = "--resource example.v1.Resource:oncall-check --label Env=Prod --label Team=API"
    assert f"`oncall explain --as {NORA} {shown} --stack dev`" in answer.lines[-1]


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (AS_JANE[2:], {}, "--resource and --label are for a request: add --as EMAIL"),
        (("--label", "A=b"), {}, "--resource and --label are for a request: add --as EMAIL"),
        (
            AS_JANE[:2],
            {"AUTO_APPROVAL_POLICY": "policy/prod.yaml"},
            "the rules of policy/prod.yaml are for resources: add --resource KIND:ID",
        ),
        (
            AS_JANE[:2],
            {"AUTO_APPROVAL_RESOURCE_LABELS": "Env"},
            "AUTO_APPROVAL_RESOURCE_LABELS contains 'Env': each entry must be LABEL=VALUE",
        ),
    ],
)
def test_a_request_that_cannot_be_made(
    deployed_stack: Stack, arguments: tuple[str, ...], settings: dict[str, str], message: str
) -> None:
    """The error names the missing or wrong option or setting."""
    deployed_stack.write_settings(**settings)
    answer = deployed_stack.check(*arguments)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == f"oncall: {message}\n"


def test_a_wrong_secret(deployed_stack: Stack, sandbox: Sandbox) -> None:
    """The function refuses a wrong secret; the remedy deploys it or reads `.sandbox/env` again."""
    deployed_stack.set_answer("config", "wks0-another-secret-here\n")
    answer = deployed_stack.check(*AS_JANE)
    assert answer.status == 1
    assert answer.lines[0] == "problem  GetInfo: HTTP 401: the signature is refused"
    assert (
        "run `make deploy STACK=dev`: the deployed secret isn't the one in Pulumi.dev.yaml"
        in answer.lines[1]
    )
    assert len(answer.lines) == 2
    oncall = Command(deployed_stack.folder, "").by_the_machines_clock()
    oncall.environment = sandbox.variables() | {"INDENT_WEBHOOK_SECRET": SECRET}
    assert "run `. .sandbox/env` again" in oncall("check", "--caller", "indent").out


@pytest.mark.parametrize(("seconds", "way"), [(-4000, "behind"), (4000, "ahead of")])
def test_a_wrong_clock(tmp_path: Path, sandbox: Sandbox, seconds: int, way: str) -> None:
    """The answer's date shows that this machine's clock is wrong, not the secret."""
    oncall = Command(tmp_path, "").by_the_machines_clock()
    oncall.environment = sandbox.variables()
    now = oncall.clock.now
    oncall.clock = oncall.clock._replace(now=lambda: now() + timedelta(seconds=seconds))
    answer = oncall("check", "--caller", "indent")
    assert answer.status == 1
    # A slow machine may take a minute from its own time to the webhook's.
    seconds_off = r"(39[4-9]|40[0-5])[0-9]"
    assert re.search(rf"clock: it is {seconds_off} s {way} the webhook's$", answer.lines[1])


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A stack whose webhook a test scripts."""
    return Stack(tmp_path, {})


def lines(stack: Stack, *answers: Answer, who: tuple[str, ...] = ()) -> list[str]:
    """Run the check with these scripted answers, which must fail, and return what it prints."""
    with Scripted(*answers) as server:
        outputs = {"webhook_url": server.url, "function_name": "f-1", "log_group": "/logs"}
        outputs["access_log"] = "/access"
        stack.set_answer("stack", json.dumps(outputs))
        answer = stack.check(*who)
    assert (answer.status, answer.err) == (1, "")
    return [line.replace(server.url, "URL") for line in answer.lines]


def our_refusal(http: int, message: str = "as the log says") -> Answer:
    """An error in the form in which the function answers it."""
    answer = indent.Indent.failure(http, message, {}, None)
    return reply(answer["body"].encode(), http)


def of_api(http: int, message: str) -> Answer:
    """An error in the form in which API Gateway answers it."""
    return reply(json.dumps({"message": message}).encode(), http)


DEPLOY = "`make deploy STACK=dev`"
ACCESS_LOG = 'see the access log: `aws logs tail "/access" --since 10m`'
RESTORE = f"run `pulumi refresh --stack dev`, then {DEPLOY}"
LOG = '`aws logs tail "/logs" --since 10m`'
FAILURES: dict[str, tuple[Answer, str, str]] = {
    "403": (
        reply(b'{"Message": "Forbidden"}', 403),
        "HTTP 403: AWS lets nobody call this URL",
        "get-policy --function-name f-1` has to show both FunctionURLAllowPublicAccess and",
    ),
    "429": (
        reply(b"{}", 429),
        "HTTP 429: AWS lets no call through",
        "if RESERVED_CONCURRENCY was deployed as 0, the URL is shut",
    ),
    "403 of an API": (
        of_api(403, "Forbidden"),
        "HTTP 403: API Gateway lets nobody call this API",
        f"otherwise somebody changed the API by hand (an authorizer): {RESTORE}",
    ),
    **{
        f"{http} of an API": (
            of_api(http, message),
            f"HTTP {http}: API Gateway lets nobody call this API",
            f"somebody changed the API by hand ({what}): {RESTORE}",
        )
        for http, message, what in (
            (401, "Unauthorized", "an authorizer"),
            (404, "Not Found", "its route is gone, or its default endpoint is disabled"),
        )
    },
    "429 of an API": (
        of_api(429, "Too Many Requests"),
        "HTTP 429: API Gateway throttled the call",
        f"let through: try again, or set them higher and run {DEPLOY}; {ACCESS_LOG}",
    ),
    "500 of an API": (
        of_api(500, "Internal Server Error"),
        "HTTP 500: API Gateway can't call the function, or the function died",
        f"{ACCESS_LOG}; if it says that permissions are missing, {RESTORE}",
    ),
    "503 of an API": (
        of_api(503, "Service Unavailable"),
        "HTTP 503: API Gateway got no answer from the function in time, or Lambda throttled it",
        f"or try again; {ACCESS_LOG}",
    ),
    "503 without keys": (
        our_refusal(503, UNREAD_KEYS),
        "HTTP 503: the function cannot fetch the tenant's keys",
        f"see the log: {LOG}",
    ),
    "503 of ours": (
        our_refusal(503, UNREAD_SECRET),
        "HTTP 503: the function cannot read its secret",
        f"see the log: {LOG}; its role must be allowed",
    ),
    "503": (reply(b"busy", 503), "HTTP 503: AWS itself failed", "try again in a minute"),
    **{
        f"{http} of a proxy": (
            reply(body, http),
            f"HTTP {http}: something in front of 127.0.0.1 (a firewall or proxy) refused the call",
            "let this machine's calls to 127.0.0.1 through",
        )
        for http, body in ((401, b"<html>"), (403, b"\r\n<p>"), (407, b"{}"), (503, b"<html>"))
    },
    "500": (our_refusal(500), "HTTP 500: the function failed", LOG),
    "502": (reply(b"{}", 502), "HTTP 502: the function cannot start", LOG),
    "404": (reply(b"[]", 404), "HTTP 404: that isn't this project's function", DEPLOY),
    "302": (reply(b"", 302, {"Location": "https://x"}), "HTTP 302: that isn't", "webhook_url"),
    "no JSON": (reply(b"<html>"), "what answers at URL is not oncall-approvals: it does", DEPLOY),
    "other JSON": (reply(b'{"status": {"details": 7}}'), "what answers at URL is not", DEPLOY),
    "nothing of itself": (
        reply(json.dumps({"status": {"details": [{}, {"detail": "7"}]}}).encode()),
        "what answers at URL is not oncall-approvals: it does not say what it is",
        DEPLOY,
    ),
    "another's name": (
        reply(json.dumps(indent.info("another\n", "1")).encode()),
        "what answers at URL is not oncall-approvals: it calls itself 'another\\n'",
        DEPLOY,
    ),
    "hanging up": (write_and_close(), "URL hangs up before it answers", LOG),
    "no HTTP": (
        write(b"?\r\n"),
        "URL does not answer properly: the response is not valid HTTP/1.1",
        "webhook_url",
    ),
    "hanging up half-way": (
        write_and_close(head(200, {"Content-Length": "9"}) + b"{"),
        "URL does not answer properly: the response was cut off",
        "webhook_url",
    ),
}


@pytest.mark.parametrize(("answer", "message", "remedy"), FAILURES.values(), ids=FAILURES)
def test_failures(stack: Stack, answer: Answer, message: str, remedy: str) -> None:
    """Each failure has its remedy, ends with status 1, and stops further calls."""
    first, second = lines(stack, answer, who=AS_JANE)
    assert first.startswith(f"problem  GetInfo: {message}")
    assert second.startswith("         remedy: ")
    assert remedy in second


def test_a_url_that_is_shut(stack: Stack) -> None:
    """If RESERVED_CONCURRENCY is 0 in the stack's file, the remedy names it."""
    stack.write_settings(RESERVED_CONCURRENCY="0")
    remedy = lines(stack, reply(b"{}", 429))[1]
    assert "RESERVED_CONCURRENCY is 0, which shuts the URL" in remedy
    assert f"run `pulumi config rm RESERVED_CONCURRENCY --stack dev`, then {DEPLOY}" in remedy


def test_401_without_a_useful_date(stack: Stack) -> None:
    """The secret is blamed unless the answer's date is far from this machine's clock."""
    far = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    stack.write_settings(WEBHOOK_MAX_AGE="none")
    for date, message in (
        (far, "set this machine's clock"),
        ("soon", "the deployed secret"),
        ("", "the dep"),
    ):
        assert message in lines(stack, reply(b"{}", 401, {"Date": date}))[1]


GOOD_INFO = reply(json.dumps(indent.info("oncall-approvals", "0.0.7")).encode())
GOOD_BOTS = reply(json.dumps(BOTS).encode())


def claiming(**changes: Any) -> Answer:  # noqa: ANN401 - whatever a field holds
    """A claim for the requested resource, with some fields changed."""

    def answer(exchange: Exchange) -> None:
        _, (request,) = read_events(json.loads(exchange.request.body)["events"])
        made = claim(
            request,
            actor={},
            reason='Rule "R": on call',
            now=datetime.now(UTC),
            duration=timedelta(hours=1),
        )
        reply(json.dumps({"claims": [made | changes]}).encode())(exchange)

    return answer


def answers_to_both(*answers: Answer) -> list[Answer]:
    """Script the same answers for both runs of the command."""
    return [*answers, *answers]


def test_another_version(stack: Stack) -> None:
    """A different deployed version is a note, not a problem."""
    with Scripted(*answers_to_both(GOOD_INFO, GOOD_BOTS, claiming())) as server:
        stack.set_answer("stack", json.dumps({"webhook_url": server.url}))
        answer = stack.check(*AS_JANE)
    assert answer.status == 0
    note, remedy, bots, decision = answer.lines[1:]
    assert note == f"note     GetInfo: version 0.0.7 is deployed, and {__version__} is here"
    assert remedy == f"         remedy: {DEPLOY} deploys what is here"
    assert "it asks PagerDuty, and" in bots
    assert decision.endswith(': Rule "R": on call')


@pytest.mark.parametrize("bots", [b"{}", b"[]", b'{"resources": [{"id": "another"}]}', b"?"])
def test_a_webhook_without_bots(stack: Stack, bots: bytes) -> None:
    """If the webhook lists no provider's bot, that is a problem, and no decision is requested."""
    printed = lines(stack, *answers_to_both(GOOD_INFO, reply(bots)), who=AS_JANE)
    assert printed[-2:] == [
        "problem  PullUpdate: it lists no provider's bot",
        f"         remedy: see the log: {LOG}",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"?"),
        reply(b'{"claims": 7}'),
        reply(b'{"claims": [7]}'),
        reply(b'{"claims": [{}]}'),
        claiming(event="access/deny"),
        claiming(resources=[]),
        claiming(meta={"labels": {"petition": "another"}}),
        claiming(meta=None),
    ],
)
def test_wrong_claims(stack: Stack, answer: Answer) -> None:
    """A malformed claim, or one for another request, doesn't count as an approval."""
    printed = lines(stack, *answers_to_both(GOOD_INFO, GOOD_BOTS, answer), who=AS_JANE)
    assert printed[-2].startswith("problem  GetDecision: the claim is wrong: ")


def test_calls_that_fail_later(stack: Stack) -> None:
    """The problem names the call that failed."""
    bad = reply(b"{}", 502)
    for name, answers in (("PullUpdate", [GOOD_INFO]), ("GetDecision", [GOOD_INFO, GOOD_BOTS])):
        printed = lines(stack, *answers_to_both(*answers, bad), who=AS_JANE)
        assert printed[-2].startswith(f"problem  {name}: HTTP 502: ")


def test_an_address_without_tls(deployed_stack: Stack, sandbox: Sandbox) -> None:
    """An https address that doesn't speak TLS is reported as such."""
    url = sandbox.url.replace("http:", "https:")
    deployed_stack.set_answer("stack", json.dumps({"webhook_url": url}))
    assert f"{url} does not speak TLS correctly" in deployed_stack.check().lines[0]


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"


def test_an_address_that_does_not_answer(tmp_path: Path, nobody: str) -> None:
    """The error says why the address can't be called; the remedy starts a sandbox."""
    oncall = Command(tmp_path, "").by_the_machines_clock()
    for url, message in (
        (nobody, "refuses the connection: nothing"),
        ("http://a..b/", "can't be called: its host name begins"),
        ("http://hook.example.com/", "can't be called: without https"),
    ):
        oncall.environment = {"WEBHOOK_URL": url, "INDENT_WEBHOOK_SECRET": SECRET}
        answer = oncall("check")
        assert answer.status == 1
        assert f"{url} {message}" in answer.lines[0]
        assert "`make up`, then `. .sandbox/env`" in answer.lines[1]


@pytest.mark.parametrize(
    ("cause", "message", "remedy"),
    [
        (ssl.SSLCertVerificationError(), "has a certificate that this machine does", "proxy"),
        (
            UnreachableError("x is no", "do y"),
            "cannot be reached: x is no",
            "do y; run `make deploy",
        ),
        (TimeoutError(), "does not answer within 20 s", "let this machine reach it"),
        (OSError(101, "Network is unreachable"), "cannot be reached: Network is", "webhook_url"),
        (ResponseError("x"), "does not answer properly: x", "webhook_url"),
        (ConnectionResetError(), "hangs up before it answers", "may cut the connection"),
        (ResponseTooLargeError(), "answers with more than a webhook would", "webhook_url"),
    ],
)
def test_network_failures(cause: Exception, message: str, remedy: str) -> None:
    """Each kind of network failure has its message and remedy."""
    error = SendError("")
    error.__cause__ = cause
    step = unreachable("GetInfo", error, Target("https://x/", SECRET, "dev"))
    assert f"https://x/ {message}" in step.text
    assert remedy in step.remedy


def test_every_caller_that_is_on(tmp_path: Path, sandbox: Sandbox) -> None:
    """Without --caller every enabled caller is checked; all must approve for a yes."""
    oncall = Command(tmp_path, "").by_the_machines_clock()
    oncall.environment = sandbox.variables()
    answer = oncall("check", "--as", JANE)
    assert (answer.status, answer.err) == (0, "")
    names = [line for line in answer.lines if line.endswith(":") and " " not in line]
    assert names == ["Indent:", "AuthZEN:", "ConductorOne:"]
    assert sum(f": {JANE} would get " in line for line in answer.lines) == 3
    assert oncall("check", "--as", NORA).status == 1
    data = oncall("check", "--as", JANE, "--json").json
    assert (data["ok"], data["approved"]) == (True, True)
    assert [caller["caller"] for caller in data["callers"]] == ["indent", "authzen", "conductorone"]
    del oncall.environment["INDENT_WEBHOOK_SECRET"], oncall.environment["AUTHZEN_TOKEN"]
    assert [caller["caller"] for caller in oncall("check", "--json").json["callers"]] == [
        "conductorone"
    ]


def test_callers_of_a_stack(tmp_path: Path, sandbox: Sandbox) -> None:
    """The stack's file shows which callers are on, by encrypted secrets and plain tenants."""
    outputs = {**sandbox.deployment.outputs, "webhook_url": sandbox.url}
    stack = Stack(tmp_path, outputs, sandbox.authzen_token, callers=["AUTHZEN_TOKEN"])
    stack.write_settings(**sandbox.tenant.settings)
    answer = stack.check("--as", JANE)
    assert answer.status == 0
    assert [line for line in answer.lines if " " not in line] == ["AuthZEN:", "ConductorOne:"]
    stack.set_answer(
        "config", err="error: configuration key 'X' not found for stack 'dev'", code=255
    )
    answer = stack.run("check", "--stack", "dev", "--caller", "indent")
    assert "run `pulumi config set --secret INDENT_WEBHOOK_SECRET --stack dev`" in answer.err


def test_no_caller_is_on(tmp_path: Path, sandbox: Sandbox) -> None:
    """The error names the settings that enable a caller."""
    outputs = {**sandbox.deployment.outputs, "webhook_url": sandbox.url}
    answer = Stack(tmp_path, outputs, callers=()).check()
    assert (answer.status, answer.out) == (2, "")
    keys = "INDENT_WEBHOOK_SECRET, AUTHZEN_TOKEN, CONDUCTORONE_TENANT"
    assert f"no caller is on: Pulumi.dev.yaml sets none of {keys}; for example" in answer.err
    oncall = Command(tmp_path, "")
    oncall.environment = {"WEBHOOK_URL": sandbox.url}
    assert f"no caller is on: the environment sets none of {keys}; run" in oncall("check").err
