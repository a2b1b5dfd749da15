"""A copy of the project with the real Pulumi CLI, isolated from this machine's Pulumi."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sandbox.function_log import FunctionLog
from sandbox.local_aws.deployment import read_function, serve
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.program import ROOT
from sandbox.local_aws.resources.apigateway import Api
from sandbox.local_aws.resources.awslambda import Function
from tests.e2e.webhook_calls import Webhook, over_http
from tests.engine.command import PATIENCE, Command, Result
from tests.support.projects import project_with_code_in

NO_WAY_OUT = "http://127.0.0.1:9"
STAND_IN = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from sandbox.local_aws.plugin import main
main()
"""
# AWS_PLUGIN=installed runs Pulumi's own plugin, which `pulumi install` puts into Pulumi's home.
AWS_PLUGIN = os.environ.get("AWS_PLUGIN", "the stand-in")
PULUMI_HOME = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
# What that plugin needs to know about a local AWS.
NO_REAL_AWS = {
    "aws:skipCredentialsValidation": "true",
    "aws:skipMetadataApiCheck": "true",
    "aws:s3UsePathStyle": "true",
}


class PulumiProject:
    """The project's copy in its own folder, with its state, plugins and settings."""

    def __init__(self, folder: Path, aws: Aws, endpoint: str = "") -> None:
        """The CLI reaches AWS at `endpoint`, by default the local AWS's own."""
        self.aws = aws
        self.folder = folder / "project"
        self.transcript: list[str] = []  # everything that the commands printed
        for new_folder in (self.folder, folder / "home", folder / "state", folder / "bin"):
            new_folder.mkdir()
        project_with_code_in(self.folder)
        (self.folder / "requirements.txt").write_bytes((ROOT / "requirements.txt").read_bytes())
        (self.folder / ".venv").symlink_to(sys.prefix)
        self._settings = {"aws:region": aws.region, **_with_plugin(folder)}
        self._environment = {
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "PULUMI_HOME": str(folder / "home" / ".pulumi"),
            # Files are then written atomically, so a killed CLI leaves no partial one.
            "PULUMI_BACKEND_URL": f"{(folder / 'state').as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "AWS_ENDPOINT_URL": endpoint or aws.endpoint,
            **aws.credentials.variables(),
            "HTTP_PROXY": NO_WAY_OUT,
            "HTTPS_PROXY": NO_WAY_OUT,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def command(self, *arguments: str) -> list[str]:
        """Return a command line of the CLI, without prompts and colours."""
        return ["pulumi", *arguments, "--non-interactive", "--color", "never"]

    @contextmanager
    def start_pulumi(self, *arguments: str, stdin: str = "") -> Iterator[Command]:
        """Start a command of the CLI; `stdin` is its input."""
        with Command(self.command(*arguments), self.folder, self._environment, stdin) as command:
            yield command
            self.transcript.append(command.output())

    def try_pulumi(self, *arguments: str, stdin: str = "") -> Result:
        """Run a command of the CLI that may fail; `stdin` is its input."""
        with self.start_pulumi(*arguments, stdin=stdin) as command:
            return command.wait()

    def run_pulumi(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must succeed, and return its output."""
        result = self.try_pulumi(*arguments, stdin=stdin)
        assert result.code == 0, result.text
        return result.text

    def create_stack(self, stack: str, secrets: Mapping[str, str], **plain: str) -> None:
        """Create a stack with these settings, as the README describes."""
        self.run_pulumi("stack", "init", stack)
        for key, value in secrets.items():
            self.run_pulumi("config", "set", "--secret", key, stdin=value)
        for key, value in {**self._settings, **plain}.items():
            self.run_pulumi("config", "set", key, value)

    def select(self, stack: str) -> None:
        """Make this stack the current one."""
        self.run_pulumi("stack", "select", stack)

    def preview(self) -> list[tuple[str, str, str]]:
        """Preview, and return each resource as (operation, type, name)."""
        result = self.try_pulumi("preview", "--json")
        assert result.code == 0, result.text
        return [
            (step["op"], *_type_and_name(step["urn"])) for step in json.loads(result.out)["steps"]
        ]

    def preview_comment(self) -> str:
        """The preview of the stack dev as Markdown, as `make preview-comment` prints it."""
        process = subprocess.run(
            [sys.executable, "-m", "infra.preview", "dev"],
            cwd=self.folder,
            env={**self._environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    def deployment(self) -> dict[str, Any]:
        """The exported state."""
        deployment: dict[str, Any] = json.loads(self.try_pulumi("stack", "export").out)[
            "deployment"
        ]
        return deployment

    def state(self) -> list[dict[str, Any]]:
        """Every resource in the exported state."""
        resources: list[dict[str, Any]] = self.deployment().get("resources", [])
        return resources

    def of_type(self, kind: str) -> dict[str, Any]:
        """The one resource of a type in the exported state."""
        (resource,) = (resource for resource in self.state() if resource["type"] == kind)
        return resource

    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        outputs: dict[str, str] = json.loads(self.try_pulumi("stack", "output", "--json").out)
        return outputs

    @contextmanager
    def webhook(
        self, secret: str, log: Path, function: Mapping[str, Any] | None = None
    ) -> Iterator[Webhook]:
        """Serve the stack's current function in AWS, and call it.

        While an update runs, `function` is what it was before, according to the state.
        """
        with self.function_url(log, function) as url:
            yield Webhook(secret, over_http(url))

    @contextmanager
    def function_url(self, log: Path, function: Mapping[str, Any] | None = None) -> Iterator[str]:
        """Serve it instead of its URL or its API, and return the address."""
        state = function or self.of_type(Function.type)
        deployed = read_function(self.aws, state["id"], state["inputs"])
        # While an update runs, the CLI can't export the state.
        apis = [] if function else [one["id"] for one in self.state() if one["type"] == Api.type]
        with serve(
            self.aws,
            deployed,
            *apis,
            concurrency=1,
            log=FunctionLog(log),
            extra_environment=self.aws.function_variables(),
        ) as url:
            yield url.url


def _with_plugin(folder: Path) -> dict[str, str]:
    """Put the aws plugin where this project's CLI finds it, and return its settings."""
    if AWS_PLUGIN != "installed":
        plugin = folder / "bin" / "pulumi-resource-aws"
        plugin.write_text(STAND_IN, encoding="utf-8")
        plugin.chmod(0o755)
        return {}
    plugins = PULUMI_HOME / "plugins"
    plugin = plugins / f"resource-aws-v{version('pulumi_aws')}"
    assert plugin.is_dir(), f"AWS_PLUGIN=installed, but there is no {plugin}: run `pulumi install`"
    home = folder / "home" / ".pulumi"
    home.mkdir()
    (home / "plugins").symlink_to(plugins)
    return NO_REAL_AWS


def changes_in(steps: Collection[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """The changes in a preview, as (operation, type)."""
    return {(operation, kind) for operation, kind, _ in steps if operation != "same"}


def _type_and_name(urn: str) -> tuple[str, str]:
    *_, kind, name = urn.split("::")
    return kind.rpartition("$")[2], name
