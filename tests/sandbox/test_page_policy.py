"""The policy on the page: its rules in words, and the sandbox's own policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from handler.rules.conditions import (
    ANY,
    AllOf,
    AnyOf,
    Condition,
    IncidentRole,
    OnCall,
    PostedUpdate,
    RequestedDuration,
    Requester,
)
from handler.rules.model import Policy, Rule, Selector, ShiftEnd
from policy.case_runner import run_policy_tests
from sandbox import __main__ as commands
from sandbox.demo_data import JANE, OLGA, OMAR, PAUL, POLICY_FILE, RESOURCES, seed_all
from sandbox.demo_space import open_space
from sandbox.function_log import FunctionLog
from sandbox.local_aws.program import ROOT
from sandbox.page import Page, page_of
from sandbox.page.policy_words import rules_in_words
from sandbox.page.request_card import display_names
from sandbox.space import Space
from sandbox.space.petition import Petition
from sandbox.space.tokens import Owner
from sandbox.stack import Sandbox
from tests.sandbox.page_client import SETTINGS, PageClient
from tests.support.projects import project_in

HOUR = timedelta(hours=1)
LEAD, LEADS = IncidentRole(("Incident Lead",)), "Incident Lead in a live incident"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (None, "everybody"),
        (OnCall(ANY), "anybody on call"),
        (
            OnCall(("A", "B"), "PagerDuty", 2),
            "on call for A or B at PagerDuty up to escalation level 2",
        ),
        (IncidentRole(ANY), "anybody with a role in a live incident"),
        (
            IncidentRole(("Lead",), ("Major", "Critical"), ("Security",)),
            "Lead in a live incident of severity Major or Critical of type Security",
        ),
        (PostedUpdate(), "anybody who posted an update to a live incident"),
        (AnyOf((OnCall(ANY), LEAD)), "anybody on call, or Incident Lead in a live incident"),
        (
            AllOf((LEAD, Requester((JANE,), ("example.org",)), RequestedDuration(HOUR))),
            f"{LEADS} and {JANE} or anybody at example.org and a request for at most 1 hour",
        ),
    ],
)
def test_conditions_in_words(condition: Condition | None, words: str) -> None:
    """Each condition is described in words."""
    (rule,) = rules_in_words(Policy((Rule("r", Selector(), condition, HOUR),)))
    assert rule.who == words


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        (Selector(), "any resource"),
        (Selector(ids=("db-*", "x")), "resources with id db-* or x"),
        (Selector(labels=(("Env", "Prod"), ("Tier", "1"))), "resources with Env=Prod and Tier=1"),
        (Selector(("okta.v1.Group",)), "okta.v1.Group"),
        (
            Selector(("k",), ("x",), (("Env", "Prod"),), ("deploy",)),
            "k with id x and Env=Prod (action deploy)",
        ),
    ],
)
def test_selectors_in_words(selector: Selector, words: str) -> None:
    """Each kind of selector is described in words."""
    (rule,) = rules_in_words(Policy((Rule("r", selector, LEAD, HOUR),)))
    assert rule.what == words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("r", Selector(), LEAD, HOUR), "up to 1 hour"),
        (Rule("r", Selector(), deny=True), "a human decides"),
        (
            Rule("r", Selector(), LEAD, HOUR, shift_end=ShiftEnd()),
            "up to 1 hour, until the shift ends",
        ),
        (
            Rule("r", Selector(), LEAD, 3 * HOUR, shift_end=ShiftEnd(HOUR / 4, HOUR)),
            "up to 3 hours, until 15 minutes after the shift; 1 hour if the duty has no end",
        ),
        (
            Rule("r", Selector(), LEAD, HOUR, dry_run=True),
            "a human decides, because this rule is in dry run; otherwise up to 1 hour",
        ),
    ],
)
def test_limits_in_words(rule: Rule, words: str) -> None:
    """Each limit is described in words."""
    (described,) = rules_in_words(Policy((rule,)))
    assert described.how_long == words


def test_the_default_rule_and_how_to_try_a_policy(client: PageClient) -> None:
    """Without a policy file, the page shows the default rule and how to try one."""
    words = client.get().words
    assert "The default rule, which comes from the stack" in words
    assert "anybody with a role in a live incident, or anybody on call What any resource" in words
    assert f"make up POLICY={POLICY_FILE}" in words


def test_a_policy_file(space: Space, log: FunctionLog) -> None:
    """The page shows the file's name and its rules, and highlights deny rules."""
    rules = (
        Rule("Leads", Selector(), LEAD, HOUR),
        Rule("No <b>", Selector(ids=("x",)), deny=True),
    )
    settings = SETTINGS._replace(policy=Policy(rules, digest="0" * 16))
    with Page(space, [], log, settings, "policy/prod.yaml") as page:
        answer = PageClient(page.url).get()
    assert "The policy file policy/prod.yaml." in answer.words
    assert "Leads Who Incident Lead in a live incident What any resource" in answer.words
    assert "No <b> Who everybody What resources with id x Result a human decides" in answer.words
    assert answer.html.count('class="denies"') == 1
    assert "make up POLICY=" not in answer.words


