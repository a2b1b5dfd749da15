"""Indent's events as typed values, and the claim that answers one. No I/O.

Shapes: the `Event`, `Resource` and `Meta` messages of Indent's API, in proto-JSON: camelCase, every
field may be absent, and `null` is the same as absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from handler import emails
from handler.durations import format_go, format_instant, parse_duration, parse_instant
from handler.folding import fold, unseen_in
from handler.json_fields import as_list, as_object, as_str, get_list, get_object, get_str

REQUEST = "access/request"
APPROVE = "access/approve"
CHANGES = ("access/grant", "access/revoke")

DURATION = "indent.com/time/duration"
EXPIRES = "indent.com/time/expires"
ASKED_DURATION = "indent.com/petition/duration"
PETITION = ("indent.com/petition", "petition")
_TIME_PREFIX = "indent.com/time/"
_TIME_LABELS = (ASKED_DURATION, "expires")
_PERSON_LABEL = "indent.com/resource/email"
# A word of a kind, whatever stands between them or behind the last: `okta.v1.AppUser/`.
_KIND_WORD = re.compile(r"[^\W_]+(?:[_-]+[^\W_]+)*")
_PERSON_KINDS = frozenset({"user", "appuser"})
MOST_REASON = 500
# A duration that asks for as long as may be.
_INDEFINITE = "indefinite"
# Of a value that can't be read, and what stands for one that may not be shown.
_MOST_SHOWN, NOT_SHOWN = 30, "..."
_PLAIN_SIGNS = {ord("<"): "(", ord(">"): ")", ord("&"): "+", ord("@"): "(at)", ord("`"): "'"}
_NAMELESS = "Approved by a duty whose name is not shown here; the log has it by its id"


class Resource(NamedTuple):
    """A thing or a person: what is requested, who requests it, who approves it."""

    kind: str = ""
    id: str = ""
    email: str = ""
    labels: Mapping[str, str] = MappingProxyType({})
    raw: Mapping[str, Any] = MappingProxyType({})

    @property
    def addresses(self) -> frozenset[str]:
        """Every e-mail that the resource is said to have, in normal form."""
        found = (self.email, *label_values(self.labels, _PERSON_LABEL))
        return frozenset(filter(None, map(emails.normal, found)))

    @property
    def is_person(self) -> bool:
        """Whether it stands for somebody: by an e-mail, or by its kind (`slack/user`)."""
        words = _KIND_WORD.findall(fold(self.kind))
        return bool(self.addresses) or (bool(words) and words[-1] in _PERSON_KINDS)

    def may_be(self, requester: Resource) -> bool:
        """Whether nothing about this person speaks against being the requester."""
        email = emails.normal(requester.email)
        other_id = fold(self.kind) == fold(requester.kind) and self.id != requester.id
        other_address = emails.has_at(self.id) and emails.normal(self.id) != email
        return self.addresses == {email} and not other_id and not other_address


class Request(NamedTuple):
    """One `access/request` event. Its timestamp is left out on purpose: it decides nothing."""

    requester: Resource
    resources: tuple[Resource, ...]
    labels: Mapping[str, str] = MappingProxyType({})

    @property
    def petitions(self) -> tuple[str, ...]:
        """The petition's name, in each of the labels that may give it."""
        return tuple(value for name in PETITION for value in label_values(self.labels, name))

    @property
    def asked_duration(self) -> timedelta | None:
        """The shortest positive duration among the labels; None where none was asked."""
        asked = map(parse_duration, self._durations())
        return min((each for each in asked if each and each > timedelta(0)), default=None)

    @property
    def unreadable_duration(self) -> str:
        """The first duration among the labels that can't be read, fit to be shown, or ""."""
        return _unreadable(self._durations(), parse_duration)

    @property
    def asked_expiry(self) -> datetime | None:
        """The instant until which access is wanted, in UTC; None where none was asked."""
        asked = map(parse_instant, label_values(self.labels, EXPIRES))
        return min((each for each in asked if each), default=None)

    @property
    def unreadable_expiry(self) -> str:
        """The first such instant that can't be read, fit to be shown, or ""."""
        return _unreadable(label_values(self.labels, EXPIRES), parse_instant)

    def _durations(self) -> Iterator[str]:
        for name in (DURATION, ASKED_DURATION):
            for value in label_values(self.labels, name):
                if value.lower() != _INDEFINITE:
                    yield value


