"""The state bucket, as registered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.program import ProgramRun, Registration

BUCKET = "aws:s3/bucket:Bucket"
ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
)
NAME = "indent-deploy-state-210987654321-dev"
SETTINGS: dict[str, dict[str, Any]] = {
    "aws:s3/bucketVersioning:BucketVersioning": {"versioningConfiguration": {"status": "Enabled"}},
    ENCRYPTION: {
        "rules": [
            {
                "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"},
                "bucketKeyEnabled": True,
            }
        ]
    },
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
        "rules": [
            {
                "id": "expire-old-versions",
                "status": "Enabled",
                "filter": {},
                "noncurrentVersionExpiration": {"noncurrentDays": 90},
            },
            {
                "id": "abort-uploads",
                "status": "Enabled",
                "filter": {},
                "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
            },
        ]
    },
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    },
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": {
        "rule": {"objectOwnership": "BucketOwnerEnforced"}
    },
}
POLICY = "aws:s3/bucketPolicy:BucketPolicy"


def test_bucket_is_named_after_account_and_stack(registered: Mapping[str, Registration]) -> None:
    """By default the bucket's name has the account's number and the stack's name."""
    assert registered[BUCKET].inputs == {
        "bucket": NAME,
        "tags": {"project": "oncall-approvals", "stack": "dev"},
    }


@pytest.mark.parametrize("type_", SETTINGS)
def test_setting_is_exact(registered: Mapping[str, Registration], type_: str) -> None:
    """Each setting of the bucket is exactly as designed."""
    assert registered[type_].inputs == {"bucket": NAME, **SETTINGS[type_]}


def test_policy_denies_plain_http_and_grants_nothing(
    registered: Mapping[str, Registration],
) -> None:
    """The bucket's policy only denies calls without TLS."""
    policy = registered[POLICY].inputs
    assert policy["bucket"] == NAME
    assert json.loads(policy["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DenyInsecureTransport",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": ["arn:state", "arn:state/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def test_only_the_bucket_and_its_settings_are_protected_and_kept(dev: ProgramRun) -> None:
    """Only the bucket and its settings are protected; they and the log outlive the stack."""
    ours = {BUCKET, POLICY, *SETTINGS}
    log = "aws:cloudwatch/logGroup:LogGroup"
    assert {made.type for made in dev.registrations if made.protect} == ours
    assert {made.type for made in dev.registrations if made.retain_on_delete} == {*ours, log}


def test_lifecycle_waits_for_versioning(registered: Mapping[str, Registration]) -> None:
    """The lifecycle rule for old versions is set after versioning."""
    lifecycle = registered["aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"]
    assert registered["aws:s3/bucketVersioning:BucketVersioning"].urn in lifecycle.dependencies


def test_policy_waits_for_the_public_access_block(registered: Mapping[str, Registration]) -> None:
    """The bucket's policy is set after its public access block."""
    closed = registered["aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"]
    assert closed.urn in registered[POLICY].dependencies
