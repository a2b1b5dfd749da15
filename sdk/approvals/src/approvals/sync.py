"""The same for code that is not async."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

from indentapi import Duration, IndentError, Petition, Resource

from approvals.approval import DEFAULT_TIMEOUT, Approval, Request, approval
from approvals.errors import how_to_go_on
from approvals.pending import PendingApproval
from approvals.progress import OnEvent


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
