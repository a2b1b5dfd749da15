"""Decide with providers at the given URL, and print the peak of memory in MiB.

Run in a process of its own, since the peak is a process's.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta
from pathlib import Path

from handler.app import SYSTEM_CLOCK
from handler.clock import Deadline
from handler.http import Client
from handler.providers.collect import collect_and_decide, load_clients
from handler.request import Request, Resource
from handler.rules.model import policy_from_settings

URL = sys.argv[1]
PROVIDERS = {
    "incidentio": {"INCIDENTIO_BASE_URL": URL, "INCIDENTIO_API_KEY": "k"},
    "pagerduty": {"PAGERDUTY_BASE_URL": URL, "PAGERDUTY_KEY": "k"},
    "opsgenie": {"OPSGENIE_BASE_URL": URL, "OPSGENIE_KEY": "k"},
    "jsm": {
        "JSM_SITE": URL,
        "JSM_BASE_URL": URL,
        "JSM_EMAIL": "bot@example.com",
        "JSM_API_TOKEN": "k",
    },
}

policy = policy_from_settings(timedelta(hours=1), schedules=("DBA",), incident_roles=("Lead",))
request = Request(Resource(email="jane@example.com"), (Resource("db", "prod"),))
clients = load_clients(Client(SYSTEM_CLOCK), SYSTEM_CLOCK, PROVIDERS)
deadline = Deadline(SYSTEM_CLOCK, 30.0)
outcome = collect_and_decide([request], policy, clients, SYSTEM_CLOCK, deadline)
# Of this program alone: getrusage also counts its parent's memory at the start.
status = Path("/proc/self/status").read_text(encoding="ascii")
(kibibytes,) = re.findall(r"VmHWM:\s+([0-9]+) kB", status)
peak = int(kibibytes) / 1024
sys.stdout.write(
    json.dumps(
        {
            "peak": peak,
            "approved": outcome.decisions[0].approved,
            "asked": outcome.providers,
            "problems": sorted({failure.problem for failure in outcome.snapshot.failures}),
        }
    )
)
