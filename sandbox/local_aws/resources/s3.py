"""S3: a bucket, who may do what in it, and its settings, which are resources of their own."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.local_aws.resources.moto_workarounds import check_bucket_policy
from sandbox.local_aws.resources.resource import Existing, PutResource, Resource, tag_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class Bucket(Resource):
    """A bucket in the stack's region. `make bootstrap` also makes one, which is then imported."""

    type = "aws:s3/bucket:Bucket"
    known_inputs = frozenset({"bucket", "tags"})
    name_input = "bucket"
    replacement_inputs = frozenset({"bucket"})
    service = "s3"
    deletion = ("delete_bucket", "Bucket")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the bucket, then tag it."""
        s3, name = aws.client("s3"), inputs["bucket"]
        # S3 accepts no location constraint for its oldest region, and requires one for every other.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        s3.create_bucket(Bucket=name, **({} if aws.region == "us-east-1" else elsewhere))
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(inputs)})
        return name, _outputs(name, aws)

    def read(self, existing: Existing, aws: Clients) -> dict[str, Any]:
        """Read an imported one, of which only the id is known."""
        if existing.state:
            return {}
        tags = aws.client("s3").get_bucket_tagging(Bucket=existing.id)["TagSet"]
        return {
            "tags": {tag["Key"]: tag["Value"] for tag in tags},
            **_outputs(existing.id, aws),
        }


class BucketPolicy(PutResource):
    """Who may do what in the bucket."""

    type = "aws:s3/bucketPolicy:BucketPolicy"
    known_inputs = frozenset({"bucket", "policy"})
    replacement_inputs = frozenset({"bucket"})
    service = "s3"
    deletion = ("delete_bucket_policy", "Bucket")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the policy, which must be the one that the local AWS supports."""
        check_bucket_policy(inputs["policy"], f"arn:aws:s3:::{inputs['bucket']}")
        aws.client("s3").put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
        return inputs["bucket"], {}


class BucketSetting(PutResource):
    """A setting of a bucket; its id is the bucket's name.

    Attributes:
        put: S3's operation that puts it, and the operation's argument.
    """

    replacement_inputs = frozenset({"bucket"})
    service = "s3"
    put: ClassVar[tuple[str, str]]

    @abstractmethod
    def setting(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the setting in S3's form."""

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put it."""
        operation, argument = self.put
        put = getattr(aws.client("s3"), operation)
        put(Bucket=inputs["bucket"], **{argument: self.setting(inputs)})
        return inputs["bucket"], {}


class BucketVersioning(BucketSetting):
    """Whether old versions of objects are kept."""

    type = "aws:s3/bucketVersioning:BucketVersioning"
    known_inputs = frozenset({"bucket", "versioningConfiguration"})
    put = ("put_bucket_versioning", "VersioningConfiguration")

    def setting(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the versioning status."""
        return {"Status": inputs["versioningConfiguration"]["status"]}

    def read(self, existing: Existing, aws: Clients) -> dict[str, Any]:
        """Read the versioning status."""
        versioning = aws.client("s3").get_bucket_versioning(Bucket=existing.id)
        return {"versioningConfiguration": {"status": versioning.get("Status", "Disabled")}}

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Suspend it: S3 cannot remove it."""
        aws.client("s3").put_bucket_versioning(
            Bucket=existing.id, VersioningConfiguration={"Status": "Suspended"}
        )


class BucketEncryption(BucketSetting):
    """How objects are encrypted when a writer does not say."""

    type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    known_inputs = frozenset({"bucket", "rules"})
    put = ("put_bucket_encryption", "ServerSideEncryptionConfiguration")
    deletion = ("delete_bucket_encryption", "Bucket")

    def setting(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the encryption rules."""
        return {
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {
                        "SSEAlgorithm": rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"]
                    },
                    "BucketKeyEnabled": rule["bucketKeyEnabled"],
                }
                for rule in inputs["rules"]
            ]
        }


class BucketLifecycle(BucketSetting):
    """Which objects expire, and when."""

    type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    known_inputs = frozenset({"bucket", "rules"})
    put = ("put_bucket_lifecycle_configuration", "LifecycleConfiguration")
    deletion = ("delete_bucket_lifecycle", "Bucket")

    def setting(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the lifecycle rules."""
        return {"Rules": [_lifecycle_rule(rule) for rule in inputs["rules"]]}


class BucketPublicAccessBlock(BucketSetting):
    """Which ways of making the bucket public are blocked."""

    type = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    known_inputs = frozenset(
        {
            "bucket",
            "blockPublicAcls",
            "blockPublicPolicy",
            "ignorePublicAcls",
            "restrictPublicBuckets",
        }
    )
    put = ("put_public_access_block", "PublicAccessBlockConfiguration")
    deletion = ("delete_public_access_block", "Bucket")

    def setting(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write all four switches; one that is not given is off, as with the provider."""
        return {
            switch[0].upper() + switch[1:]: inputs.get(switch, False)
            for switch in sorted(self.known_inputs - {"bucket"})
        }


class BucketOwnershipControls(BucketSetting):
    """Who owns what others write."""

    type = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    known_inputs = frozenset({"bucket", "rule"})
    put = ("put_bucket_ownership_controls", "OwnershipControls")
    deletion = ("delete_bucket_ownership_controls", "Bucket")

    def setting(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the one rule."""
        return {"Rules": [{"ObjectOwnership": inputs["rule"]["objectOwnership"]}]}


def _outputs(bucket: str, aws: Clients) -> dict[str, Any]:
    return {"bucket": bucket, "arn": f"arn:aws:s3:::{bucket}", "region": aws.region}


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"ID": rule["id"], "Status": rule["status"], "Filter": rule["filter"]}
    if expiry := rule.get("noncurrentVersionExpiration"):
        days = int(expiry["noncurrentDays"])
        body["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    if abort := rule.get("abortIncompleteMultipartUpload"):
        days = int(abort["daysAfterInitiation"])
        body["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    return body
