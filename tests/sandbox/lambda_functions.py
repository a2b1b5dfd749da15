"""Helpers for the tests of the function URL and its runtime."""

from __future__ import annotations

import os

import pytest

from sandbox.lambda_url.runtime import FunctionConfig

PATIENCE = 60.0  # seconds until a test that waits for another process fails
CONFIG = FunctionConfig(
    name="webhook",
    arn="arn:aws:lambda:us-west-2:123456789012:function:webhook",
    handler="app.handle",
    timeout=PATIENCE,
    memory_mb=256,
    environment={"FROM_FUNCTION": "function", "OVERRIDDEN": "function"},
    log_format="JSON",
    log_group="/aws/lambda/webhook",
    region="us-west-2",
)
ECHO = "def handle(event, context):\n    return event\n"


def assert_gone(pid: int) -> None:
    """Assert that the process has ended and was reaped."""
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
