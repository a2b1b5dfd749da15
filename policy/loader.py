"""Compiles a policy file to the deployed JSON, which `handler/rules/codec.py` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from handler import emails
from handler.audit import MOST_RULES
from handler.folding import fold
from handler.json_fields import ShapeError
from handler.providers.registry import BY_ID
from handler.rules.codec import LONGEST_NAME, read_policy
from handler.rules.model import LONGEST_GRACE, Policy
from policy import grammar, lint
from policy.diagnostics import Problem, Problems, line_of, look_of, nearest, quoted
from policy.grammar import DUTIES, GROUPS, HAS_LEVELS, LIMITS
from policy.yaml_file import read_yaml
from policy.yaml_values import ANY, Reader

GRANT_KEYS = ("duration", "end_with_shift", "dry_run")
_MOST_GROUPS = 2
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NO_LINES: Mapping[str, int] = MappingProxyType({})


class Loaded(NamedTuple):
    """The result of reading a policy file.

    Attributes:
        body: what is deployed; empty if there are errors.
        errors, warnings: by line.
        lines: the line of each rule, by its name.
        policy: the body, read like the function reads it.
    """

    body: Mapping[str, Any]
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    lines: Mapping[str, int] = _NO_LINES
    policy: Policy = Policy(())

    @property
    def json(self) -> str:
        """The deployed text; comments in the file don't change it."""
        return _text(self.body)


def load(data: bytes) -> Loaded:
    """Read a policy file with any content."""
    problems = Problems()
    tree = read_yaml(data, problems)
    if tree is None:
        return Loaded({}, problems.errors)
    reader = PolicyReader(problems)
    body = {"rules": [], "aliases": {}} | reader.mapping(tree, grammar.POLICY)
    lines, policy = MappingProxyType(reader.lines), Policy(())
    if not problems.errors:
        # The function's own reader has the last word.
        try:
            policy = read_policy(_text(body))
        except ShapeError as error:
            problems.error(1, str(error))
    if problems.errors:
        return Loaded({}, problems.errors, problems.warnings, lines)
    lint.warn(policy, lines, problems)
    return Loaded(body, (), problems.warnings, lines, policy)


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))


