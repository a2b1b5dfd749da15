"""What a resource type is to the sandbox."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients

SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi: "this map is not what it seems"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - Pulumi: "but a secret"


class UnknownToSandboxError(Exception):
    """The program uses something of AWS that the sandbox does not make; says where to add it."""


class Resource(ABC):
    """Makes resources of one type on the local AWS, and answers as the pinned provider would.

    Attributes:
        type: Pulumi's type token.
        takes: the inputs that it heeds, in camelCase; any other is an error, not ignored.
        named_by: the input that holds the physical name; it is made up when the program gives none.
        replaced_by: the inputs whose change takes another resource.
    """

    type: ClassVar[str]
    takes: ClassVar[frozenset[str]]
    named_by: ClassVar[str | None] = None
    replaced_by: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Make the resource from plain inputs; returns its id and its outputs beyond the inputs."""

    @abstractmethod
    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Ask what it is made from now, by input; None, or an error of AWS, when it is gone.

        Inputs that are not answered count as they were.
        """

    @abstractmethod
    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Change it in place from its state to these inputs; returns the outputs that changed."""

    @abstractmethod
    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:
        """Delete it."""

    def changes(self, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> set[str]:
        """Tell which inputs differ from a state."""
        return {key for key in self.takes if state.get(key) != inputs.get(key)}

    def check(self, logical_name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Unwrap the inputs and add a name such as `state-1a2b3c4` where the program gave none.

        Raises:
            UnknownToSandboxError: for an input that `create` would not heed.
        """
        for unknown in sorted(set(inputs) - self.takes):
            where = type(self).__module__.replace(".", "/")
            raise UnknownToSandboxError(
                f"The sandbox does not know {unknown} of {self.type}: add it to {where}.py"
            )
        checked: dict[str, Any] = plain(dict(inputs))
        if self.named_by:
            checked.setdefault(self.named_by, f"{logical_name}-{secrets.token_hex(4)[:7]}")
        return checked


def plain(value: Any) -> Any:  # noqa: ANN401 - any property of any resource
    """Take a property out of Pulumi's secret envelopes, at any depth."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def tags_of(listed: list[dict[str, str]]) -> dict[str, str]:
    """Read tags as most of AWS's services give them."""
    return {each["Key"]: each["Value"] for each in listed}


def same_document(kept: str, found: object) -> str:
    """Give a policy as it was kept where AWS has the same, however it is written there."""
    return kept if json.loads(kept) == found else json.dumps(found)


def key_values(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Write tags as most of AWS's services take them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
