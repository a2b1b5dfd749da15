"""`make soak` for a number of calls instead of a minute."""

from __future__ import annotations

from bench.processes import sample
from bench.soak import soaking
from bench.verdicts import Kind
from handler.callers import CALLERS

# Enough to add a secret, switch to it, and remove the old one.
CALLS_PER_STEP, CALLS = 10, 30


def test_a_short_soak() -> None:
    """Despite faults, kills and secret rotations, no answer is wrong or lost."""
    before = sample()
    with soaking(4, with_slow_faults=False, calls_per_step=CALLS_PER_STEP) as soak:
        soak.run(range(1, CALLS + 1))
        disruptor, counts = soak.disruptor, soak.tally.counts
        assert soak.tally.problems == []
        assert counts.total() == CALLS
        assert soak.tally.approvals.keys() == {entry.name for entry in CALLERS}
        assert all(soak.tally.approvals.values())
        assert counts[Kind.LEFT]
        assert counts[Kind.REFUSED]
        assert counts[Kind.ERROR] <= disruptor.kills
        assert (disruptor.rotations, disruptor.faults) == (1, CALLS // 3)
        assert disruptor.kills
        assert soak.count_wrong_answers() == 0
        during = soak.quiet()
        assert during.sandbox.threads > before.sandbox.threads
        # One for each thread, or fewer if a slow machine didn't keep all of them busy at once.
        assert 0 < len(during.children) - len(before.children) <= 4
    after = sample()
    assert after.sandbox.threads <= before.sandbox.threads
    assert after.children.keys() == before.children.keys()
