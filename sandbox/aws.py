"""A local AWS: moto, served on loopback from this process."""

from __future__ import annotations

import json
import logging
import threading
from functools import cached_property
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from moto.awslambda_simple.models import lambda_simple_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import MotoRequestHandler
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"


class Aws:
    """Moto for as long as the context lasts. It begins empty, and there is one in a process.

    Attributes:
        region: where the clients look.
        endpoint: where all of AWS answers.
    """

    def __init__(self, region: str) -> None:
        self.region = region
        self.endpoint = ""
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        # One line a request: neither a demo nor a test wants them.
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server(
            HOST,
            0,
            DomainDispatcherApplication(create_backend_app),
            threaded=True,
            request_handler=MotoRequestHandler,
        )
        # Asks so often, in seconds, whether it shall end; moto's own thread takes half a second.
        self._serving = threading.Thread(
            target=self._server.serve_forever, args=[0.05], daemon=True
        )
        self._serving.start()
        self.endpoint = f"http://{HOST}:{self._server.port}"
        self._post("/moto-api/reset", {})
        # Functions are run by the sandbox, from the zip; moto would look for a docker daemon.
        self._post("/moto-api/config", {"lambda": {"use_docker": False}})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients.values():
            client.close()
        self._server.shutdown()
        self._serving.join()

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

    def zip_of(self, function_name: str) -> bytes:
        """Take a function's deployed zip out of moto, whose GetFunction names no place to get it.

        Raises:
            KeyError: when there is no such function.
        """
        found = lambda_simple_backends[self.account][self.region].get_function(function_name)
        zipped: bytes = found.code_bytes
        return zipped

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - boto3 has no types
        return boto3.session.Session(
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",  # noqa: S106 - moto asks for no real one
            region_name=self.region,
        )

    def _post(self, path: str, body: dict[str, Any]) -> None:
        connection = HTTPConnection(HOST, self._server.port)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.close()
