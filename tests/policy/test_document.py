"""What docs/policy.md shows of policy files is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policy.__main__ import main
from policy.loader import load
from sandbox.local_aws.program import ROOT

_TEXT = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
POLICY, TESTS = re.findall(r"```yaml\n(.*?)```", _TEXT, re.DOTALL)
(CONSOLE,) = re.findall(r"```console\n\$ make policy-test\n(.*?)```", _TEXT, re.DOTALL)


def test_policy_that_is_shown_is_right() -> None:
    """It has no errors, and nothing in it is doubtful."""
    loaded = load(POLICY.encode())
    assert (loaded.errors, loaded.warnings) == ((), ())


def test_red_case_that_is_shown_looks_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is what is printed with five minutes less of grace."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy").mkdir()
    policy = POLICY.replace("grace: 15m", "grace: 10m")
    (tmp_path / "policy" / "prod.yaml").write_text(policy, encoding="utf-8")
    (tmp_path / "policy" / "prod.test.yaml").write_text(TESTS, encoding="utf-8")
    assert main(["test"]) == 1
    assert capsys.readouterr().out.startswith(CONSOLE)
