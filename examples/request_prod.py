"""Request Production, and print where to follow it. Reads INDENT_SPACE and INDENT_API_TOKEN.

First install the packages, never from PyPI: `make dist`, then
`.venv/bin/pip install --no-index --find-links dist approvals`.
"""

import sys

from indentapi import IndentAPI, IndentError  # from dist/, never from PyPI: see above


def request_production() -> str:
    """Make the request, and return the address of its page."""
    with IndentAPI() as indent:
        production = [
            resource
            for resource in indent.resource.list(view="requestable")
            if resource.get("displayName") == "Production"
        ]
        petition = indent.petition.create(reason="to debug production", resources=production)
        return indent.petition.url(petition)


try:
    print(f"Requested: {request_production()}")
except (IndentError, ValueError) as error:
    sys.exit(f"error: {error}")
