"""The API's collections: resources, spaces, blocks, webhooks, and the base that they share."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, TypedDict, TypeVar, Unpack, cast
from urllib.parse import quote

from indentapi.api_types import Block, PullUpdateResult, Resource, Space, Webhook, WebhookPolicy
from indentapi.errors import IndentError, UnexpectedAnswerError
from indentapi.transport import Transport
from indentapi.validation import (
    check_dict,
    check_dicts,
    check_keys,
    check_labels,
    check_text,
    check_texts,
    check_timeout,
)

Item = TypeVar("Item")


class PageFilters(TypedDict, total=False):
    """The filters of every list: how many items a page has."""

    page_size: int | None


class Collection(Generic[Item]):
    """The items below one path. A subclass adds `iter` and `list`, typed with its own filters.

    Arguments:
        transport: the connection to the API.
        parent_path: of the space or item that the collection belongs to, below the base URL.
    """

    _path_name: ClassVar[str]
    _items_key: ClassVar[str]
    _item_key: ClassVar[str]
    _filters: ClassVar[type[PageFilters]]

    def __init__(self, transport: Transport, parent_path: str) -> None:
        self._transport: Transport = transport
        self._path: str = f"{parent_path}/{self._path_name}"

    def get(self, name: str, *, within: float | None = None) -> Item:
        """One item by its name; `within` is the most seconds for all attempts together."""
        check_timeout(within, "within")
        response = self._transport.request("GET", self._item_path(name), within=within)
        return cast("Item", response)

    def _iter(self, filters: Mapping[str, object]) -> Iterator[Item]:
        """Every item, each page fetched when it is needed.

        Raises:
            TypeError: for a filter that this collection does not have, or a wrong value.
            UnexpectedAnswerError: the API gave a page token twice; the list would never end.
        """
        check_keys(
            filters, self._filters.__annotations__, f"{self._items_key} cannot be filtered by"
        )
        query = {_camel_case(k): _query_value(k, v) for k, v in filters.items() if v is not None}
        return self._iter_pages(query)

    def _iter_pages(self, query: dict[str, str | builtins.list[str]]) -> Iterator[Item]:
        previous_tokens = set()
        while True:
            page = self._transport.request("GET", self._path, query=query)
            yield from page.get(self._items_key) or ()
            token = page.get("nextPageToken")
            if not token:
                return
            if token in previous_tokens:
                raise UnexpectedAnswerError(
                    "the same page token came twice", method="GET", path=self._path
                )
            previous_tokens.add(token)
            query = {**query, "pageToken": token}

    def _item_path(self, name: str) -> str:
        return f"{self._path}/{path_segment(name)}"

    def _send(self, method: str, path: str, item: object, **options: bool) -> Item:
        body = {self._item_key: check_dict(item, self._item_key), **options}
        response = self._transport.request(method, path, body=body)
        return cast("Item", response)


class CreateMixin(Collection[Item]):
    """A collection whose items can be created."""

    def create(self, item: Item) -> Item:
        """Add it, and return it as the API keeps it, under the name that the API gave it."""
        return self._send("POST", self._path, item)


class UpdateMixin(Collection[Item]):
    """A collection whose items can be replaced."""

    _update_method: ClassVar[Literal["PUT", "PATCH"]] = "PUT"

    def update(self, name: str, item: Item) -> Item:
        """Replace it, and return it as the API keeps it."""
        return self._send(self._update_method, self._item_path(name), item)


class DeleteMixin(Collection[Item]):
    """A collection whose items can be deleted."""

    def delete(self, name: str) -> None:
        """Delete it."""
        self._transport.request("DELETE", self._item_path(name))


class ResourceFilters(PageFilters, total=False):
    """The filters of a list of resources; `among` takes names.

    `view` is one of the space's (`requestable`, `people`, `email`, `recipients`, …), and overrides
    `label_selector` (`k=v,k2 in (a,b)`).
    """

    view: str | None
    label_selector: str | None
    latest: bool | None
    among: Sequence[str] | None


class Resources(CreateMixin[Resource], UpdateMixin[Resource], DeleteMixin[Resource]):
    """`indent.resource`: what can be requested, and who can request it.

    A resource's name is its label `indent.com/block`.
    """

    _path_name = "resources"
    _items_key = "resources"
    _item_key = "resource"
    _filters = ResourceFilters

    def iter(self, **filters: Unpack[ResourceFilters]) -> Iterator[Resource]:
        """Every resource, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[ResourceFilters]) -> builtins.list[Resource]:
        """Every resource of every page."""
        return [*self._iter(filters)]

    def create(self, item: Resource, *, ephemeral: bool = False) -> Resource:
        """Add it; others cannot request an ephemeral one."""
        return self._send("POST", self._path, item, **_ephemeral_option(ephemeral=ephemeral))

    def update(self, name: str, item: Resource, *, ephemeral: bool = False) -> Resource:
        """Replace it, and return it as the API keeps it."""
        options = _ephemeral_option(ephemeral=ephemeral)
        return self._send("PUT", self._item_path(name), item, **options)

    def members(self, name: str) -> builtins.list[Resource]:
        """The members of a group."""
        response = self._transport.request("GET", f"{self._item_path(name)}/members")
        return cast("builtins.list[Resource]", response.get("members", []))

    def bulk_update(self, resources: Iterable[Resource]) -> builtins.list[Resource]:
        """Replace many at once, and return them as the API keeps them."""
        body = {"resources": check_dicts(resources, "resources")}
        response = self._transport.request("PUT", f"{self._path}:bulkUpdate", body=body)
        return cast("builtins.list[Resource]", response.get("resources", []))

    def bulk_delete(self, names: Iterable[str]) -> None:
        """Delete many at once."""
        body = {"resourceNames": check_texts(names, "names")}
        self._transport.request("POST", f"{self._path}:bulkDelete", body=body)

    def pull_update(
        self, kinds: Iterable[str], *, flags: Mapping[str, str] | None = None
    ) -> builtins.list[Resource]:
        """Have the space ask its webhooks for their resources of these kinds.

        Raises:
            IndentError: a webhook failed; `code` and `message` are its own.
        """
        path = f"{self._path}:pullUpdate"
        body = {
            "kinds": check_texts(kinds, "kinds"),
            "flags": check_labels(flags or {}, "flags"),
        }
        result = cast("PullUpdateResult", self._transport.request("PUT", path, body=body))
        status = result.get("status") or {}
        if status.get("code"):
            raise IndentError(
                status.get("message") or "the pull failed",
                method="PUT",
                path=path,
                code=status["code"],
                details=status.get("details") or (),
            )
        return result.get("resources", [])