class PolicyReader(Reader):
    """Reads a policy into its deployed form; `strict` is for the inside of denying rules."""

    def __init__(self, problems: Problems, *, strict: bool = False) -> None:
        super().__init__(problems, strict=strict)
        self.lines: dict[str, int] = {}
        self._groups = 0
        # For each e-mail in aliases, the key of its alias.
        self._owners: dict[str, str] = {}

    def rules(self, node: yaml.Node, what: str) -> list[dict[str, Any]]:
        """Read the rules, and note their lines."""
        items = self.items(node, what)
        if len(items) > MOST_RULES:
            problem = f"the policy has {len(items)} rules; the most is {MOST_RULES}"
            self.error(items[MOST_RULES], problem)
        rules = []
        first_lines: dict[str, int] = {}
        for item in items:
            rule = self._rule(item)
            name, line = rule.get("name", ""), line_of(item)
            if name and look_of(name) in first_lines:
                other = f"the rule in line {first_lines[look_of(name)]}"
                problem = f"{other} has the same name, {quoted(name)}: names must be unique"
                self.error(item, problem)
            first_lines.setdefault(look_of(name), line)
            self.lines[name] = line
            rules.append(rule)
        return rules

    def _rule(self, node: yaml.Node) -> dict[str, Any]:
        fields = self.fields(node, grammar.RULE)
        deny = "deny" in fields and self.switch(fields.pop("deny"), "deny")
        if deny:
            for key in GRANT_KEYS:
                if key in fields:
                    problem = f'a denying rule cannot have "{key}", since it grants nothing'
                    self.error(fields.pop(key), problem)
            denial = PolicyReader(self._problems, strict=True)
            return denial.values(fields, grammar.RULE) | {"deny": True}
        if isinstance(node, yaml.MappingNode):
            self._note_what_is_missing(node)
        for place in _unproven(fields["when"]) if "when" in fields else ():
            problem = "this condition needs no duty, so anybody who asks would be approved"
            self.error(place, f"{problem}: combine it with on_call or incident_role under all")
        rule = self.values(fields, grammar.RULE)
        # Switches that are off are left out.
        return {key: value for key, value in rule.items() if value not in (False, None)}

    def _note_what_is_missing(self, rule: yaml.MappingNode) -> None:
        keys = {key.value for key, _ in rule.value}
        if not keys & {"when", "deny"}:
            self.error(rule, 'a rule needs "when" or "deny: true"')
        elif "when" not in keys:
            self.error(rule, 'an approving rule needs "when"')
        elif "duration" not in keys:
            self.error(rule, 'an approving rule needs "duration"')

    def rule_name(self, node: yaml.Node, what: str) -> str:
        """Read a name, not strictly even if the rule denies, as names are not compared."""
        name = Reader(self._problems).text(node, what, LONGEST_NAME)
        if "@" in name:
            self.error(node, '"name" contains an @: rule names are logged, and must not be e-mails')
        return name

    def selector(self, node: yaml.Node, _: str) -> dict[str, Any] | str:
        """Read a selector, or `any`."""
        if isinstance(node, yaml.ScalarNode) and node.value == ANY:
            return ANY
        selector = self.mapping(node, grammar.SELECTOR)
        if not self._strict and selector.keys() == {"actions"}:
            problem = "actions alone would be approved on every resource"
            self.error(node, f"{problem}: add kinds, ids or labels")
        return selector

    def exact_texts(self, node: yaml.Node, what: str) -> list[str]:
        """Read texts that are compared exactly, so that a pattern would match nothing."""
        items = self.text_nodes(node, what)
        for item in items:
            self._refuse_pattern(item, what)
        return [item.value for item in items]

    def exact_labels(self, node: yaml.Node, what: str) -> dict[str, str]:
        """Read labels whose values are compared exactly."""
        labels = self.labels(node, what)
        for key, value in self.entries(node, what) if labels else ():
            if isinstance(value, yaml.ScalarNode):
                self._refuse_pattern(value, key.value)
        return labels

    def _refuse_pattern(self, node: yaml.Node, what: str) -> None:
        if "*" in node.value:
            problem = f"{quoted(node.value)} is compared exactly: * is a wildcard only in ids"
            self.error(node, f'"{what}": {problem}')

    def patterns(self, node: yaml.Node, what: str) -> list[str]:
        """Read patterns of ids."""
        items = self.text_nodes(node, what)
        for item in items:
            wrong = sorted(set("?[]") & set(item.value))
            if wrong:
                problem = (
                    f"{quoted(item.value)} contains {' and '.join(wrong)}: the only wildcard is *"
                )
                self.error(item, f'"{what}": {problem}')
            elif not item.value.strip("*"):
                problem = f"{quoted(item.value)} matches every id"
                self.error(item, f'"{what}": {problem}: remove ids, or write resources: {ANY}')
        return [item.value for item in items]

    def shift_end(self, node: yaml.Node, what: str) -> dict[str, Any] | None:
        """Read how access ends with the duty; `true` means without grace, None not at all."""
        if isinstance(node, yaml.ScalarNode):
            return {} if self.switch(node, what) else None
        return self.mapping(node, grammar.SHIFT_END)

    def grace(self, node: yaml.Node, what: str) -> str:
        """Read how long access outlasts the shift."""
        return self.duration(node, what, least=timedelta(0), most=LONGEST_GRACE)

    def condition(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition; empty if it is invalid."""
        entries = self.entries(node, grammar.CONDITION.what)
        if len(entries) > 1:
            kinds = " and ".join(quoted(key.value) for key, _ in entries)
            problem = f"a condition has one key, and this one has {kinds}"
            self.error(node, f"{problem}: list them under any or all, or correct the indentation")
        if len(entries) != 1:
            return {}
        ((key, value),) = entries
        kind, known = key.value, grammar.CONDITION.names
        if self._strict:
            known = (*GROUPS, *LIMITS)
        if self._strict and kind in DUTIES:
            problem = f'"{kind}" is not allowed in a denying rule'
            remedy = f"use {' or '.join(LIMITS)}"
            self.error(key, f"{problem}: an outage of the provider would lift it; {remedy}")
        elif kind not in known:
            self.error(key, f"{quoted(kind)} isn't a condition{nearest(kind, known)}")
        elif kind in GROUPS and self._groups == _MOST_GROUPS:
            self.error(key, "any and all can be nested only once: split this into two rules")
        else:
            return self.values({kind: value}, grammar.CONDITION)
        return {}

    def conditions(self, node: yaml.Node, what: str) -> list[dict[str, Any]]:
        """Read the members of a group."""
        self._groups += 1
        members = [self.condition(item, what) for item in self.items(node, what)]
        self._groups -= 1
        return members

    def on_call(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition on shifts."""
        fields = self.fields(node, grammar.ON_CALL)
        body = self.values(fields, grammar.ON_CALL)
        # An unknown provider has been noted already, and is "".
        if "max_level" in fields and body.get("provider") not in {"", HAS_LEVELS}:
            problem = f'"max_level" is only allowed with "provider: {HAS_LEVELS}"'
            self.error(fields["max_level"], f"{problem}: other providers have no levels")
        return body

    def incident_role(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition on roles."""
        return self.mapping(node, grammar.INCIDENT_ROLE)

    def requester(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition on the requester."""
        return self.mapping(node, grammar.REQUESTER)

    def requested_duration(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition on the requested duration."""
        return self.mapping(node, grammar.REQUESTED_DURATION)

    def names(self, node: yaml.Node, what: str) -> list[str] | str:
        """Read names, or `any`."""
        if isinstance(node, yaml.ScalarNode):
            if node.value != ANY:
                problem = (
                    f'"{what}" is {quoted(node.value)}: must be {ANY} or a list, such as [a, b]'
                )
                self.error(node, problem)
            return ANY
        return self.texts(node, what)

    def emails(self, node: yaml.Node, what: str) -> list[str]:
        """Read a list of addresses."""
        return [item.value for item in self.email_nodes(node, what)]

    def domains(self, node: yaml.Node, what: str) -> list[str]:
        """Read a list of domains, which are compared exactly."""
        items = Reader(self._problems, strict=True).text_nodes(node, what)
        for item in items:
            if not _DOMAIN.fullmatch(item.value):
                problem = "contains text that isn't a domain"
                remedy = "must be without @ and *, for example example.com"
                self.error(item, f'"{what}" {problem}: {remedy}')
        return [item.value for item in items]

    def aliases(self, node: yaml.Node, what: str) -> dict[str, list[str]]:
        """Read aliases; no address may belong to two people."""
        aliases: dict[str, list[str]] = {}
        keys: dict[str, yaml.Node] = {}
        values: list[tuple[str, yaml.Node]] = []
        for key, value in self.entries(node, what):
            owner = emails.normal(self.email(key, what))
            first = keys.setdefault(owner, key)
            if owner and first is not key:
                place = f"in line {line_of(first)}"
                self.error(key, f"this e-mail is also a key {place}: merge the two")
            if not isinstance(value, yaml.SequenceNode):
                self.error(
                    value, "the e-mails of an alias must be a list, for example [a@b.example]"
                )
                continue
            items = self.email_nodes(value, "an alias")
            values += [(owner, item) for item in items]
            aliases[key.value] = [item.value for item in items]
        self._refuse_shared_addresses(keys, values)
        self._owners = {owner: owner for owner in keys} | {
            emails.normal(item.value): owner for owner, item in values
        }
        return aliases

    def identities(self, node: yaml.Node, what: str) -> dict[str, dict[str, str]]:
        """Read the callers' names and the providers' ids for people."""
        identities = {}
        systems = (*grammar.CALLERS, *BY_ID)
        for key, value in self.entries(node, what):
            if key.value not in systems:
                problem = f"{quoted(key.value)} is neither a caller nor a provider"
                self.error(key, f"{problem}{nearest(key.value, systems)}")
            elif doubt := lint.names_without_effect(key.value):
                self._problems.warn(key, doubt)
            people = self._people(value, key.value)
            for name, email in people:
                address = emails.normal(email)
                # A duty of an alias counts, but a request comes from the alias's key.
                is_value = self._owners.get(address, address) != address
                if is_value and key.value not in BY_ID:
                    doubt = "this name's e-mail is a value of an alias, so only its duties count"
                    self._problems.warn(name, f"{doubt}: use the key of the alias")
            identities[key.value] = {name.value: email for name, email in people}
        return identities

    def _people(self, node: yaml.Node, system: str) -> list[tuple[yaml.ScalarNode, str]]:
        """Read one system's names or ids for people; in any spelling, one belongs to one person."""
        people: list[tuple[yaml.ScalarNode, str]] = []
        first_names: dict[str, yaml.Node] = {}
        reader = PolicyReader(self._problems, strict=True)
        kind, a_kind, remedy = "name", "a name", "list a person's other e-mails in aliases"
        if system in BY_ID:
            remedy = "write the id of the user, which `oncall preflight` shows"
            kind, a_kind = "id", "an id"
        for key, value in self.entries(node, system):
            name, email = reader.text(key, a_kind), self.email(value, f"the e-mail of {a_kind}")
            if not (name and email):
                continue
            self._refuse_pattern(key, system)
            if emails.has_at(name):
                problem = f"this {kind} may be an e-mail, which would merge two people"
                self.error(key, f'"{system}": {problem}: {remedy}')
            first = first_names.setdefault(fold(name), key)
            if first is not key:
                line = f"line {line_of(first)}"
                problem = f"{quoted(name)} is the {kind} in {line}, spelt differently"
                self.error(key, f'"{system}": {problem}: one {kind} must belong to one person')
            people.append((key, email))
        return people

    def _refuse_shared_addresses(
        self, keys: Mapping[str, yaml.Node], values: list[tuple[str, yaml.Node]]
    ) -> None:
        owners: dict[str, tuple[str, yaml.Node]] = {}
        for owner, item in values:
            address = emails.normal(item.value)
            first_owner, first = owners.setdefault(address, (owner, item))
            if first_owner != owner:
                problem = f"this e-mail is also under another key, in line {line_of(first)}"
                self.error(item, f"{problem}, which would merge two people")
            elif address == owner:
                self.error(item, "this e-mail is its own key and counts anyway: remove it")
            elif address in keys:
                problem = f"this e-mail is a key in line {line_of(keys[address])}"
                self.error(item, f"{problem}, which would merge two people")


def _unproven(node: yaml.Node) -> list[yaml.Node]:
    """Return the places where a condition may hold without any duty."""
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        return []
    ((key, value),) = node.value
    if key.value in LIMITS:
        return [key]
    if key.value not in GROUPS or not isinstance(value, yaml.SequenceNode):
        return []
    members = [_unproven(item) for item in value.value]
    if key.value == "all":
        return [key] if members and all(members) else []
    return [place for member in members for place in member]
