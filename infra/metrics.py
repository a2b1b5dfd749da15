"""What is counted in the handler's log: custom metrics, made by CloudWatch from its JSON lines.

Patterns are in "Filter pattern syntax for metric filters" of the CloudWatch Logs user guide. A line
that they do not match costs nothing; each metric costs the same whether it counts much or little,
which is why there are few, and none has a dimension: each value of one would be another metric.
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
    """A custom metric, and the log lines that it is made from.

    Attributes:
        name: its name in the stack's namespace.
        pattern: which lines count.
        value: what a line counts: 1, or the number in one of its fields.
        default: what is reported while lines come in, but none that counts; None is nothing.
        unit: of its values.
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
# Once for each call: all of its decisions tell the same time.
DECISION_TIME = Metric(
    name="DecisionTime",
    pattern='{ $.message = "decision" && $.number = 0 && $.milliseconds >= 0 }',
    value="$.milliseconds",
    default=None,
    unit=MILLISECONDS,
)


def failing(provider: Provider) -> Metric:
    """Make the metric that is 1 for a decision for which a provider failed, and 0 for another.

    Its mean is the share of decisions that went without this provider, and no data means that
    nobody asked it.
    """
    return Metric(
        name=f"Failing-{provider.id}",
        pattern=f'{{ $.message = "decision" && $.failing.{provider.id} >= 0 }}',
        value=f"$.failing.{provider.id}",
        default=None,
    )


def metrics_for(providers: Iterable[Provider]) -> tuple[Metric, ...]:
    """Give all metrics of a stack with these providers: six, and one for each of them."""
    return (
        *(APPROVED, LEFT_TO_HUMANS, FAILED, SIGNATURES_REFUSED, SELF_MADE, DECISION_TIME),
        *(failing(provider) for provider in providers),
    )
