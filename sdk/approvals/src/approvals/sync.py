"""The same for code without an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from indentapi import Duration, Petition, Resource

from approvals.approval import DEFAULT_TIMEOUT, Request, approval
from approvals.progress import OnEvent


def approval_sync(
    request: Request,
    *,
    petitioners: Iterable[Resource] | None = None,
    duration: Duration | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    quiet: bool = False,
    on_event: OnEvent | None = None,
    space_name: str | None = None,
    api_token: str | None = None,
) -> Petition:
    """`approval`, for code without an event loop; see there.

    Raises:
        RuntimeError: a loop runs in this thread, and would be blocked.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(
            approval(
                request,
                petitioners=petitioners,
                duration=duration,
                timeout=timeout,
                quiet=quiet,
                on_event=on_event,
                space_name=space_name,
                api_token=api_token,
            )
        )
    raise RuntimeError("an event loop runs here and would be blocked: use `await approval(...)`")
