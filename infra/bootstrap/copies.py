"""A copy of a stack's state, as `pulumi stack export` tells of it. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = "aws:s3/bucket:Bucket"
ALIAS = "aws:kms/alias:Alias"
# Resources whose name the program gives, so that it is known even where no update has noted it.
NAMED_BY = {BUCKET: "bucket", ALIAS: "name"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CutShort:
    """What an update began to change, and did not tell the end of.

    Attributes:
        urn: what Pulumi calls it.
        parent: what Pulumi calls the component that it is of.
        id: its physical id, where it was to be made and that is known; else empty.
    """

    urn: str
    parent: str = ""
    id: str = ""

    def import_file(self) -> str:
        """Write what `pulumi import --file` takes it over by."""
        _, _, type_, name = self.urn.split("::")
        resource = {"type": type_.rpartition("$")[2], "name": name, "id": self.id, "parent": "its"}
        return json.dumps({"resources": [resource], "nameTable": {"its": self.parent}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What matters of it. Two are the same when they are of one time and hold the same things.

    Attributes:
        time: when the stack was last changed; a copy keeps it.
        things: each resource's URN and physical id; none is a stack that was never deployed.
        bucket: what its bucket is called, once there is one.
        cut_short: what an update was cut short at.
    """

    time: datetime
    things: frozenset[tuple[str, str]]
    bucket: str = field(default="", compare=False)
    cut_short: tuple[CutShort, ...] = field(default=(), compare=False)

    @property
    def deployed(self) -> bool:
        """Whether it holds anything."""
        return bool(self.things)


def listed_stacks(listed: str) -> set[str]:
    """Read the names in what `pulumi stack ls --json` prints."""
    return {str(each["name"]) for each in json.loads(listed or "[]")}


def read_copy(exported: str) -> Copy:
    """Read what `pulumi stack export` prints."""
    deployment: dict[str, Any] = json.loads(exported)["deployment"] or {}
    resources: list[dict[str, Any]] = deployment.get("resources") or []
    buckets = [each.get("id", "") for each in resources if each["type"] == BUCKET]
    # An empty stack has no time on some CLIs.
    time = (
        deployment.get("manifest", {}).get("time") or datetime.min.replace(tzinfo=UTC).isoformat()
    )
    return Copy(
        time=datetime.fromisoformat(time),
        things=frozenset((each["urn"], each.get("id", "")) for each in resources),
        bucket=next(iter(buckets), ""),
        cut_short=tuple(
            _cut_short(each["type"], each["resource"])
            for each in deployment.get("pending_operations") or []
        ),
    )


def previewed_bucket(previewed: str) -> str:
    """Read what the bucket is called in what `pulumi preview --json` prints; empty if nowhere."""
    for step in json.loads(previewed).get("steps", []):
        state = step.get("newState") or {}
        if state.get("type") == BUCKET:
            return str(state.get("inputs", {}).get("bucket", ""))
    return ""


def said_errors(previewed: str) -> list[str]:
    """Read what `pulumi preview --json` says is wrong, without what it adds to any error."""
    try:
        diagnostics = json.loads(previewed).get("diagnostics", [])
    except ValueError:  # it failed before it printed any
        return []
    errors = [each["message"].strip() for each in diagnostics if each.get("severity") == "error"]
    return [each for each in errors if not each.startswith("error: an unhandled error occurred")]


def _cut_short(operation: str, resource: Mapping[str, Any]) -> CutShort:
    key = NAMED_BY.get(resource["type"], "")
    named = str(resource.get("inputs", {}).get(key, "")) if operation == "creating" else ""
    return CutShort(urn=resource["urn"], parent=resource.get("parent", ""), id=named)
