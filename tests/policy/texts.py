"""A small policy, to be changed by a test, and what the loader says of it."""

from __future__ import annotations

from policy.loader import Loaded, load

POLICY = """\
rules:
  - name: DBAs
    resources: {kinds: [postgres.v1.Role], labels: {Env: Prod}, ids: ["db-*"]}
    when: {on_call: {schedules: [DBA]}}
    duration: 3h
  - name: nobody
    resources: {labels: {Tier: "0"}}
    deny: true
aliases:
  jane@example.com: [jane.doe@corp.example]
"""
SELECTOR = '{kinds: [postgres.v1.Role], labels: {Env: Prod}, ids: ["db-*"]}'
ON_CALL = "{on_call: {schedules: [DBA]}}"


def changed(old: str, new: str, text: str = POLICY) -> bytes:
    """Give the policy with one place changed."""
    assert text.count(old) == 1, old
    return text.replace(old, new).encode()


def errors_of(data: bytes) -> list[tuple[int, str]]:
    """Give what is wrong with a policy, by line."""
    return [tuple(each) for each in load(data).errors]  # type: ignore[misc]  # two fields


def with_condition(condition: str) -> Loaded:
    """Load the policy with another condition."""
    return load(changed(ON_CALL, condition))
