"""The roles that CI assumes, and the boundary of the function's role, as registered."""

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
    """Give a policy's statements by Sid, each of which must be unique."""
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
    """Run a stack that CI deploys, with a key and mailed alarms."""
    return Program().run(WITH_A_KEY)


@pytest.fixture(scope="module")
def plain_run() -> ProgramRun:
    """Run a stack that CI deploys, without a key and mail."""
    return Program().run({"DEPLOY_REPOSITORY": "acme/oncall"})


def _allow(actions: list[str], resources: list[str], **condition: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    more = {"Condition": condition["condition"]} if condition else {}
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def test_deploy_role_may_exactly_this(run: ProgramRun) -> None:
    """The deploy role's rights are exactly these, for this stack, without wildcard actions."""
    statements = _statements(run, "deploy-role-rights")
    allowed = {sid: each for sid, each in statements.items() if each["Effect"] == "Allow"}
    log = "arn:approval-webhook-log"
    names = [alarm.name for alarm in alarms_for(PROVIDERS, notices=True, has_api=False)]
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
    """The deploy role is always denied lasting changes and other identities."""
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
    """The preview role can only read the state, which is enough for a preview."""
    assert _statements(run, "deploy-role-preview-rights") == {
        "FindState": _allow(["s3:ListBucket", "s3:GetBucketTagging"], [BUCKET], condition=OURS),
        "ReadStateVersion": _allow(
            ["s3:GetObject"], [f"{BUCKET}/.pulumi/meta.yaml"], condition=OURS
        ),
        "ReadState": _allow(["s3:GetObject"], FILES, condition=OURS),
        "UseStateKey": _allow(["kms:Decrypt"], ["arn:state-key"]),
    }


def test_roles_may_use_an_unmanaged_bucket_and_key(program: Program) -> None:
    """The roles may use a bucket and key that the stack doesn't manage."""
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
    # The region of the alarms, since `aws:region` may be unset.
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


@pytest.mark.parametrize(
    ("name", "environment"), [("deploy-role", "dev"), ("deploy-role-preview", "dev-preview")]
)
def test_trust_is_one_subject_exactly(plain_run: ProgramRun, name: str, environment: str) -> None:
    """A role trusts exactly one environment of one repository, by this account's provider."""
    _assert_trust(plain_run, name, f"repo:acme/oncall:environment:{environment}")


def test_trust_names_a_repository_by_its_ids(program: Program) -> None:
    """A repository with ids is trusted with them."""
    run = program.run({"DEPLOY_REPOSITORY": "acme@12/oncall@345"})
    subject = "repo:acme@12/oncall@345:environment:dev"
    _assert_trust(run, "deploy-role", subject)
    _assert_trust(run, "deploy-role-preview", f"{subject}-preview")


def _assert_trust(run: ProgramRun, name: str, subject: str) -> None:
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
                        f"{GITHUB}:sub": subject,
                    }
                },
            }
        ],
    }


def test_boundary_is_the_functions_own_policy(run: ProgramRun, dev: ProgramRun) -> None:
    """The boundary equals the function's own policy, which it doesn't change."""
    assert _inputs(run, "approval-webhook-role")["permissionsBoundary"] == BOUNDARY
    own = _inputs(dev, "approval-webhook-rights")["policy"]
    assert json.loads(_inputs(run, "approval-webhook-rights")["policy"]) == json.loads(own)
    boundary = dict(_inputs(run, "approval-webhook-boundary"))
    assert json.loads(boundary.pop("policy")) == json.loads(own)
    assert boundary == {
        "description": "The most that the approval webhook's role may do.",
        "tags": {"project": "oncall-approvals", "stack": "dev"},
    }


def test_without_a_repository_nothing_is_new(dev: ProgramRun, plain_run: ProgramRun) -> None:
    """Without DEPLOY_REPOSITORY there is no deploy role; with it, only the boundary is added."""
    of_iam = {made.name for made in dev.registrations if made.type.startswith("aws:iam/")}
    assert of_iam == {"approval-webhook-role", "approval-webhook-rights"}
    run = plain_run
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
    """The rights cover all providers' alarms, so CI can switch a provider on."""
    few, many = program.run(SETTINGS), program.run({**SETTINGS, **JSM}, ALL_KEYS)
    for name in ("deploy-role-rights", "monitoring-alarms-policy", "approval-webhook-boundary"):
        assert _inputs(few, name) == _inputs(many, name)


def test_alarms_without_a_topic_may_do_nothing(plain_run: ProgramRun) -> None:
    """Without a topic, alarms can't have any action."""
    condition = _statements(plain_run, "deploy-role-rights")[ALARMS.sid]["Condition"]
    assert condition == {"ForAllValues:StringEquals": {"cloudwatch:AlarmActions": "none"}}


def test_every_input_is_changed_by_ci_or_by_a_person(program: Program) -> None:
    """Every input of resources that CI updates is classified: CI's or a person's to change."""
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
