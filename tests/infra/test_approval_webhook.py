"""The function, its rights, its log and its URL, as they are registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.infra.program import OPEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.program import ProgramRun, Registration
    from tests.infra.program import Program

ROOT = Path(__file__).resolve().parents[2]
TAGS = {"project": "oncall-approvals", "stack": "dev"}
FUNCTION = "aws:lambda/function:Function"


def test_role_is_lambdas_to_assume_and_nobody_elses(
    registered: Mapping[str, Registration],
) -> None:
    """One statement: only the Lambda service may assume the role."""
    role = registered["aws:iam/role:Role"].inputs
    assert role.keys() == {"assumeRolePolicy", "description", "tags"}
    assert json.loads(role["assumeRolePolicy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }


def test_rights_are_its_own_log_and_its_own_secret(
    registered: Mapping[str, Registration],
) -> None:
    """Every right of the function, action by action and resource by resource."""
    rights = registered["aws:iam/rolePolicy:RolePolicy"].inputs
    assert rights.keys() == {"role", "policy"}
    assert rights["role"] == "approval-webhook-role-id"
    assert json.loads(rights["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "WriteOwnLog",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": "arn:approval-webhook-log:*",
            },
            {
                "Sid": "ReadOwnSecret",
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": "arn:handler-secret",
            },
        ],
    }


def test_nothing_else_of_iam_is_registered(registered: Mapping[str, Registration]) -> None:
    """There is no managed policy, attachment or permission besides the role and its policy."""
    grants = {type_ for type_ in registered if type_.startswith(("aws:iam/", "aws:lambda/"))}
    assert grants == {
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        FUNCTION,
        "aws:lambda/functionUrl:FunctionUrl",
    }


def test_log_is_kept_for_a_year(registered: Mapping[str, Registration]) -> None:
    """The log group, which is the audit trail, has the retention of the config."""
    group = registered["aws:cloudwatch/logGroup:LogGroup"].inputs
    assert group == {"retentionInDays": 365, "tags": TAGS}


def test_log_outlives_the_stack(registered: Mapping[str, Registration]) -> None:
    """`pulumi destroy` keeps the log group, which a new stack's name does not collide with."""
    group = registered["aws:cloudwatch/logGroup:LogGroup"]
    assert group.retain_on_delete
    assert "name" not in group.inputs


def test_function_is_exact(registered: Mapping[str, Registration]) -> None:
    """Every property of the function but its code."""
    inputs = dict(registered[FUNCTION].inputs)
    del inputs["code"]
    assert inputs == {
        "description": "Approves access requests of people who are on call or lead an incident.",
        "runtime": "python3.13",
        "architectures": ["arm64"],
        "handler": "handler.app.handle",
        "role": "arn:approval-webhook-role",
        "timeout": 15,
        "memorySize": 512,
        "loggingConfig": {"logFormat": "JSON", "logGroup": "approval-webhook-log-name"},
        "environment": {
            "variables": {
                "AUTO_APPROVAL_DURATION": "6",
                "AUTO_APPROVAL_END_WITH_SHIFT": "false",
                "AUTO_APPROVAL_DRY_RUN": "false",
                "INCIDENTIO_APPROVE_PARTICIPANTS": "false",
                "INCIDENTIO_APPROVE_SELF_DECLARED": "false",
                "INCIDENTIO_BASE_URL": "https://api.incident.io",
                "PAGERDUTY_BASE_URL": "https://api.pagerduty.com",
                "OPSGENIE_BASE_URL": "https://api.opsgenie.com",
                "JSM_BASE_URL": "https://api.atlassian.com",
                "WEBHOOK_MAX_AGE": "300",
                "AUTHZEN_DEADLINE": "6",
                "HANDLER_CALLERS": "indent",
                "HANDLER_SECRET_ARN": "arn:handler-secret",
                "HANDLER_SECRET_VERSION": "version-1",
                "MALLOC_MMAP_THRESHOLD_": "1048576",
            }
        },
        "tags": TAGS,
    }


def test_code_is_the_handler_alone(registered: Mapping[str, Registration]) -> None:
    """The zip holds the Python files of handler/, and nothing else."""
    code = registered[FUNCTION].inputs["code"]
    assert sorted(code.assets) == sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "handler").rglob("*.py")
    )
    assert "handler/app.py" in code.assets


def test_function_waits_for_its_rights(registered: Mapping[str, Registration]) -> None:
    """The function never starts without the right to read its secret."""
    rights = registered["aws:iam/rolePolicy:RolePolicy"]
    assert rights.urn in registered[FUNCTION].dependencies


def test_url_is_open_and_the_functions_own(registered: Mapping[str, Registration]) -> None:
    """Indent signs its calls itself: the URL asks for no AWS signature."""
    url = registered["aws:lambda/functionUrl:FunctionUrl"].inputs
    assert url == {"authorizationType": "NONE", "functionName": "approval-webhook-name"}


def test_every_taggable_resource_has_the_stacks_tags(program: Program) -> None:
    """Resources that support tags have the project's and the stack's."""
    run = program.run({"ALARM_EMAIL": "oncall@example.com"}, stack="prod")
    tagged = {made.type: made.inputs["tags"] for made in run.registrations if "tags" in made.inputs}
    taggable = {
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "aws:sns/topic:Topic",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:iam/role:Role",
        FUNCTION,
        "aws:s3/bucket:Bucket",
        "aws:secretsmanager/secret:Secret",
    }
    assert tagged == {type_: {"project": "oncall-approvals", "stack": "prod"} for type_ in taggable}


def test_stack_outputs_are_exact_and_not_secret(dev: ProgramRun) -> None:
    """The stack has five outputs, none of which is secret."""
    assert dev.outputs == {
        "webhook_url": "https://abc.lambda-url.eu-north-1.on.aws/",
        "state_bucket": "indent-deploy-state-210987654321-dev",
        "function_name": "approval-webhook-name",
        "log_group": "approval-webhook-log-name",
        "secret_arn": "arn:handler-secret",
    }
    assert dev.secret_outputs == frozenset()
    assert dev.notes == (OPEN,)
