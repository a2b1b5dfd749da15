"""Who is on duty at a provider's double, and how that is switched: one small thing for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the provider knows, by the address that duties are matched by."""

    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A person on duty; `until` is when that ends by itself."""

    person: Person
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """One thing that people are on duty for.

    Attributes:
        id: what a form names it by: letters, digits, `-` and `_`, unlike that of any other post.
        name: what it is called within its group (`On shift`, `Incident Lead`).
        holders: who is on it now.
        one_holder: whether giving it to somebody takes it from another.
    """

    id: str
    name: str
    holders: tuple[Holder, ...]
    one_holder: bool = False

    def held_by(self, email: str) -> bool:
        """Whether this person is on it."""
        return any(each.person.email == email for each in self.holders)


@dataclass(frozen=True, slots=True)
class Group:
    """Posts that belong together: a schedule's, a live incident's. `short` is a brief title."""

    title: str
    short: str
    about: str
    posts: tuple[Post, ...]


class RosterError(Exception):
    """A switch that cannot be turned; the sentence says which and what to do."""


class Roster(Protocol):
    """The duties at one provider's double."""

    @property
    def provider(self) -> str:
        """What the provider is called, which a form names it by, too."""

    def people(self) -> Sequence[Person]:
        """Whoever can be put on duty."""

    def groups(self) -> Sequence[Group]:
        """All there is to be on duty for, and who is now."""

    def turn(self, post: str, email: str, *, on: bool) -> None:
        """Put a person on duty or take him off; what is so already stays so.

        Raises:
            RosterError: there is no such post or person now.
        """
