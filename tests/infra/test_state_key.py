"""The key for the state's secrets, as it is registered where one is wanted."""

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
    """Give what a stack with a key comes to."""
    return Program().run({"KMS_KEY_ALIAS": "oncall/state"})


def test_no_key_unless_an_alias_is_set(dev: ProgramRun) -> None:
    """A passphrase needs none, and a key costs money."""
    assert not [made for made in dev.registrations if "kms" in made.type]


def test_key_is_exact(run: ProgramRun) -> None:
    """It is turned over by itself; how long it can be rescued, when deleted, is KMS's 30 days."""
    (key,) = (dict(made.inputs) for made in run.registrations if made.type == KEY)
    assert key.pop("policy")
    assert key == {
        "description": "Encrypts the secrets in the config and state of a Pulumi stack.",
        "enableKeyRotation": True,
        "tags": {"project": "oncall-approvals", "stack": "dev"},
    }


def test_policy_is_exact(run: ProgramRun) -> None:
    """The account's IAM says who; nothing beyond keeping it and the two operations can be said.

    No other account, service or person is named, there are no grants, no data keys, no change of
    who may for how long, and who keeps the key has to be allowed separately to use it.
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
    """By the name of the setting."""
    (alias,) = (made.inputs for made in run.registrations if made.type == ALIAS)
    assert alias == {"name": "alias/oncall/state", "targetKeyId": "key-1"}


def test_key_and_alias_are_protected_and_kept(run: ProgramRun) -> None:
    """Without them nobody reads the state again, so no `pulumi destroy` takes them along."""
    ours = [made for made in run.registrations if made.type in {KEY, ALIAS}]
    assert len(ours) == 2
    assert all(made.protect and made.retain_on_delete for made in ours)
