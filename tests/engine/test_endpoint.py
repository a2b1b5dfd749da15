"""A stack is switched from a function URL to an HTTP API and back, with the real engine."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.demo_data import JANE
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.resources.apigateway import SERVICE, Api
from sandbox.local_aws.resources.awslambda import Function
from tests.e2e.webhook_calls import duration_of, request_of
from tests.engine.aws_proxy import AwsProxy
from tests.engine.pulumi_project import changes_in
from tests.engine.runbook_project import RunbookProject
from tests.support.documents import DEPLOY, OPERATE, read_sections

SECRET = "wks0-the-secret-of-a-test"
INFO = {"info": True}
SAME = ("log_group", "secret_arn", "state_bucket", "deploy_role_arn")
OF_THE_API = {
    f"aws:apigatewayv2/{kind}"
    for kind in ("api:Api", "integration:Integration", "route:Route", "stage:Stage")
} | {"aws:lambda/permission:Permission"}
URL = "aws:lambda/functionUrl:FunctionUrl"


pytestmark = pytest.mark.skipif(shutil.which("aws") is None, reason="no AWS CLI on PATH")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, aws: Aws, proxy: AwsProxy) -> RunbookProject:
    """A copy of the project in which the documents' commands run."""
    return RunbookProject(tmp_path_factory.mktemp("endpoint"), aws, proxy.endpoint)


@pytest.fixture(scope="module")
def before(project: RunbookProject, provider: Mapping[str, str]) -> dict[str, str]:
    """The outputs with a function URL."""
    url = "INCIDENTIO_BASE_URL"
    secrets = {
        "INDENT_WEBHOOK_SECRET": SECRET,
        "INCIDENTIO_API_KEY": provider["INCIDENTIO_API_KEY"],
    }
    plain = {"DEPLOY_REPOSITORY": "acme/oncall", "ALARM_EMAIL": "oncall@example.com"}
    project.create_stack("dev", secrets, **{url: provider[url]}, **plain)
    project.run_pulumi("up", "--yes")
    return project.outputs()


@pytest.fixture(scope="module")
def behind_api(project: RunbookProject, before: dict[str, str]) -> dict[str, str]:
    """The outputs with an HTTP API, after a person's update as described on the page."""
    project.run_pulumi("config", "set", "ENDPOINT", "http-api")
    steps = changes_in(project.preview())
    assert {("create", kind) for kind in OF_THE_API} <= steps
    assert {("create", Function.type), ("delete", Function.type), ("delete", URL)} <= steps
    comment = project.preview_comment()
    assert "**A person has to deploy this.**" in comment
    for step in (f"create {Api.type} approval-webhook-api", f"delete {URL} approval-webhook-url"):
        assert f"\n{step}\n" in comment
    project.run_pulumi("config", "rm", "ENDPOINT")
    output = project.run_scripts(read_sections(DEPLOY)["Change the endpoint"].blocks)
    assert project.outputs() != before
    assert f"\n{project.outputs()['webhook_url']}\n" in output
    return project.outputs()


def _statements(project: RunbookProject, function: str) -> list[dict[str, object]]:
    functions = project.aws.client("lambda")
    policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    statements: list[dict[str, object]] = policy["Statement"]
    return statements


def _functions(project: RunbookProject) -> list[str]:
    functions = project.aws.client("lambda").list_functions()["Functions"]
    return [function["FunctionName"] for function in functions]


def test_api_answers_in_place_of_the_url(
    project: RunbookProject, before: dict[str, str], behind_api: dict[str, str], tmp_path: Path
) -> None:
    """The URL changes; resources with data stay."""
    assert behind_api["webhook_url"] != before["webhook_url"]
    assert ".execute-api.us-west-2.amazonaws.com/" in behind_api["webhook_url"]
    assert {key: behind_api[key] for key in SAME} == {key: before[key] for key in SAME}
    assert behind_api.keys() - before.keys() == {"access_log"}
    with project.webhook(SECRET, tmp_path / "log") as webhook:
        (claim,) = webhook.ask(request_of(JANE))
        assert duration_of(claim) == "6h0m0s"
        assert webhook.call(INFO, secret="wks0-anything-else-at-all").http == 401


def test_nothing_public_is_left(project: RunbookProject, behind_api: dict[str, str]) -> None:
    """Only the API may call the function; the public permissions are gone."""
    assert _functions(project) == [behind_api["function_name"]]
    (statement,) = _statements(project, behind_api["function_name"])
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert "*" not in json.dumps(statement["Principal"]) + json.dumps(statement["Condition"])
    functions = project.aws.client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function_url_config(FunctionName=behind_api["function_name"])


@pytest.mark.usefixtures("behind_api")
def test_undisturbed_stack_has_no_changes(project: RunbookProject) -> None:
    """A preview finds no changes, and a refresh no drift."""
    project.run_pulumi("preview", "--expect-no-changes")
    project.run_pulumi("refresh", "--yes", "--expect-no-changes")


@pytest.mark.usefixtures("behind_api")
def test_throttling_is_changed_in_place(project: RunbookProject) -> None:
    """Only the stage changes; throttling that was changed by hand is restored."""
    url = project.outputs()["webhook_url"]
    project.run_pulumi("config", "set", "THROTTLE_RATE", "3")
    assert changes_in(project.preview()) == {("update", "aws:apigatewayv2/stage:Stage")}
    project.run_pulumi("up", "--yes")
    assert project.outputs()["webhook_url"] == url
    assert _throttling(project) == (3, 50)
    project.run_pulumi("config", "rm", "THROTTLE_RATE")
    project.run_pulumi("up", "--yes")
    assert _throttling(project) == (10, 50)


def _throttling(project: RunbookProject) -> tuple[float, int]:
    stage = project.aws.client(SERVICE).get_stage(
        ApiId=project.of_type(Api.type)["id"], StageName="$default"
    )
    settings = stage["DefaultRouteSettings"]
    return settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]


def test_access_log_is_read(project: RunbookProject, behind_api: dict[str, str]) -> None:
    """The command in docs/operate.md shows the access log."""
    logs, group = project.aws.client("logs"), behind_api["access_log"]
    logs.create_log_stream(logGroupName=group, logStreamName="api")
    event = {"timestamp": int(time.time() * 1000), "message": '{"status": "429"}'}
    logs.put_log_events(logGroupName=group, logStreamName="api", logEvents=[event])
    output = project.run_scripts(read_sections(OPERATE)["API refused"].blocks)
    assert '{"status": "429"}' in output


def test_switching_back(
    project: RunbookProject, before: dict[str, str], behind_api: dict[str, str], tmp_path: Path
) -> None:
    """One update later it has a function URL again, and both logs are kept."""
    project.run_pulumi("config", "set", "ENDPOINT", "function-url")
    project.run_pulumi("up", "--yes")
    outputs = project.outputs()
    assert outputs.keys() == before.keys()
    assert {key: outputs[key] for key in SAME} == {key: before[key] for key in SAME}
    assert _functions(project) == [outputs["function_name"]]
    assert {
        statement["Principal"] for statement in _statements(project, outputs["function_name"])
    } == {"*"}
    assert project.aws.client(SERVICE).get_apis()["Items"] == []
    with project.webhook(SECRET, tmp_path / "log") as webhook:
        assert webhook.call(INFO).http == 200
    groups = project.aws.client("logs").describe_log_groups()["logGroups"]
    assert {behind_api["access_log"], outputs["log_group"]} <= {
        group["logGroupName"] for group in groups
    }
    project.run_pulumi("preview", "--expect-no-changes")
