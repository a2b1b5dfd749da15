"""The dashboard: is it up, who decides, how fast, and which provider is down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.metrics import (
    API_REFUSED,
    APPROVED,
    DECISION_TIME,
    FAILED,
    LEFT_TO_HUMANS,
    NOTICES_FAILED,
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
    api_id: str,
    alarms: Sequence[str],
    providers: Sequence[Provider],
    notices: bool,
) -> dict[str, Any]:
    """Return the dashboard's body; each title is the question that its widget answers.

    Args:
        namespace: of the stack's own metrics.
        region: of all of them.
        function_name: of the function.
        log_group: of the function.
        api_id: of the HTTP API in front of the function; "" with a function URL.
        alarms: the ARNs of the stack's alarms.
        providers: those that are switched on.
        notices: whether notices of approvals are sent.
    """
    graphs = _Graphs(namespace, region, function_name, api_id)
    last = (
        f"SOURCE '{log_group}' | fields @timestamp, outcome, dry_run, requester, duration, reason "
        '| filter message = "decision" | sort @timestamp desc | limit 20'
    )
    return {
        "widgets": [
            _at(0, 0, _WIDTH, 3, "alarm", {"title": "What is wrong?", "alarms": list(alarms)}),
            graphs.at(0, 3, "Is it up?", graphs.calls(notices=notices), stat="Sum"),
            graphs.at(_HALF, 3, "Who decides?", graphs.deciders(), stat="Sum", stacked=True),
            graphs.at(0, 9, "How fast? (ms)", graphs.times(), stat="p50"),
            graphs.at(
                _HALF,
                9,
                "Which provider is down? (share of decisions without its complete answer)",
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
    def __init__(self, namespace: str, region: str, function_name: str, api_id: str) -> None:
        self._namespace = namespace
        self._region = region
        self._function = function_name
        self._api = api_id

    def calls(self, *, notices: bool) -> list[list[Any]]:
        """All calls, and what failed, by Lambda's and our metrics."""
        failed = [self.own(NOTICES_FAILED.name, label="notices failed")] if notices else []
        return [
            self.of_lambda("Invocations", label="calls"),
            self.of_lambda("Errors", label="without an answer"),
            self.of_lambda("Throttles", label="throttled"),
            self.own(FAILED.name, label="answered 500 or 503"),
            self.own(SIGNATURES_REFUSED.name, label="signature refused"),
            *failed,
            *([self.own(API_REFUSED.name, label="refused by the API")] if self._api else []),
        ]

    def deciders(self) -> list[list[Any]]:
        """All decisions, by who makes them."""
        return [
            self.own(APPROVED.name, label="approved"),
            self.own(LEFT_TO_HUMANS.name, label="left to humans"),
            self.own(SELF_MADE.name, label="approved for a self-made duty", yAxis="right"),
        ]

    def times(self) -> list[list[Any]]:
        """The time of whole calls, including starts, and of decisions (mostly the providers')."""
        return [
            self.whole_call(label="whole call, median"),
            self.whole_call(label="whole call, p99", stat="p99"),
            self.own(DECISION_TIME.name, label="decision, median"),
            self.own(DECISION_TIME.name, label="decision, p99", stat="p99"),
        ]

    def own(self, metric: str, **how: str) -> list[Any]:
        """Reference one of our metrics."""
        return [self._namespace, metric, how]

    def of_lambda(self, metric: str, **how: str) -> list[Any]:
        """Reference one of Lambda's metrics."""
        return ["AWS/Lambda", metric, "FunctionName", self._function, how]

    def whole_call(self, **how: str) -> list[Any]:
        """Reference the time of whole calls: API Gateway's, or the function URL's."""
        if self._api:
            return ["AWS/ApiGateway", "Latency", "ApiId", self._api, how]
        return self.of_lambda("UrlRequestLatency", **how)

    def at(
        self, x: int, y: int, title: str, metrics: list[list[Any]], **how: object
    ) -> dict[str, Any]:
        """Return a graph of metrics over time, half as wide as the dashboard."""
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
