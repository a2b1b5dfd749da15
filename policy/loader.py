"""From a policy file to the JSON that is deployed, which `handler/rules/codec.py` reads."""

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
from handler.rules.codec import LONGEST_NAME, read_policy
from handler.rules.model import LONGEST_GRACE, Policy
from policy import grammar, lint
from policy.diagnostics import Problem, Problems, line_of, look_of, nearest, quoted
from policy.grammar import DUTIES, GROUPS, HAS_LEVELS, LIMITS
from policy.yaml_values import ANY, Reader
from policy.yaml_file import read_yaml

GRANT_KEYS = ("duration", "end_with_shift", "dry_run")
_MOST_GROUPS = 2
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NO_LINES: Mapping[str, int] = MappingProxyType({})


class Loaded(NamedTuple):
    """A policy file that was read.

    Attributes:
        body: what is deployed; empty where there are errors.
        errors, warnings: what is wrong with the file, and what is doubtful, by line.
        lines: where each rule stands, by its name.
        policy: the body, read as the function reads it.
    """

    body: Mapping[str, Any]
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    lines: Mapping[str, int] = _NO_LINES
    policy: Policy = Policy(())

    @property
    def json(self) -> str:
        """What is deployed, as text: the same policy gives the same one, comments or not."""
        return _text(self.body)


