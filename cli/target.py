"""The webhook that a command calls: a stack's, by the Pulumi CLI, or the environment's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from cli.config import project_folder, stack_settings
from cli.context import Context
from cli.errors import CommandError, ReportError

URL = "WEBHOOK_URL"
_CLI_SECONDS = 60.0
_MOST_CHARACTERS = 200
_NONE: Mapping[str, str] = MappingProxyType({})
# What the CLI says, and what to do about it. `{}` is the stack.
_REMEDIES = {
    "passphrase must be set": "export PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE",
    "incorrect passphrase": "PULUMI_CONFIG_PASSPHRASE is not the stack's: export the right one",
    "no stack named": "export the PULUMI_BACKEND_URL that `make bootstrap STACK={}` prints",
    "PULUMI_ACCESS_TOKEN must be set": (
        "export it, or the PULUMI_BACKEND_URL that `make bootstrap STACK={}` prints"
    ),
    "NoCredentialProviders": "AWS credentials are missing or expired: run `aws sso login`",
    "no EC2 IMDS role found": "AWS credentials are missing or expired: run `aws sso login`",
    "ExpiredToken": "AWS credentials are expired: run `aws sso login`",
    "not found for stack": "run `pulumi config set --secret {key} --stack {}`",
}


class Target(NamedTuple):
    """A webhook, and where to look when it fails.

    Attributes:
        url: where it answers.
        secret: what a caller proves itself by: signing secret, or token.
        stack: whose it is; "" for one that the environment names.
        settings: the stack's, or the environment's, as they are written: maybe not deployed yet.
        encrypted: the names of the stack's settings that are encrypted.
        function: the function's name.
        log_group: where its log is.
        access_log: where the log of the HTTP API in front of it is; "" without one.
    """

    url: str
    secret: str = ""
    stack: str = ""
    settings: Mapping[str, str] = _NONE
    encrypted: frozenset[str] = frozenset()
    function: str = ""
    log_group: str = ""
    access_log: str = ""

    def has(self, key: str) -> bool:
        """Whether a setting is there, in plain text or encrypted."""
        return key in self.encrypted or bool(self.settings.get(key))

    def __repr__(self) -> str:
        """Hide the secret, wherever the value is printed."""
        return f"Target({self.url!r}, stack={self.stack!r})"


def find_target(stack: str | None, context: Context) -> Target:
    """Find the webhook of a stack; without one, the environment's, such as a running sandbox's.

    It comes without a secret: see `with_secret`.

    Raises:
        CommandError: something is missing, or the Pulumi CLI cannot say it.
    """
    return _of_stack(stack, context) if stack else _of_environment(context.environment)


def with_secret(target: Target, key: str, context: Context) -> Target:
    """Add a caller's secret, which is the value of a setting.

    Raises:
        CommandError: it isn't set, or the Pulumi CLI can't read it.
    """
    if not target.stack:
        return target._replace(secret=_variable(context.environment, key))
    folder = project_folder(context.folder)
    secret = _pulumi(["config", "get", key], target.stack, folder, context.environment)
    return target._replace(secret=secret.removesuffix("\n"))


def _variable(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name, ""):
        remedy = "give --stack NAME, or run `. .sandbox/env` while `make up` runs"
        raise CommandError(f"{name} is not set: {remedy}")
    return environment[name]


def _of_environment(environment: Mapping[str, str]) -> Target:
    _variable(environment, URL)
    if "@" in environment[URL].partition("//")[2].partition("/")[0]:
        # Not quoted: it may be a password.
        raise CommandError(f"{URL} has a user before its host: leave that out")
    return Target(environment[URL], settings=environment)


def _of_stack(stack: str, context: Context) -> Target:
    folder = project_folder(context.folder)
    settings = stack_settings(folder, stack)
    outputs = _outputs_of(stack, folder, context.environment, needed="webhook_url")
    return Target(
        outputs["webhook_url"],
        stack=stack,
        settings=settings,
        encrypted=_encrypted_settings(stack, folder, context.environment),
        function=outputs.get("function_name", ""),
        log_group=outputs.get("log_group", ""),
        access_log=outputs.get("access_log", ""),
    )


def _encrypted_settings(stack: str, folder: Path, environment: Mapping[str, str]) -> frozenset[str]:
    from infra.stack_file import read_stack_file  # noqa: PLC0415 - as below

    # It was read before, to prove the backend.
    return read_stack_file(folder, stack, environment).encrypted


def find_log_group(stack: str, context: Context) -> tuple[str, str]:
    """Find a stack's log group, and the region in which it is.

    Raises:
        CommandError: something is missing, or the Pulumi CLI cannot say it.
    """
    folder = project_folder(context.folder)
    region = stack_settings(folder, stack).get("aws:region", "")
    outputs = _outputs_of(stack, folder, context.environment, needed="log_group")
    return outputs["log_group"], region


def _outputs_of(
    stack: str, folder: Path, environment: Mapping[str, str], *, needed: str
) -> dict[str, str]:
    _prove_backend(stack, folder, environment)
    outputs = _outputs(_pulumi(["stack", "output", "--json"], stack, folder, environment))
    if not outputs.get(needed):
        remedy = f"run `make deploy STACK={stack}`"
        raise CommandError(f"stack {stack} has no {needed}: it is not deployed; {remedy}")
    return outputs


def _prove_backend(stack: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Prove that the state is this account's, before anything of it is read."""
    # Here and not above: with boto3, it takes most of a second, and no other command needs it.
    from infra import errors  # noqa: PLC0415
    from infra.backend import prove_backend  # noqa: PLC0415
    from infra.stack_file import read_stack_file  # noqa: PLC0415

    try:
        prove_backend(read_stack_file(folder, stack, environment), environment)
    except errors.SetupError as error:
        kind = ReportError if isinstance(error, errors.ReportError) else CommandError
        raise kind(str(error)) from None


def _outputs(text: str) -> dict[str, str]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise CommandError("`pulumi stack output --json` gave no JSON object: run it to see why")
    return {name: output for name, output in value.items() if isinstance(output, str)}


def _pulumi(arguments: list[str], stack: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run the CLI and give what it prints. That may be a secret: no error quotes it."""
    # Here and not above: no other command needs it.
    from infra.errors import SetupError  # noqa: PLC0415
    from infra.pulumi_cli import InterruptedCommandError, Pulumi  # noqa: PLC0415

    try:
        pulumi = Pulumi(folder, "", environment)
        result = pulumi.result(*arguments, "--stack", stack, seconds=_CLI_SECONDS)
        printed = "" if result.status else result.text
    except SetupError as error:
        raise CommandError(f"{error}; or, beside `make up`, leave --stack out") from None
    except InterruptedCommandError:
        raise KeyboardInterrupt from None
    if result.status:
        raise CommandError(_problem(f"pulumi {' '.join(arguments)}", stack, result.errors))
    return printed


def _problem(command: str, stack: str, errors: str) -> str:
    for words, remedy in _REMEDIES.items():
        if words in errors:
            key = command.rpartition(" ")[2]
            return f"`{command}` for stack {stack}: {words}: {remedy.format(stack, key=key)}"
    # Only what was asked for in plain may be quoted.
    line = "" if "config get" in command else next(filter(None, errors.splitlines()), "")
    quoted = f": {line[:_MOST_CHARACTERS]}" if line else ""
    return f"`{command} --stack {stack}` failed{quoted}; run it to see why"
