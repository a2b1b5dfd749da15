"""The providers of the benchmarks, all that there are, served by a process of their own."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from handler.providers.registry import PROVIDERS
from sandbox.demo_data import JANE, PEOPLE, seed_all
from sandbox.vendors import create_double
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.server import Double


class Call(NamedTuple):
    """A call that a provider got."""

    url: str
    headers: Mapping[str, str]


class ProviderProcess:
    """The process that serves the providers.

    Attributes:
        settings: those of the function by which it asks all of them.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.settings: dict[str, str] = self._read_line()

    def take_calls(self) -> list[Call]:
        """Give the calls that they got since this was last done."""
        assert self._process.stdin
        print(file=self._process.stdin, flush=True)
        return [Call(url, headers) for url, headers in self._read_line()]

    def _read_line(self) -> Any:  # noqa: ANN401 - what JSON holds
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


@contextmanager
def serve_providers(incidents: int, certificate: Path | None = None) -> Iterator[ProviderProcess]:
    """Serve them in a process that shares no interpreter lock with what is measured.

    With a certificate (and its key, in one file), they speak TLS.
    """
    command = [sys.executable, "-m", "bench.providers", str(incidents), str(certificate or "")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        try:
            yield ProviderProcess(process)
        finally:
            process.stdin.close()


def main() -> None:
    """Serve until standard input ends; each line of it asks for the calls so far."""
    incidents, certificate = sys.argv[1:]
    doubles = {provider.id: create_double(provider.id) for provider in PROVIDERS}
    settings = {key: value for double in doubles.values() for key, value in double.settings.items()}
    if certificate:
        for double in doubles.values():
            _speak_tls(double, certificate)
        settings = {key: value.replace("http://", "https://", 1) for key, value in settings.items()}
    with ExitStack() as opened:
        for double in doubles.values():
            opened.enter_context(double)
        seed_all(doubles)
        first = doubles["incidentio"]
        assert isinstance(first, IncidentIO)
        people = cycle(who for who in PEOPLE if who != JANE)
        for number in range(int(incidents) - len(first.incidents)):
            first.declare_incident(f"Incident {number}", by=next(people), lead=next(people))
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


def _speak_tls(double: Double, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = double._server  # noqa: SLF001 - the sandbox itself has no use for TLS
    server.socket = context.wrap_socket(server.socket, server_side=True)


if __name__ == "__main__":
    main()
