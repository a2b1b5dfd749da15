"""Unusable answers of any provider, and the reported problem of each.

`test_http*.py` tests more of them; these show that one failing answer hides no other.
"""

from __future__ import annotations

import pytest

from sandbox.vendors import faults
from sandbox.vendors.server import Fault

BAD_ANSWERS = [
    pytest.param(fault, problem, id=name)
    for name, fault, problem in (
        ("hangs", faults.Hang(), "no complete answer in time"),
        ("never ends", faults.EndlessBody(), "the response is larger than 6 MiB"),
        ("hangs up half-way", faults.HangUp("body"), "connection failed: the response was cut off"),
        ("is garbage", faults.Garbage(), "the response is not JSON"),
        ("is not there", faults.Status(404), "answered 404"),
        ("is an error", faults.Status(500), "answered 500"),
    )
]


def takes_time(fault: Fault) -> bool:
    """Check whether only the deadline ends it."""
    return isinstance(fault, faults.Hang)
