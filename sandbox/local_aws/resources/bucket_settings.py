"""S3: the settings of a bucket that are resources of their own."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.local_aws.resources.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class BucketSetting(Resource):
    """A setting of a bucket, put whole; its id is the bucket's name.

    Attributes:
        setting: what S3's operations call it: `put_<setting>`, `get_<setting>`, `delete_<setting>`.
        body: the argument of the put operation, and what lies in the get operation's answer.
    """

    replaced_by = frozenset({"bucket"})
    setting: ClassVar[str]
    body: ClassVar[str]

    @abstractmethod
    def asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the setting as S3 takes it."""

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put it."""
        put = getattr(aws.client("s3"), f"put_{self.setting}")
        put(Bucket=inputs["bucket"], **{self.body: self.asked(inputs)})
        return inputs["bucket"], {}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Tell only whether it is as it was put; what else S3 answers is no drift."""
        answer = getattr(aws.client("s3"), f"get_{self.setting}")(Bucket=id_)
        found = answer.get(self.body, answer)
        if all(_holds(found.get(key), value) for key, value in self.asked(state).items()):
            return {}
        return dict.fromkeys(self.takes - {"bucket"} & set(state))

    def update(
        self,
        id_: str,  # noqa: ARG002 - the bucket says it
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],  # noqa: ARG002 - it is put whole
        aws: Clients,
    ) -> dict[str, Any]:
        """Put it in place of what is there."""
        self.create(inputs, aws)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Take it off the bucket."""
        getattr(aws.client("s3"), f"delete_{self.setting}")(Bucket=id_)


class BucketVersioning(BucketSetting):
    """Whether old versions of objects are kept."""

    type = "aws:s3/bucketVersioning:BucketVersioning"
    takes = frozenset({"bucket", "versioningConfiguration"})
    setting = "bucket_versioning"
    body = "VersioningConfiguration"

    def asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the versioning status."""
        return {"Status": inputs["versioningConfiguration"]["status"]}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Suspend it: it cannot be taken off."""
        suspended = {"Status": "Suspended"}
        aws.client("s3").put_bucket_versioning(Bucket=id_, VersioningConfiguration=suspended)


class BucketEncryption(BucketSetting):
    """How objects are encrypted when a writer does not say."""

    type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    takes = frozenset({"bucket", "rules"})
    setting = "bucket_encryption"
    body = "ServerSideEncryptionConfiguration"

    def asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
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
    """What is deleted by itself, and when."""

    type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    takes = frozenset({"bucket", "rules"})
    setting = "bucket_lifecycle_configuration"
    body = "LifecycleConfiguration"

    def asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the lifecycle rules."""
        return {"Rules": [_lifecycle_rule(rule) for rule in inputs["rules"]]}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Take the rules off the bucket."""
        aws.client("s3").delete_bucket_lifecycle(Bucket=id_)


class BucketPublicAccessBlock(BucketSetting):
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
    setting = "public_access_block"
    body = "PublicAccessBlockConfiguration"

    def asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write all four switches; one that is not given is off, as with the provider."""
        return {
            switch[0].upper() + switch[1:]: inputs.get(switch, False)
            for switch in sorted(self.takes - {"bucket"})
        }


class BucketOwnershipControls(BucketSetting):
    """Who owns what others write."""

    type = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    takes = frozenset({"bucket", "rule"})
    setting = "bucket_ownership_controls"
    body = "OwnershipControls"

    def asked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write the one rule."""
        return {"Rules": [{"ObjectOwnership": inputs["rule"]["objectOwnership"]}]}


def _holds(found: object, asked: object) -> bool:
    """Whether what was found says all that was asked, at any depth."""
    if isinstance(asked, dict):
        return isinstance(found, dict) and all(
            _holds(found.get(key), value) for key, value in asked.items()
        )
    if isinstance(asked, list):
        return (
            isinstance(found, list)
            and len(found) == len(asked)
            and all(_holds(*pair) for pair in zip(found, asked, strict=True))
        )
    return found == asked


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"ID": rule["id"], "Status": rule["status"], "Filter": rule["filter"]}
    if expiry := rule.get("noncurrentVersionExpiration"):
        days = int(expiry["noncurrentDays"])
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    if abort := rule.get("abortIncompleteMultipartUpload"):
        days = int(abort["daysAfterInitiation"])
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    return made
