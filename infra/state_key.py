"""The key that encrypts the secrets in the stack's config and state, where one is wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import get_caller_identity_output, kms

from handler.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIAS = "KMS_KEY_ALIAS"
EXAMPLE = "oncall-state"
# What the provider makes, reads, changes and deletes a key with: nothing that reads or writes data.
KEEPING = (
    *("kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:UpdateKeyDescription"),
    *("kms:GetKeyRotationStatus", "kms:EnableKeyRotation", "kms:EnableKey", "kms:DisableKey"),
    *("kms:ListResourceTags", "kms:TagResource", "kms:UntagResource"),
    *("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"),
    *("kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"),
)
# What Pulumi does with it: it wraps and unwraps the one data key in the stack's file.
USING = ("kms:Encrypt", "kms:Decrypt")
DELETION_WINDOW_DAYS = 30

_ALIAS = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9/_-]{0,249}")
_RESERVED = re.compile(r"aws(/.*)?|alias/.*")


def parse_alias(value: str) -> str | None:
    """Check a key's alias by KMS's rules (API reference, "CreateAlias"); empty means no key.

    Raises:
        SettingsError: it is none.
    """
    if not value:
        return None
    if _ALIAS.fullmatch(value) is None or _RESERVED.fullmatch(value) is not None:
        allowed = "up to 250 letters, digits, /, _ and -, without alias/ and not aws/ before them"
        raise SettingsError(ALIAS, f"is {value!r}: allowed are {allowed}", EXAMPLE)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class StateKeyArgs:
    """What the key is called.

    Attributes:
        alias: its alias, without `alias/`.
        tags: put on the key; the alias takes none.
    """

    alias: str
    tags: Mapping[str, str]


class StateKey(pulumi.ComponentResource):
    """A key of its own, turned over each year, that no `pulumi destroy` takes along.

    Without it the state and the config cannot be read any more, so it is protected, and kept when
    the stack goes, as the state bucket is. Its policy names the account: who of it may use the key
    is said by IAM. Whatever the policy leaves out, such as grants, nobody may.

    Attributes:
        alias: with `alias/`, as Pulumi's address of the key has it.
        arn: of the key.
    """

    alias: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: StateKeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("oncall-approvals:infra:StateKey", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        key = kms.Key(
            name,
            description="Encrypts the secrets in the config and state of a Pulumi stack.",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            policy=pulumi.Output.json_dumps(_policy()),
            tags=args.tags,
            opts=kept,
        )
        alias = kms.Alias(
            f"{name}-alias", name=f"alias/{args.alias}", target_key_id=key.key_id, opts=kept
        )
        self.alias, self.arn = alias.name, key.arn
        self.register_outputs({"alias": self.alias})


def _policy() -> dict[str, object]:
    caller = get_caller_identity_output()
    # arn:aws:…, or arn:aws-us-gov:…
    partition = caller.arn.apply(lambda arn: arn.split(":")[1])
    account = pulumi.Output.concat("arn:", partition, ":iam::", caller.account_id, ":root")
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"AWS": account},
                "Action": list(actions),
                "Resource": "*",  # in a key's policy: this key
            }
            for sid, actions in (("KeepByIam", KEEPING), ("UseByIam", USING))
        ],
    }
