"""What is wrong with rules, conditions and aliases: each error with its line, and nothing else."""

from __future__ import annotations

import pytest

from tests.policy.refused import Refused, refused
from tests.policy.texts import ON_CALL, POLICY, errors_of

ALIAS_LINES = "aliases:\n  jane@example.com: [jane.doe@corp.example]\n"
ALIASES = refused("aliases", replaced="jane@example.com: [jane.doe@corp.example]")
IDENTITIES = refused(
    "identities",
    POLICY.replace(ALIAS_LINES, "identities:\n  NAMES\n"),
    "NAMES",
)
ROWS = [*refused("rules"), *refused("conditions", replaced=ON_CALL), *ALIASES, *IDENTITIES]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_errors_have_their_lines(row: Refused) -> None:
    """Each error of a row has its line."""
    assert row.errors
    assert errors_of(row.data) == row.errors


def test_no_email_is_repeated() -> None:
    """Errors in aliases name the line instead."""
    errors = [text for row in (*ALIASES, *IDENTITIES) for _, text in errors_of(row.data)]
    assert errors
    assert not any("@" in text.replace("a@b.example", "") for text in errors)
