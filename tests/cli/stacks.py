"""A project's folder with a stack, and a `pulumi` on PATH that a test scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cli.conftest import Answer, Command
from tests.support.projects import project_in

SECRET = "wks0-the-secret-of-this-test"
_CLI = """#!/bin/sh
echo "$*" >> {folder}/calls
cat {folder}/$1.err >&2 2>/dev/null
cat {folder}/$1.out 2>/dev/null
exit $(cat {folder}/$1.code)
"""


class Stack:
    """A deployed stack "dev", as the CLI describes it, and `oncall` in its project's folder.

    The command must never print the webhook's secret or a stack trace.

    Args:
        folder: the project's folder.
        outputs: the stack's outputs.
        secret: what `pulumi config get` prints.
        callers: the encrypted settings that switch callers on.
    """

    def __init__(
        self,
        folder: Path,
        outputs: Mapping[str, str],
        secret: str = SECRET,
        callers: Sequence[str] = ("INDENT_WEBHOOK_SECRET",),
    ) -> None:
        self.folder = folder
        self.secret = secret
        self._callers = callers
        self.write_settings()
        self.bin = folder / "bin"
        self.bin.mkdir()
        cli = self.bin / "pulumi"
        cli.write_text(_CLI.format(folder=folder), encoding="utf-8")
        cli.chmod(0o755)
        self.set_answer("stack", json.dumps(outputs))
        self.set_answer("config", f"{secret}\n")
        self._command = Command(folder, "").by_the_machines_clock()
        self.environment = self._command.environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "PULUMI_BACKEND_URL": "file:///nowhere",
        }

    def set_answer(self, command: str, out: str = "", err: str = "", code: int = 0) -> None:
        """Script what `pulumi stack output` or `pulumi config get` prints."""
        for name, text in (("out", out), ("err", err), ("code", str(code))):
            (self.folder / f"{command}.{name}").write_text(text, encoding="utf-8")

    @property
    def pulumi_calls(self) -> list[str]:
        """The arguments of each run of the CLI, which other users of a machine can see."""
        file = self.folder / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def write_settings(self, **settings: str) -> None:
        """Write plain settings into the stack's file."""
        project_in(self.folder, encrypted=self._callers, **settings)

    def run(self, *arguments: str) -> Answer:
        """Run `oncall` in the project's folder."""
        return self._command(*arguments)

    def check(self, *arguments: str) -> Answer:
        """Run `oncall check` for the stack, once for a person and once as JSON."""
        answer = self._command("check", "--stack", "dev", *arguments)
        for form in (answer, self._command("check", "--stack", "dev", *arguments, "--json")):
            assert form.status == answer.status
            assert self.secret not in form.out + form.err
            assert not any(self.secret in call for call in self.pulumi_calls)
        return answer
