"""The settings and the policy of a command: from the environment, a stack, or a policy file.

Secrets come from the environment only.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cli.context import Context
from cli.errors import CommandError, ReportError
from cli.misspelt_settings import misspelt_keys, misspelt_variables
from handler.providers.registry import PROVIDERS
from handler.rules.model import Policy
from handler.setting_parsers import SHORTEST_SECRET, Problems, SettingsError
from handler.settings import (
    BESIDE_POLICY,
    MAX_AGE,
    PLAIN_KEYS,
    POLICY,
    PROVIDER_KEYS,
    SIGNING_SECRET,
    Settings,
    load,
)
from infra.errors import SetupError
from infra.stack_file import config_of, load_file, stack_names
from policy.case_runner import FileError, problem_lines, read
from policy.diagnostics import nearest_of
from policy.loader import load as load_policy
from policy.remedies import UNREAD, ConfigError, in_stack, report
from policy.setting_hints import check_typed_text

PROJECT_FILE = "Pulumi.yaml"
# For secrets that these commands don't need, since they neither sign nor check a call. The two
# differ because two settings must not have the same secret.
_STAND_IN_SECRET, _STAND_IN_KEY = "-" * SHORTEST_SECRET, "-"
_OF_PROVIDERS = frozenset(row.name for provider in PROVIDERS for row in provider.settings)
_REMEDY = "export it, or run `. .sandbox/env` while `make up` runs"
_REMEDY_OF_STACK = "export it, for example with `export {0}=$(pulumi config get {0} --stack {1})`"


class CommandConfig(NamedTuple):
    """The configuration of a command.

    Attributes:
        settings: as the function reads them.
        origin: where the policy comes from, in words.
    """

    settings: Settings
    origin: str

    @property
    def policy(self) -> Policy:
        """The policy."""
        return self.settings.policy


def load_config(
    options: argparse.Namespace, context: Context, *, needs_keys: bool = True
) -> CommandConfig:
    """Read the settings, and warn of names that are nearly those of settings.

    Args:
        options: `policy` (a file, or None) and `stack` (a name, or None).
        context: the environment and the current folder.
        needs_keys: whether providers are asked, so that their keys must be set.

    Raises:
        CommandError: a setting is missing or wrong, or a file cannot be used.
    """
    environment, folder = context.environment, context.folder
    values = {key: environment.get(key, "") for key in PLAIN_KEYS}
    values.pop(MAX_AGE)
    of_stack: Mapping[str, str] = {}
    origin = "environment variables"
    misspelt = misspelt_variables(environment, with_policy=not options.stack)
    if options.stack:
        folder = project_folder(folder)
        of_stack = stack_settings(folder, options.stack)
        misspelt += misspelt_keys(of_stack, f"Pulumi.{options.stack}.yaml")
        values = _by_stack(values, of_stack)
        origin = f"Pulumi.{options.stack}.yaml"
    if options.policy:
        values = {**values, **dict.fromkeys(BESIDE_POLICY, ""), POLICY: str(options.policy)}
        folder = Path()
    for warning in misspelt:
        context.warn(f"oncall: warning: {warning}")
    problems, text = Problems(), None
    if values[POLICY].strip():
        origin = values[POLICY].strip()
        text = problems.read(_policy_text, Path(origin), folder)
    secrets = {key: environment.get(key, "") for key in PROVIDER_KEYS} if needs_keys else {}
    if not needs_keys:
        secrets[PROVIDER_KEYS[0]] = _STAND_IN_KEY
    read = {**values, **secrets, SIGNING_SECRET: _STAND_IN_SECRET}
    settings = problems.read(load, read, UNREAD if problems else text, check_typed_text)
    try:
        problems.check()
    except SettingsError as error:
        subject = f"Pulumi.{options.stack}.yaml" if options.stack else "the environment"

        def remedy(problem: SettingsError) -> str:
            ours = problem.key in _OF_PROVIDERS and not of_stack.get(problem.key)
            if (
                options.stack
                and problem.key in values
                and not (ours or environment.get(problem.key))
            ):
                return in_stack(problem, options.stack)
            if options.stack and problem.key in PROVIDER_KEYS and not problem.fixes:
                return _REMEDY_OF_STACK.format(problem.key, options.stack)
            return _in_environment(problem)

        raise ReportError(report(subject, error, remedy)) from None
    return CommandConfig(settings, origin)


def _in_environment(error: SettingsError) -> str:
    """Say how to correct a setting of the environment."""
    if error.fixes:
        commands = [
            f"unset {key}" if value is None else f"export {key}={shlex.quote(value)}"
            for key, value in error.fixes.items()
        ]
        return f"run {' or '.join(f'`{command}`' for command in commands)}"
    if error.key in PROVIDER_KEYS:
        return _REMEDY
    if error.example:
        return f"for example, run `export {error.key}={shlex.quote(error.example)}`"
    return f"export another {error.key}"


def _by_stack(environment: Mapping[str, str], stack: Mapping[str, str]) -> dict[str, str]:
    """Take the policy from the stack alone; providers' addresses go with the keys."""
    return {
        key: (environment[key] if key in _OF_PROVIDERS else "") or stack.get(key, "")
        for key in environment
    }


def _policy_text(file: Path, folder: Path) -> str:
    try:
        loaded = load_policy(read(file, folder))
    except FileError as error:
        raise ConfigError("the policy", str(error), "name an existing file") from None
    if loaded.errors:
        first, *others = problem_lines(file, loaded.errors)
        place, _, text = first.partition(" ")
        more = f" (and {len(others)} more)" if others else ""
        command = shlex.join(["python", "-m", "policy", "check", "--", str(file)])
        raise ConfigError(place, f"{text}{more}", f"run `{command}` to see them all")
    return loaded.json


def project_folder(start: Path) -> Path:
    """Find the project's folder: this one, or one above it.

    Raises:
        CommandError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise CommandError(f"no {PROJECT_FILE} here or above: change to the project's folder")


def stack_settings(folder: Path, stack: str) -> dict[str, str]:
    """Read the project's defaults, then the stack's settings, except for encrypted ones.

    Raises:
        CommandError: there is no such stack, or a file cannot be read.
    """
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        names = stack_names(folder)
        known = f"existing stacks: {', '.join(names)}" if names else "run `make bootstrap` first"
        near = nearest_of(stack, names)
        remedy = f"did you mean {near}?" if near else known
        raise CommandError(f"--stack is {stack!r}, but there is no {file.name}; {remedy}")
    try:
        project = load_file(folder / PROJECT_FILE)
        config, _ = config_of(project, load_file(file))
    except SetupError as error:
        raise CommandError(str(error)) from None
    return {key.removeprefix(f"{project.get('name')}:"): value for key, value in config.items()}
