"""Checking and testing policy files: `python -m policy check FILE`, `python -m policy test`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from policy.case_runner import (
    SUFFIX,
    TEST_SUFFIX,
    FileError,
    Result,
    Trial,
    placed,
    read,
    tests_of,
    try_policy,
)
from policy.diagnostics import quoted
from policy.loader import load
from policy.terminal import Parser, counted, say, show_anything

FOLDER = Path("policy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 all is well, 1 not, 2 it could not be run."""
    show_anything(sys.stdout, sys.stderr)
    options = _parser().parse_args(arguments)
    found = sorted(FOLDER.glob(f"*{SUFFIX}"))
    files = options.files or [each for each in found if not each.name.endswith(TEST_SUFFIX)]
    status = 0
    if not files:
        say(f"error: there is no policy file in {FOLDER}/: name one", sys.stderr)
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
    for each in placed(file, loaded.errors):
        say(each)
    for each in placed(file, loaded.warnings):
        say(each.replace(": ", ": warning: ", 1))
    if loaded.errors:
        return 1
    say(f"{file}: {counted(len(loaded.lines), 'rule')}, no errors")
    return 0


def _test(file: Path, options: argparse.Namespace) -> int:
    trial = try_policy(file, self_declared=options.self_declared)
    if trial.problems:
        for each in trial.problems:
            say(each)
        return 2
    say(f"{file}, by {trial.test_file}:")
    for result in trial.results:
        say(f"  {'RED' if result.differences else 'ok '} {result.case.name}")
        for line in _difference(trial, result):
            say(f"      {line}")
    for each in placed(file, trial.policy.warnings):
        say(each.replace(": ", ": warning: ", 1))
    for each in trial.gaps:
        say(each)
    count, red, gaps = len(trial.results), len(trial.red), len(trial.gaps)
    untested = f"; {counted(gaps, 'gap')} in the tests" if gaps else ""
    say(f"{count - red} of {counted(count, 'case')} came out as expected{untested}.")
    return 1 if trial.faults else 0


def _difference(trial: Trial, result: Result) -> Iterator[str]:
    """Tell what came instead of what was expected, and what became of each rule."""
    if not result.differences:
        return
    yield f"{trial.test_file}:{result.case.line}"
    for expected, came in result.differences:
        yield f"- {expected}"
        yield f"+ {came}"
    for judged in result.decision.rule_results:
        yield f"rule {quoted(judged.rule)}: {judged.why or judged.verdict}"
        for duty, objection in judged.duties:
            yield f"  {duty.describe(result.decision.now)}: {objection or 'counts'}"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m policy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser("check", help="tell what is wrong with policy files")
    check.set_defaults(run=_check)
    test = commands.add_parser("test", help="run the tests beside policy files")
    test.add_argument(
        "--self-declared",
        action="store_true",
        help="as with INCIDENTIO_APPROVE_SELF_DECLARED=true",
    )
    test.set_defaults(run=_test)
    for each in (check, test):
        each.add_argument(
            "files", nargs="*", type=_policy_file, metavar="FILE", help=f"{FOLDER}/*{SUFFIX}"
        )
    return parser


def _policy_file(text: str) -> Path:
    file = Path(text)
    if file.name.endswith(TEST_SUFFIX):
        raise argparse.ArgumentTypeError(f"{text} holds tests: name the policy beside it")
    if not file.name.endswith(SUFFIX):
        raise argparse.ArgumentTypeError(f"{text}: a policy's name ends in {SUFFIX}")
    if tests_of(file).name == TEST_SUFFIX:
        raise argparse.ArgumentTypeError(f"{text} is no name for a policy")
    return file


if __name__ == "__main__":
    sys.exit(main())
