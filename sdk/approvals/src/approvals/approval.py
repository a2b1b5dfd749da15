"""Ask for approval, and wait for it: `approval` on the event loop, `approval_sync` without one."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Protocol, Required, TypedDict, TypeVar, cast

from indentapi import (
    Duration,
    IndentAPI,
    IndentError,
    IndentTimeoutError,
    Petition,
    Resource,
    UnexpectedAnswerError,
    validation,
)
from indentapi import intervals as growing
from indentapi.durations import whole_seconds
from indentapi.resources import segment

from approvals.errors import ApprovalDenied, ApprovalTimeout, decided, how_to_go_on
from approvals.pending import PendingApproval
from approvals.progress import OnEvent, Progress, ignore, show

Result = TypeVar("Result")


class Interrupted(BaseException):
    """A call's pause was cut short, for nobody waits for its result. Never leaves this package."""


class Pauses:
    """The clock of the client: its pauses between tries end when the task is cancelled."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def stop(self) -> None:
        """End this pause, and every later one, at once."""
        self._stop.set()

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Let them pass, or raise Interrupted."""
        if self._stop.wait(seconds):
            raise Interrupted


async def beside(call: Callable[[], Result], pauses: Pauses) -> Result:
    """Run the call in a thread. Cancelled, it comes back only when the thread is done with it."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        pauses.stop()
        while not running.done():
            # Cancelled again, it waits on: the thread cannot be left behind.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        with suppress(Interrupted, Exception):
            running.result()
        raise


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
        self._clock: AsyncClock = clock or LoopClock()

    def __call__(
        self,
        request: Request,
        *,
        petitioners: Iterable[Resource] | None = None,
        duration: Duration | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        quiet: bool = False,
        on_event: OnEvent | None = None,
        space_name: str | None = None,
        api_token: str | None = None,
        base_url: str | None = None,
    ) -> Coroutine[Any, Any, Petition]:
        """Request approval, and return the petition once it is granted: `await` it.

        Without `await` nothing is requested and nobody approves; a warning says so.

        Arguments:
            request: `reason`, `resources` and, if you like, `petitioners`.
            petitioners: for whom; by default the owner of the token.
            duration: for how long: a timedelta, a number of hours, or a text like `1h30m`.
            timeout: seconds to wait; None for as many as it takes.
            quiet: print nothing.
            on_event: called with each `Progress` on the event loop, instead of printing.
            space_name: by default what INDENT_SPACE says.
            api_token: by default what INDENT_API_TOKEN says.
            base_url: by default what INDENT_API_URL says, else the public service.

        Raises:
            ApprovalDenied, ApprovalRevoked: it was decided, and not granted.
            ApprovalTimeout: it is undecided; its petition's name is what `resume` takes.
            IndentError: the API could not be asked.
            TypeError, ValueError: an argument is wrong; nothing has been sent.
        """
        wanted = checked_request(request, petitioners)
        check_options(duration=duration, timeout=timeout, quiet=quiet, on_event=on_event)
        emit = _emitter(on_event, quiet=quiet)

        async def ask(pending: PendingApproval) -> Petition:
            pauses = Pauses()
            with (
                IndentAPI(space_name, api_token, base_url=base_url, clock=pauses) as indent,
                _noting_how_to_go_on(pending),
            ):

                def create() -> Petition:
                    petition = _named(
                        indent.petition.create(
                            reason=wanted["reason"],
                            resources=wanted["resources"],
                            petitioners=wanted.get("petitioners"),
                            default_duration=duration,
                        )
                    )
                    return pending.saw(petition, indent.petition.url(petition))

                petition = await beside(create, pauses)
                emit(Progress("requested", petition))
                return await self._decision(indent, petition, pending.url, timeout, emit, pauses)

        return PendingApproval(ask, "approval({...})")

    def resume(
        self,
        name: str,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        quiet: bool = False,
        on_event: OnEvent | None = None,
        space_name: str | None = None,
        api_token: str | None = None,
        base_url: str | None = None,
    ) -> Coroutine[Any, Any, Petition]:
        """Go on waiting for the petition of that name; everything else is as when it was asked."""
        segment(name)
        check_options(duration=None, timeout=timeout, quiet=quiet, on_event=on_event)
        emit = _emitter(on_event, quiet=quiet)

        async def ask(pending: PendingApproval) -> Petition:
            pauses = Pauses()
            with (
                IndentAPI(space_name, api_token, base_url=base_url, clock=pauses) as indent,
                _noting_how_to_go_on(pending),
            ):

                def get() -> Petition:
                    petition = _named(indent.petition.get(name))
                    return pending.saw(petition, indent.petition.url(petition))

                petition = await beside(get, pauses)
                return await self._decision(indent, petition, pending.url, timeout, emit, pauses)

        return PendingApproval(ask, f"approval.resume({name!r})")

    async def _decision(
        self,
        indent: IndentAPI,
        petition: Petition,
        url: str,
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
                raise outcome(petition, url)
            elapsed = self._clock.now() - start
            while elapsed >= line:
                emit(Progress("waiting", petition, line))
                line *= 2
            if timeout is not None and elapsed >= timeout:
                emit(Progress("timeout", petition))
                raise ApprovalTimeout(petition, url, timeout)
            end = line if timeout is None else min(line, timeout)
            await self._clock.sleep(min(next(intervals), end - elapsed))
            left = None if timeout is None else start + timeout - self._clock.now()
            petition = await self._look(indent, petition, url, left, pauses)

    async def _look(
        self,
        indent: IndentAPI,
        petition: Petition,
        url: str,
        left: float | None,
        pauses: Pauses,
    ) -> Petition:
        within = None if left is None else max(left, _LAST_LOOK)
        try:
            return await beside(
                lambda: indent.petition.get(petition["name"], within=within), pauses
            )
        except IndentError as error:
            if left is not None and isinstance(error, IndentTimeoutError):
                return petition
            error.add_note(how_to_go_on(petition, url))
            raise


@contextmanager
def _noting_how_to_go_on(pending: PendingApproval) -> Iterator[None]:
    """Say in a cancellation, as Ctrl-C is one, what becomes of the request."""
    try:
        yield
    except asyncio.CancelledError as error:
        if pending.petition:
            error.add_note(how_to_go_on(pending.petition, pending.url))
        raise


def checked_request(request: Request, petitioners: Iterable[Resource] | None = None) -> Request:
    """The request with its lists as lists.

    Raises:
        TypeError, ValueError: something of it is missing, misspelt or wrong.
    """
    validation.record(request, "the request")
    validation.keys(request, Request.__annotations__, "the request has no key")
    for key in ("reason", "resources"):
        if key not in request:
            raise TypeError(f"the request has no {key!r}; it needs a reason and resources")
    checked = Request(
        reason=validation.text(request["reason"], "reason"),
        resources=validation.resources(request["resources"]),
    )
    people = request.get("petitioners") if petitioners is None else petitioners
    if people is not None:
        checked["petitioners"] = validation.petitioners(people)
    return checked


def check_options(
    *, duration: Duration | None, timeout: float | None, quiet: bool, on_event: OnEvent | None
) -> None:
    """Check what says how to wait.

    Raises:
        TypeError, ValueError: something of it is wrong.
    """
    if duration is not None:
        whole_seconds(duration)
    validation.timeout(timeout)
    validation.boolean(quiet, "quiet")
    if on_event is not None and not callable(on_event):
        raise TypeError(f"on_event must be a function, not {validation.type_of(on_event)}")
    if inspect.iscoroutinefunction(on_event):
        raise TypeError("on_event must be a plain function, not an async one: nobody awaits it")


def _named(petition: Petition) -> Petition:
    if not (petition.get("name") and petition.get("spaceName")):
        raise UnexpectedAnswerError("the API answered with something that isn't a petition")
    return petition


def _emitter(on_event: OnEvent | None, *, quiet: bool) -> OnEvent:
    if on_event is not None:
        return on_event
    return ignore if quiet else show


approval: Approval = Approval()


class SyncApproval:
    """`approval_sync`: call it to ask and wait, or `resume` a request that was asked before.

    Where an event loop runs, as in a notebook's cell, the waiting is done in a thread; that loop
    does nothing else meanwhile.

    Arguments:
        ask: what asks and waits.
    """

    def __init__(self, ask: Approval = approval) -> None:
        self._approval = ask

    def __call__(
        self,
        request: Request,
        *,
        petitioners: Iterable[Resource] | None = None,
        duration: Duration | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        quiet: bool = False,
        on_event: OnEvent | None = None,
        space_name: str | None = None,
        api_token: str | None = None,
        base_url: str | None = None,
    ) -> Petition:
        """Request approval, and return the petition once it is granted; see `approval`."""
        return _run(
            self._approval(
                request,
                petitioners=petitioners,
                duration=duration,
                timeout=timeout,
                quiet=quiet,
                on_event=on_event,
                space_name=space_name,
                api_token=api_token,
                base_url=base_url,
            )
        )

    def resume(
        self,
        name: str,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        quiet: bool = False,
        on_event: OnEvent | None = None,
        space_name: str | None = None,
        api_token: str | None = None,
        base_url: str | None = None,
    ) -> Petition:
        """Go on waiting for the petition of that name; see `approval.resume`."""
        return _run(
            self._approval.resume(
                name,
                timeout=timeout,
                quiet=quiet,
                on_event=on_event,
                space_name=space_name,
                api_token=api_token,
                base_url=base_url,
            )
        )


approval_sync: SyncApproval = SyncApproval()


def _run(coroutine: Coroutine[Any, Any, Petition]) -> Petition:
    """Run it to its end. What it raises begins here: the frames of the loop explain nothing."""
    # Typed as a plain coroutine, so that a type checker finds a forgotten `await`.
    pending = cast("PendingApproval", coroutine)
    try:
        return _to_the_end(pending)
    except KeyboardInterrupt:
        petition = pending.petition
        said = how_to_go_on(petition, pending.url) if petition else "Nothing was requested."
        raise KeyboardInterrupt(said) from None
    except IndentError as error:
        raise error.with_traceback(None) from None


def _to_the_end(pending: PendingApproval) -> Petition:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(pending)
    return _in_a_thread(pending)


def _in_a_thread(pending: PendingApproval) -> Petition:
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Petition]]] = Future()

    async def wait() -> Petition:
        loop = asyncio.get_running_loop()
        task = loop.create_task(pending)
        started.set_result((loop, task))
        return await task

    with ThreadPoolExecutor(1) as threads:
        context = contextvars.copy_context()
        running = threads.submit(context.run, lambda: asyncio.run(wait()))
        try:
            return running.result()
        except KeyboardInterrupt:
            loop, task = started.result()
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(task.cancel)
            raise
