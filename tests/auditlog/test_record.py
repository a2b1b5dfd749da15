"""A line of the log is read with the right types, or counted as unreadable."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditlog import explain
from auditlog.explain import Line, tree, why
from auditlog.reader import Log, read_log
from auditlog.record import LineError, read_line
from auditlog.replay import replay
from auditlog.report import report
from handler.callers.indent import DURATION, EXPIRES, REQUESTED_DURATION, read_request
from handler.duty import INCIDENT_ROLE, Duty
from tests.auditlog.decision_records import (
    DATABASE,
    JANE,
    LEAD,
    NOW,
    POLICY,
    SHIFT,
    VAULT,
    log_record,
    request_for,
)
from tests.handler.strategies import STEADY

LINE = {"timestamp": "2026-03-04T12:00:01.000Z", "level": "INFO"}


def of_call(call: str, *records: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of one call as the function writes them."""
    return [
        {**LINE, **each, "call": call, "number": number, "of": len(records)}
        for number, each in enumerate(records)
    ]


YES = of_call("yes", log_record(request_for(DATABASE, duration="1h"), SHIFT))
HIDDEN = {"PagerDuty": (2, 3)}
NO = of_call(
    "no",
    *(
        log_record(request_for(each), SHIFT, LEAD, without_email=HIDDEN)
        for each in (VAULT, DATABASE)
    ),
)
DRY = of_call("dry", log_record(request_for(DATABASE), LEAD, dry_run=True))
REFUSED = {**LINE, "message": "refused", "http": 401, "why": "the signature is wrong"}
FAILED = {**LINE, "message": "failed", "http": 500, "why": "KeyError"}
RECORDS = [*YES, *NO, *DRY, REFUSED, FAILED]
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 10**30, 0.5, float("nan"), float("inf")),
    *("", "x", "\ud800", "\x1b[31m", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "1ns"),
    *([], [7], [None], [[]], {}, {"x": 7}, {"": None}),
)
DUPLICATED = json.dumps(YES[0]).replace('"level":', '"level": 7, "level":', 1)


def read(*lines: str) -> Log:
    """Read lines, some of which are complete."""
    return read_log("\n".join([*lines, *map(json.dumps, RECORDS)]))


def test_whole_records_are_read_as_they_are() -> None:
    """Each kind of line that the function writes."""
    assert read() == Log(RECORDS, 0)
    assert read().decisions == [*YES, *NO, *DRY]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "START RequestId: 8f2 Version: $LATEST",
        '{"time": "2026-03-04", "type": "platform.report", "record": {}}',
        "{not json",
        "[" * 100_000 + "{" * 100_000,
        '{"x":' * 10_000,
        '{"level": "INFO", "message": "a library says something"}',
        '{"level": 7}',
        '{"message": {"level": "nested"}}',
        "7",
        "{} {",
    ],
)
def test_lines_of_other_programs_are_skipped(line: str) -> None:
    """They are not counted either."""
    assert read(line) == Log(RECORDS, 0)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(json.dumps(YES[0])[:-1], id="cut off"),
        pytest.param(json.dumps(YES[0])[:700], id="cut in the middle"),
        pytest.param(json.dumps({**YES[0], "message": {}}), id="no text as a message"),
        pytest.param(json.dumps({**YES[0], "message": "decided"}), id="another message"),
        pytest.param(json.dumps({**YES[0], "number": 1}), id="a number beyond the call's"),
        pytest.param(json.dumps({**YES[0], "outcome": "abstain"}), id="a no with a duration"),
        pytest.param(json.dumps({**YES[0], "duration": None}), id="a yes without"),
        *(
            pytest.param(json.dumps({**YES[0], "without_email": each}), id=f"counts {each}")
            for each in (
                *(None, 2, [2, 3], {"jsm": 2}, {"jsm": {"people": 2}}, {"jsm": {"of": 2}}),
                *({"jsm": {"people": 3, "of": 2}}, {"jsm": {"people": -1, "of": 2}}),
                *({"jsm": {"people": True, "of": 2}}, {"jsm": {"people": "1", "of": 2}}),
            )
        ),
        pytest.param(json.dumps({**YES[0], "x": float("nan")}), id="NaN"),
        pytest.param(json.dumps({**YES[0], "x": "\ud800"}), id="half a pair, escaped"),
        pytest.param(json.dumps(YES[0]).replace('"DBA"', '"\udcff"'), id="a byte that is no text"),
        pytest.param(json.dumps(YES[0]).replace(": 7", f": {'9' * 5000}"), id="5000 digits"),
        pytest.param(json.dumps(YES[0])[:-1] + f', "x": {"[" * 100_000}', id="too deep"),
        pytest.param(DUPLICATED, id="a name twice"),
    ],
)
def test_damaged_lines_are_counted(line: str) -> None:
    """Damaged lines of the function are counted, and the others are still read."""
    assert read(line) == Log(RECORDS, 1)
    with pytest.raises(LineError):
        read_line(line)


