"""What is allowed in a policy, and seldom meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from handler import emails
from handler.providers.registry import PROVIDERS
from handler.rules.model import Policy
from policy.diagnostics import Problems, quoted
from policy.fields import ANY
from policy.open_rules import open_rules
from policy.yaml_nodes import Line

Json = Mapping[str, Any]


def note(body: Json, policy: Policy, lines: Mapping[str, int], problems: Problems) -> None:
    """Warn of each rule that is doubtful; the body has no errors, and `policy` is what it says."""
    rules = body["rules"]
    theirs = {emails.normal(each) for values in body["aliases"].values() for each in values}
    for rule in rules:
        at, name = Line(lines[rule["name"]]), quoted(rule["name"])
        selector = rule["resources"]
        if not rule.get("deny") and selector != ANY and selector.keys() == {"labels"}:
            said = f"{name} opens whatever carries these labels, of any kind and id"
            problems.warn(at, f"{said}: labels are as trustworthy as who sets them")
        if "without_end" not in rule.get("end_with_shift", {"without_end": ""}) and _uses_roles(
            rule["when"]
        ):
            said = f"{name} ends with the shift, and a role has no end: roles count only if"
            problems.warn(at, f"{said} end_with_shift says without_end, such as 1h")
        if other := next((each for each in rules if _shuts(each, rule)), None):
            said = f"{name} never approves: {quoted(other['name'])} denies all that it is for"
            problems.warn(at, said)
        if theirs & {emails.normal(each) for each in _requesters(rule.get("when", {}))}:
            said = f"{name} names a requester by an alias's value, with which nobody requests"
            problems.warn(at, f"{said}: name the alias's key")
    for each in open_rules(policy, [provider.name for provider in PROVIDERS]):
        if not each.labels:  # of labels alone it is told already
            at, name = Line(lines[each.rule]), quoted(each.rule)
            problems.warn(at, f"by {name}, {each.told()}: {each.remedy}")


def _shuts(one: Json, other: Json) -> bool:
    """Whether a rule denies, always, whatever another one is for."""
    if not one.get("deny") or "when" in one or other.get("deny"):
        return False
    wide, narrow = one["resources"], other["resources"]
    if ANY in (wide, narrow):
        return bool(wide == ANY)
    labels = wide.get("labels", {}).items() <= narrow.get("labels", {}).items()
    return labels and all(
        key not in wide or set(narrow.get(key, [""])) <= set(wide[key]) for key in ("kinds", "ids")
    )


def _uses_roles(condition: Json) -> bool:
    return "incident_role" in condition or any(
        _uses_roles(each) for key in ("any", "all") for each in condition.get(key, ())
    )


def _requesters(condition: Json) -> Iterator[str]:
    for kind, value in condition.items():
        if kind in {"any", "all"}:
            for each in value:
                yield from _requesters(each)
        elif kind == "requester":
            yield from value.get("emails", ())
