"""S3: the bucket itself, and who may do what in it. Its settings are in bucket_settings.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox.local_aws.resources.moto_workarounds import check_bucket_policy
from sandbox.local_aws.resources.resource import Resource, key_values, same_document, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class Bucket(Resource):
    """A bucket in the stack's region."""

    type = "aws:s3/bucket:Bucket"
    takes = frozenset({"bucket", "tags"})
    named_by = "bucket"
    replaced_by = frozenset({"bucket"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the bucket, then tag it."""
        s3, name = aws.client("s3"), inputs["bucket"]
        # S3 takes no location constraint for its oldest region, and asks one for every other.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        s3.create_bucket(Bucket=name, **({} if aws.region == "us-east-1" else elsewhere))
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": key_values(inputs.get("tags", {}))})
        return name, _outputs(name, aws)

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read its tags, and all else where its id is all that is known, as when it is imported."""
        s3 = aws.client("s3")
        s3.head_bucket(Bucket=id_)
        try:
            tags = tags_of(s3.get_bucket_tagging(Bucket=id_)["TagSet"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchTagSet":
                raise
            tags = {}  # making it was cut short
        return {"tags": tags, **({} if state else _outputs(id_, aws))}

    def update(
        self,
        id_: str,
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],  # noqa: ARG002 - tags are put whole
        aws: Clients,
    ) -> dict[str, Any]:
        """Set its tags."""
        tags = {"TagSet": key_values(inputs.get("tags", {}))}
        aws.client("s3").put_bucket_tagging(Bucket=id_, Tagging=tags)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Delete the bucket, which has to be empty."""
        aws.client("s3").delete_bucket(Bucket=id_)


class BucketPolicy(Resource):
    """Who may do what in the bucket."""

    type = "aws:s3/bucketPolicy:BucketPolicy"
    takes = frozenset({"bucket", "policy"})
    replaced_by = frozenset({"bucket"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the policy, which has to be the one that the local AWS heeds."""
        check_bucket_policy(inputs["policy"], f"arn:aws:s3:::{inputs['bucket']}")
        aws.client("s3").put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
        return inputs["bucket"], {}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read the policy."""
        found = aws.client("s3").get_bucket_policy(Bucket=id_)["Policy"]
        return {"policy": same_document(state["policy"], json.loads(found))}

    def update(
        self,
        id_: str,  # noqa: ARG002 - the bucket says it
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],  # noqa: ARG002 - it is put whole
        aws: Clients,
    ) -> dict[str, Any]:
        """Put the other policy in its place."""
        self.create(inputs, aws)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Take the policy off the bucket."""
        aws.client("s3").delete_bucket_policy(Bucket=id_)


def _outputs(name: str, aws: Clients) -> dict[str, Any]:
    return {"bucket": name, "arn": f"arn:aws:s3:::{name}", "region": aws.region}
