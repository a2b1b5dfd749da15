"""What a space knows: its people and resources, with labels and views. No I/O.

A thing is found by its name, which the label `indent.com/block` gives, or by its kind and id.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from handler import emails
from handler.callers.indent import BOT_KIND
from handler.json_fields import as_str, get_object, get_str
from sandbox.space.errors import ALREADY_EXISTS, INVALID_ARGUMENT, ApiError, not_found

Json = dict[str, Any]
PERSON = "user"
ACTION = "action"
NAME = "indent.com/block"
# Under which Indent's command line finds who somebody is.
EMAIL = "indent.com/resource/email"


def _requestable(each: Json) -> bool:
    return each["kind"] not in {PERSON, ACTION, BOT_KIND}


def _person(each: Json) -> bool:
    return bool(each["kind"] == PERSON)


# The views that Indent's clients name.
VIEWS: Mapping[str, Callable[[Json], bool]] = MappingProxyType(
    {
        "requestable": _requestable,
        "requestable:modal": _requestable,
        "people": _person,
        "recipients": _person,
        "email": lambda each: bool(each.get("email")),
    }
)


def key_of(resource: Mapping[str, Any]) -> tuple[str, str]:
    """What tells resources apart.

    Raises:
        ShapeError: kind or id are no texts.
    """
    return get_str(resource, "kind"), get_str(resource, "id")


class Catalogue:
    """The things of a space, in the order they were added; what it returns is not to be changed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._things: dict[str, Json] = {}

    def add(self, resource: Mapping[str, Any]) -> Json:
        """Add what the body says, under a new name.

        Raises:
            ApiError: there is one of this kind and id, or one of them is missing.
        """
        with self._lock:
            kind, id_ = key_of(resource)
            if not (kind and id_):
                raise ApiError(INVALID_ARGUMENT, "A resource needs a kind and an id.")
            if self.find(kind, id_):
                raise ApiError(ALREADY_EXISTS, f"There is a {kind} {id_!r} already.")
            return self._keep(str(uuid.uuid4()), kind, id_, resource)

    def update(self, name: str, resource: Mapping[str, Any]) -> Json:
        """Say anew what a thing is called and labelled; its kind and id stay."""
        with self._lock:
            old = self.get(name)
            return self._keep(name, old["kind"], old["id"], resource)

    def put(self, resource: Mapping[str, Any]) -> Json:
        """Add it, or update the one of its kind and id."""
        with self._lock:
            old = self.find(*key_of(resource))
            return self.update(old["labels"][NAME], resource) if old else self.add(resource)

    def remove(self, name: str) -> Json:
        """Forget a thing."""
        with self._lock:
            found = self.get(name)
            del self._things[name]
            return found

    def get(self, name: str) -> Json:
        """The thing of this name; ApiError where there is none."""
        with self._lock:
            if name not in self._things:
                raise not_found("resource", name)
            return self._things[name]

    def find(self, kind: str, id_: str) -> Json | None:
        """The thing of this kind and id."""
        return next((each for each in self.all() if key_of(each) == (kind, id_)), None)

    def person(self, email: str) -> Json | None:
        """The person of this address."""
        people = filter(_person, self.all())
        return next((each for each in people if emails.same(each.get("email"), email)), None)

    def all(self, view: str = "") -> list[Json]:
        """Everything, or what a view shows."""
        with self._lock:
            things = list(self._things.values())
        if not view:
            return things
        if view not in VIEWS:
            raise ApiError(INVALID_ARGUMENT, f"view is none of {', '.join(VIEWS)}.")
        return list(filter(VIEWS[view], things))

    def requested(self, asked: Mapping[str, Any]) -> Json:
        """What a petition means: the thing of that kind and id, whatever else the body says of it.

        An `action` may be made up by the caller; it has no labels.
        """
        kind, id_ = key_of(asked)
        if found := self.find(kind, id_):
            return found
        if kind != ACTION or not id_:
            raise ApiError(INVALID_ARGUMENT, f"There is no {kind or 'kind'} {id_!r} to request.")
        return {"kind": kind, "id": id_, "displayName": get_str(asked, "displayName") or id_}

    def petitioner(self, asked: Mapping[str, Any]) -> Json:
        """The person that a petition means, by e-mail or else by kind and id."""
        email = get_str(asked, "email")
        found = self.person(email) if email else self.find(*key_of(asked))
        if found is None or not _person(found) or not found.get("email"):
            raise ApiError(INVALID_ARGUMENT, "A petitioner is nobody of this space.")
        return found

    def _keep(self, name: str, kind: str, id_: str, resource: Mapping[str, Any]) -> Json:
        kept: Json = {
            "kind": kind,
            "id": id_,
            "displayName": get_str(resource, "displayName") or id_,
        }
        kept["labels"] = {**_labels(resource), NAME: name}
        if email := get_str(resource, "email"):
            kept["email"] = kept["labels"][EMAIL] = email
        self._things[name] = kept
        return kept


def _labels(resource: Mapping[str, Any]) -> Json:
    labels: Iterable[tuple[str, object]] = get_object(resource, "labels").items()
    return {name: as_str(value, "a value of labels") for name, value in labels}
