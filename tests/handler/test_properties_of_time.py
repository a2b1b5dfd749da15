"""Properties of time: no label lengthens access, and no text breaks the parsers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handler.callers.indent import DURATION, REQUESTED_DURATION, Event, claim, read_request
from handler.durations import format_go, format_instant, in_words, parse_duration, parse_instant
from handler.duty import INCIDENT_ROLE, Duty, ProviderSnapshot
from handler.request import Resource
from handler.rules.evaluate import decide, decide_all
from handler.rules.model import policy_from_settings
from policy.duration_hints import nearest, short
from tests.handler.oracle import SECOND, wish
from tests.handler.strategies import LABELS, NOW, STEADY, TEXT
from tests.handler.worlds import WISHES

# Other tests cover the same lines, and measuring coverage here would double the time.
pytestmark = pytest.mark.no_cover
MARY = "mary@example.com"
JANE = Resource("user", "jane", "jane@example.com")
GROUP = Resource("group", "prod")
LEAD = Duty("incident.io", INCIDENT_ROLE, "R1", "Lead", "jane@example.com", incident="INC-42")


@STEADY
@given(
    labels=LABELS,
    allowed=st.integers(1, 168 * 3600).map(lambda seconds: timedelta(seconds=seconds)),
)
@example(labels={"indent.com/time/indefinite": "true"}, allowed=timedelta(hours=6))
@example(labels={"indent.com/time/duration": "168h"}, allowed=timedelta(hours=6))
@example(labels={"indent.com/time/expires": "2026-03-04T12:01:00Z"}, allowed=timedelta(hours=6))
def test_no_label_lengthens_access(labels: Mapping[str, str], allowed: timedelta) -> None:
    """No label makes access longer than the policy allows, or adds another time to the claim."""
    policy, snapshot = policy_from_settings(allowed), ProviderSnapshot((LEAD,))
    event = Event(JANE, (GROUP,), labels)
    decision = decide(event.request, snapshot, policy, NOW)
    if not decision.approved:
        return
    made = claim(event, actor={}, reason="", now=NOW, duration=decision.duration)
    output = made["meta"]["labels"]
    duration = parse_duration(output["indent.com/time/duration"])
    expiry = parse_instant(output["indent.com/time/expires"])
    assert duration == decision.duration
    assert timedelta(0) < duration <= allowed
    assert expiry == NOW + duration
    asked = parse_instant(labels.get("indent.com/time/expires", ""))
    assert asked is None or expiry <= asked
    other_labels = output.keys() - {"indent.com/time/duration", "indent.com/time/expires"}
    for name in other_labels:
        assert output[name] == labels[name]
        assert not name.strip().casefold().startswith("indent.com/time/")
        assert name.strip().casefold() not in {"expires", "indent.com/petition/duration"}


DURATIONS = st.one_of(
    TEXT,
    st.sampled_from(WISHES),
    st.from_regex(
        r"[-+]?([0-9]{0,12}(\.[0-9]{0,12})? ?(ns|us|\u00b5s|ms|s|m|h|d|w|min|hours)? ?)*"
    ),
    st.builds(
        " ".join,
        st.permutations(["1w", "2 days", "0.5h", "90M", "7.0 sec", "5ms", "0us", "-1ns"]).flatmap(
            lambda parts: st.integers(0, 8).map(lambda count: parts[:count])
        ),
    ),
)


@STEADY
@given(
    text=DURATIONS,
    label=st.sampled_from([DURATION, REQUESTED_DURATION]),
    allowed=st.integers(1, 168 * 3600).map(lambda seconds: timedelta(seconds=seconds)),
)
@example(text="9" * 63 + "h", label=DURATION, allowed=timedelta(hours=6))
@example(text="9" * 5000 + "h", label=DURATION, allowed=timedelta(hours=6))
def test_a_requested_duration_limits_access(text: str, label: str, allowed: timedelta) -> None:
    """Any text as duration is left to humans, or limits access exactly."""
    decision = decide(
        read_request(JANE, (GROUP,), {label: text}),
        ProviderSnapshot((LEAD,)),
        policy_from_settings(allowed),
        NOW,
    )
    asked = wish(text)
    if asked is None:
        assert not decision.approved
        assert "isn't valid" in decision.reason
        assert not decision.could_change
    elif asked and asked < timedelta(seconds=1):
        assert not decision.approved
    else:
        assert decision.duration == min(asked or allowed, allowed) // SECOND * SECOND


@STEADY
@given(labels=LABELS, resource_labels=LABELS)
def test_no_label_makes_a_duty(
    labels: Mapping[str, str], resource_labels: Mapping[str, str]
) -> None:
    """Without a duty of the requester nobody is approved, whatever the labels."""
    mary = LEAD._replace(holder=MARY)
    resource = GROUP._replace(labels=resource_labels)
    requests = [read_request(JANE, (target,), labels) for target in (resource, GROUP)]
    decisions = decide_all(
        requests, ProviderSnapshot((mary,)), policy_from_settings(timedelta(hours=6)), NOW
    )
    assert not any(decision.approved for decision in decisions)


@STEADY
@given(seconds=st.integers(0, (2**63 - 1) // 10**9))
def test_durations_are_read_back(seconds: int) -> None:
    """Written durations are read back unchanged, in all three forms."""
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_go(duration)) == duration
    assert parse_duration(in_words(duration)) == (duration or None)
    assert parse_duration(short(duration)) == duration


@STEADY
@given(text=DURATIONS)
def test_reading_a_duration_never_raises(text: str) -> None:
    """Any text is read as a duration or None, and hints are valid durations."""
    duration = parse_duration(text)
    assert duration is None or abs(duration) <= timedelta(microseconds=2**63 // 1000)
    near = nearest(text)
    assert not near or parse_duration(near)
    assert not (near and duration) or parse_duration(near) == duration


@STEADY
@given(moment=st.datetimes(timezones=st.just(UTC)))
def test_instants_are_read_back(moment: datetime) -> None:
    """Written instants are read back unchanged, to the millisecond."""
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert parse_instant(format_instant(moment)) == cut


@STEADY
@given(
    text=TEXT
    | st.from_regex(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,10})?"
        r"([Zz]|[-+][0-9]{2}:[0-9]{2})"
    )
    | st.builds(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}".format,
        st.sampled_from([0, 1, 2024, 9999]),
        st.sampled_from([0, 1, 2, 12, 13]),
        st.sampled_from([0, 1, 29, 31, 32]),
        st.sampled_from([0, 23, 24]),
        st.sampled_from([0, 59, 60]),
        st.sampled_from([0, 59, 60, 61]),
        st.sampled_from(["Z", "+23:59", "-23:59", "+24:00", "-00:00", ".999999999Z"]),
    )
)
def test_reading_an_instant_never_raises(text: str) -> None:
    """Any text is an instant in UTC, or None."""
    moment = parse_instant(text)
    assert moment is None or moment.tzinfo is UTC
