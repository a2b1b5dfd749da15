"""What a stolen CI token can't do, according to the policies in IAM on the local AWS.

One account has two stacks, `dev` and `dev-eu`; the token is dev's. Moto evaluates neither
missing keys nor boundaries as AWS does, so the tests use their own evaluator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.local_aws.moto_server import Aws
from tests.infra.iam_evaluator import Call, Policy, is_allowed, may_assume
from tests.sandbox.deployments import REGION, deployed

OTHER_ACCOUNT = "999999999999"
API = "arn:aws:apigateway:eu-north-1::/apis/abc123"
GITHUB = "token.actions.githubusercontent.com"
EVERYTHING: Policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@dataclass(frozen=True)
class Stack:
    """A stack's resources and policies in IAM.

    Attributes:
        arns: ARNs of its resources, by logical name.
        policies: policy documents of its roles, by the role's logical name.
        trusts: trust policies of its roles.
        boundary: the permissions boundary of the function's role.
        bucket: ARN of its state bucket.
        state: ARN of its state file.
    """

    arns: Mapping[str, str]
    policies: Mapping[str, list[Policy]]
    trusts: Mapping[str, Policy]
    boundary: Policy
    bucket: str
    state: str

    def may(self, call: Call, role: str = "deploy-role", *beside: Policy) -> bool:
        """Decide whether a role may make a call, with additional policies attached."""
        return is_allowed(call, [*self.policies[role], *beside])


def _stack(aws: Aws, name: str) -> Stack:
    settings = {"ALARM_EMAIL": "oncall@example.com", "KMS_KEY_ALIAS": f"state-{name}"}
    made = deployed(aws, name, DEPLOY_REPOSITORY="acme/oncall", **settings)
    account, iam = aws.account, aws.client("iam")
    prefixes = {
        "aws:iam/role:Role": f"arn:aws:iam::{account}:role/",
        "aws:lambda/function:Function": f"arn:aws:lambda:{REGION}:{account}:function:",
        "aws:cloudwatch/logGroup:LogGroup": f"arn:aws:logs:{REGION}:{account}:log-group:",
        "aws:cloudwatch/metricAlarm:MetricAlarm": f"arn:aws:cloudwatch:{REGION}:{account}:alarm:",
        "aws:cloudwatch/dashboard:Dashboard": f"arn:aws:cloudwatch::{account}:dashboard/",
        "aws:kms/key:Key": f"arn:aws:kms:{REGION}:{account}:key/",
        "aws:s3/bucket:Bucket": "arn:aws:s3:::",
    }
    arns = {each.name: f"{prefixes.get(each.type, '')}{each.id}" for each in made.resources}
    roles = {each.name: each.id for each in made.resources if each.type == "aws:iam/role:Role"}

    def policies(role: str) -> list[Policy]:
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        return [
            iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names
        ]

    boundary = arns["approval-webhook-boundary"]
    version = iam.get_policy_version(PolicyArn=boundary, VersionId="v1")["PolicyVersion"]
    return Stack(
        arns=arns,
        policies={name: policies(role) for name, role in roles.items()},
        trusts={
            name: iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
            for name, role in roles.items()
        },
        boundary=version["Document"],
        bucket=arns["state"],
        state=f"{arns['state']}/.pulumi/stacks/oncall-approvals/{name}.json",
    )


@pytest.fixture(scope="module")
def stacks() -> Iterator[tuple[Stack, Stack]]:
    """The stacks dev and dev-eu in one account."""
    with Aws(REGION) as aws:
        yield _stack(aws, "dev"), _stack(aws, "dev-eu")


def _on_iam(dev: Stack, aws_account: str) -> dict[str, Call]:
    role, boundary = dev.arns["approval-webhook-role"], dev.arns["approval-webhook-boundary"]
    key = "iam:PermissionsBoundary"
    account = f"arn:aws:iam::{aws_account}"
    backdoor = f"{account}:role/approval-webhook-role-backdoor"
    other = f"{account}:policy/other"
    calls = {
        "make a role that trusts another account": Call("iam:CreateRole", backdoor),
        "make the role with our boundary": Call("iam:CreateRole", backdoor, {key: boundary}),
        "make the role with another boundary": Call("iam:CreateRole", backdoor, {key: other}),
        "make the function's role anew": Call("iam:CreateRole", role, {key: boundary}),
        "allow the function's role everything, without a boundary": Call("iam:PutRolePolicy", role),
        "allow the function's role everything, with another boundary": Call(
            "iam:PutRolePolicy", role, {key: other}
        ),
        "allow a backdoor everything": Call("iam:PutRolePolicy", backdoor, {key: boundary}),
        "attach AdministratorAccess": Call("iam:AttachRolePolicy", role, {key: boundary}),
        "let another account assume the role": Call("iam:UpdateAssumeRolePolicy", role),
        "remove the boundary": Call("iam:DeleteRolePermissionsBoundary", role, {key: boundary}),
        "set another boundary": Call("iam:PutRolePermissionsBoundary", role, {key: other}),
        "widen the boundary": Call("iam:CreatePolicyVersion", boundary),
        "go back to a wider version": Call("iam:SetDefaultPolicyVersion", boundary),
        "delete the boundary": Call("iam:DeletePolicy", boundary),
        "delete the role's policy": Call("iam:DeleteRolePolicy", role, {key: boundary}),
        "delete the role": Call("iam:DeleteRole", role),
        "tag the role as another's": Call("iam:TagRole", role),
        "make a user": Call("iam:CreateUser", f"{account}:user/me"),
        "make a key for a user": Call("iam:CreateAccessKey", f"{account}:user/admin"),
        "trust another provider": Call("iam:CreateOpenIDConnectProvider", f"{account}:*"),
        "change GitHub's provider": Call(
            "iam:AddClientIDToOpenIDConnectProvider", f"{account}:oidc-provider/{GITHUB}"
        ),
        "hand the role to machines": Call(
            "iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"}
        ),
        "hand another role to Lambda": Call(
            "iam:PassRole", f"{account}:role/admin", {"iam:PassedToService": "lambda.amazonaws.com"}
        ),
    }
    for name in ("deploy-role", "deploy-role-preview"):
        arn = dev.arns[name]
        calls |= {
            f"write a policy into {name}": Call("iam:PutRolePolicy", arn),
            f"write it as if {name} had the boundary": Call(
                "iam:PutRolePolicy", arn, {key: boundary}
            ),
            f"attach a policy to {name}": Call("iam:AttachRolePolicy", arn),
            f"change who may assume {name}": Call("iam:UpdateAssumeRolePolicy", arn),
            f"lengthen the sessions of {name}": Call("iam:UpdateRole", arn),
        }
    return calls


def _on_the_stack(dev: Stack, account: str) -> dict[str, Call]:
    function, log, secret = (
        dev.arns[each] for each in ("approval-webhook", "approval-webhook-log", "handler-secret")
    )
    ours = {"aws:ResourceAccount": account}
    alarm = dev.arns["monitoring-function-broken"]
    topic = dev.arns["monitoring-alarms"]
    calls = {
        "keep the audit trail for a day": Call("logs:PutRetentionPolicy", log),
        "keep the audit trail for a day, using its other ARN": Call(
            "logs:PutRetentionPolicy", f"{log}:*"
        ),
        "delete the audit trail": Call("logs:DeleteLogGroup", log),
        "delete a stream of the audit trail": Call("logs:DeleteLogStream", f"{log}:log-stream:a"),
        "write into the audit trail": Call("logs:PutLogEvents", f"{log}:log-stream:a"),
        "send the audit trail to another account": Call("logs:PutSubscriptionFilter", log),
        "let another account call the function": Call("lambda:AddPermission", function),
        "let another account change the function": Call("lambda:PutResourcePolicy", function),
        "delete the function's URL": Call("lambda:DeleteFunctionUrlConfig", function),
        "make the URL require a signature": Call("lambda:UpdateFunctionUrlConfig", function),
        **{
            f"{verb} part of an HTTP API": Call(f"apigateway:{verb}", f"{API}/stages/$default")
            for verb in ("POST", "PUT", "PATCH", "DELETE")
        },
        "deliver logs elsewhere": Call("logs:UpdateLogDelivery", "*"),
        "let anybody write logs": Call("logs:PutResourcePolicy", "*"),
        "delete the function": Call("lambda:DeleteFunction", function),
        "make another function": Call("lambda:CreateFunction", f"{function}-2"),
        "call the function": Call("lambda:InvokeFunction", function),
        "let another account read the secret": Call("secretsmanager:PutResourcePolicy", secret),
        "copy the secret elsewhere": Call("secretsmanager:ReplicateSecretToRegions", secret),
        "delete the secret": Call("secretsmanager:DeleteSecret", secret),
        "open the state bucket": Call("s3:PutBucketPolicy", dev.bucket, ours),
        "open the state bucket to the public": Call(
            "s3:PutBucketPublicAccessBlock", dev.bucket, ours
        ),
        "stop keeping versions": Call("s3:PutBucketVersioning", dev.bucket, ours),
        "delete old versions with a lifecycle rule": Call(
            "s3:PutLifecycleConfiguration", dev.bucket, ours
        ),
        "copy the state elsewhere": Call("s3:PutReplicationConfiguration", dev.bucket, ours),
        "delete a version of the state": Call("s3:DeleteObjectVersion", dev.state, ours),
        "write another file into the bucket": Call("s3:PutObject", f"{dev.bucket}/x", ours),
        "write for all stacks": Call("s3:PutObject", f"{dev.bucket}/.pulumi/meta.yaml", ours),
        "write the state into a bucket of another account": Call(
            "s3:PutObject", dev.state, {"aws:ResourceAccount": OTHER_ACCOUNT}
        ),
        "read the state from a bucket of another account": Call(
            "s3:GetObject", dev.state, {"aws:ResourceAccount": OTHER_ACCOUNT}
        ),
        "read the state from a bucket of an unknown account": Call("s3:GetObject", dev.state),
        "subscribe to the alarms": Call("sns:Subscribe", topic),
        "let another account write to the topic": Call("sns:SetTopicAttributes", topic),
        "add a permission to the topic": Call("sns:AddPermission", topic),
        "stop machines by an alarm": Call(
            "cloudwatch:PutMetricAlarm",
            alarm,
            {"cloudwatch:AlarmActions": [topic, "arn:aws:automate:eu-north-1:ec2:stop"]},
        ),
        "silence another's alarm": Call("cloudwatch:DeleteAlarms", f"{alarm}-of-others"),
        "tag another's alarm as ours": Call(
            "cloudwatch:TagResource", f"{alarm}-of-others", {"aws:RequestTag/stack": "dev"}
        ),
    }
    key = dev.arns["state-key"]
    for action in ("CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey"):
        calls[f"{action} of the state's key"] = Call(f"kms:{action}", key)
    return calls


def _on_another_stack(eu: Stack, account: str) -> dict[str, Call]:
    ours = {"aws:ResourceAccount": account}
    key = {"iam:PermissionsBoundary": eu.arns["approval-webhook-boundary"]}
    function, secret = eu.arns["approval-webhook"], eu.arns["handler-secret"]
    return {
        "deploy its code": Call("lambda:UpdateFunctionCode", function),
        "read its code": Call("lambda:GetFunction", function),
        "change its settings": Call("lambda:UpdateFunctionConfiguration", function),
        "read its secret": Call("secretsmanager:GetSecretValue", secret),
        "change its secret": Call("secretsmanager:PutSecretValue", secret),
        "stop its metrics": Call("logs:DeleteMetricFilter", eu.arns["approval-webhook-log"]),
        "silence its alarms": Call(
            "cloudwatch:DeleteAlarms", eu.arns["monitoring-function-broken"]
        ),
        "change its dashboard": Call("cloudwatch:PutDashboard", eu.arns["monitoring-dashboard"]),
        "change its rights": Call("iam:PutRolePolicy", eu.arns["approval-webhook-role"], key),
        "hand its role over": Call(
            "iam:PassRole",
            eu.arns["approval-webhook-role"],
            {"iam:PassedToService": "lambda.amazonaws.com"},
        ),
        "read its state": Call("s3:GetObject", eu.state, ours),
        "write its state": Call("s3:PutObject", eu.state, ours),
        "list its bucket": Call("s3:ListBucket", eu.bucket, ours),
        "read its state's secrets": Call("kms:Decrypt", eu.arns["state-key"]),
    }


def _account(stack: Stack) -> str:
    return stack.arns["approval-webhook-role"].split(":")[4]


def test_attacks_are_denied(stacks: tuple[Stack, Stack]) -> None:
    """Every attack is denied, to the deploy role and to the preview role."""
    dev, eu = stacks
    account = _account(dev)
    attacks = {
        **_on_iam(dev, account),
        **_on_the_stack(dev, account),
        **_on_another_stack(eu, account),
    }
    assert len(attacks) > 80
    for role in ("deploy-role", "deploy-role-preview"):
        assert [name for name, call in attacks.items() if dev.may(call, role)] == []


def test_lasting_changes_are_denied_despite_other_policies(stacks: tuple[Stack, Stack]) -> None:
    """Even with AdministratorAccess, the deploy role can't change roles, trust or resources."""
    dev, _ = stacks
    account = _account(dev)
    # Attaching AdministratorAccess allows these; they end with the session, or are noticed at once.
    not_lasting = {
        *(
            "write into the audit trail",
            "call the function",
            "delete the function",
            "make another function",
        ),
        *(
            "write another file into the bucket",
            "write for all stacks",
            "hand the role to machines",
        ),
        *(
            "write the state into a bucket of another account",
            "read the state from a bucket of another account",
        ),
        *("read the state from a bucket of an unknown account", "stop machines by an alarm"),
        *("silence another's alarm", "tag another's alarm as ours"),
    }
    attacks = {**_on_iam(dev, account), **_on_the_stack(dev, account)}
    allowed = {name for name, call in attacks.items() if dev.may(call, "deploy-role", EVERYTHING)}
    assert allowed == not_lasting


