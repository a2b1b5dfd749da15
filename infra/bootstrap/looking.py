"""Asks Pulumi what there is, without changing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from infra.bootstrap.cli import CommandError
from infra.bootstrap.copies import listed_stacks, previewed_bucket, read_copy, said_errors
from infra.bootstrap.plan import StuckError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.bootstrap.cli import Pulumi
    from infra.bootstrap.copies import Copy

NO_BUCKET = "NoSuchBucket"
T = TypeVar("T")


def copy_at(pulumi: Pulumi, at: str, folder: Path) -> Copy | None:
    """Read what lies at a place; a bucket that is not there yet holds nothing.

    Raises:
        CommandError: Pulumi does not say.
    """
    try:
        said = pulumi.run("stack", "ls", "--json", at=at, folder=folder)
    except CommandError as error:
        if NO_BUCKET in error.errors:
            return None
        raise
    if pulumi.stack not in _read(listed_stacks, said, "pulumi stack ls", at):
        return None
    said = pulumi.run("stack", "export", at=at, folder=folder)
    return _read(read_copy, said, "pulumi stack export", at)


def bucket_to_be(pulumi: Pulumi, at: str, folder: Path) -> str:
    """Ask what the stack's bucket would be called, which checks the whole config, too.

    Raises:
        CommandError: Pulumi does not say, or the program refuses the config.
        StuckError: there would be no bucket.
    """
    try:
        said = pulumi.run("preview", "--json", at=at, folder=folder)
    except CommandError as error:
        if not (errors := said_errors(error.said)):
            raise
        raise CommandError(
            f"it is not as it has to be (its state lies at {at}): {'; '.join(errors)}"
        ) from None
    if not (bucket := _read(previewed_bucket, said, "pulumi preview", at)):
        raise StuckError("its preview makes no bucket for the state")
    return bucket


def _read(reading: Callable[[str], T], said: str, command: str, at: str) -> T:
    try:
        return reading(said)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise CommandError(
            f"`{command}` answers at {at} in a way that is not known here; "
            "is it another edition of Pulumi?"
        ) from None
