"""Reads records of the function's log strictly, and rebuilds the values of the decision.

A log file may have been edited or cut, so every field that this package uses is checked here. A
line that `handler/audit.py` would not write is unreadable, and counted as such. A missing field is
fine if some version of the function does not write it.

A record names nobody but the requester; other people get a stand-in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from handler.durations import parse_duration, parse_instant
from handler.duty import Duty
from handler.request import ACCESS, Request, Resource

Record: TypeAlias = Mapping[str, Any]
DECISION, REFUSED, FAILED = "decision", "refused", "failed"
NOTICE_FAILED = "notice failed"
# JSON parsers disagree about larger numbers.
_LARGEST_INTEGER = 2**53
# Of decisions, with room for calculations.
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
# In JSON, in nested JSON, and in CSV.
_LINE_START = re.compile(r'\{\s*[\\"]+timestamp[\\"]+\s*:\s*[\\"]+')
_OUR_FIELDS = re.compile(r'"message\\*"|level\\*"')
_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")

# Stands in for other people, and for other addresses of the requester.
OTHER_PERSON = "another@stand-in.invalid"

_Check: TypeAlias = Callable[[Any], bool]


class LineError(ValueError):
    """A line of the function's log that is cut, damaged, or of an older form."""


class TooDeepError(ValueError):
    """JSON that is nested too deeply to be a record."""


def read_line(line: str) -> Record | None:
    """Read the record in a line of the log; None if there is none.

    Raises:
        LineError: it is a line of the function, but cannot be read.
    """
    begin = line.find("{")
    if begin < 0:
        return None
    try:
        value, _ = value_at(line, begin)
    except ValueError:
        if looks_ours(line, begin, last_sign(line, begin, len(line))):
            raise LineError("the line is not JSON") from None
        return None
    return record_of(value)


def record_of(value: object) -> Record | None:
    """Read a JSON value as a record; None if it is not one of the function.

    Raises:
        LineError: it is one of the function, but not as the function writes it.
    """
    if not isinstance(value, dict) or not {"message", "level"} <= value.keys():
        return None
    if value["message"] == DECISION:
        value = _with_defaults(value)
    if not _is_record(value):
        raise LineError("the record is not as the function writes it")
    return value if value["message"] in _FORMS else None


def is_decision(record: Record) -> bool:
    """Whether a record, read or just made, is that of a decision."""
    return record.get("message", DECISION) == DECISION and isinstance(record.get("trace"), dict)


def value_at(text: str, begin: int) -> tuple[Any, int]:
    """Read the JSON value that begins there, and return where it ends.

    Raises:
        ValueError: there is none, or JSON parsers would disagree about it.
    """
    try:
        value, end = _DECODER.raw_decode(text, begin)
        read = text[begin:end]
        read.encode()
        if _HALF_A_PAIR.search(read):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise TooDeepError from None
    return value, end


def looks_ours(text: str, begin: int, last: int) -> bool:
    """Whether an unreadable part of a text looks like a record; `last` is its last sign of one."""
    return begin <= last or _LINE_START.match(text, begin) is not None


def last_sign(text: str, begin: int, end: int) -> int:
    """Find the last place before which a part of a text looks like a record; -1 if none does."""
    starts = (match.start() for match in _LINE_START.finditer(text, begin, end))
    fields = {
        match[0].strip('\\"'): match.start() for match in _OUR_FIELDS.finditer(text, begin, end)
    }
    last_field = min(fields.values()) if fields.keys() == {"message", "level"} else -1
    return max(last_field, *starts, -1)


class UnnumberedText(str):
    """A text of many JSON values, whose errors have no line numbers.

    An error of `json` counts the lines before it. In a file with many damaged lines, that takes
    time in proportion to the square of its size.
    """

    __slots__ = ()

    def count(self, *_: object) -> int:
        """Count no line before an error."""
        return 0

    def rfind(self, *_: object) -> int:
        """Find no line before an error."""
        return -1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name is there twice")
    return values


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _truth(value: object) -> bool:
    return isinstance(value, bool)


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST_INTEGER


def _instant(value: object) -> bool:
    return isinstance(value, str) and parse_instant(value) is not None


def _moment(value: object) -> bool:
    """Whether it is an instant in a plausible year."""
    moment = parse_instant(value) if isinstance(value, str) else None
    return moment is not None and _FIRST_YEAR <= moment.year <= _LAST_YEAR


def _length(value: object) -> bool:
    length = parse_duration(value) if isinstance(value, str) else None
    return length is not None and length > timedelta(0)


