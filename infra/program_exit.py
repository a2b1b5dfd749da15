"""Ends the program when it refuses to deploy."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pulumi

if TYPE_CHECKING:
    from collections.abc import Iterator

# With this status, Pulumi's language host knows that the program has reported the error. The update
# fails like with any other error, but without the line "an unhandled error occurred".
EXIT_STATUS = 32


@contextmanager
def exit_on_refusal() -> Iterator[None]:
    """End the program on an error that is meant for the user, before it registers anything.

    Raises:
        SystemExit: there was such an error; the program never continues with an empty stack.
    """
    try:
        yield
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        sys.exit(EXIT_STATUS)
