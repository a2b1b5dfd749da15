"""Properties of all policies: fewer duties, rules or rights never approve more, or for longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from handler.duty import Duty, Failure, ProviderSnapshot
from handler.rules import evaluate
from handler.rules.evaluate import Decision, decide, decide_all
from handler.rules.matching import fold_resource
from handler.rules.model import Rule
from tests.handler.oracle import allowed
from tests.handler.strategies import EXAMPLES, NOW
from tests.handler.strategies import STEADY as ONCE
from tests.handler.worlds import (
    DENIALS,
    JD,
    ODD_WORLDS,
    PROVIDERS,
    RESOURCES,
    SETTINGS_WORLDS,
    WORLDS,
    World,
    requests,
)

# The tables cover the same lines, and measuring coverage here would double the time.
pytestmark = pytest.mark.no_cover
# Each example is decided several times, and replayed; run with `EXAMPLES=5000` to try more.
STEADY = settings(ONCE, max_examples=max(1, EXAMPLES // 2))
Draw = Callable[..., Any]


def decided(world: World) -> Decision:
    """Decide in this world."""
    return decide(world.request, world.snapshot, world.policy, NOW)


def brings_no_more(less: World, world: World) -> None:
    """Assert that nobody is approved who wasn't, and that no access is longer."""
    was, now = decided(world), decided(less)
    assert now.approved <= was.approved, f"{was.reason} -> {now.reason}"
    assert now.duration <= was.duration


def with_rules(world: World, *rules: Rule) -> World:
    """Replace the rules of a world."""
    return world._replace(policy=world.policy._replace(rules=rules))


@STEADY
@given(world=WORLDS)
def test_oracle_agrees(world: World) -> None:
    """A second, independent reading of the policy gives the same decision and duration."""
    decision = decided(world)
    assert decision.duration == allowed(world)
    assert decision.approved is bool(decision.duration)


@STEADY
@given(world=SETTINGS_WORLDS)
def test_oracle_agrees_on_the_default_rule(world: World) -> None:
    """It agrees on the default rule as well, with and without `end_with_shift`."""
    decision = decided(world)
    assert decision.duration == allowed(world)
    assert decision.approved is bool(decision.duration)


@STEADY
@given(world=SETTINGS_WORLDS)
def test_ending_with_the_shift_brings_no_more(world: World) -> None:
    """`end_with_shift` never approves more people, or for longer."""
    (rule,) = world.policy.rules
    brings_no_more(world, with_rules(world, rule._replace(shift_end=None)))


@STEADY
@given(world=ODD_WORLDS)
def test_irrelevant_rules_decide_nothing(world: World) -> None:
    """Leaving out rules for other resources doesn't change the decision."""
    near = world._replace(policy=world.policy.relevant_to([world.request]))
    one, other = decided(near), decided(world)
    assert one._replace(rule_results=()) == other._replace(rule_results=())


def an_approval_has_evidence(world: World, _: Draw) -> None:
    """An approval has evidence: duties of the requester that run now."""
    decision = decided(world)
    email = world.request.requester.email
    mine = {email, *world.policy.aliases.get(email, ())}
    assert bool(decision.evidence) is bool(decision.rules) is bool(decision.duration)
    assert set(decision.evidence) <= set(world.snapshot.duties)
    assert all(duty.holder in mine and duty.runs_at(NOW) for duty in decision.evidence)


def no_duty_no_approval(world: World, _: Draw) -> None:
    """Without any duty nobody is approved, whatever the policy."""
    assert not decided(world._replace(snapshot=ProviderSnapshot())).approved


def a_grant_keeps_within_every_bound(world: World, _: Draw) -> None:
    """Access never exceeds the request, the rules' durations or the end of duties."""
    decision = decided(world)
    if not decision.approved:
        return
    until = NOW + decision.duration
    asked, expiry = world.request.requested_duration, world.request.requested_expiry
    assert asked is None or decision.duration <= asked
    assert expiry is None or until <= expiry
    rules = [rule for rule in world.policy.rules if rule.name in decision.rules]
    assert not any(rule.deny or rule.dry_run for rule in rules)
    for resource in world.request.resources:
        opened = (rule for rule in rules if rule.resources.covers(resource, world.request.action))
        assert any(decision.duration <= rule.duration for rule in opened)
    for rule in rules:
        end = rule.shift_end
        assert end is None or any(
            duty.end + end.grace >= until
            if duty.end
            else end.without_end is not None and decision.duration <= end.without_end
            for duty in decision.evidence
        )


