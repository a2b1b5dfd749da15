"""Spaces, and what a space is configured with: blocks, webhooks and their policies."""

from __future__ import annotations

from typing import Any

from indentapi.collection import Creating, Deleting, Readable, Updating
from indentapi.shapes import Block, Space, Webhook, WebhookPolicy
from indentapi.transport import Transport


class Spaces(Readable[Space]):
    """`indent.space`: the accounts that the token can see."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, "/spaces", plural="spaces", singular="space")


class Blocks(Readable[Block]):
    """`indent.block`. A list knows `label_selector`."""

    def __init__(self, transport: Transport, space_path: str) -> None:
        super().__init__(
            transport,
            f"{space_path}/blocks",
            plural="blocks",
            singular="block",
            filters=("label_selector",),
        )


class WebhookPolicies(Creating[WebhookPolicy], Updating[WebhookPolicy], Deleting[WebhookPolicy]):
    """`indent.webhook.policies`: when decision webhooks are consulted."""

    _update_method = "PATCH"

    def __init__(self, transport: Transport, space_path: str) -> None:
        super().__init__(
            transport, f"{space_path}/webhookPolicies", plural="policies", singular="policy"
        )


class Webhooks(Creating[Webhook], Updating[Webhook], Deleting[Webhook]):
    """`indent.webhook`: where the space sends its calls. An update replaces what it names."""

    _update_method = "PATCH"

    def __init__(self, transport: Transport, space_path: str) -> None:
        super().__init__(transport, f"{space_path}/webhooks", plural="webhooks", singular="webhook")
        self.policies = WebhookPolicies(transport, space_path)

    def test_policy(self, policy: WebhookPolicy) -> dict[str, Any]:
        """What the policy would select, as the API answers it."""
        body = {"policy": policy}
        return self._transport.request("POST", f"{self._path}:testPolicy", body=body)
