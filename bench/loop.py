"""The whole loop from code, petition to grant: beside a bare HTTP round trip, and `approval()`."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from urllib.parse import urlsplit

from approvals import Request, approval
from indentapi import IndentAPI, Petition, phase

from bench.measure import Figure, median_ratio, show_progress
from sandbox.demo_data import seed_incidentio
from sandbox.demo_space import open_space, variables
from sandbox.local_aws.program import ROOT
from sandbox.stack import Sandbox
from sandbox.vendors.server import OK, Double, Response

ROUNDS, WARM_UP = 200, 20


def figures() -> Iterator[Figure]:
    """Measure the middle of many loops, each beside a bare round trip and an `approval()`."""
    show_progress(f"the loop from code: {ROUNDS} petitions and as many approvals ...")
    with _serve() as bare_url:
        bare, loop, approvals = asyncio.run(_measure(bare_url))
    # About 45 on an idle machine, 60 on one whose processors are all taken.
    yield Figure("petition to grant / bare HTTP round trip", median_ratio(loop, bare), "x", 80)
    yield Figure("approval() / petition to grant", median_ratio(approvals, loop), "x", 1.5)


async def _measure(bare_url: str) -> tuple[list[float], list[float], list[float]]:
    bare, loop, approvals = [], [], []
    with (
        closing(http.client.HTTPConnection(urlsplit(bare_url).netloc)) as connection,
        IndentAPI() as indent,
    ):
        request: Request = {
            "reason": "to debug production",
            "resources": indent.resource.list(view="requestable"),
        }
        for number in range(-WARM_UP, ROUNDS):
            bare_seconds = _seconds(partial(_fetch, connection))
            loop_seconds = _seconds(partial(_request, indent, request))
            approval_seconds = await _seconds_of_approval(request)
            if number >= 0:
                bare.append(bare_seconds)
                loop.append(loop_seconds)
                approvals.append(approval_seconds)
    return bare, loop, approvals


def _fetch(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/")
    with connection.getresponse() as response:
        response.read()


def _request(indent: IndentAPI, request: Request) -> None:
    petition = indent.petition.create(reason=request["reason"], resources=request["resources"])
    _must_be_granted(indent.petition.wait_for(petition["name"]))


async def _seconds_of_approval(request: Request) -> float:
    start = time.perf_counter()
    petition = await approval(request, quiet=True)
    seconds = time.perf_counter() - start
    _must_be_granted(petition)
    return seconds


def _must_be_granted(petition: Petition) -> None:
    if phase(petition) != "granted":
        raise RuntimeError("not granted")


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@contextmanager
def _serve() -> Iterator[str]:
    """Serve all of it in a child, so that it shares no interpreter lock with what is measured."""
    command = [sys.executable, "-m", "bench.loop"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        try:
            values: Mapping[str, str] = json.loads(child.stdout.readline())
            os.environ.update(values)
            yield values["BARE_URL"]
        finally:
            child.stdin.close()


def main() -> None:
    """Serve until standard input ends, and say where."""
    bare = Double({"GET /": lambda _: Response(OK, {})})
    with Sandbox(ROOT) as sandbox, open_space(sandbox) as space, bare:
        assert sandbox.double
        seed_incidentio(sandbox.double)
        print(json.dumps({**variables(space), "BARE_URL": bare.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
