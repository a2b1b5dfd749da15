"""Runs the tests of a policy: the result of each case, and which rules no case tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from handler.durations import in_words
from handler.identities import identify
from handler.rules.evaluate import Decision, decide_all, facts_of
from handler.rules.model import Policy
from policy.case_file import Case, Expected, read_cases
from policy.diagnostics import Problem, quoted
from policy.loader import Loaded, load

SUFFIX, TEST_SUFFIX = ".yaml", ".test.yaml"


class FileError(Exception):
    """A file cannot be read; the message says which one, and what to do."""


class CaseResult(NamedTuple):
    """The result of a case.

    Attributes:
        case: the case.
        decision: the actual decision.
        differences: pairs of expected and actual results; none if the case passes.
    """

    case: Case
    decision: Decision
    differences: tuple[tuple[str, str], ...]


class PolicyTestRun(NamedTuple):
    """The result of a policy's tests.

    Attributes:
        file, test_file: the paths of the two files.
        policy: the policy that was read.
        missing: that there is no test file, if the policy has errors as well.
        errors: of the test file.
        results: of its cases.
        gaps: what no case tests, with the place in the policy or the test file.
    """

    file: Path
    test_file: Path
    policy: Loaded
    missing: str = ""
    errors: tuple[Problem, ...] = ()
    results: tuple[CaseResult, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that failed."""
        return tuple(result for result in self.results if result.differences)

    @property
    def problems(self) -> tuple[str, ...]:
        """The errors of both files, with their places, and a missing test file."""
        missing = (self.missing,) if self.missing else ()
        of_policy = problem_lines(self.file, self.policy.errors)
        return (*of_policy, *missing, *problem_lines(self.test_file, self.errors))

    @property
    def failures(self) -> tuple[str, ...]:
        """Everything that prevents the policy from being deployed, in sentences."""
        return (*self.problems, *map(self._failure_line, self.failed), *self.gaps)

    def _failure_line(self, result: CaseResult) -> str:
        expected, actual = result.differences[0]
        place = f"{self.test_file}:{result.case.line}"
        return f"{place}: {quoted(result.case.name)}: expected {expected}, got {actual}"


def problem_lines(file: Path, problems: tuple[Problem, ...]) -> Iterator[str]:
    """Format problems as `file:line: text`, which editors and terminals understand."""
    return (f"{file}:{problem.line}: {problem.text}" for problem in problems)


def tests_of(file: Path) -> Path:
    """Return the path of a policy's tests."""
    return file.with_name(file.name.removesuffix(SUFFIX) + TEST_SUFFIX)


def read(file: Path, root: Path = Path()) -> bytes:
    """Read a file, whose path is relative to a folder.

    Raises:
        FileError: it cannot be read.
    """
    try:
        return (root / file).read_bytes()
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror}") from None


def run_policy_tests(
    file: Path, root: Path = Path(), *, self_declared: bool = False
) -> PolicyTestRun:
    """Read a policy and its tests, and decide every case.

    Args:
        file: the policy.
        root: the folder to which its path is relative.
        self_declared: whether roles in self-declared incidents count.

    Raises:
        FileError: one of the files cannot be read.
    """
    tests = tests_of(file)
    loaded = load(read(file, root))
    try:
        data = read(tests, root)
    except FileError as error:
        missing = f"{error}; a policy needs tests in this file"
        if loaded.errors:
            return PolicyTestRun(file, tests, loaded, missing)
        raise FileError(missing) from None
    run = PolicyTestRun(file, tests, loaded)
    if loaded.errors:
        return run
    cases = read_cases(data, loaded.lines, loaded.policy.identities)
    if cases.errors:
        return run._replace(errors=cases.errors)
    policy = loaded.policy._replace(self_declared=self_declared)
    results = tuple(_run_case(case, policy) for case in cases.cases)
    run = run._replace(results=results)
    return run._replace(gaps=tuple(_gaps(run, policy)))


def _run_case(case: Case, policy: Policy) -> CaseResult:
    case = case._replace(snapshot=identify(case.snapshot, policy.identities))
    (decision,) = decide_all([case.request], case.snapshot, policy, case.now)
    return CaseResult(case, decision, tuple(_differences(case, decision, policy)))


def _differences(case: Case, decision: Decision, policy: Policy) -> Iterator[tuple[str, str]]:
    expected = case.expected
    if decision.approved != expected.approved:
        yield _expected_outcome(expected), _actual_outcome(decision)
        return
    if expected.approved and expected.rules != set(decision.rules):
        yield f"approved by {_listed(expected.rules)}", f"approved by {_listed(decision.rules)}"
    if expected.duration is not None and expected.duration != decision.duration:
        yield f"for {in_words(expected.duration)}", f"for {in_words(decision.duration)}"
    evidence = {duty.title for duty in decision.evidence}
    if expected.evidence is not None and expected.evidence != evidence:
        yield f"evidence {_listed(expected.evidence)}", f"evidence {_listed(evidence)}"
    denying = _denying(case, policy)
    if expected.denied_by and expected.denied_by not in denying:
        actual = f"denied by {_listed(denying)}" if denying else "not denied by a rule"
        yield f"denied by {quoted(expected.denied_by)}", actual
    dry = _in_dry_run(decision)
    if expected.dry_run_of and expected.dry_run_of not in dry:
        actual = f"approved in dry run by {_listed(dry)}" if dry else "not approved in dry run"
        yield f"approved in dry run by {quoted(expected.dry_run_of)}", actual
    if expected.why not in decision.reason:
        yield f"reason {quoted(expected.why)}", f"reason {quoted(decision.reason)}"


def _in_dry_run(decision: Decision) -> set[str]:
    return {result.rule for result in decision.rule_results if result.verdict == "dry_run"}


def _denying(case: Case, policy: Policy) -> set[str]:
    """Return the rules that deny a case, even if no rule would approve it."""
    facts = facts_of(case.request, case.snapshot, policy, case.now)
    folded = policy.fold_resources(case.request)
    return {
        rule.name
        for rule in policy.rules
        if any(rule.denies(resource, facts) for resource in folded)
    }


def _gaps(run: PolicyTestRun, policy: Policy) -> Iterator[str]:
    if all(result.case.expected.approved for result in run.results):
        gap = "no case expects a refusal, so a policy that approves everybody would pass"
        yield f"{run.test_file}:1: {gap}"
    exercised: set[str] = set()
    for result in run.results:
        exercised |= {*result.decision.rules, *_in_dry_run(result.decision)}
        exercised |= _denying(result.case, policy)
    for rule in policy.rules:
        if rule.name not in exercised:
            does = "denies" if rule.deny else "would approve" if rule.dry_run else "approves"
            gap = f"rule {quoted(rule.name)} is untested: there is no case in which it {does}"
            yield f"{run.file}:{run.policy.lines[rule.name]}: {gap}"


def _expected_outcome(expected: Expected) -> str:
    if not expected.approved:
        return "not approved"
    duration = in_words(expected.duration or timedelta(0))
    return f"approved by {_listed(expected.rules)} for {duration}"


def _actual_outcome(decision: Decision) -> str:
    if not decision.approved:
        return f"not approved: {decision.reason}"
    return f"approved by {_listed(decision.rules)} for {in_words(decision.duration)}"


def _listed(names: frozenset[str] | set[str] | tuple[str, ...]) -> str:
    return " and ".join(quoted(name) for name in sorted(names)) or "nothing"
