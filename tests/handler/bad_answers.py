"""Answers that cannot be used, of whichever provider, and what the log says of each."""

from __future__ import annotations

import pytest

from sandbox.vendors import faults
from sandbox.vendors.server import Fault

ON_LOOPBACK = "http://127.0.0.1:9"
BAD_ANSWERS = [
    pytest.param(fault, problem, id=name)
    for name, fault, problem in (
        ("hangs", faults.Hang(), "no whole answer in time"),
        ("drips", faults.Drip(0.02), "no whole answer in time"),
        ("never ends", faults.EndlessBody(), "the answer is over 6 MiB"),
        ("sends 100 MB", faults.Huge(100), "the answer is over 6 MiB"),
        ("hangs up", faults.HangUp(), "connection failed (RemoteDisconnected)"),
        ("hangs up half-way", faults.HangUp("body"), "connection failed (IncompleteRead)"),
        ("is garbage", faults.Garbage(), "the answer is not JSON"),
        ("is nested absurdly deep", faults.Nested(), "the answer is not JSON"),
        ("redirects", faults.Redirect(ON_LOOPBACK), "answered 302"),
        ("limits the rate for an hour", faults.TooManyRequests(3600), "answered 429"),
        *((str(each), faults.Status(each), f"answered {each}") for each in (404, 422, 500, 503)),
    )
]


def takes_time(fault: Fault) -> bool:
    """Whether only the deadline ends it."""
    return isinstance(fault, faults.Hang | faults.Drip)
