"""Reads the decision tables in `decisions/`: policies, duties, and expected outcomes.

A file holds one table or several, each a YAML document:

    about:          what the rows show
    policy:         in its deployed form; or `settings`, for the default rule
    self_declared:  whether self-declared incidents count (INCIDENTIO_APPROVE_SELF_DECLARED)
    duties:         the duties that rows use, by name
    who, asks_for:  the default requester and resource of rows
    odd:            `policy/` refuses this policy, so only the handler guards against it
    rows:           each has a title, a request, duties and the expected outcome

By default Jane asks for a database at 12:00, and shifts run from 08:00 to 20:00.
A row may have an `action`; `called`, instead of `who`, is a caller's name for the requester. A
duty with a `user` id has no e-mail unless it also has `who`.
An unknown key is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from handler import emails
from handler.callers.indent import DURATION, EXPIRES, PETITION, read_request
from handler.durations import parse_duration, parse_instant
from handler.duty import INCIDENT_ROLE, INCIDENT_UPDATE, ON_CALL, Duty
from handler.providers.registry import BY_ID
from handler.request import ACCESS, Request, Resource
from handler.rules.codec import read_policy
from handler.rules.model import Policy, policy_from_settings
from handler.setting_parsers import parse_shift_end

FOLDER = Path(__file__).parent / "decisions"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
JANE, DATABASE = "jane@example.com", "postgres.v1.Role:prod-db"

TABLE = ("about", "policy", "settings", "self_declared", "duties", "who", "asks_for", "rows", "odd")
ASKS = ("who", "called", "asks_for", "action", "duration", "until", "labels", "petition")
OUTCOME = ("approved", "left_to_humans", "asks_on")
APPROVED = ("for", "by", "on", "because", "reason")
WHICH = (
    *("schedule", "role", "update", "id", "shortform", "shares", "provider", "who"),
    *("id_elsewhere", "user", "inactive"),
)
SHIFT = ("level", "from", "until", "endless")
INCIDENT = ("incident", "severity", "type", "reporter", "declared_by", "self_declared")


class Expected(NamedTuple):
    """The expected outcome of a request.

    Attributes:
        duration: how long access is granted; None if it isn't.
        rules: the approving rules.
        evidence: the approving duties; None skips the check.
        why: what limits the duration ("" skips the check), or why humans decide.
        reason: the claim's reason; "" skips the check.
        asks_on: whether more facts could change it; None if that follows from the rest.
    """

    duration: timedelta | None
    rules: tuple[str, ...]
    evidence: tuple[Duty, ...] | None
    why: str
    reason: str
    asks_on: bool | None


class Row(NamedTuple):
    """One row: one or more requests, and the expected outcome of each."""

    name: str
    requests: tuple[Request, ...]
    duties: tuple[Duty, ...]
    expected: tuple[Expected, ...]


class Table(NamedTuple):
    """One table.

    Attributes:
        name: the file's name, with the number of the document.
        body: the policy as written; None for the default rule.
        settings: the settings that make the default rule.
        self_declared: whether self-declared incidents count.
        odd: whether `policy/` refuses this policy, so that only the handler guards against it.
    """

    name: str
    body: Mapping[str, Any] | None
    settings: Mapping[str, Any]
    self_declared: bool
    odd: bool
    rows: tuple[Row, ...]

    def policy(self) -> Policy:
        """Read the policy anew for each row, since reading it is tested as well."""
        if self.body is None:
            return _from_settings(self.settings)
        return _policy_of(self.body, self_declared=self.self_declared)


def _policy_of(body: Mapping[str, Any], *, self_declared: bool = False) -> Policy:
    """Read a policy; identities that are e-mails, which the codec refuses, are added after that."""
    fields = {"aliases": {}, **body}
    named = fields.get("identities", {})
    if not any("@" in name for names in named.values() for name in names):
        return read_policy(json.dumps(fields), self_declared=self_declared)
    del fields["identities"]
    identities = {
        caller: {name: emails.normal(email) for name, email in names.items()}
        for caller, names in named.items()
    }
    policy = read_policy(json.dumps(fields), self_declared=self_declared)
    return policy._replace(identities=identities)


def read_tables() -> Iterator[Table]:
    """Read every file."""
    for file in sorted(FOLDER.glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        # Rows are read as texts (`12:30`), but the policy with its numbers and switches.
        texts = yaml.load_all(text, yaml.CBaseLoader)
        typed = yaml.load_all(text, yaml.CSafeLoader)
        for number, (fields, values) in enumerate(zip(texts, typed, strict=True), 1):
            yield _Reader(fields, values).table(f"{file.stem} {number}")


class _Reader:
    """Reads one document."""

    def __init__(self, fields: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._table = _only(fields, TABLE)
        self._values = values
        self._duties = {name: _duty(duty) for name, duty in fields.get("duties", {}).items()}

    def table(self, name: str) -> Table:
        """Read the whole of it."""
        values = self._values
        rows = tuple(map(self._row, self._table["rows"]))
        assert len({row.name for row in rows}) == len(rows), "two rows have one name"
        assert self._table["about"]
        return Table(
            name,
            values.get("policy"),
            self._table.get("settings", {}),
            bool(values.get("self_declared", False)),
            bool(values.get("odd")),
            rows,
        )

    def _row(self, fields: Mapping[str, Any]) -> Row:
        asks = fields.get("requests", [fields])
        _only(
            fields,
            ("row", "duties", *(("requests",) if "requests" in fields else (*ASKS, *OUTCOME))),
        )
        duties = fields.get("duties", [])
        own = tuple(self._duties[duty] if isinstance(duty, str) else _duty(duty) for duty in duties)
        return Row(
            fields["row"],
            tuple(map(self._request, asks)),
            own,
            tuple(self._expected(ask, own) for ask in asks),
        )

    def _request(self, fields: Mapping[str, Any]) -> Request:
        if fields.get("row") is None:
            _only(fields, (*ASKS, *OUTCOME))
        asked = fields.get("asks_for", self._table.get("asks_for", DATABASE))
        labels = dict(fields.get("labels", {}))
        for key, label in (("duration", DURATION), ("petition", PETITION[0])):
            if key in fields:
                labels[label] = fields[key]
        if "until" in fields:
            labels[EXPIRES] = _instant_text(fields["until"])
        who = fields.get("who", self._table.get("who", JANE))
        if "called" in fields:
            ((caller, name),) = fields["called"].items()
            who = _policy_of(self._values["policy"]).email_of(caller, name)
        person = {"email": who} if isinstance(who, str) else who
        return read_request(
            _resource({"kind": "slack/user", "id": "U1", **person}),
            tuple(map(_resource, asked if isinstance(asked, list) else [asked])),
            labels,
        )._replace(action=fields.get("action", ACCESS))

    def _expected(self, fields: Mapping[str, Any], own: tuple[Duty, ...]) -> Expected:
        asks_on = {"true": True, "false": False}[fields["asks_on"]] if "asks_on" in fields else None
        if "left_to_humans" in fields:
            assert "approved" not in fields, fields
            return Expected(None, (), (), fields["left_to_humans"], "", asks_on)
        approved = _only(fields["approved"], APPROVED)
        on: tuple[Duty, ...] | None = own if len(own) == 1 else None
        if "on" in approved:
            on = tuple(self._duties[name] for name in _listed(approved["on"]))
        duration = parse_duration(approved["for"])
        assert duration, approved["for"]
        rules = tuple(_listed(approved.get("by", [""])))
        why, reason = approved.get("because", ""), approved.get("reason", "")
        return Expected(duration, rules, on, why, reason, asks_on)


def _duty(fields: Mapping[str, Any]) -> Duty:
    _only(fields, (*WHICH, *SHIFT, *INCIDENT))
    kinds = {"schedule": ON_CALL, "role": INCIDENT_ROLE, "update": INCIDENT_UPDATE}
    ((key, kind),) = ((key, kind) for key, kind in kinds.items() if key in fields)
    shift = kind == ON_CALL
    until = fields.get("until", "20:00" if shift else "none")
    name = "" if kind == INCIDENT_UPDATE else fields[key]
    return Duty(
        BY_ID[fields.get("provider", "pagerduty" if shift else "incidentio")].name,
        kind,
        fields.get("id", f"id of {name}"),
        name,
        emails.normal(fields.get("who", "" if "user" in fields else JANE)),
        shortform=fields.get("shortform", ""),
        level=int(fields.get("level", "1")),
        start=_instant(fields.get("from", "08:00")) if shift else None,
        end=None if until in {"never", "unread", "none"} else _instant(until),
        endless=until == "never" or fields.get("endless") == "true",
        incident="" if shift else fields.get("incident", "INC-42"),
        reporter=fields.get("reporter") == "true",
        severity=tuple(_listed(fields.get("severity", []))),
        type=tuple(_listed(fields.get("type", []))),
        self_declared=fields.get("self_declared") == "true",
        declarers=frozenset(_listed(fields.get("declared_by", []))),
        shared_names=frozenset(_listed(fields.get("shares", []))),
        ids_elsewhere=frozenset(_listed(fields.get("id_elsewhere", []))),
        user=fields.get("user", ""),
        inactive=fields.get("inactive") == "true",
    )


def _resource(fields: str | Mapping[str, Any]) -> Resource:
    if isinstance(fields, str):
        kind, _, id_ = fields.partition(":")
        return Resource(kind, id_)
    return Resource(**_only(fields, ("kind", "id", "email", "labels")))


def _from_settings(fields: Mapping[str, Any]) -> Policy:
    lists, switches = ("schedules", "incident_roles"), ("participants", "self_declared")
    _only(fields, ("duration", "resource_labels", "end_with_shift", *lists, *switches))
    settings: dict[str, Any] = {key: tuple(fields.get(key, ())) for key in lists}
    settings |= {key: fields.get(key) == "true" for key in switches}
    settings["resource_labels"] = tuple(fields.get("resource_labels", {}).items())
    settings["shift_end"] = parse_shift_end("end_with_shift", fields.get("end_with_shift", ""))
    duration = parse_duration(fields.get("duration", "6h"))
    assert duration
    return policy_from_settings(duration, **settings)


def _instant(text: str) -> datetime:
    """Read an instant, or a time of the tables' day."""
    moment = parse_instant(_instant_text(text))
    assert moment, text
    return moment


def _instant_text(text: str) -> str:
    seconds = {5: ":00Z", 8: "Z"}
    return f"{NOW.date()}T{text}{seconds[len(text)]}" if len(text) in seconds else text


def _listed(value: Any) -> list[str]:  # noqa: ANN401 - a text or a list of them
    return [value] if isinstance(value, str) else value


def _only(fields: Any, keys: tuple[str, ...]) -> Any:  # noqa: ANN401 - a mapping
    """Refuse unknown keys: a misspelt key would make a row that checks nothing."""
    assert isinstance(fields, dict), fields
    assert fields.keys() <= set(keys), f"{fields.keys() - set(keys)} is none of {keys}"
    return fields
