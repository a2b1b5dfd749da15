"""Memory, threads and sockets of processes, read from /proc. Linux only, as the sandbox is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    """What one process holds.

    Attributes:
        kib: its memory that is resident.
        peak_kib: the most that this ever was.
        threads, sockets: how many of them.
    """

    kib: int
    peak_kib: int
    threads: int
    sockets: int


class Sample(NamedTuple):
    """What the sandbox holds, and each of the handler's children, by process."""

    sandbox: Usage
    children: Mapping[int, Usage]


def sample() -> Sample:
    """Look at this process and its children."""
    own = usage(os.getpid())
    assert own
    usages = {process: usage(process) for process in children()}
    return Sample(own, {process: value for process, value in usages.items() if value})


def children() -> list[int]:
    """Give the processes that this one started and that have not ended, oldest first."""
    processes: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # that thread has ended meanwhile
            processes.update(map(int, file.read_text(encoding="ascii").split()))
    return sorted(processes)


def usage(process: int) -> Usage | None:
    """Look at a process; None where it has ended."""
    folder = Path("/proc") / str(process)
    try:
        lines = (folder / "status").read_text(encoding="utf-8").splitlines()
        links = [_link(file) for file in (folder / "fd").iterdir()]
    except OSError:
        return None
    status = dict(line.split(":", 1) for line in lines)
    if "VmRSS" not in status:  # it is a zombie
        return None
    return Usage(
        int(status["VmRSS"].split()[0]),
        int(status["VmHWM"].split()[0]),
        int(status["Threads"]),
        sum(link.startswith("socket:") for link in links),
    )


def _link(file: Path) -> str:
    try:
        return os.readlink(file)  # noqa: PTH115 - a socket's target isn't a path
    except OSError:
        return ""
