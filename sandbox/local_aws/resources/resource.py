"""The base of the sandbox's resource types."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients

SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi's signature of a special map
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - Pulumi: "but a secret"


class UnknownToSandboxError(Exception):
    """The program uses an AWS feature that the sandbox lacks; the message says where to add it."""


class Existing(NamedTuple):
    """A resource that has been made.

    Attributes:
        id: its physical id.
        state: its properties, as Pulumi's state has them; empty for one that is imported.
    """

    id: str
    state: Mapping[str, Any]


class Resource(ABC):
    """Makes resources of one type on the local AWS, and answers as the pinned provider would.

    It reads and changes only what `make up` and the tests on Pulumi's engine need.

    Attributes:
        type: Pulumi's type token.
        known_inputs: the inputs that `create` uses, in camelCase; any other is an error.
        name_input: the input that holds the physical name; it is random if the program gives none.
        replacement_inputs: the inputs that can only be changed by replacing the resource.
        service: what boto3 calls the service that makes it.
        deletion: the service's operation that deletes it, and the argument that takes its id.
    """

    type: ClassVar[str]
    known_inputs: ClassVar[frozenset[str]]
    name_input: ClassVar[str | None] = None
    replacement_inputs: ClassVar[frozenset[str]] = frozenset()
    service: ClassVar[str]
    deletion: ClassVar[tuple[str, str]]

    @abstractmethod
    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Make the resource from plain inputs; returns its id and its outputs beyond the inputs."""

    def read(self, existing: Existing, aws: Clients) -> dict[str, Any]:  # noqa: ARG002 - what overrides it needs them
        """Give the properties that may differ from the state; none, unless a subclass reads them.

        Raises:
            botocore.exceptions.ClientError: it is gone.
        """
        return {}

    def update(
        self,
        existing: Existing,
        inputs: Mapping[str, Any],
        aws: Clients,  # noqa: ARG002 - what overrides it needs it
    ) -> dict[str, Any]:
        """Change it in place from its state to these inputs; returns the outputs that changed.

        Raises:
            UnknownToSandboxError: the type cannot be changed in place.
        """
        changes = ", ".join(sorted(self.changes(existing.state, inputs)))
        raise UnknownToSandboxError(
            f"The sandbox cannot change {changes} of {self.type}: add `update` to it "
            f"in {self._file}"
        )

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Delete it."""
        operation, argument = self.deletion
        getattr(aws.client(self.service), operation)(**{argument: existing.id})

    def changes(self, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> set[str]:
        """Say which inputs differ from a state."""
        return {key for key in self.known_inputs if state.get(key) != inputs.get(key)}

    def check(self, logical_name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Unwrap the inputs and add a name such as `state-1a2b3c4` where the program gave none.

        Raises:
            UnknownToSandboxError: for an input that `create` would ignore.
        """
        for unknown in sorted(set(inputs) - self.known_inputs):
            raise UnknownToSandboxError(
                f"The sandbox does not know {unknown} of {self.type}: add it to {self._file}"
            )
        checked: dict[str, Any] = plain(dict(inputs))
        if self.name_input:
            prefix = checked.get(f"{self.name_input}Prefix", f"{logical_name}-")
            checked.setdefault(self.name_input, f"{prefix}{secrets.token_hex(4)[:7]}")
        return checked

    @property
    def _file(self) -> str:
        return f"{type(self).__module__.replace('.', '/')}.py"


class PutResource(Resource):
    """A resource that AWS replaces as a whole: creating it replaces an existing one."""

    def update(
        self,
        existing: Existing,  # noqa: ARG002 - it is put whole
        inputs: Mapping[str, Any],
        aws: Clients,
    ) -> dict[str, Any]:
        """Replace what is there."""
        return self.create(inputs, aws)[1]


def plain(value: Any) -> Any:  # noqa: ANN401 - any property of any resource
    """Unwrap a property from Pulumi's secret envelopes, at any depth."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def tag_list(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """Write the tags of a resource in the form of most AWS services."""
    return [{"Key": key, "Value": value} for key, value in sorted(inputs.get("tags", {}).items())]
