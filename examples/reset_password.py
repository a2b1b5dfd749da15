"""Reset a password once somebody has approved it. Reads INDENT_SPACE and INDENT_API_TOKEN.

First install the packages, never from PyPI: `make dist`, then
`.venv/bin/pip install --no-index --find-links dist approvals`.
"""

import sys

from approvals import approval_sync  # from dist/, never from PyPI: see above
from indentapi import IndentError


def reset_password(user: str) -> None:
    """Wait for an approval, then go on. Without one, `approval_sync` raises."""
    approval_sync(
        {
            "reason": f"user {user} has lost their phone",
            "resources": [
                {
                    "kind": "action",
                    "id": f"reset-password:{user}",
                    "displayName": f"Reset Password (user:{user})",
                }
            ],
        },
        timeout=15 * 60,  # people need time
    )
    print(f"The password of user {user} is reset.")


try:
    reset_password("123")
except IndentError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt as stopped:
    sys.exit(f"\n{stopped}")
