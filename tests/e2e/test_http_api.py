"""The sandbox behind an HTTP API gives the same outputs and answers as with a URL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.callers import SENDERS
from sandbox.demo import Outcome, send_requests
from sandbox.demo_data import JANE, NORA
from sandbox.local_aws.deployment import read_api
from sandbox.local_aws.resources.apigateway import SERVICE, execution_arn
from sandbox.stack import Sandbox
from tests.cli.stacks import Stack
from tests.e2e.webhook_calls import Webhook, over_http, request_of
from tests.support.projects import project_in

API = {"ENDPOINT": "http-api"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose stack has an HTTP API."""
    folder = project_in(tmp_path_factory.mktemp("api"))
    with Sandbox(folder, config=API) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def outcomes(sandbox: Sandbox) -> list[Outcome]:
    """The answers to the demo's requests; this adds the demo's people and duties."""
    return send_requests(sandbox)


def test_answers_are_those_of_a_function_url(outcomes: list[Outcome]) -> None:
    """Every request of the demo, as every caller, gets the expected answer."""
    assert {outcome.request.caller for outcome in outcomes} == set(SENDERS)
    assert [outcome.row for outcome in outcomes if not outcome.expected] == []


@pytest.mark.usefixtures("outcomes")
def test_signed_body_arrives_as_it_was_sent(sandbox: Sandbox) -> None:
    """The signature is valid for text and base64 bodies."""
    webhook = Webhook(sandbox.webhook_secret, over_http(sandbox.url))
    (claim,) = webhook.ask(request_of(JANE, reason="dépannage ✅"))
    assert claim["actor"]
    assert webhook.ask(request_of(NORA)) == []
    binary = {"Content-Type": "application/octet-stream"}
    assert webhook.call({"info": True}, headers=binary).http == 200
    assert webhook.call({"info": True}, secret="wks0-anything-else-at-all").http == 401


@pytest.mark.usefixtures("outcomes")
def test_the_commands_check_understands_its_answers(sandbox: Sandbox, tmp_path: Path) -> None:
    """The ids of its calls are API Gateway's."""
    outputs = {**sandbox.deployment.outputs, "webhook_url": sandbox.url}
    stack = Stack(tmp_path, outputs, sandbox.authzen_token)
    answer = stack.check("--caller", "authzen", "--as", NORA, "--resource", "example.v1.Role:db")
    assert answer.lines[-2].startswith("no       evaluation: a request by nora@example.com for ")
    assert "=-0" in answer.lines[-1]


def test_only_the_api_may_call_the_function(sandbox: Sandbox) -> None:
    """The function has no URL, and its policy allows only this API."""
    functions, name = sandbox.aws.client("lambda"), sandbox.deployment.outputs["function_name"]
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function_url_config(FunctionName=name)
    (statement,) = json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]
    api = sandbox.deployment.api_id
    source = f"{execution_arn(api, sandbox.aws)}/$default/$default"
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": source}}
    assert sandbox.is_public()
    functions.remove_permission(FunctionName=name, StatementId=statement["Sid"])
    other = {"FunctionName": name, "Action": "lambda:InvokeFunction", "StatementId": "other"}
    try:
        assert not sandbox.is_public()
        for wrong in (
            {"Principal": "apigateway.amazonaws.com", "SourceArn": source.replace(api, "other")},
            {"Principal": "s3.amazonaws.com", "SourceArn": source},
        ):
            functions.add_permission(**other, **wrong)
            assert not sandbox.is_public()
            webhook = Webhook(sandbox.webhook_secret, over_http(sandbox.url))
            assert webhook.call({"info": True}).http == 500
            functions.remove_permission(FunctionName=name, StatementId="other")
    finally:
        functions.add_permission(
            FunctionName=name,
            StatementId=statement["Sid"],
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=source,
        )
    assert sandbox.is_public()


def test_the_deployed_api_is_served(sandbox: Sandbox) -> None:
    """URL, throttling, log group and integration in AWS are those deployed."""
    outputs, aws = sandbox.deployment.outputs, sandbox.aws
    api = read_api(aws, sandbox.deployment.api_id)
    assert outputs["webhook_url"] == f"https://{api.domain}/"
    assert sandbox.public_url == f"https://{api.domain}"
    assert (api.rate, api.burst) == (10, 50)
    apis = aws.client(SERVICE)
    stage = apis.get_stage(ApiId=sandbox.deployment.api_id, StageName="$default")
    log = stage["AccessLogSettings"]["DestinationArn"].rpartition(":")[2]
    assert log == outputs["access_log"]
    (route,) = apis.get_routes(ApiId=sandbox.deployment.api_id)["Items"]
    (integration,) = apis.get_integrations(ApiId=sandbox.deployment.api_id)["Items"]
    assert route["Target"] == f"integrations/{integration['IntegrationId']}"
    assert integration["IntegrationUri"].endswith(f":{outputs['function_name']}")


def test_shut_and_throttled(tmp_path: Path) -> None:
    """RESERVED_CONCURRENCY 0 shuts the API; the throttling is the stack's."""
    config = {**API, "RESERVED_CONCURRENCY": "0", "THROTTLE_RATE": "7", "THROTTLE_BURST": "8"}
    with Sandbox(project_in(tmp_path), config=config) as sandbox:
        webhook = Webhook(sandbox.webhook_secret, over_http(sandbox.url))
        assert webhook.call({"info": True}).http == sandbox.status_when_shut == 503
        api = read_api(sandbox.aws, sandbox.deployment.api_id)
        assert (api.rate, api.burst) == (7, 8)
