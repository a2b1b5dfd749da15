"""The optional key that encrypts the secrets in the stack's config and state.

`make bootstrap` creates it before there is a stack, and the program maintains it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from botocore.exceptions import ClientError
from pulumi_aws import get_caller_identity_output, kms

from infra.aws_account import error_code
from infra.errors import SetupError
from infra.settings import KMS_KEY_ALIAS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from infra.aws_account import AwsAccount
    from infra.stack_file import StackFile

# What the provider needs to maintain a key, without any right to data.
KEEPING = (
    *("kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:UpdateKeyDescription"),
    *("kms:GetKeyRotationStatus", "kms:EnableKeyRotation", "kms:EnableKey", "kms:DisableKey"),
    *("kms:ListResourceTags", "kms:TagResource", "kms:UntagResource"),
    *("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"),
    *("kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"),
)
# What Pulumi needs to wrap and unwrap the data key in the stack's file.
USING = ("kms:Encrypt", "kms:Decrypt")
_ENCRYPTS = "ENCRYPT_DECRYPT"
DESCRIPTION = "Encrypts the secrets in the config and state of a Pulumi stack."


@dataclass(frozen=True, slots=True, kw_only=True)
class StateKeyArgs:
    """The arguments of the key.

    Attributes:
        alias: its alias, without `alias/`.
        tags: of the key; an alias can't have any.
        adopted: the id of the key that `make bootstrap` created, which the stack imports; without
            it, the stack creates a key.
    """

    alias: str
    tags: Mapping[str, str]
    adopted: str | None = None


class StateKey(pulumi.ComponentResource):
    """A key that is rotated yearly and that `pulumi destroy` keeps.

    Without it, the state and the config are unreadable, so it is protected, and retained when the
    stack is destroyed, like the state bucket. Its policy leaves the use of the key to the account's
    IAM, and allows nobody what it doesn't list, such as grants.

    Attributes:
        alias: with `alias/`, as in Pulumi's URL of the key.
        arn: of the key.
    """

    alias: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: StateKeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("oncall-approvals:infra:StateKey", name, None, opts)
        retained = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        of_key, of_alias = pulumi.ResourceOptions(), pulumi.ResourceOptions()
        if args.adopted:
            # An import must match the program, but organisations add their own tags.
            of_key = pulumi.ResourceOptions(
                import_=args.adopted, ignore_changes=["tags", "tagsAll"]
            )
            of_alias = pulumi.ResourceOptions(import_=f"alias/{args.alias}")
        key = kms.Key(
            name,
            description=DESCRIPTION,
            enable_key_rotation=True,
            policy=_policy(),
            tags=args.tags,
            opts=pulumi.ResourceOptions.merge(retained, of_key),
        )
        alias = kms.Alias(
            f"{name}-alias",
            name=f"alias/{args.alias}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions.merge(retained, of_alias),
        )
        self.alias, self.arn = alias.name, key.arn
        self.register_outputs({"alias": self.alias})


def key_policy(account: str, partition: str) -> str:
    """Return the key's policy as JSON: the account's IAM controls the listed actions."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
                "Action": list(actions),
                "Resource": "*",  # in a key's policy: this key
            }
            for sid, actions in (("KeepByIam", KEEPING), ("UseByIam", USING))
        ],
    }
    return json.dumps(policy)


def key_arn_of(key_id: str, neighbour: pulumi.Output[str]) -> pulumi.Output[str]:
    """Return the ARN of a key that the stack may not manage.

    Args:
        key_id: its id.
        neighbour: the ARN of something in the same account and region.
    """

    def beside(arn: str) -> str:
        _, partition, _, region, account, *_ = arn.split(":")
        return f"arn:{partition}:kms:{region}:{account}:key/{key_id}"

    return neighbour.apply(beside)


