"""Hypothesis strategies for the handler: JSON, odd JSON, and calls that are almost valid."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from handler.callers import indent
from handler.durations import format_instant

# For every property test: the same examples in every run, so that a failure can be reproduced
# anywhere, however slow the machine is. EXAMPLES=5000 tries more; a few must do where tests run
# thousands of times.
EXAMPLES = int(os.environ.get("EXAMPLES", "100"))
STEADY = settings(
    derandomize=True,
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],
)

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
TIMESTAMP = "2026-03-04T12:00:00Z"
UNKEYED = indent.sign("", TIMESTAMP, b"")

# Including lone surrogates, which `json.loads` makes from `\ud800`.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HALF_A_PAIR = st.characters(categories=["Cs"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NOT_MARY = st.sampled_from(
    [
        "jane@example.com",
        "",
        " ",
        "mary@example.com.evil.test",
        "xmary@example.com",
        "m\u0430ry@example.com",
        "mary\u200b@example.com",
        "\u00a0mary@example.com",
        "mary@example.com,jane@example.com",
        "mary+x@example.com",
        "%",
        "*",
    ]
)
TIMES = st.one_of(
    st.sampled_from(["", "0", "-1ns", "forever", "true", "2562047h", "999999h", "1ns", "1e9h"]),
    st.integers(0, 10**6).map(lambda seconds: f"{seconds}s"),
    st.integers(0, 200).map(lambda hours: f"{hours}h30m"),
    st.integers(-(10**6), 10**6).map(lambda s: format_instant(NOW + timedelta(seconds=s))),
    st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-03-05T12:00:00+23:59"]),
    TEXT,
)
LABELS = st.dictionaries(
    st.sampled_from(
        [
            *("indent.com/time/duration", "indent.com/time/expires", "indent.com/time/indefinite"),
            *("indent.com/petition/duration", "expires", "Expires", " Indent.com/Time/Expires"),
            *("petition", "indent.com/petition", "Env"),
        ]
    )
    | TEXT,
    TIMES,
    max_size=6,
)


def rarely(wrong: st.SearchStrategy[Any], right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw mostly the usual value, so that code behind the first check is reached."""
    return st.integers(0, 19).flatmap(lambda draw: wrong if draw == 13 else right)


WHICH = {"kind": rarely(JSON, st.just("user")), "id": rarely(JSON, st.just("u1"))}
MORE = {"labels": rarely(JSON, LABELS), "more": JSON}
REQUESTER = st.fixed_dictionaries({**WHICH, "email": rarely(JSON, NOT_MARY)}, optional=MORE)
RESOURCE = st.fixed_dictionaries(WHICH, optional=MORE) | REQUESTER
EVENT = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["access/request"] * 9 + ["access/approve", "access/grant"]),
        "actor": rarely(JSON, REQUESTER),
        "resources": rarely(JSON, st.lists(rarely(JSON, RESOURCE), min_size=1, max_size=3)),
    },
    optional={
        "meta": rarely(JSON, st.fixed_dictionaries({"labels": rarely(JSON, LABELS)})),
        "timestamp": JSON,
    },
)
ODD_BODY = JSON | st.dictionaries(
    st.sampled_from(["kinds", "info", "events", "else"]), JSON, max_size=3
)
BODY = rarely(ODD_BODY, st.fixed_dictionaries({"events": st.lists(EVENT, max_size=3)}))
HEADERS = st.fixed_dictionaries(
    {
        "x-indent-timestamp": rarely(JSON, st.sampled_from([TIMESTAMP, "2026-03-04T11:00:00Z"])),
        "x-indent-signature": rarely(JSON, st.sampled_from(["0" * 64, UNKEYED]) | TEXT),
    },
    optional={"X-Indent-Signature": TEXT, "x-indent-TIMESTAMP": TEXT},
)
CALL = st.fixed_dictionaries(
    {
        "requestContext": rarely(JSON, st.just({"http": {"method": "POST"}})),
        "headers": rarely(JSON, HEADERS),
    },
    optional={"body": TEXT | HALF_A_PAIR | JSON, "isBase64Encoded": rarely(JSON, st.booleans())},
)
