"""The real program in the local AWS: what it creates, what it refuses, and a new secret."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from cli.webhook_client import send
from sandbox.local_aws.clients import Credentials
from sandbox.local_aws.deployment import Deployment
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.plugin import LocalAwsProvider, RefusedEndpointError
from sandbox.local_aws.resources import RESOURCES, resource_of
from sandbox.local_aws.resources.moto_workarounds import (
    RefusedByAwsError,
    check_bucket_policy,
    check_environment,
)
from sandbox.local_aws.resources.resource import Existing, UnknownToSandboxError
from sandbox.stack import Sandbox, new_secret
from tests.sandbox.deployments import REGION, SECRETS, deployed
from tests.support.projects import project_in


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """A local AWS."""
    with Aws(REGION) as running:
        yield running


ALL_RESOURCES = {
    "ALARM_EMAIL": "oncall@example.com",
    "KMS_KEY_ALIAS": "oncall-state",
    "DEPLOY_REPOSITORY": "acme/oncall",
}


@pytest.fixture(scope="module")
def deployment(aws: Aws) -> Deployment:
    """A deployment with every option, which tests only read."""
    return deployed(aws, RESERVED_CONCURRENCY="7", **ALL_RESOURCES)


def test_every_resource_is_listed_once(deployment: Deployment) -> None:
    """The list has type, name and id of each resource, and no secret."""
    names = [(resource.type, resource.name) for resource in deployment.resources]
    assert len(names) == len(set(names))
    assert all(resource.name and resource.id for resource in deployment.resources)
    assert not any(value in repr(deployment) for value in SECRETS.values())


def test_every_known_type_is_used(aws: Aws, deployment: Deployment) -> None:
    """The sandbox knows only types that the program uses."""
    behind_api = deployed(aws, "other", ENDPOINT="http-api")
    types = {resource.type for made in (deployment, behind_api) for resource in made.resources}
    assert types == set(RESOURCES)
    assert (deployment.api_id, bool(behind_api.api_id)) == ("", True)


def test_secret_holds_the_secret_keys_as_json(aws: Aws, deployment: Deployment) -> None:
    """The current version of the secret has the keys that the function reads."""
    variables = deployment.function.config.environment
    stored = aws.client("secretsmanager").get_secret_value(SecretId=variables["HANDLER_SECRET_ARN"])
    assert json.loads(stored["SecretString"]) == SECRETS
    assert stored["VersionId"] == variables["HANDLER_SECRET_VERSION"]
    assert stored["VersionStages"] == ["AWSCURRENT"]


def test_function_is_configured_by_the_program(aws: Aws, deployment: Deployment) -> None:
    """The configuration in AWS is the program's; Moto's gaps are filled from the program."""
    function = deployment.function.config
    assert function.name == deployment.outputs["function_name"]
    assert (function.handler, function.timeout) == ("handler.app.handle", 15)
    assert (function.log_format, function.log_group) == ("JSON", deployment.outputs["log_group"])
    assert deployment.function.reserved_concurrency == 7
    configuration = aws.client("lambda").get_function(FunctionName=function.name)
    assert not any(value in json.dumps(configuration, default=str) for value in SECRETS.values())


def test_state_bucket_denies_plain_http_and_can_be_used(aws: Aws, deployment: Deployment) -> None:
    """The bucket has the policy; loopback counts as HTTPS."""
    s3, bucket = aws.client("s3"), deployment.outputs["state_bucket"]
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    s3.put_object(Bucket=bucket, Key="state.json", Body=b"{}")
    assert s3.get_object(Bucket=bucket, Key="state.json")["Body"].read() == b"{}"


# What is refused.


def test_refused_config_shows_the_programs_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The error is the program's, nothing is printed, and nothing is created."""
    with Aws(REGION) as aws:
        with pytest.raises(pulumi.RunError) as refused:
            deployed(aws, MEMORY_MB="1")
        assert aws.client("s3").list_buckets()["Buckets"] == []
        assert aws.client("lambda").list_functions()["Functions"] == []
    assert type(refused.value) is pulumi.RunError
    assert str(refused.value) == (
        "MEMORY_MB is '1': must be a whole number from 128 to 10240; "
        "for example, run `pulumi config set MEMORY_MB 512 --stack test`"
    )
    assert capsys.readouterr() == ("", "")


def test_unknown_type_stops_the_deployment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A type that the sandbox can't create is one error, despite dependent resources."""
    monkeypatch.delitem(RESOURCES, "aws:iam/role:Role")
    with (
        Aws(REGION) as aws,
        pytest.raises(UnknownToSandboxError, match="does not know aws:iam/role:Role: add a class"),
    ):
        deployed(aws)
    gc.collect()  # asyncio reports a forgotten task when it is garbage-collected
    assert caplog.messages == []


