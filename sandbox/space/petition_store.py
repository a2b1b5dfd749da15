"""The petitions of a space: people create them, webhooks decide on them, people review them."""

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
from sandbox.space.api import (
    ApiError,
    failed_precondition,
    invalid_argument,
    not_found,
    read_meta_labels,
)
from sandbox.space.claims import InvalidClaimError, claim_from_api, claim_from_webhook
from sandbox.space.permissions import check_may_administrate, check_may_change, check_may_request
from sandbox.space.petition import DENY, Claim, Petition, add_claim, advance, open_petition
from sandbox.space.resources import ResourceStore, key_of
from sandbox.space.tokens import Owner
from sandbox.space.webhooks import Webhook, WebhookClient, WebhookError, WebhookStore

Json = dict[str, Any]
_MAX_WAIT = 300  # seconds: enough for some webhooks that never answer, with every retry


class PetitionStore:
    """The petitions of a space. Webhooks are asked about each on a thread of its own."""

    def __init__(
        self,
        space: str,
        now: Callable[[], datetime],
        resources: ResourceStore,
        webhooks: WebhookStore,
        client: WebhookClient,
    ) -> None:
        self._space = space
        self._now = now
        self._resources = resources
        self._webhooks = webhooks
        self._client = client
        self._changed = threading.Condition(threading.RLock())
        self._petitions: dict[str, Petition] = {}
        self._threads: set[threading.Thread] = set()
        self._closing = False

    def create(self, owner: Owner, body: Mapping[str, Any], *, wait: bool = False) -> Petition:
        """Make the petition that a body describes, and ask the webhooks about it.

        Args:
            owner: who makes it, and its petitioner unless the body names others.
            body: a `Petition` message of the API.
            wait: return it only once the webhooks have been asked.

        Raises:
            ApiError, ShapeError: the body isn't a petition that this owner may make.
        """
        petitioners = get_list(body, "petitioners") or [{"email": owner.email}]
        people = [
            self._resources.resolve_petitioner(as_object(value, "petitioners[]"))
            for value in petitioners
        ]
        check_may_request(owner, people)
        resources = [
            self._resources.resolve_resource(as_object(value, "resources[]"))
            for value in get_list(body, "resources")
        ]
        if not resources:
            raise invalid_argument("A petition needs at least one resource.")
        petition = open_petition(
            Petition(
                str(uuid.uuid4()),
                self._space,
                get_str(body, "reason"),
                _distinct(people),
                _distinct(resources),
                read_meta_labels(body),
                self._now(),
                _duration(body.get("defaultDuration")),
            )
        )
        self._start_asking(petition)
        return self.wait_for_webhooks(petition.name) if wait else self.get(petition.name)

    def wait_for_webhooks(self, name: str) -> Petition:
        """The petition once its webhooks have been asked, or as it is after a long time."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._is_reviewable(name), _MAX_WAIT)
            return self.get(name)

    def review(self, owner: Owner, name: str, body: Mapping[str, Any]) -> Claim:
        """Add a claim made through the API; ApiError or ShapeError if it isn't valid."""
        actor = self._resources.resolve_petitioner({"email": owner.email})
        with self._changed:
            petition, now = self.get(name), self._now()
            claim = claim_from_api(petition, body, owner, actor, now)
            self._save(add_claim(petition, claim, now))
            return claim

    def withdraw(self, owner: Owner, name: str) -> Claim:
        """Remove an approval that has not led to a grant yet; its event stays in the history."""
        check_may_administrate(owner)
        with self._changed:
            for petition in self.all():
                for claim in petition.claims:
                    if claim.name == name:
                        _check_open(petition)
                        rest = tuple(other for other in petition.claims if other is not claim)
                        self._save(replace(petition, claims=rest))
                        return claim
        raise not_found("claim", name)

    def update(self, owner: Owner, name: str, body: Mapping[str, Any]) -> Petition:
        """Change the reason of an open petition, or close it; nothing else can be changed."""
        with self._changed:
            petition = self.get(name)
            check_may_change(owner, petition)
            if _is_closing(petition, body):
                petition = replace(petition, phase="closed")
                note = f"{owner.email} closed the request."
                return self._save(petition.with_note(note, self._now()))
            _check_open(petition)
            return self._save(replace(petition, reason=get_str(body, "reason") or petition.reason))

    def remove(self, owner: Owner, name: str) -> Petition:
        """Delete a petition, and return it; revoke it first if it is granted."""
        with self._changed:
            petition = self.get(name)
            check_may_change(owner, petition)
            if petition.phase == "granted":
                raise failed_precondition("The petition is granted: revoke it first.")
            return self._petitions.pop(name)

    def get(self, name: str) -> Petition:
        """The petition of this name as it is now; ApiError if there is none."""
        with self._changed:
            if name not in self._petitions:
                raise not_found("petition", name)
            return self._save(advance(self._petitions[name], self._now()))

    def all(self) -> list[Petition]:
        """Every petition as it is now, oldest first."""
        with self._changed:
            return [self.get(name) for name in self._petitions]

    def holders(self, kind: str, id_: str) -> list[Json]:
        """The people who have access to a resource through a granted petition."""
        people = [
            person
            for petition in self.all()
            if petition.phase == "granted" and (kind, id_) in map(key_of, petition.resources)
            for person in petition.petitioners
        ]
        return list(_distinct(people))

    def close(self) -> None:
        """Stop calling webhooks, end every wait, and join every thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            threads = list(self._threads)
        self._client.close()
        for thread in threads:
            thread.join()

    def _start_asking(self, petition: Petition) -> None:
        thread = threading.Thread(target=self._ask_webhooks, args=(petition,), daemon=True)
        with self._changed:
            self._save(petition)
            if not self._closing:
                self._threads = {t for t in self._threads if t.is_alive()} | {thread}
                thread.start()

    def _ask_webhooks(self, petition: Petition) -> None:
        """Let webhooks decide; the petition becomes reviewable, even after an error."""
        try:
            self._decide(petition)
        except Exception as error:
            self._note(petition, f"Asking the webhooks failed ({type(error).__name__}).")
            raise  # it is a defect, and its traceback is printed
        finally:
            with self._changed:
                if current := self._petitions.get(petition.name):
                    self._save(replace(current, reviewable=True))
                self._changed.notify_all()

    def _decide(self, petition: Petition) -> None:
        """Ask every webhook, then add the valid claims."""
        claims = [
            claim
            for webhook in self._webhooks.deciding_on(petition.resources)
            for claim in self._ask_webhook(webhook, petition)
        ]
        with self._changed:
            if petition.name not in self._petitions:
                return
            current, now = self.get(petition.name), self._now()
            # A denial wins over every approval.
            for claim in sorted(claims, key=lambda claim: claim.kind != DENY):
                if current.phase != "open":
                    note = f"A claim came too late: the petition was {current.phase}."
                    current = current.with_note(note, now)
                    break
                current = add_claim(current, claim, now)
            self._save(current)

    def _ask_webhook(self, webhook: Webhook, petition: Petition) -> list[Claim]:
        """Ask one webhook, and return its valid claims."""
        title = f"The webhook {webhook.display_name or webhook.url}"
        self._note(petition, f"{title} was asked for a decision.")
        try:
            if not webhook.bots:
                bots = self._client.pull_bots(webhook)
                webhook = self._webhooks.set_bots(webhook.name, bots)
            answer = self._client.get_decision(webhook, petition.requests)
        except WebhookError as error:
            self._note(petition, f"{title} {error}.")
            return []
        except ApiError:  # the webhook was deleted meanwhile
            return []
        number = len(answer) or "no"
        self._note(petition, f"{title} answered with {number} claim{'s' * (len(answer) > 1)}.")
        claims = []
        for value in answer:
            try:
                claims.append(claim_from_webhook(petition, value, webhook.bots, self._now()))
            except InvalidClaimError as error:
                self._note(petition, f"One of its claims was ignored: {error}.")
        return claims

    def _note(self, petition: Petition, text: str) -> None:
        with self._changed:
            if current := self._petitions.get(petition.name):
                self._save(current.with_note(text, self._now()))

    def _is_reviewable(self, name: str) -> bool:
        petition = self._petitions.get(name)
        return petition is None or petition.reviewable

    def _save(self, petition: Petition) -> Petition:
        self._petitions[petition.name] = petition
        return petition


def petition_name(claim: Mapping[str, Any]) -> str:
    """The name of the petition in a claim's label, or ""."""
    labels = get_object(get_object(claim, "meta"), "labels")
    return next((get_str(labels, name) for name in PETITION if labels.get(name)), "")