def one_more_denial(world: World, draw: Draw) -> None:
    """One more deny rule never approves more, wherever it stands; if it matches, nobody is."""
    denial, rules = draw(DENIALS), list(world.policy.rules)
    rules.insert(draw(st.integers(0, len(rules))), denial)
    less = with_rules(world, *rules)
    brings_no_more(less, world)
    bare = denial.when is None and any(
        denial.resources.matches_for_deny(fold_resource(resource, world.request.action))
        for resource in world.request.resources
    )
    assert not (bare and decided(less).approved)


def one_rule_less(world: World, draw: Draw) -> None:
    """Without an approving rule, nobody gets more: another rule may match, but not for longer.

    This doesn't hold for deny rules.
    """
    rules = list(world.policy.rules)
    at = draw(st.integers(0, len(rules) - 1))
    if not rules[at].deny:
        brings_no_more(with_rules(world, *rules[:at], *rules[at + 1 :]), world)


def a_rule_in_dry_run_is_no_rule(world: World, draw: Draw) -> None:
    """A rule in dry run gives the same decision as no rule at all."""
    rules = list(world.policy.rules)
    at = draw(st.integers(0, len(rules) - 1))
    if rules[at].deny:
        return
    without = decided(with_rules(world, *rules[:at], *rules[at + 1 :]))
    rules[at] = rules[at]._replace(dry_run=True)
    dry = decided(with_rules(world, *rules))
    assert (dry.duration, dry.rules, dry.evidence) == (
        without.duration,
        without.rules,
        without.evidence,
    )


def fewer_duties(world: World, draw: Draw) -> None:
    """With fewer duties, nobody gets more."""
    flags = draw(st.lists(st.booleans(), min_size=5, max_size=5))
    duties = tuple(duty for duty, keep in zip(world.snapshot.duties, flags, strict=False) if keep)
    brings_no_more(world._replace(snapshot=ProviderSnapshot(duties)), world)


def a_provider_that_fails(world: World, draw: Draw) -> None:
    """A provider that fails, wholly or in part, never approves more."""
    provider, half = draw(st.sampled_from(PROVIDERS)), draw(st.booleans())
    failure = Failure(provider, "everything", "answered 500")
    duties = tuple(
        duty._replace(shared_names=frozenset({duty.name, duty.shortform}) - {""})
        if duty.provider == provider
        else duty
        for duty in world.snapshot.duties
        if half or duty.provider != provider
    )
    brings_no_more(world._replace(snapshot=ProviderSnapshot(duties, (failure,))), world)


def one_more_resource(world: World, draw: Draw) -> None:
    """A request for one more resource never gets longer access."""
    resources = list(world.request.resources)
    resources.insert(draw(st.integers(0, len(resources))), draw(RESOURCES))
    request = world.request._replace(resources=tuple(resources))
    brings_no_more(world._replace(request=request), world)


def no_alias(world: World, _: Draw) -> None:
    """Without aliases, nobody gets more, except where an alias counts against its person.

    Denials and self-declared incidents apply to all of a person's addresses.
    """
    duties = tuple(duty._replace(declarers=frozenset()) for duty in world.snapshot.duties)
    rules = [rule._replace(when=None) if rule.deny else rule for rule in world.policy.rules]
    world = with_rules(world._replace(snapshot=ProviderSnapshot(duties)), *rules)
    brings_no_more(world._replace(policy=world.policy._replace(aliases={})), world)


def what_callers_call_people(world: World, _: Draw) -> None:
    """Callers' names for people can only count against them."""
    without = world._replace(policy=world.policy._replace(identities={}))
    brings_no_more(world, without)


