"""Running a policy's tests: which cases fail, and what no case tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from handler.rules.evaluate import NO_DUTY
from policy.case_runner import FileError, run_policy_tests
from tests.policy.policy_folder import ON_SHIFT, POLICY, TESTS, one_case, run_tests, write_policy

ASKS = f"""\
who: omar@example.com
asks_for: {{kind: db, id: orders}}
providers_say: {ON_SHIFT}
"""
END = "2026-11-24T18:00:00Z"
YES = "{{approved: true, rule: DBAs, duration: {}}}"
NO = "{approved: false}"
OWN = "[{incident_role: {role: Lead, declared_by: OMAR@example.com}}]"


def case_of(expected: str, changes: dict[str, str]) -> tuple[str, str]:
    """Give the policy, and the tests with one more case: Omar's, changed in these places."""
    case = ASKS
    for old, new in changes.items():
        assert old in case, old
        case = case.replace(old, new)
    return one_case(f"{case}expect: {expected}")


def test_good_policy_has_no_faults(tmp_path: Path) -> None:
    """Every case passes, one expects a refusal, and each rule has a case."""
    run = run_tests(tmp_path)
    assert run.failures == ()
    assert [each.case.name for each in run.results] == ["on shift", "runs dry", "the vault"]


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("less is asked for than the rule allows", {"who": "duration: 1h\nwho"}, YES.format("1h")),
        (
            "the shift ends before, with its grace",
            {"T18": "T10", ":00:00Z}": ":30:00Z}"},
            YES.format("45m"),
        ),
        ("on what evidence", {}, "{approved: true, rules: [DBAs], duration: 3h, evidence: [DBA]}"),
        (
            "a role has its time",
            {ON_SHIFT: "[{incident_role: {role: Lead}}]"},
            "{approved: true, rule: DBAs, duration: 1h, evidence: [Lead]}",
        ),
        ("another schedule", {"DBA": "API"}, "{approved: false, why: no shift}"),
        ("somebody else's shift", {"DBA": "DBA, who: nora@example.com"}, NO),
        ("by the user's id", {"DBA": "DBA, user: U1"}, YES.format("3h")),
        (
            "by the user's id, whatever is shown",
            {"DBA": "DBA, user: U1, who: nora@example.com"},
            YES.format("3h"),
        ),
        ("by the id of somebody else", {"DBA": "DBA, user: U2, who: omar@example.com"}, NO),
        ("by an id that nobody has", {"DBA": "DBA, user: u1"}, NO),
        (
            "by the user's id, who declared the incident",
            {
                ON_SHIFT: "[{incident_role: {role: Lead, user: U1, who: omar@o.example, "
                "declared_by: omar@o.example}}]"
            },
            NO,
        ),
        (
            "an alias, the one way",
            {"omar@": "Jane@", "DBA": "DBA, who: JANE@corp.example"},
            YES.format("3h"),
        ),
        (
            "an alias, the other way",
            {"omar@example.com": "jane@corp.example", "DBA": "DBA, who: jane@example.com"},
            NO,
        ),
        ("by the caller's name", {"omar@example.com": "{authzen: omar}"}, YES.format("3h")),
        (
            "by an address as the caller's name",
            {"omar@example.com": "{authzen: Omar@example.com}"},
            YES.format("3h"),
        ),
        (
            "by the caller's name, as the provider shows them",
            {"omar@example.com": "{authzen: omar}", "DBA": "DBA, who: OMAR@example.com"},
            YES.format("3h"),
        ),
        (
            "by the caller's name for somebody else",
            {"omar@example.com": "{authzen: nora}", "DBA": "DBA, who: omar@example.com"},
            NO,
        ),
        (
            "by a name that differs in its case",
            {"omar@example.com": "{authzen: Omar}"},
            "{approved: false, why: e-mail is missing}",
        ),
        ("a shift that is over", {"who": f"at: {END}\nwho"}, NO),
        ("a shift that has not begun", {"DBA": "DBA, from: 2026-11-24T11:00:00Z"}, NO),
        ("an end that nobody read", {f", until: {END}": ""}, NO),
        ("a shift without an end", {END: "never"}, YES.format("1h")),
        ("a level that does not count", {"DBA": "DBA, level: 2"}, NO),
        ("an incident that they declared", {ON_SHIFT: OWN}, NO),
        ("a provider that fails", {ON_SHIFT: "[{failure: {provider: incidentio}}]"}, NO),
        (
            "another action",
            {"asks_for": "action: deploy\nasks_for"},
            "{approved: false, why: no rule covers the action deploy}",
        ),
        ("the action that is meant anyway", {"who": "action: access\nwho"}, YES.format("3h")),
        (
            "one resource too many",
            {"{kind: db, id: orders}": "[{kind: db, id: a}, {kind: vault, id: b}]"},
            NO,
        ),
    ],
)
def test_case_is_decided_as_the_function_would(
    tmp_path: Path, name: str, changes: dict[str, str], expected: str
) -> None:
    """Each case gets the function's decision on its facts."""
    run = run_tests(tmp_path, *case_of(expected, changes))
    assert run.failures == (), name
    assert run.results[-1].case.name == "the one"


