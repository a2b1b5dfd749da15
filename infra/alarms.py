"""The alarms: when somebody is mailed, what it means, and where docs/operate.md says what to do.

None of them fires for a no: without this function, humans decide as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from infra.metrics import (
    API_REFUSED,
    APPROVED,
    FAILED,
    NOTICES_FAILED,
    SELF_MADE,
    SIGNATURES_REFUSED,
    failing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from handler.providers.registry import Provider

PAGE = "docs/operate.md"
# So many within an hour, and so many within 15 minutes.
APPROVALS_THAT_RING = 20
REFUSALS_THAT_RING = 5
_MINUTE = 60
# CloudWatch's words. A function that nobody calls logs no line and no error: that is no breach.
NOT_BREACHING, IGNORE = "notBreaching", "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm: a metric's statistic over a period reaches a threshold.

    Attributes:
        name: its name, after the stack's.
        section: the heading of its section in docs/operate.md.
        means: what it means, in one sentence.
        metric: the metric's name.
        of_lambda: whether it is Lambda's own metric of the function, not one of ours.
        statistic, minutes, threshold: what it looks at.
        no_data: how a period without data counts.
        ends: whether its end is worth a mail, too: what happened once has none.
    """

    name: str
    section: str
    means: str
    metric: str
    of_lambda: bool = False
    statistic: Literal["Sum", "Minimum"] = "Sum"
    minutes: int = 5
    threshold: int = 1
    no_data: str = NOT_BREACHING
    ends: bool = True

    @property
    def seconds(self) -> int:
        """The period, as CloudWatch takes it."""
        return self.minutes * _MINUTE

    @property
    def description(self) -> str:
        """The text of the mail."""
        return f'{self.means} What to do: {PAGE}, "{self.section}".'


ALARMS = (
    Alarm(
        name="function-broken",
        section="Function broken",
        means=(
            "The function ended without an answer: it didn't start, raised an error or ran out of "
            "time."
        ),
        metric="Errors",
        of_lambda=True,
    ),
    Alarm(
        name="calls-failed",
        section="Calls failed",
        means=(
            "The function answered 503, because it can't read its secret or ConductorOne's keys, "
            "or 500."
        ),
        metric=FAILED.name,
    ),
    Alarm(
        name="throttled",
        section="Throttled",
        means="More calls came at once than the function may answer, and AWS refused some.",
        metric="Throttles",
        of_lambda=True,
    ),
    Alarm(
        name="signatures-refused",
        section="Signatures refused",
        means=(
            f"{REFUSALS_THAT_RING} calls or more within 15 minutes did not prove that they come "
            "from a caller: the token was wrong, or the signature was wrong or too old."
        ),
        metric=SIGNATURES_REFUSED.name,
        minutes=15,
        threshold=REFUSALS_THAT_RING,
    ),
    Alarm(
        name="many-approvals",
        section="Many approvals",
        means=f"{APPROVALS_THAT_RING} requests or more were approved within an hour.",
        metric=APPROVED.name,
        minutes=60,
        threshold=APPROVALS_THAT_RING,
        ends=False,
    ),
    Alarm(
        name="self-made-duty",
        section="Self-made duty",
        means=(
            "Somebody was approved for a duty that people can give themselves: they declared the "
            "incident, or posted an update to it."
        ),
        metric=SELF_MADE.name,
        ends=False,
    ),
)

# Only of a stack that sends notices.
NOTICES_FAILED_ALARM = Alarm(
    name="notices-failed",
    section="Notices failed",
    means="A request was approved, and the notice of it may not have arrived.",
    metric=NOTICES_FAILED.name,
    ends=False,
)


# Only with an HTTP API.
API_ALARM = Alarm(
    name="api-refused",
    section="API refused",
    means=(
        "API Gateway refused calls: more came than THROTTLE_RATE and THROTTLE_BURST let through, "
        "or it couldn't call the function."
    ),
    metric=API_REFUSED.name,
)


def provider_failing(provider: Provider) -> Alarm:
    """Make the alarm of one provider.

    Requests are rare, so no number of failures would be reached: one is enough, unless the provider
    also answered within the period. Without data, the alarm stays as it is until the next request.
    """
    return Alarm(
        name=f"provider-failing-{provider.id}",
        section="Provider failing",
        means=(
            f"{provider.name} has failed in every decision of the last 15 minutes that asked it, "
            "so people who are on duty only there are left to humans."
        ),
        metric=failing(provider).name,
        statistic="Minimum",
        minutes=15,
        no_data=IGNORE,
    )


def alarms_for(providers: Iterable[Provider], *, notices: bool, has_api: bool) -> tuple[Alarm, ...]:
    """Give all alarms of a stack with these providers: six, and one for each of them.

    A stack that sends notices has one more, and so has one with an HTTP API.
    """
    optional = ((notices, NOTICES_FAILED_ALARM), (has_api, API_ALARM))
    own = (alarm for is_on, alarm in optional if is_on)
    return (*ALARMS, *own, *(provider_failing(provider) for provider in providers))
