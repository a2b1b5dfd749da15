"""What the README shows of `make demo` is what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.documents import README
from tests.support.projects import project_with_code_in

LEFT_OUT = "    ..."
PATIENCE = 240


def _lines(text: str) -> list[str]:
    """Give the lines; times are as long as they were in the README."""
    return re.sub(r"[0-9]{4}-[0-9-]{5}|[0-9]{2}:[0-9]{2}(?= UTC)", "TIME", text).splitlines()


def test_demo_prints_it(tmp_path: Path) -> None:
    """Line by line, in the same order, but for what is left out."""
    project_with_code_in(tmp_path)
    (block,) = re.findall(
        r"```console\n\$ make demo\n(.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    demo = subprocess.run(
        [sys.executable, "-m", "sandbox", "demo"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    )
    printed = iter(_lines(demo.stdout))
    shown = [line for line in _lines(block) if line != LEFT_OUT]
    assert [line for line in shown if line not in printed] == []
