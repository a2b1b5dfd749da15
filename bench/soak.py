"""The sandbox under load for a minute, while all goes wrong that can: `make soak`.

Providers fail in every way that the doubles know, secrets rotate, and the handler's children are
killed. No approval may be wrong, no answer lost, and nothing may grow.
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

from bench.chaos import Signing, Trouble
from bench.measure import Figure, say
from bench.oracle import Asked, Kind, Tally, growth_of_children, growth_of_sandbox, judged
from bench.processes import Sample, sample
from cli.webhook_client import SendError, WebhookAnswer, request_event, send
from sandbox.demo_data import JANE, JUAN, OLGA, OMAR, PEOPLE, PETRA, put_all_on_stage
from sandbox.local_aws.program import PROJECT, ROOT
from sandbox.stack import Sandbox, new_secret
from sandbox.vendors import faults

THREADS = 8
# Seconds: for the sandbox to get warm, of kills and new secrets, for the last children to get
# warm, and without either, so that it shows what those gather.
WARM_UP, ROUGH, CALM, GENTLE = 7.0, 16.0, 5.0, 11.0
ON_DUTY = frozenset({JANE, OMAR, PETRA, OLGA, JUAN})
OPEN, SHUT = "prod-db", "hr-db"
EACH_SHUT, EACH_FORGED = 5, 16
# With an arena for each of many threads, malloc would keep what large answers took: no leak, and
# large enough to hide one.
_ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
_POLICY = Path(__file__).with_name("soak.yaml")
_TOGETHER = 0.5  # seconds for which every child is held at work at the same time
_SETTLED, _PATIENCE = 0.5, 10.0


class Soak:
    """A sandbox with the cast on stage, which is called and troubled."""

    def __init__(self, sandbox: Sandbox, threads: int, trouble: Trouble, signing: Signing) -> None:
        self._sandbox = sandbox
        self._threads = threads
        self._lock = threading.Lock()
        self._people = list(PEOPLE)
        self._signing = signing
        self.trouble = trouble
        self.tally = Tally()

    def run(self, numbers: Iterable[int]) -> None:
        """Make calls from all threads, as long as there are numbers, with trouble before each."""
        left = iter(numbers)

        def work(_: int) -> None:
            while True:
                with self._lock:
                    number = next(left, None)
                    if number is None:
                        return
                    self.trouble.before(number)
                self._call(number)

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(work, range(self._threads)))
        self.trouble.end()

    def _call(self, number: int) -> None:
        who = self._people[number % len(self._people)]
        what = SHUT if number % EACH_SHUT == 0 else OPEN
        genuine = number % EACH_FORGED != 0
        asked = Asked(request_event(who, [what]), who in ON_DUTY and what == OPEN, genuine)
        self._judge(asked)

    def _judge(self, asked: Asked) -> Kind:
        answer: WebhookAnswer | SendError
        with self._signing.with_secret() as secret:
            try:
                signed_with = secret if asked.genuine else new_secret()
                answer = send(self._sandbox.url, signed_with, {"events": [asked.event]})
            except SendError as error:
                answer = error
        verdict = judged(asked, answer)
        with self._lock:
            self.tally.add(verdict)
        return verdict.kind

    def well(self) -> int:
        """Say how many of the cast get a wrong answer once all is well."""
        wrong = 0
        for who in self._people:
            kind = self._judge(Asked(request_event(who, [OPEN]), who in ON_DUTY))
            wrong += kind is not (Kind.APPROVED if who in ON_DUTY else Kind.LEFT)
        return wrong

    def figures(self, warm: Sample, calm: Sample, end: Sample) -> Iterator[Figure]:
        """Give all figures, of which the last calls are made for."""
        trouble = self.trouble
        wrong = self.well()
        yield Figure("calls", self.tally.counts.total(), "")
        yield Figure(f"faults played, of {trouble.kinds} kinds", trouble.faults, "")
        yield Figure("children killed", trouble.kills, "")
        yield Figure("secrets rotated", trouble.rotations, "")
        yield from self.tally.figures(trouble.kills)
        yield Figure("answered wrong once all is well", wrong, "", 0)
        yield from growth_of_sandbox(warm, end)
        memory = self._sandbox.deployment.function.config.memory_mb
        yield from growth_of_children(calm, end, memory)

    def quiet(self) -> Sample:
        """Have every child at work once, and look when nothing goes on any more."""
        for double in self._sandbox.doubles.values():
            double.fail("/", faults.Slow(_TOGETHER))
        asked = Asked(request_event(JANE, [OPEN]), may=True)
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(self._judge, repeat(asked, self._threads)))
        self.trouble.end()
        before, end = sample(), time.monotonic() + _PATIENCE
        while True:
            time.sleep(_SETTLED)
            now = sample()
            if _same(before, now) or time.monotonic() > end:
                return now
            before = now


def _same(one: Sample, other: Sample) -> bool:
    """Whether threads and sockets are."""
    each = [(looked.sandbox, *looked.children.values()) for looked in (one, other)]
    first, last = ([(usage.threads, usage.sockets) for usage in usages] for usages in each)
    return first == last


@contextmanager
def project() -> Iterator[Path]:
    """Give a project's folder of its own, with the policy of the soak."""
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
def soaked(threads: int = THREADS, **troubles: Any) -> Iterator[Soak]:  # noqa: ANN401 - as `Trouble` has them
    """Run a sandbox for it, and make it trouble."""
    with (
        project() as folder,
        Sandbox(
            folder, config={"RESERVED_CONCURRENCY": str(threads)}, variables=_ONE_ARENA
        ) as sandbox,
    ):
        put_all_on_stage(sandbox.doubles)
        signing = Signing(sandbox.webhook_secret)
        yield Soak(sandbox, threads, Trouble(sandbox, signing, **troubles), signing)


def main() -> int:
    """Soak for a minute; print the figures, and what was wrong."""
    numbers = count(1)
    with soaked() as soak:
        say(f"soak: {THREADS} threads, {WARM_UP:g} s to get warm ...")
        soak.run(_for(WARM_UP, numbers))
        warm = soak.quiet()
        say(f"{ROUGH:g} s with kills and new secrets ...")
        soak.run(_for(ROUGH, numbers))
        soak.trouble.violent = False
        say(f"{CALM + GENTLE:g} s without ...")
        soak.run(_for(CALM, numbers))
        calm = soak.quiet()
        soak.run(_for(GENTLE, numbers))
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