def _or_none(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _one_of(*values: str) -> _Check:
    return lambda value: isinstance(value, str) and value in values


def _list(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _by_name(check: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _fields(checks: Mapping[str, _Check], optional: Collection[str] = ()) -> _Check:
    """Check an object by its fields; it may have other, unused ones."""

    def check(value: object) -> bool:
        return isinstance(value, dict) and all(
            check_field(value[name]) if name in value else name in optional
            for name, check_field in checks.items()
        )

    return check


_TEXTS = _list(_text)
_DUTY_FIELDS: Mapping[str, _Check] = {
    "provider": _text,
    "kind": _text,
    **dict.fromkeys(("id", "name", "shortform", "incident", "link", "user"), _text),
    "level": _count,
    **dict.fromkeys(("start", "end"), _or_none(_instant)),
    **dict.fromkeys(("endless", "reporter", "self_declared", "alias"), _truth),
    **dict.fromkeys(("severity", "type", "shared_names", "ids_elsewhere"), _TEXTS),
}
_DUTY = _fields(_DUTY_FIELDS, _DUTY_FIELDS.keys() - {"provider", "kind"})
_RESOURCE = _fields(
    {
        "kind": _text,
        "id": _text,
        "labels": _by_name(_text),
        "person": _one_of("", "requester", "another"),
    }
)
_REQUEST = _fields(
    {
        "requester": _fields({"email": _text, "emails": _count}),
        "resources": _list(_RESOURCE),
        "asked_duration": _or_none(_length),
        "asked_until": _or_none(_instant),
        "unreadable_duration": _text,
        "unreadable_until": _text,
        "action": _text,
        "objection": _text,
        "all_or_nothing": _truth,
    },
    ("unreadable_duration", "unreadable_until", "action", "objection", "all_or_nothing"),
)
_RULE = _fields(
    {
        "rule": _text,
        "verdict": _one_of("grants", "denies", "dry_run", "no"),
        "why": _text,
        "until": _or_none(_instant),
        "duties": _list(_fields({"duty": _count, "why": _text})),
    },
    ("why", "until", "duties"),
)
_WANTED_FIELDS: Mapping[str, _Check] = {
    "schedules": _TEXTS,
    **dict.fromkeys(("any_schedule", "roles", "updates", "ends"), _truth),
}
_TRACE = _fields(
    {
        "request": _REQUEST,
        "duties": _list(_DUTY),
        "rules": _list(_RULE),
        "other_rules": _by_name(_TEXTS),
        "limits": _TEXTS,
        "providers": _list(_fields({"provider": _text, "failures": _TEXTS})),
        "wanted": _by_name(_fields(_WANTED_FIELDS, _WANTED_FIELDS.keys())),
    }
)
_SHARE = _fields({"people": _count, "of": _count})


def _is_share(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether it is a count out of a total."""
    return _SHARE(value) and value["people"] <= value["of"]


_CALLER_FIELDS = ("caller", "caller_request", "decision_id", "requester_id")
_LINE: Mapping[str, _Check] = {"level": _text, "message": _text, "timestamp": _instant}
_DECISION = _fields(
    {
        **_LINE,
        **dict.fromkeys(("call", "requester", "reason", "policy"), _text),
        **dict.fromkeys(("number", "of", "resource_count", "milliseconds"), _count),
        **dict.fromkeys(("petitions", "resources", "rules", "provider_failures"), _TEXTS),
        **dict.fromkeys(("dry_run", "whole"), _truth),
        "outcome": _one_of("approve", "abstain"),
        "evidence": _list(_DUTY),
        "duration": _or_none(_length),
        "decided_at": _moment,
        "trace": _TRACE,
        "omitted": _by_name(_count),
        "without_email": _by_name(_is_share),
        "identities": _by_name(_text),
        **dict.fromkeys(_CALLER_FIELDS, _text),
    },
    ("timestamp", "omitted", "without_email", "identities", *_CALLER_FIELDS),
)
# Defaults for missing fields: first those that matter for the decision, then other details.
_REQUEST_FIELDS: Record = {
    "requester": {"email": "", "emails": 0},
    "resources": [],
    "asked_duration": None,
    "asked_until": None,
}
_TRACE_FIELDS: Record = {"request": _REQUEST_FIELDS, "duties": [], "wanted": {}}
_FIELDS: Record = {"call": "", "number": 0, "of": 1, "petitions": [], "whole": False, "trace": {}}
_TRACE_DETAILS: Record = {"rules": [], "other_rules": {}, "limits": [], "providers": []}
_DETAILS: Record = {
    **{name: [] for name in ("resources", "rules", "evidence", "provider_failures")},
    **dict.fromkeys(("resource_count", "milliseconds"), 0),
    "policy": "",
}


def _with_defaults(record: Record) -> dict[str, Any]:
    """Add defaults for the fields that a decision's line lacks.

    If one of them matters for the decision, the record is not whole: it can't be decided again.
    """
    trace = record.get("trace", {})
    request = trace.get("request", {}) if isinstance(trace, dict) else None
    if not isinstance(request, dict):
        return dict(record)  # wrong, not merely older
    parts = ((record, _FIELDS), (trace, _TRACE_FIELDS), (request, _REQUEST_FIELDS))
    completed = {**_DETAILS, **_FIELDS, **record}
    completed["trace"] = {
        **_TRACE_DETAILS,
        **_TRACE_FIELDS,
        **trace,
        "request": {**_REQUEST_FIELDS, **request},
    }
    if any(fields.keys() - part.keys() for part, fields in parts):
        completed["whole"] = False
    if "duties" not in trace:
        completed["trace"]["rules"] = []  # they refer to duties by number
    if "of" not in record and _count(completed["number"]):
        completed["of"] = completed["number"] + 1
    return completed


_OTHER = _fields(
    {**_LINE, "http": _count, "why": _text, "to": _text}, ("timestamp", "http", "why", "to")
)
_FORMS: Mapping[str, _Check] = {
    DECISION: _DECISION,
    **dict.fromkeys((REFUSED, FAILED, NOTICE_FAILED), _OTHER),
}


def _is_record(value: Record) -> bool:
    message = value["message"]
    if not isinstance(message, str):
        return False
    if message not in _FORMS:
        return "outcome" not in value  # probably another program's
    return _FORMS[message](value) and (message != DECISION or _is_consistent(value))


def _is_consistent(record: Record) -> bool:
    """Whether the parts of a decision's record are consistent."""
    duties = len(record["trace"]["duties"])
    rules = record["trace"]["rules"]
    places = (duty["duty"] for rule in rules for duty in rule.get("duties", ()))
    return (
        record["number"] < record["of"]
        and (record["outcome"] == "approve") == (record["duration"] is not None)
        and all(place < duties for place in places)
    )


def duties_of(record: Record, alias: str = OTHER_PERSON) -> tuple[Duty, ...]:
    """Rebuild the requester's duties; `alias` holds those of their other addresses."""
    return _duties(record, record["trace"]["duties"], alias)


def evidence_of(record: Record, alias: str = OTHER_PERSON) -> tuple[Duty, ...]:
    """Rebuild the duties on which an approval is based, as `duties_of` does."""
    return _duties(record, record["evidence"], alias)


def _duties(record: Record, entries: Iterable[Record], alias: str) -> tuple[Duty, ...]:
    email = record["trace"]["request"]["requester"]["email"]
    return tuple(_duty(entry, alias if entry.get("alias") else email) for entry in entries)


def _duty(fields: Record, holder: str) -> Duty:
    texts = ("id", "name", "shortform", "incident", "link", "user")
    return Duty(
        provider=fields["provider"],
        kind=fields["kind"],
        holder=holder,
        level=fields.get("level", 1),
        start=moment_of(fields.get("start")),
        end=moment_of(fields.get("end")),
        endless=fields.get("endless", False),
        reporter=fields.get("reporter", False),
        self_declared=fields.get("self_declared", False),
        severity=tuple(fields.get("severity", ())),
        type=tuple(fields.get("type", ())),
        shared_names=frozenset(fields.get("shared_names", ())),
        ids_elsewhere=frozenset(fields.get("ids_elsewhere", ())),
        **{name: fields.get(name, "") for name in texts},
    )


def moment_of(text: str | None) -> datetime | None:
    """Read an instant of a record."""
    return parse_instant(text) if text else None


def request_of(record: Record) -> Request:
    """Rebuild the request, with stand-ins for other people."""
    request = record["trace"]["request"]
    email, addresses = request["requester"]["email"], request["requester"]["emails"]
    return Request(
        Resource(
            id=record.get("requester_id", ""),
            email=email,
            # Only whether there is more than one matters.
            other_emails=(OTHER_PERSON,) if addresses > bool(email) else (),
        ),
        tuple(_resource(resource, email) for resource in request["resources"]),
        requested_duration=parse_duration(request["asked_duration"] or ""),
        requested_expiry=moment_of(request["asked_until"]),
        unreadable_duration=request.get("unreadable_duration", ""),
        unreadable_expiry=request.get("unreadable_until", ""),
        groups=tuple(record["petitions"]),
        action=request.get("action", ACCESS),
        objection=request.get("objection", ""),
        all_or_nothing=request.get("all_or_nothing", False),
    )


def _resource(resource: Record, requester: str) -> Resource:
    stand_ins = {"requester": requester, "another": OTHER_PERSON}
    email = stand_ins.get(resource["person"], "")
    return Resource(resource["kind"], resource["id"], email, dict(resource["labels"]))
