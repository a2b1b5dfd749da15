"""The key that encrypts the secrets in the stack's config and state, where one is wanted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import get_caller_identity_output, kms

if TYPE_CHECKING:
    from collections.abc import Mapping

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
DESCRIPTION = "Encrypts the secrets in the config and state of a Pulumi stack."


@dataclass(frozen=True, slots=True, kw_only=True)
class StateKeyArgs:
    """What the key is called.

    Attributes:
        alias: its alias, without `alias/`.
        tags: put on the key; the alias takes none.
        adopted: the id of the key that `make bootstrap` made, for the stack to take over; else
            the stack makes one.
    """

    alias: str
    tags: Mapping[str, str]
    adopted: str | None = None


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
        retained = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        of_key, of_alias = pulumi.ResourceOptions(), pulumi.ResourceOptions()
        if args.adopted:
            # An import has to find what the program says, and organisations add their own tags.
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
    """Write the key's policy, as JSON: the account's IAM says who may do what is listed."""
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
    """Write the ARN of a key that the stack need not manage.

    Args:
        key_id: its id.
        neighbour: the ARN of something in the stack's account and region, which is where it is.
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
