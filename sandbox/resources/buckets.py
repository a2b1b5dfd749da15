"""S3: the bucket, and the settings that are resources of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.resources.base import Resource, key_values
from sandbox.resources.gaps import check_bucket_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.aws import Aws


class Bucket(Resource):
    """A bucket in the stack's region."""

    type = "aws:s3/bucket:Bucket"
    takes = frozenset({"bucket", "tags"})
    named_by = "bucket"

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Create the bucket, then tag it."""
        s3, name = aws.client("s3"), inputs["bucket"]
        # S3 takes no location constraint for its oldest region, and asks one for every other.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        s3.create_bucket(Bucket=name, **({} if aws.region == "us-east-1" else elsewhere))
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": key_values(inputs.get("tags", {}))})
        return name, {"bucket": name, "arn": f"arn:aws:s3:::{name}", "region": aws.region}


class BucketVersioning(Resource):
    """Whether old versions of objects are kept."""

    type = "aws:s3/bucketVersioning:BucketVersioning"
    takes = frozenset({"bucket", "versioningConfiguration"})

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Put the versioning status."""
        aws.client("s3").put_bucket_versioning(
            Bucket=inputs["bucket"],
            VersioningConfiguration={"Status": inputs["versioningConfiguration"]["status"]},
        )
        return inputs["bucket"], {}


class BucketEncryption(Resource):
    """How objects are encrypted when a writer does not say."""

    type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    takes = frozenset({"bucket", "rules"})

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Put the encryption rules."""
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": {
                    "SSEAlgorithm": rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"]
                },
                "BucketKeyEnabled": rule["bucketKeyEnabled"],
            }
            for rule in inputs["rules"]
        ]
        aws.client("s3").put_bucket_encryption(
            Bucket=inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
        )
        return inputs["bucket"], {}


class BucketLifecycle(Resource):
    """What is deleted by itself, and when."""

    type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    takes = frozenset({"bucket", "rules"})

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Put the lifecycle rules."""
        aws.client("s3").put_bucket_lifecycle_configuration(
            Bucket=inputs["bucket"],
            LifecycleConfiguration={"Rules": [_lifecycle_rule(rule) for rule in inputs["rules"]]},
        )
        return inputs["bucket"], {}


class BucketPublicAccessBlock(Resource):
    """Which ways of making the bucket public are shut."""

    type = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    takes = frozenset(
        {
            "bucket",
            "blockPublicAcls",
            "blockPublicPolicy",
            "ignorePublicAcls",
            "restrictPublicBuckets",
        }
    )

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Put all four switches; one that is not given is off, as with the provider."""
        switches = {
            switch[0].upper() + switch[1:]: inputs.get(switch, False)
            for switch in sorted(self.takes - {"bucket"})
        }
        aws.client("s3").put_public_access_block(
            Bucket=inputs["bucket"], PublicAccessBlockConfiguration=switches
        )
        return inputs["bucket"], {}


class BucketOwnershipControls(Resource):
    """Who owns what others write."""

    type = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    takes = frozenset({"bucket", "rule"})

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Put the one rule."""
        aws.client("s3").put_bucket_ownership_controls(
            Bucket=inputs["bucket"],
            OwnershipControls={"Rules": [{"ObjectOwnership": inputs["rule"]["objectOwnership"]}]},
        )
        return inputs["bucket"], {}


class BucketPolicy(Resource):
    """Who may do what in the bucket."""

    type = "aws:s3/bucketPolicy:BucketPolicy"
    takes = frozenset({"bucket", "policy"})

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Check the policy, and that its bucket is there; moto cannot evaluate it."""
        aws.client("s3").head_bucket(Bucket=inputs["bucket"])
        check_bucket_policy(inputs["policy"], f"arn:aws:s3:::{inputs['bucket']}")
        return inputs["bucket"], {}


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"ID": rule["id"], "Status": rule["status"], "Filter": rule["filter"]}
    if expiry := rule.get("noncurrentVersionExpiration"):
        days = int(expiry["noncurrentDays"])
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    if abort := rule.get("abortIncompleteMultipartUpload"):
        days = int(abort["daysAfterInitiation"])
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    return made
