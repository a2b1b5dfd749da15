"""Why a command could not run, in a sentence."""

from __future__ import annotations

# The exit status of a command that could not run.
NOT_DONE = 2


class CommandError(Exception):
    """A command cannot run; the sentence says why, and what to do."""


class ReportError(CommandError):
    """A command cannot run because settings are wrong; one line for each, safe to print."""
