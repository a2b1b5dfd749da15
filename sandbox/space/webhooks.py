"""The webhooks of a space, the policies that select them, and the client that calls them.

Shapes: the `Webhook` and `WebhookPolicy` messages of Indent's API. A secret goes in and never out.
"""

from __future__ import annotations

import http.client
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cli.webhook_client import signed
from handler.callers.indent import BOT_KIND
from handler.json_fields import (
    ShapeError,
    as_object,
    get_list,
    get_object,
    get_str,
    require_str,
)
from sandbox.space import selectors
from sandbox.space.api import invalid_argument, read_json, read_labels, unimplemented
from sandbox.space.named_store import NamedStore

Json = dict[str, Any]
DECISION = "indent.com/webhook/kind:decision"
_MAX_ANSWER_BYTES = 1024 * 1024
_OK, _FIRST_SERVER_ERROR = 200, 500


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the space asks for decisions; `bots` are the reviewers that it speaks for, if known."""

    name: str
    url: str
    secret: str
    display_name: str
    labels: Mapping[str, str]
    dry_run: bool
    bots: tuple[Json, ...] = ()

    @property
    def decides(self) -> bool:
        """Whether it is to be asked for decisions at all."""
        return not self.dry_run and self.labels.get(DECISION) == "true"

    def as_json(self, space: str) -> Json:
        """The body that the API answers with."""
        return {
            "name": self.name,
            "spaceName": space,
            "displayName": self.display_name,
            "labels": dict(self.labels),
            "url": self.url,
            "method": "POST",
            "dryRun": self.dry_run,
        }


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """Selects its webhooks for a petition if its selector matches every requested resource."""

    name: str
    selector: selectors.Selector
    webhooks: tuple[str, ...]
    body: Json

    def matches(self, resources: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it selects its webhooks for these resources."""
        return all(
            selectors.matches(self.selector, resource.get("labels", {})) for resource in resources
        )


class WebhookStore(NamedStore[Webhook]):
    """The webhooks of a space, and their policies."""

    def __init__(self) -> None:
        super().__init__("webhook")
        self.policies = NamedStore[WebhookPolicy]("webhook policy")

    def add(self, body: Mapping[str, Any]) -> Webhook:
        """Add the webhook that a body describes.

        Raises:
            ApiError, ShapeError: it has no usable address or no secret.
        """
        webhook = _read_webhook(str(uuid.uuid4()), body)
        return self.save(webhook.name, webhook)

    def update(self, name: str, body: Mapping[str, Any]) -> Webhook:
        """Replace the fields in the body; which bots it speaks for has to be pulled again."""
        with self._lock:
            old = self.get(name)
            fields = {**old.as_json(""), "secret": old.secret, **body}
            return self.save(name, _read_webhook(name, fields))

    def set_bots(self, name: str, bots: Sequence[Json]) -> Webhook:
        """Remember which reviewers a webhook speaks for."""
        with self._lock:
            return self.save(name, replace(self.get(name), bots=tuple(bots)))

    def add_policy(self, body: Mapping[str, Any]) -> WebhookPolicy:
        """Add the policy that a body describes.

        Raises:
            ApiError, ShapeError: it cannot be read, or has conditions in CEL, which are not
                evaluated here: without them it would match too much.
        """
        policy = self._read_policy(str(uuid.uuid4()), body)
        return self.policies.save(policy.name, policy)

    def update_policy(self, name: str, body: Mapping[str, Any]) -> WebhookPolicy:
        """Replace a policy by what a body describes."""
        self.policies.get(name)
        return self.policies.save(name, self._read_policy(name, body))

    def selected_by(self, bodies: Sequence[Mapping[str, Any]]) -> list[Webhook]:
        """The webhooks that policies of these bodies name; the policies are not added."""
        return self._named_by([self._read_policy("", body) for body in bodies])

    def deciding_on(self, resources: Sequence[Mapping[str, Any]]) -> list[Webhook]:
        """The webhooks to ask for a decision about these resources."""
        policies = [policy for policy in self.policies.all() if policy.matches(resources)]
        return [webhook for webhook in self._named_by(policies) if webhook.decides]

    def _named_by(self, policies: Sequence[WebhookPolicy]) -> list[Webhook]:
        names = {name for policy in policies for name in policy.webhooks}
        return [webhook for webhook in self.all() if webhook.name in names]

    def _read_policy(self, name: str, body: Mapping[str, Any]) -> WebhookPolicy:
        base = get_object(body, "base")
        if any(get_list(base, field, "base.") for field in ("conditions", "compiledConditions")):
            raise unimplemented("Conditions in CEL are not evaluated: use a selector.")
        try:
            selector = selectors.from_json(get_object(base, "selector", "base."))
        except selectors.SelectorError as error:
            raise invalid_argument(f"selector: {error}.") from None
        webhooks = [
            self.get(require_str(as_object(value, "webhooks[]"), "name")).name
            for value in get_list(body, "webhooks")
        ]
        policy: Json = {"meta": {**get_object(body, "meta"), "name": name}, "base": base}
        policy["webhooks"] = [{"name": webhook} for webhook in webhooks]
        return WebhookPolicy(name, selector, tuple(webhooks), policy)