def _check_open(petition: Petition) -> None:
    if petition.phase != "open":
        raise failed_precondition(f"The petition is {petition.phase}.")


def _distinct(resources: list[Json]) -> tuple[Json, ...]:
    return tuple({key_of(resource): resource for resource in resources}.values())


def _is_closing(petition: Petition, update: Mapping[str, Any]) -> bool:
    """Whether an update closes a petition: the one change of phase that an update can make.

    Raises:
        ApiError: it asks for another phase, or the petition is granted, which only a claim ends.
    """
    phase = get_str(
        get_object(get_object(update, "state"), "status", "state."), "phase", "state.status."
    )
    if phase in {"", petition.phase}:
        return False
    if phase != "closed":
        raise invalid_argument(f"An update cannot make a petition {phase}.")
    if petition.phase == "granted":
        raise failed_precondition("The petition is granted: revoke it first.")
    return True


def _duration(value: object) -> timedelta | None:
    """Read a protobuf Duration: `3600s`, or its two fields, as some clients write it.

    No duration, or one of 0 seconds, is None: as long as possible.
    """
    if isinstance(value, dict):
        value = _duration_of_fields(value)
    duration = parse_duration(as_str(value, "defaultDuration") or "0")
    zero = timedelta(0)
    if duration is None or duration < zero or zero < duration < timedelta(seconds=1):
        raise invalid_argument("defaultDuration isn't a duration of a second or more.")
    return timedelta(seconds=int(duration.total_seconds())) or None


def _duration_of_fields(fields: Mapping[str, Any]) -> str:
    """Write the fields `seconds`, which may be a text, and `nanos` as one duration."""
    seconds, nanos = fields.get("seconds") or 0, fields.get("nanos") or 0
    is_whole = type(seconds) is int or (isinstance(seconds, str) and seconds.isdecimal())
    return f"{seconds}s{nanos}ns" if is_whole and type(nanos) is int else "?"