def test_unsupported_inputs_are_errors(aws: Aws) -> None:
    """An unsupported input or change is an error, not ignored."""
    bucket = resource_of("aws:s3/bucket:Bucket")
    where = r"sandbox/local_aws/resources/s3\.py"
    with pytest.raises(UnknownToSandboxError, match=f"does not know acl of .*: add it to {where}"):
        bucket.check("state", {"bucket": "b", "acl": "public-read"})
    with pytest.raises(UnknownToSandboxError, match=f"cannot change tags of .* in {where}"):
        bucket.update(Existing("b", {"bucket": "b"}), {"bucket": "b", "tags": {"a": "b"}}, aws)


ARN = "arn:aws:s3:::state"
DENIAL: dict[str, Any] = {
    "Sid": "Whatever",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [ARN, f"{ARN}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [DENIAL, DENIAL],
        [{**DENIAL, "Effect": "Allow"}],
        [{**DENIAL, "Resource": [ARN]}],
        [{key: value for key, value in DENIAL.items() if key != "Condition"}],
    ],
)
def test_other_bucket_policies_are_refused(
    statements: list[dict[str, Any]],
) -> None:
    """Moto evaluates no conditions, so other bucket policies are refused."""
    check_bucket_policy(json.dumps({"Statement": [DENIAL]}), ARN)
    with pytest.raises(RefusedByAwsError, match=r"moto_workarounds\.py"):
        check_bucket_policy(json.dumps({"Statement": statements}), ARN)


def test_environment_over_four_kilobytes_is_refused() -> None:
    """Names and values count, in bytes."""
    check_environment({"A": "x" * 4095})
    with pytest.raises(RefusedByAwsError, match="4097 bytes"):
        check_environment({"A": "x" * 4094 + "é"})


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_ENDPOINT_URL": ""},
        {"AWS_ENDPOINT_URL": "https://lambda.us-west-2.amazonaws.com"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1.example.com:80"},
        {"AWS_ACCESS_KEY_ID": None},
        {"AWS_SECRET_ACCESS_KEY": None},
    ],
)
def test_stand_in_for_the_plugin_serves_no_other_aws(
    environment: dict[str, str | None],
) -> None:
    """Without a local address and the sandbox's key, the plugin's stand-in refuses to run."""
    local = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **Credentials.new().variables()}
    LocalAwsProvider(local)
    variables = {key: value for key, value in {**local, **environment}.items() if value is not None}
    with pytest.raises(RefusedEndpointError, match=next(iter(environment))):
        LocalAwsProvider(variables)


# A new secret, deployed as by `pulumi up`.


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose secrets are changed."""
    with Sandbox(project_in(tmp_path_factory.mktemp("project"))) as sandbox:
        yield sandbox


def _status(sandbox: Sandbox, secret: str) -> int:
    return send(sandbox.url, secret, {"info": True}).http


def test_no_call_is_refused_while_the_secret_changes(running: Sandbox) -> None:
    """Both secrets count while the previous one is set, then only the new one."""
    old, new, url = running.webhook_secret, new_secret(), running.url
    assert (_status(running, old), _status(running, new)) == (200, 401)
    running.rotate(new, previous=old)
    assert (_status(running, old), _status(running, new)) == (200, 200)
    assert running.settings.webhook_secrets == (new, old)
    running.rotate(new)
    assert (_status(running, old), _status(running, new)) == (401, 200)
    assert running.url == url
    assert running.variables()["INDENT_WEBHOOK_SECRET"] == new


def test_new_secret_is_a_version_of_the_same(running: Sandbox) -> None:
    """The function reads the new version; its environment has no secret."""
    before = running.deployment
    running.rotate(new := new_secret())
    after = running.deployment
    assert [resource.name for resource in after.resources] == [
        resource.name for resource in before.resources
    ]
    changed = after.function.config.environment.items() - before.function.config.environment.items()
    assert {key for key, _ in changed} == {"HANDLER_SECRET_VERSION"}
    variables = after.function.config.environment
    stored = running.aws.client("secretsmanager").get_secret_value(
        SecretId=variables["HANDLER_SECRET_ARN"], VersionId=variables["HANDLER_SECRET_VERSION"]
    )
    assert json.loads(stored["SecretString"])["INDENT_WEBHOOK_SECRET"] == new
    assert new not in variables.values()
    assert new not in repr(after)
