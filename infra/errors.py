"""The one error of the commands here."""

from __future__ import annotations


class SetupError(Exception):
    """The project, the environment or the account isn't ready; says what to do about it."""
