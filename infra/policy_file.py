"""Reads the policy file that a stack names: a file of the project whose tests must pass."""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from handler.providers.registry import BY_ID, PROVIDERS
from handler.setting_parsers import SettingsError, parse_switch
from handler.settings import POLICY, SELF_DECLARED
from policy.case_runner import (
    SUFFIX,
    TEST_SUFFIX,
    FileError,
    problem_lines,
    run_policy_tests,
    tests_of,
)
from policy.diagnostics import quoted
from policy.lint import providers_of, rules_without_provider
from policy.remedies import ConfigError, config_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from policy.loader import Loaded

EXAMPLE, STARTER = "policy/prod.yaml", Path("policy/example.yaml")
# A name that needs no quotes in make and shells.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._/][A-Za-z0-9._/-]*")


def read_tested_policy(root: Path, settings: Mapping[str, str]) -> Loaded:
    """Read the policy file that the settings name, and run its tests.

    Args:
        root: the project's folder.
        settings: those that are set, including secrets.

    Raises:
        SettingsError: it isn't a file of the project, the file is invalid, or its tests fail.
    """
    name = settings[POLICY]
    file = path_in_project(name, root)
    try:
        self_declared = parse_switch(SELF_DECLARED, settings.get(SELF_DECLARED, ""))
    except SettingsError:  # reported with the other settings
        self_declared = False
    if not (root / file).exists():
        raise ConfigError(
            POLICY, f"is {name!r}, but there is no such file", _starter_remedy(file, root)
        )
    try:
        run = run_policy_tests(file, root, self_declared=self_declared)
    except FileError as error:
        missing = not (root / tests_of(file)).exists()
        remedy = _starter_remedy(file, root) if missing else "make the file readable"
        raise ConfigError(POLICY, f"is {name!r}: {error}", remedy) from None
    if run.failures:
        more = len(run.failures) - 1
        also = f" (and {more} more)" if more else ""
        problem = f"is {name!r}, which does not pass its tests: {run.failures[0]}{also}"
        remedy = f"run `{_command(file, self_declared=self_declared)}`"
        raise ConfigError(POLICY, problem, remedy)
    return run.policy


def policy_notes(policy: Loaded, settings: Mapping[str, str], stack: str) -> Iterator[str]:
    """Yield warnings about a policy file, on its own and together with the settings.

    Args:
        policy: the file that the settings name.
        settings: those that are set, including secrets.
        stack: the stack's name.
    """
    file = Path(settings[POLICY])
    yield from problem_lines(file, policy.warnings)
    for provider in map(BY_ID.__getitem__, providers_of(policy.policy)):
        if not settings.get(provider.key):
            yield (
                f"{file} needs duties from {provider.name}, but {provider.key} is not set: "
                f"run {config_set(provider.key, stack)}"
            )
    on = [provider for provider in PROVIDERS if settings.get(provider.key)]
    for provider in PROVIDERS:
        if provider.name in policy.policy.identities and provider not in on:
            yield (
                f"{file} has `identities` for {provider.name}, but {provider.key} is not set, so "
                f"they have no effect: remove them, or run {config_set(provider.key, stack)}"
            )
    rules = rules_without_provider(policy.policy)
    if len(on) > 1 and rules:
        more = f" (and {len(rules) - 1} more)" if len(rules) > 1 else ""
        names = " and ".join(provider.name for provider in on)
        yield (
            f"{file}:{policy.lines[rules[0]]}: {quoted(rules[0])}{more} names schedules without "
            f"their provider, so a schedule with such a name counts at {names}; add the "
            f"provider next to `schedules`, for example `provider: {on[0].id}`"
        )


def _starter_remedy(file: Path, root: Path) -> str:
    """Return how to create a missing policy or its tests: by copying the example."""
    commands = [] if (root / file.parent).is_dir() else [["mkdir", "-p", _argument(file.parent)]]
    commands += [
        ["cp", str(source), _argument(target)]
        for source, target in ((STARTER, file), (tests_of(STARTER), tests_of(file)))
        if not (root / target).exists()
    ]
    return f"to start with the example, run `{' && '.join(map(shlex.join, commands))}`"


def _argument(path: Path) -> str:
    return f"./{path}" if str(path).startswith("-") else str(path)


def path_in_project(name: str, root: Path) -> Path:
    """Check that a path is inside the project, after following links, and may be a policy.

    Raises:
        SettingsError: it isn't.
    """
    path = PurePosixPath(name)
    is_policy = path.name.endswith(SUFFIX) and not path.name.endswith(TEST_SUFFIX)
    inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name
    inside = inside and name.isprintable()
    if not (is_policy and inside and (root / path).resolve().is_relative_to(root.resolve())):
        allowed = f"the path of a {SUFFIX} file, relative to the project's folder and inside it"
        raise SettingsError(POLICY, f"is {name!r}: must be {allowed}", EXAMPLE)
    return Path(path)


def _command(file: Path, *, self_declared: bool) -> str:
    if not _PLAIN_NAME.fullmatch(str(file)):
        # As an argument of make it would need to be quoted twice.
        option = ["--self-declared"] if self_declared else []
        return shlex.join([".venv/bin/python", "-m", "policy", "test", *option, "--", str(file)])
    usual = file.parent == Path(EXAMPLE).parent
    options = [
        *([] if usual else [f"FILES={file}"]),
        *(["SELF_DECLARED=1"] if self_declared else []),
    ]
    return " ".join(["make policy-test", *options])
