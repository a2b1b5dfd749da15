"""A project in which the documents' scripts run unchanged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.program import ROOT
from sandbox.local_aws.resources.awslambda import Function
from sandbox.local_aws.resources.moto_workarounds import reserved_concurrency_of
from tests.engine.command import Command, Result
from tests.engine.pulumi_project import PulumiProject

# `logs tail` needs version 2 of the AWS CLI, and the local AWS doesn't evaluate patterns.
TAIL = f"""#!{sys.executable}
import argparse
import os
import sys

if sys.argv[1:3] != ["logs", "tail"]:
    os.execv({{aws!r}}, ["aws", *sys.argv[1:]])
sys.path.insert(0, {str(ROOT)!r})
import boto3
from tests.support.filter_pattern import matches

parser = argparse.ArgumentParser()
parser.add_argument("group")
parser.add_argument("--since", required=True)
parser.add_argument("--filter-pattern")
options = parser.parse_args(sys.argv[3:])
for event in boto3.client("logs").filter_log_events(logGroupName=options.group)["events"]:
    if not options.filter_pattern or matches(options.filter_pattern, event["message"]):
        print("2026-11-24T10:00:00", event["logStreamName"], event["message"])
"""
# The environment is already set up: it runs this test.
MAKE = """#!/bin/sh
exec /usr/bin/make -o .venv/run.stamp -o .venv/bin/oncall "$@"
"""
ONCALL = f"""#!/bin/sh
export PYTHONPATH={ROOT}
exec {sys.executable} -P -m cli "$@"
"""
GIT = shutil.which("git") or "git"
STREAM = "the-function"
# The stack's URL is at AWS, so it is replaced by a local one.
PULUMI = f"""#!{sys.executable}
import json
import os
import subprocess
import sys

if sys.argv[1:3] != ["stack", "output"] or "--json" not in sys.argv:
    os.execv({{pulumi!r}}, ["pulumi", *sys.argv[1:]])
outputs = json.loads(subprocess.check_output([{{pulumi!r}}, *sys.argv[1:]]))
print(json.dumps(outputs | dict(webhook_url={{url!r}})))
"""


class RunbookProject(PulumiProject):
    """The project with the tools that the documents use, under version control."""

    def __init__(self, folder: Path, aws: Aws, endpoint: str) -> None:
        super().__init__(folder, aws, endpoint)
        self.endpoint = endpoint
        real = shutil.which("aws") or "aws"
        for name, text in (("aws", TAIL.format(aws=real)), ("make", MAKE), ("oncall", ONCALL)):
            tool = folder / "bin" / name
            tool.write_text(text, encoding="utf-8")
            tool.chmod(0o755)
        for name in ("Makefile", ".gitignore"):
            shutil.copy(ROOT / name, self.folder)
        region = {"AWS_REGION": aws.region, "AWS_DEFAULT_REGION": aws.region}
        self._environment |= {
            **region,
            "PWD": str(self.folder),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git with a user name."""
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        return subprocess.run(
            [GIT, *who, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def commit(self, words: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", words)

    def try_script(self, script: str, stdin: str = "") -> Result:
        """Run a script that may fail; `stdin` is what a person types."""
        shell = ["/bin/bash", "-o", "pipefail", "-ec", script]
        with Command(shell, self.folder, self._environment, stdin) as command:
            return command.wait()

    def run_script_while_served(self, script: str, log: Path) -> str:
        """Run a script that calls the stack's URL, and must succeed."""
        stands_in = self.folder.parent / "bin" / "pulumi"
        real = shutil.which("pulumi", path=self._environment["PATH"])
        with self.function_url(log) as url:
            stands_in.write_text(PULUMI.format(pulumi=real, url=url), encoding="utf-8")
            stands_in.chmod(0o755)
            try:
                return self.run_scripts([script])
            finally:
                stands_in.unlink()

    def run_scripts(self, scripts: Iterable[str], stdin: str = "") -> str:
        """Run scripts that must succeed, and return their output."""
        outputs = []
        for script in scripts:
            result = self.try_script(script, stdin)
            assert result.code == 0, result.text
            outputs.append(result.text)
        return "\n".join(outputs)

    def put_log_lines(self, file: Path) -> None:
        """Put a served function's log lines into CloudWatch."""
        logs, group = self.aws.client("logs"), self.outputs()["log_group"]
        if not logs.describe_log_streams(logGroupName=group)["logStreams"]:
            logs.create_log_stream(logGroupName=group, logStreamName=STREAM)
        now = int(time.time() * 1000)
        lines = file.read_text(encoding="utf-8").splitlines()
        events = [{"timestamp": now, "message": line} for line in lines]
        logs.put_log_events(logGroupName=group, logStreamName=STREAM, logEvents=events)

    def set_backend(self, url: str) -> None:
        """Use this backend from now on."""
        self._environment["PULUMI_BACKEND_URL"] = url

    def remember(self, **variables: str) -> None:
        """Set these variables in every shell from now on."""
        self._environment |= variables

    def forget(self, *variables: str) -> None:
        """Set none of these variables in shells from now on."""
        for variable in variables:
            self._environment.pop(variable, None)

    def function(self) -> dict[str, Any]:
        """The function's current configuration in AWS."""
        configuration: dict[str, Any] = self.aws.client("lambda").get_function_configuration(
            FunctionName=self.outputs()["function_name"]
        )
        return configuration

    def variables(self) -> dict[str, str]:
        """The function's environment."""
        variables: dict[str, str] = self.function()["Environment"]["Variables"]
        return variables

    def reserved(self) -> int | None:
        """The function's reserved concurrency in the state, since Moto treats 0 as none."""
        return reserved_concurrency_of(self.of_type(Function.type)["inputs"])
