"""A small policy with its tests, in a folder of a test's own."""

from __future__ import annotations

from pathlib import Path

from policy.case_runner import PolicyTestRun, run_policy_tests

POLICY = """\
rules:
  - name: DBAs
    resources: {kinds: [db]}
    when: {any: [{on_call: {schedules: [DBA]}}, {incident_role: {roles: [Lead]}}]}
    duration: 3h
    end_with_shift: {grace: 15m, without_end: 1h}
  - name: dry
    resources: {kinds: [box]}
    when: {on_call: {schedules: any}}
    duration: 1h
    dry_run: true
  - name: no vault
    resources: {kinds: [vault, box], ids: ["innermost*"]}
    deny: true
aliases:
  jane@example.com: [jane@corp.example]
identities:
  incidentio: {U1: omar@example.com, U2: nora@example.com}
  authzen: {omar: omar@example.com, nora: nora@example.com}
"""
ON_SHIFT = "[{on_call: {provider: incidentio, schedule: DBA, until: 2026-11-24T18:00:00Z}}]"
TESTS = f"""\
at: 2026-11-24T10:00:00Z
cases:
  - name: on shift
    who: omar@example.com
    asks_for: {{kind: db, id: orders}}
    providers_say: {ON_SHIFT}
    expect: {{approved: true, rule: DBAs, duration: 3h}}
  - name: runs dry
    who: omar@example.com
    asks_for: {{kind: box, id: b1}}
    providers_say: {ON_SHIFT}
    expect: {{approved: false, dry_run_of: dry}}
  - name: the vault
    who: omar@example.com
    asks_for: {{kind: vault, id: innermost-1}}
    providers_say: {ON_SHIFT}
    expect: {{approved: false, denied_by: no vault}}
"""


def write_policy(folder: Path, policy: str = POLICY, tests: str = TESTS) -> Path:
    """Write both files, and name the policy from the folder."""
    (folder / "prod.yaml").write_text(policy, encoding="utf-8")
    (folder / "prod.test.yaml").write_text(tests, encoding="utf-8")
    return Path("prod.yaml")


def run_tests(folder: Path, policy: str = POLICY, tests: str = TESTS) -> PolicyTestRun:
    """Try the policy."""
    return run_policy_tests(write_policy(folder, policy, tests), folder)


def one_case(text: str, policy: str = POLICY) -> tuple[str, str]:
    """Give a test file with one more case, made of this text, and the policy."""
    case = "\n    ".join(text.strip().splitlines())
    return policy, f"{TESTS}  - name: the one\n    {case}\n"
