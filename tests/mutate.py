"""Mutation testing of what decides and verifies: each small change to the code must fail a test.

`make mutate` runs mutmut in a copy of the tree, with its settings in pyproject.toml. Each
mutant that survives all tests must be explained in `tests/handler/mutants.md`. All files together
take most of an hour; `make mutate FILES=handler/jwt.py` takes two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
EXPLAINED = ROOT / "tests/handler/mutants.md"
# The number of examples per property; small, since they run for thousands of mutants.
EXAMPLES = "15"
# A test failed, or timed out.
NOTICED = ("killed", "timeout")
_HEADING = re.compile(r"## `(.+)`")


class Mutant(NamedTuple):
    """One change: the file, the original code, and the changed code."""

    file: str
    before: str
    after: str

    def __str__(self) -> str:
        """Write it in the form of `mutants.md`."""
        return f"{self.file}\n    - {self.before}\n    + {self.after}"


def read_explained() -> list[Mutant]:
    """Read the explained mutants, which are indented below their files' names."""
    mutants, file, before = [], "", ""
    for line in EXPLAINED.read_text(encoding="utf-8").splitlines():
        if heading := _HEADING.fullmatch(line):
            file = heading[1]
        elif line.startswith("    - "):
            before = line[6:]
        elif line.startswith("    + "):
            mutants.append(Mutant(file, before, line[6:]))
    return mutants


def main(arguments: Sequence[str]) -> int:
    """Test every mutant, and print the score and the mutants that are not found or explained."""
    files = _parse_files(arguments)
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        tree = _copy_to(Path(name), files)
        try:
            _mutmut(tree, "run", "--max-children", str(os.cpu_count() or 1), show=True)
        except subprocess.CalledProcessError:
            print("mutmut gave up: are the tests green without a mutant? It runs them first.")
            return 2
        states = dict(_states(_mutmut(tree, "results", "--all", "true")))
        alive = {
            name: _parse_mutant(_mutmut(tree, "show", name), name)
            for name, state in states.items()
            if state not in NOTICED
        }
    known = [mutant for mutant in read_explained() if mutant.file in files]
    unexplained = {name: mutant for name, mutant in alive.items() if mutant not in known}
    for name, mutant in unexplained.items():
        print(f"\n{name} ({states[name]})\n{mutant}")
    stale = [mutant for mutant in known if mutant not in alive.values()]
    for mutant in stale:
        print(
            "\nThis is explained, but it is noticed, or isn't a mutant any more: remove it\n"
            f"{mutant}"
        )
    noticed = len(states) - len(alive)
    score = 100 * noticed / len(states)
    known_alive = len(alive) - len(unexplained)
    endless = list(states.values()).count("timeout")
    print(
        f"\n{len(states)} mutants: {noticed} noticed ({score:.1f} %; {endless} did not end), "
        f"{known_alive} explained"
    )
    return 1 if unexplained or stale else 0


def _parse_files(arguments: Sequence[str]) -> list[str]:
    """Read the files to change; by default all files that decide."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    files: list[str] = settings["tool"]["mutmut"]["only_mutate"]
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutate",
        description="Change the deciding code bit by bit: a test must notice each change.",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help=f"one of {', '.join(files)}; all if none is given"
    )
    chosen: list[str] = parser.parse_args(arguments).files
    if unknown := sorted(set(chosen) - set(files)):
        parser.error(f"{unknown[0]} isn't one of the files that decide: {', '.join(files)}")
    return chosen or files


def _copy_to(tree: Path, files: Sequence[str]) -> Path:
    """Copy what the handler's tests need, with settings that change only these files."""
    for room in ("handler", "auditlog", "policy", "sandbox", "tests/handler"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / room, tree / room, ignore=ignored)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings = re.sub(r"(?s)(?<=\nonly_mutate = )\[.*?\]", json.dumps(list(files)), settings)
    (tree / "pyproject.toml").write_text(settings, encoding="utf-8")
    return tree


def _mutmut(tree: Path, *arguments: str, show: bool = False) -> str:
    """Run mutmut. It rewrites one line to show its progress, so only print that to a terminal."""
    process = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=tree,
        env={**os.environ, "EXAMPLES": EXAMPLES, "COLUMNS": "100"},
        stdout=None if show and sys.stdout.isatty() else subprocess.PIPE,
        text=True,
        check=True,
    )
    return process.stdout or ""


def _states(results: str) -> Iterator[tuple[str, str]]:
    for line in results.splitlines():
        name, _, state = line.strip().partition(": ")
        yield name, state


def _parse_mutant(diff: str, name: str) -> Mutant:
    """Read a mutant from its diff."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    before, after = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return Mutant(_file_of(name), before, after)


def _file_of(name: str) -> str:
    """Return a mutant's file, from its name (`handler.jwt.x_verify__mutmut_1`)."""
    return "/".join(name.split(".")[:-1]) + ".py"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
