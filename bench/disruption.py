"""What goes wrong in a soak, call by call: providers fail, secrets rotate, children are killed."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle

from bench.processes import children
from bench.provider_faults import provider_faults
from sandbox.stack import Sandbox, new_secret

CALLS_PER_FAULT = 3
_PATIENCE = 60.0


class SigningSecret:
    """The secret that Indent signs with, and the number of running calls by secret."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.former: str | None = None
        self._ended = threading.Condition()
        self._going_on: Counter[str] = Counter()

    @contextmanager
    def with_secret(self) -> Iterator[str]:
        """Give the secret for a call, which runs until the context ends."""
        with self._ended:
            secret = self.secret
            self._going_on[secret] += 1
        try:
            yield secret
        finally:
            with self._ended:
                self._going_on[secret] -= 1
                self._ended.notify_all()

    def wait_until_unused(self, secret: str) -> None:
        """Wait until no running call is signed with it."""
        with self._ended:
            if not self._ended.wait_for(lambda: not self._going_on[secret], _PATIENCE):
                raise TimeoutError("a call that was signed with the former secret doesn't end")


class Disruptor:
    """Disrupts the sandbox before a call, as the number of the call says.

    Args:
        sandbox: what it disrupts.
        signing: the secret that Indent signs with.
        seed: determines the order of the faults, and which children are killed.
        with_slow_faults: whether to use faults that delay calls for seconds.
        calls_per_step: the number of calls between two kills, and between two steps of a rotation.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        signing: SigningSecret,
        *,
        seed: int = 1,
        with_slow_faults: bool = True,
        calls_per_step: int = 45,
    ) -> None:
        self._sandbox = sandbox
        self._signing = signing
        self._random = random.Random(seed)  # noqa: S311 - no secret comes of it
        deck = [
            fault
            for fault in provider_faults(sandbox.doubles)
            if with_slow_faults or not fault.is_slow
        ]
        self._random.shuffle(deck)
        self.kinds = len(deck)
        self._deck = cycle(deck)
        self._calls_per_step = calls_per_step
        self._rotation = cycle((self._announce, self._switch, self._drop))
        self.faults = self.kills = self.rotations = 0
        self.kills_and_rotates = True

    def disrupt(self, number: int) -> None:
        """Cause the disruptions that are due. Calls of this must not overlap."""
        if number % CALLS_PER_FAULT == 0:
            fault = next(self._deck)
            fault.inject(self._sandbox.doubles[fault.provider])
            self.faults += 1
        if self.kills_and_rotates and number % self._calls_per_step == 0:
            self._kill()
        if self.kills_and_rotates and number % self._calls_per_step == self._calls_per_step // 2:
            next(self._rotation)()

    def stop(self) -> None:
        """Clear the faults of all providers. A rotation that has begun continues."""
        for double in self._sandbox.doubles.values():
            double.clear_faults()

    def _kill(self) -> None:
        if processes := children():
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(self._random.choice(processes), signal.SIGKILL)
            self.kills += 1

    def _announce(self) -> None:
        """Have the function accept a new secret beside the one in use."""
        self._sandbox.rotate(new_secret(), previous=self._signing.secret)

    def _switch(self) -> None:
        """Have Indent sign with the new one."""
        self._signing.former = self._signing.secret
        self._signing.secret = self._sandbox.webhook_secret

    def _drop(self) -> None:
        """Have the function accept the former one no more."""
        assert self._signing.former
        self._signing.wait_until_unused(self._signing.former)
        self._sandbox.rotate(self._signing.secret)
        self.rotations += 1
