"""Lambda's entry: the only file that reads the clock and the environment."""

from __future__ import annotations

import gc

# Garbage collection takes a twentieth of a cold start, and there is no garbage yet.
gc.disable()

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module

from handler.audit import decision_id, decision_record
from handler.callers import CALLERS, SWITCHED_ON, CallerEntry
from handler.callers.base import (
    UNREAD_SECRET,
    Caller,
    NotFound,
    Refusal,
    Services,
    headers_of,
    id_of,
    path_of,
    read_call,
    response,
    seconds_since,
)
from handler.clock import Clock, Deadline
from handler.durations import format_instant
from handler.http import Client
from handler.providers.base import ProviderClient
from handler.providers.collect import collect_and_decide, load_clients
from handler.request import Request
from handler.rules.evaluate import Decision
from handler.setting_parsers import SettingsError
from handler.settings import POLICY, SECRET_KEYS, Settings, load
from handler.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handler.notices import Notifier

gc.freeze()
gc.enable()

# Characters of the reason why a call has no decision: it may quote a wrong setting.
MOST_WHY = 2000
# A secret that could not be read is not fetched again for this long.
FAILURE_SECONDS = 5.0
NOTICE_FAILED = "notice failed"
# Lambda's names of the function's log group and region.
_LOG_VARIABLES = ("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_REGION")
# Where the zip has the policy that AUTO_APPROVAL_POLICY names.
POLICY_FILE = os.path.join(os.path.dirname(__file__), "policy.json")  # noqa: PTH118, PTH120 - pathlib is slow to load

_FAILED = 500
_LEFT_TO_HUMANS: dict[str, Any] = {
    "reason": "in dry run, humans decide",
    "evidence": (),
    "rules": (),
    "duration": timedelta(0),
}
SYSTEM_CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic, time.sleep)


