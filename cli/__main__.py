"""`python -m cli`, or `oncall` where it is installed."""

from __future__ import annotations

import sys

from cli.main import main

if __name__ == "__main__":
    sys.exit(main())
