"""The KMS key for the state's secrets, as registered if an alias is set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.infra.program import Program

if TYPE_CHECKING:
    from sandbox.local_aws.program import ProgramRun

KEY, ALIAS = "aws:kms/key:Key", "aws:kms/alias:Alias"
ACCOUNT = {"AWS": "arn:aws-cn:iam::210987654321:root"}


@pytest.fixture(scope="module")
def run() -> ProgramRun:
    """Run a stack with a key."""
    return Program().run({"KMS_KEY_ALIAS": "oncall/state"})


def test_no_key_unless_an_alias_is_set(dev: ProgramRun) -> None:
    """Without an alias no key is made: a passphrase needs none, and a key costs money."""
    assert not [made for made in dev.registrations if "kms" in made.type]


def test_key_is_exact(run: ProgramRun) -> None:
    """The key is rotated, and deleted with KMS's default of 30 days."""
    (key,) = (dict(made.inputs) for made in run.registrations if made.type == KEY)
    assert key.pop("policy")
    assert key == {
        "description": "Encrypts the secrets in the config and state of a Pulumi stack.",
        "enableKeyRotation": True,
        "tags": {"project": "oncall-approvals", "stack": "dev"},
    }


def test_policy_is_exact(run: ProgramRun) -> None:
    """The key's policy allows IAM in this account to manage the key, and to encrypt and decrypt.

    It names no other account, service or person, and allows no grants or data keys. Rights to
    manage the key don't include using it.
    """
    (key,) = (made.inputs for made in run.registrations if made.type == KEY)
    assert json.loads(key["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "KeepByIam",
                "Effect": "Allow",
                "Principal": ACCOUNT,
                "Action": [
                    "kms:DescribeKey",
                    "kms:GetKeyPolicy",
                    "kms:PutKeyPolicy",
                    "kms:UpdateKeyDescription",
                    "kms:GetKeyRotationStatus",
                    "kms:EnableKeyRotation",
                    "kms:EnableKey",
                    "kms:DisableKey",
                    "kms:ListResourceTags",
                    "kms:TagResource",
                    "kms:UntagResource",
                    "kms:CreateAlias",
                    "kms:UpdateAlias",
                    "kms:DeleteAlias",
                    "kms:ScheduleKeyDeletion",
                    "kms:CancelKeyDeletion",
                ],
                "Resource": "*",
            },
            {
                "Sid": "UseByIam",
                "Effect": "Allow",
                "Principal": ACCOUNT,
                "Action": ["kms:Encrypt", "kms:Decrypt"],
                "Resource": "*",
            },
        ],
    }


def test_alias_leads_to_the_key(run: ProgramRun) -> None:
    """The alias has the setting's name, and refers to the key."""
    (alias,) = (made.inputs for made in run.registrations if made.type == ALIAS)
    assert alias == {"name": "alias/oncall/state", "targetKeyId": "key-1"}


def test_key_and_alias_are_protected_and_kept(run: ProgramRun) -> None:
    """Key and alias survive `pulumi destroy`, since the state can't be read without them."""
    ours = [made for made in run.registrations if made.type in {KEY, ALIAS}]
    assert len(ours) == 2
    assert all(made.protect and made.retain_on_delete for made in ours)
