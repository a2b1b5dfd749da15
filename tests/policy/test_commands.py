"""`python -m policy check` and `test`: what they print, and their exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from handler.rules.conditions import NOT_LISTED
from policy.__main__ import main
from sandbox.local_aws.program import ROOT
from tests.policy.policy_folder import ON_SHIFT, POLICY, TESTS, write_policy

Out = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder in which the command runs, with a good policy in policy/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy").mkdir()
    write_policy(tmp_path / "policy")
    return tmp_path / "policy"


@pytest.mark.usefixtures("folder")
def test_good_policies_are_listed_case_by_case(capsys: Out) -> None:
    """Every policy of the folder is tested, and no test file is taken for a policy."""
    assert main(["test"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "policy/prod.yaml, tested by policy/prod.test.yaml:",
        "  ok   on shift",
        "  ok   runs dry",
        "  ok   the vault",
        "3 of 3 cases passed.",
    ]
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "policy/prod.yaml: 3 rules, no errors\n"


def test_red_case_comes_with_a_diff_and_the_trace(folder: Path, capsys: Out) -> None:
    """Expected and actual decision, and each rule's and duty's result; nobody's e-mail."""
    write_policy(folder, POLICY.replace("schedules: [DBA]", "schedules: [API]"))
    assert main(["test"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "policy/prod.yaml, tested by policy/prod.test.yaml:",
        "  FAIL on shift",
        "      policy/prod.test.yaml:3",
        '      - approved by "DBAs" for 3 hours',
        "      + not approved: the requester has no shift or incident role that the policy accepts",
        '      rule "DBAs": not matched',
        f"        on call for DBA (incident.io) until 18:00 UTC: {NOT_LISTED}",
        '      rule "dry": it covers other resources or actions',
        '      rule "no vault": it denies other requests',
        "  ok   runs dry",
        "  ok   the vault",
        'policy/prod.yaml:2: rule "DBAs" is untested: there is no case in which it approves',
        "2 of 3 cases passed; 1 gap in the tests.",
    ]


def test_gaps_fail(folder: Path, capsys: Out) -> None:
    """A rule without a case fails like a failed case."""
    write_policy(folder, tests=TESTS[: TESTS.index("  - name: runs dry")])
    assert main(["test"]) == 1
    assert "1 of 1 case passed; 3 gaps in the tests." in capsys.readouterr().out


def test_errors_have_file_and_line(folder: Path, capsys: Out) -> None:
    """All errors of an unusable file are reported, and no case is run."""
    write_policy(folder, POLICY.replace("3h", "3").replace("name: dry", "nam: dry"))
    output = [
        (
            'policy/prod.yaml:5: "duration" is 3, which isn\'t a duration: '
            "a number needs a unit, for example 3m or 3h"
        ),
        'policy/prod.yaml:7: a rule has no key "nam"; did you mean "name"?',
        'policy/prod.yaml:7: a rule needs "name"',
    ]
    assert main(["test"]) == 2
    assert sorted(capsys.readouterr().out.splitlines()) == output
    assert main(["check"]) == 1
    assert sorted(capsys.readouterr().out.splitlines()) == output


def test_warnings_fail_nothing(folder: Path, capsys: Out) -> None:
    """They are printed, and the status stays 0."""
    write_policy(folder, POLICY.replace(", without_end: 1h", ""))
    warning = (
        'policy/prod.yaml:2: warning: "DBAs" ends access with the shift, but roles have '
        "no end, so they don't count: set end_with_shift: {without_end: 1h}, for example"
    )
    for command in ("check", "test"):
        assert main([command]) == 0
        assert warning in capsys.readouterr().out


def test_worst_of_several_files_is_the_status(folder: Path, capsys: Out) -> None:
    """Each named file is tested, whatever the others' results."""
    (folder / "bad.yaml").write_text("rules: 1\n", encoding="utf-8")
    files = ["policy/none.yaml", "policy/bad.yaml", "policy/prod.yaml"]
    assert main(["check", *files]) == 2
    output = capsys.readouterr()
    assert output.err == "error: policy/none.yaml cannot be read: No such file or directory\n"
    assert output.out == (
        'policy/bad.yaml:1: "rules" is 1: must be a list, for example [a, b]\n'
        "policy/prod.yaml: 3 rules, no errors\n"
    )


def test_self_declared_is_an_option(folder: Path, capsys: Out) -> None:
    """The tests run like a stack with INCIDENTIO_APPROVE_SELF_DECLARED."""
    own = "[{incident_role: {role: Lead, declared_by: omar@example.com}}]"
    start = TESTS.index("  - name: on shift")
    case = TESTS[start : TESTS.index("  - name: runs dry")].replace("on shift", "own")
    case = case.replace(ON_SHIFT, own).replace("true, rule: DBAs, duration: 3h", "false")
    write_policy(folder, tests=TESTS + case)
    assert main(["test"]) == 0
    assert main(["test", "--self-declared"]) == 1
    assert "FAIL own" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "policy/prod.test.yaml",
            "policy/prod.test.yaml contains tests: name the policy file instead",
        ),
        ("prod.json", "prod.json: the name of a policy file must end in .yaml"),
        (".yaml", ".yaml isn't a valid name for a policy file"),
    ],
)
def test_file_that_is_not_a_policy_is_a_usage_error(capsys: Out, file: str, expected: str) -> None:
    """The error says what to name instead."""
    with pytest.raises(SystemExit) as ended:
        main(["check", file])
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err


def test_folder_without_policies_fails(folder: Path, capsys: Out) -> None:
    """The error says so."""
    for each in folder.iterdir():
        each.unlink()
    assert main(["test"]) == 2
    assert (
        capsys.readouterr().err
        == "error: policy/ has no policy file: name one on the command line\n"
    )


def test_the_projects_own_policies_are_good(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """The example, too, which has no doubtful rule."""
    monkeypatch.chdir(ROOT)
    assert main(["test"]) == 0
    output = capsys.readouterr().out
    assert "policy/example.yaml, tested by policy/example.test.yaml:" in output
    assert "warning" not in output
    for name in ("example.yaml", "example.test.yaml"):
        first = (ROOT / "policy" / name).read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (ROOT / "policy" / first.partition("=")[2]).is_file()
