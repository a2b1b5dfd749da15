"""What the sandbox refuses to make, and how it handles what moto gets wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sandbox.local_aws.resources import RESOURCES, resource_of
from sandbox.local_aws.resources.moto_workarounds import (
    RefusedByAwsError,
    check_bucket_policy,
    check_environment,
    reserved_concurrency_of,
    url_with_slash,
)
from sandbox.local_aws.resources.resource import UnknownToSandboxError, plain

ARN = "arn:aws:s3:::state"
DENIAL: dict[str, Any] = {
    "Sid": "Whatever",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [ARN, f"{ARN}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
ENVELOPE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def policy_of(*statements: dict[str, Any]) -> str:
    """Write a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_denial_of_plain_http_is_accepted() -> None:
    """The one policy that the program makes."""
    check_bucket_policy(policy_of(DENIAL), ARN)


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [DENIAL, DENIAL],
        [{**DENIAL, "Effect": "Allow"}],
        [{**DENIAL, "Action": "s3:GetObject"}],
        [{**DENIAL, "Resource": [ARN]}],
        [{**DENIAL, "Resource": ["arn:aws:s3:::other", "arn:aws:s3:::other/*"]}],
        [{**DENIAL, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}],
        [{key: value for key, value in DENIAL.items() if key != "Condition"}],
        [{**DENIAL, "Principal": {"AWS": "*"}}],
    ],
)
def test_any_other_bucket_policy_is_refused(statements: list[dict[str, Any]]) -> None:
    """A policy that is not put on the local AWS must be one that needs no trying."""
    with pytest.raises(
        RefusedByAwsError, match=r"sandbox/local_aws/resources/moto_workarounds\.py"
    ):
        check_bucket_policy(policy_of(*statements), ARN)


def test_environment_over_four_kilobytes_is_refused() -> None:
    """Names and values count, in bytes."""
    check_environment({"A": "x" * 4095})
    with pytest.raises(RefusedByAwsError, match="4097 bytes"):
        check_environment({"A": "x" * 4094 + "é"})


@pytest.mark.parametrize("url", ["https://a.on.aws", "https://a.on.aws/"])
def test_function_url_ends_with_one_slash(url: str) -> None:
    """As AWS's do."""
    assert url_with_slash(url) == "https://a.on.aws/"


@pytest.mark.parametrize(
    ("inputs", "reserved"),
    [({}, None), ({"reservedConcurrentExecutions": 0.0}, 0)],
)
def test_no_reserved_concurrency_is_not_zero(
    inputs: dict[str, float], reserved: int | None
) -> None:
    """0 shuts the URL, which is not the same as having no limit of its own."""
    assert reserved_concurrency_of(inputs) == reserved


def test_unknown_type_is_named_with_the_place_to_add_it() -> None:
    """A resource that the sandbox cannot make is not passed over."""
    with pytest.raises(UnknownToSandboxError) as error:
        resource_of("aws:sqs/queue:Queue")
    assert str(error.value) == (
        "The sandbox does not know aws:sqs/queue:Queue: add a class for it to "
        "sandbox/local_aws/resources/, and register it in its __init__.py"
    )


def test_unknown_input_is_named_with_the_place_to_add_it() -> None:
    """A property that would have no effect on the local AWS is not passed over either."""
    with pytest.raises(UnknownToSandboxError) as error:
        resource_of("aws:s3/bucket:Bucket").check("state", {"bucket": "b", "acl": "public-read"})
    assert str(error.value) == (
        "The sandbox does not know acl of aws:s3/bucket:Bucket: "
        "add it to sandbox/local_aws/resources/s3.py"
    )


def test_missing_name_is_made_up_as_pulumi_does() -> None:
    """The logical name and seven hexadecimal digits, other ones each time."""
    role = resource_of("aws:iam/role:Role")
    names = {role.check("my-role", {})["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch("my-role-[0-9a-f]{7}", name) for name in names)
    assert role.check("my-role", {"name": "given"})["name"] == "given"


def test_resource_without_a_name_gets_none() -> None:
    """A bucket's setting has the bucket, and no name."""
    setting = resource_of("aws:s3/bucketVersioning:BucketVersioning")
    assert setting.check("versioning", {"bucket": "b"}) == {"bucket": "b"}


def test_secret_inputs_are_unwrapped_at_any_depth() -> None:
    """Pulumi's envelope is not part of the value."""
    wrapped = {"a": [{**ENVELOPE, "value": {"b": {**ENVELOPE, "value": "s"}}}], "c": {"d": 1}}
    assert plain(wrapped) == {"a": [{"b": "s"}], "c": {"d": 1}}


def test_every_type_is_registered_under_its_own_token() -> None:
    """Tokens are the provider's: package, module and type."""
    for token, resource in RESOURCES.items():
        assert token == resource.type
        assert re.fullmatch(r"aws:\w+/(\w+):\w+", token)
        assert resource.named_by is None or resource.named_by in resource.takes
