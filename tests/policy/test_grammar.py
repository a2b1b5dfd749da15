"""The grammar is the one list of keys: each is read from a file, deployed, and read again."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from handler import callers
from handler.json_fields import ShapeError
from handler.rules.codec import read_policy
from handler.rules.model import Policy
from policy import grammar
from policy.case_file import CaseReader
from policy.grammar import CALLERS, DUTIES, LIMITS, Shape
from policy.loader import PolicyReader
from tests.test_house import ROOT

SHAPES = [each for each in vars(grammar).values() if isinstance(each, Shape)]
OF_TESTS = SHAPES[SHAPES.index(grammar.TESTS) :]
OF_POLICIES = SHAPES[: SHAPES.index(grammar.TESTS)]


def whole(shape: Shape) -> dict[str, Any]:
    """Give a mapping with every key of a shape, as it is deployed."""
    return {key.name: DEPLOYED[key.type] for key in shape.keys}


DEPLOYED: dict[str, Any] = {
    "duration": "1h0m0s",
    "grace": "15m0s",
    "level": 2,
    "provider": "pagerduty",
    "switch": True,
    "rule_name": "r",
    "aliases": {"a@b.c": ["d@e.f"]},
    "identities": {"authzen": {"x": "a@b.c"}},
    "exact_labels": {"Env": "Prod"},
    **{key: ["x"] for key in ("texts", "names", "patterns", "exact_texts")},
    "emails": ["a@b.c"],
    "domains": ["b.c"],
}
DEPLOYED["selector"] = whole(grammar.SELECTOR)
DEPLOYED["shift_end"] = whole(grammar.SHIFT_END)
for _name in (*DUTIES, *LIMITS):
    DEPLOYED[_name] = whole(vars(grammar)[_name.upper()])
_LEAVES = [{name: DEPLOYED[name]} for name in (*DUTIES, *LIMITS)]
DEPLOYED["condition"] = {"any": [*_LEAVES, {"all": _LEAVES}]}
DEPLOYED["rules"] = [whole(grammar.RULE)]
WHOLE = whole(grammar.POLICY)


def _mappings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """Give the place of each mapping whose keys the grammar lists."""
    if isinstance(value, dict) and any(value.keys() == set(each.names) for each in OF_POLICIES):
        yield path
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _mappings(each, (*path, key))


PLACES = list(_mappings(WHOLE))


def read(path: tuple[Any, ...], **changes: Any) -> Policy:  # noqa: ANN401 - JSON
    """Read the whole policy with changes of one mapping; None takes a key out."""
    body = copy.deepcopy(WHOLE)
    place = body
    for step in path:
        place = place[step]
    for key, value in changes.items():
        if value is None:
            del place[key]
        else:
            place[key] = value
    return read_policy(json.dumps(body))._replace(digest="")


def test_the_whole_policy_has_every_mapping() -> None:
    """Each shape but the one of conditions, which have one key each; and each condition twice."""
    assert len(PLACES) == len(OF_POLICIES) - 1 + len(_LEAVES)


@pytest.mark.parametrize("path", PLACES, ids=str)
def test_function_reads_each_key(path: tuple[Any, ...]) -> None:
    """Without it the policy is another one, or none; one that the grammar lacks is refused."""
    place: Any = WHOLE
    for step in path:
        place = place[step]
    (shape,) = (each for each in OF_POLICIES if place.keys() == set(each.names))
    for key in shape.keys:
        try:
            assert read(path, **{key.name: None}) != read(()), key
        except ShapeError:
            # The loader writes aliases always.
            assert key.required or key.name == "aliases", key
    with pytest.raises(ShapeError, match="nothing is called unheard_of"):
        read(path, unheard_of="x")


class _Watched(dict[str, Any]):
    """A mapping that notes for which keys it is asked."""

    def __init__(self, *items: Any) -> None:  # noqa: ANN401 - as of a dict
        super().__init__(*items)
        self.asked: set[str] = set()
        self.keys_at_first = set(self)
        WATCHED.append(self)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)

    def pop(self, key: str, *default: Any) -> Any:  # noqa: ANN401 - as of a dict
        self.asked.add(key)
        return super().pop(key, *default)


WATCHED: list[_Watched] = []


def test_function_asks_for_no_other_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the grammar lacks could be deployed by nobody."""
    WATCHED.clear()
    body = json.loads(json.dumps(WHOLE), object_pairs_hook=_Watched)
    monkeypatch.setattr(json, "loads", lambda _: body)
    read_policy("")
    asked = [each for each in WATCHED if each.asked]
    assert len(asked) == len(PLACES)
    for each in asked:
        assert each.asked == each.keys_at_first


@pytest.mark.parametrize(
    ("shapes", "reader"),
    [(OF_POLICIES, PolicyReader), (OF_TESTS, CaseReader)],
    ids=["policy", "tests"],
)
def test_each_type_has_a_reader(shapes: list[Shape], reader: type) -> None:
    """It is the method of its name, and each key says what it is for."""
    for key in (key for shape in shapes for key in shape.keys):
        assert callable(getattr(reader, key.type)), key
        assert key.doc.endswith("."), key


def test_every_caller_may_have_identities() -> None:
    """Whoever adds one lists it, so that a policy can say whom it means."""
    assert {entry.name for entry in callers.CALLERS} <= set(CALLERS)


def test_a_test_may_name_a_person_as_each_caller_does() -> None:
    """A case can name the requester by a name at each caller whose names are mapped."""
    mapping = {entry.name for entry in callers.CALLERS if entry.maps_names}
    assert set(grammar.PERSON.names) == mapping


def test_document_lists_each_key() -> None:
    """Whoever writes a policy finds all of it there."""
    section = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
    for key in (key for shape in OF_POLICIES for key in shape.keys):
        assert f"`{key.name}`" in section or f"{key.name}:" in section, key