def _read_webhook(name: str, body: Mapping[str, Any]) -> Webhook:
    if get_str(body, "method") not in {"", "POST"}:
        raise unimplemented("A webhook is called by POST here, and by nothing else.")
    if get_object(body, "headers"):
        raise unimplemented("A webhook gets no headers of its own here.")
    url, secret = require_str(body, "url"), require_str(body, "secret")
    if not _is_usable_url(url):
        raise invalid_argument("A webhook's url is http:// or https:// and a host.")
    try:
        secret.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        raise invalid_argument("A webhook's secret is not a text.") from None
    dry_run = bool(body.get("dryRun"))
    return Webhook(name, url, secret, get_str(body, "displayName"), read_labels(body), dry_run)


def _is_usable_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # unbalanced brackets, or a port that isn't valid
        return False
    is_clean = url.isascii() and url.isprintable() and " " not in url
    return parts.scheme in {"http", "https"} and has_host and is_clean


class WebhookError(Exception):
    """A webhook gave no usable answer; the message says what it did, to follow its name."""


class WebhookClient:
    """Calls webhooks: signs each call, and tries again after connection errors and 5xx.

    Args:
        now: the clock of the signatures' timestamps.
        timeout: seconds to connect, and then for the whole of one answer.
        pauses: seconds before each further try.
    """

    def __init__(
        self, now: Callable[[], datetime], timeout: float, pauses: Sequence[float]
    ) -> None:
        self._now = now
        self._timeout = timeout
        self._pauses = tuple(pauses)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def pull(self, webhook: Webhook, kinds: Sequence[str]) -> list[Json]:
        """Get a webhook's resources of these kinds (PullUpdate); WebhookError without an answer."""
        answer = self._call(webhook, {"kinds": list(kinds), "flags": {}})
        try:
            values = get_list(answer, "resources")
            return [dict(as_object(value, "resources[]")) for value in values]
        except ShapeError as error:
            raise WebhookError(f"answered in the wrong shape: {error}") from None

    def pull_bots(self, webhook: Webhook) -> list[Json]:
        """Get the reviewers that a webhook speaks for; WebhookError without an answer."""
        bots = self.pull(webhook, [BOT_KIND])
        return [bot for bot in bots if bot.get("kind") == BOT_KIND and bot.get("id")]

    def get_decision(self, webhook: Webhook, events: Sequence[Json]) -> list[Any]:
        """Ask for a decision (GetDecision): its claims, unread; WebhookError without an answer."""
        answer = self._call(webhook, {"events": list(events)})
        try:
            return get_list(answer, "claims")
        except ShapeError as error:
            raise WebhookError(f"answered in the wrong shape: {error}") from None

    def close(self) -> None:
        """End every call, and make no further one."""
        with self._lock:
            self._closing.set()
            for connection in self._sockets:
                _shut_down(connection)

    def _call(self, webhook: Webhook, body: Mapping[str, Any]) -> Mapping[str, Any]:
        problem = ""
        for pause in (0.0, *self._pauses):
            if self._closing.wait(pause):
                break
            try:
                status, raw = self._post(webhook, body)
            # UnicodeError is for a host name that no host can have.
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                problem = f"does not answer ({type(error).__name__})"
                continue
            if status < _FIRST_SERVER_ERROR:
                return _read_answer(status, raw)
            problem = f"answered HTTP {status}"
        raise WebhookError(problem or "was not asked: the space closes")

    def _post(self, webhook: Webhook, body: Mapping[str, Any]) -> tuple[int, bytes]:
        raw, headers = signed(webhook.secret, body, self._now())
        parts = urlsplit(webhook.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with self._connect(webhook.url) as connection:
            connection.request("POST", target, raw, headers)
            with connection.getresponse() as response:
                return response.status, response.read(_MAX_ANSWER_BYTES)

    @contextmanager
    def _connect(self, url: str) -> Iterator[http.client.HTTPConnection]:
        parts = urlsplit(url)
        https = parts.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout)
        try:
            connection.connect()
            with self._lock:
                if self._closing.is_set():
                    raise ConnectionAbortedError
                self._sockets.add(connection.sock)
            try:
                with _time_limit(self._timeout, connection.sock):
                    yield connection
            finally:
                with self._lock:
                    self._sockets.discard(connection.sock)
        finally:
            connection.close()


@contextmanager
def _time_limit(seconds: float, connection: socket.socket) -> Iterator[None]:
    """End a connection after so long, however steadily its bytes come, and raise TimeoutError."""
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        _shut_down(connection)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if is_late.is_set():
            raise TimeoutError


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # the other end was faster
        connection.shutdown(socket.SHUT_RDWR)


def _read_answer(status: int, raw: bytes) -> Mapping[str, Any]:
    if status != _OK:
        raise WebhookError(f"answered HTTP {status}")
    try:
        answer = as_object(read_json(raw), "the answer")
        code = get_object(answer, "status").get("code", 0)
    except (ValueError, RecursionError):  # it isn't JSON, or has the wrong shape
        raise WebhookError("answered with something other than a JSON object") from None
    if code != 0:
        raise WebhookError(f"answered with status code {code!r}")
    return answer
