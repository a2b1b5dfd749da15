"""Who is on duty at a provider's double, and how that is switched: one small thing for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from handler import emails
from handler.providers.registry import Provider

Switch = Callable[[str, bool], None]
_FOR_GOOD = datetime.max.replace(tzinfo=UTC)
_GONE = "That duty is not there any more: what you see now is how things stand."


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
        id: what a form names it by: letters, digits, `-` and `_`, unlike that of any other post of
            any provider.
        name: what it is called within its group (`On shift`, `Incident Lead`).
        holders: who is on it now.
        switch: puts the person of an e-mail on it, or takes him off.
    """

    id: str
    name: str
    holders: tuple[Holder, ...]
    switch: Switch = field(compare=False)

    def held_by(self, email: str) -> bool:
        """Whether this person is on it."""
        return any(emails.same(each.person.email, email) for each in self.holders)


@dataclass(frozen=True, slots=True)
class Group:
    """Posts that belong together: a schedule's, a live incident's. `short` is a brief title."""

    title: str
    short: str
    about: str
    posts: tuple[Post, ...]


class RosterError(Exception):
    """A switch that cannot be turned; the sentence says which and what to do."""


class Shifts(Protocol):
    """What every provider's double does with a schedule's id and a person's e-mail."""

    def put_on_shift(self, schedule: str, who: str) -> object:
        """Add a shift of this person's from now on."""

    def take_off_shift(self, schedule: str, who: str) -> None:
        """Remove every shift of his."""


class Roster(ABC):
    """The duties at one provider's double, read and changed as people do in the vendor's pages.

    Attributes:
        id: what a policy calls the provider.
        provider: what people call it, which a form names it by, too.
        knows: what it has duties for, in words.
    """

    knows = "schedule"

    def __init__(self, provider: Provider, shifts: Shifts) -> None:
        self.id = provider.id
        self.provider = provider.name
        self._shifts = shifts

    @abstractmethod
    def people(self) -> Sequence[Person]:
        """Whoever can be put on duty."""

    @abstractmethod
    def groups(self) -> Sequence[Group]:
        """All there is to be on duty for, and who is now."""

    def turn(self, post: str, email: str, *, on: bool) -> None:
        """Put a person on duty or take him off; what is so already stays so.

        Raises:
            RosterError: there is no such post or person now, or something stands in the way.
        """
        posts = {one.id: one for group in self.groups() for one in group.posts}
        if post not in posts:
            raise RosterError(_GONE)
        if email not in {each.email for each in self.people()}:
            who = email or "A person without an e-mail"
            raise RosterError(f"{who} is nobody at {self.provider}.")
        if posts[post].held_by(email) == on:
            return
        posts[post].switch(email, on)

    def _post_id(self, *parts: str) -> str:
        """Make an id of what is unique at this provider only."""
        return "-".join((self.id, *parts))

    def _shift(
        self,
        schedule: str,
        on: Iterable[tuple[Person | None, datetime | None]],
        *,
        one_holder: bool = False,
    ) -> Post:
        """Make the post of a schedule: who is on shift, each until his last end.

        With `one_holder` whoever is put on takes the place of who is on.
        """
        ends: dict[Person, datetime] = {}
        for person, until in on:
            if person:
                ends[person] = max(until or _FOR_GOOD, ends.get(person, until or _FOR_GOOD))
        holders = tuple(
            Holder(each, None if end == _FOR_GOOD else end) for each, end in ends.items()
        )

        def switch(email: str, on: bool) -> None:  # noqa: FBT001 - a switch is called so
            # Of one holder's schedule nobody stays on below the new one, to come up later.
            off = [each.person.email for each in holders if one_holder] if on else [email]
            for each in off:
                self._shifts.take_off_shift(schedule, each)
            if on:
                self._shifts.put_on_shift(schedule, email)

        return Post(self._post_id(schedule), "On shift", holders, switch)
