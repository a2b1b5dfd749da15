"""Reading a policy file in the form in which it is deployed: JSON that `policy/` has checked.

Whatever is not as expected is an error, so that nobody is approved by half a policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from handler import emails
from handler.conditions import (
    ANY,
    AllOf,
    AnyOf,
    Condition,
    IncidentRole,
    OnCall,
    RequestedDuration,
    Requester,
)
from handler.durations import parse_go
from handler.policy import Policy, Rule, Selector, ShiftEnd
from handler.providers import BY_ID
from handler.shapes import ShapeError

Json = Mapping[str, Any]
WRITTEN_OUT = "any"
LONGEST_NAME = 100


def read_policy(body: Json, *, self_declared: bool = False) -> Policy:
    """Read a policy.

    Raises:
        ShapeError: it is not of the form that `policy/` writes.
    """
    try:
        rules = tuple(_rule(each) for each in body["rules"])
        aliases = {
            emails.normal(key): _addresses(values) for key, values in body["aliases"].items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ShapeError(f"the policy cannot be read ({type(error).__name__}: {error})") from None
    return Policy(rules, MappingProxyType(aliases), self_declared)


def _rule(body: Json) -> Rule:
    body = dict(body)
    rule = Rule(
        name=body.pop("name"),
        resources=_selector(body.pop("resources")),
        when=_condition(body.pop("when")) if "when" in body else None,
        duration=_duration(body.pop("duration")) if "duration" in body else timedelta(0),
        deny=body.pop("deny", False) is True,
        shift_end=_shift_end(body.pop("end_with_shift")) if "end_with_shift" in body else None,
        dry_run=body.pop("dry_run", False) is True,
    )
    _nothing_else(body)
    if len(rule.name) > LONGEST_NAME or "@" in rule.name:
        raise ValueError("a rule's name is too long, or has an @")  # it goes into log and claims
    if not rule.deny and not (rule.when and rule.duration):
        raise ValueError("an approving rule has no condition or no duration")
    return rule


def _selector(body: Json | str) -> Selector:
    if body == WRITTEN_OUT:
        return Selector()
    body = dict(body)  # type: ignore[arg-type]  # another text raises
    selector = Selector(
        tuple(body.pop("kinds", ())),
        tuple(body.pop("ids", ())),
        tuple(body.pop("labels", {}).items()),
    )
    _nothing_else(body)
    if not any(selector):
        raise ValueError("a selector selects nothing")
    return selector


def _condition(body: Json) -> Condition:
    ((kind, value),) = body.items()
    if kind in {"any", "all"}:
        members = tuple(_condition(each) for each in value)
        if not members:
            raise ValueError(f"{kind} is empty")
        return AnyOf(members) if kind == "any" else AllOf(members)
    value = dict(value)
    condition: Condition
    match kind:
        case "on_call":
            provider = value.pop("provider", "")
            condition = OnCall(
                _names(value.pop("schedules")),
                BY_ID[provider].name if provider else "",
                value.pop("max_level", 1),
            )
        case "incident_role":
            condition = IncidentRole(
                _names(value.pop("roles")),
                tuple(value.pop("severities", ())),
                tuple(value.pop("types", ())),
            )
        case "requester":
            domains = tuple(emails.normal(each) for each in value.pop("domains", ()))
            condition = Requester(_addresses(value.pop("emails", ())), domains)
        case "requested_duration":
            condition = RequestedDuration(_duration(value.pop("up_to")))
        case _:
            raise ValueError(f"{kind} is no condition")
    _nothing_else(value)
    return condition


def _names(value: list[str] | str) -> tuple[str, ...] | None:
    if value == WRITTEN_OUT:
        return ANY
    if not isinstance(value, list) or not value:
        raise ValueError("a list names nothing")
    return tuple(value)


def _addresses(values: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(emails.normal, values))


def _shift_end(body: Json) -> ShiftEnd:
    body = dict(body)
    grace, without_end = body.pop("grace", None), body.pop("without_end", None)
    _nothing_else(body)
    return ShiftEnd(
        _duration(grace) if grace else timedelta(0),
        _duration(without_end) if without_end else None,
    )


def _duration(text: str) -> timedelta:
    duration = parse_go(text)
    if duration is None or duration < timedelta(0):
        raise ValueError(f"{text!r} is no duration")
    return duration


def _nothing_else(body: Json) -> None:
    if body:
        raise ValueError(f"nothing is called {', '.join(body)}")
