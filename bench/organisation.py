"""The incident.io organisation of the benchmarks, served by a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.doubles.incidentio import IncidentIO

API_KEY = "inc-bench"
JANE = "jane@example.com"


@contextmanager
def organisation(incidents: int) -> Iterator[str]:
    """Serve it in a child, so that it shares no interpreter lock with what is measured."""
    command = [sys.executable, "-m", "bench.organisation", str(incidents)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        try:
            yield child.stdout.readline().strip()
        finally:
            child.stdin.close()


def main() -> None:
    """Serve until standard input ends."""
    with IncidentIO(API_KEY) as double:
        for email in (JANE, "rita@example.com"):
            double.add_person(email, email)
        double.add_schedule("DBA")
        double.put_on_shift("DBA", "rita@example.com")
        for number in range(int(sys.argv[1])):
            double.declare_incident(f"Incident {number}", by="rita@example.com")
        double.assign_role("INC-1", double.lead, JANE)
        print(double.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
