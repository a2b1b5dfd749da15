"""The HTTP API in front of the function, as it is registered, and what surrounds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.deploy_rights import RIGHTS, ci_may
from infra.http_api import ACCESS_LOG_FIELDS
from infra.metrics import API_REFUSED
from infra.settings import THROTTLE_BURST, THROTTLE_RATE
from sandbox.local_aws.program import ProgramRun
from tests.infra.program import NARROWED, Program, inputs_of, read
from tests.support.filter_pattern import matches

API = {"ENDPOINT": "http-api"}
TAGS = {"project": "oncall-approvals", "stack": "dev"}
EXECUTION_ARN = "arn:aws:execute-api:eu-north-1:210987654321:abc123"


@pytest.fixture(scope="module")
def behind_api() -> ProgramRun:
    """Give what a stack with an HTTP API comes to."""
    return Program().run({**API, **NARROWED})


def _registered(run: ProgramRun, name: str) -> Any:  # noqa: ANN401 - a registration
    (found,) = (
        made for made in run.registrations if made.name == name and ":infra:" not in made.type
    )
    return found


def test_api_passes_everything_on_to_the_function(behind_api: ProgramRun) -> None:
    """One route for every path and method, one integration of format 2.0, the default stage."""
    assert inputs_of(behind_api, "Api") == {
        "description": "Passes on calls to the approval webhook.",
        "protocolType": "HTTP",
        "tags": TAGS,
    }
    assert inputs_of(behind_api, "Integration") == {
        "apiId": "approval-webhook-api-id",
        "integrationType": "AWS_PROXY",
        "integrationMethod": "POST",
        "integrationUri": "arn:approval-webhook-behind-api",
        "payloadFormatVersion": "2.0",
        "timeoutMilliseconds": 15000,
    }
    assert inputs_of(behind_api, "Route") == {
        "apiId": "approval-webhook-api-id",
        "routeKey": "$default",
        "authorizationType": "NONE",
        "target": "integrations/approval-webhook-api-integration-id",
    }
    stage = inputs_of(behind_api, "Stage")
    assert json.loads(stage["accessLogSettings"].pop("format")) == ACCESS_LOG_FIELDS
    assert stage == {
        "apiId": "approval-webhook-api-id",
        "name": "$default",
        "autoDeploy": True,
        "defaultRouteSettings": {"throttlingRateLimit": 10, "throttlingBurstLimit": 50},
        "accessLogSettings": {"destinationArn": "arn:approval-webhook-api-access-log"},
        "tags": TAGS,
    }
    assert inputs_of(behind_api, "Function")["timeout"] == 15


def test_function_takes_calls_from_this_api_only(behind_api: ProgramRun) -> None:
    """One statement, for one route of one stage of this API; no URL and no wildcard."""
    of_lambda = {made.type for made in behind_api.registrations if ":lambda/" in made.type}
    assert of_lambda == {"aws:lambda/function:Function", "aws:lambda/permission:Permission"}
    assert inputs_of(behind_api, "Permission") == {
        "action": "lambda:InvokeFunction",
        "function": "approval-webhook-behind-api-name",
        "principal": "apigateway.amazonaws.com",
        "sourceArn": f"{EXECUTION_ARN}/$default/$default",
    }


def test_function_behind_it_never_had_a_url(dev: ProgramRun, behind_api: ProgramRun) -> None:
    """It is another function: the provider leaves a URL's public statements in the policy."""
    urns = [
        made.urn
        for run in (dev, behind_api)
        for made in run.registrations
        if made.type.endswith(":Function")
    ]
    assert len(set(urns)) == 2
    functions = [dict(inputs_of(run, "Function")) for run in (dev, behind_api)]
    for inputs in functions:
        inputs.pop("code")
        inputs["environment"]["variables"].pop("AUTO_APPROVAL_SCHEDULES", None)
    assert functions[0] == functions[1]


def test_url_answers_from_the_start(behind_api: ProgramRun) -> None:
    """The stage, whose URL is the output, waits for the route and the permission."""
    stage = _registered(behind_api, "approval-webhook-api-stage")
    for part in ("route", "permission"):
        assert _registered(behind_api, f"approval-webhook-api-{part}").urn in stage.dependencies


def test_outputs_are_the_same_and_the_access_log(dev: ProgramRun, behind_api: ProgramRun) -> None:
    """Whoever reads the outputs needn't know what is in front."""
    assert behind_api.outputs == {
        **dev.outputs,
        "webhook_url": "https://abc123.execute-api.eu-north-1.amazonaws.com/",
        "function_name": "approval-webhook-behind-api-name",
        "access_log": "approval-webhook-api-access-log-name",
    }
    assert behind_api.secret_outputs == frozenset()
    assert behind_api.notes == ()


def test_access_log_is_kept_like_the_functions(program: Program) -> None:
    """For as long, and beyond the stack; its prefix keeps AWS's own policy for it short.

    No other stack's begins with the same: whoever removes a stack deletes by that prefix.
    """
    run = program.run({**API, "LOG_RETENTION_DAYS": "30"})
    log = _registered(run, "approval-webhook-api-access-log")
    assert log.inputs == {
        "namePrefix": "/aws/vendedlogs/apis/oncall-approvals/dev/",
        "retentionInDays": 30,
        "tags": TAGS,
    }
    assert log.retain_on_delete
    assert _registered(run, "approval-webhook-log").inputs["retentionInDays"] == 30


def test_access_log_has_nothing_that_a_caller_wrote() -> None:
    """No body, header, query, path or claim: what API Gateway itself knows of a call."""
    allowed = {
        *("requestId", "requestTime", "identity.sourceIp", "httpMethod", "status"),
        *("responseLatency", "error.message", "integrationErrorMessage"),
    }
    assert {field.removeprefix("$context.") for field in ACCESS_LOG_FIELDS.values()} == allowed