class App:
    """Answers calls. There is one per environment, which reads the settings at its first call.

    Args:
        environment: the function's variables.
        log: writes a JSON object as one line.
        budget: seconds for one call, including all I/O; None for the caller's own budget.
        policy_file: the policy as JSON, if the environment names one.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        clock: Clock,
        log: Callable[[Mapping[str, Any]], None],
        budget: float | None = None,
        policy_file: str = POLICY_FILE,
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._log = log
        self._budget = budget
        self.client = Client(clock)
        self._policy_file = policy_file
        self._cache: dict[str, Any] = {}
        self._notifier: Notifier | None = None
        self._ready: tuple[Settings, Mapping[str, ProviderClient]] | None = None
        # The arguments of a `Refusal`, and when it expires by the monotonic clock.
        self._failure: tuple[int, str, str] | None = None
        self._failure_ends = 0.0

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one HTTP call. Every error becomes an HTTP answer."""
        # Garbage collection takes a tenth of a call, and a call's objects are freed without it.
        gc.disable()
        failure: Callable[..., dict[str, Any]] = _failure
        call = id_of(event)
        details = {"call": call} if call else {}
        try:
            entry = find_caller(path_of(event))
            details["caller"] = entry.name
            caller = self._import(entry)
            failure = caller.failure
            return self._answer(entry, caller, event)
        except Exception as error:  # noqa: BLE001 - no error may approve anybody or go unlogged
            refusal = _refusal_for(error)
            level, message = ("WARN", "refused") if refusal.http < _FAILED else ("ERROR", "failed")
            self._write(level, message, http=refusal.http, why=refusal.why[:MOST_WHY], **details)
            if isinstance(error, NotFound):
                failure = _failure
            headers = headers_of(event)
            return failure(refusal.http, refusal.message, headers, self._loaded_settings())
        finally:
            gc.enable()

    def _import(self, entry: CallerEntry) -> type[Caller]:
        """Load a caller's file, unless the environment shows that the caller is off."""
        names = self._environment.get(SWITCHED_ON)
        if names and entry.name not in names.split(","):
            raise _switched_off(entry)
        caller: type[Caller] = import_module(f"handler.callers.{entry.name}").CALLER
        return caller

    def _loaded_settings(self) -> Settings | None:
        return self._ready[0] if self._ready else None

    def _answer(
        self, entry: CallerEntry, caller: type[Caller], event: Mapping[str, Any]
    ) -> dict[str, Any]:
        now = self._clock.now()
        seconds = self._budget or caller.budget(self._environment)
        deadline = Deadline(self._clock, seconds - seconds_since(event, now))

        def settings() -> Settings:
            return self._load(deadline)[0]

        if not self._environment.get(SWITCHED_ON) and entry.name not in settings().callers:
            raise _switched_off(entry)
        call = read_call(event, caller.methods, now)
        services = Services(
            self._environment,
            settings,
            self._loaded_settings,
            self.client,
            deadline,
            self._cache,
            self._write,
        )
        session = caller(call, services)
        session.authenticate()
        requests = session.requests()
        if not requests:
            return session.answer(())
        details = {"call": call.id, "caller": entry.name, "caller_request": session.request_id}
        decisions = self._decide(requests, deadline, details, ends_with=session.ends_with)
        answer = session.answer(decisions)
        self._notify(decisions, deadline, details)
        return answer

    def _load(self, deadline: Deadline) -> tuple[Settings, Mapping[str, ProviderClient]]:
        """Read the settings once; this may fetch the secret.

        A failure is remembered, so that strangers' calls don't fetch a bad secret again and again.
        Wrong settings of a pinned secret version are remembered for good, since the deployment that
        corrects them starts a new environment; any other failure for a few seconds, unless it only
        shows that this call is late.
        """
        if self._ready:
            return self._ready
        if self._failure and self._clock.monotonic() < self._failure_ends:
            raise Refusal(*self._failure)
        values, seconds_left = dict(self._environment), deadline.left()
        try:
            if values.get("HANDLER_SECRET_ARN"):
                secret = self._fetch_secret(deadline)
                values.update({key: secret.get(key, "") for key in SECRET_KEYS})
            settings = load(values, self._policy() if values.get(POLICY) else None)
        except (Refusal, SettingsError) as error:
            if isinstance(error, Refusal) and deadline.ran_out_early(seconds_left):
                raise
            refusal = _refusal_for(error)
            self._failure = refusal.http, refusal.message, refusal.why
            stays = isinstance(error, SettingsError) and values.get("HANDLER_SECRET_VERSION")
            seconds = math.inf if stays else FAILURE_SECONDS
            self._failure_ends = self._clock.monotonic() + seconds
            raise
        self._ready = settings, load_clients(self.client, self._clock, settings.providers)
        return self._ready

    def _fetch_secret(self, deadline: Deadline) -> dict[str, str]:
        from handler.aws_secret import SecretError, fetch  # noqa: PLC0415 - only where it is named

        try:
            return fetch(self.client, self._environment, self._clock, deadline)
        except SecretError as error:
            raise Refusal(503, UNREAD_SECRET, str(error)) from error

    def _policy(self) -> str | None:
        try:
            with open(self._policy_file, encoding="utf-8") as file:  # noqa: PTH123 - the same
                return file.read()
        except FileNotFoundError:
            return None

    def _decide(
        self,
        requests: Sequence[Request],
        deadline: Deadline,
        details: Mapping[str, str],
        *,
        ends_with: bool | None,
    ) -> Sequence[Decision]:
        """Decide, and log each decision that is answered. In dry run, the caller gets no approval.

        Args:
            requests: those of one call, which are decided together.
            deadline: when the call must be answered.
            details: say in the log which call it is.
            ends_with: the decision after which the caller's answer ends. Later ones reach nobody,
                so they are neither logged nor returned.
        """
        settings, clients = self._load(deadline)
        started = deadline.left()
        outcome = collect_and_decide(requests, settings.policy, clients, self._clock, deadline)
        approved = [decision.approved and not settings.dry_run for decision in outcome.decisions]
        count = approved.index(ends_with) + 1 if ends_with in approved else len(approved)
        decisions = outcome.decisions[:count]
        for number, decision in enumerate(decisions):
            record = decision_record(
                decision,
                snapshot=outcome.snapshot,
                providers=outcome.providers,
                queries=outcome.queries,
                without_email=outcome.without_email,
                policy=settings.policy,
                dry_run=settings.dry_run,
                milliseconds=round((started - deadline.left()) * 1000),
                **details,
                number=number,
                of=len(decisions),
            )
            self._write("INFO", "decision", **record)
        if settings.dry_run:
            return [decision._replace(**_LEFT_TO_HUMANS) for decision in decisions]
        failing = dict.fromkeys(failure.provider for failure in outcome.snapshot.failures)
        if not failing:
            return decisions
        problem = f"; no complete answer came from {', '.join(failing)}"
        return [
            decision._replace(reason=f"{decision.reason}{problem}")
            if decision.could_change and not decision.approved
            else decision
            for decision in decisions
        ]

    def _notify(
        self, decisions: Sequence[Decision], deadline: Deadline, details: Mapping[str, str]
    ) -> None:
        """Tell people of the approvals before the answer: after it, the environment is frozen.

        A notice that fails is logged, and changes nothing else.
        """
        settings = self._load(deadline)[0].notices
        approved = {
            decision_id(details["call"], number): decision
            for number, decision in enumerate(decisions)
            if decision.approved
        }
        if not (settings and approved):
            return
        problem = {"level": "ERROR", "message": NOTICE_FAILED, **details}
        started = deadline.left()
        try:
            if self._notifier is None:
                from handler.notices import Log, Notifier  # noqa: PLC0415 - most have no address

                log = Log(*(self._environment.get(name, "") for name in _LOG_VARIABLES))
                self._notifier = Notifier(settings, self.client, self._clock, log)
            ids = details["caller"], details["caller_request"]
            spent = started - deadline.left()
            for id_, channel, why in self._notifier.send(approved, *ids, deadline, spent):
                self._write(**problem, decision_id=id_, to=channel, why=why)
        except Exception as error:  # noqa: BLE001 - the answer is right, whatever fails here
            for id_ in approved:
                self._write(**problem, decision_id=id_, why=_describe(error))

    def _write(self, level: str, message: str, **fields: object) -> None:
        timestamp = format_instant(self._clock.now())
        self._log({"timestamp": timestamp, "level": level, "message": message, **fields})


def find_caller(path: str) -> CallerEntry:
    """Find the caller that has this path.

    Raises:
        NotFound: there is none.
    """
    for entry in CALLERS:
        if path in entry.paths:
            return entry
    raise NotFound("no caller has this path")


def _switched_off(entry: CallerEntry) -> NotFound:
    return NotFound(
        f"{entry.name} is off, since {entry.key} is not set; see docs/callers.md to switch it on"
    )


def _failure(
    http: int, message: str, _headers: Mapping[str, str], _settings: Settings | None
) -> dict[str, Any]:
    """Answer with an error, as long as no caller is known."""
    return response(http, {"message": message})


def _refusal_for(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    message = "The call couldn't be answered; see the log for the reason."
    return Refusal(_FAILED, message, _describe(error))


def _describe(error: Exception) -> str:
    """Say what failed and where. Only settings errors are quoted: others may contain a body."""
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
