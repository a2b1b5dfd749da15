"""The policy file that a stack may name: a file of the project, whose tests have to pass."""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pulumi

from handler.providers import BY_ID, PROVIDERS
from handler.settings import POLICY, SettingsError, parse_switch
from policy.conditions import providers_of, rules_without_provider
from policy.problems import quoted
from policy.terminal import safe
from policy.trial import SUFFIX, TEST_SUFFIX, FileError, placed, try_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from policy.loader import Loaded

EXAMPLE = "policy/prod.yaml"
# What neither make nor a shell takes for more than a name.
SELF_DECLARED = "INCIDENTIO_APPROVE_SELF_DECLARED"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._/][A-Za-z0-9._/-]*")


def tested_policy(root: Path, settings: Mapping[str, str]) -> Loaded | None:
    """Read and try the policy file that the settings name; None where they name none.

    Args:
        root: the project's folder.
        settings: those that are set, secret ones too.

    Raises:
        SettingsError: the setting names no file of the project.
        pulumi.RunError: the file cannot be used, or its tests do not pass.
    """
    name = settings.get(POLICY, "")
    if not name:
        return None
    file = _in_project(name, root)
    self_declared = parse_switch(SELF_DECLARED, settings.get(SELF_DECLARED, ""))
    remedy = f"run `{_command(file, self_declared=self_declared)}`"
    try:
        trial = try_policy(file, root, self_declared=self_declared)
    except FileError as error:
        raise pulumi.RunError(safe(f"{POLICY} is {name!r}: {error}; {remedy}")) from None
    if trial.faults:
        more = len(trial.faults) - 1
        also = f" (and {more} more)" if more else ""
        said = f"{POLICY} is {name!r}, which its tests do not let pass: {trial.faults[0]}{also}"
        raise pulumi.RunError(safe(f"{said}; {remedy}"))
    for each in placed(file, trial.policy.warnings):
        pulumi.log.warn(safe(each))
    for provider in map(BY_ID.__getitem__, providers_of(trial.policy.body)):
        if not settings.get(provider.key):
            pulumi.log.warn(
                f"{file} counts duties of {provider.name}, which is not asked: "
                f"run `pulumi config set --secret {provider.key}`"
            )
    _note_unassigned_schedules(file, trial.policy, settings)
    return trial.policy


def _note_unassigned_schedules(file: Path, policy: Loaded, settings: Mapping[str, str]) -> None:
    """Warn where a schedule of that name at any of several providers would do."""
    on = [each for each in PROVIDERS if settings.get(each.key)]
    rules = rules_without_provider(policy.body)
    if len(on) > 1 and rules:
        more = f" (and {len(rules) - 1} more)" if len(rules) > 1 else ""
        names = " and ".join(each.name for each in on)
        pulumi.log.warn(
            f"{file}:{policy.lines[rules[0]]}: {quoted(rules[0])}{more} names schedules without "
            f"their provider, and {names} are on: one of that name at either counts; "
            f"write `provider: {on[0].id}`, or whose they are, beside `schedules`"
        )


def _in_project(name: str, root: Path) -> Path:
    """Check that a path stays in the project, links followed, and may be a policy's."""
    path = PurePosixPath(name)
    is_policy = path.name.endswith(SUFFIX) and not path.name.endswith(TEST_SUFFIX)
    inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name
    inside = inside and name.isprintable()
    if not (is_policy and inside and (root / path).resolve().is_relative_to(root.resolve())):
        allowed = f"the path of a {SUFFIX} file in the project, seen from its folder"
        raise SettingsError(POLICY, f"is {name!r}: allowed is {allowed}", EXAMPLE)
    return Path(path)


def _command(file: Path, *, self_declared: bool) -> str:
    if not _PLAIN_NAME.fullmatch(str(file)):
        # As an argument of make it would have to be quoted twice.
        option = ["--self-declared"] if self_declared else []
        return shlex.join([".venv/bin/python", "-m", "policy", "test", *option, "--", str(file)])
    usual = file.parent == Path(EXAMPLE).parent
    options = [
        *([] if usual else [f"FILES={file}"]),
        *(["SELF_DECLARED=1"] if self_declared else []),
    ]
    return " ".join(["make policy-test", *options])
