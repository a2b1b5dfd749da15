"""The same cold start by AuthZEN's caller. Run in the unpacked zip."""

import json

from handler.app import handle

TOKEN = "bench-token-" * 3  # the benchmark's own

question = {
    "subject": {"type": "user", "id": "jane@example.com"},
    "action": {"name": "access"},
    "resource": {"type": "postgres.v1.Role", "id": "prod-db"},
}
answer = handle(
    {
        "rawPath": "/access/v1/evaluation",
        "requestContext": {"http": {"method": "POST"}},
        "headers": {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"},
        "body": json.dumps(question),
    },
    None,
)
if json.loads(answer["body"]).get("decision") is not True:
    raise SystemExit(f"not approved: {answer}")
