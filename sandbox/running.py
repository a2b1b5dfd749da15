"""All of it, running: the local AWS, the deployed program, its URL, the provider's double."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import boto3
import pulumi

from handler.settings import Settings, load
from infra.archive import POLICY_IN_ZIP
from sandbox.archive import read_from_zip
from sandbox.aws import Aws
from sandbox.doubles.incidentio import IncidentIO
from sandbox.engine import Deployment, deploy
from sandbox.function_url import FunctionUrl
from sandbox.logbook import Logbook
from sandbox.program import PROJECT
from sandbox.stack import read_stack_config

MOST_CHILDREN = 10
LOG = Path(".sandbox") / "function.log"


class Sandbox:
    """A deployed stack on this machine, for as long as the context lasts.

    Args:
        root: the project's folder.
        stack: whose `Pulumi.<stack>.yaml` is deployed.
        live_key: a real incident.io key; with it the real incident.io is asked, not the double.
        config: settings that replace the stack's, by bare key.
        log: the file for the function's log, seen from the root.

    Raises:
        pulumi.RunError: the stack has no region, or, on entering, the program refuses its config.
    """

    def __init__(
        self,
        root: Path,
        stack: str = "dev",
        *,
        live_key: str = "",
        config: Mapping[str, str] | None = None,
        log: Path = LOG,
    ) -> None:
        self._root = root
        self._stack = stack
        self._config, _ = read_stack_config(root, stack)
        self._config |= {f"{PROJECT}:{key}": value for key, value in (config or {}).items()}
        region = _checked_region(self._config.get("aws:region", ""), f"Pulumi.{stack}.yaml")
        self._open = ExitStack()
        self.webhook_secret = f"wks0{secrets.token_urlsafe(30)}"
        self.api_key = live_key or f"inc-{secrets.token_urlsafe(24)}"
        self.double = None if live_key else IncidentIO(self.api_key)
        self.aws = Aws(region)
        self.log = Logbook(root / log)
        self.deployment: Deployment
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            if self.double:
                opened.enter_context(self.double)
                self._config[f"{PROJECT}:INCIDENTIO_BASE_URL"] = self.double.url
            opened.enter_context(self.aws)
            own = {
                f"{PROJECT}:INDENT_WEBHOOK_SECRET": self.webhook_secret,
                f"{PROJECT}:INCIDENTIO_API_KEY": self.api_key,
            }
            config = {**self._config, **own}
            self.deployment = deploy(self.aws, config, set(own), self._stack, self._root)
            served = opened.enter_context(self._serve())
            self.url = served.url
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def base_url(self) -> str:
        """Where the deployed function asks incident.io."""
        return self.deployment.function.config.environment["INCIDENTIO_BASE_URL"]

    @property
    def settings(self) -> Settings:
        """What the deployed function was given, read as it reads it."""
        own = {"INDENT_WEBHOOK_SECRET": self.webhook_secret, "INCIDENTIO_API_KEY": self.api_key}
        function = self.deployment.function
        return load(
            {**function.config.environment, **own}, read_from_zip(function.zip, POLICY_IN_ZIP)
        )

    @property
    def is_shut(self) -> bool:
        """Whether the function answers no call at all: none is reserved for it."""
        return self.deployment.function.reserved_concurrency == 0

    def is_public(self) -> bool:
        """Whether the function's policy lets anybody call its URL: that takes both statements."""
        lambda_ = self.aws.client("lambda")
        try:
            answer = lambda_.get_policy(FunctionName=self.deployment.function.config.name)
        except lambda_.exceptions.ResourceNotFoundException:
            return False
        # Moto keeps the two conditions as plain fields of the statement.
        open_to_all = [
            each
            for each in json.loads(answer["Policy"])["Statement"]
            if each["Effect"] == "Allow" and each["Principal"] == "*"
        ]
        return any(
            each["Action"] == "lambda:InvokeFunctionUrl"
            and each.get("FunctionUrlAuthType") == "NONE"
            for each in open_to_all
        ) and any(
            each["Action"] == "lambda:InvokeFunction" and each.get("InvokedViaFunctionUrl") is True
            for each in open_to_all
        )

    def variables(self) -> dict[str, str]:
        """What a shell needs to talk to this sandbox."""
        return {
            "WEBHOOK_URL": self.url,
            "INDENT_WEBHOOK_SECRET": self.webhook_secret,
            "INCIDENTIO_BASE_URL": self.base_url,
            "INCIDENTIO_API_KEY": self.api_key,
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_REGION": self.aws.region,
            "AWS_DEFAULT_REGION": self.aws.region,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
        }

    def _serve(self) -> FunctionUrl:
        function = self.deployment.function
        reserved = function.reserved_concurrency
        return FunctionUrl(
            function.config,
            function.zip,
            concurrency=MOST_CHILDREN if reserved is None else reserved,
            is_public=self.is_public,
            log=self.log,
            extra_environment={"AWS_ENDPOINT_URL": self.aws.endpoint},
        )


def _checked_region(name: str, file: str) -> str:
    """Refuse what is no region: moto would fail on it in the middle of the deployment."""
    known = boto3.session.Session()
    partitions = known.get_available_partitions()
    if not any(name in known.get_available_regions("lambda", each) for each in partitions):
        problem = f"is {name!r}, which is no region" if name else f"is not set in {file}"
        raise pulumi.RunError(f"aws:region {problem}; run `pulumi config set aws:region us-west-2`")
    return name
