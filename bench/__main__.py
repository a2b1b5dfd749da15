"""Print every figure with its bound; exit 1 where one is broken."""

from __future__ import annotations

import sys
from itertools import chain

from bench import accounts, cold, load, loop, policies, warm

ok = True
for figure in chain(
    cold.figures(),
    warm.figures(),
    policies.figures(),
    accounts.figures(),
    loop.figures(),
    load.figures(),
):
    print(figure, flush=True)
    ok = ok and figure.holds
sys.exit(not ok)
