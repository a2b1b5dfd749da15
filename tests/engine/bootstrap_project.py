"""`make bootstrap` and other targets with the real CLI, and ways to kill them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.program import ROOT
from tests.engine.command import Command, Result
from tests.engine.pulumi_project import PulumiProject

NEVER = "-"
SWITCH = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
# Kills its parent, before or after a command that starts with these words.
CLI = """#!/bin/sh
case "$1 $2" in $KILL_BEFORE) kill -9 $PPID; exit 1 ;; esac
{pulumi} "$@"
code=$?
case "$1 $2" in $KILL_AFTER) kill -9 $PPID ;; esac
exit $code
"""


class BootstrapProject(PulumiProject):
    """The project with its Makefile, whose commands are for the current stack."""

    def __init__(self, folder: Path, aws: Aws, endpoint: str) -> None:
        super().__init__(folder, aws, endpoint)
        shutil.copy(ROOT / "Makefile", self.folder)
        cli = folder / "bin" / "pulumi"
        cli.write_text(CLI.format(pulumi=shutil.which("pulumi")), encoding="utf-8")
        cli.chmod(0o755)
        self._passphrase = self._environment.pop("PULUMI_CONFIG_PASSPHRASE")
        del self._environment["PULUMI_BACKEND_URL"]
        self._environment |= {
            "KILL_BEFORE": NEVER,
            "KILL_AFTER": NEVER,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._endpoint = endpoint

    def file(self, stack: str) -> Path:
        """The stack's file."""
        return self.folder / f"Pulumi.{stack}.yaml"

    def write_stack_file(self, stack: str, **settings: str) -> None:
        """Write a new stack's file by hand, as the README describes."""
        lines = [f"  oncall-approvals:{key}: {value}\n" for key, value in settings.items()]
        for key, value in self._settings.items():
            lines.append(f"  {key}: {json.dumps(value)}\n")
        self.file(stack).write_text(f"config:\n{''.join(lines)}", encoding="utf-8")

    def export_backend(self, stack: str, *, bucket: str = "", passphrase: bool = False) -> None:
        """Export the variables that `make bootstrap` printed, for the next commands."""
        name = bucket or f"indent-deploy-state-123456789012-{stack}"
        self._environment["PULUMI_BACKEND_URL"] = (
            f"s3://{name}?region=us-west-2&endpoint={self._endpoint}&s3ForcePathStyle=true"
        )
        self._environment[SWITCH] = "true"
        self._environment.pop("PULUMI_CONFIG_PASSPHRASE", None)
        if passphrase:
            self._environment["PULUMI_CONFIG_PASSPHRASE"] = self._passphrase
        if self.file(stack).exists() and "STATE_BUCKET" in self.file(stack).read_text("utf-8"):
            self.select(stack)

    @contextmanager
    def start_bootstrap(
        self,
        stack: str,
        *,
        before: str = NEVER,
        after: str = NEVER,
        passphrase: bool = False,
    ) -> Iterator[Command]:
        """Start one that is killed before or after a command matching this shell pattern."""
        environment = {**self._environment, "KILL_BEFORE": before, "KILL_AFTER": after}
        if passphrase:
            environment["PULUMI_CONFIG_PASSPHRASE"] = self._passphrase
        command = [sys.executable, "-m", "infra.bootstrap", stack]
        with Command(command, self.folder, environment) as running:
            yield running
            self.transcript.append(running.output())

    def bootstrap(
        self, stack: str, *, before: str = NEVER, after: str = NEVER, passphrase: bool | None = None
    ) -> Result:
        """Run it to the end and follow its instructions; dev has a passphrase."""
        passphrase = stack == "dev" if passphrase is None else passphrase
        with self.start_bootstrap(stack, before=before, after=after, passphrase=passphrase) as run:
            result = run.wait()
        if result.code == 0:
            (line,) = [text for text in result.out.splitlines() if "PULUMI_BACKEND_URL" in text]
            self._environment["PULUMI_BACKEND_URL"] = line.partition("'")[2].rstrip("'")
            self._environment[SWITCH] = "true"
            self._environment.pop("PULUMI_CONFIG_PASSPHRASE", None)
            if passphrase:
                self._environment["PULUMI_CONFIG_PASSPHRASE"] = self._passphrase
        return result

    def check_backend(self, stack: str) -> Result:
        """Run the check that `make deploy` makes before Pulumi reads a state."""
        command = [sys.executable, "-m", "infra.backend", stack]
        with Command(command, self.folder, self._environment) as running:
            return running.wait()

    def run_make(self, target: str, stack: str) -> Result:
        """Run a make target in a shell without the switch."""
        environment = {key: value for key, value in self._environment.items() if key != SWITCH}
        done = ("-o", ".venv/run.stamp", "-o", ".venv/bin/oncall")
        command = ["/usr/bin/make", "-s", *done, target, f"STACK={stack}"]
        with Command(command, self.folder, environment) as running:
            result = running.wait()
        self.transcript.append(result.text)
        return result

    def try_pulumi_without_the_switch(self, *arguments: str) -> Result:
        """Run the CLI without the switch."""
        environment = {key: value for key, value in self._environment.items() if key != SWITCH}
        with Command(self.command(*arguments), self.folder, environment) as running:
            return running.wait()

    def set_config(self, stack: str, secrets: Mapping[str, str], **plain: str) -> None:
        """Set a stack's secrets and settings, as the README describes."""
        for key, value in secrets.items():
            self.run_pulumi("config", "set", "--secret", key, "--stack", stack, stdin=value)
        for key, value in plain.items():
            self.run_pulumi("config", "set", key, value, "--stack", stack)
