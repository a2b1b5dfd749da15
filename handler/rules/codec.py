"""Reading a policy file in the form in which it is deployed: JSON that `policy/` has checked.

Whatever is not as expected is an error, so that nobody is approved by half a policy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from handler import emails
from handler.durations import in_words, parse_duration
from handler.json_fields import ShapeError
from handler.providers.registry import BY_ID
from handler.rules.conditions import (
    ANY,
    AllOf,
    AnyOf,
    Condition,
    IncidentRole,
    OnCall,
    RequestedDuration,
    Requester,
)
from handler.rules.model import Policy, Rule, Selector, ShiftEnd, digest_of
from handler.setting_parsers import LONGEST_APPROVAL

Json = dict[str, Any]
WRITTEN_OUT = "any"
LONGEST_NAME = 100


def read_policy(text: str, *, self_declared: bool = False) -> Policy:
    """Read a policy.

    Raises:
        ShapeError: it is not of the form that `policy/` writes.
    """
    try:
        # Taken apart as it is read, so that what is left over is what nobody asked for.
        body = json.loads(text)
        rules = tuple(map(_rule, body.pop("rules")))
        aliases = {_address(key): _addresses(each) for key, each in body.pop("aliases").items()}
        _nothing_else(body)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ShapeError(f"the policy cannot be read ({type(error).__name__}: {error})") from None
    # Many times as quick as the representation of so many values.
    return Policy(
        rules, MappingProxyType(aliases), self_declared, digest_of(f"{self_declared} {text}")
    )


def _rule(body: Json) -> Rule:
    rule = Rule(
        name=_text(body.pop("name")),
        resources=_selector(body.pop("resources")),
        when=_condition(body.pop("when")) if "when" in body else None,
        duration=_duration(body.pop("duration")) if "duration" in body else timedelta(0),
        deny=_switch(body, "deny"),
        shift_end=_shift_end(body.pop("end_with_shift")) if "end_with_shift" in body else None,
        dry_run=_switch(body, "dry_run"),
    )
    _nothing_else(body)
    if len(rule.name) > LONGEST_NAME or emails.may_be_in(rule.name):
        raise ValueError("a rule's name is too long, or has an @")  # it goes into log and claims
    if not rule.deny and not (rule.when and rule.duration):
        raise ValueError("an approving rule has no condition or no duration")
    if rule.duration > LONGEST_APPROVAL:
        raise ValueError(f"a rule's duration is over {in_words(LONGEST_APPROVAL)}")
    return rule


def _selector(body: Json | str) -> Selector:
    if body == WRITTEN_OUT:
        return Selector()
    if isinstance(body, str):
        raise ValueError(f"{body!r} selects nothing")  # noqa: TRY004 - caught with the others
    selector = Selector(
        _texts(body.pop("kinds")) if "kinds" in body else (),
        _texts(body.pop("ids")) if "ids" in body else (),
        _labels(body.pop("labels")) if "labels" in body else (),
    )
    _nothing_else(body)
    if not any(selector):
        raise ValueError("a selector selects nothing")
    return selector


def _labels(value: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    if not value:
        raise ValueError("a selector names no label")
    _texts([*value, *value.values()])
    return tuple(value.items())  # type: ignore[arg-type]  # they are texts


def _condition(body: Json) -> Condition:
    ((kind, value),) = body.items()
    if kind in {"any", "all"}:
        members = tuple(_condition(each) for each in value)
        if not members:
            raise ValueError(f"{kind} is empty")
        return AnyOf(members) if kind == "any" else AllOf(members)
    condition: Condition
    match kind:
        case "on_call":
            condition = OnCall(
                _names(value.pop("schedules")),
                BY_ID[value.pop("provider")].name if "provider" in value else "",
                _whole(value.pop("max_level", 1)),
            )
        case "incident_role":
            condition = IncidentRole(
                _names(value.pop("roles")),
                _texts(value.pop("severities")) if "severities" in value else (),
                _texts(value.pop("types")) if "types" in value else (),
            )
        case "requester":
            condition = Requester(
                _addresses(value.pop("emails")) if "emails" in value else (),
                _addresses(value.pop("domains")) if "domains" in value else (),
            )
            if not any(condition):
                raise ValueError("a requester is nobody")
        case "requested_duration":
            condition = RequestedDuration(_duration(value.pop("up_to")))
        case _:
            raise ValueError(f"{kind} is no condition")
    _nothing_else(value)
    return condition


def _names(value: object) -> tuple[str, ...] | None:
    return ANY if value == WRITTEN_OUT else _texts(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("a list names nothing")
    for each in value:
        if type(each) is not str or not each:  # nearly all are: a call for each would cost more
            _text(each)
    return tuple(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no text")
    return value


def _addresses(value: object) -> tuple[str, ...]:
    return tuple(map(_address, _texts(value)))


def _address(value: object) -> str:
    return _text(emails.normal(value))


def _switch(body: dict[str, Any], key: str) -> bool:
    value = body.pop(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key} is neither true nor false")  # noqa: TRY004 - caught with the others
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is no whole number")
    return value


def _shift_end(body: Json) -> ShiftEnd:
    end = ShiftEnd(
        _duration(body.pop("grace")) if "grace" in body else timedelta(0),
        _duration(body.pop("without_end")) if "without_end" in body else None,
    )
    _nothing_else(body)
    return end


@lru_cache(maxsize=64)  # hundreds of rules have few of them
def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration is None or duration < timedelta(0):
        raise ValueError(f"{text!r} isn't a duration")
    return duration


def _nothing_else(body: Json) -> None:
    if body:
        raise ValueError(f"nothing is called {', '.join(body)}")
