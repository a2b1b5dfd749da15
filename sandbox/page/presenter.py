"""What the page shows: the space, the duties, the policy and the function's log, as words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from auditlog.record import is_decision
from handler.durations import in_words
from handler.providers.registry import BY_ID
from handler.settings import Settings
from sandbox.demo_data import POLICY_FILE
from sandbox.function_log import FunctionLog
from sandbox.page.decisions import DecisionSummary, enumerate_names, summarize_decision
from sandbox.page.duty_board import DutyBoard, Member, SlotGroup
from sandbox.page.policy_words import RuleWords, rules_in_words
from sandbox.page.request_card import RequestCard, display_names, make_card, names_with_ids
from sandbox.receivers import ReceivedNotice
from sandbox.space import Space
from sandbox.space.resources import key_of

Json = dict[str, Any]
MAX_REQUESTS = 50
MAX_OTHER_DECISIONS = 10
MAX_NOTICES = 5
_INTERNAL_LABELS = "indent.com/"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form had no effect.

    Attributes:
        place: the id of the element that it is shown at.
        sentence: what is wrong, and what would be right.
        field: the name of the form's field that it is about, if it is about one.
    """

    place: str
    sentence: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class BoardView:
    """One provider's duties, as they are now; `kinds` is what people can be on duty for."""

    id: str
    provider: str
    kinds: str
    people: Sequence[Member]
    groups: Sequence[SlotGroup]

    @property
    def on_duty(self) -> str:
        """The names of everybody on duty there."""
        holders = (
            holder for group in self.groups for slot in group.slots for holder in slot.holders
        )
        names = dict.fromkeys(holder.person.name for holder in holders)
        return ", ".join(names) or "nobody"


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to choose in a form, with a note."""

    value: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class PolicyView:
    """The policy in force.

    Attributes:
        file: its file; empty for the default rule, which the plain settings make.
        rules: its rules in words.
        is_demo: whether it is the sandbox's own.
        demo_file: the sandbox's own policy, to try.
    """

    file: str
    rules: Sequence[RuleWords]
    is_demo: bool
    demo_file: str = POLICY_FILE


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice of an approval.

    Attributes:
        id: of its element.
        summary, details: its first line, and the others.
        receivers: who received it.
        at: when the first of them did.
    """

    id: str
    summary: str
    details: str
    receivers: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PageView:
    """All that the template needs.

    Attributes:
        now: the space's time.
        boards: none where the real providers are asked.
        providers: the providers that are asked, in words.
        people: who can request; none where anybody can.
        cards: the requests, newest first.
        other_decisions: on requests that came by another way than the space, newest first.
        notices: those that were received, newest first.
        max_duration: how long the webhook approves at most.
        older_count: how many older requests are left out.
        is_busy: whether news is expected any moment.
        problem: what is wrong with the form that was sent; its place is on the page.
    """

    space: str
    now: datetime
    boards: Sequence[BoardView]
    providers: str
    people: Sequence[Choice]
    resources: Sequence[Choice]
    policy: PolicyView
    cards: Sequence[RequestCard]
    other_decisions: Sequence[DecisionSummary]
    notices: Sequence[NoticeView]
    max_duration: str
    dry_run: bool
    older_count: int
    is_busy: bool
    problem: Problem | None


class Presenter:
    """Makes the view of a space anew for each call."""

    def __init__(
        self,
        space: Space,
        boards: Sequence[DutyBoard],
        log: FunctionLog,
        settings: Settings,
        policy_file: str,
        notices: Collection[ReceivedNotice] = (),
    ) -> None:
        self._space = space
        self._boards = boards
        self._log = log
        self._settings = settings
        self._notices = notices
        policy = settings.policy
        is_demo = policy_file == POLICY_FILE
        self._policy = PolicyView(policy_file, rules_in_words(policy), is_demo)
        longest = max((rule.duration for rule in policy.rules), default=timedelta(0))
        self._max_duration = in_words(longest)

    def view(self, problem: Problem | None = None) -> PageView:
        """Everything as it is now."""
        boards = [
            BoardView(board.id, board.provider, board.kinds, board.people(), board.groups())
            for board in self._boards
        ]
        petitions = self._space.petitions.all()[::-1]
        decisions = [record for record in self._log.records if is_decision(record)]
        resources = self._space.resources
        cards = [
            make_card(
                petition,
                [summarize_decision(d) for d in decisions if petition.name in d["petitions"]],
                resources,
            )
            for petition in petitions[:MAX_REQUESTS]
        ]
        names = {petition.name for petition in petitions}
        others = (record for record in decisions[::-1] if names.isdisjoint(record["petitions"]))
        return PageView(
            space=self._space.name,
            now=self._space.now(),
            boards=boards,
            providers=enumerate_names([BY_ID[id_].name for id_ in self._settings.providers]),
            people=[_person_choice(person, boards) for person in resources.in_view("people")]
            if boards
            else [],
            resources=[_resource_choice(resource) for resource in resources.in_view("requestable")],
            policy=self._policy,
            cards=cards,
            other_decisions=[*map(summarize_decision, islice(others, MAX_OTHER_DECISIONS))],
            notices=_notice_views(list(self._notices)),
            max_duration=self._max_duration,
            dry_run=self._settings.dry_run,
            older_count=len(petitions) - len(cards),
            is_busy=any(card.status.sign == "asked" for card in cards),
            problem=_place(problem, boards, cards),
        )


def _notice_views(notices: Iterable[ReceivedNotice]) -> list[NoticeView]:
    """Give the newest notices; one that several received is one of them."""
    by_text: dict[str, list[ReceivedNotice]] = {}
    for notice in notices:
        by_text.setdefault(notice.text, []).append(notice)
    views = []
    for number, (text, received) in enumerate(by_text.items()):
        summary, _, details = text.partition("\n")
        receivers = enumerate_names(sorted({notice.receiver for notice in received}))
        views.append(NoticeView(f"notice-{number}", summary, details, receivers, received[0].at))
    return views[: -MAX_NOTICES - 1 : -1]


def _resource_choice(resource: Json) -> Choice:
    labels = (
        f"{name}={value}"
        for name, value in resource.get("labels", {}).items()
        if not name.startswith(_INTERNAL_LABELS)
    )
    return Choice(":".join(key_of(resource)), names_with_ids([resource]), ", ".join(labels))


def _person_choice(person: Json, boards: Sequence[BoardView]) -> Choice:
    email = str(person.get("email", ""))
    duties = [
        f"{slot.name}, {group.short_title}"
        for board in boards
        for group in board.groups
        for slot in group.slots
        if slot.is_held_by(email)
    ]
    return Choice(email, f"{display_names([person])}: {'; '.join(duties) or 'off duty'}")


def _place(
    problem: Problem | None, boards: Sequence[BoardView], cards: Sequence[RequestCard]
) -> Problem | None:
    """Move a problem to the section's top if its place is not on the page (any more)."""
    if problem is None:
        return None
    places = {"request", *(card.id for card in cards)}
    places |= {
        f"slot-{slot.id}" for board in boards for group in board.groups for slot in group.slots
    }
    if problem.place in places:
        return problem
    section = "duties" if problem.place.startswith("slot-") else "requests"
    return replace(problem, place=section, field="")
