"""A request: who wants access to what, and for how long. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from handler import emails
from handler.folding import fold, unseen_in
from handler.typing import NamedTuple

# A word of a kind, whatever separates words or follows the last: `okta.v1.AppUser/`.
_KIND_WORD = re.compile(r"[^\W_]+(?:[_-]+[^\W_]+)*")
_PERSON_KINDS = frozenset({"user", "appuser"})
# The action of callers that don't name one.
ACCESS = "access"
# The longest unreadable text that is quoted, and what replaces a longer one.
_MOST_QUOTED, NOT_QUOTED = 30, "..."


class Resource(NamedTuple):
    """A thing or a person: what is requested, or who requests it.

    Attributes:
        email: the person's, as written.
        other_emails: more that the caller states for it.
    """

    kind: str = ""
    id: str = ""
    email: str = ""
    labels: Mapping[str, str] = MappingProxyType({})
    other_emails: tuple[str, ...] = ()

    @property
    def addresses(self) -> frozenset[str]:
        """All its e-mails, in normal form."""
        return frozenset(filter(None, map(emails.normal, (self.email, *self.other_emails))))

    @property
    def is_person(self) -> bool:
        """Whether it is a person: it has an e-mail, or its kind says so (`slack/user`)."""
        words = _KIND_WORD.findall(fold(self.kind))
        return bool(self.addresses) or (bool(words) and words[-1] in _PERSON_KINDS)

    def may_be(self, requester: Resource) -> bool:
        """Whether this person is the requester as far as anything here shows."""
        email = emails.normal(requester.email)
        other_id = fold(self.kind) == fold(requester.kind) and self.id != requester.id
        other_address = emails.has_at(self.id) and emails.normal(self.id) != email
        return self.addresses == {email} and not other_id and not other_address


class Request(NamedTuple):
    """One request for access. It deliberately has no creation time, which must not decide anything.

    Attributes:
        requester: who gets the access.
        requested_duration: the shortest positive duration that is requested.
        requested_expiry: the end that is requested, in UTC.
        unreadable_duration, unreadable_expiry: what can't be read (see `quotable`), or "".
        groups: requests of one call that share a name here are approved together or not at all.
        action: what the requester wants to do with each resource.
        objection: why its caller leaves it to humans, whatever the policy allows, or "".
        all_or_nothing: its caller can't shorten access, and has no groups. Humans decide if the
            policy allows less than the requested duration, or if none is requested, since access
            without a duration has no end.
    """

    requester: Resource
    resources: tuple[Resource, ...]
    requested_duration: timedelta | None = None
    requested_expiry: datetime | None = None
    unreadable_duration: str = ""
    unreadable_expiry: str = ""
    groups: tuple[str, ...] = ()
    action: str = ACCESS
    objection: str = ""
    all_or_nothing: bool = False


def quotable(text: str) -> str:
    """Quote a text that can't be read, if that is safe; a long one may be a key or a body."""
    plain = len(text) <= _MOST_QUOTED and not unseen_in(text) and '"' not in text
    return text if plain and not emails.has_at(text) else NOT_QUOTED
