"""Check and test policy files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from policy.case_runner import (
    SUFFIX,
    TEST_SUFFIX,
    CaseResult,
    FileError,
    PolicyTestRun,
    problem_lines,
    read,
    run_policy_tests,
    tests_of,
)
from policy.diagnostics import quoted
from policy.loader import Loaded, load
from policy.terminal import Parser, counted, say, show_anything

FOLDER = Path("policy")
_VERDICTS = {
    "grants": "grants access",
    "dry_run": "would grant access, but is in dry run",
    "denies": "denies the request",
    "no": "not matched",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 if all is well, 1 if not, or 2 if it could not run."""
    show_anything(sys.stdout, sys.stderr)
    options = _parser().parse_args(arguments)
    yaml_files = sorted(FOLDER.glob(f"*{SUFFIX}"))
    policies = [file for file in yaml_files if not file.name.endswith(TEST_SUFFIX)]
    files = options.files or policies
    status = 0
    if not files:
        say(f"error: {FOLDER}/ has no policy file: name one on the command line", sys.stderr)
        status = 2
    for file in files:
        try:
            status = max(status, options.run(file, options))
        except FileError as error:
            say(f"error: {error}", sys.stderr)
            status = 2
    return status


def _check(file: Path, _: argparse.Namespace) -> int:
    loaded = load(read(file))
    for line in problem_lines(file, loaded.errors):
        say(line)
    _say_warnings(file, loaded)
    if loaded.errors:
        return 1
    say(f"{file}: {counted(len(loaded.lines), 'rule')}, no errors")
    return 0


def _test(file: Path, options: argparse.Namespace) -> int:
    run = run_policy_tests(file, self_declared=options.self_declared)
    if run.problems:
        for problem in run.problems:
            say(problem)
        return 2
    say(f"{file}, tested by {run.test_file}:")
    for result in run.results:
        verdict = f"  {'FAIL' if result.differences else 'ok  '} "
        say(f"{verdict}{result.case.name}", indent=len(verdict))
        for line in _difference(run, result):
            say(f"      {line}")
    _say_warnings(file, run.policy)
    for gap in run.gaps:
        say(gap)
    count, failed, gaps = len(run.results), len(run.failed), len(run.gaps)
    missing = f"; {counted(gaps, 'gap')} in the tests" if gaps else ""
    say(f"{count - failed} of {counted(count, 'case')} passed{missing}.")
    return 1 if run.failures else 0


def _say_warnings(file: Path, policy: Loaded) -> None:
    for line in problem_lines(file, policy.warnings):
        say(line.replace(": ", ": warning: ", 1))


def _difference(run: PolicyTestRun, result: CaseResult) -> Iterator[str]:
    """Describe expected and actual results, and the result of each rule."""
    if not result.differences:
        return
    yield f"{run.test_file}:{result.case.line}"
    for expected, actual in result.differences:
        yield f"- {expected}"
        yield f"+ {actual}"
    for rule in result.decision.rule_results:
        yield f"rule {quoted(rule.rule)}: {rule.why or _VERDICTS[rule.verdict]}"
        for duty, objection in rule.duties:
            yield f"  {duty.describe(result.decision.now)}: {objection or 'counts'}"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m policy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser("check", help="report errors and warnings in policy files")
    check.set_defaults(run=_check)
    test = commands.add_parser("test", help="run the tests of policy files")
    test.add_argument(
        "--self-declared",
        action="store_true",
        help="accept roles in self-declared incidents: INCIDENTIO_APPROVE_SELF_DECLARED=true",
    )
    test.set_defaults(run=_test)
    for command in (check, test):
        command.add_argument(
            "files",
            nargs="*",
            type=_policy_file,
            metavar="FILE",
            help=f"default: all of {FOLDER}/*{SUFFIX}",
        )
    return parser


def _policy_file(text: str) -> Path:
    file = Path(text)
    if file.name.endswith(TEST_SUFFIX):
        raise argparse.ArgumentTypeError(f"{text} contains tests: name the policy file instead")
    if not file.name.endswith(SUFFIX):
        raise argparse.ArgumentTypeError(f"{text}: the name of a policy file must end in {SUFFIX}")
    if tests_of(file).name == TEST_SUFFIX:
        raise argparse.ArgumentTypeError(f"{text} isn't a valid name for a policy file")
    return file


if __name__ == "__main__":
    sys.exit(main())
