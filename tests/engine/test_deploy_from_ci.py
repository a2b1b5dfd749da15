"""What CI runs, from `make` to the program, needs only calls that the roles allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.local_aws.moto_server import Aws
from tests.engine.aws_calls import AwsCalls, not_allowed, policy_in
from tests.engine.aws_proxy import AwsProxy
from tests.engine.bootstrap_project import BootstrapProject

SECRETS = {"INDENT_WEBHOOK_SECRET": "wks0-the-secret-of-a-test", "INCIDENTIO_API_KEY": "one-key"}
BUCKET = "indent-deploy-state-123456789012-keyed"
KEY = "aws:kms/key:Key"
STATE = {"s3:ListBucket", "s3:GetObject", "s3:GetBucketTagging"}


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, aws: Aws, proxy: AwsProxy
) -> BootstrapProject:
    """A copy of the project with its Makefile."""
    return BootstrapProject(tmp_path_factory.mktemp("engine"), aws, proxy.endpoint)


@pytest.fixture(scope="module")
def aws_calls(project: BootstrapProject, proxy: AwsProxy) -> AwsCalls:
    """A stack with its own bucket and key, bootstrapped and deployed by a person."""
    aws_calls = AwsCalls(project, proxy)
    project.write_stack_file("keyed", KMS_KEY_ALIAS="oncall-state", DEPLOY_REPOSITORY="acme/oncall")
    result = project.bootstrap("keyed")
    assert result.code == 0, result.text
    project.set_config("keyed", SECRETS, ALARM_EMAIL="oncall@example.com")
    result = project.run_make("deploy", "keyed")
    assert result.code == 0, result.text
    return aws_calls


def test_roles_allow_what_ci_runs(project: BootstrapProject, aws_calls: AwsCalls) -> None:
    """The roles allow all calls of both targets and their checks."""
    (key,) = (resource["outputs"]["arn"] for resource in project.state() if resource["type"] == KEY)
    code = project.folder / "handler" / "clock.py"
    code.write_text(Path(code).read_text("utf-8") + "\nCHANGED = True\n", encoding="utf-8")
    project.set_config("keyed", {"PAGERDUTY_KEY": "another-key"}, AUTO_APPROVAL_DURATION="3")

    def make(target: str) -> None:
        result = project.run_make(target, "keyed")
        assert result.code == 0, result.text
        assert "A person has to deploy this" not in result.text

    calls = aws_calls.during(BUCKET, lambda: make("preview-comment"), key)
    assert {call.action for call in calls} == {*STATE, "kms:Decrypt"}
    assert not_allowed(calls, [policy_in(project, "deploy-role-preview-rights")]) == set()
    calls = aws_calls.during(BUCKET, lambda: make("deploy"), key)
    assert {*STATE, "s3:PutObject", "kms:Decrypt", "lambda:UpdateFunctionCode"} <= {
        call.action for call in calls
    }
    assert not_allowed(calls, [policy_in(project, "deploy-role-rights")]) == set()
