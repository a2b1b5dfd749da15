"""A stand-in for Pulumi's aws plugin: serves Pulumi's real engine with a local AWS.

Run by an executable named `pulumi-resource-aws` that is found first on PATH. What it makes, and
how, is in `sandbox.local_aws.resources`; this file only speaks the engine's protocol
(`pulumi.provider.experimental`). It serves only a local AWS.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pulumi
from botocore.exceptions import ClientError
from pulumi.provider.experimental import provider, server
from pulumi.provider.experimental.property_value import PropertyValue

from sandbox.local_aws.clients import Clients, Credentials
from sandbox.local_aws.resources import resource_of
from sandbox.local_aws.resources.invokes import answer_invoke
from sandbox.local_aws.resources.resource import SIGNATURE, Existing

if TYPE_CHECKING:
    from sandbox.local_aws.resources.resource import Resource

VERSION = "7.51.1"  # the pinned SDK's, for which the engine asks
ENDPOINT = "AWS_ENDPOINT_URL"
_ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"  # Pulumi: "this map is an archive"
_ASSET = "c44067f5952c0a294b673a41bacd8c17"  # Pulumi: "an asset"
_GONE = re.compile("^(NoSuch.*|.*NotFound.*|404)$")

Properties = dict[str, PropertyValue]


class RefusedEndpointError(Exception):
    """There is no local AWS to serve, or no key for it; a real AWS is never called."""


class LocalAwsProvider(provider.Provider):
    """Makes, reads, changes and deletes resources for the engine, one at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        endpoint = environment.get(ENDPOINT, "")
        if not re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", endpoint):
            raise RefusedEndpointError(
                f"{ENDPOINT} is {endpoint!r}: the sandbox's AWS provider serves only one of this "
                "machine, such as http://127.0.0.1:5000"
            )
        try:
            self._credentials = Credentials.from_environment(environment)
        except KeyError as error:
            raise RefusedEndpointError(
                f"{error.args[0]} is not set: the local AWS takes its own access key only"
            ) from None
        self._endpoint = endpoint
        self._clients: Clients | None = None

    async def configure(self, request: provider.ConfigureRequest) -> provider.ConfigureResponse:
        """Take the region of the stack's config."""
        region = request.args["region"].value
        self._clients = Clients(str(region), self._credentials, self._endpoint)
        return provider.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def invoke(self, request: provider.InvokeRequest) -> provider.InvokeResponse:
        """Answer a call of the program."""
        return provider.InvokeResponse(_wrap_all(answer_invoke(request.tok, self._aws)))

    async def check(self, request: provider.CheckRequest) -> provider.CheckResponse:
        """Refuse unknown inputs, and give a random name, which later updates keep."""
        resource, inputs = _resource(request.urn), dict(request.new_inputs)
        checked = resource.check(request.name, _unwrap_all(inputs))
        key = resource.name_input
        if key and key not in inputs:
            inputs[key] = request.old_inputs.get(key) or PropertyValue(checked[key])
        return provider.CheckResponse(inputs)

    async def diff(self, request: provider.DiffRequest) -> provider.DiffResponse:
        """Say what changes, and whether in place."""
        resource = _resource(request.urn)
        changed = resource.changes(_unwrap_all(request.old_state), _unwrap_all(request.new_inputs))
        replaces = sorted(changed & resource.replacement_inputs)
        kinds = provider.PropertyDiffKind
        return provider.DiffResponse(
            changes=bool(changed),
            replaces=replaces,
            diffs=sorted(changed),
            detailed_diff={
                key: provider.PropertyDiff(
                    kinds.UPDATE_REPLACE if key in replaces else kinds.UPDATE, input_diff=True
                )
                for key in sorted(changed)
            },
        )

    async def create(self, request: provider.CreateRequest) -> provider.CreateResponse:
        """Make it; a preview makes nothing, and what only AWS knows stays unknown."""
        if request.preview:
            return provider.CreateResponse("", request.properties)
        resource = _resource(request.urn)
        id_, outputs = resource.create(_unwrap_all(request.properties), self._aws)
        return provider.CreateResponse(id_, {**request.properties, **_wrap_all(outputs)})

    async def read(self, request: provider.ReadRequest) -> provider.ReadResponse:
        """Say what is there now; no id means that nothing is."""
        resource, state = _resource(request.urn), _unwrap_all(request.properties)
        try:
            properties = resource.read(Existing(request.resource_id, state), self._aws)
        except ClientError as error:
            if not _GONE.match(error.response["Error"]["Code"]):
                raise
            return provider.ReadResponse("")
        drifted = {
            key: _wrap(value).with_secret(
                key in request.properties and request.properties[key].contains_secret()
            )
            for key, value in properties.items()
            if value != state.get(key)
        }
        inputs = {key: drifted.get(key, value) for key, value in request.inputs.items()}
        if not state:  # `pulumi import` gives only the id
            inputs = {key: value for key, value in drifted.items() if key in resource.known_inputs}
        return provider.ReadResponse(request.resource_id, {**request.properties, **drifted}, inputs)

    async def update(self, request: provider.UpdateRequest) -> provider.UpdateResponse:
        """Change it in place."""
        resource = _resource(request.urn)
        # An input that is no longer given is no longer in the state either.
        previous = {
            key: value for key, value in request.olds.items() if key not in resource.known_inputs
        }
        if request.preview:
            return provider.UpdateResponse({**previous, **request.news})
        existing = Existing(request.resource_id, _unwrap_all(request.olds))
        outputs = resource.update(existing, _unwrap_all(request.news), self._aws)
        return provider.UpdateResponse({**previous, **request.news, **_wrap_all(outputs)})

    async def delete(self, request: provider.DeleteRequest) -> None:
        """Delete it; it may be gone already."""
        existing = Existing(request.resource_id, _unwrap_all(request.properties))
        try:
            _resource(request.urn).delete(existing, self._aws)
        except ClientError as error:
            if not _GONE.match(error.response["Error"]["Code"]):
                raise

    @property
    def _aws(self) -> Clients:
        if self._clients is None:
            raise RefusedEndpointError("The engine has not configured its AWS provider")
        return self._clients