def missing_label(record: dict[str, Any], *place: str) -> str:
    """The line without a field."""
    return json.dumps(changed(record, place, ...))


DECIDED_FROM = [
    *(("call",), ("number",), ("of",), ("petitions",), ("whole",), ("trace",)),
    *(("trace", each) for each in ("request", "duties", "wanted")),
    *(("trace", "request", each) for each in YES[0]["trace"]["request"]),
]
TOLD_ONLY = [
    *(("evidence",), ("milliseconds",), ("provider_failures",), ("resource_count",)),
    *(("resources",), ("timestamp",), ("failing",), ("self_made",), ("version",), ("petition",)),
    *(("trace", each) for each in ("rules", "other_rules", "limits", "providers")),
]


def test_lines_from_before_people_were_counted() -> None:
    """They lack only the counts; everything else is reported and replayed."""
    old = [missing_label(each, "without_email") for each in NO]
    log = read_log("\n".join(old))
    assert log.unreadable == 0
    assert (report(NO)["without_email"], report(log.records)["without_email"]) == (
        {"PagerDuty": 2},
        {},
    )
    assert report(log.records)["outcomes"] == report(NO)["outcomes"]
    for of in (NO, log.decisions):
        assert [each.differences for each in replay(of, POLICY)] == [(), ()]


@pytest.mark.parametrize("record", [YES[0], NO[0], DRY[0]])
@pytest.mark.parametrize("place", [*DECIDED_FROM, *TOLD_ONLY, ("rules",), ("policy",)])
def test_a_line_that_lacks_a_field_is_read(record: dict[str, Any], place: tuple[str, ...]) -> None:
    """Another version of the function wrote it: it is counted and reported like any other."""
    log = read_log(missing_label(record, *place))
    assert (len(log.decisions), log.unreadable) == (1, 0)
    assert report(log.records)["outcomes"] == report([record])["outcomes"]
    tree(log.decisions[0])
    replay(log.decisions, POLICY)


@pytest.mark.parametrize("place", DECIDED_FROM)
def test_a_line_without_an_input_is_not_replayed(place: tuple[str, ...]) -> None:
    """The missing input could have changed the decision."""
    (again,) = replay(read_log(missing_label(YES[0], *place)).decisions, POLICY)
    assert "an older version" in again.problem


@pytest.mark.parametrize("place", TOLD_ONLY)
def test_a_line_without_a_descriptive_field_is_replayed(place: tuple[str, ...]) -> None:
    """It gives the same decision."""
    (again,) = replay(read_log(missing_label(YES[0], *place)).decisions, POLICY)
    assert (again.problem, again.differences) == ("", ())


@pytest.mark.parametrize(
    "name", ["outcome", "dry_run", "reason", "requester", "duration", "decided_at"]
)
def test_a_line_without_its_outcome_is_unreadable(name: str) -> None:
    """It is counted as a damaged line."""
    assert read(missing_label(YES[0], name)) == Log(RECORDS, 1)


def test_a_rule_without_a_reason() -> None:
    """Only its result is shown."""
    record = copy.deepcopy(YES[0])
    record["trace"]["rules"] = [{"rule": "databases", "verdict": "no"}]
    (read_one,) = read_log(json.dumps(record)).decisions
    assert Line('rule "databases": not matched', explain.NO) in tree(read_one).under


