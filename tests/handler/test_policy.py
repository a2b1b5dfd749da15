"""The policy's own facts; what it counts is in the decision tables."""

from __future__ import annotations

from datetime import timedelta

from handler.policy import Policy


def test_fingerprint_tells_policies_apart() -> None:
    """Equal policies have one fingerprint, and every field is part of it."""
    base = Policy(timedelta(hours=6))
    others = [
        Policy(timedelta(hours=3)),
        base._replace(schedules=("DBA",)),
        base._replace(incident_roles=("DBA",)),
        base._replace(resource_labels=(("Env", "Prod"),)),
        base._replace(participants=True),
        base._replace(self_declared=True),
    ]
    assert base.fingerprint == Policy(timedelta(minutes=360)).fingerprint
    assert len({each.fingerprint for each in [base, *others]}) == len(others) + 1
    assert len(base.fingerprint) == 16


def test_updates_count_only_where_nothing_is_named() -> None:
    """Participation cannot be named, so a list of names leaves it out."""
    participants = Policy(timedelta(hours=6), participants=True)
    assert participants.counts_updates
    assert not participants._replace(schedules=("DBA",)).counts_updates
    assert not participants._replace(incident_roles=("lead",)).counts_updates
    assert not Policy(timedelta(hours=6)).counts_updates