def test_function_stays_within_its_boundary(stacks: tuple[Stack, Stack]) -> None:
    """If a stolen token allows the function everything, its boundary still limits it."""
    dev, eu = stacks
    boundary, key = dev.arns["approval-webhook-boundary"], "iam:PermissionsBoundary"
    assert dev.may(Call("iam:PutRolePolicy", dev.arns["approval-webhook-role"], {key: boundary}))
    attacks = {
        **_on_iam(dev, _account(dev)),
        **_on_the_stack(dev, _account(dev)),
        **_on_another_stack(eu, _account(dev)),
    }
    del attacks["write into the audit trail"]
    assert [
        name for name, call in attacks.items() if is_allowed(call, [EVERYTHING], dev.boundary)
    ] == []
    for action, resource in (
        ("secretsmanager:GetSecretValue", dev.arns["handler-secret"]),
        ("logs:PutLogEvents", f"{dev.arns['approval-webhook-log']}:log-stream:a"),
    ):
        assert is_allowed(
            Call(action, resource), dev.policies["approval-webhook-role"], dev.boundary
        )


def test_preview_role_changes_nothing(stacks: tuple[Stack, Stack]) -> None:
    """The preview role reads and decrypts the state, and changes nothing."""
    dev, _ = stacks
    ours = {"aws:ResourceAccount": _account(dev)}
    role, key = "deploy-role-preview", dev.arns["state-key"]
    assert dev.may(Call("s3:GetObject", dev.state, ours), role)
    assert dev.may(Call("s3:ListBucket", dev.bucket, ours), role)
    assert dev.may(Call("kms:Decrypt", key), role)
    for call in (
        Call("s3:PutObject", dev.state, ours),
        Call("s3:DeleteObject", dev.state, ours),
        Call("kms:Encrypt", key),
        Call("secretsmanager:GetSecretValue", dev.arns["handler-secret"]),
        Call("lambda:UpdateFunctionCode", dev.arns["approval-webhook"]),
    ):
        assert not dev.may(call, role), call


