"""The duties on the page, and what their switches change at each provider."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta

import pytest

from handler.providers.registry import PROVIDERS
from sandbox.demo_data import JANE, JUAN, NORA, OLGA, OMAR, PEOPLE, PETRA, seed_all
from sandbox.page.duty_board import (
    AtlassianBoard,
    DutyBoard,
    IncidentIOBoard,
    PagerDutyBoard,
    SlotGroup,
    SwitchError,
    boards_of,
)
from sandbox.vendors import create_double
from sandbox.vendors.incidentio import IncidentIO, Organisation
from sandbox.vendors.jsm import JSM
from sandbox.vendors.opsgenie import Opsgenie
from sandbox.vendors.pagerduty import PagerDuty
from sandbox.vendors.server import Double
from tests.sandbox.manual_clock import HOUR, ManualClock
from tests.sandbox.page_client import PageClient

ANA, BO = "ana@acme.example", "Bo@Acme.example"
AnyDouble = IncidentIO | PagerDuty | Opsgenie | JSM
DOUBLES: Mapping[str, Callable[[ManualClock], AnyDouble]] = {
    "incidentio": lambda clock: IncidentIO("k", now=clock),
    "pagerduty": lambda clock: PagerDuty("k", now=clock),
    "opsgenie": lambda clock: Opsgenie("k", now=clock),
    "jsm": lambda clock: JSM("e", "t", now=clock),
}


def group(board: DutyBoard, title: str = "Payments") -> SlotGroup:
    """Return the current schedule or incident with this title."""
    return next(group for group in board.groups() if group.title == title)


def holders(board: DutyBoard, title: str = "Payments") -> list[str]:
    """Return the e-mails of those on it."""
    return [holder.person.email for holder in group(board, title).slots[0].holders]


class TestEveryProvider:
    """Two people and one without an e-mail; a schedule with Ana on shift."""

    @pytest.fixture(params=DOUBLES)
    def double(self, request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[AnyDouble]:
        """The provider's double."""
        with DOUBLES[request.param](clock) as double:
            double.add_person("Ana Lima", ANA)
            double.add_person("Bo Berg", BO)
            double.add_person("Cy Nomail", None)
            if isinstance(double, PagerDuty):
                double.add_schedule("Payments", v3=True)
            else:
                double.add_schedule("Payments")
            double.put_on_shift("Payments", ANA)
            yield double

    @pytest.fixture
    def board(self, request: pytest.FixtureRequest, double: AnyDouble) -> DutyBoard:
        """The double's duties."""
        (board,) = boards_of({request.node.callspec.params["double"]: double})
        return board

    @pytest.fixture
    def boards(self, board: DutyBoard) -> Sequence[DutyBoard]:
        """Only this board is on the page."""
        return [board]

    def test_who_is_on_shift(self, client: PageClient, board: DutyBoard) -> None:
        """The page shows provider, schedule, who is on until when, and a switch for each person."""
        answer = client.get()
        assert f"{board.provider} Ana Lima Payments on-call schedule" in answer.words
        assert "On shift: Ana Lima until 20:00 UTC" in answer.words
        assert answer.pressed == ["Ana Lima"]
        assert answer.html.count("aria-pressed") == 2

    def test_put_on_and_take_off(self, client: PageClient, board: DutyBoard) -> None:
        """Several people can be on shift, and pressing a switch twice changes nothing."""
        (slot,) = group(board).slots
        for _ in range(2):
            answer = client.switch(board.provider, slot.id, on=BO)
            assert (answer.status, answer.headers["Location"]) == (303, f"/#slot-{slot.id}")
            assert holders(board) == [ANA, BO]
        for email in (ANA, BO):
            assert client.switch(board.provider, slot.id, off=email).status == 303
        assert "On shift: nobody" in client.get().words

    def test_people_without_an_email_are_left_out(
        self, client: PageClient, double: AnyDouble, board: DutyBoard
    ) -> None:
        """People without an e-mail aren't shown, since they can't be approved."""
        double.put_on_shift("Payments", None)
        assert "Cy Nomail" not in client.get().html
        assert holders(board) == [ANA]


