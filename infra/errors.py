"""The one error of the commands here, and how they quote what others said."""

from __future__ import annotations


class SetupError(Exception):
    """The project, the environment or the account isn't ready; says what to do about it."""


def printable(text: str) -> str:
    """Escape what a terminal would obey: buckets, AWS and Pulumi quote text of others."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
