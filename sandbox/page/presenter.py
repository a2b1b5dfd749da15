"""What the page shows, gathered from the space, the doubles and the function's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handler.durations import in_words
from handler.providers.registry import BY_ID
from handler.rules.model import Policy
from handler.settings import Settings
from sandbox.logbook import Logbook
from sandbox.page import timeline, words
from sandbox.page.duty_board import Group, Person, Roster
from sandbox.page.forms import reviewer_of
from sandbox.space import Space
from sandbox.space.petition import Petition
from sandbox.space.resources import Catalogue, key_of

MOST_PETITIONS = 50
_TAKES = {"open": ("approve", "deny"), "granted": ("revoke",)}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form was not heeded; `place` is the element that it is about, `field` its field."""

    place: str
    sentence: str
    field: str = ""
    status: int = 400


@dataclass(frozen=True, slots=True)
class Board:
    """One provider's duties, as they are now; `knows` is what it has them for."""

    id: str
    provider: str
    knows: str
    people: Sequence[Person]
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that a form lets one choose."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """A petition, as it is shown."""

    id: str
    name: str
    who: str
    what: str
    status: timeline.Status
    entries: Sequence[timeline.Entry]
    takes: Sequence[str]
    asked: timedelta | None
    is_over: bool
    reviewer: str


@dataclass(frozen=True, slots=True)
class View:
    """All that the template needs.

    Attributes:
        boards: none where the real providers are asked.
        asked: those, in words.
        people: who can request; none where anybody can.
        longest: for how long the webhook approves at most.
        left_out: how many older petitions are not shown.
        busy: whether news is expected any moment.
        problem: what went wrong with a form; its place is one that is shown.
    """

    space: str
    boards: Sequence[Board]
    asked: str
    people: Sequence[Choice]
    resources: Sequence[Choice]
    cards: Sequence[Card]
    longest: str
    dry_run: bool
    left_out: int
    busy: bool
    problem: Problem | None


class Viewer:
    """Gathers it anew at each call."""

    def __init__(
        self, space: Space, rosters: Sequence[Roster], log: Logbook, settings: Settings
    ) -> None:
        self._space = space
        self._rosters = rosters
        self._log = log
        self._settings = settings

    def view(self, problem: Problem | None = None) -> View:
        """Everything as it is now."""
        boards = [
            Board(each.id, each.provider, each.knows, each.people(), each.groups())
            for each in self._rosters
        ]
        petitions = self._space.petitions
        verdicts = [each for each in map(words.verdict, self._log.records) if each]
        catalogue = self._space.catalogue
        cards = [_card(each, verdicts, catalogue) for each in petitions[:MOST_PETITIONS]]
        return View(
            space=self._space.name,
            boards=boards,
            asked=_listed([BY_ID[each].name for each in self._settings.providers]),
            people=[_person(each, boards) for each in catalogue.all("people")] if boards else [],
            resources=[_thing(each) for each in catalogue.all("requestable")],
            cards=cards,
            longest=in_words(longest_of(self._settings.policy)),
            dry_run=self._settings.dry_run,
            left_out=len(petitions) - len(cards),
            busy=any(each.status.sign == "asked" for each in cards),
            problem=_placed(problem, boards, cards),
        )


def longest_of(policy: Policy) -> timedelta:
    """How long the policy lets access last at most."""
    return max((rule.duration for rule in policy.rules), default=timedelta(0))


def _card(petition: Petition, verdicts: Sequence[words.Verdict], catalogue: Catalogue) -> Card:
    reviewer = reviewer_of(petition).email
    person = catalogue.person(reviewer)
    return Card(
        id=f"petition-{petition.name}",
        name=petition.name,
        who=timeline.who(petition.petitioners),
        what=timeline.things(petition.resources),
        status=timeline.status(petition),
        entries=timeline.entries(petition, verdicts),
        takes=_TAKES.get(petition.phase, ()),
        asked=petition.duration,
        is_over=petition.phase in {"revoked", "closed"},
        reviewer=timeline.who([person]) if person else reviewer,
    )


def _person(person: dict[str, Any], boards: Sequence[Board]) -> Choice:
    email = str(person.get("email", ""))
    duties = [
        f"{post.name}, {group.short}"
        for board in boards
        for group in board.groups
        for post in group.posts
        if post.held_by(email)
    ]
    return Choice(email, f"{timeline.who([person])}: {'; '.join(duties) or 'off duty'}")


def _listed(names: Sequence[str]) -> str:
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _thing(thing: dict[str, Any]) -> Choice:
    return Choice(":".join(key_of(thing)), timeline.things([thing]))


def _placed(
    problem: Problem | None, boards: Sequence[Board], cards: Sequence[Card]
) -> Problem | None:
    """Put a problem with what is not shown (any more) at the section that it would be in."""
    if problem is None:
        return None
    shown = {"request", *(each.id for each in cards)}
    shown |= {f"post-{post.id}" for each in boards for group in each.groups for post in group.posts}
    if problem.place in shown:
        return problem
    section = "duties" if problem.place.startswith("post-") else "petitions"
    return Problem(section, problem.sentence, status=problem.status)
