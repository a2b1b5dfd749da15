"""Where moto 5.2.5 differs from AWS, and what the sandbox does about each difference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ENVIRONMENT_BYTES = 4096


class RefusedByAwsError(Exception):
    """AWS would refuse this, or needs something else; moto would accept it."""


def check_bucket_policy(policy: str, bucket_arn: str) -> None:
    """Accept the denial of plain HTTP, and no other policy.

    Moto evaluates bucket policies without their conditions, so this one would deny every call. It
    is kept there and not evaluated (`sandbox.local_aws.moto_server`); nor would any other be, so
    that is an error.
    """
    statements = json.loads(policy)["Statement"]
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    if [{**statement, "Sid": ""} for statement in statements] != [{**denial, "Sid": ""}]:
        raise RefusedByAwsError(
            "A bucket's policy is not exactly the denial of plain HTTP, and moto cannot evaluate "
            "another one: see sandbox/local_aws/resources/moto_workarounds.py"
        )


def url_with_slash(url: str) -> str:
    """End a function URL as AWS does; moto leaves the slash out."""
    return f"{url.rstrip('/')}/"


def replace_stage(apis: Any, name: str, stage: Mapping[str, Any]) -> None:  # noqa: ANN401 - boto3 has no types
    """Update a stage of an API; moto can only create one and delete it."""
    apis.delete_stage(ApiId=stage["ApiId"], StageName=name)
    apis.create_stage(**stage)


def check_environment(variables: Mapping[str, str]) -> None:
    """Refuse an environment over 4 KB, as AWS does; moto accepts any size (Lambda quotas)."""
    size = sum(len(f"{key}{value}".encode()) for key, value in variables.items())
    if size > MOST_ENVIRONMENT_BYTES:
        raise RefusedByAwsError(
            f"The function's environment has {size} bytes: Lambda takes {MOST_ENVIRONMENT_BYTES}"
        )


def logging_of(function_inputs: Mapping[str, Any]) -> tuple[Literal["JSON", "Text"], str]:
    """Read a function's log format and log group from the inputs; moto forgets both."""
    logging = function_inputs["loggingConfig"]
    return logging["logFormat"], logging["logGroup"]


def reserved_concurrency_of(function_inputs: Mapping[str, Any]) -> int | None:
    """Read it from the inputs; moto reports 0, which shuts a function, as None."""
    reserved = function_inputs.get("reservedConcurrentExecutions")
    return None if reserved is None else int(reserved)
