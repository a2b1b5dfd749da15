"""Nothing that a command of the CLI starts outlives it, or the test that runs it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

from sandbox.local_aws.program import ROOT
from tests.engine.cli import PATIENCE, Command

# Starts a process that takes a group of its own, as Pulumi's plugins do, and tells of both.
PARENT = """
import os, signal, sys
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    signal.pause()
with open(sys.argv[1], "w") as told:
    told.write(f"{os.getpid()} {child}")
"""
STAYS = f"{PARENT}\nsignal.pause()"
GOES = f"{PARENT}\nsys.exit(3)"
HOLDER = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.engine.cli import Command
with Command(sys.argv[1:], Path(), os.environ) as command:
    command.end()
"""


def test_killed_test_leaves_nothing(tmp_path: Path) -> None:
    """Whoever runs the command is killed, and can do nothing more about it."""
    fifo = _fifo(tmp_path)
    command = [sys.executable, "-c", STAYS, str(fifo)]
    with subprocess.Popen([sys.executable, "-c", HOLDER, *command], cwd=tmp_path) as holder:
        started = _started(fifo)
        holder.kill()
        _see_the_end_of(started)


def test_killed_command_leaves_nothing(tmp_path: Path) -> None:
    """The test kills it in the middle of its work."""
    fifo = _fifo(tmp_path)
    with Command([sys.executable, "-c", STAYS, str(fifo)], tmp_path, {}) as command:
        started = _started(fifo)
        command.kill()
        _see_the_end_of(started)
        assert command.end().code == 137


def test_command_that_ends_leaves_nothing(tmp_path: Path) -> None:
    """It ends by itself, with a code of its own, and forgets what it has started."""
    fifo = _fifo(tmp_path)
    with Command([sys.executable, "-c", GOES, str(fifo)], tmp_path, {}) as command:
        started = fifo.read_text(encoding="utf-8").split()
        assert command.end().code == 3
        assert not [pid for pid in started if _runs(pid)]


def _fifo(folder: Path) -> Path:
    fifo = folder / "started"
    os.mkfifo(fifo)
    return fifo


def _started(fifo: Path) -> list[int]:
    """Wait for the processes, which stay; a descriptor of each, that is theirs alone."""
    return [os.pidfd_open(int(pid)) for pid in fifo.read_text(encoding="utf-8").split()]


def _see_the_end_of(started: list[int]) -> None:
    for each in started:
        ended, _, _ = select.select([each], [], [], PATIENCE)
        os.close(each)
        assert ended


def _runs(pid: str) -> bool:
    try:
        stat = Path("/proc", pid, "stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
