"""A new stack's preview shows all resources, or one error, and creates nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.local_aws.resources import RESOURCES
from tests.engine.pulumi_project import PulumiProject

SECRET = "wks0-the-secret-of-a-test"
SECRETS = {"INDENT_WEBHOOK_SECRET": SECRET, "INCIDENTIO_API_KEY": "key-of-a-test"}
# What the CLI adds to each error of a program.
CLOSING = "error: preview failed"


@pytest.fixture(scope="module", autouse=True)
def _stack(project: PulumiProject) -> None:
    switches = {
        "ALARM_EMAIL": "oncall@example.com",
        "KMS_KEY_ALIAS": "oncall-state",
        "DEPLOY_REPOSITORY": "acme/oncall",
    }
    project.create_stack("dev", SECRETS, **switches)


@pytest.fixture(autouse=True)
def _nothing_is_made(project: PulumiProject) -> Iterator[None]:
    yield
    assert project.aws.client("s3").list_buckets()["Buckets"] == []
    assert project.aws.client("iam").list_roles()["Roles"] == []
    assert project.aws.client("iam").list_policies(Scope="Local")["Policies"] == []
    assert project.aws.client("lambda").list_functions()["Functions"] == []
    assert project.aws.client("logs").describe_log_groups()["logGroups"] == []
    assert project.aws.client("logs").describe_metric_filters()["metricFilters"] == []
    assert project.aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert project.aws.client("sns").list_topics()["Topics"] == []
    assert project.aws.client("secretsmanager").list_secrets()["SecretList"] == []
    assert project.aws.client("kms").list_keys()["Keys"] == []


def test_fresh_stack_shows_every_resource(project: PulumiProject) -> None:
    """Each resource is to be created, of all types that the sandbox knows."""
    steps = project.preview()
    project.run_pulumi("config", "set", "ENDPOINT", "http-api")
    behind_api = project.preview()
    project.run_pulumi("config", "rm", "ENDPOINT")
    assert {operation for operation, *_ in [*steps, *behind_api]} == {"create"}
    of_aws, of_api = (
        {kind for _, kind, _ in found if kind.startswith("aws:")} for found in (steps, behind_api)
    )
    assert of_aws | of_api == set(RESOURCES)
    assert of_aws - of_api == {"aws:lambda/functionUrl:FunctionUrl"}


def test_missing_secret_is_one_sentence(project: PulumiProject) -> None:
    """The error names the key and the command, without a stack trace."""
    project.run_pulumi("config", "rm", "INDENT_WEBHOOK_SECRET")
    refusal = _refusal(project)
    assert "INDENT_WEBHOOK_SECRET" in refusal
    assert "pulumi config set --secret INDENT_WEBHOOK_SECRET" in refusal
    project.run_pulumi("config", "set", "--secret", "INDENT_WEBHOOK_SECRET", stdin=SECRET)


def test_plaintext_secret_is_one_sentence(project: PulumiProject) -> None:
    """The error names the key and the command, never the value."""
    project.run_pulumi("config", "set", "--plaintext", "INCIDENTIO_API_KEY", "key-of-a-test")
    refusal = _refusal(project)
    assert "INCIDENTIO_API_KEY is a secret but is set in plain text" in refusal
    assert "key-of-a-test" not in refusal
    project.run_pulumi("config", "set", "--secret", "INCIDENTIO_API_KEY", stdin="key-of-a-test")


def _refusal(project: PulumiProject) -> str:
    """Run a preview that must fail, and return the error's line."""
    result = project.try_pulumi("preview")
    assert result.code != 0
    assert "Traceback" not in result.text
    lines = {line.strip() for line in result.text.splitlines()}
    (refusal,) = {
        line for line in lines if line.startswith("error: ") and not line.startswith(CLOSING)
    }
    return refusal
