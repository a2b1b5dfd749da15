"""The collections of the API: resources, spaces, blocks, webhooks and their policies."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack, cast
from urllib.parse import quote

from indentapi import validation
from indentapi.errors import IndentError, UnexpectedAnswerError
from indentapi.transport import Transport
from indentapi.types import Block, Pulled, Resource, Space, Webhook, WebhookPolicy

Item = TypeVar("Item")


class PageFilters(TypedDict, total=False):
    """What every list takes: how many items a page has."""

    page_size: int | None


class Readable(Generic[Item]):
    """A collection that can be looked into; each has `iter` and `list` with filters of its own.

    Arguments:
        transport: how to reach the API.
        path: of the collection, below the base URL.
        plural: the key of a page's items.
        singular: the key of one item in a request.
        filters: the typed dictionary of what a list can be narrowed by.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        plural: str,
        singular: str,
        filters: type[PageFilters] = PageFilters,
    ) -> None:
        self._transport: Transport = transport
        self._path: str = path
        self._plural: str = plural
        self._singular: str = singular
        self._filters: tuple[str, ...] = tuple(filters.__annotations__)

    def get(self, name: str, *, within: float | None = None) -> Item:
        """One item by its name; `within` is the most seconds for all tries together."""
        validation.timeout(within, "within")
        answer = self._transport.request("GET", self._path_of(name), within=within)
        return cast("Item", answer)

    def _iter(self, filters: Mapping[str, object]) -> Iterator[Item]:
        """Every item, each page fetched when it is needed.

        Raises:
            TypeError: for a filter that this collection does not have, or a wrong value.
            UnexpectedAnswerError: the API gave a page token twice; the list would never end.
        """
        return self._pages(self._query(filters))

    def _pages(self, query: dict[str, str | builtins.list[str]]) -> Iterator[Item]:
        seen = set()
        while True:
            page = self._transport.request("GET", self._path, query=query)
            yield from page.get(self._plural) or ()
            token = page.get("nextPageToken")
            if not token:
                return
            if token in seen:
                raise UnexpectedAnswerError(
                    "the same page token came twice", method="GET", path=self._path
                )
            seen.add(token)
            query = {**query, "pageToken": token}

    def _query(self, filters: Mapping[str, object]) -> dict[str, str | builtins.list[str]]:
        validation.keys(filters, self._filters, f"{self._plural} have no filter")
        return {_camel(k): _parameter(k, v) for k, v in filters.items() if v is not None}

    def _path_of(self, name: str) -> str:
        return f"{self._path}/{segment(name)}"

    def _send(self, method: str, path: str, item: object, **options: bool) -> Item:
        body = {self._singular: validation.record(item, self._singular), **options}
        answer = self._transport.request(method, path, body=body)
        return cast("Item", answer)


class Creating(Readable[Item]):
    """A collection that takes new items."""

    def create(self, item: Item) -> Item:
        """Add it, and return it as the API keeps it, under the name that the API gave it."""
        return self._send("POST", self._path, item)


class Updating(Readable[Item]):
    """A collection whose items change."""

    _update_method: Literal["PUT", "PATCH"] = "PUT"

    def update(self, name: str, item: Item) -> Item:
        """Replace it, and return it as the API keeps it."""
        return self._send(self._update_method, self._path_of(name), item)


class Deleting(Readable[Item]):
    """A collection whose items can go."""

    def delete(self, name: str) -> None:
        """Delete it."""
        self._transport.request("DELETE", self._path_of(name))


def segment(name: str) -> str:
    """A name as one segment of a path.

    Raises:
        TypeError: it is no text, such as a whole petition in place of its name.
        ValueError: it would address something else: the collection itself, or what is above it.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name must be a text, such as petition['name'], not {name!r:.40}")
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} isn't a valid name")
    return quote(name, safe="")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _parameter(name: str, value: object) -> str | list[str]:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case Iterable():
            return validation.texts(value, name)
        case _:
            raise TypeError(f"{name} must be a text, a number or a list of texts, not {value!r}")


class ResourceFilters(PageFilters, total=False):
    """What a list of resources can be narrowed by; `among` are names.

    `view` is one of the space's (`requestable`, `people`, `email`, `recipients`, …), and overrides
    `label_selector` (`k=v,k2 in (a,b)`).
    """

    view: str | None
    label_selector: str | None
    latest: bool | None
    among: Sequence[str] | None


class Resources(Creating[Resource], Updating[Resource], Deleting[Resource]):
    """`indent.resource`. A resource's name is its label `indent.com/block`."""

    def __init__(self, transport: Transport, space_path: str) -> None:
        super().__init__(
            transport,
            f"{space_path}/resources",
            plural="resources",
            singular="resource",
            filters=ResourceFilters,
        )

    def iter(self, **filters: Unpack[ResourceFilters]) -> Iterator[Resource]:
        """Every resource, each page fetched when it is needed."""
        return self._iter(filters)

    def list(self, **filters: Unpack[ResourceFilters]) -> builtins.list[Resource]:
        """Every resource of every page."""
        return [*self._iter(filters)]

    def create(self, item: Resource, *, ephemeral: bool = False) -> Resource:
        """Add it; an ephemeral one is not kept for others to request."""
        return self._send("POST", self._path, item, **_options(ephemeral=ephemeral))

    def update(self, name: str, item: Resource, *, ephemeral: bool = False) -> Resource:
        """Replace it, and return it as the API keeps it."""
        return self._send("PUT", self._path_of(name), item, **_options(ephemeral=ephemeral))

    def members(self, name: str) -> builtins.list[Resource]:
        """Who belongs to it, for a group."""
        path = f"{self._path}/{segment(name)}/members"
        return cast(
            "builtins.list[Resource]", self._transport.request("GET", path).get("members", [])
        )

    def bulk_update(self, resources: Iterable[Resource]) -> builtins.list[Resource]:
        """Replace many at once, and return them as the API keeps them."""
        body = {"resources": validation.records(resources, "resources")}
        answer = self._transport.request("PUT", f"{self._path}:bulkUpdate", body=body)
        return cast("builtins.list[Resource]", answer.get("resources", []))

    def bulk_delete(self, names: Iterable[str]) -> None:
        """Delete many at once."""
        body = {"resourceNames": validation.texts(names, "names")}
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
            "kinds": validation.texts(kinds, "kinds"),
            "flags": validation.labels(flags or {}, "flags"),
        }
        answer = cast("Pulled", self._transport.request("PUT", path, body=body))
        status = answer.get("status") or {}
        if status.get("code"):
            raise IndentError(
                status.get("message") or "the pull failed",
                method="PUT",
                path=path,
                code=status["code"],
                details=status.get("details") or (),
            )
        return answer.get("resources", [])


def _options(*, ephemeral: bool) -> dict[str, bool]:
    return {"ephemeral": True} if ephemeral else {}


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