WORSE: list[Callable[[Duty, World], Duty]] = [
    lambda duty, _: duty._replace(self_declared=True),
    lambda duty, world: duty._replace(declarers=frozenset({world.request.requester.email})),
    lambda duty, _: duty._replace(level=9),
    lambda duty, _: duty._replace(end=duty.end and duty.end - timedelta(minutes=10)),
    lambda duty, _: duty._replace(end=NOW),
    lambda duty, _: duty._replace(start=NOW + timedelta(microseconds=1)),
    lambda duty, _: duty._replace(holder="somebody@example.org"),
]


def what_speaks_against_somebody(world: World, _: Draw) -> None:
    """Duties that are self-declared, on a higher level, or over sooner never approve more."""
    for worsen in WORSE:
        duties = tuple(worsen(duty, world) for duty in world.snapshot.duties)
        brings_no_more(world._replace(snapshot=ProviderSnapshot(duties)), world)


def order_of_duties(world: World, draw: Draw) -> None:
    """The order of duties and duplicates don't change the decision at all."""
    duties = world.snapshot.duties
    shuffled = tuple(draw(st.permutations(duties + duties[:1])))
    assert decided(world._replace(snapshot=ProviderSnapshot(shuffled))) == decided(world)


def requests_of_one_call(world: World, draw: Draw) -> None:
    """Requests are decided independently; in one petition, all get the shortest access or none."""
    asked = [world.request, *draw(st.lists(requests(), max_size=2))]
    if together := draw(st.booleans()):
        asked = [request._replace(groups=("p",)) for request in asked]
    alone = [decided(world._replace(request=request)) for request in asked]
    result = decide_all(asked, world.snapshot, world.policy, NOW)
    if not together:
        assert list(result) == alone
        return
    shortest = min(decision.duration for decision in alone)
    assert {decision.duration for decision in result} == {shortest}
    assert {decision.approved for decision in result} == {bool(shortest)}


PROPERTIES: tuple[Callable[[World, Draw], None], ...] = (
    an_approval_has_evidence,
    no_duty_no_approval,
    a_grant_keeps_within_every_bound,
    one_more_denial,
    one_rule_less,
    a_rule_in_dry_run_is_no_rule,
    fewer_duties,
    a_provider_that_fails,
    one_more_resource,
    no_alias,
    what_callers_call_people,
    what_speaks_against_somebody,
    order_of_duties,
    requests_of_one_call,
)


@STEADY
@given(world=ODD_WORLDS, data=st.data())
def test_every_property_holds_in_a_world(world: World, data: st.DataObject) -> None:
    """All properties hold in every world; drawing a world takes longer than deciding in it."""
    for holds in PROPERTIES:
        holds(world, data.draw)


HAPPENS: dict[str, Callable[[Decision], bool]] = {
    "an approval": lambda decision: decision.approved,
    "a denial": lambda decision: "denied by" in decision.reason,
    "a dry run": lambda decision: "dry run" in decision.reason,
    "a time that isn't valid": lambda decision: "isn't valid" in decision.reason,
    "another action": lambda decision: decision.approved and decision.request.action == "deploy",
    "two rules": lambda decision: len(decision.rules) > 1,
    "two duties": lambda decision: len(decision.evidence) > 1,
    "an alias": lambda decision: any(duty.holder == JD for duty in decision.evidence),
    "a time asked for": lambda decision: any("asks for" in limit for limit in decision.limits),
    "a shift's end": lambda decision: any("duty ends" in limit for limit in decision.limits),
}


def test_such_things_happen() -> None:
    """The drawn worlds have approvals, denials and the rest: the properties aren't vacuous."""
    unseen = dict(HAPPENS)

    def all_were_seen(world: World) -> bool:
        # Not `decided`, since another test replays each of its decisions.
        decision = evaluate.decide(world.request, world.snapshot, world.policy, NOW)
        for name in [name for name, happens in unseen.items() if happens(decision)]:
            del unseen[name]
        return not unseen

    until_all_are = settings(STEADY, max_examples=3000, phases=[Phase.generate])
    # By this seed, 96 worlds do; by others, up to a thousand.
    find(WORLDS, all_were_seen, settings=until_all_are, random=Random(100))  # noqa: S311 - a seed
