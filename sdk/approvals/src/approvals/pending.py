"""What `approval({...})` returns: a coroutine that warns loudly when `await` is forgotten."""

from __future__ import annotations

import inspect
import logging
import traceback
import warnings
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from indentapi import Petition


class ApprovalNotAwaited(RuntimeWarning):
    """`await` was forgotten: nothing was requested, and nobody has approved anything."""


class PendingApproval(Coroutine[Any, Any, Petition]):
    """An approval that is requested when it is awaited.

    Before it is awaited it is not a decision, so its truth value raises. When it is dropped
    without `await`, it warns each time, in the log as well: the code that it should have guarded
    runs unguarded.

    Arguments:
        start: returns the coroutine that requests and waits; it sets `petition` and `url`.
        call: what was called, for the warning.

    Attributes:
        petition: as the API returned it first, None before it is requested.
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
        self._location = _caller_location()
        self._inner: Coroutine[Any, Any, Petition] | None = None
        self._awaited = False

    def __await__(self) -> Generator[Any, None, Petition]:
        return self._start_once().__await__()

    def send(self, value: Any, /) -> Any:  # noqa: ANN401 - as every coroutine
        """Run to the next suspension."""
        return self._start_once().send(value)

    def throw(self, *error: Any) -> Any:  # noqa: ANN401 - as every coroutine
        """Raise inside of it."""
        return self._start_once().throw(*error)

    def close(self) -> None:
        """End it. Closing one that was never awaited is on purpose, and does not warn."""
        self._start_once().close()

    def __bool__(self) -> bool:
        # To show a task, asyncio asks this of its coroutine, from Python 3.12 on.
        if self._awaited or _caller_module().partition(".")[0] == "asyncio":
            return True
        raise TypeError(
            f"{self._call} is not a decision until it is awaited: write `await {self._call}`"
        )

    def __repr__(self) -> str:
        # A prompt or a notebook shows this, and keeps the object, which delays its warning.
        return f"<{self._call}: {'awaited' if self._awaited else 'NOT AWAITED, nothing requested'}>"

    def __del__(self) -> None:
        if not self._awaited:
            _warn(self._call, *self._location)

    def _start_once(self) -> Coroutine[Any, Any, Petition]:
        self._awaited = True
        if self._inner is None:
            self._inner = self._start(self)
        return self._inner


def _caller_module() -> str:
    """Name the module that called a method of this one."""
    frame = inspect.currentframe()
    while frame and frame.f_globals["__name__"] == __name__:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")) if frame else ""


def _caller_location() -> tuple[str, int]:
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
    if log.hasHandlers():  # a program that logs may have nobody reading its stderr
        log.critical("%s:%d: %s", file, line, message)
    # Without a registry it is shown each time, not once per line.
    warnings.warn_explicit(message, ApprovalNotAwaited, file, line)
