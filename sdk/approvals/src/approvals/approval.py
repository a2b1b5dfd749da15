"""Request approval and wait for it: `approval` in async code, `approval_sync` in any other."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar, Unpack, cast

from indentapi import (
    IndentAPI,
    IndentError,
    IndentTimeoutError,
    Petition,
    UnexpectedAnswerError,
    intervals,
)
from indentapi.resources import path_segment

from approvals.errors import ApprovalDenied, ApprovalRevoked, ApprovalTimeout, outcome, resume_hint
from approvals.pending import PendingApproval
from approvals.progress import OnEvent, Progress, discard, print_progress
from approvals.request import (
    DEFAULT_TIMEOUT,
    ApprovalOptions,
    Request,
    WaitOptions,
    check_options,
    check_request,
)

Result = TypeVar("Result")
# The last request before the timeout gets at least this long to be answered.
_MIN_REQUEST_SECONDS = 1.0
_FIRST_PROGRESS_LINE = 2


class AsyncClock(Protocol):
    """The time, and how to wait."""

    def now(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait for that long."""


class LoopClock:
    """Real time, on the event loop."""

    def now(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for that long."""
        await asyncio.sleep(seconds)


class Approval:
    """`approval`: call it to request and wait, or `resume` waiting for an earlier request.

    Arguments:
        clock: for tests of code that waits.
    """

    def __init__(self, clock: AsyncClock | None = None) -> None:
        self._clock: AsyncClock = clock or LoopClock()

    def __call__(
        self, request: Request, **options: Unpack[ApprovalOptions]
    ) -> Coroutine[Any, Any, Petition]:
        """Request approval, and return the petition once it is granted: `await` it.

        Without `await` nothing is requested and nobody approves; there is a warning.

        Arguments:
            request: `reason`, `resources` and optionally `petitioners`.
            petitioners: for whom; by default the owner of the token.
            duration: for how long: a timedelta, a number of hours, or a text like `1h30m`.
            timeout: seconds to wait, 10 by default; None for no limit.
            quiet: print nothing.
            on_event: called with each `Progress` on the event loop, instead of printing.
            space_name: the default is INDENT_SPACE.
            api_token: the default is INDENT_API_TOKEN.
            base_url: the default is INDENT_API_URL, or the public service.

        Raises:
            ApprovalDenied, ApprovalRevoked: it was decided, and not granted.
            ApprovalTimeout: it is undecided; pass its petition's name to `resume`.
            IndentError: the API could not be called, or refused the request.
            TypeError, ValueError: an argument is wrong; nothing has been sent.
        """
        checked = check_request(request, options.get("petitioners"))
        check_options(options)

        def create(indent: IndentAPI) -> Petition:
            return indent.petition.create(
                reason=checked["reason"],
                resources=checked["resources"],
                petitioners=checked.get("petitioners"),
                default_duration=options.get("duration"),
            )

        return PendingApproval(
            lambda pending: self._run(pending, create, options, is_new=True), "approval({...})"
        )

    def resume(self, name: str, **options: Unpack[WaitOptions]) -> Coroutine[Any, Any, Petition]:
        """Go on waiting for the petition of that name.

        Options and exceptions are those of a new request, without `petitioners` and `duration`.
        """
        path_segment(name)  # raises for what isn't a name
        check_options(options, WaitOptions)

        def get(indent: IndentAPI) -> Petition:
            return indent.petition.get(name)

        return PendingApproval(
            lambda pending: self._run(pending, get, options, is_new=False),
            f"approval.resume({name!r})",
        )

    async def _run(
        self,
        pending: PendingApproval,
        get_petition: Callable[[IndentAPI], Petition],
        options: WaitOptions,
        *,
        is_new: bool,
    ) -> Petition:
        emit = _emitter(options)
        clock = InterruptibleClock()
        with (
            IndentAPI(
                options.get("space_name"),
                options.get("api_token"),
                base_url=options.get("base_url"),
                clock=clock,
            ) as indent,
            _resume_hint_on_cancel(pending),
        ):

            def start() -> Petition:
                petition = _check_is_petition(get_petition(indent))
                # In the thread: a cancelled task does not get its result, but has to name it.
                pending.petition, pending.url = petition, indent.petition.url(petition)
                return petition

            async def poll(within: float | None) -> Petition:
                return await run_in_thread(
                    lambda: indent.petition.get(petition["name"], within=within), clock
                )

            petition = await run_in_thread(start, clock)
            if is_new:
                emit(Progress("requested", petition))
            timeout = options.get("timeout", DEFAULT_TIMEOUT)
            return await self._wait(petition, pending.url, poll, emit, timeout)

    async def _wait(
        self,
        petition: Petition,
        url: str,
        poll: Callable[[float | None], Awaitable[Petition]],
        emit: OnEvent,
        timeout: float | None,  # noqa: ASYNC109 - ends with an error of its own
    ) -> Petition:
        start, next_line = self._clock.now(), _FIRST_PROGRESS_LINE
        poll_intervals = intervals()
        while not _check_granted(petition, url, emit):
            elapsed = self._clock.now() - start
            while elapsed >= next_line:
                emit(Progress("waiting", petition, next_line))
                next_line *= 2
            if timeout is not None and elapsed >= timeout:
                emit(Progress("timeout", petition))
                raise ApprovalTimeout(petition, url, timeout)
            wake = next_line if timeout is None else min(next_line, timeout)
            await self._clock.sleep(min(next(poll_intervals), wake - elapsed))
            within = None
            if timeout is not None:
                within = max(start + timeout - self._clock.now(), _MIN_REQUEST_SECONDS)
            try:
                petition = await poll(within)
            except IndentError as error:
                # Not a failure if the timeout cut it short: the next round ends the wait.
                if within is None or not isinstance(error, IndentTimeoutError):
                    error.add_note(resume_hint(petition, url))
                    raise
        return petition


approval: Approval = Approval()


class SyncApproval:
    """`approval_sync`: call it to request and wait, or `resume` waiting for an earlier request.

    Where an event loop runs, as in a notebook's cell, it waits in a thread; that loop does nothing
    else meanwhile.

    Arguments:
        ask: what requests and waits.
    """

    def __init__(self, ask: Approval = approval) -> None:
        self._approval = ask

    def __call__(self, request: Request, **options: Unpack[ApprovalOptions]) -> Petition:
        """Request approval, and return the petition once it is granted; see `approval`."""
        return _run_sync(self._approval(request, **options))

    def resume(self, name: str, **options: Unpack[WaitOptions]) -> Petition:
        """Go on waiting for the petition of that name; see `approval.resume`."""
        return _run_sync(self._approval.resume(name, **options))


approval_sync: SyncApproval = SyncApproval()


class SleepInterrupted(BaseException):
    """A sleep was cut short, because nobody waits for the result. Never leaves this package."""


class InterruptibleClock:
    """The clock of the client: its sleeps between retries end when the task is cancelled."""

    def __init__(self) -> None:
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """End this sleep, and every later one, at once."""
        self._interrupted.set()

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Wait for that long, or raise SleepInterrupted."""
        if self._interrupted.wait(seconds):
            raise SleepInterrupted


async def run_in_thread(call: Callable[[], Result], clock: InterruptibleClock) -> Result:
    """Run a blocking call beside the event loop.

    If the task is cancelled, this returns only once the thread has ended, so that no request goes
    out after that.
    """
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        clock.interrupt()
        while not task.done():
            # Cancelled again, it still waits: the thread cannot be left behind.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        with suppress(SleepInterrupted, Exception):
            task.result()
        raise


@contextmanager
def _resume_hint_on_cancel(pending: PendingApproval) -> Iterator[None]:
    """Add to a cancellation (Ctrl-C is one) what becomes of the request."""
    try:
        yield
    except asyncio.CancelledError as error:
        if pending.petition:
            error.add_note(resume_hint(pending.petition, pending.url))
        raise


def _check_is_petition(petition: Petition) -> Petition:
    if not (petition.get("name") and petition.get("spaceName")):
        raise UnexpectedAnswerError("the API answered with something that isn't a petition")
    return petition


def _check_granted(petition: Petition, url: str, emit: OnEvent) -> bool:
    """True once it is granted, False while it is undecided; raises if it was denied or revoked."""
    match outcome(petition):
        case "undecided":
            return False
        case "granted":
            emit(Progress("granted", petition))
            return True
        case "revoked":
            emit(Progress("revoked", petition))
            raise ApprovalRevoked(petition, url)
        case _:
            emit(Progress("denied", petition))
            raise ApprovalDenied(petition, url)


def _emitter(options: WaitOptions) -> OnEvent:
    on_event = options.get("on_event")
    if on_event is not None:
        return on_event
    return discard if options.get("quiet") else print_progress


def _run_sync(coroutine: Coroutine[Any, Any, Petition]) -> Petition:
    """Run it to its end. Its exceptions begin here: the frames of the loop explain nothing."""
    # `approval` is typed as a plain coroutine, so that type checkers find a forgotten `await`.
    pending = cast("PendingApproval", coroutine)
    try:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(pending)
        return _run_in_new_loop(pending)
    except KeyboardInterrupt:
        petition = pending.petition
        hint = resume_hint(petition, pending.url) if petition else "Nothing was requested."
        raise KeyboardInterrupt(hint) from None
    except IndentError as error:
        raise error.with_traceback(None) from None


def _run_in_new_loop(pending: PendingApproval) -> Petition:
    """Run it on another event loop, in a thread: this thread's loop is running already."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Petition]]] = Future()

    async def wait() -> Petition:
        loop = asyncio.get_running_loop()
        task = loop.create_task(pending)
        started.set_result((loop, task))
        return await task

    with ThreadPoolExecutor(1) as executor:
        context = contextvars.copy_context()
        future = executor.submit(context.run, lambda: asyncio.run(wait()))
        try:
            return future.result()
        except KeyboardInterrupt:
            loop, task = started.result()
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(task.cancel)
            raise
