"""The cases of the scenario's levels Basic Core, Batch Core and Discovery, by their sections.

Source: `certification/authorization-api-1_0-scenario.md` of openid/authzen, 2026-06-25.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

from handler.callers import EVALUATION, EVALUATIONS
from tests.handler.authzen_schema import ANSWER_SCHEMA

Json: TypeAlias = Mapping[str, Any]
JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Answer:
    """An answer; header names are in lower case, and `body` is None if it isn't JSON."""

    http: int
    headers: Mapping[str, str]
    body: Any


Check: TypeAlias = Callable[[Answer], bool]


@dataclass(frozen=True)
class Case:
    """One case: what is sent where, and a check of the answer."""

    section: str
    title: str
    check: Check
    body: object = ""
    path: str = EVALUATION
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def payload(self) -> bytes:
        """The body as it is sent."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def subject(id_: str, **properties: object) -> Json:
    """A user of the fixture."""
    return {"type": "user", "id": id_, **({"properties": properties} if properties else {})}


def action(name: str, **properties: object) -> Json:
    """An action of the fixture."""
    return {"name": name, **({"properties": properties} if properties else {})}


def record(id_: str, **properties: object) -> Json:
    """A record of the fixture."""
    return {"type": "record", "id": id_, **({"properties": properties} if properties else {})}


def ask(who: Json, what: Json, which: Json, **more: object) -> dict[str, object]:
    """Make a question."""
    return {"subject": who, "action": what, "resource": which, **more}


def decides(wanted: str) -> Check:
    """Check that the answer is one decision, and the wanted one if the fixture gives it."""
    return lambda answer: _is_json(answer) and _is_as(wanted, answer.body)


def decides_all(*wanted: str) -> Check:
    """Check that the answer has these decisions, in order."""

    def check(answer: Answer) -> bool:
        items = answer.body.get("evaluations") if isinstance(answer.body, dict) else None
        right = isinstance(items, list) and len(items) == len(wanted)
        return _is_json(answer) and right and all(map(_is_as, wanted, items or ()))

    return check


def _is_json(answer: Answer) -> bool:
    """Whether it is a success as in section 5."""
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    return answer.http == HTTPStatus.OK and media_type == JSON_TYPE


def _is_as(wanted: str, value: Any) -> bool:  # noqa: ANN401 - whatever came
    """Whether the schema accepts an answer (section 2.3), and it is the wanted one, or any is."""
    return ANSWER_SCHEMA.is_valid(value) and wanted in {"any", "yes" if value["decision"] else "no"}


def refused(http: int) -> Check:
    """Check that the answer has this status and no decision."""
    return lambda answer: answer.http == http and "decision" not in (answer.body or {})


def explains_second(answer: Answer) -> bool:
    """Whether the second item is a no with its error."""
    return decides_all("yes", "no")(answer) and bool(answer.body["evaluations"][1].get("context"))


ALICE, BOB, READ, WRITE = subject("alice"), subject("bob"), action("read"), action("write")
ONE, TWO = record("record-1"), record("record-2")
QUESTION = ask(ALICE, READ, ONE)
WHEN = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
RICH = ask(
    subject("alice", department="Sales", role="manager"),
    action("read", method="GET"),
    record("record-1", status="active", owner="bob"),
)


def without(name: str, part: str = "") -> dict[str, object]:
    """Leave a field of the question out, or one of its parts."""
    if not part:
        return {key: value for key, value in QUESTION.items() if key != name}
    parts = {key: value for key, value in dict(QUESTION[name]).items() if key != part}  # type: ignore[call-overload]
    return {**QUESTION, name: parts}


def batch(section: str, title: str, check: Check, *items: Json, **fields: object) -> Case:
    """Make a case of a batch."""
    return Case(section, title, check, {**fields, "evaluations": list(items)}, EVALUATIONS)


BASIC: Sequence[Case] = (
    Case("2.2.1", "alice reads record-1", decides("yes"), QUESTION),
    Case("2.2.2", "bob may not write record-1", decides("no"), ask(BOB, WRITE, ONE)),
    Case("2.2.3", "a context", decides("yes"), {**QUESTION, "context": WHEN}),
    Case("2.2.8", "properties everywhere", decides("yes"), RICH),
    Case(
        *("2.2.9", "unknown fields", decides("yes")),
        {**QUESTION, "foo": "bar", "futureField": {"nested": True}},
    ),
    Case("1.4", "fixture: alice writes record-1", decides("yes"), ask(ALICE, WRITE, ONE)),
    Case("1.4", "fixture: bob reads record-1", decides("yes"), ask(BOB, READ, ONE)),
    *(Case("2.4.1", f"no {name}", refused(400), without(name)) for name in QUESTION),
    *(
        Case("2.4.2", f"no {name}.{part}", refused(400), without(name, part))
        for name, part in (
            *(("subject", "type"), ("subject", "id"), ("action", "name")),
            *(("resource", "type"), ("resource", "id")),
        )
    ),
    Case(
        *("2.4.3", "another Content-Type", refused(400), QUESTION),
        headers={"Content-Type": "text/plain"},
    ),
    Case("2.4.4", "broken JSON", refused(400), '{"subject": {'),
    Case("2.4.5", "an empty body", refused(400), ""),
    Case("2.4.6", "subject is a string", refused(400), {**QUESTION, "subject": "alice"}),
    Case("2.4.6", "action.name is a number", refused(400), {**QUESTION, "action": {"name": 123}}),
    Case(
        *("2.5.1", "X-Request-ID comes back"),
        lambda answer: decides("yes")(answer) and answer.headers.get("x-request-id") == "req-1",
        QUESTION,
        headers={"X-Request-ID": "req-1"},
    ),
    Case(
        *("2.5.1", "X-Request-ID comes back with an error"),
        lambda answer: refused(400)(answer) and answer.headers.get("x-request-id") == "req-2",
        "{",
        headers={"X-Request-ID": "req-2"},
    ),
    Case("2.5.2", "no X-Request-ID", decides("yes"), QUESTION),
    Case("2.6", "the same question again", decides("yes"), QUESTION),
    Case("ours", "no token", refused(401), QUESTION, headers={"Authorization": ""}),
)
BATCH: Sequence[Case] = (
    batch(
        *("3.2.1", "one subject and action, two resources", decides_all("any", "any")),
        *({"resource": ONE}, {"resource": TWO}),
        subject=ALICE,
        action=READ,
    ),
    batch(
        *("3.2.2", "one subject and resource, two actions", decides_all("yes", "no")),
        *({"action": READ}, {"action": WRITE}),
        subject=BOB,
        resource=ONE,
    ),
    batch(
        *("3.2.5", "items that are whole", decides_all("yes", "no")),
        *(ask(ALICE, READ, ONE), ask(BOB, WRITE, ONE)),
    ),
    batch(
        *("3.2.6", "a context that is inherited", decides_all("any", "any")),
        *({"resource": ONE}, {"resource": TWO}),
        subject=ALICE,
        action=READ,
        context=WHEN,
    ),
    batch(
        *("3.3", "as many answers, in order", decides_all("yes", "no", "yes")),
        *({"action": READ}, {"action": WRITE}, {"action": READ}),
        subject=BOB,
        resource=ONE,
    ),
    batch(
        *("3.4.1", "an item that is not whole", explains_second),
        *({"resource": ONE}, {}),
        subject=ALICE,
        action=READ,
        options={"evaluations_semantic": "execute_all"},
    ),
    Case("3.4.2", "no evaluations", decides("yes"), QUESTION, EVALUATIONS),
    batch("3.4.3", "empty evaluations", decides("yes"), **QUESTION),
)
