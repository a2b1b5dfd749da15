"""One cold start: import the handler, sign a call, get it approved. Run in the unpacked zip."""

import json
from datetime import UTC, datetime

from handler.app import handle
from handler.callers.indent import sign
from handler.durations import format_instant

SECRET = "wks0-bench-secret-00"  # noqa: S105 - the benchmark's own

body = json.dumps(
    {
        "events": [
            {
                "event": "access/request",
                "actor": {"kind": "user", "id": "jane", "email": "jane@example.com"},
                "resources": [{"kind": "postgres.v1.Role", "id": "prod-db"}],
            }
        ]
    }
)
timestamp = format_instant(datetime.now(UTC))
answer = handle(
    {
        "requestContext": {"http": {"method": "POST"}},
        "headers": {
            "x-indent-timestamp": timestamp,
            "x-indent-signature": sign(SECRET, timestamp, body.encode()),
        },
        "body": body,
    },
    None,
)
if len(json.loads(answer["body"])["claims"]) != 1:
    raise SystemExit(f"not approved: {answer}")
