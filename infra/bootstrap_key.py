"""The key that encrypts config and state, made before there is a stack, where one is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.aws_account import error_code
from infra.errors import SetupError
from infra.settings import KMS_KEY_ALIAS
from infra.state_key import DESCRIPTION, key_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.aws_account import Account
    from infra.stack_file import StackFile

_ENCRYPTS = "ENCRYPT_DECRYPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackKey:
    """The key that the alias names.

    Attributes:
        id: its id.
        managed: whether the stack manages it; else it serves as it is.
    """

    id: str
    managed: bool


def ensure_key(
    account: Account, file: StackFile, alias: str, report_step: Callable[[str], None]
) -> StackKey:
    """Make the key and its alias, or find them.

    Raises:
        SetupError: the alias names a key that can't encrypt the state.
    """
    # Each call once: if the answer to CreateKey is lost, a second call would make a second key. The
    # next run finds the first.
    kms = account.client("kms", attempts=1)
    key = _describe(kms, f"alias/{alias}")
    if key is not None:
        _check_usable(account, key, alias)
        managed = file.tags.items() <= _tags(kms, key["KeyId"]).items()
        if not managed:
            report_step(f"uses the key alias/{alias} as it is: it isn't this stack's")
    else:
        # A run that was cut short may have made it.
        key = next(_unnamed_keys(kms, file.tags), None)
        managed = True
        if key is None:
            report_step(f"makes the key alias/{alias}")
            key = kms.create_key(
                Description=DESCRIPTION,
                Policy=key_policy(account.id, account.partition),
                Tags=[{"TagKey": key, "TagValue": value} for key, value in file.tags.items()],
            )["KeyMetadata"]
        kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key["KeyId"])
    if managed:
        report_step(f"has the key alias/{alias} rotated each year")
        policy = key_policy(account.id, account.partition)
        kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy)
        kms.enable_key_rotation(KeyId=key["KeyId"])
    return StackKey(id=key["KeyId"], managed=managed)


def _describe(kms: Any, key: str) -> dict[str, Any] | None:  # noqa: ANN401 - boto3 has no types
    try:
        metadata: dict[str, Any] = kms.describe_key(KeyId=key)["KeyMetadata"]
    except ClientError as error:
        if error_code(error) != "NotFoundException":
            raise
        return None
    return metadata


def _check_usable(account: Account, key: dict[str, Any], alias: str) -> None:
    use = key.get("KeyUsage", _ENCRYPTS)
    problems = {
        f"belongs to account {key['AWSAccountId']}, not to {account.id}": (
            key["AWSAccountId"] != account.id
        ),
        f"is {key['KeyState']}, not Enabled": key["KeyState"] != "Enabled",
        "is one of AWS's own": key["KeyManager"] != "CUSTOMER",
        f"is for {use}, not {_ENCRYPTS}": use != _ENCRYPTS,
    }
    for problem, applies in problems.items():
        if applies:
            raise SetupError(
                f"{KMS_KEY_ALIAS} is {alias!r}, whose key {problem}; "
                f"mend the key, or set {KMS_KEY_ALIAS} to another alias"
            )


def _unnamed_keys(kms: Any, tags: dict[str, str]) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - boto3 has no types
    """Find usable keys with these tags that no alias names yet."""
    named = {
        alias.get("TargetKeyId")
        for page in kms.get_paginator("list_aliases").paginate()
        for alias in page["Aliases"]
    }
    for page in kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            if key["KeyId"] in named or not tags.items() <= _tags(kms, key["KeyId"]).items():
                continue
            metadata = _describe(kms, key["KeyId"])
            if metadata is not None and metadata["KeyState"] == "Enabled":
                yield metadata


def _tags(kms: Any, key: str) -> dict[str, str]:  # noqa: ANN401 - boto3 has no types
    """Read a key's tags; a key whose policy hides them has none of ours."""
    try:
        pages = kms.get_paginator("list_resource_tags").paginate(KeyId=key)
        return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}
    except ClientError as error:
        if error_code(error) not in {"AccessDeniedException", "NotFoundException"}:
            raise
        return {}
