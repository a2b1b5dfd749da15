"""The bucket for Pulumi's own state: `make bootstrap` creates it, the program maintains it.

Every call names the account that must own the bucket, so that none reaches another account's.
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
# S3 accepts no location constraint for its oldest region.
_OLDEST_REGION = "us-east-1"


def prove_adoptable(bucket: str, tags: Mapping[str, str]) -> None:
    """Prove that a bucket is this account's, and has this stack's tags.

    Raises:
        pulumi.RunError: it isn't or doesn't, in one sentence.
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
        raise SetupError(f"{STATE_BUCKET} is {bucket!r}, but there is no such bucket; {remedy}")
    if not tags.items() <= bucket_tags(account, bucket).items():
        wanted = ", ".join(f"{key}={value}" for key, value in tags.items())
        raise SetupError(
            f"{STATE_BUCKET_MANAGED} is true, but bucket {bucket} doesn't have the tags {wanted}, "
            f"so it may belong to something else; {remedy}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBucketArgs:
    """The arguments of the bucket.

    Attributes:
        bucket: its name; `indent-deploy-state-<account>-<stack>` by default.
        tags: of the bucket.
        adopted: whether `make bootstrap` created it, so that the stack imports it.
    """

    bucket: str | None
    tags: Mapping[str, str]
    adopted: bool = False


class StateBucket(pulumi.ComponentResource):
    """A private, versioned, encrypted bucket that `pulumi destroy` keeps.

    It may contain the state of this very stack, so the bucket and its settings are protected, and
    retained when the stack is destroyed. Each resource sets these options itself, since a component
    passes on only some of its own.

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
            # S3 accepts a rule about old versions only if the bucket has versioning.
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
            # Both change the access to the bucket, and S3 refuses two such changes at once.
            opts=self._kept(closed),
        )


def _adoption(args: StateBucketArgs) -> pulumi.ResourceOptions:
    if not args.adopted:
        return pulumi.ResourceOptions()
    # An import must match the program, but organisations add their own tags. Ours are on it,
    # or it isn't adopted (prove_adoptable).
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
    """Create the bucket before there is a stack, or adopt it if it is the stack's own.

    Each call can be repeated.

    Returns:
        Whether the stack manages the bucket, or uses it as it is.

    Raises:
        SetupError: it isn't this account's, or isn't for this stack.
    """
    region = owned_bucket_region(account, name)
    if region is None:
        report_step(f"creating the state bucket {name}")
        _create(account, name)
        region = owned_bucket_region(account, name)
    if region is None:
        raise SetupError(
            f"bucket {name} was created, but AWS doesn't list it yet; "
            f"run `make bootstrap STACK={file.stack}` again"
        )
    if region != account.region:
        raise SetupError(
            f"bucket {name} is in {region}, but aws:region is {account.region}; "
            f"set aws:region to {region}, or {STATE_BUCKET} to the name of another bucket"
        )
    tags = bucket_tags(account, name)
    if file.tags.items() <= tags.items() or _is_empty(account, name):
        report_step(f"making the state bucket {name} private, encrypted and versioned")
        _put_settings(account, name, tags | file.tags)
        return True
    _check_shared(file, name)
    report_step(
        f"using the bucket {name} as it is: it has other contents, so its settings stay unchanged"
    )
    return False


def _check_shared(file: StackFile, name: str) -> None:
    """Accept a bucket with other contents only if the settings name it."""
    wanted = ", ".join(f"{key}={value}" for key, value in file.tags.items())
    if file.settings.get(STATE_BUCKET) != name:
        raise SetupError(
            f"your account has a bucket {name}, which isn't empty and doesn't have the tags "
            f"{wanted}; to keep the state in it anyway, write "
            f"`{file.project}:{STATE_BUCKET}: {name}` to Pulumi.{file.stack}.yaml"
        )
    if file.settings.get(STATE_BUCKET_MANAGED) == "true":
        raise SetupError(
            f"{STATE_BUCKET_MANAGED} is true, but bucket {name} isn't empty and doesn't have the "
            f"tags {wanted}; restore the tags, or, if it isn't the same bucket as before, remove "
            f"{STATE_BUCKET_MANAGED} from Pulumi.{file.stack}.yaml"
        )


def _create(account: AwsAccount, name: str) -> None:
    place = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    try:
        # The only call that can't name the owner, which is checked afterwards.
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
    """Apply the settings of `StateBucket`; the tags come last, as they mark completion."""
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
