"""The paths of petitions and claims."""

from __future__ import annotations

from typing import Any

from handler.json_fields import record
from sandbox.space.api import Call, Routes, ok
from sandbox.space.errors import not_found
from sandbox.space.pagination import asked, page_of, selected
from sandbox.space.petition import Petition
from sandbox.space.petition_store import Desk, petition_of
from sandbox.vendors.exchange import Answer

Json = dict[str, Any]


class PetitionRoutes:
    """Answers for the desk; everybody in the space may read what lies there."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def under(self, base: str) -> Routes:
        """What answers which method and path."""
        one = f"{base}/petitions/{{name}}"
        return {
            f"GET {base}/petitions": self._list,
            f"POST {base}/petitions": self._create,
            f"GET {one}": self._get,
            f"PUT {one}": self._update,
            f"DELETE {one}": self._delete,
            f"GET {one}/claims": self._claims,
            f"POST {one}/claims": self._review,
            f"GET {one}/claims/{{claim}}": self._claim,
            f"GET {base}/claims": self._all_claims,
            f"POST {base}/claims": self._review_by_label,
            f"GET {base}/claims/{{claim}}": self._any_claim,
            f"DELETE {base}/claims/{{claim}}": self._withdraw,
        }

    def _list(self, call: Call) -> Answer:
        petitions = self._desk.all()
        if asked(call.query, "ascending") != "true":
            petitions.reverse()
        rows = [(each.name, each.as_json()) for each in petitions]
        return page_of(call.query, "petitions", selected(call.query, rows))

    def _create(self, call: Call) -> Answer:
        wait = call.body.get("waitForReviewable") is True
        petition = self._desk.create(call.owner, record(call.body, "petition"), wait=wait)
        return ok(petition.as_json())

    def _get(self, _: Call, name: str) -> Answer:
        return ok(self._desk.get(name).as_json())

    def _update(self, call: Call, name: str) -> Answer:
        return ok(self._desk.update(call.owner, name, record(call.body, "petition")).as_json())

    def _delete(self, call: Call, name: str) -> Answer:
        body = self._desk.remove(call.owner, name).as_json()
        body["state"]["status"]["phase"] = "deleted"
        return ok(body)

    def _claims(self, call: Call, name: str) -> Answer:
        rows = _claims_of(self._desk.get(name))
        return page_of(call.query, "claims", selected(call.query, rows))

    def _review(self, call: Call, name: str) -> Answer:
        return ok(self._desk.review(call.owner, name, record(call.body, "claim")).event)

    def _claim(self, _: Call, name: str, claim: str) -> Answer:
        return ok(_find(_claims_of(self._desk.get(name)), claim))

    def _all_claims(self, call: Call) -> Answer:
        return page_of(call.query, "claims", selected(call.query, self._every_claim()))

    def _review_by_label(self, call: Call) -> Answer:
        claim = record(call.body, "claim")
        return ok(self._desk.review(call.owner, petition_of(claim), claim).event)

    def _any_claim(self, _: Call, claim: str) -> Answer:
        return ok(_find(self._every_claim(), claim))

    def _withdraw(self, call: Call, claim: str) -> Answer:
        return ok(self._desk.withdraw(call.owner, claim).event)

    def _every_claim(self) -> list[tuple[str, Json]]:
        return [row for petition in self._desk.all() for row in _claims_of(petition)]


def _claims_of(petition: Petition) -> list[tuple[str, Json]]:
    return [(each.name, each.event) for each in petition.claims]


def _find(rows: list[tuple[str, Json]], name: str) -> Json:
    for each, event in rows:
        if each == name:
            return event
    raise not_found("claim", name)
