"""Which log line counts in which metric, with the handler's own lines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from handler.app import App
from handler.clock import Clock
from handler.providers.registry import PROVIDERS
from infra.metrics import metrics_for
from sandbox.demo_data import DAN, JANE, NORA, seed_incidentio
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from sandbox.vendors.pagerduty import PagerDuty
from tests.e2e.webhook_calls import Webhook, in_process, request_of
from tests.support.filter_pattern import matches, value_in

SECRET, KEY = "wks0-the-secret-of-a-test", "key-of-a-test"
PAGERDUTY_KEY = "another-key-of-a-test"
TIME = "DecisionTime"  # its value differs each time
SELF_DECLARED = {"INCIDENTIO_APPROVE_SELF_DECLARED": "true"}
PARTICIPANTS = {"INCIDENTIO_APPROVE_PARTICIPANTS": "true"}
DRY_RUN = {"AUTO_APPROVAL_DRY_RUN": "true"}
# A port without a listener.
NO_RECEIVER = {"NOTIFY_SLACK_URL": "http://127.0.0.1:9/x"}
FORGED = "wks0-of-somebody-else"
APPROVED = {"Approved": 1, "Failing-incidentio": 0, TIME: None}
LEFT = {"LeftToHumans": 1, "Failing-incidentio": 0, TIME: None}
BOTH = {**LEFT, "Failing-pagerduty": 0}


class Installation:
    """A handler, its providers' doubles, and its log lines."""

    def __init__(self, incidentio: IncidentIO, pagerduty: PagerDuty) -> None:
        self.incidentio = incidentio
        self.pagerduty = pagerduty
        self.lines: list[str] = []
        self.apps: list[App] = []

    def webhook(self, **settings: str) -> Webhook:
        """Make a webhook with these settings, which queries incident.io by default."""
        environment = {
            "INDENT_WEBHOOK_SECRET": SECRET,
            "INCIDENTIO_API_KEY": KEY,
            "INCIDENTIO_BASE_URL": self.incidentio.url,
            **settings,
        }
        clock = Clock(lambda: datetime.now(UTC), time.monotonic, lambda _: None)
        app = App(environment, clock, lambda line: self.lines.append(json.dumps(line)))
        self.apps.append(app)
        return Webhook(SECRET, in_process(app))

    @property
    def with_pagerduty(self) -> dict[str, str]:
        """The settings that switch on PagerDuty as well."""
        return {"PAGERDUTY_KEY": PAGERDUTY_KEY, "PAGERDUTY_BASE_URL": self.pagerduty.url}


@pytest.fixture
def installation() -> Iterator[Installation]:
    """The demo's people at incident.io; nobody is on call at PagerDuty."""
    with IncidentIO(KEY) as incidentio, PagerDuty(PAGERDUTY_KEY) as pagerduty:
        seed_incidentio(incidentio)
        installation = Installation(incidentio, pagerduty)
        yield installation
        for app in installation.apps:
            app.client.close()


class Row(NamedTuple):
    """An event, and the metrics that each of its log lines counts in."""

    what: str
    happens: Callable[[Installation], object]
    lines: Sequence[Mapping[str, float | None]]


def asks(*who: str, **settings: str) -> Callable[[Installation], object]:
    """Make these people ask in one call."""
    return lambda installation: installation.webhook(**settings).ask(*map(request_of, who))


def posts_and_asks(installation: Installation) -> object:
    """Post an update as Nora and ask for her, with participants switched on."""
    installation.incidentio.post_update("INC-1", NORA)
    return installation.webhook(**PARTICIPANTS).ask(request_of(NORA))


def asks_while(path: str, at: str, *who: str, **settings: str) -> Callable[[Installation], object]:
    """Make people ask while a provider answers 500."""

    def happens(installation: Installation) -> object:
        failing = installation.incidentio if at == "incidentio" else installation.pagerduty
        for each in (installation.incidentio, installation.pagerduty):
            each.fail("/", faults.Slow(0.2))  # else an approval would not wait for the failure
        failing.fail(path, faults.Status(500))
        both = installation.with_pagerduty if at == "pagerduty" else {}
        return installation.webhook(**both, **settings).ask(*map(request_of, who))

    return happens


def calls(body: object, **how: Any) -> Callable[[Installation], object]:  # noqa: ANN401 - passed on
    """Make a call with this body."""
    return lambda installation: installation.webhook().call(body, **how)


