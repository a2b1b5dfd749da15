"""The errors of the commands here, and how they are printed."""

from __future__ import annotations

import sys

from policy.terminal import say


class SetupError(Exception):
    """The project, the environment or the account isn't ready; says what to do about it."""


class ReportError(SetupError):
    """Several things aren't ready; a line for each, made safe."""


def say_error(error: SetupError) -> None:
    """Print an error: as one line, whatever it quotes, unless it is a report."""
    first, *others = str(error).split("\n") if isinstance(error, ReportError) else [str(error)]
    say(f"error: {first}", sys.stderr)
    for line in others:
        say(line, sys.stderr)
