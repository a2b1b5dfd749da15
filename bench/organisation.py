"""The providers of the benchmarks, all that there are, served by a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from handler.providers.registry import PROVIDERS
from sandbox.demo_data import put_all_on_stage
from sandbox.vendors import create_double
from sandbox.vendors.incidentio import IncidentIO

JANE = "jane@example.com"


class Call(NamedTuple):
    """A call that a provider got."""

    url: str
    headers: Mapping[str, str]


class Organisation:
    """The providers in the child.

    Attributes:
        settings: those by which all of them are asked.
    """

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.settings: dict[str, str] = self._told()

    def calls(self) -> list[Call]:
        """Give the calls that they got since this was last asked."""
        assert self._child.stdin
        print(file=self._child.stdin, flush=True)
        told: list[tuple[str, dict[str, str]]] = self._told()
        return [Call(url, headers) for url, headers in told]

    def _told(self) -> Any:  # noqa: ANN401 - what JSON holds
        assert self._child.stdout
        return json.loads(self._child.stdout.readline())


@contextmanager
def organisation(incidents: int) -> Iterator[Organisation]:
    """Serve it in a child, so that it shares no interpreter lock with what is measured."""
    command = [sys.executable, "-m", "bench.organisation", str(incidents)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        try:
            yield Organisation(child)
        finally:
            child.stdin.close()


def main() -> None:
    """Serve until standard input ends; each line of it asks for the calls so far."""
    doubles = {each.id: create_double(each.id) for each in PROVIDERS}
    with ExitStack() as opened:
        for double in doubles.values():
            opened.enter_context(double)
        put_all_on_stage(doubles)
        first = doubles["incidentio"]
        assert isinstance(first, IncidentIO)
        for number in range(int(sys.argv[1]) - len(first.incidents)):
            first.declare_incident(f"Incident {number}", by="rita@example.com")
        settings = {
            key: value for double in doubles.values() for key, value in double.settings.items()
        }
        print(json.dumps(settings), flush=True)
        for _ in sys.stdin:
            calls = [
                (f"{double.url}{call.path}?{urlencode(call.query, doseq=True)}", dict(call.headers))
                for double in doubles.values()
                for call in double.calls
            ]
            for double in doubles.values():
                double.calls.clear()
            print(json.dumps(calls), flush=True)


if __name__ == "__main__":
    main()
