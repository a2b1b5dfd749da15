"""The one form of everything that the API keeps: a collection, with the verbs that it has."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Literal, TypedDict, TypeVar, cast
from urllib.parse import quote

from indentapi import validation
from indentapi.errors import UnexpectedAnswerError
from indentapi.transport import Transport

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
