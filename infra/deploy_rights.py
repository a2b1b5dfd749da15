"""The steps of a deploy that CI may take; the deploy role and the preview are based on them.

CI changes existing resources. A person deploys what would outlast a stolen token (a role or its
trust, a resource policy, another log retention), and every step that isn't listed here.

The actions are those that the pinned provider calls for such a step, including its reads; names,
resources and condition keys are in AWS's Service Authorization Reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operation = Literal["create", "update", "delete"]
EVERY: frozenset[Operation] = frozenset({"create", "update", "delete"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What CI may do with the stack's resources of one type.

    Attributes:
        sid: the statement's name in the deploy role.
        type: the resources' type token.
        name: the logical name of one resource; empty means all of the type.
        operations: what CI may do; a replacement is a creation and a deletion.
        inputs: the inputs that an update may change.
        actions: the IAM actions.
    """

    sid: str
    type: str
    name: str = ""
    operations: frozenset[Operation]
    inputs: frozenset[str]
    actions: tuple[str, ...]


FUNCTION = Right(
    sid="UpdateFunction",
    type="aws:lambda/function:Function",
    operations=frozenset({"update"}),
    inputs=frozenset(
        {
            *("architectures", "code", "description", "environment", "handler", "loggingConfig"),
            *("memorySize", "reservedConcurrentExecutions", "runtime", "timeout"),
        }
    ),
    actions=(
        *("lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:ListTags"),
        *("lambda:ListVersionsByFunction", "lambda:GetFunctionCodeSigningConfig"),
        *("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
        *("lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency"),
    ),
)
# A new value is a new version: it is put, and the old one loses its stage.
SECRET_VALUE = Right(
    sid="ReplaceSecretValue",
    type="aws:secretsmanager/secretVersion:SecretVersion",
    operations=EVERY,
    inputs=frozenset({"secretString"}),
    actions=(
        *("secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"),
        "secretsmanager:UpdateSecretVersionStage",
    ),
)
# Only while the role has the boundary.
FUNCTION_RIGHTS = Right(
    sid="UpdateFunctionRights",
    type="aws:iam/rolePolicy:RolePolicy",
    name="approval-webhook-rights",
    operations=frozenset({"update"}),
    inputs=frozenset({"policy"}),
    actions=("iam:PutRolePolicy",),
)
METRIC_FILTERS = Right(
    sid="CountInLog",
    type="aws:cloudwatch/logMetricFilter:LogMetricFilter",
    operations=EVERY,
    inputs=frozenset({"name", "pattern", "metricTransformation"}),
    actions=("logs:DescribeMetricFilters", "logs:PutMetricFilter", "logs:DeleteMetricFilter"),
)
ALARMS = Right(
    sid="ChangeAlarms",
    type="aws:cloudwatch/metricAlarm:MetricAlarm",
    operations=EVERY,
    inputs=frozenset(
        {
            *("alarmActions", "alarmDescription", "comparisonOperator", "dimensions", "name"),
            *("evaluationPeriods", "metricName", "namespace", "okActions", "period", "statistic"),
            *("tags", "threshold", "treatMissingData"),
        }
    ),
    actions=(
        *("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:ListTagsForResource"),
        *("cloudwatch:TagResource", "cloudwatch:UntagResource"),
    ),
)
DASHBOARD = Right(
    sid="UpdateDashboard",
    type="aws:cloudwatch/dashboard:Dashboard",
    operations=frozenset({"update"}),
    inputs=frozenset({"dashboardBody"}),
    actions=("cloudwatch:GetDashboard", "cloudwatch:PutDashboard"),
)
RIGHTS = (FUNCTION, SECRET_VALUE, FUNCTION_RIGHTS, METRIC_FILTERS, ALARMS, DASHBOARD)

# Denied even if another policy allows it: it would outlast the token.
LASTING = (
    *("apigateway:DELETE", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"),
    *("iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Detach*", "iam:Tag*", "iam:Untag*"),
    *("iam:Update*", "iam:PutRolePermissionsBoundary"),
    *("lambda:*Permission", "lambda:*ResourcePolicy", "lambda:*FunctionUrlConfig"),
    *("lambda:CreateEventSourceMapping", "lambda:PutFunctionEventInvokeConfig"),
    *("logs:*LogGroup", "logs:DeleteLogStream", "logs:*RetentionPolicy", "logs:*ResourcePolicy"),
    *("logs:PutSubscriptionFilter", "logs:PutAccountPolicy", "logs:PutDataProtectionPolicy"),
    *("logs:*KmsKey", "logs:*Delivery*"),
    *("s3:CreateBucket", "s3:DeleteBucket*", "s3:DeleteObjectVersion*", "s3:*AccessPoint*"),
    *("s3:PutBucket*", "s3:Put*Acl", "s3:Put*Configuration"),
    *("secretsmanager:*ResourcePolicy", "secretsmanager:DeleteSecret"),
    *("secretsmanager:Replicate*", "secretsmanager:RotateSecret", "secretsmanager:UpdateSecret"),
    *("sns:*Permission", "sns:Set*", "sns:Subscribe", "sns:Unsubscribe", "sns:*Topic"),
)
# Only for the state's key: AWS services create grants for other keys on the caller's behalf.
LASTING_FOR_A_KEY = (
    *("kms:CreateGrant", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"),
    *("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"),
)


def ci_may(type_: str, name: str, operation: Operation, changed: frozenset[str]) -> bool:
    """Whether CI may take a step.

    Args:
        type_: the resource's type token.
        name: its logical name.
        operation: what happens to it.
        changed: the inputs that an update changes.
    """
    return any(
        right.type == type_
        and right.name in {"", name}
        and operation in right.operations
        and (operation != "update" or changed <= right.inputs)
        for right in RIGHTS
    )
