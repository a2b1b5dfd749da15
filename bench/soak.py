"""The sandbox under load from all callers for a minute, while everything fails: `make soak`.

Providers fail in every way that the doubles know, secrets rotate, and the handler's children are
killed. No approval may be wrong, no answer may get lost, and nothing may grow.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, repeat
from pathlib import Path
from typing import Any

from bench.callers import Callers, PlannedCall
from bench.disruption import Disruptor, SigningSecret
from bench.measure import Figure, show_progress
from bench.processes import Sample, sample
from bench.verdicts import Kind, Tally, growth_of_children, growth_of_sandbox, judge
from cli.webhook_client import SendError, WebhookAnswer
from sandbox.callers.conductorone import Tenant
from sandbox.demo_data import JANE, JUAN, OLGA, OMAR, PEOPLE, PETRA, seed_all
from sandbox.local_aws.program import PROJECT, ROOT
from sandbox.stack import Sandbox
from sandbox.vendors import faults

THREADS = 8
# Seconds for the sandbox to get warm, for kills and new secrets, for the last children to get warm,
# and for a calm time at the end, in which growth shows.
WARM_UP, ROUGH, CALM, CALM_END = 7.0, 16.0, 5.0, 11.0
ON_DUTY = frozenset({JANE, OMAR, PETRA, OLGA, JUAN})
OPEN, SHUT = "prod-db", "hr-db"
CALLS_PER_SHUT, CALLS_PER_FORGED = 5, 16
# With an arena for each thread, malloc would keep the memory of large answers, which isn't a leak,
# but could hide one.
_ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
_POLICY = Path(__file__).with_name("soak.yaml")
_TOGETHER = 0.5  # seconds for which every child is kept busy at the same time
_SETTLED, _PATIENCE = 0.5, 10.0


class Soak:
    """A sandbox with the demo's people on duty, which all callers call, and which is disrupted."""

    def __init__(
        self, sandbox: Sandbox, threads: int, disruptor: Disruptor, callers: Callers
    ) -> None:
        self._sandbox = sandbox
        self._threads = threads
        self._lock = threading.Lock()
        self._people = list(PEOPLE)
        self._callers = callers
        self.disruptor = disruptor
        self.tally = Tally()

    def run(self, numbers: Iterable[int]) -> None:
        """Make a call for each number, from all threads, after the number's disruptions."""
        left = iter(numbers)

        def work(_: int) -> None:
            while True:
                with self._lock:
                    number = next(left, None)
                    if number is None:
                        return
                    self.disruptor.disrupt(number)
                self._call(number)

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(work, range(self._threads)))
        self.disruptor.stop()

    def _call(self, number: int) -> None:
        """Make a call: one caller calls for every person, then the next caller does."""
        turn, place = divmod(number, len(self._people))
        caller = self._callers.names[turn % len(self._callers.names)]
        what = SHUT if number % CALLS_PER_SHUT == 0 else OPEN
        genuine = number % CALLS_PER_FORGED != 0
        self._judge(self._plan(caller, self._people[place], what, genuine=genuine))

    def _plan(
        self, caller: str, who: str, what: str = OPEN, *, genuine: bool = True
    ) -> PlannedCall:
        may = who in ON_DUTY and what == OPEN
        return self._callers.plan(caller, who, what, may_be_approved=may, genuine=genuine)

    def _judge(self, call: PlannedCall) -> Kind:
        answer: WebhookAnswer | SendError
        try:
            answer = call.send()
        except SendError as error:
            answer = error
        verdict = judge(call.expected, answer)
        with self._lock:
            self.tally.add(verdict, call.caller)
        return verdict.kind

    def count_wrong_answers(self) -> int:
        """Count the wrong answers that any caller gets for any person, without faults."""
        wrong = 0
        for caller in self._callers.names:
            for who in self._people:
                kind = self._judge(self._plan(caller, who))
                wrong += kind is not (Kind.APPROVED if who in ON_DUTY else Kind.LEFT)
        return wrong

    def figures(self, warm: Sample, calm: Sample, end: Sample) -> Iterator[Figure]:
        """Give all figures. This makes the last calls."""
        disruptor = self.disruptor
        wrong = self.count_wrong_answers()
        yield Figure("calls", self.tally.counts.total(), "")
        yield Figure(f"faults injected, of {disruptor.kinds} kinds", disruptor.faults, "")
        yield Figure("children killed", disruptor.kills, "")
        yield Figure("secrets rotated", disruptor.rotations, "")
        yield from self.tally.figures(disruptor.kills)
        yield Figure("wrong answers without faults", wrong, "", 0)
        yield from growth_of_sandbox(warm, end)
        memory = self._sandbox.deployment.function.config.memory_mb
        yield from growth_of_children(calm, end, memory)

    def quiet(self) -> Sample:
        """Keep every child busy once, and take a sample as soon as everything is quiet."""
        for double in self._sandbox.doubles.values():
            double.fail("/", faults.Slow(_TOGETHER))
        call = self._plan(self._callers.names[0], JANE)
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(self._judge, repeat(call, self._threads)))
        self.disruptor.stop()
        before, end = sample(), time.monotonic() + _PATIENCE
        while True:
            time.sleep(_SETTLED)
            now = sample()
            if _threads_and_sockets(before) == _threads_and_sockets(now) or time.monotonic() > end:
                return now
            before = now


