"""Reads the tests of a policy: requests, the providers' answers, and the expected decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from handler import emails
from handler.durations import parse_duration
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, Failure, ProviderSnapshot
from handler.providers.registry import BY_ID
from handler.request import ACCESS, Request, Resource
from policy import grammar
from policy.diagnostics import Problem, Problems, line_of, look_of, nearest, quoted
from policy.yaml_file import read_yaml
from policy.yaml_values import Reader

MOST_CHARACTERS = 200
# The role that only says who declared the incident.
_REPORTER = "reporter"
_NEVER = "never"
# Requests may ask for longer than any rule allows.
_LONGEST_ASKED = timedelta(days=3650)
_NO_IDENTITIES: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class Expected(NamedTuple):
    """The expected result of a case; fields that are None or empty are not compared.

    Attributes:
        approved: whether the request is approved.
        rules: the approving rules.
        duration: how long access lasts.
        evidence: the schedules and roles that the approval is based on.
        denied_by: a rule that denies it.
        dry_run_of: a rule in dry run that would approve it.
        why: part of the reason.
    """

    approved: bool
    rules: frozenset[str] = frozenset()
    duration: timedelta | None = None
    evidence: frozenset[str] | None = None
    denied_by: str = ""
    dry_run_of: str = ""
    why: str = ""


class Case(NamedTuple):
    """A test case."""

    line: int
    name: str
    request: Request
    snapshot: ProviderSnapshot
    now: datetime
    expected: Expected


class Cases(NamedTuple):
    """The contents of a test file; no cases if it has errors."""

    cases: tuple[Case, ...] = ()
    errors: tuple[Problem, ...] = ()


def read_cases(
    data: bytes,
    rules: Collection[str],
    identities: Mapping[str, Mapping[str, str]] = _NO_IDENTITIES,
) -> Cases:
    """Read a test file, with any content, for a policy with these rules and identities."""
    problems = Problems()
    tree = read_yaml(data, problems)
    if tree is None:
        return Cases((), problems.errors)
    cases = CaseReader(problems, rules, identities).file(tree)
    return Cases((), problems.errors) if problems.errors else Cases(cases)


class CaseReader(Reader):
    """Reads cases. The result is not used if there are errors."""

    def __init__(
        self,
        problems: Problems,
        rules: Collection[str],
        identities: Mapping[str, Mapping[str, str]],
    ) -> None:
        super().__init__(problems)
        self._rules = rules
        self._identities = identities
        self._now: datetime | None = None
        self._has_time = False
        self._who = ""

    def file(self, node: yaml.Node) -> tuple[Case, ...]:
        """Read all cases; `at` is the time of those without their own."""
        fields = self.fields(node, grammar.TESTS)
        self._has_time = "at" in fields
        self._now = self.instant(fields["at"], "at") if self._has_time else None
        return self.cases(fields["cases"], "cases") if "cases" in fields else ()

    def cases(self, node: yaml.Node, what: str) -> tuple[Case, ...]:
        """Read the cases; no two names may look alike."""
        cases = []
        first_lines: dict[str, int] = {}
        for item in self.items(node, what):
            case = self._case(item)
            look = look_of(case.name)
            if case.name and look in first_lines:
                self.error(item, f"the case in line {first_lines[look]} has the same name")
            first_lines.setdefault(look, case.line)
            cases.append(case)
        return tuple(cases)

    def _case(self, node: yaml.Node) -> Case:
        fields = self.fields(node, grammar.CASE, () if self._has_time else ("at",))
        requester = self.person(fields["who"], "who") if "who" in fields else Resource()
        self._who = requester.email
        case = self.values({key: fields[key] for key in fields if key != "who"}, grammar.CASE)
        wish = parse_duration(case["duration"]) if "duration" in case else None
        return Case(
            line_of(node),
            case.get("name", ""),
            Request(
                requester,
                case.get("asks_for", ()),
                wish,
                action=case.get("action", ACCESS),
            ),
            case.get("providers_say", ProviderSnapshot()),
            case.get("at") or self._now or datetime.min,  # noqa: DTZ901 - only if the case is wrong
            case.get("expect", Expected(approved=False)),
        )

    def person(self, node: yaml.Node, what: str) -> Resource:
        """Read the requester: an e-mail, or a name at a caller, which need not be mapped.

        As in the caller's questions, a name with an @ is an e-mail.
        """
        if not isinstance(node, yaml.MappingNode):
            email = self.email(node, what)
            return Resource("user", email, email)
        names = self.mapping(node, grammar.PERSON)
        caller, name = next(iter(names.items()), ("", ""))
        address = emails.normal(name) if emails.has_at(name) else ""
        return Resource("user", name, self._identities.get(caller, {}).get(name, address))

    def case_name(self, node: yaml.Node, what: str) -> str:
        """Read the name of a case."""
        return self.text(node, what, MOST_CHARACTERS)

    def long_duration(self, node: yaml.Node, what: str) -> str:
        """Read a requested duration, which may be longer than any rule's."""
        return self.duration(node, what, most=_LONGEST_ASKED)

    def resources(self, node: yaml.Node, what: str) -> tuple[Resource, ...]:
        """Read one resource, or a list of them."""
        is_list = isinstance(node, yaml.SequenceNode)
        resources = [
            self.mapping(item, grammar.RESOURCE)
            for item in (self.items(node, what) if is_list else (node,))
        ]
        return tuple(
            Resource(fields.get("kind", ""), fields.get("id", ""), labels=fields.get("labels", {}))
            for fields in resources
        )

    def sayings(self, node: yaml.Node, what: str) -> ProviderSnapshot:
        """Read the providers' answers."""
        values = [
            value
            for item in self.items(node, what)
            for value in self.mapping(item, grammar.SAYING).values()
        ]
        return ProviderSnapshot(
            tuple(value for value in values if isinstance(value, Duty)),
            tuple(value for value in values if isinstance(value, Failure)),
        )

    def duty_on_call(self, node: yaml.Node, _: str) -> Duty:
        """Read a shift."""
        shift = self.mapping(node, grammar.DUTY_ON_CALL)
        until, schedule = shift.get("until"), shift.get("schedule", "")
        return Duty(
            _name_of(shift.get("provider")),
            ON_CALL,
            schedule,
            schedule,
            self._holder(shift),
            user=shift.get("user", ""),
            level=shift.get("level", 1),
            start=shift.get("from"),
            end=None if until == _NEVER else until,
            endless=until == _NEVER,
        )

    def shift_until(self, node: yaml.Node, what: str) -> datetime | str | None:
        """Read the end of a shift: a time, or never."""
        is_never = isinstance(node, yaml.ScalarNode) and node.value == _NEVER
        return _NEVER if is_never else self.instant(node, what)

    def duty_role(self, node: yaml.Node, _: str) -> Duty:
        """Read a role in an incident."""
        held = self.mapping(node, grammar.DUTY_ROLE)
        role = held.get("role", "")
        return Duty(
            _name_of(grammar.HAS_ROLES),
            INCIDENT_ROLE,
            role,
            role,
            self._holder(held),
            user=held.get("user", ""),
            incident=held.get("incident") or "INC-1",
            severity=tuple(filter(None, [held.get("severity")])),
            type=tuple(filter(None, [held.get("type")])),
            reporter=role.lower() == _REPORTER,
            declarers=frozenset(filter(None, [emails.normal(held.get("declared_by"))])),
        )

    def _holder(self, duty: dict[str, Any]) -> str:
        """Return who holds a duty: the requester, unless the case says otherwise."""
        return emails.normal(duty.get("who", "" if "user" in duty else self._who))

    def failure(self, node: yaml.Node, _: str) -> Failure:
        """Read that a provider fails."""
        failure = self.mapping(node, grammar.FAILURE)
        problem = failure.get("problem") or "no complete answer in time"
        return Failure(_name_of(failure.get("provider")), "everything", problem)

    def expected(self, node: yaml.Node, _: str) -> Expected:
        """Read the expected result."""
        every = dict.fromkeys((*grammar.EXPECTED_YES.keys, *grammar.EXPECTED_NO.keys))
        fields = self.fields(node, grammar.Shape("expect", tuple(every)))
        if "approved" not in fields:
            return Expected(approved=False)
        approved = self.switch(fields.pop("approved"), "approved")
        shape = grammar.EXPECTED_YES if approved else grammar.EXPECTED_NO
        for key, value in fields.items():
            if key not in shape.names:
                problem = (
                    f'"{key}" is not allowed with "approved: {"true" if approved else "false"}"'
                )
                self.error(value, f"{problem}{nearest(key, shape.names)}")
        if approved:
            return self._expected_approval(node, fields)
        return Expected(approved=False, **self.values(fields, shape))

    def _expected_approval(self, node: yaml.Node, fields: dict[str, yaml.Node]) -> Expected:
        if ("rule" in fields) == ("rules" in fields):
            self.error(node, 'an expected approval needs either "rule" or "rules"')
        if "duration" not in fields:
            self.error(node, 'an expected approval needs "duration"')
        approval = self.values(fields, grammar.EXPECTED_YES)
        evidence = approval.get("evidence")
        return Expected(
            approved=True,
            rules=frozenset(filter(None, [*approval.get("rules", ()), approval.get("rule")])),
            duration=parse_duration(approval.get("duration", "")),
            evidence=None if evidence is None else frozenset(evidence),
        )

    def rule(self, node: yaml.Node, what: str) -> str:
        """Read the name of a rule of the policy."""
        name = self.text(node, what)
        if name and name not in self._rules:
            problem = f"the policy has no rule {quoted(name)}"
            self.error(node, f"{problem}{nearest(name, self._rules)}")
        return name

    def rule_list(self, node: yaml.Node, what: str) -> list[str]:
        """Read a list of rule names."""
        return [self.rule(item, what) for item in self.text_nodes(node, what)]


def _name_of(provider: str | None) -> str:
    return BY_ID[provider].name if provider else ""
