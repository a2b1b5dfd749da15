"""A local AWS: moto, served on loopback from this process."""

from __future__ import annotations

import json
import logging
import threading
from functools import cache
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Self

from moto.awslambda_simple.models import lambda_simple_backends
from moto.core.base_backend import AccountSpecificBackend
from moto.iam.access_control import PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeBucket
from moto.server import MotoRequestHandler
from werkzeug.serving import make_server

from sandbox.clients import Clients, isolated_session

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"


class Aws(Clients):
    """Moto for as long as the context lasts. It begins empty, and there is one in a process."""

    def __enter__(self) -> Self:
        # One line a request: neither a demo nor a test wants them.
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        # Moto looks regions up in a session, which would be one of this machine's settings.
        AccountSpecificBackend.get_session = cache(isolated_session)
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
        # The one policy that buckets get denies plain HTTP (sandbox.resources.gaps), and moto does
        # not look at its condition. What comes by loopback passes for HTTPS here.
        FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._server.shutdown()
        self._serving.join()

    def zip_of(self, function_name: str) -> bytes:
        """Take a function's deployed zip out of moto, whose GetFunction names no place to get it.

        Raises:
            KeyError: when there is no such function.
        """
        found = lambda_simple_backends[self.account][self.region].get_function(function_name)
        zipped: bytes = found.code_bytes
        return zipped

    def _post(self, path: str, body: dict[str, Any]) -> None:
        connection = HTTPConnection(HOST, self._server.port)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.close()