ROWS = (
    Row("somebody on duty asks", asks(JANE), [APPROVED]),
    Row("somebody off duty asks", asks(NORA), [LEFT]),
    Row(
        "two ask in one call",
        asks(JANE, NORA),
        [APPROVED, {"LeftToHumans": 1, "Failing-incidentio": 0}],
    ),
    Row("it is a dry run", asks(JANE, **DRY_RUN), [LEFT]),
    Row("somebody who leads a self-declared incident asks", asks(DAN), [LEFT]),
    Row(
        "the same, if self-declared incidents count",
        asks(DAN, **SELF_DECLARED),
        [{**APPROVED, "SelfMade": 1}],
    ),
    Row("the same in a dry run", asks(DAN, **SELF_DECLARED, **DRY_RUN), [LEFT]),
    Row(
        "somebody leads another's incident, if self-declared ones count",
        asks(JANE, **SELF_DECLARED),
        [APPROVED],
    ),
    Row("a participant asks, if participants count", posts_and_asks, [{**APPROVED, "SelfMade": 1}]),
    Row(
        "nobody answers",
        asks_while("/", "incidentio", JANE),
        [{**LEFT, "Failing-incidentio": 1}],
    ),
    Row(
        "one provider of two fails",
        asks_while("/", "pagerduty", NORA),
        [{**BOTH, "Failing-pagerduty": 1}],
    ),
    Row(
        "both answer",
        lambda installation: installation.webhook(**installation.with_pagerduty).ask(
            request_of(NORA)
        ),
        [BOTH],
    ),
    Row(
        "a notice fails",
        asks(JANE, NORA, **NO_RECEIVER),
        [APPROVED, {"LeftToHumans": 1, "Failing-incidentio": 0}, {"NoticesFailed": 1}],
    ),
    Row(
        "no provider is queried, since the requester has no e-mail",
        asks(""),
        [{"LeftToHumans": 1, TIME: None}],
    ),
    Row(
        "somebody asks for a resource named like a failure",
        lambda installation: installation.webhook().ask(
            request_of(
                JANE,
                reason='{"message": "failed"}',
                resources=[{"kind": "message", "id": '"message": "failed", "http": 401'}],
            )
        ),
        [APPROVED],
    ),
    Row("a signature is forged", calls({"info": True}, secret=FORGED), [{"SignaturesRefused": 1}]),
    Row(
        "a signature is an hour old",
        calls({"info": True}, age=timedelta(hours=1)),
        [{"SignaturesRefused": 1}],
    ),
    Row("a call has no signature", lambda s: s.webhook().post(b"", {}), [{"SignaturesRefused": 1}]),
    Row("it is a GET", lambda s: s.webhook().post(b"", {}, "GET"), [{}]),
    Row("it is too large", calls(b" " * (1024 * 1024 + 1)), [{}]),
    Row("it is not JSON", calls(b"{"), [{}]),
    Row("it is an unsupported call", calls({"events": [{"event": "access/grant"}]}), [{}]),
    Row("it asks for the info", calls({"info": True}), []),
    Row("it pulls the bots", calls({"kinds": ["indent.v1.Bot"]}), []),
    Row(
        "the secret cannot be read",
        lambda s: s.webhook(HANDLER_SECRET_ARN="arn:aws:secretsmanager:x", AWS_REGION="").call({}),
        [{"Failed": 1}],
    ),
    Row(
        "a setting is wrong",
        lambda s: s.webhook(AUTO_APPROVAL_DURATION="six").call({"info": True}),
        [{"Failed": 1}],
    ),
)


def counted(line: str) -> dict[str, float]:
    """Give the metrics that a line counts in, with the values."""
    result = {}
    for each in metrics_for(PROVIDERS, notices=True):
        if matches(each.pattern, line):
            value = value_in(each.value, line)
            assert value is not None, each.name
            result[each.name] = value
    return result


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_row(row: Row, installation: Installation) -> None:
    """Each log line counts in exactly the expected metrics."""
    row.happens(installation)
    counts = [counted(line) for line in installation.lines]
    for each in counts:
        if TIME in each:
            assert each[TIME] >= 0
            each[TIME] = None  # type: ignore[assignment] # the table's "any value"
    assert counts == list(row.lines)


OTHERS = (
    {"time": "2026-11-24T10:00:00.000Z", "type": "platform.start", "record": {"requestId": "1"}},
    {
        "time": "2026-11-24T10:00:00.000Z",
        "type": "platform.report",
        "record": {"requestId": "1", "status": "timeout", "metrics": {"durationMs": 15000}},
    },
    {
        "timestamp": "2026-11-24T10:00:00Z",
        "level": "ERROR",
        "message": "failed to import the handler",
        "errorType": "Runtime.ImportModuleError",
        "requestId": "1",
        "stackTrace": [],
    },
)


@pytest.mark.parametrize("line", OTHERS, ids=lambda line: line.get("type", "runtime"))
def test_lambdas_own_lines_count_in_no_metric(line: object) -> None:
    """Lambda's own lines in the same log count in none of our metrics."""
    assert counted(json.dumps(line)) == {}


def test_every_metric_is_counted_by_a_row() -> None:
    """Rows cover every metric except those of the other providers."""
    names = {name for row in ROWS for line in row.lines for name in line}
    uncovered = {metric.name for metric in metrics_for(PROVIDERS, notices=True)} - names
    assert uncovered == {"Failing-opsgenie", "Failing-jsm"}