SUBJECTS: list[tuple[str, str, bool]] = [
    ("deploy-role", "repo:acme/oncall:environment:dev", True),
    ("deploy-role-preview", "repo:acme/oncall:environment:dev-preview", True),
    *[
        (role, f"repo:{subject}", False)
        for role in ("deploy-role", "deploy-role-preview")
        for subject in (
            "acme/oncall:environment:prod",
            "acme/oncall:environment:dev-eu",
            "acme/oncall:environment:dev:x",
            "acme/oncall:ref:refs/heads/main",
            "acme/oncall:pull_request",
            "acme/oncall-2:environment:dev",
            "evil/oncall:environment:dev",
            "acme@1/oncall@2:environment:dev",
            "ACME/oncall:environment:dev",
        )
    ],
    ("deploy-role", "repo:acme/oncall:environment:dev-preview", False),
    ("deploy-role-preview", "repo:acme/oncall:environment:dev", False),
]


@pytest.mark.parametrize(("role", "subject", "taken"), SUBJECTS)
def test_role_is_assumed_by_its_subject_only(
    stacks: tuple[Stack, Stack], role: str, subject: str, *, taken: bool
) -> None:
    """Only one GitHub environment can assume a role, with AWS's audience, in this account."""
    dev, _ = stacks
    trust: Any = dev.trusts[role]
    provider = f"arn:aws:iam::{_account(dev)}:oidc-provider/{GITHUB}"
    claims = {f"{GITHUB}:sub": subject, f"{GITHUB}:aud": "sts.amazonaws.com"}
    assert may_assume(trust, provider, claims) is taken
    assert not may_assume(trust, provider, {**claims, f"{GITHUB}:aud": "else"})
    assert not may_assume(trust, provider.replace(_account(dev), OTHER_ACCOUNT), claims)
