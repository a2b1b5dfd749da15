"""A copy of the project under the real Pulumi CLI; nothing of this machine's Pulumi is in reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.aws import Aws
from sandbox.engine import read_function
from sandbox.function_url import FunctionUrl
from sandbox.logbook import Logbook
from sandbox.program import ROOT
from sandbox.resources.functions import Function
from tests.e2e.calls import Webhook, over_http
from tests.projects import project_with_code_in

PATIENCE = 240  # seconds until a command that does not end fails its test
NO_WAY_OUT = "http://127.0.0.1:9"
PLUGIN = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from sandbox.plugin import main
main()
"""


@dataclass(frozen=True)
class Said:
    """How a command of the CLI ended, and what it said."""

    code: int
    text: str
    out: str


class Project:
    """The project's copy in a folder of its own: state, plugins and settings are in it, too."""

    def __init__(self, folder: Path, aws: Aws) -> None:
        self.aws = aws
        self.folder = folder / "project"
        for each in (self.folder, folder / "home", folder / "state", folder / "bin"):
            each.mkdir()
        project_with_code_in(self.folder)
        (self.folder / "requirements.txt").write_bytes((ROOT / "requirements.txt").read_bytes())
        (self.folder / ".venv").symlink_to(sys.prefix)
        plugin = folder / "bin" / "pulumi-resource-aws"
        plugin.write_text(PLUGIN, encoding="utf-8")
        plugin.chmod(0o755)
        self._environment = {
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "PULUMI_HOME": str(folder / "home" / ".pulumi"),
            "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "HTTP_PROXY": NO_WAY_OUT,
            "HTTPS_PROXY": NO_WAY_OUT,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def command(self, *arguments: str) -> list[str]:
        """Spell out a command of the CLI, which asks nothing and colours nothing."""
        return ["pulumi", *arguments, "--non-interactive", "--color", "never"]

    def pulumi(self, *arguments: str, given: str = "") -> Said:
        """Run a command of the CLI to its end, whatever that is; `given` is its input."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self._environment,
            input=given,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        return Said(done.returncode, done.stdout + done.stderr, done.stdout)

    def ok(self, *arguments: str, given: str = "") -> str:
        """Run a command that has to end well, and give what it said."""
        said = self.pulumi(*arguments, given=given)
        assert said.code == 0, said.text
        return said.text

    def new_stack(self, stack: str, secrets: Mapping[str, str], **plain: str) -> None:
        """Make a stack with these settings, as the README says."""
        self.ok("stack", "init", stack)
        for key, value in secrets.items():
            self.ok("config", "set", "--secret", key, given=value)
        for key, value in {"aws:region": self.aws.region, **plain}.items():
            self.ok("config", "set", key, value)

    def preview(self) -> list[tuple[str, str, str]]:
        """Preview: what would happen to each resource, as (operation, type, name)."""
        said = self.pulumi("preview", "--json")
        assert said.code == 0, said.text
        return [
            (step["op"], *_type_and_name(step["urn"])) for step in json.loads(said.out)["steps"]
        ]

    def state(self) -> list[dict[str, Any]]:
        """Every resource in the exported state."""
        deployment = json.loads(self.pulumi("stack", "export").out)["deployment"]
        resources: list[dict[str, Any]] = deployment.get("resources", [])
        return resources

    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        outputs: dict[str, str] = json.loads(self.pulumi("stack", "output", "--json").out)
        return outputs

    @contextmanager
    def served(self, secret: str, log: Path) -> Iterator[Webhook]:
        """Serve what the stack's function is now, at the place of its URL."""
        (made,) = (each for each in self.state() if each["type"] == Function.type)
        function = read_function(self.aws, made["id"], made["inputs"])
        with FunctionUrl(
            function.config,
            function.zip,
            concurrency=1,
            is_public=lambda: True,
            log=Logbook(log),
            extra_environment={"AWS_ENDPOINT_URL": self.aws.endpoint},
        ) as url:
            yield Webhook(secret, over_http(url.url))


def changed(steps: Collection[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """What is not left as it is: (operation, type)."""
    return {(operation, kind) for operation, kind, _ in steps if operation != "same"}


def _type_and_name(urn: str) -> tuple[str, str]:
    *_, kind, name = urn.split("::")
    return kind.rpartition("$")[2], name
