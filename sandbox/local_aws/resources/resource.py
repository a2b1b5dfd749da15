"""What a resource type is to the sandbox."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients

SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi: "this map is not what it seems"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - Pulumi: "but a secret"


class UnknownToSandboxError(Exception):
    """The program uses something of AWS that the sandbox does not make; says where to add it."""


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

    It reads and changes what `make up` and the tests on Pulumi's engine need, and no more.

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
        """Give the properties that may differ from the state; none, unless a subclass looks.

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
            UnknownToSandboxError: unless a subclass can.
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
        """Tell which inputs differ from a state."""
        return {key for key in self.known_inputs if state.get(key) != inputs.get(key)}

    def check(self, logical_name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Unwrap the inputs and add a name such as `state-1a2b3c4` where the program gave none.

        Raises:
            UnknownToSandboxError: for an input that `create` would not heed.
        """
        for unknown in sorted(set(inputs) - self.known_inputs):
            raise UnknownToSandboxError(
                f"The sandbox does not know {unknown} of {self.type}: add it to {self._file}"
            )
        checked: dict[str, Any] = plain(dict(inputs))
        if self.name_input:
            checked.setdefault(self.name_input, f"{logical_name}-{secrets.token_hex(4)[:7]}")
        return checked

    @property
    def _file(self) -> str:
        return f"{type(self).__module__.replace('.', '/')}.py"


class PutResource(Resource):
    """A resource that AWS puts whole: what creates it replaces one that is there."""

    def update(
        self,
        existing: Existing,  # noqa: ARG002 - it is put whole
        inputs: Mapping[str, Any],
        aws: Clients,
    ) -> dict[str, Any]:
        """Put it in place of what is there."""
        return self.create(inputs, aws)[1]


def plain(value: Any) -> Any:  # noqa: ANN401 - any property of any resource
    """Take a property out of Pulumi's secret envelopes, at any depth."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def tag_list(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """Write the tags of a resource as most of AWS's services take them."""
    return [{"Key": key, "Value": value} for key, value in sorted(inputs.get("tags", {}).items())]