def test_the_sandbox_s_policy_passes_its_tests() -> None:
    """The sandbox's policy passes its tests without warnings."""
    run = run_policy_tests(Path(POLICY_FILE), ROOT)
    assert (run.failures, run.policy.warnings) == ((), ())


@pytest.fixture(scope="module")
def policy_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with its own policy, though the stack's settings name schedules."""
    root = project_in(tmp_path_factory.mktemp("project"), AUTO_APPROVAL_SCHEDULES="DBA")
    (root / "sandbox").mkdir()
    for name in (POLICY_FILE, POLICY_FILE.replace(".yaml", ".test.yaml")):
        (root / name).write_bytes((ROOT / name).read_bytes())
    config = commands._policy_settings(POLICY_FILE, root)
    with Sandbox(root, config=config) as sandbox:
        seed_all(sandbox.doubles)
        yield sandbox


@pytest.fixture(scope="module")
def demo_space(policy_sandbox: Sandbox) -> Iterator[Space]:
    """The sandbox's space."""
    with open_space(policy_sandbox) as space:
        yield space


def request_one(space: Space, who: str, id_: str) -> Petition:
    """Request one resource."""
    resource = next(one for one in space.resources.in_view("requestable") if one["id"] == id_)
    return space.petitions.create(Owner(who), {"resources": [resource]}, wait=True)


def test_suggested_requests(policy_sandbox: Sandbox, demo_space: Space) -> None:
    """Each request that the page suggests has the outcome that it names."""
    with page_of(policy_sandbox, demo_space) as page:
        client = PageClient(page.url)
        words = client.get().words
        assert f"The policy file {POLICY_FILE}." in words
        names = {id_: name for id_, name, _ in RESOURCES}
        for who, id_, outcome, phase in (
            (JANE, "prod-db", "approved", "granted"),
            (JANE, "customer-data", "a rule denies it", "open"),
            (OMAR, "prod-db", "approved until Omar", "granted"),
            (PAUL, "prod-db", "left to humans", "open"),
            (OLGA, "staging-db", "approved", "granted"),
        ):
            petition = request_one(demo_space, who, id_)
            name = display_names(petition.petitioners)
            assert f"{name} requests {names[id_]}: {outcome}" in words
            assert petition.phase == phase
        shown = client.get().words
    assert re.search(r'Left to humans: [^.]*"Tier 0 needs a human"', shown)
    assert "Left to humans: on call for Databases back-up (PagerDuty)" in shown


def test_access_ends_with_the_shift(demo_space: Space) -> None:
    """Omar's access ends 15 minutes after the shift, though the rule allows 12 hours."""
    petition = request_one(demo_space, OMAR, "prod-db")
    assert petition.expires_at
    left = petition.expires_at - petition.created_at
    assert 7 * HOUR < left <= 8.25 * HOUR