def test_throttling_is_the_settings(program: Program) -> None:
    """From the stack's config."""
    run = program.run({**API, "THROTTLE_RATE": "2", "THROTTLE_BURST": "3"})
    throttling = {"throttlingRateLimit": 2, "throttlingBurstLimit": 3}
    assert inputs_of(run, "Stage")["defaultRouteSettings"] == throttling


@pytest.mark.parametrize("key", [THROTTLE_RATE, THROTTLE_BURST])
def test_throttling_without_an_api_has_no_effect(key: str) -> None:
    """A warning says so, with what to type."""
    assert read({key: "7", **NARROWED}).warnings == (
        (
            f"{key} has no effect: ENDPOINT is not http-api; run `pulumi config set ENDPOINT "
            f"http-api --stack dev` or `pulumi config rm {key} --stack dev`"
        ),
    )
    assert read({key: "7", **API, **NARROWED}).warnings == ()


def test_region_without_function_urls_takes_an_api() -> None:
    """The warning about function URLs names it, and is gone with it."""
    region = {"aws:region": "eu-central-2", **NARROWED}
    (warning,) = read(region).warnings
    assert "run `pulumi config set ENDPOINT http-api --stack dev`, or use another region" in warning
    assert read({**region, **API}).warnings == ()


LINE = dict.fromkeys(ACCESS_LOG_FIELDS, "-")


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ({"status": "200"}, False),
        ({"status": "401"}, False),
        ({"status": "503"}, False),
        ({"status": "400", "error": "Bad Request"}, False),
        ({"status": "429", "error": "Too Many Requests"}, True),
        ({"status": "500", "error": "Internal Server Error"}, True),
        ({"status": "503", "error": "Service Unavailable"}, True),
        ({"status": "500", "integration_error": "The IAM role doesn't have permissions"}, True),
    ],
)
def test_alarm_is_for_what_the_api_itself_refuses(line: Mapping[str, str], counts: bool) -> None:  # noqa: FBT001 - the column of a table
    """What the function answers has alarms of its own; a malformed call is anybody's."""
    assert matches(API_REFUSED.pattern, json.dumps({**LINE, **line})) is counts


def test_what_the_api_refuses_is_counted_and_watched(behind_api: ProgramRun) -> None:
    """In its own log, with one more alarm than a function URL has, and on the dashboard."""
    metric = _registered(behind_api, "monitoring-ApiRefused").inputs
    assert metric["logGroupName"] == "approval-webhook-api-access-log-name"
    assert metric["metricTransformation"]["namespace"] == "oncall-approvals/dev"
    alarm = _registered(behind_api, "monitoring-api-refused").inputs
    assert (alarm["namespace"], alarm["metricName"]) == ("oncall-approvals/dev", "ApiRefused")
    widgets = json.loads(inputs_of(behind_api, "Dashboard")["dashboardBody"])["widgets"]
    drawn = [
        metric[:-1] for widget in widgets for metric in widget["properties"].get("metrics", [])
    ]
    assert ["oncall-approvals/dev", "ApiRefused"] in drawn
    latency = ["AWS/ApiGateway", "Latency", "ApiId", "approval-webhook-api-id"]
    assert drawn.count(latency) == 2
    assert not [metric for metric in drawn if metric[1].startswith("Url")]


def test_function_url_has_no_metric_of_an_api(dev: ProgramRun) -> None:
    """Nothing of the API is there without it."""
    assert not [
        made.name
        for made in dev.registrations
        if "apigatewayv2" in made.type or "api" in made.name.casefold()
    ]


def test_a_person_deploys_the_api() -> None:
    """CI may do nothing with it; the rights that its access log needs hold for the account."""
    for kind in ("api:Api", "integration:Integration", "route:Route", "stage:Stage"):
        for operation in ("create", "update", "delete"):
            type_ = f"aws:apigatewayv2/{kind}"
            assert not ci_may(type_, "any", operation, frozenset({"defaultRouteSettings"}))
    assert not ci_may("aws:lambda/permission:Permission", "any", "create", frozenset())
    actions = {action for right in RIGHTS for action in right.actions}
    assert not {action for action in actions if action.startswith("apigateway:")}
    assert not {action for action in actions if "Delivery" in action}


def test_ci_may_count_in_both_logs(program: Program) -> None:
    """The metric filter of the access log is CI's to change, as the others are."""
    run = program.run({**API, "DEPLOY_REPOSITORY": "acme/oncall", "ALARM_EMAIL": "a@example.com"})
    policy = json.loads(_registered(run, "deploy-role-rights").inputs["policy"])
    (statement,) = (each for each in policy["Statement"] if each["Sid"] == "CountInLog")
    logs = ("arn:approval-webhook-log", "arn:approval-webhook-api-access-log")
    assert statement["Resource"] == [arn for log in logs for arn in (log, f"{log}:*")]
    (statement,) = (each for each in policy["Statement"] if each["Sid"] == "ChangeAlarms")
    assert [arn for arn in statement["Resource"] if arn.endswith("-api-refused")]
    (statement,) = (each for each in policy["Statement"] if each["Sid"] == "UpdateFunction")
    assert statement["Resource"] == ["arn:approval-webhook-behind-api"]


def test_everything_that_can_is_tagged(behind_api: ProgramRun) -> None:
    """The API, its stage and its log too."""
    for kind in ("Api", "Stage"):
        assert inputs_of(behind_api, kind)["tags"] == TAGS
