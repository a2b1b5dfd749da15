"""Cold start: a new interpreter, the handler from its zip, a decision; beside `import requests`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.measure import Figure, Used, median_ratio, run, say
from bench.organisation import organisation
from handler.settings import SECRET_KEYS
from infra.archive import handler_archive
from sandbox.lambda_url.archive import build_zip
from sandbox.lambda_url.server import unpack
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.program import ROOT

ROUNDS = 25
CALL = Path(__file__).with_name("cold_call.py")
SECRET = "wks0-bench-secret-00"  # noqa: S105 - the benchmark's own
_REGION = "us-west-2"


def figures() -> Iterator[Figure]:
    """Measure CPU time and memory of a cold decision, and the size of what is deployed."""
    zipped = build_zip(handler_archive(ROOT))
    yield Figure("zip", len(zipped) / 1000, "kB", 80)
    with tempfile.TemporaryDirectory() as folder, organisation(3) as asked, Aws(_REGION) as aws:
        task = Path(folder) / "task"
        task.mkdir()
        unpack(zipped, task)
        settings = {"INDENT_WEBHOOK_SECRET": SECRET, **asked.settings}
        secrets = {key: settings[key] for key in SECRET_KEYS if key in settings}
        plain = {key: value for key, value in settings.items() if key not in secrets}
        say(f"cold start, {ROUNDS} rounds of each ...")
        ours, yardstick = _compare(task, plain | secrets)
        yield _cpu("cold decision / import requests, CPU", ours, yardstick, 0.95)
        peaks = [each.peak_kib for each in ours], [each.peak_kib for each in yardstick]
        yield Figure("cold decision / import requests, peak memory", median_ratio(*peaks), "x", 1.1)
        say("the same, with the secret fetched ...")
        ours, yardstick = _compare(task, plain | _stored(aws, secrets))
        yield _cpu("cold decision with secret / import requests, CPU", ours, yardstick, 0.95)


def _compare(task: Path, environment: Mapping[str, str]) -> tuple[list[Used], list[Used]]:
    ours, yardstick = [], []
    for _ in range(ROUNDS):
        ours.append(cold_start(task, environment))
        yardstick.append(run([sys.executable, "-c", "import requests"], task, {}))
    return ours, yardstick


def cold_start(task: Path, environment: Mapping[str, str]) -> Used:
    """Start the handler of an unpacked zip, and have it answer one call."""
    # -B, and a task folder without .pyc: as in Lambda, all of it is compiled at each start.
    call = [sys.executable, "-B", "-c", CALL.read_text(encoding="utf-8")]
    return run(call, task, environment)


def _cpu(name: str, ours: list[Used], yardstick: list[Used], most: float) -> Figure:
    seconds = [each.cpu for each in ours], [each.cpu for each in yardstick]
    return Figure(name, median_ratio(*seconds), "x", most)


def _stored(aws: Aws, secrets: Mapping[str, str]) -> dict[str, str]:
    made = aws.client("secretsmanager").create_secret(
        Name="bench", SecretString=json.dumps(dict(secrets))
    )
    return {
        "HANDLER_SECRET_ARN": made["ARN"],
        "HANDLER_SECRET_VERSION": made["VersionId"],
        **aws.function_variables(),
    }
