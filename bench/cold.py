"""Cold start: a new interpreter, the handler from its zip, a decision; beside `requests`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import requests

from bench.measure import Cost, Figure, median_ratio, run, show_progress, side_by_side
from bench.providers import serve_providers
from handler.settings import SECRET_KEYS
from infra.archive import handler_archive
from sandbox.callers.conductorone import Tenant, policy_step
from sandbox.lambda_url.archive import build_zip
from sandbox.lambda_url.event import domain_name
from sandbox.lambda_url.server import unpack
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.program import ROOT
from tests.support.certificates import make_certificate

ROUNDS = 30
CALL = Path(__file__).with_name("cold_call.py")
AUTHZEN_CALL = CALL.with_name("cold_authzen.py")
CONDUCTORONE_CALL = CALL.with_name("cold_conductorone.py")
TOKEN = "bench-token-" * 3
SECRET = "wks0-bench-secret-00"  # noqa: S105 - the benchmark's own
IMPORT = "import requests"
GET = "import requests, sys; requests.get(sys.argv[1]).json()"
_REGION = "us-west-2"
# Without `site`: it would import what the tools for development put into site-packages (.pth), and
# that would bring the two sides of each ratio closer together.
_PYTHON = (sys.executable, "-S")
_SITE_PACKAGES = str(Path(requests.__file__).parents[1])


def figures() -> Iterator[Figure]:
    """Measure CPU time and memory of a cold decision, and the size of what is deployed."""
    zipped = build_zip(handler_archive(ROOT))
    # The sources as they are, so that anybody can compare: a third is docstrings and comments.
    yield Figure("zip", len(zipped) / 1000, "kB", 140)
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task"
        task.mkdir()
        unpack(zipped, task)
        yield from _beside_import(task)
        yield from _by_conductorone(task)
        yield from _beside_get(task, make_certificate(Path(folder)))


def _beside_import(task: Path) -> Iterator[Figure]:
    with serve_providers(3) as providers, Aws(_REGION) as aws:
        settings = {"INDENT_WEBHOOK_SECRET": SECRET, **providers.settings}
        show_progress(f"cold start, {ROUNDS} rounds of each ...")
        ours, yardstick = _compare(task, settings, IMPORT)
        yield _cpu("cold decision / import requests, CPU", ours, yardstick, 0.95)
        peaks = [cost.peak_kib for cost in ours], [cost.peak_kib for cost in yardstick]
        yield Figure("cold decision / import requests, peak memory", median_ratio(*peaks), "x", 1.1)
        show_progress("the same, by AuthZEN ...")
        authzen = {"AUTHZEN_TOKEN": TOKEN, **providers.settings}
        ours, yardstick = _compare(task, authzen, IMPORT, call=AUTHZEN_CALL)
        yield _cpu("cold decision by AuthZEN / import requests, CPU", ours, yardstick, 0.95)
        show_progress("the same, with one provider ...")
        ours, yardstick = _compare(task, _of_one_provider(settings), IMPORT)
        # A third of it is the interpreter and the standard library; nearly all of the rest is
        # compiling our sources, which Lambda does at each cold start.
        yield _cpu("cold decision, one provider / import requests, CPU", ours, yardstick, 0.85)
        show_progress("the same, with the secret fetched ...")
        secrets = {key: settings[key] for key in SECRET_KEYS if key in settings}
        plain = {key: value for key, value in settings.items() if key not in secrets}
        ours, yardstick = _compare(task, plain | _store(aws, secrets), IMPORT)
        yield _cpu("cold decision with secret / import requests, CPU", ours, yardstick, 0.95)


def _by_conductorone(task: Path) -> Iterator[Figure]:
    """Measure a call that needs a tenant's keys, which are fetched, to be verified."""
    host = domain_name(_REGION)
    body = policy_step("jane@example.com", timedelta(hours=1), entitlement="e-1")
    with serve_providers(3) as providers, Tenant() as tenant:
        show_progress("the same, called by ConductorOne ...")
        event = {
            "rawPath": "/conductorone",
            "requestContext": {"http": {"method": "POST"}, "domainName": host},
            "headers": tenant.headers(f"https://{host}/conductorone", body),
            "body": body.decode(),
        }
        settings = {**providers.settings, **tenant.settings, "BENCH_EVENT": json.dumps(event)}
        ours, yardstick = _compare(task, settings, IMPORT, call=CONDUCTORONE_CALL)
        yield _cpu("cold decision by ConductorOne / import requests, CPU", ours, yardstick, 1.05)


def _beside_get(task: Path, certificate: Path) -> Iterator[Figure]:
    """Measure both over TLS, which the real providers speak: they trust this certificate only."""
    trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(certificate))
    with serve_providers(3, certificate) as providers:
        settings = {"INDENT_WEBHOOK_SECRET": SECRET, **providers.settings, **trust}
        url = f"{settings['INCIDENTIO_BASE_URL']}/v2/schedules"
        show_progress("the same over TLS, beside a GET with requests ...")
        ours, yardstick = _compare(task, settings, GET, url)
        yield _cpu("cold decision / one GET by requests, TLS, CPU", ours, yardstick, 0.95)
        ours, yardstick = _compare(task, _of_one_provider(settings), GET, url)
        name = "cold decision, one provider / one GET by requests, TLS, CPU"
        yield _cpu(name, ours, yardstick, 0.95)


def _of_one_provider(settings: Mapping[str, str]) -> dict[str, str]:
    others = ("PAGERDUTY_", "OPSGENIE_", "JSM_")
    return {key: value for key, value in settings.items() if not key.startswith(others)}


def _compare(
    task: Path, environment: Mapping[str, str], program: str, *arguments: str, call: Path = CALL
) -> tuple[list[Cost], list[Cost]]:
    with_requests = {**environment, "PYTHONPATH": _SITE_PACKAGES}
    return side_by_side(
        ROUNDS,
        lambda: cold_start(task, environment, call),
        lambda: run([*_PYTHON, "-c", program, *arguments], task, with_requests),
    )


def cold_start(task: Path, environment: Mapping[str, str], call: Path = CALL) -> Cost:
    """Start the handler of an unpacked zip, and have it answer one call."""
    # -B, and a task folder without .pyc: as in Lambda, all of it is compiled at each start.
    command = [*_PYTHON, "-B", "-c", call.read_text(encoding="utf-8")]
    return run(command, task, environment)


def _cpu(name: str, ours: list[Cost], yardstick: list[Cost], most: float) -> Figure:
    seconds = [cost.cpu for cost in ours], [cost.cpu for cost in yardstick]
    return Figure(name, median_ratio(*seconds), "x", most)


def _store(aws: Aws, secrets: Mapping[str, str]) -> dict[str, str]:
    secret = aws.client("secretsmanager").create_secret(
        Name="bench", SecretString=json.dumps(dict(secrets))
    )
    return {
        "HANDLER_SECRET_ARN": secret["ARN"],
        "HANDLER_SECRET_VERSION": secret["VersionId"],
        **aws.function_variables(),
    }
