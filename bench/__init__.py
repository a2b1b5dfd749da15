"""What it costs, as ratios within one run, because machines are noisy: `make bench`."""

from __future__ import annotations

import sys
from pathlib import Path

_SDK = Path(__file__).resolve().parents[1] / "sdk"
# The client packages are measured as they stand here, installed or not.
sys.path[:0] = [str(_SDK / name / "src") for name in ("indentapi", "approvals")]
