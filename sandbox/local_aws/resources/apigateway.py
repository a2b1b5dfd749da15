"""API Gateway: an HTTP API, its integration, route and stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.moto_workarounds import replace_stage
from sandbox.local_aws.resources.resource import Existing, Resource

if TYPE_CHECKING:
    from sandbox.local_aws.clients import Clients

SERVICE = "apigatewayv2"


class Api(Resource):
    """An HTTP API."""

    type = "aws:apigatewayv2/api:Api"
    known_inputs = frozenset({"name", "description", "protocolType", "tags"})
    name_input = "name"
    replacement_inputs = frozenset({"protocolType"})
    service = SERVICE
    deletion = ("delete_api", "ApiId")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create it."""
        api = aws.client(SERVICE).create_api(
            Name=inputs["name"],
            Description=inputs.get("description", ""),
            ProtocolType=inputs["protocolType"],
            Tags=inputs.get("tags", {}),
        )
        id_ = api["ApiId"]
        return id_, {
            "name": inputs["name"],
            "apiEndpoint": f"https://{host_of(id_, aws)}",
            "executionArn": execution_arn(id_, aws),
            "arn": f"arn:aws:apigateway:{aws.region}::/apis/{id_}",
        }

    def read(self, existing: Existing, aws: Clients) -> dict[str, Any]:
        """Read what may differ."""
        api = aws.client(SERVICE).get_api(ApiId=existing.id)
        return {"name": api["Name"], "description": api["Description"]}


class _OfApi(Resource):
    """A part of an API, which is deleted by the API's id and its own."""

    service = SERVICE
    replacement_inputs = frozenset({"apiId"})

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Delete it."""
        operation, argument = self.deletion
        call = getattr(aws.client(SERVICE), operation)
        call(ApiId=existing.state["apiId"], **{argument: existing.id})


class Integration(_OfApi):
    """Where an API passes calls on to."""

    type = "aws:apigatewayv2/integration:Integration"
    known_inputs = frozenset(
        {
            *("apiId", "integrationType", "integrationMethod", "integrationUri"),
            *("payloadFormatVersion", "timeoutMilliseconds"),
        }
    )
    deletion = ("delete_integration", "IntegrationId")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create it."""
        made = aws.client(SERVICE).create_integration(
            ApiId=inputs["apiId"],
            IntegrationType=inputs["integrationType"],
            IntegrationMethod=inputs["integrationMethod"],
            IntegrationUri=inputs["integrationUri"],
            PayloadFormatVersion=inputs["payloadFormatVersion"],
            TimeoutInMillis=int(inputs["timeoutMilliseconds"]),
        )
        return made["IntegrationId"], {}


class Route(_OfApi):
    """Which calls an integration gets."""

    type = "aws:apigatewayv2/route:Route"
    known_inputs = frozenset({"apiId", "routeKey", "authorizationType", "target"})
    deletion = ("delete_route", "RouteId")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create it."""
        made = aws.client(SERVICE).create_route(
            ApiId=inputs["apiId"],
            RouteKey=inputs["routeKey"],
            AuthorizationType=inputs["authorizationType"],
            Target=inputs["target"],
        )
        return made["RouteId"], {}


class Stage(_OfApi):
    """Where an API answers, and how much."""

    type = "aws:apigatewayv2/stage:Stage"
    known_inputs = frozenset(
        {"apiId", "name", "autoDeploy", "defaultRouteSettings", "accessLogSettings", "tags"}
    )
    replacement_inputs = frozenset({"apiId", "name"})
    deletion = ("delete_stage", "StageName")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create it."""
        aws.client(SERVICE).create_stage(**_stage(inputs))
        return inputs["name"], {"invokeUrl": f"https://{host_of(inputs['apiId'], aws)}/"}

    def read(self, existing: Existing, aws: Clients) -> dict[str, Any]:
        """Read its throttling."""
        stage = aws.client(SERVICE).get_stage(ApiId=existing.state["apiId"], StageName=existing.id)
        settings = stage["DefaultRouteSettings"]
        return {
            "defaultRouteSettings": {
                **existing.state.get("defaultRouteSettings", {}),
                "throttlingRateLimit": settings["ThrottlingRateLimit"],
                "throttlingBurstLimit": settings["ThrottlingBurstLimit"],
            }
        }

    def update(self, existing: Existing, inputs: Mapping[str, Any], aws: Clients) -> dict[str, Any]:
        """Change its settings."""
        replace_stage(aws.client(SERVICE), existing.id, _stage(inputs))
        return {}


def host_of(api_id: str, aws: Clients) -> str:
    """Give the host at which an API answers."""
    return f"{api_id}.execute-api.{aws.region}.amazonaws.com"


def execution_arn(api_id: str, aws: Clients) -> str:
    """Give what the ARN of each of an API's routes begins with."""
    return f"arn:aws:execute-api:{aws.region}:{aws.account}:{api_id}"


def _stage(inputs: Mapping[str, Any]) -> dict[str, Any]:
    settings, log = inputs["defaultRouteSettings"], inputs["accessLogSettings"]
    return {
        "ApiId": inputs["apiId"],
        "StageName": inputs["name"],
        "AutoDeploy": inputs["autoDeploy"],
        "DefaultRouteSettings": {
            "ThrottlingRateLimit": float(settings["throttlingRateLimit"]),
            "ThrottlingBurstLimit": int(settings["throttlingBurstLimit"]),
        },
        "AccessLogSettings": {"DestinationArn": log["destinationArn"], "Format": log["format"]},
        "Tags": inputs.get("tags", {}),
    }
