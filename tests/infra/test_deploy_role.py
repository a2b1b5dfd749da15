"""The roles that CI takes, and the boundary of the function's role, as they are registered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from handler.providers.registry import PROVIDERS
from infra.alarms import alarms_for
from infra.deploy_rights import ALARMS, LASTING, RIGHTS
from sandbox.local_aws.program import ProgramRun
from tests.infra.program import Program
from tests.infra.test_monitoring import ALL_KEYS, JSM

ACCOUNT = "210987654321"
SETTINGS = {"DEPLOY_REPOSITORY": "acme/oncall", "ALARM_EMAIL": "oncall@example.com"}
WITH_A_KEY = {**SETTINGS, "KMS_KEY_ALIAS": "oncall-state"}
GITHUB = "token.actions.githubusercontent.com"
BUCKET = f"arn:aws-cn:s3:::indent-deploy-state-{ACCOUNT}-dev"
OURS = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
FILES = [
    f"{BUCKET}/.pulumi/{each}"
    for each in (
        "stacks/oncall-approvals/dev.json",
        "stacks/oncall-approvals/dev.json.bak",
        "stacks/oncall-approvals/dev.json.gz",
        "stacks/oncall-approvals/dev.json.gz.bak",
        "stacks/oncall-approvals/dev.json.zst",
        "stacks/oncall-approvals/dev.json.zst.bak",
        "stacks/oncall-approvals/dev.pulumi-tags",
        "history/oncall-approvals/dev/*",
        "backups/oncall-approvals/dev/*",
        "journal/oncall-approvals/dev/*",
        "locks/organization/oncall-approvals/dev/*",
    )
]
ALARM = "arn:aws:cloudwatch:eu-north-1:210987654321:alarm"
TOPIC = "arn:aws:sns:eu-north-1:210987654321:monitoring-alarms"
ROLE, BOUNDARY = "arn:approval-webhook-role", "arn:approval-webhook-boundary"


def _statements(run: ProgramRun, name: str) -> dict[str, dict[str, Any]]:
    """Give the statements of a policy by their names, of which each occurs once."""
    policy = json.loads(_inputs(run, name)["policy"])
    assert policy.keys() == {"Version", "Statement"}
    assert policy["Version"] == "2012-10-17"
    by_sid = {each.pop("Sid"): each for each in policy["Statement"]}
    assert len(by_sid) == len(policy["Statement"])
    return by_sid


def _inputs(run: ProgramRun, name: str) -> Mapping[str, Any]:
    named = [made for made in run.registrations if made.name == name]
    (result,) = (made for made in named if made.type.startswith("aws:"))
    return result.inputs


@pytest.fixture(scope="module")
def run() -> ProgramRun:
    """Give what a stack comes to that CI deploys, with a key and mailed alarms."""
    return Program().run(WITH_A_KEY)


def _allow(actions: list[str], resources: list[str], **condition: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    more = {"Condition": condition["condition"]} if condition else {}
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def test_deploy_role_may_exactly_this(run: ProgramRun) -> None:
    """Statement by statement: whole names of this stack's resources, and no star in an action."""
    statements = _statements(run, "deploy-role-rights")
    allowed = {sid: each for sid, each in statements.items() if each["Effect"] == "Allow"}
    log = "arn:approval-webhook-log"
    names = [each.name for each in alarms_for(PROVIDERS, notices=True, has_api=False)]
    assert allowed == {
        "FindState": _allow(["s3:ListBucket", "s3:GetBucketTagging"], [BUCKET], condition=OURS),
        "ReadStateVersion": _allow(
            ["s3:GetObject"], [f"{BUCKET}/.pulumi/meta.yaml"], condition=OURS
        ),
        "KeepState": _allow(
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], FILES, condition=OURS
        ),
        "UseStateKey": _allow(["kms:Decrypt", "kms:Encrypt"], ["arn:state-key"]),
        "UpdateFunction": _allow(
            [
                "lambda:GetFunction",
                "lambda:GetFunctionConfiguration",
                "lambda:ListTags",
                "lambda:ListVersionsByFunction",
                "lambda:GetFunctionCodeSigningConfig",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
                "lambda:PutFunctionConcurrency",
                "lambda:DeleteFunctionConcurrency",
            ],
            ["arn:approval-webhook"],
        ),
        "PassFunctionRole": _allow(
            ["iam:PassRole"],
            [ROLE],
            condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        ),
        "ReadFunctionRights": _allow(["iam:GetRolePolicy"], [ROLE]),
        "UpdateFunctionRights": _allow(
            ["iam:PutRolePolicy"],
            [ROLE],
            condition={"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}},
        ),
        "ReplaceSecretValue": _allow(
            [
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            ["arn:handler-secret"],
        ),
        "CountInLog": _allow(
            ["logs:DescribeMetricFilters", "logs:PutMetricFilter", "logs:DeleteMetricFilter"],
            [log, f"{log}:*"],
        ),
        "ChangeAlarms": _allow(
            [
                "cloudwatch:PutMetricAlarm",
                "cloudwatch:DeleteAlarms",
                "cloudwatch:ListTagsForResource",
                "cloudwatch:TagResource",
                "cloudwatch:UntagResource",
            ],
            [f"{ALARM}:oncall-approvals-dev-{name}" for name in names],
            condition={"ForAllValues:StringEquals": {"cloudwatch:AlarmActions": TOPIC}},
        ),
        "FindAlarms": _allow(["cloudwatch:DescribeAlarms"], [f"{ALARM}:*"]),
        "UpdateDashboard": _allow(
            ["cloudwatch:GetDashboard", "cloudwatch:PutDashboard"], ["arn:monitoring-dashboard"]
        ),
    }
    assert not [each for one in allowed.values() for each in one["Action"] if "*" in each]


def test_deploy_role_is_denied_exactly_this(run: ProgramRun) -> None:
    """Whatever is attached beside: no lasting change, and no other identity of the account."""
    statements = _statements(run, "deploy-role-rights")
    denied = {sid: each for sid, each in statements.items() if each["Effect"] == "Deny"}
    assert denied == {
        "OnlyWithBoundary": {
            "Effect": "Deny",
            "Action": ["iam:CreateRole", "iam:PutRolePolicy"],
            "Resource": "*",
            "Condition": {"StringNotEquals": {"iam:PermissionsBoundary": BOUNDARY}},
        },
        "NoOtherIdentity": {"Effect": "Deny", "Action": ["iam:*"], "NotResource": [ROLE]},
        "NothingThatLasts": {"Effect": "Deny", "Action": list(LASTING), "Resource": "*"},
        "KeyStaysOurs": {
            "Effect": "Deny",
            "Action": [
                "kms:CreateGrant",
                "kms:PutKeyPolicy",
                "kms:ScheduleKeyDeletion",
                "kms:DisableKey",
                "kms:CreateAlias",
                "kms:UpdateAlias",
                "kms:DeleteAlias",
            ],
            "Resource": ["arn:state-key"],
        },
    }


def test_preview_role_reads_the_state_and_nothing_else(run: ProgramRun) -> None:
    """A preview without a refresh asks AWS for nothing else."""
    assert _statements(run, "deploy-role-preview-rights") == {
        "FindState": _allow(["s3:ListBucket", "s3:GetBucketTagging"], [BUCKET], condition=OURS),
        "ReadStateVersion": _allow(
            ["s3:GetObject"], [f"{BUCKET}/.pulumi/meta.yaml"], condition=OURS
        ),
        "ReadState": _allow(["s3:GetObject"], FILES, condition=OURS),
        "UseStateKey": _allow(["kms:Decrypt"], ["arn:state-key"]),
    }


def test_roles_reach_a_bucket_and_a_key_that_the_stack_leaves_alone(program: Program) -> None:
    """By the bucket's name and the key's id, in this account, region and partition."""
    key = "38cdb1d1-718d-455c-a6a4-50d35fd3b767"
    run = program.run(
        {
            **WITH_A_KEY,
            "STATE_BUCKET": "shared-state",
            "STATE_BUCKET_MANAGED": "false",
            "KMS_KEY_ID": key,
            "KMS_KEY_MANAGED": "false",
        }
    )
    assert not [each for each in run.registrations if each.type.startswith(("aws:s3/", "aws:kms/"))]
    # Where the alarms are; `aws:region` need not be set.
    arn = f"arn:aws:kms:eu-north-1:{ACCOUNT}:key/{key}"
    bucket = "arn:aws-cn:s3:::shared-state"
    for name, actions in (
        ("deploy-role-rights", ["kms:Decrypt", "kms:Encrypt"]),
        ("deploy-role-preview-rights", ["kms:Decrypt"]),
    ):
        statements = _statements(run, name)
        assert statements["UseStateKey"] == _allow(actions, [arn])
        assert statements["FindState"]["Resource"] == [bucket]
        assert statements["ReadStateVersion"]["Resource"] == [f"{bucket}/.pulumi/meta.yaml"]
    assert _statements(run, "deploy-role-rights")["KeyStaysOurs"]["Resource"] == [arn]


@pytest.mark.parametrize("repository", ["acme/oncall", "acme@12/oncall@345"])
@pytest.mark.parametrize(
    ("name", "environment"), [("deploy-role", "dev"), ("deploy-role-preview", "dev-preview")]
)
def test_trust_is_one_subject_exactly(
    program: Program, repository: str, name: str, environment: str
) -> None:
    """GitHub's provider of this account, its audience, and one environment of one repository."""
    run = program.run({"DEPLOY_REPOSITORY": repository})
    provider = f"arn:aws-cn:iam::{ACCOUNT}:oidc-provider/{GITHUB}"
    assert json.loads(_inputs(run, name)["assumeRolePolicy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        f"{GITHUB}:aud": "sts.amazonaws.com",
                        f"{GITHUB}:sub": f"repo:{repository}:environment:{environment}",
                    }
                },
            }
        ],
    }


