"""The errors of these commands, and how they are printed."""

from __future__ import annotations

import sys

from policy.terminal import say


class SetupError(Exception):
    """The project, the environment or the account isn't ready; the message says what to do."""


class ReportError(SetupError):
    """Several things aren't ready; the message has a safe line for each."""


def say_error(error: SetupError) -> None:
    """Print an error on one line, whatever it quotes, unless it is a report."""
    first, *others = str(error).split("\n") if isinstance(error, ReportError) else [str(error)]
    say(f"error: {first}", sys.stderr)
    for line in others:
        say(line, sys.stderr)