class TestAllTogether:
    """The doubles of all providers, with the demo's people."""

    @pytest.fixture
    def doubles(self) -> Iterator[Mapping[str, Double]]:
        """The doubles, by the provider's id."""
        with ExitStack() as stack:
            doubles = {
                provider.id: stack.enter_context(create_double(provider.id))
                for provider in PROVIDERS
            }
            seed_all(doubles)
            yield doubles

    @pytest.fixture
    def boards(self, doubles: Mapping[str, Double]) -> Sequence[DutyBoard]:
        """The boards of a running sandbox."""
        return list(boards_of(doubles))

    def test_each_is_on_the_page(self, client: PageClient) -> None:
        """Each provider has a section, in the registry's order; every id is unique."""
        html = client.get().html
        headings = re.findall(r"<h3 id=\"board-title-.*\">(.*)</h3>", html)
        assert headings == [provider.name for provider in PROVIDERS]
        slots = re.findall(r'name="slot" value="([^"]+)"', html)
        assert len(slots) > len(PROVIDERS)
        ids = Counter([*slots, *re.findall(r' id="([^"]+)"', html)])
        assert [id_ for id_, count in ids.items() if count > 1] == []

    def test_a_switch_changes_its_own_provider_only(
        self, client: PageClient, boards: Sequence[DutyBoard]
    ) -> None:
        """A switch changes one provider, even if schedules share an id."""
        board = {board.id: board for board in boards}
        (slot,) = board["opsgenie"].groups()[0].slots
        assert client.switch("JSM Operations", slot.id, on=JUAN).is_problem
        assert client.switch("Opsgenie", slot.id, off=OLGA).status == 303
        emails = {
            id_: [holder.person.email for holder in board[id_].groups()[0].slots[0].holders]
            for id_ in ("pagerduty", "opsgenie", "jsm")
        }
        assert emails == {"pagerduty": [PETRA], "opsgenie": [], "jsm": [JUAN]}

    def test_the_form_lists_duties(self, client: PageClient) -> None:
        """The form lists each person's duties, with their level if there are levels."""
        form = client.get().part("request")
        for text in (
            "Jane Lind: Incident Lead, INC-1",
            "Petra Wolf: On shift, Databases, level 1",
            "Paul Okoro: On shift, Databases back-up, level 2",
            "Olga Brandt: On shift, Payments",
            "Nora Falk: off duty",
        ):
            assert f"{text}</option>" in form


class TestIncidentIO:
    """Roles of live incidents; in the fixture, Omar is on shift and Jane leads."""

    def test_incidents(self, client: PageClient, organisation: Organisation) -> None:
        """Each role of a live incident is a duty; people without an e-mail are left out."""
        nameless = organisation.add_person("No Address", None)
        organisation.declare_incident("By a machine", lead=nameless)
        answer = client.get()
        assert "By a machine live incident, declared by an API key" in answer.words
        assert "No Address" not in answer.html
        assert "INC-1 Checkout answers 500 live incident, declared by Rita Mora" in answer.words
        assert answer.pressed == ["Omar Haddad", "Jane Lind", "Rita Mora"]
        assert answer.html.count("aria-pressed") == 5 * len(PEOPLE)

    def test_a_role_passes_on(self, client: PageClient, organisation: Organisation) -> None:
        """Giving a role takes it from its holder; removing another person changes nothing."""
        board = IncidentIOBoard(organisation)
        incident = "INC-1 Checkout answers 500"
        lead = group(board, incident).slots[0]
        client.switch("incident.io", lead.id, on=OMAR)
        assert holders(board, incident) == [OMAR]
        client.switch("incident.io", lead.id, off=JANE)
        assert holders(board, incident) == [OMAR]
        client.switch("incident.io", lead.id, off=OMAR)
        assert holders(board, incident) == []

    def test_only_current_shifts_count(
        self, client: PageClient, organisation: Organisation, clock: ManualClock
    ) -> None:
        """Past and future shifts aren't shown."""
        organisation.put_on_shift("Production", NORA, start=clock.time + 9 * HOUR)
        clock.time += 8 * HOUR
        assert "On shift: nobody" in client.get().words
        clock.time += timedelta(hours=1)
        assert "On shift: Nora Falk until" in client.get().words

    @pytest.mark.parametrize(
        ("provider", "email", "sentence"),
        [
            ("incident.io", "eve@example.com", "eve@example.com is not a user at incident.io"),
            ("incident.io", "", "A person without an e-mail"),
            ("other", NORA, "The sandbox does not run this provider"),
        ],
    )
    def test_switches_that_are_refused(
        self,
        client: PageClient,
        organisation: Organisation,
        provider: str,
        email: str,
        sentence: str,
    ) -> None:
        """The reason is shown at the switch."""
        board = IncidentIOBoard(organisation)
        (slot,) = group(board, "Production").slots
        answer = client.follow(client.switch(provider, slot.id, on=email))
        assert sentence in answer.part(f"slot-{slot.id}")
        assert holders(board, "Production") == [OMAR]

    def test_a_switch_that_is_gone(self, client: PageClient, organisation: Organisation) -> None:
        """If the duty has ended meanwhile, the section says so."""
        lead = group(IncidentIOBoard(organisation), "INC-1 Checkout answers 500").slots[0]
        organisation.close_incident("INC-1")
        answer = client.follow(client.switch("incident.io", lead.id, on=NORA))
        assert "This duty does not exist any more." in answer.words
        assert 'id="problem-duties"' in answer.html
        assert "INC-1" not in answer.words
        organisation._schedules.clear()
        assert "incident.io has no schedule or live incident." in client.get().words


