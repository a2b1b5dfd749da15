"""The roles of CI: one deploys, one previews.

They trust GitHub's identity provider, which `make bootstrap` creates once per account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from botocore.exceptions import ClientError
from pulumi_aws import get_caller_identity_output, iam

from infra.aws_account import error_code
from infra.deploy_rights import (
    ALARMS,
    DASHBOARD,
    FUNCTION,
    FUNCTION_RIGHTS,
    LASTING,
    LASTING_FOR_A_KEY,
    METRIC_FILTERS,
    SECRET_VALUE,
    Right,
)
from infra.errors import SetupError

if TYPE_CHECKING:
    from infra.approval_webhook import ApprovalWebhook
    from infra.aws_account import AwsAccount
    from infra.handler_secret import HandlerSecret
    from infra.monitoring import Monitoring

PREVIEW_SUFFIX = "-preview"
ISSUER, AUDIENCE = "token.actions.githubusercontent.com", "sts.amazonaws.com"
# The files of one stack below `.pulumi/`, as Pulumi's own backend names them.
STATE_FILES = (
    *(f"stacks/{{0}}{ending}" for ending in (".json", ".json.bak", ".json.gz", ".json.gz.bak")),
    *(f"stacks/{{0}}{ending}" for ending in (".json.zst", ".json.zst.bak", ".pulumi-tags")),
    *(f"{folder}/{{0}}/*" for folder in ("history", "backups", "journal", "locks/organization")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRoleArgs:
    """Who may take the roles, and what they reach.

    Attributes:
        repository: on GitHub, as its tokens name it.
        state_bucket: the name of the bucket with the stack's state.
        state_key_arn: of the key that encrypts the state's secrets, or None.
        secret: the function's secret.
        webhook: the function with its role, its boundary and its log.
        monitoring: the alarms and the dashboard.
        tags: of both roles.
    """

    repository: str
    state_bucket: pulumi.Input[str]
    state_key_arn: pulumi.Output[str] | None
    secret: HandlerSecret
    webhook: ApprovalWebhook
    monitoring: Monitoring
    tags: Mapping[str, str]


class DeployRole(pulumi.ComponentResource):
    """A role that may update this stack, and one that may read its state, each for one subject.

    Neither can change the roles' policies or the boundary of the function's role: a person deploys
    those. GitHub's identity provider belongs to the account, and exists before.

    Attributes:
        arn: of the role that deploys.
        preview_arn: of the role that previews.
    """

    arn: pulumi.Output[str]
    preview_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: DeployRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("oncall-approvals:infra:DeployRole", name, None, opts)
        self._args = args
        caller = get_caller_identity_output()
        self._account = caller.account_id
        self._partition = caller.arn.apply(lambda arn: arn.split(":")[1])
        stack = pulumi.get_stack()
        self.arn = self._role(
            name, "Deploys", stack, [*self._state(writes=True), *self._updates(), *_denials(args)]
        )
        self.preview_arn = self._role(
            f"{name}{PREVIEW_SUFFIX}",
            "Previews",
            f"{stack}{PREVIEW_SUFFIX}",
            self._state(writes=False),
        )
        self.register_outputs({"arn": self.arn, "preview_arn": self.preview_arn})

    def _role(
        self, name: str, verb: str, environment: str, statements: Sequence[Mapping[str, Any]]
    ) -> pulumi.Output[str]:
        role = iam.Role(
            name,
            description=f"{verb} stack {pulumi.get_stack()} from GitHub.",
            assume_role_policy=pulumi.Output.json_dumps(self._trust(environment)),
            tags=self._args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        iam.RolePolicy(
            f"{name}-rights",
            role=role.id,
            policy=pulumi.Output.json_dumps(
                {"Version": "2012-10-17", "Statement": list(statements)}
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return role.arn

    def _trust(self, environment: str) -> dict[str, Any]:
        provider = pulumi.Output.format(
            "arn:{0}:iam::{1}:oidc-provider/{2}", self._partition, self._account, ISSUER
        )
        subject = f"repo:{self._args.repository}:environment:{environment}"
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": provider},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {
                            f"{ISSUER}:aud": AUDIENCE,
                            f"{ISSUER}:sub": subject,
                        }
                    },
                }
            ],
        }

    def _state(self, *, writes: bool) -> list[dict[str, Any]]:
        bucket = pulumi.Output.format("arn:{0}:s3:::{1}", self._partition, self._args.state_bucket)
        stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
        files = [
            pulumi.Output.concat(bucket, "/.pulumi/", file.format(stack)) for file in STATE_FILES
        ]
        # A bucket with this name in another account could steal the state or replace it.
        ours = {"StringEquals": {"aws:ResourceAccount": self._account}}
        meta = pulumi.Output.concat(bucket, "/.pulumi/meta.yaml")
        writing = ["s3:PutObject", "s3:DeleteObject"] if writes else []
        statements = [
            # The program recognises the stack's own bucket by its tags.
            _allow("FindState", ["s3:ListBucket", "s3:GetBucketTagging"], [bucket], ours),
            _allow("ReadStateVersion", ["s3:GetObject"], [meta], ours),
            _allow("KeepState" if writes else "ReadState", ["s3:GetObject", *writing], files, ours),
        ]
        if self._args.state_key_arn:
            actions = ["kms:Decrypt", *(["kms:Encrypt"] if writes else [])]
            statements.append(_allow("UseStateKey", actions, [self._args.state_key_arn]))
        return statements

    def _updates(self) -> list[dict[str, Any]]:
        webhook, monitoring = self._args.webhook, self._args.monitoring
        role = webhook.role_arn
        logs = [webhook.log_group_arn]
        if webhook.http_api:
            logs.append(webhook.http_api.access_log_arn)
        bounded = {"StringEquals": {"iam:PermissionsBoundary": webhook.boundary_arn}}
        to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
        # An alarm could also stop machines, or write to other topics.
        topic = monitoring.topic_arn or "none"
        our_topic = {"ForAllValues:StringEquals": {"cloudwatch:AlarmActions": topic}}
        # CloudWatch requires this right for all alarms.
        any_alarm = monitoring.alarm_arns[0].apply(lambda arn: f"{arn.rpartition(':')[0]}:*")
        return [
            _right(FUNCTION, [webhook.function_arn]),
            _allow("PassFunctionRole", ["iam:PassRole"], [role], to_lambda),
            _allow("ReadFunctionRights", ["iam:GetRolePolicy"], [role]),
            _right(FUNCTION_RIGHTS, [role], bounded),
            _right(SECRET_VALUE, [self._args.secret.arn]),
            _right(
                METRIC_FILTERS,
                [arn for log in logs for arn in (log, pulumi.Output.concat(log, ":*"))],
            ),
            _right(ALARMS, monitoring.alarm_arns, our_topic),
            _allow("FindAlarms", ["cloudwatch:DescribeAlarms"], [any_alarm]),
            _right(DASHBOARD, [monitoring.dashboard_arn]),
        ]


def _denials(args: DeployRoleArgs) -> list[dict[str, Any]]:
    """Deny what outlasts the token, even if other policies of the role allow it."""
    unbounded = {"StringNotEquals": {"iam:PermissionsBoundary": args.webhook.boundary_arn}}
    giving = ["iam:CreateRole", "iam:PutRolePolicy"]
    denials = [
        _deny("OnlyWithBoundary", giving, {"Resource": "*"}, unbounded),
        _deny("NoOtherIdentity", ["iam:*"], {"NotResource": [args.webhook.role_arn]}),
        _deny("NothingThatLasts", LASTING, {"Resource": "*"}),
    ]
    if args.state_key_arn:
        denials.append(_deny("KeyStaysOurs", LASTING_FOR_A_KEY, {"Resource": [args.state_key_arn]}))
    return denials


def _right(
    right: Right,
    resources: Sequence[pulumi.Output[str]],
    condition: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return _allow(right.sid, right.actions, resources, condition)


def _allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[pulumi.Output[str]],
    condition: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
        **({"Condition": condition} if condition else {}),
    }


def _deny(
    sid: str,
    actions: Sequence[str],
    where: Mapping[str, Any],
    condition: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Action": list(actions),
        **where,
        **({"Condition": condition} if condition else {}),
    }


def ensure_oidc_provider(account: AwsAccount, report_step: Callable[[str], None]) -> None:
    """Create the account's only identity provider for GitHub, unless it exists.

    Raises:
        SetupError: it exists without our audience.
    """
    iam = account.client("iam")
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    arns = [
        provider["Arn"]
        for provider in providers
        if provider["Arn"].endswith(f":oidc-provider/{ISSUER}")
    ]
    if not arns:
        report_step(f"creating the identity provider {ISSUER}")
        try:
            iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=[AUDIENCE])
        except ClientError as error:
            if error_code(error) != "EntityAlreadyExists":
                raise
        return
    (arn,) = arns
    audiences = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"]
    if AUDIENCE not in audiences:
        raise SetupError(
            f"the account's identity provider {ISSUER} doesn't accept the audience {AUDIENCE}; run "
            "`aws iam add-client-id-to-open-id-connect-provider "
            f"--open-id-connect-provider-arn {arn} --client-id {AUDIENCE}`"
        )
