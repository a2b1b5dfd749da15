"""Reads a policy file as it is deployed: JSON that `policy/loader.py` has checked and written.

Anything unexpected is an error, so that nobody is approved by half a policy. `policy/grammar.py`
lists the keys; a test holds this reader to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType

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
from handler.rules.model import LONGEST_APPROVAL, Policy, Rule, Selector, ShiftEnd, digest_of
from handler.typing import Any

Json = dict[str, Any]
_NO_TIME = timedelta(0)
WRITTEN_OUT = "any"
LONGEST_NAME = 100


def read_policy(text: str, *, self_declared: bool = False) -> Policy:
    """Read a policy.

    Raises:
        ShapeError: it is not of the form that `policy/` writes.
    """
    try:
        # Keys are removed as they are read: what is left over is unknown.
        body = json.loads(text)
        rules = tuple(map(_rule, body.pop("rules")))
        aliases = {_address(key): _addresses(own) for key, own in body.pop("aliases").items()}
        identities = _identities(body.pop("identities", {}))
        if body:
            raise _unknown(body)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ShapeError(f"the policy cannot be read ({type(error).__name__}: {error})") from None
    digest = digest_of(f"{self_declared} {text}")
    return Policy(rules, MappingProxyType(aliases), self_declared, digest, identities)


def _identities(body: Json) -> dict[str, dict[str, str]]:
    return {
        (BY_ID[system].name if system in BY_ID else system): {
            _name(name): _email(email) for name, email in people.items()
        }
        for system, people in body.items()
    }


def _name(value: object) -> str:
    name = _text(value)
    if emails.has_at(name):
        raise ValueError("a name of identities has an @")  # it would be somebody else's e-mail
    return name


def _email(value: object) -> str:
    email = _address(value)
    if not emails.is_address(email):
        raise ValueError("an e-mail of identities isn't an address")  # it would match nobody
    return email


# Written out rather than clever: these run for each of hundreds of rules, at a cold start.


def _rule(body: Json) -> Rule:
    rule = Rule(
        _text(body.pop("name")),
        _selector(body.pop("resources")),
        _condition(body.pop("when")) if "when" in body else None,
        _duration(body.pop("duration")) if "duration" in body else _NO_TIME,
        _switch(body, "deny"),
        _shift_end(body.pop("end_with_shift")) if "end_with_shift" in body else None,
        _switch(body, "dry_run"),
    )
    if body:
        raise _unknown(body)
    if len(rule.name) > LONGEST_NAME or emails.may_be_in(rule.name):
        raise ValueError("a rule's name is too long, or has an @")  # it goes into log and claims
    if not rule.deny and (rule.when is None or not rule.duration):
        raise ValueError("an approving rule has no condition or no duration")
    if not rule.deny and rule.resources.is_by_action_alone:
        raise ValueError("an approving rule opens everything to an action")
    if rule.duration > LONGEST_APPROVAL:
        raise ValueError(f"a rule's duration is over {in_words(LONGEST_APPROVAL)}")
    return rule


def _selector(body: Json | str) -> Selector:
    if body == WRITTEN_OUT:
        return Selector()
    if isinstance(body, str):
        raise ValueError(f"{body!r} selects nothing")  # noqa: TRY004 - caught with the others
    if not body.keys():  # nothing is read as an empty value, which would select everything
        raise ValueError("a selector selects nothing")
    selector = Selector(
        _texts(body.pop("kinds")) if "kinds" in body else (),
        _texts(body.pop("ids")) if "ids" in body else (),
        _labels(body.pop("labels")) if "labels" in body else (),
        _texts(body.pop("actions")) if "actions" in body else (),
    )
    if body:
        raise _unknown(body)
    return selector


def _labels(value: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if not value:
        raise ValueError("a selector names no label")
    _texts([*value, *value.values()])
    return tuple(value.items())


def _shift_end(body: Json) -> ShiftEnd:
    end = ShiftEnd(
        _duration(body.pop("grace")) if "grace" in body else _NO_TIME,
        _duration(body.pop("without_end")) if "without_end" in body else None,
    )
    if body:
        raise _unknown(body)
    return end


def _condition(body: Json) -> Condition:
    ((kind, value),) = body.items()
    condition: Condition
    match kind:
        case "any" | "all":
            members = tuple(map(_condition, value))
            if not members:
                raise ValueError(f"{kind} is empty")
            return AnyOf(members) if kind == "any" else AllOf(members)
        case "on_call":
            condition = OnCall(
                _names(value.pop("schedules")),
                _provider(value.pop("provider")) if "provider" in value else "",
                _whole(value.pop("max_level")) if "max_level" in value else 1,
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
            if condition == Requester():
                raise ValueError("a requester is nobody")
        case "requested_duration":
            condition = RequestedDuration(_duration(value.pop("up_to")))
        case _:
            raise ValueError(f"{kind} isn't a condition")
    if value:
        raise _unknown(value)
    return condition


def _unknown(body: Json) -> ValueError:
    return ValueError(f"nothing is called {', '.join(body)}")


def _names(value: object) -> tuple[str, ...] | None:
    return ANY if value == WRITTEN_OUT else _texts(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("a list names nothing")
    for text in value:
        if type(text) is not str or not text:  # nearly all are: a call for each would cost more
            _text(text)
    return tuple(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} isn't a text")
    return value


def _addresses(value: object) -> tuple[str, ...]:
    return tuple(map(_address, _texts(value)))


def _address(value: object) -> str:
    return _text(emails.normal(value))


def _provider(value: str) -> str:
    return BY_ID[value].name


def _switch(body: Json, key: str) -> bool:
    value = body.pop(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key} is neither true nor false")  # noqa: TRY004 - caught with the others
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} isn't a whole number")
    return value


@lru_cache(maxsize=64)  # hundreds of rules have few of them
def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration is None or duration < timedelta(0):
        raise ValueError(f"{text!r} isn't a duration")
    return duration
