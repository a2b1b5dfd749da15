"""The policy's own facts; what it counts is in the decision tables."""

from __future__ import annotations

from datetime import timedelta

from handler.policy import simple

JANE = "jane@example.com"


def test_fingerprint_tells_policies_apart() -> None:
    """Equal policies have one fingerprint, and every field is part of it."""
    six = timedelta(hours=6)
    base = simple(six)
    others = [
        simple(timedelta(hours=3)),
        simple(six, schedules=("DBA",)),
        simple(six, incident_roles=("DBA",)),
        simple(six, resource_labels=(("Env", "Prod"),)),
        simple(six, participants=True),
        simple(six, self_declared=True),
        base._replace(aliases={JANE: ("jane@corp.example",)}),
        base._replace(rules=()),
    ]
    assert base.fingerprint == simple(timedelta(minutes=360)).fingerprint
    assert len({each.fingerprint for each in [base, *others]}) == len(others) + 1
    assert len(base.fingerprint) == 16
