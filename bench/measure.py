"""A figure with its bound, and a child process with what it used."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_Measured = TypeVar("_Measured")


@dataclass(frozen=True)
class Figure:
    """One measured figure; without a bound it is only printed."""

    name: str
    value: float
    unit: str = "x"
    most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether it keeps its bound."""
        return self.most is None or self.value <= self.most

    def __str__(self) -> str:
        """Say it in one line."""
        bound = "" if self.most is None else f"at most {self.most:g}"
        verdict = "" if self.most is None else ("ok" if self.holds else "TOO MUCH")
        return f"{self.name:62} {self.value:9.3g} {self.unit:6} {bound:14} {verdict}".rstrip()


@dataclass(frozen=True)
class Cost:
    """What one process cost: CPU seconds (user and system), and peak memory in KiB."""

    cpu: float
    peak_kib: int


def run(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command to its end and read the system's own accounting of it.

    Raises:
        RuntimeError: it failed.
    """
    process = subprocess.Popen(
        command, cwd=cwd, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    error = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stderr:
        process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{command[:3]} failed: {error.decode(errors='replace')[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def cpu_seconds(call: Callable[[], object]) -> float:
    """Measure what a call takes of the processors, in all threads of this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


@contextmanager
def one_processor() -> Iterator[None]:
    """Keep what this thread does and starts within the block on one processor.

    With several, what threads pay for taking turns with the interpreter lock depends on what else
    the machine does. Nor does Lambda give more than one to a function of less than 1.8 GB.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def side_by_side(
    rounds: int, ours: Callable[[], _Measured], yardstick: Callable[[], _Measured]
) -> tuple[list[_Measured], list[_Measured]]:
    """Measure both in each round, so that what else the machine does meets both.

    The order changes from round to round: each finds what the other one left in the caches.
    """
    results: tuple[list[_Measured], list[_Measured]] = [], []
    for number in range(rounds):
        if number % 2:
            results[0].append(ours())
            results[1].append(yardstick())
        else:
            results[1].append(yardstick())
            results[0].append(ours())
    return results


def median_ratio(ours: Sequence[float], yardstick: Sequence[float]) -> float:
    """Compare run by run, each pair made side by side, and take the middle ratio."""
    return statistics.median(a / b for a, b in zip(ours, yardstick, strict=True))


def show_progress(line: str) -> None:
    """Print what is going on, apart from the figures."""
    print(line, file=sys.stderr, flush=True)
