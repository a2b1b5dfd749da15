"""The paths of what a space is made of: resources, blocks, webhooks and their policies."""

from __future__ import annotations

from typing import Any

from handler.json_fields import array, as_record, as_text, record, text
from sandbox.space import claims
from sandbox.space.api import Call, Route, Routes, ok
from sandbox.space.errors import UNAVAILABLE, UNIMPLEMENTED, ApiError, not_found
from sandbox.space.pagination import asked, page_of, selected
from sandbox.space.petition_store import Desk
from sandbox.space.resources import NAME, Catalogue, key_of
from sandbox.space.webhook_client import Asker, AskError
from sandbox.space.webhooks import Webhooks
from sandbox.vendors.exchange import Answer

Json = dict[str, Any]


class CatalogueRoutes:
    """Everybody in the space may read it, and administrators change it."""

    def __init__(
        self, space: str, catalogue: Catalogue, webhooks: Webhooks, asker: Asker, desk: Desk
    ) -> None:
        self._space = space
        self._catalogue = catalogue
        self._webhooks = webhooks
        self._asker = asker
        self._desk = desk

    def under(self, base: str) -> Routes:
        """What answers which method and path."""
        read: Routes = {
            f"GET {base}/resources": self._list,
            f"GET {base}/resources/{{name}}": self._get,
            f"GET {base}/resources/{{name}}/members": self._members,
            f"GET {base}/blocks": self._list_blocks,
            f"GET {base}/blocks/{{name}}": self._get_block,
            f"GET {base}/webhooks": self._list_webhooks,
            f"GET {base}/webhooks/{{name}}": self._get_webhook,
            f"GET {base}/webhookPolicies": self._list_policies,
            f"GET {base}/webhookPolicies/{{name}}": self._get_policy,
        }
        change: Routes = {
            f"POST {base}/resources": self._create,
            f"PUT {base}/resources/{{name}}": self._update,
            f"DELETE {base}/resources/{{name}}": self._delete,
            f"PUT {base}/resources:bulkUpdate": self._bulk_update,
            # As Indent's JavaScript client calls it.
            f"POST {base}/resources:bulkUpdate": self._bulk_update,
            f"POST {base}/resources:bulkDelete": self._bulk_delete,
            f"PUT {base}/resources:pullUpdate": self._pull_update,
            f"POST {base}/webhooks": self._create_webhook,
            f"PATCH {base}/webhooks/{{name}}": self._update_webhook,
            f"DELETE {base}/webhooks/{{name}}": self._delete_webhook,
            f"POST {base}/webhooks:testPolicy": self._test_policy,
            f"POST {base}/webhookPolicies": self._create_policy,
            f"PUT {base}/webhookPolicies/{{name}}": self._update_policy,
            f"DELETE {base}/webhookPolicies/{{name}}": self._delete_policy,
        }
        return read | {path: _for_administrators(route) for path, route in change.items()}

    def _list(self, call: Call) -> Answer:
        view = asked(call.query, "view")
        rows = [(each["labels"][NAME], each) for each in self._catalogue.all(view)]
        query = call.query
        if view:  # it overrides the selector
            query = {name: values for name, values in query.items() if name != "labelSelector"}
        return page_of(query, "resources", selected(query, rows))

    def _get(self, _: Call, name: str) -> Answer:
        return ok(self._catalogue.get(name))

    def _members(self, _: Call, name: str) -> Answer:
        return ok({"members": self._desk.holders(*key_of(self._catalogue.get(name)))})

    def _create(self, call: Call) -> Answer:
        return ok(self._catalogue.add(record(call.body, "resource")))

    def _update(self, call: Call, name: str) -> Answer:
        return ok(self._catalogue.update(name, record(call.body, "resource")))

    def _delete(self, _: Call, name: str) -> Answer:
        return ok(self._catalogue.remove(name))

    def _bulk_update(self, call: Call) -> Answer:
        given = [as_record(each, "resources[]") for each in array(call.body, "resources")]
        return ok({"resources": [self._catalogue.put(each) for each in given]})

    def _bulk_delete(self, call: Call) -> Answer:
        names = [as_text(each, "resourceNames[]") for each in array(call.body, "resourceNames")]
        for name in names:
            self._catalogue.get(name)
        for name in dict.fromkeys(names):
            self._catalogue.remove(name)
        return ok({})

    def _pull_update(self, call: Call) -> Answer:
        kinds = [as_text(each, "kinds[]") for each in array(call.body, "kinds")]
        try:
            pulled = [
                each
                for webhook in self._webhooks.all()
                for each in self._asker.pull(webhook, kinds)
                if text(each, "kind") in kinds
            ]
        except AskError as error:
            raise ApiError(UNAVAILABLE, f"A webhook {error}.") from None
        return ok({"resources": [self._catalogue.put(each) for each in pulled], "status": {}})

    def _list_blocks(self, call: Call) -> Answer:
        return page_of(call.query, "blocks", selected(call.query, [self._block()]))

    def _get_block(self, _: Call, name: str) -> Answer:
        known, body = self._block()
        if name != known:
            raise not_found("block", name)
        return ok(body)

    def _block(self) -> tuple[str, Json]:
        """The one that tells clients under which configuration petitions are made."""
        labels = {
            "indent.com/app": "access-manager",
            "indent.com/kind": "indent.blocks.provider.v1.App",
            "indent.com/app/config/id": f"space:{self._space}",
        }
        name = "access-manager"
        return name, {"name": name, "spaceName": self._space, "labels": labels}

    def _list_webhooks(self, call: Call) -> Answer:
        for filter_ in ("kinds", "capabilities"):
            if filter_ in call.query:
                raise ApiError(UNIMPLEMENTED, f"What {filter_} select in Indent is not known here.")
        rows = [(each.name, each.as_json(self._space)) for each in self._webhooks.all()]
        return page_of(call.query, "webhooks", selected(call.query, rows))

    def _get_webhook(self, _: Call, name: str) -> Answer:
        return ok(self._webhooks.get(name).as_json(self._space))

    def _create_webhook(self, call: Call) -> Answer:
        webhook = self._webhooks.add(record(call.body, "webhook"))
        return ok(webhook.as_json(self._space))

    def _update_webhook(self, call: Call, name: str) -> Answer:
        webhook = self._webhooks.update(name, record(call.body, "webhook"))
        return ok(webhook.as_json(self._space))

    def _delete_webhook(self, _: Call, name: str) -> Answer:
        return ok(self._webhooks.remove(name).as_json(self._space))

    def _list_policies(self, call: Call) -> Answer:
        rows = [(each.name, each.body) for each in self._webhooks.policies()]
        return page_of(call.query, "policies", selected(call.query, rows))

    def _get_policy(self, _: Call, name: str) -> Answer:
        return ok(self._webhooks.policy(name).body)

    def _create_policy(self, call: Call) -> Answer:
        return ok(self._webhooks.add_policy(record(call.body, "policy")).body)

    def _update_policy(self, call: Call, name: str) -> Answer:
        return ok(self._webhooks.update_policy(name, record(call.body, "policy")).body)

    def _test_policy(self, call: Call) -> Answer:
        """The webhooks that these policies select. A view is defined by a policy: none is here."""
        if view := text(call.body, "view"):
            raise not_found("view", view)
        policies = [as_record(each, "policies[]") for each in array(call.body, "policies")]
        webhooks = self._webhooks.selected_by(policies)
        return ok({"webhooks": [each.as_json(self._space) for each in webhooks]})

    def _delete_policy(self, _: Call, name: str) -> Answer:
        return ok(self._webhooks.remove_policy(name).body)


def _for_administrators(route: Route) -> Route:
    def answer(call: Call, **parts: str) -> Answer:
        claims.may_administrate(call.owner)
        return route(call, **parts)

    return answer
