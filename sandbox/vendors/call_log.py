"""What a double remembers of its use: the calls it got, and the faults that are switched on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from sandbox.vendors.exchange import Exchange, Request

MOST_CALLS = 2000


class Calls(Sequence["Request"]):
    """The calls so far, in the order they arrived; reading never sees half a change.

    Of more than `MOST_CALLS`, the older half is forgotten.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: list[Request] = []

    def add(self, request: Request) -> None:
        """Record one."""
        with self._changed:
            if len(self._calls) == MOST_CALLS:
                del self._calls[: MOST_CALLS // 2]
            self._calls.append(request)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget them."""
        with self._changed:
            self._calls.clear()

    def wait_for(self, count: int, seconds: float = 10) -> None:
        """Until there are that many; TimeoutError says how many there were instead."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._calls) >= count, seconds):
                raise TimeoutError(f"{len(self._calls)} calls in {seconds} s instead of {count}")

    def paths(self) -> list[str]:
        """Their paths only."""
        return [call.path for call in self]

    def __len__(self) -> int:
        return len(self._calls)

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        with self._changed:
            return self._calls[index]

    def __iter__(self) -> Iterator[Request]:
        return iter(self[:])


@dataclass(slots=True)
class Switched:
    """A fault that is on, and for which calls: `left` is None for without limit."""

    prefix: str
    play: Callable[[Exchange], None]
    left: int | None
    page: int | None

    def fits(self, path: str, page: Callable[[], int]) -> bool:
        """Whether it is this call's turn."""
        if self.left == 0 or not path.startswith(self.prefix):
            return False
        return self.page is None or self.page == page()


class Switches:
    """The faults that are on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on: list[Switched] = []

    def on(self, fault: Switched) -> None:
        """Switch one on; it goes before those that are on already."""
        with self._lock:
            self._on.insert(0, fault)

    def off(self) -> None:
        """Switch all off."""
        with self._lock:
            self._on.clear()

    def pick(self, path: str, page: Callable[[], int]) -> Callable[[Exchange], None] | None:
        """What is played for this call, counted off its `times`; `page` is asked if it matters."""
        with self._lock:
            on = list(self._on)
        # Without the lock: to know the page may take as long as the whole answer.
        for fault in on:
            if fault.fits(path, page) and self._counted(fault):
                return fault.play
        return None

    def _counted(self, fault: Switched) -> bool:
        """Count a call off a fault's; another call may have been the last."""
        with self._lock:
            if fault.left == 0:
                return False
            if fault.left is not None:
                fault.left -= 1
            return True
