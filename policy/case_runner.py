"""A policy and its tests, tried: what came of each case, and what no case tries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from handler.durations import in_words
from handler.rules.evaluate import Decision, decide_all, facts_of
from handler.rules.model import Policy
from policy.case_file import Case, Expected, read_cases
from policy.diagnostics import Problem, quoted
from policy.loader import Loaded, load

SUFFIX, TEST_SUFFIX = ".yaml", ".test.yaml"


class FileError(Exception):
    """A file cannot be read; the sentence says which, and what to do."""


class Result(NamedTuple):
    """What came of a case.

    Attributes:
        case: the case.
        decision: what was decided.
        differences: what was expected and what came instead, in pairs; none is as it should be.
    """

    case: Case
    decision: Decision
    differences: tuple[tuple[str, str], ...]


class Trial(NamedTuple):
    """What came of a policy's tests.

    Attributes:
        file, test_file: the two files, as they were named.
        policy: the policy file, read.
        missing: why there is no test file, where the policy has errors, too.
        errors: what is wrong with the test file.
        results: what came of its cases.
        gaps: what no case tries, by the line of the policy (of the test file for the first).
    """

    file: Path
    test_file: Path
    policy: Loaded
    missing: str = ""
    errors: tuple[Problem, ...] = ()
    results: tuple[Result, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def red(self) -> tuple[Result, ...]:
        """The cases that did not come out as expected."""
        return tuple(result for result in self.results if result.differences)

    @property
    def problems(self) -> tuple[str, ...]:
        """Each error of both files, with its place, and whether one is missing."""
        missing = (self.missing,) if self.missing else ()
        of_policy = problem_lines(self.file, self.policy.errors)
        return (*of_policy, *missing, *problem_lines(self.test_file, self.errors))

    @property
    def faults(self) -> tuple[str, ...]:
        """All that speaks against deploying the policy, a sentence each; none is good."""
        return (*self.problems, *map(self._red, self.red), *self.gaps)

    def _red(self, result: Result) -> str:
        expected, came = result.differences[0]
        place = f"{self.test_file}:{result.case.line}"
        return f"{place}: {quoted(result.case.name)} is expected {expected}, and came out {came}"


def problem_lines(file: Path, problems: tuple[Problem, ...]) -> Iterator[str]:
    """Write problems with their place, as editors and terminals read it."""
    return (f"{file}:{problem.line}: {problem.text}" for problem in problems)


def tests_of(file: Path) -> Path:
    """Give the file with a policy's tests."""
    return file.with_name(file.name.removesuffix(SUFFIX) + TEST_SUFFIX)


def read(file: Path, root: Path = Path()) -> bytes:
    """Read a file, named from a folder.

    Raises:
        FileError: it cannot be read.
    """
    try:
        return (root / file).read_bytes()
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror}") from None


def try_policy(file: Path, root: Path = Path(), *, self_declared: bool = False) -> Trial:
    """Read a policy and its tests, and decide every case.

    Args:
        file: the policy.
        root: the folder from which it is named.
        self_declared: whether duties in an incident count that the requester declared himself.

    Raises:
        FileError: one of the files cannot be read.
    """
    tests = tests_of(file)
    loaded = load(read(file, root))
    try:
        data = read(tests, root)
    except FileError as error:
        missing = f"{error}; it holds the tests, without which no policy is used"
        if loaded.errors:
            return Trial(file, tests, loaded, missing)
        raise FileError(missing) from None
    trial = Trial(file, tests, loaded)
    if loaded.errors:
        return trial
    cases = read_cases(data, loaded.lines)
    if cases.errors:
        return trial._replace(errors=cases.errors)
    policy = loaded.policy._replace(self_declared=self_declared)
    results = tuple(_try(case, policy) for case in cases.cases)
    trial = trial._replace(results=results)
    return trial._replace(gaps=tuple(_gaps(trial, policy)))


def _try(case: Case, policy: Policy) -> Result:
    (decision,) = decide_all([case.request], case.snapshot, policy, case.now)
    return Result(case, decision, tuple(_differences(case, decision, policy)))


def _differences(case: Case, decision: Decision, policy: Policy) -> Iterator[tuple[str, str]]:
    expected = case.expected
    if decision.approved != expected.approved:
        yield _outcome(expected), _came(decision)
        return
    if expected.approved and expected.rules != set(decision.rules):
        yield f"approved by {_listed(expected.rules)}", f"approved by {_listed(decision.rules)}"
    if expected.duration is not None and expected.duration != decision.duration:
        yield f"for {in_words(expected.duration)}", f"for {in_words(decision.duration)}"
    evidence = {duty.title for duty in decision.evidence}
    if expected.evidence is not None and expected.evidence != evidence:
        yield f"on the evidence of {_listed(expected.evidence)}", f"of {_listed(evidence)}"
    denying = _denying(case, policy)
    if expected.denied_by and expected.denied_by not in denying:
        yield f"denied by {quoted(expected.denied_by)}", f"denied by {_listed(denying)}"
    dry = _in_dry_run(decision)
    if expected.dry_run_of and expected.dry_run_of not in dry:
        yield (
            f"approved in dry run by {quoted(expected.dry_run_of)}",
            f"approved in dry run by {_listed(dry)}",
        )
    if expected.why not in decision.reason:
        yield f"because {quoted(expected.why)}", f"because {quoted(decision.reason)}"


def _in_dry_run(decision: Decision) -> set[str]:
    return {result.rule for result in decision.rule_results if result.verdict == "dry_run"}


def _denying(case: Case, policy: Policy) -> set[str]:
    """Name the rules that deny a case: also where nothing would approve it anyway."""
    facts = facts_of(case.request, case.snapshot, policy, case.now)
    folded = policy.fold_resources(case.request)
    return {rule.name for rule in policy.rules if any(rule.denies(one, facts) for one in folded)}


def _gaps(trial: Trial, policy: Policy) -> Iterator[str]:
    if all(result.case.expected.approved for result in trial.results):
        gap = "no case must not be approved: a policy that approves everybody would pass"
        yield f"{trial.test_file}:1: {gap}"
    exercised: set[str] = set()
    for result in trial.results:
        exercised |= {*result.decision.rules, *_in_dry_run(result.decision)}
        exercised |= _denying(result.case, policy)
    for rule in policy.rules:
        if rule.name not in exercised:
            does = "denies" if rule.deny else "would approve" if rule.dry_run else "approves"
            gap = f"no case exercises the rule {quoted(rule.name)}: in none of them it {does}"
            yield f"{trial.file}:{trial.policy.lines[rule.name]}: {gap}"


def _outcome(expected: Expected) -> str:
    if not expected.approved:
        return "not approved"
    duration = in_words(expected.duration or timedelta(0))
    return f"approved by {_listed(expected.rules)} for {duration}"


def _came(decision: Decision) -> str:
    if not decision.approved:
        return f"not approved: {decision.reason}"
    return f"approved by {_listed(decision.rules)} for {in_words(decision.duration)}"


def _listed(names: frozenset[str] | set[str] | tuple[str, ...]) -> str:
    return " and ".join(quoted(name) for name in sorted(names)) or "nothing"
