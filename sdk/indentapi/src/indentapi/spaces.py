"""Spaces, and what a space is configured with: blocks, webhooks and their policies."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Unpack, cast

from indentapi import validation
from indentapi.collection import Creating, Deleting, PageFilters, Readable, Updating
from indentapi.transport import Transport
from indentapi.types import Block, Space, Webhook, WebhookPolicy


class SpaceFilters(PageFilters, total=False):
    """What the list of spaces can be narrowed by."""

    parent: str | None


class BlockFilters(PageFilters, total=False):
    """What a list of blocks can be narrowed by; `among` are names."""

    label_selector: str | None
    latest: bool | None
    among: Sequence[str] | None


class WebhookFilters(PageFilters, total=False):
    """What a list of webhooks can be narrowed by; `among` are names."""

    among: Sequence[str] | None
    kinds: Sequence[str] | None
    capabilities: Sequence[str] | None


class PolicyFilters(PageFilters, total=False):
    """What a list of webhook policies can be narrowed by; `among` are names."""

    among: Sequence[str] | None
    label_selector: str | None


class Spaces(Readable[Space]):
    """`indent.space`: the accounts that the token can see."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(
            transport, "/spaces", plural="spaces", singular="space", filters=SpaceFilters
        )

    def iter(self, **filters: Unpack[SpaceFilters]) -> Iterator[Space]:
        """Every space that the token can see."""
        return self._iter(filters)

    def list(self, **filters: Unpack[SpaceFilters]) -> builtins.list[Space]:
        """Every space that the token can see."""
        return [*self._iter(filters)]


class Blocks(Readable[Block]):
    """`indent.block`: what the space is configured with."""

    def __init__(self, transport: Transport, space_path: str) -> None:
        super().__init__(
            transport,
            f"{space_path}/blocks",
            plural="blocks",
            singular="block",
            filters=BlockFilters,
        )

    def iter(self, **filters: Unpack[BlockFilters]) -> Iterator[Block]:
        """Every block, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[BlockFilters]) -> builtins.list[Block]:
        """Every block of every page."""
        return [*self._iter(filters)]


class WebhookPolicies(Creating[WebhookPolicy], Updating[WebhookPolicy], Deleting[WebhookPolicy]):
    """`indent.webhook.policies`: when decision webhooks are consulted."""

    def __init__(self, transport: Transport, space_path: str) -> None:
        super().__init__(
            transport,
            f"{space_path}/webhookPolicies",
            plural="policies",
            singular="policy",
            filters=PolicyFilters,
        )

    def iter(self, **filters: Unpack[PolicyFilters]) -> Iterator[WebhookPolicy]:
        """Every policy, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[PolicyFilters]) -> builtins.list[WebhookPolicy]:
        """Every policy of every page."""
        return [*self._iter(filters)]


class Webhooks(Creating[Webhook], Updating[Webhook], Deleting[Webhook]):
    """`indent.webhook`: where the space sends its calls. An update replaces what it names."""

    _update_method = "PATCH"

    def __init__(self, transport: Transport, space_path: str) -> None:
        super().__init__(
            transport,
            f"{space_path}/webhooks",
            plural="webhooks",
            singular="webhook",
            filters=WebhookFilters,
        )
        self.policies: WebhookPolicies = WebhookPolicies(transport, space_path)

    def iter(self, **filters: Unpack[WebhookFilters]) -> Iterator[Webhook]:
        """Every webhook, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[WebhookFilters]) -> builtins.list[Webhook]:
        """Every webhook of every page."""
        return [*self._iter(filters)]

    def test_policy(
        self, policies: Iterable[WebhookPolicy], *, view: str | None = None
    ) -> builtins.list[Webhook]:
        """The webhooks that these policies would select; their names are ignored.

        Arguments:
            policies: to be tested; nothing is kept of them.
            view: the view of the webhooks to return.
        """
        body: dict[str, Any] = {
            "spaceName": self._transport.settings.space,
            "policies": validation.records(policies, "policies"),
        }
        if view is not None:
            body["view"] = validation.text(view, "view")
        answer = self._transport.request("POST", f"{self._path}:testPolicy", body=body)
        return cast("builtins.list[Webhook]", answer.get("webhooks", []))