def test_a_surrogate_pair_is_text() -> None:
    """An emoji is written as two escapes."""
    record = {**REFUSED, "why": "\N{PARTY POPPER}"}
    assert r"\ud83c" in json.dumps(record)
    assert read_line(json.dumps(record)) == record


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    """The path of every value in a record."""
    names: Any = value.items() if isinstance(value, dict) else ()
    names = enumerate(value) if isinstance(value, list) else names
    under = [place for name, each in names for place in places(each, (*at, name))]
    return [at, *under] if at else under


def changed(record: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The record with another value at a path; without it if the value is Ellipsis."""
    edited = copy.deepcopy(record)
    parent: Any = edited
    for name in place[:-1]:
        parent = parent[name]
    if value is ...:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return edited


def test_no_field_of_a_record_crashes_a_command() -> None:
    """Each field that the function may write has its type, including rare ones."""
    now = NOW - timedelta(minutes=1)
    every = Duty(
        *("incident.io", INCIDENT_ROLE, "R1", "Incident Lead", JANE, "lead", 2),
        *(now, NOW + timedelta(hours=1), True, "https://example.com", "INC-1", True),
        *(("S1",), ("T1",), True, frozenset(), frozenset({"a"}), frozenset({"b"})),
        user="U1",
    )
    policy = POLICY._replace(identities={"incident.io": {"U1": JANE}})
    labels = {DURATION: "soonish", REQUESTED_DURATION: "1h", EXPIRES: "soon"}
    asked = read_request(request_for(DATABASE).requester, (DATABASE,), labels)
    unreadable, decided = (
        log_record(each, every, policy=policy) for each in (asked, request_for(DATABASE))
    )
    output = decided["trace"]["duties"][0]
    assert len(output) == len(every) - len({"holder", "declarers", "inactive", "shown", "denied"})
    # Whose duty it is, a record tells by this alone.
    decided = changed(decided, ("trace", "duties", 0), {**output, "alias": True})
    for record in of_call("every", unreadable, decided):
        for place in places(record):
            for value in ODD_VALUES:
                log = read_log(json.dumps(changed(record, place, value)))
                for each in log.decisions:
                    tree(each)
                replay(log.decisions, POLICY)


EDITS = [(number, place) for number, each in enumerate(RECORDS) for place in places(each)]


@STEADY
@given(
    edit=st.sampled_from(EDITS),
    value=st.sampled_from((*ODD_VALUES, ...))
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=3,
    ),
)
def test_one_record_never_changes_the_report_of_others(
    edit: tuple[int, tuple[Any, ...]],
    value: Any,  # noqa: ANN401 - any JSON
) -> None:
    """No value in a record crashes a command or changes the result of another call."""
    number, place = edit
    records: list[dict[str, Any]] = [*RECORDS]
    records[number] = changed(records[number], place, value)
    log = read_log("\n".join(map(json.dumps, records)))
    assert len(log.records) + log.unreadable in {len(RECORDS), len(RECORDS) - 1}
    json.dumps(report(log.records))
    call = RECORDS[number].get("call")
    again = {each.record["call"]: each for each in replay(log.decisions, POLICY)}
    for each in log.decisions:
        tree(each)
        why(each)
    for other in ("yes", "no", "dry"):
        if other not in (call, value):
            assert (again[other].problem, again[other].differences) == ("", ())


@STEADY
@given(st.integers(0, 10_000), st.binary(max_size=4))
def test_bytes_changed_anywhere(at: int, put: bytes) -> None:
    """However a line is damaged, the rest of the log is read."""
    line = json.dumps(YES[0]).encode()
    at %= len(line)
    damaged = (line[:at] + put + line[at + len(put) :]).decode(errors="surrogateescape")
    log = read_log("\n".join([damaged, *map(json.dumps, RECORDS)]))
    assert log.records[-len(RECORDS) :] == RECORDS
    replay(log.decisions, POLICY)
    assert JANE in json.dumps(log.records)
