"""Where petitions lie: made, sent to the webhooks, reviewed, and seen as they are now."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from handler.callers.indent import PETITION
from handler.durations import parse_duration
from handler.json_fields import as_object, as_str, get_list, get_object, get_str
from sandbox.space import rules
from sandbox.space.errors import FAILED_PRECONDITION, INVALID_ARGUMENT, ApiError, not_found
from sandbox.space.petition import DENY, Claim, Petition, at, claimed, opened
from sandbox.space.resources import Catalogue, key_of
from sandbox.space.tokens import Owner
from sandbox.space.webhook_client import Asker, AskError
from sandbox.space.webhooks import Webhook, Webhooks

Json = dict[str, Any]
_LONGEST_WAIT = 300  # seconds: some webhooks that never answer, each tried as often as may be


class Desk:
    """The petitions of a space; each is asked about on a thread of its own."""

    def __init__(
        self,
        space: str,
        now: Callable[[], datetime],
        catalogue: Catalogue,
        webhooks: Webhooks,
        asker: Asker,
    ) -> None:
        self._space = space
        self._now = now
        self._catalogue = catalogue
        self._webhooks = webhooks
        self._asker = asker
        self._changed = threading.Condition(threading.RLock())
        self._petitions: dict[str, Petition] = {}
        self._threads: set[threading.Thread] = set()
        self._closing = False

    def create(self, owner: Owner, body: Mapping[str, Any], *, wait: bool = False) -> Petition:
        """Make the petition that a body describes, and have the webhooks asked about it.

        `wait` is until they have been. Raises ApiError, ShapeError: it cannot be.
        """
        asked_for = get_list(body, "petitioners") or [{"email": owner.email}]
        people = [self._catalogue.petitioner(as_object(one, "petitioners[]")) for one in asked_for]
        rules.may_request_for(owner, people)
        things = [
            self._catalogue.requested(as_object(one, "resources[]"))
            for one in get_list(body, "resources")
        ]
        if not things:
            raise ApiError(INVALID_ARGUMENT, "A petition is for at least one resource.")
        petition = opened(
            Petition(
                str(uuid.uuid4()),
                self._space,
                get_str(body, "reason"),
                _each_once(people),
                _each_once(things),
                _labels(body),
                self._now(),
                _duration(body.get("defaultDuration")),
            )
        )
        self._send_to_webhooks(petition)
        return self.answered(petition.name) if wait else self.get(petition.name)

    def answered(self, name: str) -> Petition:
        """The petition of this name, once the webhooks have been asked about it, or as it is."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or self._is_reviewable(name), _LONGEST_WAIT
            )
            return self.get(name)

    def review(self, owner: Owner, name: str, body: Mapping[str, Any]) -> Claim:
        """Take a claim made through the API; ApiError or ShapeError where it cannot be."""
        actor = self._catalogue.petitioner({"email": owner.email})
        with self._changed:
            petition, now = self.get(name), self._now()
            claim = rules.made_claim(petition, body, owner, actor, now)
            self._keep(claimed(petition, claim, now))
            return claim

    def withdraw(self, owner: Owner, claim: str) -> Claim:
        """Take back an approval that has not led to a grant yet; its event stays in the history."""
        rules.may_administrate(owner)
        with self._changed:
            for petition in self.all():
                for each in petition.claims:
                    if each.name == claim:
                        _must_be_open(petition)
                        rest = tuple(one for one in petition.claims if one is not each)
                        self._keep(replace(petition, claims=rest))
                        return each
        raise not_found("claim", claim)

    def update(self, owner: Owner, name: str, body: Mapping[str, Any]) -> Petition:
        """Change the reason of a petition that is open, or close it; the rest stays as it is."""
        with self._changed:
            petition = self.get(name)
            rules.may_change(owner, petition)
            if rules.closes(petition, body):
                closed = replace(petition, phase="closed")
                return self._keep(closed.noted(f"{owner.email} closed it.", self._now()))
            _must_be_open(petition)
            return self._keep(replace(petition, reason=get_str(body, "reason") or petition.reason))

    def remove(self, owner: Owner, name: str) -> Petition:
        """Forget a petition; one that is granted has to be revoked before."""
        with self._changed:
            petition = self.get(name)
            rules.may_change(owner, petition)
            if petition.phase == "granted":
                raise ApiError(FAILED_PRECONDITION, "The petition is granted: revoke it first.")
            return self._petitions.pop(name)

    def get(self, name: str) -> Petition:
        """The petition of this name as it is now; ApiError where there is none."""
        with self._changed:
            if name not in self._petitions:
                raise not_found("petition", name)
            return self._keep(at(self._petitions[name], self._now()))

    def all(self) -> list[Petition]:
        """All of them as they are now, in the order they were made."""
        with self._changed:
            return [self.get(name) for name in self._petitions]

    def holders(self, kind: str, id_: str) -> list[Json]:
        """Who holds a resource by a petition that is granted."""
        found = [
            person
            for petition in self.all()
            if petition.phase == "granted" and (kind, id_) in map(key_of, petition.resources)
            for person in petition.petitioners
        ]
        return list(_each_once(found))

    def close(self) -> None:
        """Ask nobody any more, and end every wait."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            threads = list(self._threads)
        self._asker.close()
        for each in threads:
            each.join()

    def _send_to_webhooks(self, petition: Petition) -> None:
        thread = threading.Thread(target=self._ask, args=(petition,), daemon=True)
        with self._changed:
            self._keep(petition)
            if not self._closing:
                self._threads = {each for each in self._threads if each.is_alive()} | {thread}
                thread.start()

    def _ask(self, petition: Petition) -> None:
        """Have it decided; whatever goes wrong, it does not go on waiting for the webhooks."""
        try:
            self._claim(petition)
        except Exception as error:
            self._note(petition, f"Asking the webhooks failed ({type(error).__name__}).")
            raise  # it is a defect, and its traceback is printed
        finally:
            with self._changed:
                if found := self._petitions.get(petition.name):
                    self._keep(replace(found, reviewable=True))
                self._changed.notify_all()

    def _claim(self, petition: Petition) -> None:
        """Ask every webhook, and take the claims that count."""
        claims: list[Claim] = []
        for webhook in self._webhooks.to_ask(petition.resources):
            claims += self._claims_of(webhook, petition)
        with self._changed:
            if petition.name not in self._petitions:
                return
            current, now = self.get(petition.name), self._now()
            # A denial wins over every approval.
            for claim in sorted(claims, key=lambda each: each.kind != DENY):
                if current.phase != "open":
                    current = current.noted(f"A claim came when it was {current.phase}.", now)
                    break
                current = claimed(current, claim, now)
            self._keep(current)

    def _claims_of(self, webhook: Webhook, petition: Petition) -> list[Claim]:
        """The claims of a webhook that count."""
        called = f"The webhook {webhook.display_name or webhook.url}"
        self._note(petition, f"{called} is asked.")
        try:
            if not webhook.bots:
                webhook = self._webhooks.saw_bots(webhook.name, self._asker.bots(webhook))
            answered = self._asker.claims(webhook, petition.requests)
        except AskError as error:
            self._note(petition, f"{called} {error}.")
            return []
        except ApiError:  # the webhook is gone meanwhile
            return []
        number = len(answered) or "no"
        self._note(petition, f"{called} answered with {number} claim{'s' * (len(answered) > 1)}.")
        counted = []
        for each in answered:
            try:
                counted.append(rules.webhook_claim(petition, each, webhook.bots, self._now()))
            except rules.NotCountedError as why:
                self._note(petition, f"A claim that it made does not count: {why}.")
        return counted

    def _note(self, petition: Petition, text: str) -> None:
        with self._changed:
            if found := self._petitions.get(petition.name):
                self._keep(found.noted(text, self._now()))

    def _is_reviewable(self, name: str) -> bool:
        found = self._petitions.get(name)
        return found is None or found.reviewable

    def _keep(self, petition: Petition) -> Petition:
        self._petitions[petition.name] = petition
        return petition


def petition_of(claim: Mapping[str, Any]) -> str:
    """The name of the petition that a claim's label gives, or ""."""
    labels = get_object(get_object(claim, "meta"), "labels")
    return next((get_str(labels, name) for name in PETITION if labels.get(name)), "")