def test_boundary_is_the_functions_own_policy(run: ProgramRun, dev: ProgramRun) -> None:
    """The role carries it; what it may is what it may without a boundary, and is the most."""
    assert _inputs(run, "approval-webhook-role")["permissionsBoundary"] == BOUNDARY
    own = _inputs(dev, "approval-webhook-rights")["policy"]
    assert json.loads(_inputs(run, "approval-webhook-rights")["policy"]) == json.loads(own)
    boundary = dict(_inputs(run, "approval-webhook-boundary"))
    assert json.loads(boundary.pop("policy")) == json.loads(own)
    assert boundary == {
        "description": "The most that the approval webhook's role may do.",
        "tags": {"project": "oncall-approvals", "stack": "dev"},
    }


def test_without_a_repository_nothing_is_new(dev: ProgramRun, program: Program) -> None:
    """No role, boundary or output; with one, all else keeps its name, and two things change."""
    of_iam = {made.name for made in dev.registrations if made.type.startswith("aws:iam/")}
    assert of_iam == {"approval-webhook-role", "approval-webhook-rights"}
    run = program.run({"DEPLOY_REPOSITORY": "acme/oncall"})
    before = {made.urn: made for made in dev.registrations}
    after = {made.urn: made for made in run.registrations}
    assert before.keys() <= after.keys()
    assert {after[urn].name for urn in after.keys() - before.keys()} == {
        "approval-webhook-boundary",
        "deploy-role",
        "deploy-role-preview",
        "deploy-role-preview-rights",
        "deploy-role-rights",
    }
    changed = {
        (made.name, key)
        for urn, made in before.items()
        for key in made.inputs.keys() | after[urn].inputs.keys()
        if key != "code" and made.inputs.get(key) != after[urn].inputs.get(key)
    }
    assert changed == {("approval-webhook-role", "permissionsBoundary")}
    assert run.outputs == {
        **dev.outputs,
        "deploy_role_arn": "arn:deploy-role",
        "preview_role_arn": "arn:deploy-role-preview",
    }


