"""`make bootstrap` and its way back on the real CLI, and how they are killed."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from typing import Any

from sandbox.program import ROOT
from tests.engine.cli import PATIENCE, Command, Said
from tests.engine.project import Project

NEVER = "-"
# Kills whoever runs it, before or after a command that is named by its first words and its place.
CLI = """#!/bin/sh
what="$1 $2 at $PULUMI_BACKEND_URL"
case "$what" in $KILL_BEFORE) kill -9 $PPID; exit 1 ;; esac
{pulumi} "$@"
code=$?
case "$what" in $KILL_AFTER) kill -9 $PPID ;; esac
exit $code
"""
# The stand-in for Pulumi's plugin, which tells once it has made a bucket, and answers no more.
SILENT = f"""#!{sys.executable}
import pathlib, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from sandbox.plugin import main
from sandbox.resources.buckets import Bucket
make = Bucket.create
def create(*arguments):
    make(*arguments)
    pathlib.Path(sys.argv[0]).with_name("made").write_text("a bucket")
    signal.pause()
Bucket.create = create
main()
"""


class Moves:
    """Runs of the move in a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.heard: list[str] = []  # all that any of them said
        self.here = project._environment["PULUMI_BACKEND_URL"]
        self._environment = project._environment
        self._bin = project.folder.parent / "bin"
        self._executable("pulumi", CLI.format(pulumi=shutil.which("pulumi")))

    def start(
        self, stack: str, *options: str, before: str = NEVER, after: str = NEVER, **environment: str
    ) -> Command:
        """Begin one, to be killed before or after a command that fits a pattern of the shell's."""
        return Command(
            [sys.executable, "-m", "infra.bootstrap", *options, stack],
            self.project.folder,
            {**self._environment, "KILL_BEFORE": before, "KILL_AFTER": after, **environment},
        )

    def run(self, stack: str, *options: str, **how: str) -> Said:
        """Run one to its end, whatever that is."""
        with self.start(stack, *options, **how) as command:
            said = command.end()
        self.heard.append(said.text)
        return said

    def kill_once_the_bucket_is_made(self, stack: str) -> None:
        """Begin one, and kill it and all its kin while Pulumi waits to hear of the bucket."""
        plugin, made = self._bin / "pulumi-resource-aws", self._bin / "made"
        kept = plugin.read_text(encoding="utf-8") if plugin.exists() else ""
        self._executable(plugin.name, SILENT)
        os.mkfifo(made)
        told = os.open(made, os.O_RDONLY | os.O_NONBLOCK)
        with self.start(stack) as command:
            assert select.select([told], [], [], PATIENCE)[0], command.said()
            command.kill()
        os.close(told)
        plugin.unlink()
        if kept:
            self._executable(plugin.name, kept)

    def _executable(self, name: str, text: str) -> None:
        (self._bin / name).write_text(text, encoding="utf-8")
        (self._bin / name).chmod(0o755)

    def at(self, place: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Ask the CLI something of a place, in JSON."""
        done = subprocess.run(
            self.project.command(*arguments),
            cwd=self.project.folder,
            env={**self._environment, "PULUMI_BACKEND_URL": place},
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=True,
        )
        return json.loads(done.stdout)

    def there(self, bucket: str) -> str:
        """Spell out a bucket's address on the local AWS."""
        region, endpoint = self.project.aws.region, self._environment["AWS_ENDPOINT_URL"]
        return f"s3://{bucket}?region={region}&endpoint={endpoint}&s3ForcePathStyle=true"