def _must_be_open(petition: Petition) -> None:
    if petition.phase != "open":
        raise ApiError(FAILED_PRECONDITION, f"The petition is {petition.phase}.")


def _each_once(resources: list[Json]) -> tuple[Json, ...]:
    return tuple({key_of(each): each for each in resources}.values())


def _labels(body: Mapping[str, Any]) -> dict[str, str]:
    labels = get_object(get_object(body, "meta"), "labels")
    return {name: as_str(value, "a value of meta.labels") for name, value in labels.items()}


def _duration(value: object) -> timedelta | None:
    """Read a protobuf Duration: `3600s`, or its two fields as other clients type it.

    None is for as long as may be: no duration, or one of nothing.
    """
    if isinstance(value, dict):
        value = _protobuf(value)
    duration = parse_duration(as_str(value, "defaultDuration") or "0")
    nothing = timedelta(0)
    if duration is None or duration < nothing or nothing < duration < timedelta(seconds=1):
        raise ApiError(INVALID_ARGUMENT, "defaultDuration isn't a duration of a second or more.")
    return timedelta(seconds=int(duration.total_seconds())) or None


def _protobuf(parts: Mapping[str, Any]) -> str:
    """Write the fields `seconds`, which may be a text, and `nanos` as one duration."""
    seconds, nanos = parts.get("seconds") or 0, parts.get("nanos") or 0
    whole = type(seconds) is int or (isinstance(seconds, str) and seconds.isdecimal())
    return f"{seconds}s{nanos}ns" if whole and type(nanos) is int else "?"
