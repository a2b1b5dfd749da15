"""Blocking calls beside the event loop, with an end that can be relied on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

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