class TestPagerDuty:
    """Schedules of layers, and their escalation levels."""

    def test_levels(self, account: PagerDuty) -> None:
        """The description has all levels with their policies, the short title each level once."""
        account.add_schedule("Databases")
        account.add_schedule("Nights")
        for policy in ("Storage", "Backups"):
            account.add_escalation_policy(policy, "Nights")
            account.add_target(policy, "Databases", level=2)
        account.add_target("Backups", "Databases", level=1)
        schedule = group(PagerDutyBoard(account), "Databases")
        levels = "level 2 of Storage, level 1 of Backups, level 2 of Backups"
        assert schedule.description == f"on-call schedule, {levels}"
        assert schedule.short_title == "Databases, level 2, level 1"

    def test_a_schedule_of_layers_has_one_person_on_shift(self, account: PagerDuty) -> None:
        """A newly added person replaces the other, who doesn't return later."""
        account.add_schedule("Databases")
        account.put_on_shift("Databases", ANA)
        board = PagerDutyBoard(account)
        (slot,) = group(board, "Databases").slots
        board.switch(slot.id, BO, on=True)
        assert holders(board, "Databases") == [BO]
        board.switch(slot.id, BO, on=False)
        assert holders(board, "Databases") == []

    def test_end_of_shifts_without_a_break(self, account: PagerDuty, clock: ManualClock) -> None:
        """Consecutive shifts count as one; a shift may have no end."""
        account.add_schedule("Nights", v3=True)
        change = clock.time + HOUR
        account.put_on_shift("Nights", ANA, end=change)
        account.put_on_shift("Nights", ANA, change, change + HOUR)
        (holder,) = group(PagerDutyBoard(account), "Nights").slots[0].holders
        assert holder.until == change + HOUR
        account.add_schedule("Days")
        account.put_on_shift("Days", BO, for_good=True)
        (holder,) = group(PagerDutyBoard(account), "Days").slots[0].holders
        assert (holder.person.email, holder.until) == (BO, None)

    def test_people_paged_directly_are_not_on_shift(self, account: PagerDuty) -> None:
        """People paged directly, and deleted ones, aren't on shift."""
        account.add_escalation_policy("Storage", ANA)
        assert PagerDutyBoard(account).groups() == []
        account.add_schedule("Nights")
        account.put_on_shift("Nights", BO)
        account.delete_person(BO)
        assert holders(PagerDutyBoard(account), "Nights") == []


class TestAtlassian:
    """Opsgenie and JSM Operations: forwarding, teams, and closed or hidden accounts."""

    @pytest.fixture
    def jsm(self, clock: ManualClock) -> Iterator[JSM]:
        """JSM Operations with Ana on shift."""
        with JSM("e", "t", now=clock) as jsm:
            jsm.add_person("Ana Lima", ANA)
            jsm.add_person("Bo Berg", BO)
            jsm.add_schedule("Payments")
            jsm.put_on_shift("Payments", ANA)
            yield jsm

    @pytest.fixture
    def board(self, jsm: JSM) -> DutyBoard:
        """The double's duties."""
        (board,) = boards_of({"jsm": jsm})
        assert isinstance(board, AtlassianBoard)
        return board

    def test_closed_and_hidden_accounts_are_left_out(self, jsm: JSM, board: DutyBoard) -> None:
        """Accounts that the webhook can't identify aren't listed."""
        jsm.add_person("Di Hidden", "di@acme.example", hidden=True)
        jsm.add_person("Ed Closed", "ed@acme.example", active=False)
        assert [person.email for person in board.people()] == [ANA, BO]

    def test_a_schedule_that_is_off_and_its_team(self, jsm: JSM, board: DutyBoard) -> None:
        """A disabled schedule, and a team on shift, are shown in the description."""
        jsm.put_on_shift("Payments", jsm.add_team("Core", [BO]))
        jsm.enable_schedule("Payments", enabled=False)
        text = "switched off, so nobody is on call for it, the team Core is on shift"
        assert group(board).description == f"on-call schedule, {text}"
        assert holders(board) == [ANA]

    def test_forwarding_decides_who_is_on(
        self, jsm: JSM, board: DutyBoard, clock: ManualClock
    ) -> None:
        """Forwarding puts the other person on shift; switches that can't work say why."""
        jsm.forward(ANA, BO, end=clock.time + HOUR)
        (slot,) = group(board).slots
        assert [(holder.person.email, holder.until) for holder in slot.holders] == [
            (BO, clock.time + HOUR)
        ]
        with pytest.raises(SwitchError, match="are forwarded to Bo Berg now"):
            board.switch(slot.id, ANA, on=True)
        with pytest.raises(
            SwitchError, match="Bo Berg is on shift for Ana Lima, who forwards notifications"
        ):
            board.switch(slot.id, BO, on=False)
        clock.time += HOUR
        assert holders(board) == [ANA]
        board.switch(slot.id, ANA, on=False)
        assert holders(board) == []
