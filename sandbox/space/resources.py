"""What a space knows: its people and resources, with labels and views. No I/O.

A resource is found by its name, which is its label `indent.com/block`, or by its kind and id. A
person is a resource of the kind `user`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from handler import emails
from handler.callers.indent import BOT_KIND
from handler.json_fields import get_str
from sandbox.space.api import ApiError, Code, invalid_argument, read_labels
from sandbox.space.named_store import NamedStore

Json = dict[str, Any]
PERSON = "user"
ACTION = "action"
NAME = "indent.com/block"
# By which Indent's command line finds out who somebody is.
EMAIL = "indent.com/resource/email"


def _is_requestable(resource: Json) -> bool:
    return resource["kind"] not in {PERSON, ACTION, BOT_KIND}


def _is_person(resource: Json) -> bool:
    return bool(resource["kind"] == PERSON)


# The views that Indent's clients name.
VIEWS: Mapping[str, Callable[[Json], bool]] = MappingProxyType(
    {
        "requestable": _is_requestable,
        "requestable:modal": _is_requestable,
        "people": _is_person,
        "recipients": _is_person,
        "email": lambda resource: bool(resource.get("email")),
    }
)


def key_of(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and id, which together are unique; ShapeError where they aren't texts."""
    return get_str(resource, "kind"), get_str(resource, "id")


class ResourceStore(NamedStore[Json]):
    """The resources of a space. Do not change what it returns."""

    def __init__(self) -> None:
        super().__init__("resource")

    def add(self, body: Mapping[str, Any]) -> Json:
        """Add the resource that a body describes, under a new name.

        Raises:
            ApiError: there is one of this kind and id, or one of the two is missing.
        """
        with self._lock:
            kind, id_ = key_of(body)
            if not (kind and id_):
                raise invalid_argument("A resource needs a kind and an id.")
            if self.find(kind, id_):
                raise ApiError(Code.ALREADY_EXISTS, f"There is a {kind} {id_!r} already.")
            return self._save_body(str(uuid.uuid4()), kind, id_, body)

    def update(self, name: str, body: Mapping[str, Any]) -> Json:
        """Replace a resource's display name, e-mail and labels; its kind and id stay."""
        with self._lock:
            old = self.get(name)
            return self._save_body(name, old["kind"], old["id"], body)

    def put(self, body: Mapping[str, Any]) -> Json:
        """Add a resource, or update the one of its kind and id."""
        with self._lock:
            old = self.find(*key_of(body))
            return self.update(old["labels"][NAME], body) if old else self.add(body)

    def find(self, kind: str, id_: str) -> Json | None:
        """The resource of this kind and id."""
        return next((resource for resource in self.all() if key_of(resource) == (kind, id_)), None)

    def find_person(self, email: str) -> Json | None:
        """The person with this e-mail address."""
        people = filter(_is_person, self.all())
        return next((person for person in people if emails.same(person.get("email"), email)), None)

    def in_view(self, view: str) -> list[Json]:
        """The resources in a view, or every one for none (""); ApiError for an unknown view."""
        if not view:
            return self.all()
        if view not in VIEWS:
            raise invalid_argument(f"view is none of {', '.join(VIEWS)}.")
        return list(filter(VIEWS[view], self.all()))

    def resolve_resource(self, body: Mapping[str, Any]) -> Json:
        """The resource that a petition is for: by kind and id, whatever else the body says of it.

        A client may make up an `action`; it has no labels.

        Raises:
            ApiError: there is none.
        """
        kind, id_ = key_of(body)
        if resource := self.find(kind, id_):
            return resource
        if kind != ACTION or not id_:
            raise invalid_argument(f"There is no {kind or 'kind'} {id_!r} to request.")
        return {"kind": kind, "id": id_, "displayName": get_str(body, "displayName") or id_}

    def resolve_petitioner(self, body: Mapping[str, Any]) -> Json:
        """The person that a petition is for: by e-mail, else by kind and id; ApiError for none."""
        email = get_str(body, "email")
        person = self.find_person(email) if email else self.find(*key_of(body))
        if person is None or not _is_person(person) or not person.get("email"):
            raise invalid_argument("A petitioner isn't in this space.")
        return person

    def _save_body(self, name: str, kind: str, id_: str, body: Mapping[str, Any]) -> Json:
        resource: Json = {
            "kind": kind,
            "id": id_,
            "displayName": get_str(body, "displayName") or id_,
            "labels": {**read_labels(body), NAME: name},
        }
        if email := get_str(body, "email"):
            resource["email"] = resource["labels"][EMAIL] = email
        return self.save(name, resource)
