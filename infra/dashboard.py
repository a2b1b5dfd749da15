"""The dashboard: is it up, who decides, how fast, and which provider is down. Plain values only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.metrics import (
    APPROVED,
    DECISION_TIME,
    FAILED,
    LEFT_TO_HUMANS,
    SELF_MADE,
    SIGNATURES_REFUSED,
    failing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handler.providers.registry import Provider

_WIDTH = 24  # CloudWatch's
_HALF = _WIDTH // 2
_FIVE_MINUTES = 300


def dashboard_body(
    *,
    namespace: str,
    region: str,
    function_name: str,
    log_group: str,
    alarms: Sequence[str],
    providers: Sequence[Provider],
) -> dict[str, Any]:
    """Lay it out; each title is the question that its widget answers.

    Args:
        namespace: of the stack's own metrics.
        region: where all of it lies.
        function_name: of the function.
        log_group: its log.
        alarms: the ARNs of the stack's alarms.
        providers: those that are switched on.
    """
    graphs = _Graphs(namespace, region, function_name)
    last = (
        f"SOURCE '{log_group}' | fields @timestamp, outcome, dry_run, requester, duration, reason "
        '| filter message = "decision" | sort @timestamp desc | limit 20'
    )
    return {
        "widgets": [
            _at(0, 0, _WIDTH, 3, "alarm", {"title": "What is wrong?", "alarms": list(alarms)}),
            graphs.at(0, 3, "Is it up?", graphs.calls(), stat="Sum"),
            graphs.at(_HALF, 3, "Who decides?", graphs.deciders(), stat="Sum", stacked=True),
            graphs.at(0, 9, "How fast? (ms)", graphs.times(), stat="p50"),
            graphs.at(
                _HALF,
                9,
                "Which provider is down? (share of the decisions that went without it)",
                [graphs.own(failing(provider).name, label=provider.name) for provider in providers],
                stat="Average",
                yAxis={"left": {"min": 0, "max": 1}},
            ),
            _at(
                *(0, 15, _WIDTH, 6, "log"),
                {"title": "What was decided last?", "region": region, "query": last},
            ),
        ]
    }


class _Graphs:
    def __init__(self, namespace: str, region: str, function_name: str) -> None:
        self._namespace = namespace
        self._region = region
        self._function = function_name

    def calls(self) -> list[list[Any]]:
        """All calls, and those that went wrong, whoever says so."""
        return [
            self.of_lambda("Invocations", label="calls"),
            self.of_lambda("Errors", label="without an answer"),
            self.of_lambda("Throttles", label="throttled"),
            self.own(FAILED.name, label="answered 500 or 503"),
            self.own(SIGNATURES_REFUSED.name, label="signature refused"),
        ]

    def deciders(self) -> list[list[Any]]:
        """Every decision, by whether humans are left to make it."""
        return [
            self.own(APPROVED.name, label="approved"),
            self.own(LEFT_TO_HUMANS.name, label="left to humans"),
            self.own(SELF_MADE.name, label="by a self-made duty", yAxis="right"),
        ]

    def times(self) -> list[list[Any]]:
        """What the access system waits for, a start included, and what of it the providers take."""
        return [
            self.of_lambda("UrlRequestLatency", label="whole call, half of them"),
            self.of_lambda("UrlRequestLatency", label="whole call, 99 %", stat="p99"),
            self.own(DECISION_TIME.name, label="deciding, half of them"),
            self.own(DECISION_TIME.name, label="deciding, 99 %", stat="p99"),
        ]

    def own(self, metric: str, **how: str) -> list[Any]:
        """Name one of our metrics."""
        return [self._namespace, metric, how]

    def of_lambda(self, metric: str, **how: str) -> list[Any]:
        """Name one of Lambda's."""
        return ["AWS/Lambda", metric, "FunctionName", self._function, how]

    def at(
        self, x: int, y: int, title: str, metrics: list[list[Any]], **how: object
    ) -> dict[str, Any]:
        """Draw metrics over time, on half the width."""
        properties = {
            "title": title,
            "region": self._region,
            "view": "timeSeries",
            "period": _FIVE_MINUTES,
            "metrics": metrics,
            **how,
        }
        return _at(x, y, _HALF, 6, "metric", properties)


def _at(
    x: int, y: int, width: int, height: int, kind: str, properties: dict[str, Any]
) -> dict[str, Any]:
    place = {"x": x, "y": y, "width": width, "height": height}
    return {"type": kind, **place, "properties": properties}
