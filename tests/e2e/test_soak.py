"""The loop of `make soak`, for a number of calls instead of a minute."""

from __future__ import annotations

from bench.oracle import Kind
from bench.processes import sample
from bench.soak import soaked

# Enough for a secret to be announced, switched to and dropped.
EACH, CALLS = 10, 30


def test_a_short_soak() -> None:
    """Faults, kills and new secrets: nothing wrong, nothing lost, and all is well in the end."""
    before = sample()
    with soaked(4, patient=False, each=EACH) as soak:
        soak.run(range(1, CALLS + 1))
        trouble, counts = soak.trouble, soak.tally.counts
        assert soak.tally.problems == []
        assert counts.total() == CALLS
        assert counts[Kind.APPROVED]
        assert counts[Kind.LEFT]
        assert counts[Kind.REFUSED]
        assert counts[Kind.ERROR] <= trouble.kills
        assert (trouble.rotations, trouble.faults) == (1, CALLS // 3)
        assert trouble.kills
        assert soak.well() == 0
        during = soak.quiet()
        assert during.sandbox.threads > before.sandbox.threads
        assert len(during.children) - len(before.children) == 4
    after = sample()
    assert after.sandbox.threads <= before.sandbox.threads
    assert after.children.keys() == before.children.keys()
