"""The resources that the sandbox can make on its local AWS: a class for each of Pulumi's types."""

from __future__ import annotations

from sandbox.local_aws.resources.apigateway import Api, Integration, Route, Stage
from sandbox.local_aws.resources.awslambda import Function, FunctionUrl, Permission
from sandbox.local_aws.resources.cloudwatch import Dashboard, MetricAlarm
from sandbox.local_aws.resources.cloudwatch_logs import LogGroup, LogMetricFilter
from sandbox.local_aws.resources.iam import Policy, Role, RolePolicy
from sandbox.local_aws.resources.kms import Alias, Key
from sandbox.local_aws.resources.resource import Resource, UnknownToSandboxError
from sandbox.local_aws.resources.s3 import (
    Bucket,
    BucketEncryption,
    BucketLifecycle,
    BucketOwnershipControls,
    BucketPolicy,
    BucketPublicAccessBlock,
    BucketVersioning,
)
from sandbox.local_aws.resources.secretsmanager import Secret, SecretVersion
from sandbox.local_aws.resources.sns import Topic, TopicPolicy, TopicSubscription

RESOURCES: dict[str, Resource] = {
    kind.type: kind()
    for kind in (
        *(Api, Integration, Permission, Route, Stage),
        *(Alias, Bucket, BucketEncryption, BucketLifecycle, BucketOwnershipControls),
        *(BucketPolicy, BucketPublicAccessBlock, BucketVersioning, Dashboard, Function),
        *(FunctionUrl, Key, LogGroup, LogMetricFilter, MetricAlarm, Policy, Role, RolePolicy),
        *(Secret, SecretVersion, Topic, TopicPolicy, TopicSubscription),
    )
}


def resource_of(type_token: str) -> Resource:
    """Find the class that makes resources of a type.

    Raises:
        UnknownToSandboxError: there is none.
    """
    if type_token not in RESOURCES:
        raise UnknownToSandboxError(
            f"The sandbox does not know {type_token}: add a class for it to "
            "sandbox/local_aws/resources/, and register it in its __init__.py"
        )
    return RESOURCES[type_token]
