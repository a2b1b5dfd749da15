"""boto3 clients of a local AWS, in whatever process: no moto is needed to call one."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config


class Clients:
    """The clients of one local AWS.

    Attributes:
        region: where they look.
        endpoint: where all of AWS answers.
    """

    def __init__(self, region: str, endpoint: str = "") -> None:
        self.region = region
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
                    # A proxy in the environment is for the way out of this machine.
                    config=Config(proxies={}),
                )
            return self._clients[service]

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
        return boto3.session.Session(
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",  # noqa: S106 - moto asks for no real one
            region_name=self.region,
        )