def _unreadable(values: Iterable[str], parse: Callable[[str], object]) -> str:
    """Give the first value that can't be read, or a stand-in for one that may not be repeated.

    A text that is longer than any such value may be a key or a sentence, not a slip.
    """
    for value in values:
        if parse(value) is None:
            plain = len(value) <= _MOST_SHOWN and not unseen_in(value) and '"' not in value
            return value if plain and not emails.has_at(value) else NOT_SHOWN
    return ""


def label_values(labels: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Give what a label says, under every spelling of its name, without what is empty.

    Whoever reads a label later may be lax about case and blanks, so every spelling that a claim
    drops is heeded here.
    """
    found = (value.strip() for each, value in labels.items() if fold(each) == name)
    return tuple(value for value in found if value)


class Call(NamedTuple):
    """What the `events` of one webhook call hold: their names, and the requests among them."""

    names: tuple[str, ...]
    requests: tuple[Request, ...]


def read_events(value: object) -> Call:
    """Read the `events` of a GetDecision call; events of other names are left unread.

    Raises:
        ShapeError: a field has the wrong type.
    """
    names, requests = [], []
    for index, each in enumerate(as_list(value, "events")):
        path = f"events[{index}]"
        event = as_object(each, path)
        name = get_str(event, "event", f"{path}.")
        names.append(name)
        if name == REQUEST:
            requests.append(_request(event, path))
    return Call(tuple(names), tuple(requests))


def claim(
    request: Request,
    *,
    actor: Mapping[str, Any],
    reason: str,
    now: datetime,
    duration: timedelta,
) -> dict[str, Any]:
    """Make the approving event: requester first, then the resources, for `duration` from `now`.

    The labels of the request are echoed without any that speaks of time: those are ours alone.
    """
    labels = {name: value for name, value in request.labels.items() if not _speaks_of_time(name)}
    labels[DURATION] = format_go(duration)
    labels[EXPIRES] = format_instant(now + duration)
    return {
        "event": APPROVE,
        "timestamp": format_instant(now),
        "actor": dict(actor),
        "reason": plain_words(reason),
        "resources": [each.raw for each in (request.requester, *request.resources)],
        "meta": {"labels": labels},
    }


def plain_words(text: str) -> str:
    """Make one line of a text that names come from elsewhere in, for whatever shows it.

    Chat systems and web pages act on markup, mentions and links, which a schedule's name may hold:
    what begins one is replaced. It names nobody by e-mail.
    """
    if emails.may_be_in(text):
        return _NAMELESS
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    text = text.translate(_PLAIN_SIGNS).replace("://", ": ").replace("](", "] (")
    return text if len(text) <= MOST_REASON else f"{text[: MOST_REASON - 1]}…"


def _speaks_of_time(label: str) -> bool:
    name = fold(label)
    return name.startswith(_TIME_PREFIX) or name in _TIME_LABELS


def _request(event: Mapping[str, Any], path: str) -> Request:
    meta = get_object(event, "meta", f"{path}.")
    return Request(
        requester=_resource(event.get("actor"), f"{path}.actor"),
        resources=tuple(
            _resource(each, f"{path}.resources[{index}]")
            for index, each in enumerate(get_list(event, "resources", f"{path}."))
        ),
        labels=_labels(meta, f"{path}.meta."),
    )


def _resource(value: object, path: str) -> Resource:
    raw = as_object(value, path)
    kind, id_, email = (get_str(raw, field, f"{path}.") for field in ("kind", "id", "email"))
    return Resource(kind, id_, email, _labels(raw, f"{path}."), raw)


def _labels(parent: Mapping[str, Any], at: str) -> dict[str, str]:
    # Names of labels are the requester's own words: an error repeats none of them.
    labels = get_object(parent, "labels", at)
    return {name: as_str(value, f"a value of {at}labels") for name, value in labels.items()}
