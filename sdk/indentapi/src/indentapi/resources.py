"""What can be requested, and who can request it: the space's resources."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Unpack, cast

from indentapi import validation
from indentapi.collection import Creating, Deleting, PageFilters, Updating, segment
from indentapi.errors import IndentError
from indentapi.transport import Transport
from indentapi.types import Pulled, Resource


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
