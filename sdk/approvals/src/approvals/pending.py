"""What `approval({...})` returns: something to await, and loud when that is forgotten."""

from __future__ import annotations

import inspect
import logging
import traceback
import warnings
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NoReturn

from indentapi import Petition


class ApprovalNotAwaited(RuntimeWarning):
    """`await` was forgotten: nothing was requested, and nobody has approved anything."""


class PendingApproval(Coroutine[Any, Any, Petition]):
    """An approval that is requested when it is awaited.

    It is no answer by itself: its truth value raises, and dropped without `await` it warns, each
    time and in the log as well, for what it should have guarded runs unguarded.

    Arguments:
        start: makes the coroutine that asks and waits; it may set `petition`.
        call: what was called, for the warning.

    Attributes:
        petition: as it was last seen, None before it is requested.
        url: where people see it.
    """

    # A class attribute: `__del__` is called even if `__init__` was not.
    _awaited = True

    def __init__(
        self, start: Callable[[PendingApproval], Coroutine[Any, Any, Petition]], call: str
    ) -> None:
        self.petition: Petition | None = None
        self.url: str = ""
        self._start = start
        self._call = call
        self._place = _place_of_the_call()
        self._running: Coroutine[Any, Any, Petition] | None = None
        self._awaited = False

    def saw(self, petition: Petition, url: str) -> Petition:
        """Remember the petition, for who stops waiting for it."""
        self.petition, self.url = petition, url
        return petition

    def __await__(self) -> Generator[Any, None, Petition]:
        return self._coroutine().__await__()

    def send(self, value: Any, /) -> Any:  # noqa: ANN401 - as every coroutine
        """Run to the next suspension."""
        return self._coroutine().send(value)

    def throw(self, *error: Any) -> Any:  # noqa: ANN401 - as every coroutine
        """Raise inside of it."""
        return self._coroutine().throw(*error)

    def close(self) -> None:
        """End it. One that was never awaited is given up on purpose, and does not warn."""
        self._coroutine().close()

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self._call} says nothing until it is awaited: write `await {self._call}`"
        )

    def __repr__(self) -> str:
        # A prompt or a notebook shows this, and keeps the object: it would not warn for long.
        return f"<{self._call}: {'awaited' if self._awaited else 'NOT AWAITED, nothing requested'}>"

    def __del__(self) -> None:
        if not self._awaited:
            _warn(self._call, *self._place)

    def _coroutine(self) -> Coroutine[Any, Any, Petition]:
        self._awaited = True
        if self._running is None:
            self._running = self._start(self)
        return self._running


def _place_of_the_call() -> tuple[str, int]:
    for frame, line in traceback.walk_stack(inspect.currentframe()):
        if frame.f_globals.get("__name__", "").partition(".")[0] != __package__:
            return frame.f_code.co_filename, line
    return "<unknown>", 1


def _warn(call: str, file: str, line: int) -> None:
    message = (
        f"{call} was called without `await`: NOTHING WAS REQUESTED AND NOBODY HAS APPROVED, "
        "and the code after it runs all the same. "
        "Write `await approval({...})`, or `approval_sync({...})` in code that is not async."
    )
    log = logging.getLogger(__package__)
    if log.hasHandlers():  # where a program's errors are read, and its stderr is not
        log.critical("%s:%d: %s", file, line, message)
    # Without a registry it is shown each time, not once for each line.
    warnings.warn_explicit(message, ApprovalNotAwaited, file, line)
