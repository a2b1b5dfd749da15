"""A stack that was there before gets its deploy role, which then suffices for what CI updates."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sandbox.local_aws.program import ROOT
from tests.engine.cli import PATIENCE
from tests.engine.gate import Gate
from tests.engine.noted import Noted, policy_in, refused
from tests.engine.project import Project, changed

SECRETS = {"INDENT_WEBHOOK_SECRET": "wks0-the-secret-of-a-test", "INCIDENTIO_API_KEY": "one-key"}


@pytest.fixture(scope="module")
def noted(project: Project, gate: Gate) -> Noted:
    """A stack as somebody deployed it who had not heard of the setting."""
    noted = Noted(project, gate)
    project.new_stack("dev", SECRETS, ALARM_EMAIL="oncall@example.com")
    project.ok("up", "--yes")
    return noted


def _comment(project: Project) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "infra.preview", "dev"],
        cwd=project.folder,
        env={**project._environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def before(project: Project, noted: Noted) -> dict[str, str]:  # noqa: ARG001 - it deployed the stack
    """The outputs of the stack, and its resources' ids, before the setting."""
    assert "A person has to deploy this" not in _comment(project)
    project.ok("config", "set", "DEPLOY_REPOSITORY", "acme/oncall")
    return {
        **project.outputs(),
        **{each["urn"]: each["id"] for each in project.state() if each.get("id")},
    }


def test_role_is_made_in_place(project: Project, before: dict[str, str]) -> None:
    """Nothing is replaced, names and URL stay, and the preview says that a person deploys it."""
    assert _steps_of(_comment(project)) == {
        "create aws:iam/policy:Policy approval-webhook-boundary",
        "create aws:iam/role:Role deploy-role",
        "create aws:iam/role:Role deploy-role-preview",
        "create aws:iam/rolePolicy:RolePolicy deploy-role-preview-rights",
        "create aws:iam/rolePolicy:RolePolicy deploy-role-rights",
        "update aws:iam/role:Role approval-webhook-role (permissionsBoundary)",
        "update aws:sns/topicPolicy:TopicPolicy monitoring-alarms-policy (policy)",
    }
    project.ok("up", "--yes")
    project.ok("preview", "--expect-no-changes")
    project.ok("refresh", "--yes", "--expect-no-changes")
    outputs = project.outputs()
    assert {"deploy_role_arn", "preview_role_arn"} == outputs.keys() - before.keys()
    after = {**outputs, **{each["urn"]: each["id"] for each in project.state() if each.get("id")}}
    assert before.items() <= after.items()


def _steps_of(comment: str) -> set[str]:
    assert "**A person has to deploy this.**" in comment
    assert "Run `make deploy STACK=dev`" in comment
    return set(comment.split("```text\n")[1].partition("\n```")[0].splitlines())


def test_ci_can_update(project: Project, noted: Noted) -> None:
    """With the state in the bucket: code, settings, a secret, a provider on and off again."""
    project.ok("up", "--yes")
    bucket = project.outputs()["state_bucket"]
    deploys, previews = (
        [policy_in(project, name)] for name in ("deploy-role-rights", "deploy-role-preview-rights")
    )
    _move_state(project, bucket)
    code = project.folder / "handler" / "clock.py"
    code.write_text(code.read_text("utf-8") + "\nCHANGED = True\n", encoding="utf-8")
    project.ok("config", "set", "AUTO_APPROVAL_DURATION", "3")
    project.ok("config", "set", "RESERVED_CONCURRENCY", "5")
    project.ok("config", "set", "--secret", "PAGERDUTY_KEY", given="another-key")
    assert "A person has to deploy this" not in _comment(project)
    calls = noted.of(bucket, "preview")
    assert {call.action for call in calls} == {"s3:GetObject", "s3:ListBucket"}
    assert refused(calls, previews) == set()
    calls = noted.of(bucket, "up", "--yes", "--skip-preview")
    assert {
        *("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "iam:PassRole"),
        *("lambda:PutFunctionConcurrency", "secretsmanager:PutSecretValue"),
        *("logs:PutMetricFilter", "cloudwatch:PutMetricAlarm", "cloudwatch:PutDashboard"),
        *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"),
    } <= {call.action for call in calls}
    assert refused(calls, deploys) == set()
    for key in ("PAGERDUTY_KEY", "RESERVED_CONCURRENCY"):
        project.ok("config", "rm", key)
    calls = noted.of(bucket, "up", "--yes", "--skip-preview")
    assert {
        *("lambda:DeleteFunctionConcurrency", "logs:DeleteMetricFilter"),
        "cloudwatch:DeleteAlarms",
    } <= {call.action for call in calls}
    assert refused(calls, deploys) == set()
    assert changed(project.preview()) == set()


def _move_state(project: Project, bucket: str) -> None:
    """Have the state where the README has it, as the runbook moves one."""
    exported = project.folder.parent / "exported.json"
    exported.write_text(project.pulumi("stack", "export").out, encoding="utf-8")
    environment = project._environment
    environment["PULUMI_BACKEND_URL"] = (
        f"s3://{bucket}?region={project.aws.region}"
        f"&endpoint={environment['AWS_ENDPOINT_URL']}&s3ForcePathStyle=true"
    )
    project.ok("stack", "init", "dev")
    project.ok("stack", "import", "--file", str(exported))


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
    project: Project, noted: Noted, key: str, value: str, steps: set[str]
) -> None:
    """What the role may not do is named, and what it may is not."""
    del noted
    kept = project.ok("config", "get", key).strip() if key != "LOG_RETENTION_DAYS" else "365"
    project.ok("config", "set", key, value)
    project.ok("config", "set", "MEMORY_MB", "1024")
    assert _steps_of(_comment(project)) == steps
    project.ok("config", "set", key, kept)
    project.ok("config", "rm", "MEMORY_MB")
