"""The function that answers the webhook, its rights, and its log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_

from handler.callers import SWITCHED_ON
from infra.http_api import HttpApi, HttpApiArgs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.handler_secret import HandlerSecret
    from infra.http_api import Throttling

ASSUMED_BY_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}

TIMEOUT_SECONDS = 15

# The C library keeps memory that a thread has freed. With this it returns blocks from 1 MiB at once
# (mallopt(3)), so that the memory for several providers' answers does not add up.
ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(1024 * 1024)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalWebhookArgs:
    """The arguments of the function.

    Attributes:
        code: the zip, with `handler/app.py` in it.
        settings: its plain settings, as environment variables.
        secret: its secret settings.
        callers: the names of the callers that are switched on.
        memory_mb: its memory, in MiB.
        reserved_concurrency: the most calls at once; None means the account's limit.
        throttling: of an HTTP API in front; None means a public function URL instead.
        log_retention_days: how long its logs are kept.
        bounded: whether its role has a permissions boundary.
        tags: for all resources that can have tags.
    """

    code: pulumi.Archive
    settings: Mapping[str, str]
    secret: HandlerSecret
    callers: Sequence[str]
    memory_mb: int
    reserved_concurrency: int | None
    throttling: Throttling | None = None
    log_retention_days: int
    bounded: bool = False
    tags: Mapping[str, str]


class ApprovalWebhook(pulumi.ComponentResource):
    """A function that may write its log and read its secret, behind a function URL or an HTTP API.

    Both are public: callers authenticate with their own secrets, not with AWS credentials. No
    permission is declared for the function URL, since the provider adds both statements that AWS
    requires with it (FunctionURLAllowPublicAccess and FunctionURLAllowInvokeAction). It doesn't
    remove them with the URL (documentation of `aws.lambda.FunctionUrl`), so the function behind an
    API is another one, which never had them.

    Attributes:
        url: where callers call it.
        http_api: the HTTP API in front; None with a function URL.
        function_name: of the function.
        log_group: name of the log group with one line for each decision.
        function_arn, role_arn, log_group_arn: of the function, its role and its log.
        boundary_arn: of the permissions boundary of its role, or None.
    """

    url: pulumi.Output[str]
    http_api: HttpApi | None
    function_name: pulumi.Output[str]
    log_group: pulumi.Output[str]
    function_arn: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    log_group_arn: pulumi.Output[str]
    boundary_arn: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: ApprovalWebhookArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("oncall-approvals:infra:ApprovalWebhook", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        log_group = cloudwatch.LogGroup(
            f"{name}-log",
            retention_in_days=args.log_retention_days,
            tags=args.tags,
            # The audit trail outlives the stack, for as long as its retention. Pulumi chooses its
            # name, so a new stack's log does not collide with it.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        policy = pulumi.Output.json_dumps(_rights(log_group.arn, args.secret.arn))
        self.boundary_arn = None
        if args.bounded:
            # The same policy as the role's, so that nobody can widen it by changing the role's.
            self.boundary_arn = iam.Policy(
                f"{name}-boundary",
                description="The most that the approval webhook's role may do.",
                policy=policy,
                tags=args.tags,
                opts=child,
            ).arn
        role = iam.Role(
            f"{name}-role",
            description="Lets the approval webhook write its log and read its secret.",
            assume_role_policy=json.dumps(ASSUMED_BY_LAMBDA),
            permissions_boundary=self.boundary_arn,
            tags=args.tags,
            opts=child,
        )
        rights = iam.RolePolicy(
            f"{name}-rights",
            role=role.id,
            policy=policy,
            opts=child,
        )
        function = lambda_.Function(
            f"{name}-behind-api" if args.throttling else name,
            description="Approves access requests of people who are on call or lead an incident.",
            runtime="python3.13",
            architectures=["arm64"],
            handler="handler.app.handle",
            code=args.code,
            role=role.arn,
            timeout=TIMEOUT_SECONDS,
            memory_size=args.memory_mb,
            reserved_concurrent_executions=args.reserved_concurrency,
            logging_config={"log_format": "JSON", "log_group": log_group.name},
            environment={
                "variables": {
                    **args.settings,
                    **ALLOCATION,
                    SWITCHED_ON: ",".join(args.callers),
                    "HANDLER_SECRET_ARN": args.secret.arn,
                    "HANDLER_SECRET_VERSION": args.secret.version_id,
                }
            },
            tags=args.tags,
            # It needs the right to read its secret before its first call.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )
        self.http_api = None
        if args.throttling:
            self.http_api = HttpApi(
                f"{name}-api",
                HttpApiArgs(
                    function=function,
                    timeout_seconds=TIMEOUT_SECONDS,
                    throttling=args.throttling,
                    log_retention_days=args.log_retention_days,
                    tags=args.tags,
                ),
                child,
            )
            self.url = self.http_api.url
        else:
            self.url = lambda_.FunctionUrl(
                f"{name}-url", function_name=function.name, authorization_type="NONE", opts=child
            ).function_url
        self.function_name = function.name
        self.log_group = log_group.name
        self.function_arn, self.role_arn = function.arn, role.arn
        self.log_group_arn = log_group.arn
        self.register_outputs(
            {"url": self.url, "function_name": self.function_name, "log_group": self.log_group}
        )


def _rights(log_group_arn: pulumi.Output[str], secret_arn: pulumi.Output[str]) -> dict[str, object]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "WriteOwnLog",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": pulumi.Output.concat(log_group_arn, ":*"),
            },
            {
                "Sid": "ReadOwnSecret",
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": secret_arn,
            },
        ],
    }
