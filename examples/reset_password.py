"""Reset a password once somebody has approved it. Reads INDENT_SPACE and INDENT_API_TOKEN."""

import asyncio

from approvals import approval


async def reset_password(user: str) -> None:
    """Wait for the approval, then go on; without one, this raises."""
    await approval(
        {
            "reason": f"{user} has lost the phone",
            "resources": [
                {
                    "kind": "action",
                    "id": f"reset-password:{user}",
                    "displayName": f"Reset Password (user:{user})",
                }
            ],
        }
    )
    print(f"The password of user {user} is reset.")


asyncio.run(reset_password("123"))
