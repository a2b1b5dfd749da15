"""boto3 clients of a local AWS, for any process; they don't need moto."""

from __future__ import annotations

import base64
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import ConstantProvider
from botocore.loaders import Loader

_BUILT_IN = botocore.session.Session.SESSION_VARIABLES
# One for all sessions: it reads a service's description once.
_LOADER = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
_KEY_ID, _SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, the only one that a local AWS accepts."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def new(cls) -> Credentials:
        """Make a random key."""
        key_id = base64.b32encode(secrets.token_bytes(15)).decode("ascii")
        return cls(f"SANDBOX{key_id}", secrets.token_urlsafe(30))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Credentials:
        """Read the key from a process's variables; KeyError names a missing one."""
        return cls(environment[_KEY_ID], environment[_SECRET])

    def variables(self) -> dict[str, str]:
        """Give the variables that a process needs to use it."""
        return {_KEY_ID: self.access_key_id, _SECRET: self.secret_access_key}


def isolated_session(region: str | None = None, credentials: Credentials | None = None) -> Any:  # noqa: ANN401 - boto3 has no types
    """Make a boto3 session that reads nothing of this machine.

    Every setting has botocore's own default: no environment variable, profile, config or
    credentials file, or data folder of the user changes it.
    """
    credentials = credentials or Credentials.new()  # for what calls nobody
    defaults = {
        name: (None, None, default, convert) for name, (_, _, default, convert) in _BUILT_IN.items()
    }
    for name in ("config_file", "credentials_file"):
        defaults[name] = (None, None, os.devnull, None)
    core = botocore.session.Session(session_vars=defaults)
    # The only section that has its own variables.
    core.get_component("config_store").set_config_provider("s3", ConstantProvider({}))
    core.register_component("data_loader", _LOADER)
    return boto3.session.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        region_name=region,
        botocore_session=core,
    )


class Clients:
    """The clients of one local AWS.

    Attributes:
        region: the region that they use.
        credentials: the key that signs their calls.
        endpoint: the address of every service.
    """

    def __init__(self, region: str, credentials: Credentials, endpoint: str = "") -> None:
        self.region = region
        self.credentials = credentials
        self.endpoint = endpoint
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        """Give the boto3 client of a service (`lambda`, `s3`); any thread may use it."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self.endpoint,
                    # Given, so that no proxy or bundle of the environment is asked for.
                    config=Config(proxies={}),
                    verify=True,
                )
            return self._clients[service]

    def variables(self) -> dict[str, str]:
        """Give the variables that another process needs to call it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            **self.credentials.variables(),
        }

    def function_variables(self) -> dict[str, str]:
        """Give what a function needs to call it, instead of its role's credentials."""
        return {"AWS_ENDPOINT_URL": self.endpoint, **self.credentials.variables()}

    @cached_property
    def account(self) -> str:
        """The account's number."""
        account: str = self.client("sts").get_caller_identity()["Account"]
        return account

    def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            client.close()

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - boto3 has no types
        return isolated_session(self.region, self.credentials)
