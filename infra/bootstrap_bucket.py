"""The state bucket, made or taken over before there is a stack. Each call can be made again.

Every call names the account that has to own the bucket, so that none reaches anybody else's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.aws_account import bucket_tags, error_code, foreign_bucket, owned_bucket_region
from infra.errors import SetupError
from infra.settings import STATE_BUCKET, STATE_BUCKET_MANAGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.aws_account import Account
    from infra.stack_file import StackFile

# S3 takes no location constraint for its oldest region.
_OLDEST_REGION = "us-east-1"


def ensure_bucket(
    account: Account, file: StackFile, name: str, report_step: Callable[[str], None]
) -> bool:
    """Make the bucket, or take it over where it is the stack's own.

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


def _create(account: Account, name: str) -> None:
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


def _is_empty(account: Account, name: str) -> bool:
    versions = account.client("s3").list_object_versions(
        Bucket=name, MaxKeys=1, ExpectedBucketOwner=account.id
    )
    return not versions.get("Versions") and not versions.get("DeleteMarkers")


def _put_settings(account: Account, name: str, tags: dict[str, str]) -> None:
    """Put what the program keeps up (infra/state_bucket.py), the tags last: they say it is done."""
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
