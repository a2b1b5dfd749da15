"""All providers on one page: a board for each, under its name, with ids of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module

import pytest

from handler.providers.registry import PROVIDERS
from sandbox.demo_data import JUAN, OLGA, PETRA, put_all_on_stage
from sandbox.page.duty_board import DutyBoard, boards_of
from sandbox.vendors.server import Double
from tests.sandbox.page_client import Visitor


@pytest.fixture
def doubles() -> Iterator[Mapping[str, Double]]:
    """Every registered provider's, with the cast."""
    with ExitStack() as opened:
        made = {
            each.id: opened.enter_context(
                import_module(f"sandbox.vendors.{each.id}").played().double
            )
            for each in PROVIDERS
        }
        put_all_on_stage(made)
        yield made


@pytest.fixture
def boards(doubles: Mapping[str, Double]) -> Sequence[DutyBoard]:
    """As the page of a sandbox has them."""
    return list(boards_of(doubles))


def test_every_provider_has_a_roster(boards: Sequence[DutyBoard]) -> None:
    """Whichever is registered is on the page, by its own name."""
    assert [(each.id, each.provider) for each in boards] == [
        (each.id, each.name) for each in PROVIDERS
    ]


def test_each_is_under_its_name(visitor: Visitor) -> None:
    """A heading for each provider, in the order in which they are registered."""
    headings = re.findall(r"<h3 id=\"board-title-.*\">(.*)</h3>", visitor.get().html)
    assert headings == [each.name for each in PROVIDERS]


def test_ids_are_unlike(visitor: Visitor, doubles: Mapping[str, Double]) -> None:
    """Opsgenie and JSM give their schedules the same ids; the page's differ all the same."""
    html = visitor.get().html
    posts = re.findall(r'name="slot" value="([^"]+)"', html)
    assert len(posts) > len(doubles)
    assert [each for each, count in Counter(posts).items() if count > 1] == []
    ids = Counter(re.findall(r' id="([^"]+)"', html))
    assert [each for each, count in ids.items() if count > 1] == []


def test_switch_changes_its_own_provider_only(
    visitor: Visitor, boards: Sequence[DutyBoard]
) -> None:
    """Whoever is taken off at one provider stays on at all others."""
    of = {each.id: each for each in boards}
    (shift,) = of["opsgenie"].groups()[0].slots
    assert visitor.turn("Opsgenie", shift.id, off=OLGA).status == 303
    on = {id_: of[id_].groups()[0].slots[0].holders for id_ in ("pagerduty", "opsgenie", "jsm")}
    emails = {id_: [each.person.email for each in found] for id_, found in on.items()}
    assert emails == {"pagerduty": [PETRA], "opsgenie": [], "jsm": [JUAN]}
    wrong = visitor.turn("JSM Operations", shift.id, on=JUAN)
    assert wrong.status == 409
    assert "That duty is not there any more" in wrong.words


def test_who_can_request_bears_the_duties_of_all(visitor: Visitor) -> None:
    """With the level, where the provider has levels."""
    form = visitor.get().part("request")
    assert "Petra Wolf: On shift, Databases, level 1</option>" in form
    assert "Paul Okoro: On shift, Databases back-up, level 2</option>" in form
    assert "Olga Brandt: On shift, Payments</option>" in form
    assert "Juan Vidal: On shift, Search</option>" in form
