"""Custom metrics, which CloudWatch makes from the JSON lines of the handler's log.

For the patterns, see "Filter pattern syntax for metric filters" in the CloudWatch Logs user guide.
Each metric has a fixed price, so there are few of them and none has a dimension, of which each
value would be another metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from handler.providers.registry import Provider

MILLISECONDS = "Milliseconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A custom metric, and the log lines from which it is made.

    Attributes:
        name: in the stack's namespace.
        pattern: of the lines that count.
        value: of a line: 1, or the number in one of its fields.
        default: the value while other lines are logged; None means no value.
        unit: of the values.
    """

    name: str
    pattern: str
    value: str = "1"
    default: str | None = "0"
    unit: str = "Count"


APPROVED = Metric(
    name="Approved",
    pattern='{ $.message = "decision" && $.outcome = "approve" && $.dry_run IS FALSE }',
)
LEFT_TO_HUMANS = Metric(
    name="LeftToHumans",
    pattern='{ $.message = "decision" && ($.outcome = "abstain" || $.dry_run IS TRUE) }',
)
FAILED = Metric(name="Failed", pattern='{ $.message = "failed" }')
SIGNATURES_REFUSED = Metric(
    name="SignaturesRefused", pattern='{ $.message = "refused" && $.http = 401 }'
)
SELF_MADE = Metric(
    name="SelfMade",
    pattern=(
        '{ $.message = "decision" && $.outcome = "approve" && $.dry_run IS FALSE '
        "&& $.self_made IS TRUE }"
    ),
)
# Without a default, so that nothing is stored, and nothing is paid, until a notice fails.
NOTICES_FAILED = Metric(
    name="NoticesFailed", pattern='{ $.message = "notice failed" }', default=None
)
# Of the access log. What API Gateway answers without the function has an `error` or an
# `integration_error` (AWS doesn't document which): it throttled the call, or couldn't call the
# function.
# Its other refusals are of calls that aren't valid HTTP.
API_REFUSED = Metric(
    name="ApiRefused",
    pattern=(
        '{ ($.error != "-" || $.integration_error != "-") && ($.status = "429" || $.status = "500" '
        '|| $.status = "502" || $.status = "503" || $.status = "504") }'
    ),
)
# Once per call, as all its decisions have the same time.
DECISION_TIME = Metric(
    name="DecisionTime",
    pattern='{ $.message = "decision" && $.number = 0 && $.milliseconds >= 0 }',
    value="$.milliseconds",
    default=None,
    unit=MILLISECONDS,
)


def failing(provider: Provider) -> Metric:
    """Return the metric that is 1 for decisions in which a provider failed, and 0 for others.

    Its mean is the share of decisions without this provider's complete answer; no data means that
    the provider was not asked.
    """
    return Metric(
        name=f"Failing-{provider.id}",
        pattern=f'{{ $.message = "decision" && $.failing.{provider.id} >= 0 }}',
        value=f"$.failing.{provider.id}",
        default=None,
    )


def metrics_for(providers: Iterable[Provider], *, notices: bool) -> tuple[Metric, ...]:
    """Return the metrics of a stack with these providers: six, and one per provider.

    A stack that sends notices has one more.
    """
    return (
        *(APPROVED, LEFT_TO_HUMANS, FAILED, SIGNATURES_REFUSED, SELF_MADE, DECISION_TIME),
        *([NOTICES_FAILED] if notices else ()),
        *(failing(provider) for provider in providers),
    )