def _policy() -> pulumi.Output[str]:
    caller = get_caller_identity_output()
    # arn:aws:…, or arn:aws-us-gov:…
    return pulumi.Output.all(caller.account_id, caller.arn).apply(
        lambda known: key_policy(known[0], known[1].split(":")[1])
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StackKey:
    """The key of an alias.

    Attributes:
        id: its id.
        managed: whether the stack manages it, or uses it as it is.
    """

    id: str
    managed: bool


def ensure_key(
    account: AwsAccount, file: StackFile, alias: str, report_step: Callable[[str], None]
) -> StackKey:
    """Create the key and its alias, or find them.

    Raises:
        SetupError: the alias belongs to a key that can't encrypt the state.
    """
    # No retries: if the response to CreateKey is lost, a retry would create a second key. The next
    # run finds the first.
    client = account.client("kms", attempts=1)
    key = _describe(client, f"alias/{alias}")
    if key is not None:
        _check_usable(account, key, alias)
        managed = file.tags.items() <= _tags(client, key["KeyId"]).items()
        if not managed:
            report_step(f"using the key alias/{alias} as it is: it isn't this stack's")
    else:
        # An interrupted run may have created it.
        key = next(_unnamed_keys(client, file.tags), None)
        managed = True
        if key is None:
            report_step(f"creating the key alias/{alias}")
            key = client.create_key(
                Description=DESCRIPTION,
                Policy=key_policy(account.id, account.partition),
                Tags=[{"TagKey": key, "TagValue": value} for key, value in file.tags.items()],
            )["KeyMetadata"]
        client.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key["KeyId"])
    if managed:
        report_step(f"turning on yearly rotation of the key alias/{alias}")
        policy = key_policy(account.id, account.partition)
        client.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy)
        client.enable_key_rotation(KeyId=key["KeyId"])
    return StackKey(id=key["KeyId"], managed=managed)


def _describe(client: Any, key: str) -> dict[str, Any] | None:  # noqa: ANN401 - boto3 has no types
    try:
        metadata: dict[str, Any] = client.describe_key(KeyId=key)["KeyMetadata"]
    except ClientError as error:
        if error_code(error) != "NotFoundException":
            raise
        return None
    return metadata


def _check_usable(account: AwsAccount, key: dict[str, Any], alias: str) -> None:
    use = key.get("KeyUsage", _ENCRYPTS)
    problems = {
        f"belongs to account {key['AWSAccountId']}, not to {account.id}": (
            key["AWSAccountId"] != account.id
        ),
        f"is {key['KeyState']}, not Enabled": key["KeyState"] != "Enabled",
        "is managed by AWS": key["KeyManager"] != "CUSTOMER",
        f"is for {use}, not {_ENCRYPTS}": use != _ENCRYPTS,
    }
    for problem, applies in problems.items():
        if applies:
            raise SetupError(
                f"{KMS_KEY_ALIAS} is {alias!r}, whose key {problem}; "
                f"correct the key, or set {KMS_KEY_ALIAS} to another alias"
            )


def _unnamed_keys(client: Any, tags: dict[str, str]) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - boto3 has no types
    """Find usable keys with these tags and no alias."""
    named = {
        alias.get("TargetKeyId")
        for page in client.get_paginator("list_aliases").paginate()
        for alias in page["Aliases"]
    }
    for page in client.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            if key["KeyId"] in named or not tags.items() <= _tags(client, key["KeyId"]).items():
                continue
            metadata = _describe(client, key["KeyId"])
            if metadata is not None and metadata["KeyState"] == "Enabled":
                yield metadata


def _tags(client: Any, key: str) -> dict[str, str]:  # noqa: ANN401 - boto3 has no types
    """Read a key's tags; if its policy hides them, it isn't ours."""
    try:
        pages = client.get_paginator("list_resource_tags").paginate(KeyId=key)
        return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}
    except ClientError as error:
        if error_code(error) not in {"AccessDeniedException", "NotFoundException"}:
            raise
        return {}
