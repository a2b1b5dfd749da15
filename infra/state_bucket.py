"""The bucket that holds Pulumi's own state: `make bootstrap` makes it, the program keeps it up.

Every call names the account that has to own the bucket, so that none reaches anybody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from botocore.exceptions import ClientError
from pulumi_aws import get_caller_identity_output, s3

from infra.aws_account import (
    aws_errors,
    bucket_tags,
    current_account,
    error_code,
    foreign_bucket,
    owned_bucket_region,
)
from infra.errors import SetupError
from infra.settings import STATE_BUCKET, STATE_BUCKET_MANAGED, default_bucket_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.aws_account import AwsAccount
    from infra.stack_file import StackFile

OLD_VERSION_DAYS = 90
ABORTED_UPLOAD_DAYS = 7
# S3 takes no location constraint for its oldest region.
_OLDEST_REGION = "us-east-1"


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


def ensure_bucket(
    account: AwsAccount, file: StackFile, name: str, report_step: Callable[[str], None]
) -> bool:
    """Make the bucket before there is a stack, or take it over where it is the stack's own.

    Each call can be made again.

    Returns:
        Whether the stack manages it; else it serves as it is.

    Raises:
        SetupError: it isn't this account's, or not for this stack.
    """
    region = owned_bucket_region(account, name)
    if region is None:
        report_step(f"makes the state bucket {name}")
        _create(account, name)
        region = owned_bucket_region(account, name)
    if region is None:
        raise SetupError(
            f"bucket {name} was made, but AWS doesn't show it yet; "
            f"run `make bootstrap STACK={file.stack}` again"
        )
    if region != account.region:
        raise SetupError(
            f"bucket {name} is in {region}, and aws:region is {account.region}; "
            f"set aws:region to {region}, or {STATE_BUCKET} to the name of another bucket"
        )
    tags = bucket_tags(account, name)
    if file.tags.items() <= tags.items() or _is_empty(account, name):
        report_step(f"closes, encrypts and versions the state bucket {name}")
        _put_settings(account, name, tags | file.tags)
        return True
    _check_shared(file, name)
    report_step(
        f"uses the bucket {name} as it is: others keep things in it, so nothing of it is changed"
    )
    return False


def _check_shared(file: StackFile, name: str) -> None:
    """Accept a bucket with other things in it only where somebody has named it."""
    wanted = ", ".join(f"{key}={value}" for key, value in file.tags.items())
    if file.settings.get(STATE_BUCKET) != name:
        raise SetupError(
            f"your account has a bucket {name}, which isn't empty and doesn't have the tags "
            f"{wanted}; to keep the state in it all the same, write "
            f"`{file.project}:{STATE_BUCKET}: {name}` into Pulumi.{file.stack}.yaml"
        )
    if file.settings.get(STATE_BUCKET_MANAGED) == "true":
        raise SetupError(
            f"{STATE_BUCKET_MANAGED} is true, and bucket {name} isn't empty and doesn't have the "
            f"tags {wanted}; put the tags back, or, if it is another bucket than before, take "
            f"{STATE_BUCKET_MANAGED} out of Pulumi.{file.stack}.yaml"
        )


def _create(account: AwsAccount, name: str) -> None:
    place = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    try:
        # The one call that can't name the owner: who has made it is asked afterwards.
        account.client("s3").create_bucket(
            Bucket=name,
            ObjectOwnership="BucketOwnerEnforced",
            **({} if account.region == _OLDEST_REGION else place),
        )
    except ClientError as error:
        if error_code(error) == "BucketAlreadyExists":
            raise SetupError(foreign_bucket(account, name)) from None
        if error_code(error) != "BucketAlreadyOwnedByYou":
            raise


def _is_empty(account: AwsAccount, name: str) -> bool:
    versions = account.client("s3").list_object_versions(
        Bucket=name, MaxKeys=1, ExpectedBucketOwner=account.id
    )
    return not versions.get("Versions") and not versions.get("DeleteMarkers")


def _put_settings(account: AwsAccount, name: str, tags: dict[str, str]) -> None:
    """Put what `StateBucket` keeps up, the tags last: they say that it is done."""
    s3 = account.client("s3")
    owned = {"Bucket": name, "ExpectedBucketOwner": account.id}
    s3.put_public_access_block(
        **owned,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_ownership_controls(
        **owned, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    encryption = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"},
        "BucketKeyEnabled": True,
    }
    s3.put_bucket_encryption(**owned, ServerSideEncryptionConfiguration={"Rules": [encryption]})
    s3.put_bucket_versioning(**owned, VersioningConfiguration={"Status": "Enabled"})
    listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    s3.put_bucket_tagging(**owned, Tagging={"TagSet": listed})
