"""An existing stack gets its deploy role, with which CI can then update it."""

from __future__ import annotations

import pytest

from tests.engine.aws_calls import AwsCalls, not_allowed, policy_in
from tests.engine.aws_proxy import AwsProxy
from tests.engine.pulumi_project import PulumiProject, changes_in

SECRETS = {"INDENT_WEBHOOK_SECRET": "wks0-the-secret-of-a-test", "INCIDENTIO_API_KEY": "one-key"}


@pytest.fixture(scope="module")
def aws_calls(project: PulumiProject, proxy: AwsProxy) -> AwsCalls:
    """A deployed stack without the setting."""
    aws_calls = AwsCalls(project, proxy)
    project.create_stack("dev", SECRETS, ALARM_EMAIL="oncall@example.com")
    project.run_pulumi("up", "--yes")
    return aws_calls


@pytest.fixture(scope="module")
def before(project: PulumiProject, aws_calls: AwsCalls) -> dict[str, str]:  # noqa: ARG001 - it deployed the stack
    """The outputs and resource ids before the setting."""
    assert "A person has to deploy this" not in project.preview_comment()
    project.run_pulumi("config", "set", "DEPLOY_REPOSITORY", "acme/oncall")
    return {
        **project.outputs(),
        **{resource["urn"]: resource["id"] for resource in project.state() if resource.get("id")},
    }


def test_role_is_made_in_place(project: PulumiProject, before: dict[str, str]) -> None:
    """Nothing is replaced, and the preview says that a person must deploy this."""
    assert _steps_of(project.preview_comment()) == {
        "create aws:iam/policy:Policy approval-webhook-boundary",
        "create aws:iam/role:Role deploy-role",
        "create aws:iam/role:Role deploy-role-preview",
        "create aws:iam/rolePolicy:RolePolicy deploy-role-preview-rights",
        "create aws:iam/rolePolicy:RolePolicy deploy-role-rights",
        "update aws:iam/role:Role approval-webhook-role (permissionsBoundary)",
        "update aws:sns/topicPolicy:TopicPolicy monitoring-alarms-policy (policy)",
    }
    project.run_pulumi("up", "--yes")
    project.run_pulumi("preview", "--expect-no-changes")
    project.run_pulumi("refresh", "--yes", "--expect-no-changes")
    outputs = project.outputs()
    assert {"deploy_role_arn", "preview_role_arn"} == outputs.keys() - before.keys()
    after = {
        **outputs,
        **{resource["urn"]: resource["id"] for resource in project.state() if resource.get("id")},
    }
    assert before.items() <= after.items()


def _steps_of(comment: str) -> set[str]:
    assert "**A person has to deploy this.**" in comment
    assert "Run `make deploy STACK=dev`" in comment
    return set(comment.split("```text\n")[1].partition("\n```")[0].splitlines())


def test_ci_can_update(project: PulumiProject, aws_calls: AwsCalls) -> None:
    """The role can change code, settings, a secret and a provider."""
    project.run_pulumi("up", "--yes")
    bucket = project.outputs()["state_bucket"]
    deploys, previews = (
        [policy_in(project, name)] for name in ("deploy-role-rights", "deploy-role-preview-rights")
    )
    _move_state(project, bucket)
    code = project.folder / "handler" / "clock.py"
    code.write_text(code.read_text("utf-8") + "\nCHANGED = True\n", encoding="utf-8")
    project.run_pulumi("config", "set", "AUTO_APPROVAL_DURATION", "3")
    project.run_pulumi("config", "set", "RESERVED_CONCURRENCY", "5")
    project.run_pulumi("config", "set", "--secret", "PAGERDUTY_KEY", stdin="another-key")
    assert "A person has to deploy this" not in project.preview_comment()
    calls = aws_calls.of_command(bucket, "preview")
    assert {call.action for call in calls} == {"s3:GetObject", "s3:ListBucket"}
    assert not_allowed(calls, previews) == set()
    calls = aws_calls.of_command(bucket, "up", "--yes", "--skip-preview")
    assert {
        *("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "iam:PassRole"),
        *("lambda:PutFunctionConcurrency", "secretsmanager:PutSecretValue"),
        *("logs:PutMetricFilter", "cloudwatch:PutMetricAlarm", "cloudwatch:PutDashboard"),
        *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"),
    } <= {call.action for call in calls}
    assert not_allowed(calls, deploys) == set()
    for key in ("PAGERDUTY_KEY", "RESERVED_CONCURRENCY"):
        project.run_pulumi("config", "rm", key)
    calls = aws_calls.of_command(bucket, "up", "--yes", "--skip-preview")
    assert {
        *("lambda:DeleteFunctionConcurrency", "logs:DeleteMetricFilter"),
        "cloudwatch:DeleteAlarms",
    } <= {call.action for call in calls}
    assert not_allowed(calls, deploys) == set()
    assert changes_in(project.preview()) == set()


def _move_state(project: PulumiProject, bucket: str) -> None:
    """Move the state to where the README has it, as the runbook describes."""
    exported = project.folder.parent / "exported.json"
    exported.write_text(project.try_pulumi("stack", "export").out, encoding="utf-8")
    environment = project._environment
    environment["PULUMI_BACKEND_URL"] = (
        f"s3://{bucket}?region={project.aws.region}"
        f"&endpoint={environment['AWS_ENDPOINT_URL']}&s3ForcePathStyle=true"
    )
    project.run_pulumi("stack", "init", "dev")
    project.run_pulumi("stack", "import", "--file", str(exported))


@pytest.mark.parametrize(
    ("key", "value", "steps"),
    [
        (
            "LOG_RETENTION_DAYS",
            "30",
            {"update aws:cloudwatch/logGroup:LogGroup approval-webhook-log (retentionInDays)"},
        ),
        (
            "ALARM_EMAIL",
            "other@example.com",
            {"replace aws:sns/topicSubscription:TopicSubscription monitoring-alarms-email"},
        ),
        (
            "DEPLOY_REPOSITORY",
            "acme/other",
            {
                "update aws:iam/role:Role deploy-role (assumeRolePolicy)",
                "update aws:iam/role:Role deploy-role-preview (assumeRolePolicy)",
            },
        ),
    ],
)
def test_preview_names_what_a_person_deploys(
    project: PulumiProject, aws_calls: AwsCalls, key: str, value: str, steps: set[str]
) -> None:
    """The preview names only changes that the role may not make."""
    del aws_calls
    kept = (
        project.run_pulumi("config", "get", key).strip() if key != "LOG_RETENTION_DAYS" else "365"
    )
    project.run_pulumi("config", "set", key, value)
    project.run_pulumi("config", "set", "MEMORY_MB", "1024")
    assert _steps_of(project.preview_comment()) == steps
    project.run_pulumi("config", "set", key, kept)
    project.run_pulumi("config", "rm", "MEMORY_MB")
