"""How the program ends where it refuses to deploy."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pulumi

if TYPE_CHECKING:
    from collections.abc import Iterator

# By this status Pulumi's language host knows that the program has said what is wrong. The update
# fails as by any other error; only the line "an unhandled error occurred" is left out.
EXIT_STATUS = 32


@contextmanager
def exit_on_refusal() -> Iterator[None]:
    """End the program where it raises what is meant for the user, before it registers anything.

    Raises:
        SystemExit: it was refused; it never returns as if the stack were empty.
    """
    try:
        yield
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        sys.exit(EXIT_STATUS)