class SpaceFilters(PageFilters, total=False):
    """The filters of the list of spaces."""

    parent: str | None


class Spaces(Collection[Space]):
    """`indent.space`: the spaces (accounts) that the token can see."""

    _path_name = "spaces"
    _items_key = "spaces"
    _item_key = "space"
    _filters = SpaceFilters

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, parent_path="")

    def iter(self, **filters: Unpack[SpaceFilters]) -> Iterator[Space]:
        """Every space that the token can see, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[SpaceFilters]) -> builtins.list[Space]:
        """Every space that the token can see."""
        return [*self._iter(filters)]


class BlockFilters(PageFilters, total=False):
    """The filters of a list of blocks; `among` takes names."""

    label_selector: str | None
    latest: bool | None
    among: Sequence[str] | None


class Blocks(Collection[Block]):
    """`indent.block`: the configuration of the space."""

    _path_name = "blocks"
    _items_key = "blocks"
    _item_key = "block"
    _filters = BlockFilters

    def iter(self, **filters: Unpack[BlockFilters]) -> Iterator[Block]:
        """Every block, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[BlockFilters]) -> builtins.list[Block]:
        """Every block of every page."""
        return [*self._iter(filters)]


class PolicyFilters(PageFilters, total=False):
    """The filters of a list of webhook policies; `among` takes names."""

    among: Sequence[str] | None
    label_selector: str | None


class WebhookPolicies(
    CreateMixin[WebhookPolicy], UpdateMixin[WebhookPolicy], DeleteMixin[WebhookPolicy]
):
    """`indent.webhook.policies`: when the space asks its webhooks for a decision."""

    _path_name = "webhookPolicies"
    _items_key = "policies"
    _item_key = "policy"
    _filters = PolicyFilters

    def iter(self, **filters: Unpack[PolicyFilters]) -> Iterator[WebhookPolicy]:
        """Every policy, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[PolicyFilters]) -> builtins.list[WebhookPolicy]:
        """Every policy of every page."""
        return [*self._iter(filters)]


class WebhookFilters(PageFilters, total=False):
    """The filters of a list of webhooks; `among` takes names."""

    among: Sequence[str] | None
    kinds: Sequence[str] | None
    capabilities: Sequence[str] | None


class Webhooks(CreateMixin[Webhook], UpdateMixin[Webhook], DeleteMixin[Webhook]):
    """`indent.webhook`: what the space calls. An update replaces only the fields in it."""

    _path_name = "webhooks"
    _items_key = "webhooks"
    _item_key = "webhook"
    _filters = WebhookFilters
    _update_method = "PATCH"

    def __init__(self, transport: Transport, parent_path: str, *, space_name: str) -> None:
        super().__init__(transport, parent_path)
        self._space_name: str = space_name
        self.policies: WebhookPolicies = WebhookPolicies(transport, parent_path)

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
            policies: to test; the space does not keep them.
            view: the view of the webhooks to return.
        """
        body: dict[str, Any] = {
            "spaceName": self._space_name,
            "policies": check_dicts(policies, "policies"),
        }
        if view is not None:
            body["view"] = check_text(view, "view")
        response = self._transport.request("POST", f"{self._path}:testPolicy", body=body)
        return cast("builtins.list[Webhook]", response.get("webhooks", []))


def path_segment(name: str) -> str:
    """A name as one segment of a path.

    Raises:
        TypeError: it isn't a text; for example, it is a whole petition in place of its name.
        ValueError: it would address something else: the collection itself, or what is above it.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name must be a text, such as petition['name'], not {name!r:.40}")
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} isn't a valid name")
    return quote(name, safe="")


def _ephemeral_option(*, ephemeral: bool) -> dict[str, bool]:
    return {"ephemeral": True} if ephemeral else {}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _query_value(name: str, value: object) -> str | list[str]:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case Iterable():
            return check_texts(value, name)
        case _:
            raise TypeError(f"{name} must be a text, a number or a list of texts, not {value!r}")