def test_switching_a_provider_on_changes_no_role_and_no_topic(program: Program) -> None:
    """The alarms of all providers are named beforehand, so that CI can switch one on."""
    few, many = program.run(SETTINGS), program.run({**SETTINGS, **JSM}, ALL_KEYS)
    for name in ("deploy-role-rights", "monitoring-alarms-policy", "approval-webhook-boundary"):
        assert _inputs(few, name) == _inputs(many, name)


def test_alarms_without_a_topic_may_do_nothing(program: Program) -> None:
    """Where nobody is mailed, an alarm must not do anything else."""
    run = program.run({"DEPLOY_REPOSITORY": "acme/oncall"})
    condition = _statements(run, "deploy-role-rights")[ALARMS.sid]["Condition"]
    assert condition == {"ForAllValues:StringEquals": {"cloudwatch:AlarmActions": "none"}}


def test_each_input_of_what_ci_updates_is_decided_on(program: Program) -> None:
    """A new input of these resources is CI's to change or a person's, and not forgotten."""
    run = program.run({**WITH_A_KEY, **JSM, "RESERVED_CONCURRENCY": "5"}, ALL_KEYS)
    persons = {"dashboardName", "functionName", "logGroupName", "role", "secretId", "tags"}
    for right in RIGHTS:
        made = [
            each
            for each in run.registrations
            if each.type == right.type and right.name in {"", each.name}
        ]
        assert made, right.type
        inputs = {key for each in made for key in each.inputs}
        assert inputs - persons <= right.inputs, right.type
        assert not right.inputs & (persons - {"tags"}), right.type
