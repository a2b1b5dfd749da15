"""What a command cannot do, in a sentence."""

from __future__ import annotations

# The exit status of a command that could not be carried out.
NOT_DONE = 2


class CommandError(Exception):
    """A command that cannot be carried out; the sentence says why and what to do."""


class ReportError(CommandError):
    """A command that cannot be carried out as settings are wrong; a line for each, made safe."""
