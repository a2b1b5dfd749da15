"""The documents name what there is: tests, and rights for all that is deployed."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.state_bucket import NAME_PREFIX
from infra.state_key import KEEPING, USING
from sandbox.resources import RESOURCES

ROOT = Path(__file__).resolve().parents[2]
READS = re.compile("kms:(Describe|Get|List)")
# What AWS lets nobody narrow to one resource.
ALL_OR_NONE = (
    ["sts:GetCallerIdentity"],
    ["logs:DescribeLogGroups"],
    ["sns:GetSubscriptionAttributes", "sns:Unsubscribe"],
    ["kms:ListAliases"],
)
NAMED = re.findall(r"`(tests/[\w/.]+)::(\w+)`", (ROOT / "docs/threat-model.md").read_text())


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    """Each test that the threat model names is there, as a function or a method."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_threat_names_a_test() -> None:
    """No row of the threat model claims a defence that nothing shows."""
    lines = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert len(rows) >= 15
    assert all("::test_" in row for row in rows)


def _policies() -> list[dict[str, Any]]:
    text = (ROOT / "docs/deploy-role.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)
    return [json.loads(block) for block in blocks]


def test_the_role_is_trusted_by_one_subject_exactly() -> None:
    """Its trust compares audience and subject whole, for one environment."""
    (statement,) = _policies()[0]["Statement"]
    assert set(statement["Condition"]) == {"StringEquals"}
    subject = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert subject.endswith(":environment:prod")
    assert "*" not in subject


def test_the_role_cannot_edit_itself() -> None:
    """No action has a star, and those of IAM reach the function's role only."""
    for statement in _policies()[1]["Statement"]:
        assert "*" not in "".join(statement["Action"])
        if any(action.startswith("iam:") for action in statement["Action"]):
            assert statement["Resource"] == "arn:aws:iam::ACCOUNT:role/approval-webhook-role-*"
        if statement["Resource"] == "*":
            assert statement["Action"] in ALL_OR_NONE


def test_the_role_cannot_delete_the_audit_trail() -> None:
    """A deploy keeps the log group, so nobody who deploys needs to delete it."""
    assert "logs:DeleteLogGroup" not in str(_policies()[1])


# What a type is made with. The bucket's settings have actions of their own names.
MADE_WITH = {
    "aws:cloudwatch/dashboard:Dashboard": "cloudwatch:PutDashboard",
    "aws:cloudwatch/logGroup:LogGroup": "logs:CreateLogGroup",
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": "logs:PutMetricFilter",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "cloudwatch:PutMetricAlarm",
    "aws:iam/role:Role": "iam:CreateRole",
    "aws:iam/rolePolicy:RolePolicy": "iam:PutRolePolicy",
    "aws:lambda/function:Function": "lambda:CreateFunction",
    "aws:lambda/functionUrl:FunctionUrl": "lambda:CreateFunctionUrlConfig",
    "aws:s3/bucket:Bucket": "s3:CreateBucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        "s3:PutLifecycleConfiguration"
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "s3:PutBucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy": "s3:PutBucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "s3:PutEncryptionConfiguration"
    ),
    "aws:s3/bucketVersioning:BucketVersioning": "s3:PutBucketVersioning",
    "aws:secretsmanager/secret:Secret": "secretsmanager:CreateSecret",
    "aws:secretsmanager/secretVersion:SecretVersion": "secretsmanager:PutSecretValue",
    "aws:sns/topic:Topic": "sns:CreateTopic",
    "aws:sns/topicPolicy:TopicPolicy": "sns:SetTopicAttributes",
    "aws:sns/topicSubscription:TopicSubscription": "sns:Subscribe",
}


# A role that could make and name keys could reach those of others.
MADE_BY_A_PERSON = {
    "aws:kms/alias:Alias": "kms:CreateAlias",
    "aws:kms/key:Key": "kms:CreateKey",
}


def test_the_role_may_make_all_that_is_deployed() -> None:
    """Each type of resource that the program registers is made with an action that is listed."""
    assert MADE_WITH.keys() | MADE_BY_A_PERSON.keys() == RESOURCES.keys()
    listed = {action for each in _policies()[1]["Statement"] for action in each["Action"]}
    assert not set(MADE_WITH.values()) - listed
    assert not set(MADE_BY_A_PERSON.values()) & listed


def test_the_role_uses_the_states_key_and_keeps_its_hands_off_it() -> None:
    """What it may is all in the key's own policy: to use it and to read of it, for one key."""
    (statement,) = (
        each
        for each in _policies()[1]["Statement"]
        if any(action.startswith("kms:") for action in each["Action"]) and each["Resource"] != "*"
    )
    assert statement["Resource"] == "arn:aws:kms:REGION:ACCOUNT:key/KEY"
    assert {*USING, *(each for each in KEEPING if READS.match(each))} == set(statement["Action"])


def test_the_role_can_move_the_state() -> None:
    """A stack is listed, read, written and removed in the bucket that is named by default."""
    (statement,) = (each for each in _policies()[1]["Statement"] if each["Sid"] == "KeepState")
    objects = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
    assert set(statement["Action"]) == {"s3:ListBucket", *objects}
    bucket = f"arn:aws:s3:::{NAME_PREFIX}-ACCOUNT-STACK"
    assert statement["Resource"] == [bucket, f"{bucket}/*"]
