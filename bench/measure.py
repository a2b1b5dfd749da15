"""A figure with its bound, and a child process with what it used."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


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
    """Measure what a call takes of the processors, in all threads."""
    start = time.process_time()
    call()
    return time.process_time() - start


def median_ratio(ours: Sequence[float], yardstick: Sequence[float]) -> float:
    """Compare run by run, each pair made side by side, and take the middle ratio."""
    return statistics.median(a / b for a, b in zip(ours, yardstick, strict=True))


def show_progress(line: str) -> None:
    """Print what is going on, apart from the figures."""
    print(line, file=sys.stderr, flush=True)
