"""What a command cannot do, in a sentence."""

from __future__ import annotations


class CommandError(Exception):
    """A command that cannot be carried out; the sentence says why and what to do."""


class ReportError(CommandError):
    """A command that cannot be carried out as settings are wrong; a line for each, made safe."""
