"""The whole system, running: local AWS, deployed program, its endpoint, the vendors' doubles."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Self

import pulumi

from cli.check_conductorone import CALLS_URL, PATH
from handler.providers.registry import BY_ID, PROVIDERS
from handler.setting_parsers import SettingsError
from handler.settings import (
    AUTHZEN_TOKEN,
    BY_NAME,
    CONDUCTORONE_TENANT,
    PLAIN_KEYS,
    PUBLIC_URL,
    SECRET_KEYS,
    SIGNING_KEYS,
    Settings,
    load,
)
from infra.archive import POLICY_IN_ZIP
from infra.errors import SetupError
from infra.region import EXAMPLE, REGION, nearest_region, parse_region, region_of
from infra.settings import KMS_KEY_ID, KMS_KEY_MANAGED, STATE_BUCKET_MANAGED
from infra.stack_file import check_stack_file, read_stack_config
from policy.remedies import in_stack, report
from sandbox.callers.conductorone import Tenant
from sandbox.function_log import FunctionLog
from sandbox.lambda_url.archive import read_from_zip
from sandbox.lambda_url.event import domain_name
from sandbox.lambda_url.server import Endpoint
from sandbox.local_aws.clients import isolated_session
from sandbox.local_aws.deployment import (
    Deployment,
    deploy,
    is_reachable,
    rotate_secrets,
    serve,
)
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.program import PROJECT
from sandbox.local_aws.resources.apigateway import host_of
from sandbox.receivers import Receivers
from sandbox.vendors import create_double
from sandbox.vendors.incidentio import IncidentIO

MOST_CHILDREN = 10
LOG = Path(".sandbox") / "function.log"
# These settings name an existing bucket and key for the program to manage. The sandbox leaves them
# out: the program then makes its own, in the local AWS.
EXISTING_RESOURCES = (STATE_BUCKET_MANAGED, KMS_KEY_ID, KMS_KEY_MANAGED)


class Sandbox:
    """A deployed stack on this machine, for as long as the context lasts.

    Every caller is on: the sandbox has a secret for each, and a tenant of ConductorOne. Notices of
    approvals are sent to receivers of its own.

    Args:
        root: the project's folder.
        stack: the stack whose `Pulumi.<stack>.yaml` is deployed.
        live: settings of real providers, with their keys; no doubles then.
        config: settings that replace the stack's, by bare key. A tenant of ConductorOne among them
            also replaces the sandbox's own.
        log: the file for the function's log, relative to the root.
        variables: what the function's processes get in addition to the deployed environment.

    Raises:
        pulumi.RunError: the stack has no file, or, on entering, the program refuses its config.
    """

    def __init__(
        self,
        root: Path,
        stack: str = "dev",
        *,
        live: Mapping[str, str] = MappingProxyType({}),
        config: Mapping[str, str] | None = None,
        log: Path = LOG,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._root = root
        self.stack = stack
        self._config = {
            key: value
            for key, value in _stack_config(root, stack).items()
            if key not in {f"{PROJECT}:{name}" for name in EXISTING_RESOURCES}
        }
        self._config |= {f"{PROJECT}:{key}": value for key, value in (config or {}).items()}
        self._has_own_tenant = CONDUCTORONE_TENANT not in (config or {})
        region = _region(self._config, stack)
        self._contexts = ExitStack()
        self.webhook_secret = new_secret()
        self._previous_secret = ""
        self.authzen_token = secrets.token_urlsafe(32)
        self._variables = dict(variables)
        self.doubles = (
            {} if live else {provider.id: create_double(provider.id) for provider in PROVIDERS}
        )
        self._provider_settings = dict(live)
        for double in self.doubles.values():
            self._provider_settings |= double.settings
        self.aws = Aws(region)
        self._log_file = root / log
        self.log: FunctionLog
        self.receivers: Receivers
        self.tenant: Tenant
        self.deployment: Deployment
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as contexts:
            for double in self.doubles.values():
                contexts.enter_context(double)
            self.receivers = contexts.enter_context(Receivers())
            self.tenant = contexts.enter_context(Tenant())
            contexts.enter_context(self.aws)
            own = {f"{PROJECT}:{key}": value for key, value in self._own_settings.items()}
            secret_keys = {f"{PROJECT}:{key}" for key in self._secrets}
            config = {**self._config, **own}
            self.deployment = deploy(self.aws, config, secret_keys, self.stack, self._root)
            # Empties the file, so only now: a sandbox that cannot start keeps the previous log.
            self.log = FunctionLog(self._log_file)
            self._endpoint = contexts.enter_context(self._serve())
            self.url = self._endpoint.url
            self.tenant.webhook_url = f"{self.public_url}{PATH}"
            self._contexts = contexts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._contexts.close()

    @property
    def double(self) -> IncidentIO | None:
        """incident.io's double, at which most of the demo's people have their duties."""
        double = self.doubles.get("incidentio")
        return double if isinstance(double, IncidentIO) else None

    @property
    def base_urls(self) -> dict[str, str]:
        """Give the address at which the deployed function asks each provider, by its name."""
        return {
            BY_ID[id_].name: next(url for key, url in settings.items() if key.endswith("_BASE_URL"))
            for id_, settings in self.settings.providers.items()
        }

    @property
    def public_url(self) -> str:
        """The address that people gave the function, or else AWS's; callers sign for it."""
        environment = self.deployment.function.config.environment
        api_id = self.deployment.api_id
        host = host_of(api_id, self.aws) if api_id else domain_name(self.aws.region)
        return BY_NAME[PUBLIC_URL].read(environment) or f"https://{host}"

    @property
    def _own_settings(self) -> dict[str, str]:
        signing = dict(zip(SIGNING_KEYS, (self.webhook_secret, self._previous_secret), strict=True))
        return {
            **{key: value for key, value in signing.items() if value},
            AUTHZEN_TOKEN: self.authzen_token,
            **(self.tenant.settings if self._has_own_tenant else {}),
            **self._provider_settings,
            **self.receivers.settings,
        }

    @property
    def _secrets(self) -> dict[str, str]:
        own = self._own_settings
        return {key: own[key] for key in SECRET_KEYS if key in own}

    def rotate(self, secret: str, previous: str = "") -> None:
        """Change the signing secret, as a changed config and `pulumi up` do.

        The URL stays. Calls signed with the previous secret are still answered while it is given.
        """
        self.webhook_secret, self._previous_secret = secret, previous
        self.deployment = rotate_secrets(self.aws, self.deployment, self._secrets)
        self._endpoint.reconfigure(self.deployment.function.config)

    @property
    def settings(self) -> Settings:
        """The settings of the deployed function, as it reads them."""
        function = self.deployment.function
        return load(
            {**function.config.environment, **self._own_settings},
            read_from_zip(function.zip, POLICY_IN_ZIP),
        )

    @property
    def is_shut(self) -> bool:
        """Whether the function answers no calls: its reserved concurrency is 0."""
        return self.deployment.function.reserved_concurrency == 0

    @property
    def status_when_shut(self) -> HTTPStatus:
        """What callers of a function that is shut get from AWS."""
        if self.deployment.api_id:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.TOO_MANY_REQUESTS

    def is_public(self) -> bool:
        """Whether the function's policy lets anybody call its URL, or its API call it."""
        name = self.deployment.function.config.name
        return is_reachable(self.aws, name, self.deployment.api_id)

    def variables(self) -> dict[str, str]:
        """Give the variables that a shell needs to call it, and to predict its answers."""
        deployed = self.deployment.function.config.environment
        base_url = self.url.rstrip("/")
        return {
            "WEBHOOK_URL": self.url,
            "INDENT_WEBHOOK_SECRET": self.webhook_secret,
            "AUTHZEN_URL": base_url,
            AUTHZEN_TOKEN: self.authzen_token,
            "CONDUCTORONE_URL": f"{base_url}{PATH}",
            CALLS_URL: self.tenant.calls_url,
            **{key: deployed[key] for key in PLAIN_KEYS if key in deployed},
            **{
                key: value
                for settings in self.settings.providers.values()
                for key, value in settings.items()
            },
            **self.receivers.settings,
            **self.aws.variables(),
        }

    def _serve(self) -> Endpoint:
        function = self.deployment.function
        reserved = function.reserved_concurrency
        return serve(
            self.aws,
            function,
            self.deployment.api_id,
            concurrency=MOST_CHILDREN if reserved is None else reserved,
            log=self.log,
            extra_environment={**self._variables, **self.aws.function_variables()},
        )


def new_secret() -> str:
    """Make a webhook's secret, as Indent does."""
    return f"wks0{secrets.token_urlsafe(30)}"


def _stack_config(root: Path, stack: str) -> dict[str, str]:
    try:
        check_stack_file(root, stack)
        return read_stack_config(root, stack)[0]
    except SetupError as error:
        raise pulumi.RunError(str(error)) from None


def _region(config: Mapping[str, str], stack: str) -> str:
    """Give the region. For a value that can't be one, give an example: the program then refuses it.

    Raises:
        pulumi.RunError: the local AWS does not know it.
    """
    try:
        region = parse_region(*region_of(config, os.environ))
    except SettingsError:
        return EXAMPLE
    session = isolated_session()
    partitions = session.get_available_partitions()
    if not any(region in session.get_available_regions("lambda", name) for name in partitions):
        # Otherwise the deployment would fail half-way.
        unknown = SettingsError(
            REGION,
            f"is {region!r}, which the local AWS doesn't know",
            nearest_region(region) or EXAMPLE,
        )
        raise pulumi.RunError(report("", unknown, lambda problem: in_stack(problem, stack)))
    return region