def load(data: bytes) -> Loaded:
    """Read a policy file, whatever it holds."""
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
    """Reads a policy, as it is deployed. With `strict` it is within a rule that denies."""

    def __init__(self, problems: Problems, *, strict: bool = False) -> None:
        super().__init__(problems, strict=strict)
        self.lines: dict[str, int] = {}
        self._groups = 0
        # Whose the e-mails are that aliases give people, by the aliases' keys.
        self._owners: dict[str, str] = {}

    def rules(self, node: yaml.Node, what: str) -> list[dict[str, Any]]:
        """Read the rules, and note in which line each stands."""
        items = self.items(node, what)
        if len(items) > MOST_RULES:
            problem = f"there are {len(items)} rules: the log holds {MOST_RULES} of them at most"
            self.error(items[MOST_RULES], problem)
        rules = []
        first_lines: dict[str, int] = {}
        for item in items:
            rule = self._rule(item)
            name, line = rule.get("name", ""), line_of(item)
            if name and look_of(name) in first_lines:
                taken = f"is taken by the rule of line {first_lines[look_of(name)]}"
                problem = f"the name {quoted(name)} {taken}: the log tells rules by their names"
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
                    problem = f'a denying rule has no "{key}": it grants nothing'
                    self.error(fields.pop(key), problem)
            denial = PolicyReader(self._problems, strict=True)
            return denial.values(fields, grammar.RULE) | {"deny": True}
        if isinstance(node, yaml.MappingNode):
            self._note_what_is_missing(node)
        for place in _unproven(fields["when"]) if "when" in fields else ():
            problem = "no duty is needed on this path, so that anybody would be approved for asking"
            self.error(place, f"{problem}: put it under all, beside on_call or incident_role")
        rule = self.values(fields, grammar.RULE)
        # What is switched off is left out.
        return {key: value for key, value in rule.items() if value not in (False, None)}

    def _note_what_is_missing(self, rule: yaml.MappingNode) -> None:
        keys = {key.value for key, _ in rule.value}
        if not keys & {"when", "deny"}:
            self.error(rule, 'a rule has neither "when" nor "deny: true"')
        elif "when" not in keys:
            self.error(rule, 'an approving rule has no "when"')
        elif "duration" not in keys:
            self.error(rule, 'an approving rule has no "duration"')

    def rule_name(self, node: yaml.Node, what: str) -> str:
        """Read a name, in which doubts are none even if the rule denies: nothing is compared."""
        name = Reader(self._problems).text(node, what, LONGEST_NAME)
        if "@" in name:
            self.error(node, '"name" holds an @: names of rules go into the log, e-mails do not')
        return name

    def selector(self, node: yaml.Node, _: str) -> dict[str, Any] | str:
        """Read a selector, or `any`."""
        if isinstance(node, yaml.ScalarNode) and node.value == ANY:
            return ANY
        selector = self.mapping(node, grammar.SELECTOR)
        if not self._strict and selector.keys() == {"actions"}:
            problem = "actions alone would approve them on every resource"
            self.error(node, f"{problem}: name kinds, ids or labels beside them")
        return selector

    def exact_texts(self, node: yaml.Node, what: str) -> list[str]:
        """Read texts that are compared whole, so that a pattern would fit nothing."""
        items = self.text_nodes(node, what)
        for item in items:
            self._refuse_pattern(item, what)
        return [item.value for item in items]

    def exact_labels(self, node: yaml.Node, what: str) -> dict[str, str]:
        """Read labels whose values are compared whole."""
        labels = self.labels(node, what)
        for key, value in self.entries(node, what) if labels else ():
            if isinstance(value, yaml.ScalarNode):
                self._refuse_pattern(value, key.value)
        return labels

    def _refuse_pattern(self, node: yaml.Node, what: str) -> None:
        if "*" in node.value:
            problem = f"{quoted(node.value)} is compared whole: * is a wildcard in ids only"
            self.error(node, f'"{what}": {problem}')

    def patterns(self, node: yaml.Node, what: str) -> list[str]:
        """Read patterns of ids."""
        items = self.text_nodes(node, what)
        for item in items:
            wrong = sorted(set("?[]") & set(item.value))
            if wrong:
                problem = f"{quoted(item.value)} holds {' and '.join(wrong)}: only * is a wildcard"
                self.error(item, f'"{what}": {problem}')
            elif not item.value.strip("*"):
                problem = f"{quoted(item.value)} fits every id"
                self.error(item, f'"{what}": {problem}: leave ids out, or write resources: {ANY}')
        return [item.value for item in items]

    def shift_end(self, node: yaml.Node, what: str) -> dict[str, Any] | None:
        """Read how access ends with the duty; `true` is without grace, None is not at all."""
        if isinstance(node, yaml.ScalarNode):
            return {} if self.switch(node, what) else None
        return self.mapping(node, grammar.SHIFT_END)

    def grace(self, node: yaml.Node, what: str) -> str:
        """Read how much longer access lasts than the shift."""
        return self.duration(node, what, least=timedelta(0), most=LONGEST_GRACE)

    def condition(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition; empty if it is wrong."""
        entries = self.entries(node, grammar.CONDITION.what)
        if len(entries) > 1:
            kinds = " and ".join(quoted(key.value) for key, _ in entries)
            problem = f"a condition is one of its kind, and here are {kinds}"
            self.error(node, f"{problem}: list them under any or all, or mend the indentation")
        if len(entries) != 1:
            return {}
        ((key, value),) = entries
        kind, known = key.value, grammar.CONDITION.names
        if self._strict:
            known = (*GROUPS, *LIMITS)
        if self._strict and kind in DUTIES:
            problem = f'"{kind}" has no place in a denying rule'
            allowed = f"{' and '.join(LIMITS)} are allowed there"
            self.error(key, f"{problem}: an outage of the provider would lift it; {allowed}")
        elif kind not in known:
            self.error(key, f"{quoted(kind)} is no condition{nearest(kind, known)}")
        elif kind in GROUPS and self._groups == _MOST_GROUPS:
            self.error(key, "any and all are nested once, not deeper: make two rules of it")
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
        # A provider that does not exist has been noted already, and reads as "".
        if "max_level" in fields and body.get("provider") not in {"", HAS_LEVELS}:
            problem = f'"max_level" goes with "provider: {HAS_LEVELS}" only'
            self.error(fields["max_level"], f"{problem}: elsewhere there are no levels")
        return body

    def incident_role(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition on roles."""
        return self.mapping(node, grammar.INCIDENT_ROLE)

    def requester(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition on who asks."""
        return self.mapping(node, grammar.REQUESTER)

    def requested_duration(self, node: yaml.Node, _: str) -> dict[str, Any]:
        """Read a condition on the time that is asked for."""
        return self.mapping(node, grammar.REQUESTED_DURATION)

    def names(self, node: yaml.Node, what: str) -> list[str] | str:
        """Read names, or `any`, written out."""
        if isinstance(node, yaml.ScalarNode):
            if node.value != ANY:
                problem = f'"{what}" is {quoted(node.value)}: a list is needed ([a, b]), or {ANY}'
                self.error(node, problem)
            return ANY
        return self.texts(node, what)

    def emails(self, node: yaml.Node, what: str) -> list[str]:
        """Read a list of addresses."""
        return [item.value for item in self.email_nodes(node, what)]

    def domains(self, node: yaml.Node, what: str) -> list[str]:
        """Read a list of domains, which are compared whole."""
        items = Reader(self._problems, strict=True).text_nodes(node, what)
        for item in items:
            if not _DOMAIN.fullmatch(item.value):
                problem = "holds what is no domain"
                remedy = "one is needed without @ and *, such as example.com"
                self.error(item, f'"{what}" {problem}: {remedy}')
        return [item.value for item in items]

    def aliases(self, node: yaml.Node, what: str) -> dict[str, list[str]]:
        """Read aliases: no address may be two people's."""
        aliases: dict[str, list[str]] = {}
        keys: dict[str, yaml.Node] = {}
        values: list[tuple[str, yaml.Node]] = []
        for key, value in self.entries(node, what):
            owner = emails.normal(self.email(key, what))
            first = keys.setdefault(owner, key)
            if owner and first is not key:
                place = f"in line {line_of(first)}"
                self.error(key, f"this e-mail is a key {place}, too: put them together")
            if not isinstance(value, yaml.SequenceNode):
                self.error(value, "the e-mails of an alias are a list ([a@b.example])")
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
        """Read what callers call people."""
        identities = {}
        for key, value in self.entries(node, what):
            if key.value not in grammar.CALLERS:
                problem = f"{quoted(key.value)} isn't a caller"
                self.error(key, f"{problem}{nearest(key.value, grammar.CALLERS)}")
            people = self._people(value, key.value)
            for name, email in people:
                address = emails.normal(email)
                if self._owners.get(address, address) != address:
                    doubt = "this name is for an alias's value, whose duties alone count then"
                    self._problems.warn(name, f"{doubt}: give it the alias's key")
            identities[key.value] = {name.value: email for name, email in people}
        return identities

    def _people(self, node: yaml.Node, caller: str) -> list[tuple[yaml.ScalarNode, str]]:
        """Read one caller's names of people: none may be two people's, however it is spelt."""
        people: list[tuple[yaml.ScalarNode, str]] = []
        first_names: dict[str, yaml.Node] = {}
        reader = PolicyReader(self._problems, strict=True)
        for key, value in self.entries(node, caller):
            name, email = reader.text(key, "a name"), self.email(value, "the e-mail of a name")
            if not (name and email):
                continue
            self._refuse_pattern(key, caller)
            if emails.has_at(name):
                problem = "this name may be an e-mail, and would make two people one"
                remedy = "put a person's other e-mails into aliases"
                self.error(key, f'"{caller}": {problem}: {remedy}')
            first = first_names.setdefault(fold(name), key)
            if first is not key:
                problem = f"{quoted(name)} is spelt in another way in line {line_of(first)}"
                self.error(key, f'"{caller}": {problem}: a name is one person\'s')
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
                place = f"in line {line_of(first)}, too"
                problem = f"this e-mail is under another key {place}"
                self.error(item, f"{problem}: it would make two people one")
            elif address == owner:
                self.error(item, "this e-mail is its own key, and counts anyway: leave it out")
            elif address in keys:
                problem = f"this e-mail is a key in line {line_of(keys[address])}"
                self.error(item, f"{problem}: it would make two people one")


def _unproven(node: yaml.Node) -> list[yaml.Node]:
    """Give the places at which a condition may hold without any duty."""
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
