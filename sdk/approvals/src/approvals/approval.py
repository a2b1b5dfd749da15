"""Ask for approval, and wait for it without blocking anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol, Required, TypedDict

from indentapi import Duration, IndentAPI, IndentError, IndentTimeoutError, Petition, Resource
from indentapi import intervals as growing

from approvals.outcomes import ApprovalDenied, ApprovalTimeout, decided, reference, url_of
from approvals.progress import OnEvent, Progress, ignore, show
from approvals.threads import Pauses, beside

DEFAULT_TIMEOUT = 10.0
_LAST_LOOK = 1.0
_FIRST_LINE = 2


class Request(TypedDict, total=False):
    """What is asked for: why, what and, if not the token's owner, for whom."""

    reason: Required[str]
    resources: Required[Iterable[Resource]]
    petitioners: Iterable[Resource]


class AsyncClock(Protocol):
    """The time, and how to let it pass."""

    def now(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Let them pass."""


class LoopClock:
    """Real time, on the event loop."""

    def now(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let them pass."""
        await asyncio.sleep(seconds)


class Approval:
    """`approval`: call it to ask and wait, or `resume` a request that was asked before.

    Arguments:
        clock: for tests of code that waits.
    """

    def __init__(self, clock: AsyncClock | None = None) -> None:
        self._clock = clock or LoopClock()

    async def __call__(
        self,
        request: Request,
        *,
        petitioners: Iterable[Resource] | None = None,
        duration: Duration | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - ends with an error of its own
        quiet: bool = False,
        on_event: OnEvent | None = None,
        space_name: str | None = None,
        api_token: str | None = None,
    ) -> Petition:
        """Request approval, and return the petition once it is granted.

        Arguments:
            request: `reason`, `resources` and, if you like, `petitioners`.
            petitioners: for whom; by default the owner of the token.
            duration: for how long: a timedelta, a number of hours, or a text like `1h30m`.
            timeout: seconds to wait; None for as many as it takes.
            quiet: print nothing.
            on_event: called with each `Progress` on the event loop, instead of printing.
            space_name: by default what INDENT_SPACE says.
            api_token: by default what INDENT_API_TOKEN says.

        Raises:
            ApprovalDenied, ApprovalRevoked: it was decided, and not granted.
            ApprovalTimeout: it is undecided; its petition's name is what `resume` takes.
            IndentError: the API could not be asked.
            TypeError: the request has a key that it does not know.
        """
        unknown = request.keys() - Request.__annotations__.keys()
        if unknown:
            raise TypeError(f"a request has no {', '.join(sorted(unknown))}")
        pauses, emit = Pauses(), _emitter(on_event, quiet=quiet)
        with IndentAPI(space_name, api_token, clock=pauses) as indent:
            petition = await beside(
                lambda: indent.petition.create(
                    reason=request["reason"],
                    resources=request["resources"],
                    petitioners=request.get("petitioners") if petitioners is None else petitioners,
                    default_duration=duration,
                ),
                pauses,
            )
            emit(Progress("requested", petition))
            return await self._wait(indent, petition, timeout, emit, pauses)

    async def resume(
        self,
        name: str,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - ends with an error of its own
        quiet: bool = False,
        on_event: OnEvent | None = None,
        space_name: str | None = None,
        api_token: str | None = None,
    ) -> Petition:
        """Go on waiting for the petition of that name; everything else is as when it was asked."""
        pauses, emit = Pauses(), _emitter(on_event, quiet=quiet)
        with IndentAPI(space_name, api_token, clock=pauses) as indent:
            petition = await beside(lambda: indent.petition.get(name), pauses)
            return await self._wait(indent, petition, timeout, emit, pauses)

    async def _wait(
        self,
        indent: IndentAPI,
        petition: Petition,
        timeout: float | None,  # noqa: ASYNC109 - ends with an error of its own
        emit: OnEvent,
        pauses: Pauses,
    ) -> Petition:
        start, line = self._clock.now(), _FIRST_LINE
        intervals = growing()
        while True:
            outcome = decided(petition)
            if outcome is True:
                emit(Progress("granted", petition))
                return petition
            if outcome:
                denied = outcome is ApprovalDenied
                emit(Progress("denied" if denied else "revoked", petition))
                raise outcome(petition)
            elapsed = self._clock.now() - start
            while elapsed >= line:
                emit(Progress("waiting", petition, line))
                line *= 2
            if timeout is not None and elapsed >= timeout:
                emit(Progress("timeout", petition))
                raise ApprovalTimeout(petition)
            end = line if timeout is None else min(line, timeout)
            await self._clock.sleep(min(next(intervals), end - elapsed))
            left = None if timeout is None else start + timeout - self._clock.now()
            petition = await self._look(indent, petition, left, pauses)

    async def _look(
        self, indent: IndentAPI, petition: Petition, left: float | None, pauses: Pauses
    ) -> Petition:
        within = None if left is None else max(left, _LAST_LOOK)
        try:
            return await beside(
                lambda: indent.petition.get(petition["name"], within=within), pauses
            )
        except IndentError as error:
            if left is not None and isinstance(error, IndentTimeoutError):
                return petition
            error.add_note(
                f"{reference(petition)} stays as it is ({url_of(petition)}); "
                f"go on with approval.resume({petition['name']!r})."
            )
            raise


def _emitter(on_event: OnEvent | None, *, quiet: bool) -> OnEvent:
    if on_event is not None:
        return on_event
    return ignore if quiet else show


approval = Approval()