def _threads_and_sockets(sample: Sample) -> list[tuple[int, int]]:
    """Count those of each process."""
    usages = (sample.sandbox, *sample.children.values())
    return [(usage.threads, usage.sockets) for usage in usages]


@contextmanager
def project() -> Iterator[Path]:
    """Give a project's folder with the policy of the soak."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        for file in (ROOT / "Pulumi.yaml", _POLICY, _POLICY.with_name("soak.test.yaml")):
            shutil.copy(file, folder)
        (folder / "Pulumi.dev.yaml").write_text(
            f"config:\n  aws:region: us-west-2\n  {PROJECT}:AUTO_APPROVAL_POLICY: {_POLICY.name}\n",
            encoding="utf-8",
        )
        yield folder


@contextmanager
def soaking(threads: int = THREADS, **disruptions: Any) -> Iterator[Soak]:  # noqa: ANN401 - as `Disruptor` has them
    """Run a sandbox for a soak."""
    with (
        project() as folder,
        Tenant() as tenant,
        Tenant() as stranger,
        Sandbox(
            folder,
            config={"RESERVED_CONCURRENCY": str(threads), **tenant.settings},
            variables=_ONE_ARENA,
        ) as sandbox,
    ):
        seed_all(sandbox.doubles)
        signing = SigningSecret(sandbox.webhook_secret)
        callers = Callers(sandbox, signing, tenant, stranger)
        yield Soak(sandbox, threads, Disruptor(sandbox, signing, **disruptions), callers)


def main() -> int:
    """Soak for a minute; print the figures and all problems."""
    numbers = count(1)
    with soaking() as soak:
        show_progress(f"soak: {THREADS} threads, {WARM_UP:g} s to get warm ...")
        soak.run(_for(WARM_UP, numbers))
        warm = soak.quiet()
        show_progress(f"{ROUGH:g} s with kills and new secrets ...")
        soak.run(_for(ROUGH, numbers))
        soak.disruptor.kills_and_rotates = False
        show_progress(f"{CALM + CALM_END:g} s without ...")
        soak.run(_for(CALM, numbers))
        calm = soak.quiet()
        soak.run(_for(CALM_END, numbers))
        figures = [*soak.figures(warm, calm, soak.quiet())]
    for figure in figures:
        print(figure, flush=True)
    for problem in soak.tally.problems:
        print(f"wrong: {problem}")
    return int(not all(figure.holds for figure in figures))


def _for(seconds: float, numbers: Iterator[int]) -> Iterator[int]:
    """Give numbers for some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield next(numbers)


if __name__ == "__main__":
    sys.exit(main())
