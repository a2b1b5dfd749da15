"""An HTTP API of API Gateway in front of the function, its throttling and its access log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import apigatewayv2, cloudwatch, lambda_

if TYPE_CHECKING:
    from collections.abc import Mapping

# The stage whose path is empty, and the route for every path and method.
DEFAULT = "$default"
# AWS bounds the resource policy by which log groups receive such logs; all groups with this prefix
# share one statement of it (API Gateway developer guide, "Log API calls to CloudWatch").
LOG_PREFIX = "/aws/vendedlogs/apis"
# What API Gateway knows of a call: nothing that the caller wrote into a body, a header, a query or
# a path. `error` and `integration_error` are "-" if the function has answered.
ACCESS_LOG_FIELDS = {
    "request": "$context.requestId",  # `call` in the function's log
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "status": "$context.status",
    "milliseconds": "$context.responseLatency",
    "error": "$context.error.message",
    "integration_error": "$context.integrationErrorMessage",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """The calls that the API passes on; others get 429.

    Attributes:
        rate: calls per second, over time.
        burst: calls at once, beyond the rate.
    """

    rate: int
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpApiArgs:
    """The arguments of the API.

    Attributes:
        function: what answers.
        timeout_seconds: its timeout.
        throttling: the calls that it passes on.
        log_retention_days: how long the access log is kept.
        tags: for all resources that can have tags.
    """

    function: lambda_.Function
    timeout_seconds: int
    throttling: Throttling
    log_retention_days: int
    tags: Mapping[str, str]


class HttpApi(pulumi.ComponentResource):
    """An API that passes each call on to the function, and may be the only one that calls it.

    The API is public and asks for no authorization of its own: callers authenticate at the
    function, as they do without the API.

    Attributes:
        url: where it answers.
        api_id: of the API.
        access_log: name of its log group.
        access_log_arn: of that log group.
    """

    url: pulumi.Output[str]
    api_id: pulumi.Output[str]
    access_log: pulumi.Output[str]
    access_log_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: HttpApiArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("oncall-approvals:infra:HttpApi", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        log_group = cloudwatch.LogGroup(
            f"{name}-access-log",
            # The names of other stacks may begin with this one's, but they have no slash.
            name_prefix=f"{LOG_PREFIX}/{pulumi.get_project()}/{pulumi.get_stack()}/",
            retention_in_days=args.log_retention_days,
            tags=args.tags,
            # As the function's log: a stack that is destroyed leaves its traces.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        api = apigatewayv2.Api(
            name,
            description="Passes on calls to the approval webhook.",
            protocol_type="HTTP",
            tags=args.tags,
            opts=child,
        )
        # This route of this stage of this API; without a wildcard, AWS Config counts it as not
        # public (rule lambda-function-public-access-prohibited).
        permission = lambda_.Permission(
            f"{name}-permission",
            action="lambda:InvokeFunction",
            function=args.function.name,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(api.execution_arn, f"/{DEFAULT}/{DEFAULT}"),
            opts=child,
        )
        integration = apigatewayv2.Integration(
            f"{name}-integration",
            api_id=api.id,
            integration_type="AWS_PROXY",
            integration_method="POST",
            integration_uri=args.function.arn,
            payload_format_version="2.0",
            timeout_milliseconds=args.timeout_seconds * 1000,
            opts=child,
        )
        route = apigatewayv2.Route(
            f"{name}-route",
            api_id=api.id,
            route_key=DEFAULT,
            authorization_type="NONE",
            target=pulumi.Output.concat("integrations/", integration.id),
            opts=child,
        )
        stage = apigatewayv2.Stage(
            f"{name}-stage",
            api_id=api.id,
            name=DEFAULT,
            auto_deploy=True,
            default_route_settings={
                "throttling_rate_limit": args.throttling.rate,
                "throttling_burst_limit": args.throttling.burst,
            },
            access_log_settings={
                "destination_arn": log_group.arn,
                "format": json.dumps(ACCESS_LOG_FIELDS),
            },
            tags=args.tags,
            # Its URL answers from the start.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission, route]),
        )
        self.url, self.api_id = stage.invoke_url, api.id
        self.access_log, self.access_log_arn = log_group.name, log_group.arn
        self.register_outputs({"url": self.url, "access_log": self.access_log})
