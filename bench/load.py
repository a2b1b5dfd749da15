"""Load: signed requests from many threads through the function URL."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from bench.measure import Figure, show_progress
from cli.webhook_client import request_event, send
from sandbox.demo_data import JANE, NORA, seed_incidentio
from sandbox.local_aws.program import ROOT
from sandbox.stack import Sandbox

REQUESTS, THREADS = 200, 20


def figures() -> Iterator[Figure]:
    """Send them, half of them of somebody off duty: none may be lost, none wrong."""
    show_progress(f"load: {REQUESTS} requests from {THREADS} threads ...")
    with Sandbox(ROOT, config={"RESERVED_CONCURRENCY": str(THREADS)}) as sandbox:
        assert sandbox.double
        seed_incidentio(sandbox.double)
        before = len(sandbox.double.calls)
        send(sandbox.url, sandbox.webhook_secret, {"events": [request_event(JANE, ["prod-db"])]})
        yield Figure("upstream calls of one decision", len(sandbox.double.calls) - before, "", 2)

        def ask(number: int) -> tuple[bool, float]:
            email = (JANE, NORA)[number % 2]
            start = time.perf_counter()
            answer = send(
                sandbox.url, sandbox.webhook_secret, {"events": [request_event(email, ["prod-db"])]}
            )
            is_right = answer.http == HTTPStatus.OK and bool(answer.claims) == (email == JANE)
            return is_right, time.perf_counter() - start

        with ThreadPoolExecutor(THREADS) as pool:
            results = list(pool.map(ask, range(REQUESTS)))
    yield Figure(
        "requests lost or answered wrong", sum(not is_right for is_right, _ in results), "", 0
    )
    cuts = statistics.quantiles([seconds for _, seconds in results], n=100)
    yield Figure("p50 (cold starts among them)", cuts[49] * 1000, "ms")
    yield Figure("p99 (cold starts among them)", cuts[98] * 1000, "ms")
