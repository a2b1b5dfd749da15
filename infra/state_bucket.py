"""The bucket that holds Pulumi's own state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import get_caller_identity_output, s3

from infra.aws_account import aws_errors, bucket_tags, current_account, owned_bucket_region
from infra.bucket_names import default_bucket_name
from infra.errors import SetupError
from infra.settings import STATE_BUCKET, STATE_BUCKET_MANAGED

if TYPE_CHECKING:
    from collections.abc import Mapping

OLD_VERSION_DAYS = 90
ABORTED_UPLOAD_DAYS = 7


def prove_adoptable(bucket: str, tags: Mapping[str, str]) -> None:
    """Make sure that a bucket is this account's, and tagged as this stack's.

    Raises:
        pulumi.RunError: it isn't, in one sentence.
    """
    try:
        with aws_errors():
            _prove_own(bucket, tags)
    except SetupError as error:
        raise pulumi.RunError(str(error)) from None


def _prove_own(bucket: str, tags: Mapping[str, str]) -> None:
    remedy = f"run `make bootstrap STACK={pulumi.get_stack()}`"
    account = current_account(pulumi.Config("aws").get("region") or "")
    if owned_bucket_region(account, bucket) is None:
        raise SetupError(f"{STATE_BUCKET} is {bucket!r}, and there is no such bucket; {remedy}")
    if not tags.items() <= bucket_tags(account, bucket).items():
        wanted = ", ".join(f"{key}={value}" for key, value in tags.items())
        raise SetupError(
            f"{STATE_BUCKET_MANAGED} is true, and bucket {bucket} doesn't have the tags {wanted}, "
            f"so it may be somebody else's; {remedy}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBucketArgs:
    """What the bucket is called.

    Attributes:
        bucket: its name; without one, `indent-deploy-state-<account>-<stack>`.
        tags: put on the bucket.
        adopted: whether `make bootstrap` made it, so that the stack takes it over.
    """

    bucket: str | None
    tags: Mapping[str, str]
    adopted: bool = False


class StateBucket(pulumi.ComponentResource):
    """A private, versioned, encrypted bucket that no `pulumi destroy` takes along.

    The state in it may be that of this very stack, so the bucket and all that protects it are
    protected, and kept when the stack goes. Each resource says so itself: what a component's
    options hand down differs from option to option.

    Attributes:
        bucket: its name.
    """

    bucket: pulumi.Output[str]

    def __init__(
        self, name: str, args: StateBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("oncall-approvals:infra:StateBucket", name, None, opts)
        self._name = name
        self._bucket = s3.Bucket(
            name,
            bucket=args.bucket or _default_name(),
            tags=args.tags,
            opts=pulumi.ResourceOptions.merge(self._kept(), _adoption(args)),
        )
        self.bucket = self._bucket.bucket
        self._keep_history()
        self._encrypt()
        self._close_to_others()
        self.register_outputs({"bucket": self.bucket})

    def _kept(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, protect=True, retain_on_delete=True, depends_on=list(after)
        )

    def _keep_history(self) -> None:
        versioning = s3.BucketVersioning(
            f"{self._name}-versioning",
            bucket=self.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self._kept(),
        )
        s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=self.bucket,
            rules=[
                {
                    "id": "expire-old-versions",
                    "status": "Enabled",
                    "filter": {},
                    "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSION_DAYS},
                },
                {
                    "id": "abort-uploads",
                    "status": "Enabled",
                    "filter": {},
                    "abort_incomplete_multipart_upload": {
                        "days_after_initiation": ABORTED_UPLOAD_DAYS
                    },
                },
            ],
            # S3 takes a rule about old versions only of a bucket that keeps them.
            opts=self._kept(versioning),
        )

    def _encrypt(self) -> None:
        s3.BucketServerSideEncryptionConfiguration(
            f"{self._name}-encryption",
            bucket=self.bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms"},
                    "bucket_key_enabled": True,
                }
            ],
            opts=self._kept(),
        )

    def _close_to_others(self) -> None:
        s3.BucketOwnershipControls(
            f"{self._name}-ownership",
            bucket=self.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self._kept(),
        )
        closed = s3.BucketPublicAccessBlock(
            f"{self._name}-public-access",
            bucket=self.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._kept(),
        )
        s3.BucketPolicy(
            f"{self._name}-policy",
            bucket=self.bucket,
            policy=pulumi.Output.json_dumps(_tls_only(self._bucket.arn)),
            # Both change who may reach the bucket, and S3 refuses two such changes at once.
            opts=self._kept(closed),
        )


def _adoption(args: StateBucketArgs) -> pulumi.ResourceOptions:
    if not args.adopted:
        return pulumi.ResourceOptions()
    # An import has to find what the program says, and organisations add tags of their own. Ours are
    # on it: without them it isn't adopted (prove_adoptable).
    return pulumi.ResourceOptions(import_=args.bucket, ignore_changes=["tags", "tagsAll"])


def _default_name() -> pulumi.Output[str]:
    stack = pulumi.get_stack()
    return get_caller_identity_output().account_id.apply(
        lambda account: default_bucket_name(account, stack)
    )


def _tls_only(arn: pulumi.Output[str]) -> dict[str, object]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DenyInsecureTransport",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, pulumi.Output.concat(arn, "/*")],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
