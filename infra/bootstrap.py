"""Prepare a stack for its first deploy: `python -m infra.bootstrap STACK`.

It creates the bucket for Pulumi's state, a KMS key if the settings name one, and the stack, whose
state is in that bucket from the start; none is kept on this machine. Each step finds what an
earlier run has done, so after an interruption, run it again.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from handler.setting_parsers import Problems, SettingsError
from handler.settings import OLDER_SCHEDULES, POLICY, ROLES, SCHEDULES
from infra.aws_account import aws_errors, current_account, loopback_warning
from infra.backend import bucket_url, listed_stacks, prove_backend
from infra.deploy_role import ensure_oidc_provider
from infra.errors import ReportError, SetupError, say_error
from infra.pulumi_cli import (
    BACKEND,
    INTERRUPTED,
    NO_PLUGINS_OF_A_STATE,
    PASSPHRASES,
    InterruptedCommandError,
    Pulumi,
    has_passphrase,
)
from infra.region import parse_region
from infra.secrets_provider import is_same_key, key_address, prove_key
from infra.settings import (
    BY_NAME,
    DEPLOY_REPOSITORY,
    KMS_KEY_ALIAS,
    KMS_KEY_ID,
    KMS_KEY_MANAGED,
    STATE_BUCKET,
    STATE_BUCKET_MANAGED,
    check_default_bucket,
    default_bucket_name,
)
from infra.stack_file import PASSPHRASE, StackFile, read_stack_file
from infra.state_bucket import ensure_bucket
from infra.state_key import ensure_key
from policy.remedies import ConfigError
from policy.terminal import Parser, safe_lines, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The settings that are read here; encrypted ones would look unset.
_SETTINGS_READ = (
    *(STATE_BUCKET, STATE_BUCKET_MANAGED, KMS_KEY_ALIAS, KMS_KEY_ID, KMS_KEY_MANAGED),
    DEPLOY_REPOSITORY,
)
NEXT = """
{stack} is ready. In each shell that deploys it, first run:

  export {backend}={url}
  export {no_plugins}=true

Then set its secrets and settings, preview the deploy, and deploy:

  pulumi config set --secret AUTHZEN_TOKEN --stack {stack}
  make preview STACK={stack}
  make deploy STACK={stack}
"""
NARROW = """
Its settings name no schedules, no roles and no policy, so anybody on duty could
open any resource (or, with labels in the settings, any resource with them).
Narrow this before you deploy, for example with:

  pulumi config set {schedules} Production --stack {stack}
"""


def main(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Bootstrap a stack; return 0 if it is done, 1 if not, or 130 if interrupted."""
    parser = Parser(prog="python -m infra.bootstrap", description=__doc__)
    parser.add_argument("stack")
    stack = parser.parse_args(arguments).stack
    os.umask(0o077)
    if warning := loopback_warning(environment):
        say(f"warning: {warning}", sys.stderr)
    try:
        with aws_errors():
            url = bootstrap(stack, environment, folder)
        settings = read_stack_file(folder, stack, environment).settings
    except SetupError as error:
        say_error(error)
        return 1
    except (KeyboardInterrupt, InterruptedCommandError) as error:
        problem = str(error) or "interrupted"
        say(f"error: {problem}; to continue, run `make bootstrap STACK={stack}`", sys.stderr)
        return INTERRUPTED
    exports = {"backend": BACKEND, "url": shlex.quote(url), "no_plugins": NO_PLUGINS_OF_A_STATE}
    text = NEXT if settings.keys() & {SCHEDULES, OLDER_SCHEDULES, ROLES, POLICY} else NEXT + NARROW
    # Not wrapped to the terminal: a command would paste as two.
    sys.stdout.write(safe_lines(text.format(stack=stack, schedules=SCHEDULES, **exports)))
    return 0


