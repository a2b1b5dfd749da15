"""The one form of everything that the API keeps: a collection, with the verbs that it has."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, Literal, TypeVar, cast
from urllib.parse import quote

from indentapi.errors import UnexpectedAnswerError
from indentapi.transport import Transport

Item = TypeVar("Item")
Filter = str | int | bool | Sequence[str] | None
_PAGED = ("page_size",)


class Readable(Generic[Item]):
    """A collection that can be listed and looked into.

    Arguments:
        transport: how to reach the API.
        path: of the collection, below the base URL.
        plural: the key of a page's items.
        singular: the key of one item in a request.
        filters: what a list can be narrowed by, as Python names.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        plural: str,
        singular: str,
        filters: Sequence[str] = (),
    ) -> None:
        self._transport = transport
        self._path = path
        self._plural = plural
        self._singular = singular
        self._filters = (*filters, *_PAGED)

    def iter(self, **filters: Filter) -> Iterator[Item]:
        """Every item, each page fetched when it is needed.

        Raises:
            TypeError: for a filter that this collection does not have.
            UnexpectedAnswerError: the API gave a page token twice; the list would never end.
        """
        return self._pages(self._query(filters))

    def get(self, name: str, *, within: float | None = None) -> Item:
        """One item by its name; `within` is the most seconds for all tries together."""
        answer = self._transport.request("GET", self._path_of(name), within=within)
        return cast("Item", answer)

    def list(self, **filters: Filter) -> list[Item]:
        """Every item of every page. The filters are those of `iter`."""
        return [*self.iter(**filters)]

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

    def _query(self, filters: Mapping[str, Filter]) -> dict[str, str | builtins.list[str]]:
        unknown = ", ".join(sorted(filters.keys() - set(self._filters)))
        if unknown:
            known = ", ".join(self._filters)
            raise TypeError(f"{self._plural} have no filter {unknown}; there is {known}")
        return {_camel(k): _parameter(v) for k, v in filters.items() if v is not None}

    def _path_of(self, name: str) -> str:
        return f"{self._path}/{segment(name)}"

    def _send(self, method: str, path: str, item: object, **options: bool) -> Item:
        answer = self._transport.request(method, path, body={self._singular: item, **options})
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
        ValueError: it would address something else: the collection itself, or what is above it.
    """
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is no name")
    return quote(name, safe="")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _parameter(value: str | int | bool | Sequence[str]) -> str | list[str]:  # noqa: FBT001 - a value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return [*value]
