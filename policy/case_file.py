"""The tests of a policy: who asks for what, what the providers say, and what has to come of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from handler import emails
from handler.durations import parse_duration
from handler.duty import INCIDENT_ROLE, ON_CALL, Duty, Failure, ProviderSnapshot
from handler.providers.registry import BY_ID
from handler.request import Request, Resource
from policy.conditions import HAS_ROLES, read_provider
from policy.diagnostics import Problem, Problems, nearest, quoted
from policy.fields import Reader
from policy.loader import read_labels
from policy.spelling import look_of
from policy.yaml_nodes import Items, Node, Scalar, read_tree

FILE_KEYS = ("at", "cases")
CASE_KEYS = ("name", "who", "asks_for", "duration", "at", "providers_say", "expect")
RESOURCE_KEYS = ("kind", "id", "labels")
ON_CALL_KEYS = ("provider", "schedule", "who", "level", "from", "until")
INCIDENT_ROLE_KEYS = ("role", "who", "incident", "severity", "type", "declared_by")
FAILURE_KEYS = ("provider", "problem")
SAYING_KEYS = ("on_call", "incident_role", "failure")
YES_KEYS = ("approved", "rule", "rules", "duration", "evidence")
NO_KEYS = ("approved", "denied_by", "dry_run_of", "why")
MOST_CHARACTERS = 200
# What the role is called that only says who declared the incident.
_REPORTER = "reporter"
_FOR_GOOD = "never"
# A request that names no time may ask for as long as the policy allows.
_LONGEST_ASKED = timedelta(days=3650)


class Expected(NamedTuple):
    """What has to come of a case; what is None or empty is left open.

    Attributes:
        approved: whether it is a yes.
        rules: those that approve.
        duration: how long access lasts.
        evidence: the schedules and roles that it rests on.
        denied_by: a rule that denies.
        dry_run_of: a rule that would approve, were it not in dry run.
        why: words of the reason.
    """

    approved: bool
    rules: frozenset[str] = frozenset()
    duration: timedelta | None = None
    evidence: frozenset[str] | None = None
    denied_by: str = ""
    dry_run_of: str = ""
    why: str = ""


class Case(NamedTuple):
    """One case."""

    line: int
    name: str
    request: Request
    snapshot: ProviderSnapshot
    now: datetime
    expected: Expected


class Cases(NamedTuple):
    """What a test file holds; no cases where it has errors."""

    cases: tuple[Case, ...] = ()
    errors: tuple[Problem, ...] = ()


def read_cases(data: bytes, rules: Collection[str]) -> Cases:
    """Read a test file, whatever it holds, for a policy with these rules."""
    problems = Problems()
    tree = read_tree(data, problems)
    if tree is None:
        return Cases((), problems.errors)
    reader = _CaseReader(problems, rules)
    found = reader.fields(tree, "a test file", FILE_KEYS, ("cases",))
    now = reader.instant(found["at"], "at") if "at" in found else None
    cases = []
    named: dict[str, Node] = {}
    for each in reader.items(found["cases"], "cases") if "cases" in found else ():
        case = reader.case(each, now, says_when="at" in found)
        if case.name and (first := named.setdefault(look_of(case.name), each)) is not each:
            reader.error(each, f"the case of line {first.line} has this name, too")
        cases.append(case)
    return Cases((), problems.errors) if problems.errors else Cases(tuple(cases))


class _CaseReader(Reader):
    """Reads cases. What it makes of a wrong one is never used."""

    def __init__(self, problems: Problems, rules: Collection[str]) -> None:
        super().__init__(problems)
        self._rules = rules

    def case(self, node: Node, now: datetime | None, *, says_when: bool) -> Case:
        required = ("name", "who", "asks_for", "expect", *(() if says_when else ("at",)))
        found = self.fields(node, "a case", CASE_KEYS, required)
        who = self.email(found["who"], "who") if "who" in found else ""
        if "at" in found:
            now = self.instant(found["at"], "at")
        wish = None
        if "duration" in found:
            wish = parse_duration(self.duration(found["duration"], "duration", most=_LONGEST_ASKED))
        return Case(
            node.line,
            self.text(found["name"], "name", MOST_CHARACTERS) if "name" in found else "",
            Request(Resource("user", who, who), self._resources(found.get("asks_for")), wish),
            self._findings(found.get("providers_say"), who),
            now or datetime.min,  # noqa: DTZ901 - of a wrong case, which is never decided
            self._expected(found["expect"]) if "expect" in found else Expected(approved=False),
        )

    def _resources(self, node: Node | None) -> tuple[Resource, ...]:
        """Read one resource, or a list of them."""
        if node is None:
            return ()
        resources = []
        for each in self.items(node, "asks_for") if isinstance(node, Items) else (node,):
            found = self.fields(each, "a resource", RESOURCE_KEYS, ("kind", "id"))
            labels = read_labels(found["labels"], self) if "labels" in found else {}
            resources.append(
                Resource(self._text(found, "kind"), self._text(found, "id"), labels=labels)
            )
        return tuple(resources)

    def _findings(self, node: Node | None, who: str) -> ProviderSnapshot:
        duties: list[Duty] = []
        failures: list[Failure] = []
        for each in () if node is None else self.items(node, "providers_say"):
            for key, value in self.fields(each, "what a provider says", SAYING_KEYS).items():
                if key == "on_call":
                    duties.append(self._on_call(value, who))
                elif key == "incident_role":
                    duties.append(self._incident_role(value, who))
                else:
                    failures.append(self._failure(value))
        return ProviderSnapshot(tuple(duties), tuple(failures))

    def _on_call(self, node: Node, who: str) -> Duty:
        found = self.fields(node, "on_call", ON_CALL_KEYS, ("provider", "schedule"))
        until = found.get("until")
        endless = isinstance(until, Scalar) and until.text == _FOR_GOOD
        schedule = self._text(found, "schedule")
        return Duty(
            self._provider(found),
            ON_CALL,
            schedule,
            schedule,
            self._holder(found, who),
            level=self.whole(found["level"], "level") if "level" in found else 1,
            start=self.instant(found["from"], "from") if "from" in found else None,
            end=None if until is None or endless else self.instant(until, "until"),
            endless=endless,
        )

    def _incident_role(self, node: Node, who: str) -> Duty:
        found = self.fields(node, "incident_role", INCIDENT_ROLE_KEYS, ("role",))
        role = self._text(found, "role")
        declarer = ""
        if "declared_by" in found:
            declarer = emails.normal(self.email(found["declared_by"], "declared_by"))
        return Duty(
            BY_ID[HAS_ROLES].name,
            INCIDENT_ROLE,
            role,
            role,
            self._holder(found, who),
            incident=self._text(found, "incident") or "INC-1",
            severity=tuple(filter(None, [self._text(found, "severity")])),
            type=tuple(filter(None, [self._text(found, "type")])),
            reporter=role.lower() == _REPORTER,
            declarers=frozenset(filter(None, [declarer])),
        )

    def _failure(self, node: Node) -> Failure:
        found = self.fields(node, "failure", FAILURE_KEYS, ("provider",))
        problem = self._text(found, "problem") or "given up: no answer in time"
        return Failure(self._provider(found), "everything", problem)

    def _expected(self, node: Node) -> Expected:
        keys = dict.fromkeys((*YES_KEYS, *NO_KEYS))
        found = self.fields(node, "expect", tuple(keys), ("approved",))
        if "approved" not in found:
            return Expected(approved=False)
        approved = self.truth(found["approved"], "approved")
        allowed = YES_KEYS if approved else NO_KEYS
        for key, value in found.items():
            if key not in allowed:
                yes = "true" if approved else "false"
                said = f'"{key}" does not go with "approved: {yes}"{nearest(key, allowed)}'
                self.error(value, said)
        if not approved:
            return Expected(
                approved=False,
                denied_by=self._rule(found, "denied_by"),
                dry_run_of=self._rule(found, "dry_run_of"),
                why=self._text(found, "why"),
            )
        if ("rule" in found) == ("rules" in found):
            self.error(node, 'an approval is expected by a "rule", or by "rules": name it')
        if "duration" not in found:
            self.error(node, 'an approval is expected for a "duration": say which')
        rules = {self._rule(found, "rule")} if "rule" in found else set()
        if "rules" in found:
            rules = {self._known(each) for each in self.texts(found["rules"], "rules")}
        duration = self.duration(found["duration"], "duration") if "duration" in found else ""
        evidence = None
        if "evidence" in found:
            evidence = frozenset(each.text for each in self.texts(found["evidence"], "evidence"))
        return Expected(
            approved=True,
            rules=frozenset(rules),
            duration=parse_duration(duration),
            evidence=evidence,
        )

    def _text(self, found: Mapping[str, Node], key: str) -> str:
        return self.text(found[key], key) if key in found else ""

    def _holder(self, found: Mapping[str, Node], who: str) -> str:
        """Read whose duty it is: the requester's, if not said otherwise."""
        return emails.normal(self.email(found["who"], "who") if "who" in found else who)

    def _provider(self, found: Mapping[str, Node]) -> str:
        id_ = read_provider(found["provider"], self) if "provider" in found else ""
        return BY_ID[id_].name if id_ else ""

    def _rule(self, found: Mapping[str, Node], key: str) -> str:
        node = found.get(key)
        if node is None or not (name := self.text(node, key)):
            return ""
        return self._known(Scalar(node.line, name, ""))

    def _known(self, name: Scalar) -> str:
        if name.text not in self._rules:
            said = f"{quoted(name.text)} is no rule of the policy{nearest(name.text, self._rules)}"
            self.error(name, said)
        return name.text
