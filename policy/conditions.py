"""The conditions of a rule, and whether each of its paths needs a duty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from handler.providers.registry import BY_ID
from policy.diagnostics import Placed, nearest, quoted
from policy.fields import ANY, Reader
from policy.yaml_nodes import Fields, Node, Scalar

DUTIES = ("on_call", "incident_role")
LIMITS = ("requester", "requested_duration")
GROUPS = ("any", "all")
ON_CALL_KEYS = ("provider", "schedules", "max_level")
INCIDENT_ROLE_KEYS = ("roles", "severities", "types")
REQUESTER_KEYS = ("emails", "domains")
# The provider whose schedules are reached level by level.
HAS_LEVELS = "pagerduty"
# The provider with roles in incidents.
HAS_ROLES = "incidentio"
_MOST_GROUPS = 2


class Read(NamedTuple):
    """A condition as it is deployed.

    Attributes:
        body: its JSON; empty where it could not be read.
        unproven: where on its paths no duty is needed.
    """

    body: dict[str, Any]
    unproven: tuple[Placed, ...] = ()


def read_condition(node: Node, reader: Reader, *, deny: bool, groups: int = 0) -> Read:
    """Read a condition; `groups` says in how many `any` and `all` it stands."""
    found = reader.entries(node, "a condition")
    if len(found) > 1 and isinstance(node, Fields):
        told = " and ".join(quoted(key.text) for key, _ in found)
        said = f"a condition is one of its kind, and here are {told}"
        reader.error(node, f"{said}: list them under any or all, or mend the indentation")
    if len(found) != 1:
        return Read({})
    ((key, value),) = found
    known = (*GROUPS, *LIMITS) if deny else (*GROUPS, *DUTIES, *LIMITS)
    kind = key.text
    if deny and kind in DUTIES:
        said = f'"{kind}" has no place in a denying rule: an outage of the provider would lift it'
        reader.error(key, f"{said}; {' and '.join(LIMITS)} are allowed there")
    elif kind not in known:
        reader.error(key, f"{quoted(kind)} is no condition{nearest(kind, known)}")
    elif kind in GROUPS:
        return _group(kind, value, key, reader, deny=deny, groups=groups)
    else:
        body = _LEAVES[kind](value, reader)
        return Read({kind: body}, () if kind in DUTIES else (key,))
    return Read({})


def _group(kind: str, value: Node, key: Scalar, reader: Reader, *, deny: bool, groups: int) -> Read:
    if groups == _MOST_GROUPS:
        reader.error(key, "any and all are nested once, not deeper: make two rules of it")
        return Read({})
    members = [
        read_condition(each, reader, deny=deny, groups=groups + 1)
        for each in reader.items(value, kind)
    ]
    body = {kind: [each.body for each in members]}
    if kind == "any" or not members:
        return Read(body, tuple(place for each in members for place in each.unproven))
    proven = any(not each.unproven for each in members)
    return Read(body, () if proven else (key,))


def _on_call(node: Node, reader: Reader) -> dict[str, Any]:
    fields = reader.fields(node, "on_call", ON_CALL_KEYS, ("schedules",))
    body: dict[str, Any] = {}
    if "provider" in fields:
        body["provider"] = read_provider(fields["provider"], reader)
    if "schedules" in fields:
        body["schedules"] = _names(fields["schedules"], "schedules", reader)
    if "max_level" in fields:
        body["max_level"] = reader.whole(fields["max_level"], "max_level")
        # A provider that does not exist has been told already, and reads as "".
        if "provider" not in fields or body["provider"] not in {"", HAS_LEVELS}:
            said = f'"max_level" goes with "provider: {HAS_LEVELS}" only'
            reader.error(fields["max_level"], f"{said}: elsewhere there are no levels")
    return body


def _incident_role(node: Node, reader: Reader) -> dict[str, Any]:
    fields = reader.fields(node, "incident_role", INCIDENT_ROLE_KEYS, ("roles",))
    body: dict[str, Any] = {}
    if "roles" in fields:
        body["roles"] = _names(fields["roles"], "roles", reader)
    for key in ("severities", "types"):
        if key in fields:
            body[key] = _listed(reader.texts(fields[key], key))
    return body


def _requester(node: Node, reader: Reader) -> dict[str, Any]:
    fields = reader.fields(node, "requester", REQUESTER_KEYS)
    body: dict[str, Any] = {}
    if "emails" in fields:
        body["emails"] = _listed(reader.emails(fields["emails"], "emails"))
    if "domains" in fields:
        body["domains"] = reader.domains(fields["domains"], "domains")
    return body


def _requested_duration(node: Node, reader: Reader) -> dict[str, Any]:
    fields = reader.fields(node, "requested_duration", ("up_to",), ("up_to",))
    return {key: reader.duration(value, key) for key, value in fields.items()}


_LEAVES = {
    "on_call": _on_call,
    "incident_role": _incident_role,
    "requester": _requester,
    "requested_duration": _requested_duration,
}


def read_provider(node: Node, reader: Reader) -> str:
    """Read the id of a provider."""
    text = reader.text(node, "provider")
    if text and text not in BY_ID:
        reader.error(node, f"{quoted(text)} is no provider{nearest(text, BY_ID)}")
        return ""
    return text


def providers_of(policy: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the providers, by id, of which a policy that is deployed needs to hear."""
    found: dict[str, None] = {}

    def visit(condition: Mapping[str, Any]) -> None:
        for kind, value in condition.items():
            if kind in GROUPS:
                for each in value:
                    visit(each)
            elif kind == "incident_role":
                found[HAS_ROLES] = None
            elif "provider" in value:
                found[value["provider"]] = None

    for rule in policy["rules"]:
        visit(rule.get("when", {}))
    return tuple(found)


def rules_without_provider(policy: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the rules of a policy that is deployed that name a schedule, and not whose it is."""

    def lacks(condition: Mapping[str, Any]) -> bool:
        return any(
            any(map(lacks, value))
            if kind in GROUPS
            else kind == "on_call" and value["schedules"] != ANY and "provider" not in value
            for kind, value in condition.items()
        )

    return tuple(rule["name"] for rule in policy["rules"] if lacks(rule.get("when", {})))


def _names(node: Node, what: str, reader: Reader) -> list[str] | str:
    """Read names, or `any`, written out."""
    if isinstance(node, Scalar):
        if node.text == ANY:
            return ANY
        said = f'"{what}" is {quoted(node.text)}: a list is needed ([a, b]), or {ANY}'
        reader.error(node, said)
        return []
    return _listed(reader.texts(node, what))


def _listed(found: Sequence[Scalar]) -> list[str]:
    return [each.text for each in found]
