"""A local AWS: moto, served on loopback from this process."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from moto.awslambda_simple.models import lambda_simple_backends
from moto.core.base_backend import AccountSpecificBackend
from moto.iam.access_control import PermissionResult
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeBucket

from sandbox.local_aws.clients import Clients, Credentials, isolated_session
from sandbox.local_aws.signature import REFUSED, SignatureVerifier
from sandbox.wsgi import WsgiServer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication

# Moto's own switches, such as the one that empties it, and its addresses for EC2.
_MOTO_ONLY_PATHS = ("/moto-api", "/latest/")


class Aws(Clients):
    """Moto, until the context ends. It starts empty, and a process can have only one.

    It accepts calls that are signed with its own random key.
    """

    def __init__(self, region: str) -> None:
        super().__init__(region, Credentials.new())
        self._verifier = SignatureVerifier(self.credentials)
        self._moto = DomainDispatcherApplication(_create_backend_app)

    def __enter__(self) -> Self:
        moto_api_backend.reset()
        # Moto looks regions up in a session, which would be one of this machine's settings.
        AccountSpecificBackend.get_session = cache(isolated_session)
        # Functions are run by the sandbox, from the zip; moto would look for a docker daemon.
        moto_api_backend.set_config({"lambda": {"use_docker": False}})
        # The one policy that buckets get denies plain HTTP (resources/moto_workarounds.py), and
        # moto does not look at its condition. What comes by loopback passes for HTTPS here.
        FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL
        self._server = self.make_server(self.answer)
        self._server.start()
        self.endpoint = self._server.url
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._server.close()

    def make_server(self, application: WSGIApplication) -> WsgiServer:
        """Make a server of an application that calls `answer`; calls must name the key."""
        return WsgiServer(application, self._verifier)

    def answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a call, as a WSGI application, if the key has signed it."""
        body = environ["wsgi.input"].read()
        is_aws = not environ["PATH_INFO"].startswith(_MOTO_ONLY_PATHS)
        if not (is_aws and self._verifier.verify(environ, body)):
            status = f"{REFUSED.status.value} {REFUSED.status.phrase}"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{REFUSED.sentence}\n".encode()]
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        answer: Iterable[bytes] = self._moto(environ, start_response)
        return answer

    def zip_of(self, function_name: str) -> bytes:
        """Take a function's deployed zip out of moto, whose GetFunction gives no URL for it.

        Raises:
            KeyError: when there is no such function.
        """
        function = lambda_simple_backends[self.account][self.region].get_function(function_name)
        code: bytes = function.code_bytes
        return code


def _create_backend_app(service: Any) -> Any:  # noqa: ANN401 - moto's own types
    """Serve HTTP APIs for all of API Gateway: moto's REST APIs need packages that aren't here."""
    return create_backend_app("apigatewayv2" if service == "apigateway" else service)