def bootstrap(stack: str, environment: Mapping[str, str], folder: Path) -> str:
    """Create or find the bucket, the key and the stack.

    Returns:
        The URL of the state.

    Raises:
        SetupError: something isn't ready.
    """
    file = read_stack_file(folder, stack, environment)
    prove_key(file, environment)
    region, alias = _check_settings(file, environment)
    Pulumi(folder, "", environment)  # fail early if the CLI is missing

    def report_step(step: str) -> None:
        say(f"{stack}: {step} ...")

    report_step("checking the AWS account")
    account = current_account(region)
    name = file.settings.get(STATE_BUCKET) or default_bucket_name(account.id, stack)
    managed = ensure_bucket(account, file, name, report_step)
    outcome = {STATE_BUCKET: name, STATE_BUCKET_MANAGED: _switch(on=managed)}
    provider = file.encrypted_by or PASSPHRASE
    if alias:
        key = ensure_key(account, file, alias, report_step)
        outcome |= {KMS_KEY_ID: key.id, KMS_KEY_MANAGED: _switch(on=key.managed)}
        provider = key_address(alias, region)
    if file.settings.get(DEPLOY_REPOSITORY):
        ensure_oidc_provider(account, report_step)
    url = bucket_url(name, region, environment)
    pulumi = Pulumi(folder, url, environment)
    report_step(f"looking for the stack at {url}")
    if stack in listed_stacks(pulumi):
        pulumi.run("stack", "select", stack)
    else:
        _refuse_second_state(file, environment, folder)
        report_step(f"creating the stack at {url}")
        # The provider that encrypts the file's secrets has to stay until it is changed.
        pulumi.run("stack", "init", stack, "--secrets-provider", file.encrypted_by or provider)
    _encrypt(pulumi, read_stack_file(folder, stack, environment), provider, environment)
    if outcome.items() - file.settings.items():
        report_step(f"writing the names to Pulumi.{stack}.yaml")
        pairs = [
            word for key, value in outcome.items() for word in ("--plaintext", f"{key}={value}")
        ]
        pulumi.run("config", "set-all", *pairs, "--stack", stack)
    report_step("installing the plugins that the program needs")
    pulumi.run("install", "--no-dependencies")
    return url


def _refuse_second_state(file: StackFile, environment: Mapping[str, str], folder: Path) -> None:
    """Refuse a stack whose state is elsewhere already: it would deploy everything twice."""
    try:
        backend = prove_backend(file, environment)
        stacks = listed_stacks(Pulumi(folder, backend.url, environment))
    except SetupError:  # not set, not this account's, or unreadable
        return
    if file.stack in stacks:
        raise SetupError(
            f"{BACKEND} is {backend.url}, which already has a stack {file.stack!r}; to move its "
            'state, follow docs/deploy.md, "Move the state"; to start anew without it, run '
            f"`unset {BACKEND}`"
        )


def _encrypt(
    pulumi: Pulumi, file: StackFile, provider: str, environment: Mapping[str, str]
) -> None:
    """Encrypt config and state with a provider, whatever encrypts them now."""
    if is_same_key(file.encrypted_by, provider):
        return
    if provider == PASSPHRASE:  # the CLI writes the salt with the first secret
        return
    say(f"{file.stack}: encrypting config and state with {provider} ...")
    # If the file names no provider, nothing in it is encrypted, and any passphrase works.
    unused = {} if file.encrypted_by or has_passphrase(environment) else {PASSPHRASES[0]: ""}
    pulumi.run("stack", "change-secrets-provider", provider, "--stack", file.stack, **unused)


def _check_settings(file: StackFile, environment: Mapping[str, str]) -> tuple[str, str]:
    """Check the settings that are needed here, and return the region and the alias."""
    problems = Problems()
    region = problems.read(parse_region, file.region, file.region_key)
    problems.read(BY_NAME[STATE_BUCKET].read, file.settings)
    if not file.has(STATE_BUCKET):
        problems.read(check_default_bucket, STATE_BUCKET, file.stack)
    alias = problems.read(BY_NAME[KMS_KEY_ALIAS].read, file.settings) or ""
    for key in _SETTINGS_READ:
        if key in file.encrypted:
            remedy = f"write it in plain text to Pulumi.{file.stack}.yaml"
            problem = "is set with --secret but is not a secret"
            problems.append(ConfigError(key, problem, remedy))
    needs_passphrase = file.encrypted_by == PASSPHRASE or not (
        file.encrypted_by or file.has(KMS_KEY_ALIAS)
    )
    if needs_passphrase and not has_passphrase(environment):
        problem = f"is not set, and neither is {PASSPHRASES[1]}; it encrypts the stack's secrets"
        remedy = f"run `read -rs {PASSPHRASES[0]} && export {PASSPHRASES[0]}`"
        problems.append(ConfigError(PASSPHRASES[0], problem, remedy))
    try:
        problems.check()
    except SettingsError as error:
        raise ReportError(file.reported(error)) from None
    return region, alias


def _switch(*, on: bool) -> str:
    return "true" if on else "false"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Path.cwd()))
