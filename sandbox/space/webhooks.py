"""Webhooks and the policies that say when they are asked. No I/O.

Shapes: the `Webhook` and `WebhookPolicy` messages of Indent's API. A secret goes in and never out.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from handler.json_fields import as_object, as_str, get_list, get_object, get_str, require_str
from sandbox.space import selectors
from sandbox.space.errors import INVALID_ARGUMENT, UNIMPLEMENTED, ApiError, not_found

Json = dict[str, Any]
DECISION = "indent.com/webhook/kind:decision"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where decisions are asked for; `bots` are the reviewers that it was seen to speak for."""

    name: str
    url: str
    secret: str
    display_name: str
    labels: Mapping[str, str]
    dry_run: bool
    bots: tuple[Json, ...] = ()

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
class Policy:
    """Asks its webhooks when its selector matches the labels of every requested resource."""

    name: str
    selector: selectors.Selector
    webhooks: tuple[str, ...]
    body: Json

    def covers(self, resources: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it matches; without a selector it always does."""
        return all(selectors.matches(self.selector, each.get("labels", {})) for each in resources)


class Webhooks:
    """The webhooks and policies of a space."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._webhooks: dict[str, Webhook] = {}
        self._policies: dict[str, Policy] = {}

    def add(self, body: Mapping[str, Any]) -> Webhook:
        """Add the webhook that a body describes.

        Raises:
            ApiError, ShapeError: it has no usable address or no secret.
        """
        return self._keep(_described(str(uuid.uuid4()), body))

    def update(self, name: str, body: Mapping[str, Any]) -> Webhook:
        """Change the fields that a body gives; for whom it speaks has to be seen anew."""
        with self._lock:
            old = self.get(name)
            return self._keep(_described(name, {**old.as_json(""), "secret": old.secret, **body}))

    def saw_bots(self, name: str, bots: Sequence[Json]) -> Webhook:
        """Remember for whom a webhook speaks."""
        with self._lock:
            return self._keep(replace(self.get(name), bots=tuple(bots)))

    def remove(self, name: str) -> Webhook:
        """Forget a webhook; policies that name it go on naming it in vain."""
        with self._lock:
            found = self.get(name)
            del self._webhooks[name]
            return found

    def get(self, name: str) -> Webhook:
        """The webhook of this name; ApiError where there is none."""
        with self._lock:
            if name not in self._webhooks:
                raise not_found("webhook", name)
            return self._webhooks[name]

    def all(self) -> list[Webhook]:
        """All of them."""
        with self._lock:
            return list(self._webhooks.values())

    def add_policy(self, body: Mapping[str, Any]) -> Policy:
        """Add the policy that a body describes.

        Raises:
            ApiError, ShapeError: it cannot be read, or has conditions in CEL, which nobody
                evaluates here: taken without them it would match too much.
        """
        return self._keep_policy(str(uuid.uuid4()), body)

    def update_policy(self, name: str, body: Mapping[str, Any]) -> Policy:
        """Replace a policy by what a body describes."""
        with self._lock:
            self.policy(name)
            return self._keep_policy(name, body)

    def remove_policy(self, name: str) -> Policy:
        """Forget a policy."""
        with self._lock:
            found = self.policy(name)
            del self._policies[name]
            return found

    def policy(self, name: str) -> Policy:
        """The policy of this name; ApiError where there is none."""
        with self._lock:
            if name not in self._policies:
                raise not_found("webhook policy", name)
            return self._policies[name]

    def policies(self) -> list[Policy]:
        """All of them."""
        with self._lock:
            return list(self._policies.values())

    def selected_by(self, bodies: Sequence[Mapping[str, Any]]) -> list[Webhook]:
        """The webhooks that policies of these bodies name, each once; nothing is kept of them."""
        with self._lock:
            named = {name for body in bodies for name in self._read_policy("", body).webhooks}
            return [each for each in self.all() if each.name in named]

    def to_ask(self, resources: Sequence[Mapping[str, Any]]) -> list[Webhook]:
        """The decision webhooks that a policy names for these resources, each once."""
        matching = [policy for policy in self.policies() if policy.covers(resources)]
        named = {name for policy in matching for name in policy.webhooks}
        return [
            each
            for each in self.all()
            if each.name in named and not each.dry_run and each.labels.get(DECISION) == "true"
        ]

    def _keep_policy(self, name: str, body: Mapping[str, Any]) -> Policy:
        policy = self._read_policy(name, body)
        with self._lock:
            self._policies[name] = policy
        return policy

    def _read_policy(self, name: str, body: Mapping[str, Any]) -> Policy:
        base = get_object(body, "base")
        if any(get_list(base, field, "base.") for field in ("conditions", "compiledConditions")):
            raise ApiError(UNIMPLEMENTED, "Conditions in CEL are not evaluated: use a selector.")
        try:
            selector = selectors.from_json(get_object(base, "selector", "base."))
        except selectors.SelectorError as error:
            raise ApiError(INVALID_ARGUMENT, f"selector: {error}.") from None
        named = [
            require_str(as_object(each, "webhooks[]"), "name")
            for each in get_list(body, "webhooks")
        ]
        for each in named:
            self.get(each)
        kept: Json = {"meta": {**get_object(body, "meta"), "name": name}, "base": base}
        kept["webhooks"] = [{"name": each} for each in named]
        return Policy(name, selector, tuple(named), kept)

    def _keep(self, webhook: Webhook) -> Webhook:
        with self._lock:
            self._webhooks[webhook.name] = webhook
            return webhook


def _described(name: str, body: Mapping[str, Any]) -> Webhook:
    if get_str(body, "method") not in {"", "POST"}:
        raise ApiError(UNIMPLEMENTED, "A webhook is called by POST here, and by nothing else.")
    if get_object(body, "headers"):
        raise ApiError(UNIMPLEMENTED, "A webhook gets no headers of its own here.")
    return Webhook(
        name,
        _usable_url(require_str(body, "url")),
        _usable_secret(require_str(body, "secret")),
        get_str(body, "displayName"),
        {
            name: as_str(value, "a value of labels")
            for name, value in get_object(body, "labels").items()
        },
        bool(body.get("dryRun")),
    )


def _usable_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # brackets or a port that are none
        usable = False
    if not (usable and url.isascii() and url.isprintable() and " " not in url):
        raise ApiError(INVALID_ARGUMENT, "A webhook's url is http:// or https:// and a host.")
    return url


def _usable_secret(secret: str) -> str:
    try:
        secret.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise ApiError(INVALID_ARGUMENT, "A webhook's secret is not a text.") from None
    return secret