@pytest.mark.parametrize(
    ("name", "changes", "expected", "differences"),
    [
        (
            "approved, and should not be",
            {},
            NO,
            [("not approved", 'approved by "DBAs" for 3 hours')],
        ),
        (
            "not approved, and should be",
            {"DBA": "API"},
            YES.format("3h"),
            [
                (
                    'approved by "DBAs" for 3 hours',
                    f"not approved: {NO_DUTY}",
                )
            ],
        ),
        (
            "by another rule, for another time, on other grounds",
            {},
            "{approved: true, rule: dry, duration: 2h, evidence: [API]}",
            [
                ('approved by "dry"', 'approved by "DBAs"'),
                ("for 2 hours", "for 3 hours"),
                ('evidence "API"', 'evidence "DBA"'),
            ],
        ),
        (
            "denied by nothing, not in dry run, for another reason",
            {"kind: db": "kind: other"},
            "{approved: false, denied_by: no vault, dry_run_of: dry, why: never}",
            [
                ('denied by "no vault"', "not denied by a rule"),
                ('approved in dry run by "dry"', "not approved in dry run"),
                ('reason "never"', 'reason "no rule covers other:orders"'),
            ],
        ),
    ],
)
def test_failed_case_reports_each_difference(
    tmp_path: Path,
    name: str,
    changes: dict[str, str],
    expected: str,
    differences: list[tuple[str, str]],
) -> None:
    """In the words of the test file."""
    run = run_tests(tmp_path, *case_of(expected, changes))
    (failed,) = run.failed
    assert failed.case.name == "the one", name
    assert list(failed.differences) == differences
    wanted, came = differences[0]
    assert run.failures == (f'prod.test.yaml:18: "the one": expected {wanted}, got {came}',)


def cut(*names: str) -> str:
    """Remove cases from the tests."""
    head, *cases = TESTS.split("  - name: ")
    return head + "".join(f"  - name: {each}" for each in cases if each.split("\n")[0] not in names)


@pytest.mark.parametrize(
    ("name", "tests", "gap"),
    [
        (
            "no case in which the rule grants",
            cut("on shift"),
            'prod.yaml:2: rule "DBAs" is untested: there is no case in which it approves',
        ),
        (
            "no case in which the dry one would",
            cut("runs dry"),
            'prod.yaml:7: rule "dry" is untested: there is no case in which it would approve',
        ),
        (
            "no case in which it denies",
            cut("the vault"),
            'prod.yaml:12: rule "no vault" is untested: there is no case in which it denies',
        ),
    ],
)
def test_rule_that_no_case_exercises_is_a_gap(
    tmp_path: Path, name: str, tests: str, gap: str
) -> None:
    """A case exercises a rule if the rule decides it, not if it is only evaluated."""
    run = run_tests(tmp_path, tests=tests)
    assert not run.failed
    assert run.failures == (gap,), name


def test_tests_that_let_everything_pass_are_a_gap(tmp_path: Path) -> None:
    """At least one case has to expect a refusal."""
    policy = POLICY[: POLICY.index("  - name: dry")]
    run = run_tests(tmp_path, policy, cut("runs dry", "the vault"))
    output = "no case expects a refusal, so a policy that approves everybody would pass"
    assert run.failures == (f"prod.test.yaml:1: {output}",)


def test_denial_counts_where_nothing_would_approve_anyway(tmp_path: Path) -> None:
    """A deny rule can be tested before any rule approves its resources."""
    run = run_tests(tmp_path)
    vault = run.results[-1]
    assert vault.decision.reason == "no rule covers vault:innermost-1"
    assert vault.differences == ()


def test_self_declared_duties_count_where_the_stack_says_so(tmp_path: Path) -> None:
    """The tests run with the stack's setting."""
    file = write_policy(tmp_path, *case_of(NO, {ON_SHIFT: OWN}))
    assert run_policy_tests(file, tmp_path).failures == ()
    (failed,) = run_policy_tests(file, tmp_path, self_declared=True).failed
    assert failed.differences == (("not approved", 'approved by "DBAs" for 1 hour'),)


def test_errors_of_either_file_come_before_any_decision(tmp_path: Path) -> None:
    """With the policy wrong, the tests are not read; with the tests wrong, nothing is decided."""
    run = run_tests(tmp_path, POLICY.replace("duration: 3h", "duration: 3"))
    assert [each.split(" ")[0] for each in run.failures] == ["prod.yaml:5:"]
    run = run_tests(tmp_path, tests=TESTS.replace("dry_run_of: dry", "dry_run_of: dri"))
    assert run.failures == ('prod.test.yaml:12: the policy has no rule "dri"; did you mean "dry"?',)
    assert run.results == ()


def test_a_policy_without_tests_is_read_all_the_same(tmp_path: Path) -> None:
    """Its errors are reported together with the missing tests."""
    write_policy(tmp_path, policy="rules: []\nrule: []\n")
    (tmp_path / "prod.test.yaml").unlink()
    run = run_policy_tests(Path("prod.yaml"), tmp_path)
    assert run.policy.errors
    *of_policy, missing = run.failures
    assert all(each.startswith("prod.yaml:") for each in of_policy)
    assert missing.startswith(
        "prod.test.yaml cannot be read: No such file or directory; a policy needs"
    )


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A policy without tests is not used."""
    with pytest.raises(FileError) as missing:
        run_policy_tests(Path("prod.yaml"), tmp_path)
    assert str(missing.value) == "prod.yaml cannot be read: No such file or directory"
    write_policy(tmp_path)
    (tmp_path / "prod.test.yaml").unlink()
    with pytest.raises(FileError) as missing:
        run_policy_tests(Path("prod.yaml"), tmp_path)
    assert str(missing.value) == (
        "prod.test.yaml cannot be read: No such file or directory; a policy needs tests in "
        "this file"
    )
