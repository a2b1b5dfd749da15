"""What a long policy costs: 500 rules beside 5, warm and cold."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench.cold import ROUNDS, SECRET, cold_start
from bench.measure import (
    Figure,
    cpu_seconds,
    median_ratio,
    one_processor,
    show_progress,
    side_by_side,
)
from bench.providers import serve_providers
from bench.warm import decide, event, log
from handler.app import SYSTEM_CLOCK, App
from infra.archive import handler_archive
from sandbox.lambda_url.archive import build_zip
from sandbox.lambda_url.server import unpack
from sandbox.local_aws.program import ROOT

FEW, MANY = 5, 500
WARM_ROUNDS = 500


def figures() -> Iterator[Figure]:
    """Measure decisions of which the last rule approves, after all the others were looked at."""
    with tempfile.TemporaryDirectory() as folder, serve_providers(3) as providers:
        tasks = {count: _task(Path(folder), count) for count in (FEW, MANY)}
        settings = {
            "INDENT_WEBHOOK_SECRET": SECRET,
            "AUTO_APPROVAL_POLICY": "policy/bench.yaml",
            **providers.settings,
        }
        show_progress(f"warm decisions by {MANY} rules and by {FEW}, {WARM_ROUNDS} rounds ...")
        apps = {count: _app(settings, task) for count, task in tasks.items()}

        def warm(count: int) -> float:
            return cpu_seconds(partial(decide, apps[count], event()))

        def cold(count: int) -> float:
            return cold_start(tasks[count], settings).cpu

        for app in apps.values():
            decide(app, event())
        with one_processor():
            many, few = side_by_side(WARM_ROUNDS, partial(warm, MANY), partial(warm, FEW))
        for app in apps.values():
            app.client.close()
        name = f"warm decision, {MANY} rules / {FEW} rules, CPU"
        yield Figure(name, median_ratio(many, few), "x", 2)
        show_progress(f"cold starts with {MANY} rules and with {FEW}, {ROUNDS} rounds ...")
        many, few = side_by_side(ROUNDS, partial(cold, MANY), partial(cold, FEW))
        name = f"cold decision, {MANY} rules / {FEW} rules, CPU"
        yield Figure(name, median_ratio(many, few), "x", 1.1)


def _app(settings: Mapping[str, str], task: Path) -> App:
    policy_file = str(task / "handler" / "policy.json")
    return App(settings, SYSTEM_CLOCK, log, policy_file=policy_file)


def _task(folder: Path, count: int) -> Path:
    task = folder / f"{count}-rules"
    task.mkdir()
    unpack(build_zip(handler_archive(ROOT, json.dumps(policy(count), separators=(",", ":")))), task)
    return task


def policy(count: int) -> dict[str, Any]:
    """Make a policy of so many rules, as various as people write them; the last one approves."""
    return {"rules": [*(_rule(number) for number in range(count - 1)), _LAST], "aliases": {}}


def _rule(number: int) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "kinds": ["okta.v1.Group"],
        "ids": [f"team-{number}-*"],
        "labels": {"Env": "Prod", "Team": f"T{number}"},
    }
    if number % 10 == 0:
        return {"name": f"not {number}", "resources": resources, "deny": True}
    return {
        "name": f"rule {number}",
        "resources": resources,
        "when": {
            "any": [
                {"on_call": {"provider": "pagerduty", "schedules": [f"S{number}"], "max_level": 2}},
                {"incident_role": {"roles": ["Incident Lead"], "severities": ["Critical"]}},
            ]
        },
        "duration": "3h",
        "end_with_shift": {"grace": "15m", "without_end": "1h"},
    }


_LAST = {
    "name": "the last one",
    "resources": {"ids": ["prod-*"]},
    "when": {"incident_role": {"roles": ["Incident Lead"]}},
    "duration": "3h",
}
