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

from bench.fault_matrix import mishaps
from bench.processes import children
from sandbox.stack import Sandbox, new_secret

EACH_FAULT = 3
_PATIENCE = 60.0


class Signing:
    """The access system's secret, and which calls that are signed with one still go on."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.former: str | None = None
        self._ended = threading.Condition()
        self._going_on: Counter[str] = Counter()

    @contextmanager
    def with_secret(self) -> Iterator[str]:
        """Sign a call, which goes on until the context ends."""
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
        """Until no call goes on that is signed with it."""
        with self._ended:
            if not self._ended.wait_for(lambda: not self._going_on[secret], _PATIENCE):
                raise TimeoutError("a call that was signed with the former secret does not end")


class Trouble:
    """Makes trouble: before each call, as its number says.

    Args:
        sandbox: to which.
        signing: what the access system signs with.
        seed: draws the order of the faults, and who is killed.
        patient: whether faults are played that hold calls up for seconds.
        each: how many calls lie between two kills, and two steps of a rotation.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        signing: Signing,
        *,
        seed: int = 1,
        patient: bool = True,
        each: int = 45,
    ) -> None:
        self._sandbox = sandbox
        self._signing = signing
        self._random = random.Random(seed)  # noqa: S311 - no secret comes of it
        deck = [each for each in mishaps(sandbox.doubles) if patient or not each.is_slow]
        self._random.shuffle(deck)
        self.kinds = len(deck)
        self._deck = cycle(deck)
        self._each = each
        self._rotation = cycle((self._announce, self._switch, self._drop))
        self.faults = self.kills = self.rotations = 0
        self.violent = True

    def before(self, number: int) -> None:
        """Make what trouble is due. Calls of this must not overlap."""
        if number % EACH_FAULT == 0:
            mishap = next(self._deck)
            mishap.befall(self._sandbox.doubles[mishap.provider])
            self.faults += 1
        if self.violent and number % self._each == 0:
            self._kill()
        if self.violent and number % self._each == self._each // 2:
            next(self._rotation)()

    def end(self) -> None:
        """Have the providers answer as they should again; a rotation that was begun goes on."""
        for double in self._sandbox.doubles.values():
            double.clear_faults()

    def _kill(self) -> None:
        if found := children():
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(self._random.choice(found), signal.SIGKILL)
            self.kills += 1

    def _announce(self) -> None:
        """Have the function accept a new secret beside the one in use."""
        self._sandbox.rotate(new_secret(), previous=self._signing.secret)

    def _switch(self) -> None:
        """Have the access system sign with the new one."""
        self._signing.former = self._signing.secret
        self._signing.secret = self._sandbox.webhook_secret

    def _drop(self) -> None:
        """Have the function forget the former one."""
        assert self._signing.former
        self._signing.wait_until_unused(self._signing.former)
        self._sandbox.rotate(self._signing.secret)
        self.rotations += 1
