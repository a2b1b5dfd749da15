"""Runs a command in its own session, and kills everything that is left of that session.

`python supervisor.py FD COMMAND ...` exits with the command's status. When the other end of the
pipe FD is closed, for example because its process has died, the command and all its children are
killed. Pulumi's language host and plugins have their own process groups, and outlive a killed CLI;
but they cannot leave the session.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

KILLED = 128 + signal.SIGKILL


def main(pipe: int, command: list[str]) -> int:
    """Run the command until it ends or the pipe is closed."""
    child = subprocess.Popen(command, start_new_session=True)
    ended = os.pidfd_open(child.pid)
    select.select([pipe, ended], [], [])
    kill_session(child.pid)
    code = child.wait()
    return code if code >= 0 else KILLED


def kill_session(session: int) -> None:
    """Kill every process of a session, its leader first, and wait until all have ended."""
    while members := _alive(session):
        for pid in sorted(members, key=lambda pid: pid != session):
            with suppress(ProcessLookupError):
                ended = os.pidfd_open(pid)
                if os.getsid(pid) == session:  # otherwise the id may belong to another process
                    signal.pidfd_send_signal(ended, signal.SIGKILL)
                    select.select([ended], [], [])
                os.close(ended)


def _alive(session: int) -> list[int]:
    """Return the processes of a session that aren't zombies."""
    processes = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            # pid (name) state ppid group session ...; the name may contain anything.
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                processes.append(int(stat.parent.name))
    return processes


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
