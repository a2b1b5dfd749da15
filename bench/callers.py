"""The callers of a soak: what each sends for a person and a resource, genuine or not."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import NamedTuple, TypeAlias
from urllib.parse import urljoin

from bench.disruption import SigningSecret
from bench.verdicts import ExpectedCall, read_authzen, read_conductorone, read_indent
from cli.webhook_client import DEFAULT_KIND, WebhookAnswer, call, request_event, send
from handler.callers import CALLERS, EVALUATION
from sandbox.callers.conductorone import Tenant, policy_step
from sandbox.lambda_url.event import domain_name
from sandbox.stack import Sandbox, new_secret

_Post: TypeAlias = Callable[[], WebhookAnswer]
_Read: TypeAlias = Callable[[WebhookAnswer], str | None]
_CONDUCTORONE_PATH = "/conductorone"
# ConductorOne can't shorten access, so its request has to fit into what is left of any shift.
_REQUESTED = timedelta(minutes=5)


class PlannedCall(NamedTuple):
    """A call: who sends it, how it is sent, and what its answer may be."""

    caller: str
    send: _Post
    expected: ExpectedCall


class Callers:
    """All callers of a sandbox.

    Args:
        sandbox: what they call.
        signing: what Indent signs with.
        tenant: the tenant of ConductorOne that the sandbox trusts.
        stranger: a tenant with another key, which forges calls of the first one.
    """

    def __init__(
        self, sandbox: Sandbox, signing: SigningSecret, tenant: Tenant, stranger: Tenant
    ) -> None:
        self._sandbox = sandbox
        self._signing = signing
        self._tenant = tenant
        self._stranger = stranger
        self._plans = {
            "indent": self._plan_indent,
            "authzen": self._plan_authzen,
            "conductorone": self._plan_conductorone,
        }
        assert self._plans.keys() == {entry.name for entry in CALLERS}
        self.names = tuple(self._plans)

    def plan(
        self, caller: str, who: str, what: str, *, may_be_approved: bool, genuine: bool = True
    ) -> PlannedCall:
        """Plan one caller's call. One that isn't genuine is made with another secret or key."""
        post, read = self._plans[caller](who, what, genuine=genuine)
        return PlannedCall(caller, post, ExpectedCall(who, read, may_be_approved, genuine))

    def _plan_indent(self, who: str, what: str, *, genuine: bool) -> tuple[_Post, _Read]:
        event = request_event(who, [what])

        def post() -> WebhookAnswer:
            with self._signing.with_secret() as secret:
                signed_with = secret if genuine else new_secret()
                return send(self._sandbox.url, signed_with, {"events": [event]})

        return post, partial(read_indent, event)

    def _plan_authzen(self, who: str, what: str, *, genuine: bool) -> tuple[_Post, _Read]:
        token = self._sandbox.authzen_token if genuine else secrets.token_urlsafe(32)
        question = {
            "subject": {"type": "user", "id": who},
            "action": {"name": "access"},
            "resource": {"type": DEFAULT_KIND, "id": what},
        }
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return self._post(EVALUATION, headers, json.dumps(question).encode()), read_authzen

    def _plan_conductorone(self, who: str, what: str, *, genuine: bool) -> tuple[_Post, _Read]:
        body = policy_step(who, _REQUESTED, entitlement=what)
        address = f"https://{domain_name(self._sandbox.aws.region)}{_CONDUCTORONE_PATH}"
        headers = (self._tenant if genuine else self._stranger).headers(address, body)
        return self._post(_CONDUCTORONE_PATH, headers, body), read_conductorone

    def _post(self, path: str, headers: dict[str, str], body: bytes) -> _Post:
        return partial(call, urljoin(self._sandbox.url, path), "POST", headers, body)
