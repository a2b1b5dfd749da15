"""From a policy file to the JSON that is deployed, which `handler/rules/codec.py` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from handler import emails
from handler.audit import MOST_RULES
from handler.json_fields import ShapeError
from handler.rules.codec import read_policy
from handler.rules.model import LONGEST_GRACE
from policy import lint
from policy.conditions import read_condition
from policy.diagnostics import Problem, Problems, quoted
from policy.fields import ANY, MOST_CHARACTERS, Reader
from policy.spelling import look_of
from policy.yaml_nodes import Fields, Items, Line, Node, Scalar, read_tree

POLICY_KEYS = ("rules", "aliases")
GRANT_KEYS = ("duration", "end_with_shift", "dry_run")
RULE_KEYS = ("name", "resources", "when", *GRANT_KEYS, "deny")
RESOURCE_KEYS = ("kinds", "ids", "labels")
SHIFT_KEYS = ("grace", "without_end")
_NO_LINES: Mapping[str, int] = MappingProxyType({})


class Loaded(NamedTuple):
    """A policy file that was read.

    Attributes:
        body: what is deployed; empty where there are errors.
        errors, warnings: what is wrong with the file, and what is doubtful, by line.
        lines: where each rule stands, by its name.
    """

    body: Mapping[str, Any]
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    lines: Mapping[str, int] = _NO_LINES

    @property
    def json(self) -> str:
        """What is deployed, as text: the same policy gives the same one, comments or not."""
        return _text(self.body)


def load(data: bytes) -> Loaded:
    """Read a policy file, whatever it holds."""
    problems = Problems()
    tree = read_tree(data, problems)
    if tree is None:
        return Loaded({}, problems.errors)
    reader = Reader(problems)
    found = reader.fields(tree, "a policy", POLICY_KEYS, ("rules",))
    rules = _rules(found["rules"], reader) if "rules" in found else []
    aliases = _aliases(found["aliases"], reader) if "aliases" in found else {}
    lines = {rule["name"]: line for rule, line in rules}
    body = {"rules": [rule for rule, _ in rules], "aliases": aliases}
    if not problems.errors:
        # The function's own reader has the last word.
        try:
            policy = read_policy(_text(body))
        except ShapeError as error:
            problems.error(Line(1), str(error))
    if problems.errors:
        return Loaded({}, problems.errors, problems.warnings, MappingProxyType(lines))
    lint.note(body, policy, lines, problems)
    return Loaded(body, (), problems.warnings, MappingProxyType(lines))


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))


def _rules(node: Node, reader: Reader) -> list[tuple[dict[str, Any], int]]:
    items = reader.items(node, "rules")
    if len(items) > MOST_RULES:
        said = f"there are {len(items)} rules: the log holds {MOST_RULES} of them at most"
        reader.error(items[MOST_RULES], said)
    rules: list[tuple[dict[str, Any], int]] = []
    named: dict[str, Node] = {}
    for each in items:
        rule = _rule(each, reader)
        name = rule.get("name", "")
        if name and (first := named.setdefault(look_of(name), each)) is not each:
            said = f"the name {quoted(name)} is taken by the rule of line {first.line}"
            reader.error(each, f"{said}: the log tells rules by their names")
        rules.append(({"name": "", **rule}, each.line))
    return rules


def _rule(node: Node, reader: Reader) -> dict[str, Any]:
    found = reader.fields(node, "a rule", RULE_KEYS, ("name", "resources"))
    rule: dict[str, Any] = {}
    if "name" in found:
        rule["name"] = _name(found["name"], reader)
    deny = "deny" in found and reader.truth(found["deny"], "deny")
    if "resources" in found:
        strict = reader.strictly() if deny else reader
        rule["resources"] = _resources(found["resources"], strict)
    if "when" in found:
        condition = read_condition(found["when"], reader, deny=deny)
        rule["when"] = condition.body
        for place in () if deny else condition.unproven:
            said = "no duty is needed on this path, so that anybody would be approved for asking"
            reader.error(place, f"{said}: put it under all, beside on_call or incident_role")
    if not deny:
        if isinstance(node, Fields):
            _note_what_lacks(node, reader)
        return rule | _grant(found, reader)
    for key in GRANT_KEYS:
        if key in found:
            reader.error(found[key], f'a denying rule has no "{key}": it grants nothing')
    return rule | {"deny": True}


def _note_what_lacks(rule: Fields, reader: Reader) -> None:
    keys = {key.text for key, _ in rule.entries}
    if not keys & {"when", "deny"}:
        reader.error(rule, 'a rule has neither "when" nor "deny: true"')
    elif "when" not in keys:
        reader.error(rule, 'an approving rule has no "when"')
    elif "duration" not in keys:
        reader.error(rule, 'an approving rule has no "duration"')


def _grant(found: Mapping[str, Node], reader: Reader) -> dict[str, Any]:
    grant: dict[str, Any] = {}
    if "duration" in found:
        grant["duration"] = reader.duration(found["duration"], "duration")
    if "end_with_shift" in found:
        ends = _shift_end(found["end_with_shift"], reader)
        if ends is not None:
            grant["end_with_shift"] = ends
    if "dry_run" in found and reader.truth(found["dry_run"], "dry_run"):
        grant["dry_run"] = True
    return grant


def _name(node: Node, reader: Reader) -> str:
    name = reader.text(node, "name", MOST_CHARACTERS)
    if "@" in name:
        reader.error(node, '"name" holds an @: names of rules go into the log, e-mails do not')
    return name


def _resources(node: Node, reader: Reader) -> dict[str, Any] | str:
    if isinstance(node, Scalar) and node.text == ANY:
        return ANY
    found = reader.fields(node, "resources", RESOURCE_KEYS)
    selector: dict[str, Any] = {}
    if "kinds" in found:
        selector["kinds"] = reader.whole_texts(found["kinds"], "kinds")
    if "ids" in found:
        selector["ids"] = _ids(found["ids"], reader)
    if "labels" in found:
        selector["labels"] = read_labels(found["labels"], reader, whole=True)
    return selector


def _ids(node: Node, reader: Reader) -> list[str]:
    patterns = reader.texts(node, "ids")
    for each in patterns:
        wrong = sorted(set("?[]") & set(each.text))
        if wrong:
            said = f"{quoted(each.text)} holds {' and '.join(wrong)}: only * is a wildcard"
            reader.error(each, f'"ids": {said}')
        elif not each.text.strip("*"):
            said = f"{quoted(each.text)} fits every id: leave ids out, or write resources: {ANY}"
            reader.error(each, f'"ids": {said}')
    return [each.text for each in patterns]


def read_labels(node: Node, reader: Reader, *, whole: bool = False) -> dict[str, str]:
    """Read labels, whose values are texts; `whole` refuses what looks like a pattern."""
    labels: dict[str, str] = {}
    for key, value in reader.entries(node, "labels"):
        name = reader.text(key, "the name of a label")
        labels[name] = text = reader.text(value, name or "a label")
        if whole and "*" in text:
            said = f"{quoted(text)} is compared whole: * is a wildcard in ids only"
            reader.error(value, f'"{name}": {said}')
    return labels


def _shift_end(node: Node, reader: Reader) -> dict[str, str] | None:
    """Read when access ends with the duty; `true` is without grace."""
    if isinstance(node, Scalar):
        return {} if reader.truth(node, "end_with_shift") else None
    found = reader.fields(node, "end_with_shift", SHIFT_KEYS)
    ends = {}
    if "grace" in found:
        nothing = timedelta(0)
        grace = reader.duration(found["grace"], "grace", least=nothing, most=LONGEST_GRACE)
        ends["grace"] = grace
    if "without_end" in found:
        ends["without_end"] = reader.duration(found["without_end"], "without_end")
    return ends


def _aliases(node: Node, reader: Reader) -> dict[str, list[str]]:
    aliases: dict[str, list[str]] = {}
    keys: dict[str, Scalar] = {}
    values: list[tuple[str, Scalar]] = []
    entries = reader.entries(node, "aliases")
    for key, value in entries:
        address = emails.normal(reader.email(key, "aliases"))
        first = keys.setdefault(address, key)
        if address and first is not key:
            reader.error(key, f"this e-mail is a key in line {first.line}, too: put them together")
        if not isinstance(value, Items):
            reader.error(value, "the e-mails of an alias are a list ([a@b.example])")
            continue
        listed = reader.emails(value, "an alias")
        values += [(address, each) for each in listed]
        aliases[key.text] = [each.text for each in listed]
    owners: dict[str, tuple[str, Scalar]] = {}
    for owner, each in values:
        address = emails.normal(each.text)
        first_owner, first = owners.setdefault(address, (owner, each))
        if first_owner != owner:
            said = f"this e-mail is under another key in line {first.line}, too"
            reader.error(each, f"{said}: it would make two people one")
        elif address == owner:
            reader.error(each, "this e-mail is its own key, and counts anyway: leave it out")
        elif address in keys:
            said = f"this e-mail is a key in line {keys[address].line}"
            reader.error(each, f"{said}: it would make two people one")
    return aliases