def main() -> None:
    """Serve the engine that started this process, until the engine ends it."""
    try:
        local = LocalAwsProvider(os.environ)
    except RefusedEndpointError as error:
        sys.exit(str(error))
    PropertyValue.unmarshal = staticmethod(_unmarshal)  # type: ignore[method-assign] # see there
    server.main(sys.argv[1:], VERSION, local)


_pulumis_unmarshal = PropertyValue.unmarshal


def _unmarshal(value: Any) -> PropertyValue:  # noqa: ANN401 - protobuf has no types
    """Keep archives and assets as they came: pulumi drops the hashes that the engine needs."""
    fields = value.struct_value.fields
    if SIGNATURE in fields and fields[SIGNATURE].string_value in {_ARCHIVE, _ASSET}:
        return PropertyValue({key: PropertyValue.unmarshal(field) for key, field in fields.items()})
    return _pulumis_unmarshal(value)


def _resource(urn: str) -> Resource:
    """Find the type in `urn:pulumi:dev::project::parent$type::name`."""
    return resource_of(urn.split("::")[-2].rpartition("$")[2])


def _unwrap_all(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    return {key: _unwrap(value) for key, value in properties.items()}


def _unwrap(value: PropertyValue) -> Any:  # noqa: ANN401 - any property of any resource
    inner = value.value
    if isinstance(inner, Mapping):
        return _archive(_unwrap_all(inner))
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [_unwrap(item) for item in inner]
    return inner


def _archive(value: dict[str, Any]) -> Any:  # noqa: ANN401 - an archive, or the map as it is
    """Make an archive if there are contents; for comparisons, the engine sends only a hash."""
    if value.get(SIGNATURE) == _ASSET:
        text, path = value.get("text"), value.get("path")
        return pulumi.FileAsset(path) if path else pulumi.StringAsset(text or "")
    if value.get(SIGNATURE) == _ARCHIVE and value.get("assets"):
        return pulumi.AssetArchive(value["assets"])
    return value


def _wrap_all(values: Mapping[str, Any]) -> Properties:
    return {key: _wrap(value) for key, value in values.items()}


def _wrap(value: Any) -> PropertyValue:  # noqa: ANN401 - the same
    if isinstance(value, Mapping):
        return PropertyValue(_wrap_all(value))
    if isinstance(value, list):
        return PropertyValue([_wrap(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(cast("str | float | bool | pulumi.Archive | None", value))
