"""When two addresses are of the same key."""

from __future__ import annotations

import pytest

from infra.secrets_provider import is_same_key, key_address

OURS = key_address("oncall-state", "eu-west-1")


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("awskms://alias/oncall-state?region=eu-west-1", True),
        ("awskms://alias/oncall-state?awssdk=v2&region=eu-west-1&context_a=b", True),
        ("awskms://alias/oncall-state", True),
        ("awskms://alias/oncall-state?region=us-west-2&awssdk=v2", False),
        ("awskms://alias/oncall-state2?region=eu-west-1", False),
        ("awskms://[", False),
        ("passphrase", False),
        ("", False),
    ],
)
def test_same_key(address: str, same: bool) -> None:  # noqa: FBT001 - a table of truths
    """However the address goes on, but in another region the alias is another key's."""
    assert is_same_key(address, OURS) is same
