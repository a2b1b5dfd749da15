"""Lambda's entry: the only file that reads the clock and the environment."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from handler import __version__
from handler.audit import decision_record
from handler.aws_secret import SecretError, fetch
from handler.callers import indent
from handler.clock import Clock, Deadline
from handler.durations import format_instant
from handler.http import Client
from handler.providers.base import ProviderClient
from handler.providers.collect import collect_and_decide, load_clients
from handler.providers.registry import BY_ID, BY_NAME
from handler.request import Request, claim
from handler.setting_parsers import SettingsError
from handler.settings import POLICY, SECRET_KEYS, Settings, load, max_age

NAME = "oncall-approvals"
# The requester waits 10 s for the access system: this leaves it time for its own part.
BUDGET_SECONDS = 6.0
# Of why a call has no decision: a wrong setting is quoted.
MOST_WHY = 2000
# Where the zip holds the policy that AUTO_APPROVAL_POLICY names.
POLICY_FILE = os.path.join(os.path.dirname(__file__), "policy.json")  # noqa: PTH118, PTH120 - pathlib is slow to load

SYSTEM_CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic, time.sleep)


class App:
    """Answers webhook calls. One per environment; the settings are read at its first call.

    Args:
        environment: the function's environment variables.
        clock: how time comes in.
        log: takes one JSON object, written as one line.
        budget: seconds for one call, everything upstream included.
        policy_file: the policy, as JSON, where the environment names one.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        clock: Clock,
        log: Callable[[Mapping[str, Any]], None],
        budget: float = BUDGET_SECONDS,
        policy_file: str = POLICY_FILE,
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._log = log
        self._budget = budget
        self.client = Client(clock)
        self._policy_file = policy_file
        self._ready: tuple[Settings, Mapping[str, ProviderClient]] | None = None

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one call to the function URL. Never raises: this maps every error to HTTP."""
        # Looking for cycles, in hundreds of incidents or in a long policy, takes a tenth of a call
        # and finds none: what a call makes is freed as soon as it was used.
        gc.disable()
        try:
            return indent.response(200, self._answer(event, Deadline(self._clock, self._budget)))
        except indent.Refusal as refusal:
            self._write("WARN", "refused", http=refusal.http, why=refusal.why[:MOST_WHY])
            return indent.refused(refusal)
        except SecretError as error:
            self._write("ERROR", "failed", http=503, why=str(error)[:MOST_WHY])
            message = "The webhook's secret cannot be read; the log says why."
            return indent.refused(indent.Refusal(503, indent.UNAVAILABLE, message))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody is approved by it
            self._write("ERROR", "failed", http=500, why=_told_safely(error)[:MOST_WHY])
            message = "The call could not be answered; the log says why."
            return indent.refused(indent.Refusal(500, indent.INTERNAL, message))
        finally:
            gc.enable()

    def _answer(self, event: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        body = indent.raw_body(event)
        # Before the secret is fetched: a call that bears no recent signature costs nothing.
        signature = indent.read_signature(
            event.get("headers") or {}, now=self._clock.now(), max_age=max_age(self._environment)
        )
        settings, clients = self._ready = self._ready or self._load(deadline)
        indent.verify(signature, body, settings.webhook_secrets)
        call = indent.read_call(body)
        if call.name == indent.GET_INFO:
            return indent.info(NAME, __version__)
        if call.name == indent.PULL_UPDATE:
            return indent.resources(call.kinds, [BY_ID[each].bot for each in settings.providers])
        call_id = str((event.get("requestContext") or {}).get("requestId") or "")
        return indent.claims(self._claims(call.requests, settings, clients, deadline, call_id))

    def _load(self, deadline: Deadline) -> tuple[Settings, Mapping[str, ProviderClient]]:
        values = dict(self._environment)
        if values.get("HANDLER_SECRET_ARN"):
            secret = fetch(self.client, values, self._clock, deadline)
            values.update({key: secret.get(key, "") for key in SECRET_KEYS})
        settings = load(values, self._policy() if values.get(POLICY) else None)
        return settings, load_clients(self.client, self._clock, settings.providers)

    def _policy(self) -> str | None:
        try:
            with open(self._policy_file, encoding="utf-8") as file:  # noqa: PTH123 - the same
                return file.read()
        except FileNotFoundError:
            return None

    def _claims(
        self,
        requests: Sequence[Request],
        settings: Settings,
        clients: Mapping[str, ProviderClient],
        deadline: Deadline,
        call_id: str,
    ) -> list[dict[str, Any]]:
        started = deadline.left()
        outcome = collect_and_decide(requests, settings.policy, clients, self._clock, deadline)
        for number, each in enumerate(outcome.decisions):
            record = decision_record(
                each,
                snapshot=outcome.snapshot,
                asked=outcome.providers,
                wants=outcome.queries,
                without_email=outcome.without_email,
                policy=settings.policy,
                dry_run=settings.dry_run,
                milliseconds=round((started - deadline.left()) * 1000),
                call=call_id,
                number=number,
                of=len(outcome.decisions),
            )
            self._write("INFO", "decision", **record)
        return [
            claim(
                each.request,
                actor=BY_NAME[each.evidence[0].provider].bot,
                reason=each.reason,
                now=each.now,
                duration=each.duration,
            )
            for each in outcome.decisions
            if each.approved and not settings.dry_run
        ]

    def _write(self, level: str, message: str, **fields: object) -> None:
        timestamp = format_instant(self._clock.now())
        self._log({"timestamp": timestamp, "level": level, "message": message, **fields})


def _told_safely(error: Exception) -> str:
    """Say what failed where. Only a wrong setting is quoted: other errors may hold a body."""
    if isinstance(error, SettingsError):
        return str(error)
    frame, places = error.__traceback__, []
    while frame:
        file = frame.tb_frame.f_code.co_filename.rpartition("/")[2]
        places.append(f"{file}:{frame.tb_lineno}")
        frame = frame.tb_next
    return f"{type(error).__name__} at {' > '.join(places)}"


def _write_line(record: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(record)}\n")
    sys.stdout.flush()


_app = App(os.environ, SYSTEM_CLOCK, _write_line)


def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer one call: what Lambda invokes (`handler.app.handle`)."""
    return _app.handle(event)
