"""Proves, before the program imports the state bucket, that it is the stack's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.aws_account import aws_errors, bucket_tags, current_account, owned_bucket_region
from infra.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping


def prove_adoptable(bucket: str, tags: Mapping[str, str]) -> None:
    """Make sure that a bucket is this account's, and tagged as this stack's.

    Raises:
        pulumi.RunError: it isn't, in one sentence.
    """
    try:
        with aws_errors():
            _prove(bucket, tags)
    except SetupError as error:
        raise pulumi.RunError(str(error)) from None


def _prove(bucket: str, tags: Mapping[str, str]) -> None:
    remedy = f"run `make bootstrap STACK={pulumi.get_stack()}`"
    account = current_account(pulumi.Config("aws").get("region") or "")
    if owned_bucket_region(account, bucket) is None:
        raise SetupError(f"STATE_BUCKET is {bucket!r}, and there is no such bucket; {remedy}")
    if not tags.items() <= bucket_tags(account, bucket).items():
        wanted = ", ".join(f"{key}={value}" for key, value in tags.items())
        raise SetupError(
            f"STATE_BUCKET_MANAGED is true, and bucket {bucket} doesn't have the tags {wanted}, "
            f"so it may be somebody else's; {remedy}"
        )
