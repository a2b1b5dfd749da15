"""A policy is tried by its tests: what is red, and what nothing tries."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy.trial import FileError, try_policy
from tests.policy.tried import ON_SHIFT, POLICY, TESTS, one_case, tried, written

ASKS = f"who: omar@example.com\nasks_for: {{kind: db, id: orders}}\nproviders_say: {ON_SHIFT}\n"
SHORT = "[{on_call: {provider: incidentio, schedule: DBA, until: 2026-11-24T10:30:00Z}}]"
LEADS = "[{incident_role: {role: Lead}}]"


def test_good_policy_has_no_faults(tmp_path: Path) -> None:
    """Every case comes out as expected, one must not be approved, and each rule is exercised."""
    trial = tried(tmp_path)
    assert trial.faults == ()
    assert [each.case.name for each in trial.results] == ["on shift", "runs dry", "the vault"]


@pytest.mark.parametrize(
    ("name", "case"),
    [
        (
            "a duty in part of the time that is asked for",
            f"{ASKS}duration: 1h\nexpect: {{approved: true, rule: DBAs, duration: 1h}}",
        ),
        (
            "the shift's end with its grace",
            f"{ASKS}expect: {{approved: true, rules: [DBAs], duration: 45m, evidence: [DBA]}}".replace(
                ON_SHIFT, SHORT
            ),
        ),
        (
            "a role has its time",
            f"{ASKS}expect: {{approved: true, rule: DBAs, duration: 1h, evidence: [Lead]}}".replace(
                ON_SHIFT, LEADS
            ),
        ),
        (
            "another schedule",
            f"{ASKS}expect: {{approved: false, why: no duty}}".replace(
                "schedule: DBA", "schedule: API"
            ),
        ),
        (
            "somebody else's shift",
            f"{ASKS}expect: {{approved: false}}".replace(
                "schedule: DBA", "schedule: DBA, who: a@b.c"
            ),
        ),
        (
            "an alias, the one way",
            f"{ASKS}expect: {{approved: true, rule: DBAs, duration: 3h}}".replace(
                "omar@", "Jane@"
            ).replace("schedule: DBA", "schedule: DBA, who: JANE@corp.example"),
        ),
        (
            "an alias, the other way",
            f"{ASKS}expect: {{approved: false}}".replace(
                "omar@example.com", "jane@corp.example"
            ).replace("schedule: DBA", "schedule: DBA, who: jane@example.com"),
        ),
        ("a shift that is over", f"{ASKS}at: 2026-11-24T18:00:00Z\nexpect: {{approved: false}}"),
        (
            "a shift that has not begun",
            f"{ASKS}expect: {{approved: false}}".replace(
                "schedule: DBA", "schedule: DBA, from: 2026-11-24T11:00:00Z"
            ),
        ),
        (
            "an end that nobody read",
            f"{ASKS}expect: {{approved: false}}".replace(", until: 2026-11-24T18:00:00Z", ""),
        ),
        (
            "a shift without an end",
            f"{ASKS}expect: {{approved: true, rule: DBAs, duration: 1h}}".replace(
                "2026-11-24T18:00:00Z", "never"
            ),
        ),
        (
            "level 2",
            f"{ASKS}expect: {{approved: false}}".replace(
                "schedule: DBA", "schedule: DBA, level: 2"
            ),
        ),
        (
            "an incident that he declared himself",
            f"{ASKS}expect: {{approved: false}}".replace(
                ON_SHIFT, "[{incident_role: {role: Lead, declared_by: OMAR@example.com}}]"
            ),
        ),
        (
            "the provider fails",
            f"{ASKS}expect: {{approved: false}}".replace(
                ON_SHIFT, "[{failure: {provider: incidentio}}]"
            ),
        ),
        (
            "one resource too many",
            f"{ASKS}expect: {{approved: false}}".replace(
                "{kind: db, id: orders}", "[{kind: db, id: a}, {kind: vault, id: b}]"
            ),
        ),
    ],
)
def test_case_is_decided_as_the_function_would(tmp_path: Path, name: str, case: str) -> None:
    """Each row comes out as it says, on what it says of the providers."""
    trial = tried(tmp_path, *one_case(case))
    assert trial.faults == (), name
    assert trial.results[-1].case.name == "the one"


@pytest.mark.parametrize(
    ("name", "case", "differences"),
    [
        (
            "approved, and should not be",
            f"{ASKS}expect: {{approved: false}}",
            [("not approved", 'approved by "DBAs" for 3h0m0s')],
        ),
        (
            "not approved, and should be",
            f"{ASKS}expect: {{approved: true, rule: DBAs, duration: 3h}}".replace("DBA,", "API,"),
            [('approved by "DBAs" for 3h0m0s', "not approved: no duty of the requester counts")],
        ),
        (
            "by another rule, for another time, on other grounds",
            f"{ASKS}expect: {{approved: true, rule: dry, duration: 2h, evidence: [API]}}",
            [
                ('approved by "dry"', 'approved by "DBAs"'),
                ("for 2h0m0s", "for 3h0m0s"),
                ('on the evidence of "API"', 'of "DBA"'),
            ],
        ),
        (
            "denied by nothing, not in dry run, for another reason",
            f"{ASKS}expect: {{approved: false, denied_by: no vault, dry_run_of: dry, why: never}}".replace(
                "kind: db", "kind: other"
            ),
            [
                ('denied by "no vault"', "denied by nothing"),
                ('approved in dry run by "dry"', "approved in dry run by nothing"),
                ('because "never"', 'because "no rule is for other:orders"'),
            ],
        ),
    ],
)
def test_red_case_says_what_came_instead(
    tmp_path: Path, name: str, case: str, differences: list[tuple[str, str]]
) -> None:
    """Every difference is told, in the words of the test file."""
    trial = tried(tmp_path, *one_case(case))
    (red,) = trial.red
    assert red.case.name == "the one", name
    assert list(red.differences) == differences
    expected, came = differences[0]
    assert trial.faults == (
        f'prod.test.yaml:18: "the one" is expected {expected}, and came out {came}',
    )


def cut(*names: str) -> str:
    """Leave cases out of the tests."""
    head, *cases = TESTS.split("  - name: ")
    return head + "".join(f"  - name: {each}" for each in cases if each.split("\n")[0] not in names)


@pytest.mark.parametrize(
    ("name", "tests", "gap"),
    [
        (
            "no case in which the rule grants",
            cut("on shift"),
            'prod.yaml:2: no case exercises the rule "DBAs": in none of them it approves',
        ),
        (
            "no case in which the dry one would",
            cut("runs dry"),
            'prod.yaml:7: no case exercises the rule "dry": in none of them it would approve',
        ),
        (
            "no case in which it denies",
            cut("the vault"),
            'prod.yaml:12: no case exercises the rule "no vault": in none of them it denies',
        ),
    ],
)
def test_rule_that_no_case_exercises_is_a_gap(
    tmp_path: Path, name: str, tests: str, gap: str
) -> None:
    """It takes a case in which the rule has its say, not one in which it is looked at."""
    trial = tried(tmp_path, tests=tests)
    assert not trial.red
    assert trial.faults == (gap,), name


def test_tests_that_let_everything_pass_are_a_gap(tmp_path: Path) -> None:
    """One case at least must not be approved."""
    policy = POLICY[: POLICY.index("  - name: dry")]
    trial = tried(tmp_path, policy, cut("runs dry", "the vault"))
    assert trial.faults == (
        "prod.test.yaml:1: no case must not be approved: a policy that approves everybody would pass",
    )


def test_denial_counts_where_nothing_would_approve_anyway(tmp_path: Path) -> None:
    """A rule that guards what no rule opens yet can be tried, too."""
    trial = tried(tmp_path)
    vault = trial.results[-1]
    assert vault.decision.reason == "no rule is for vault:innermost-1"
    assert vault.differences == ()


def test_self_declared_duties_count_where_the_stack_says_so(tmp_path: Path) -> None:
    """The tests try the policy as it is deployed."""
    case = f"{ASKS}expect: {{approved: false}}".replace(
        ON_SHIFT, "[{incident_role: {role: Lead, declared_by: omar@example.com}}]"
    )
    file = written(tmp_path, *one_case(case))
    assert try_policy(file, tmp_path).faults == ()
    (red,) = try_policy(file, tmp_path, self_declared=True).red
    assert red.differences == (("not approved", 'approved by "DBAs" for 1h0m0s'),)


def test_errors_of_either_file_come_before_any_decision(tmp_path: Path) -> None:
    """With the policy wrong, the tests are not read; with the tests wrong, nothing is decided."""
    trial = tried(tmp_path, POLICY.replace("duration: 3h", "duration: 3"))
    assert [each.split(" ")[0] for each in trial.faults] == ["prod.yaml:5:"]
    trial = tried(tmp_path, tests=TESTS.replace("dry_run_of: dry", "dry_run_of: dri"))
    assert trial.faults == (
        'prod.test.yaml:12: "dri" is no rule of the policy; the nearest is "dry"',
    )
    assert trial.results == ()


def test_missing_file_is_named(tmp_path: Path) -> None:
    """Without tests no policy is used."""
    with pytest.raises(FileError) as missing:
        try_policy(Path("prod.yaml"), tmp_path)
    assert str(missing.value) == "prod.yaml cannot be read: No such file or directory"
    written(tmp_path)
    (tmp_path / "prod.test.yaml").unlink()
    with pytest.raises(FileError) as missing:
        try_policy(Path("prod.yaml"), tmp_path)
    assert str(missing.value) == (
        "prod.test.yaml cannot be read: No such file or directory; it holds the tests, without "
        "which no policy is used"
    )
