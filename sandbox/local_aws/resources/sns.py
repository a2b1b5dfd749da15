"""SNS: the topic of the alarms, its policy, and its subscribers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Existing, PutResource, Resource, tag_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class Topic(Resource):
    """A topic; its id is its ARN."""

    type = "aws:sns/topic:Topic"
    known_inputs = frozenset({"name", "displayName", "tags"})
    name_input = "name"
    replacement_inputs = frozenset({"name"})
    service = "sns"
    deletion = ("delete_topic", "TopicArn")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the topic."""
        arn = aws.client("sns").create_topic(
            Name=inputs["name"],
            Attributes={"DisplayName": inputs.get("displayName", "")},
            Tags=tag_list(inputs),
        )["TopicArn"]
        return arn, {"name": inputs["name"], "arn": arn, "owner": aws.account}


class TopicPolicy(PutResource):
    """Who may write to a topic; its id is the topic's ARN."""

    type = "aws:sns/topicPolicy:TopicPolicy"
    known_inputs = frozenset({"arn", "policy"})
    replacement_inputs = frozenset({"arn"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the policy."""
        _set_policy(aws, inputs["arn"], inputs["policy"])
        return inputs["arn"], {"owner": aws.account}

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Put the default policy, for the account only, as the provider does."""
        owner = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{aws.account}:root"},
            "Action": "sns:Publish",
            "Resource": existing.id,
        }
        policy = {"Version": "2012-10-17", "Statement": [owner]}
        _set_policy(aws, existing.id, json.dumps(policy))


class TopicSubscription(Resource):
    """A subscriber. AWS mails a link first; moto treats any address as confirmed."""

    type = "aws:sns/topicSubscription:TopicSubscription"
    known_inputs = frozenset({"topic", "protocol", "endpoint"})
    replacement_inputs = known_inputs
    service = "sns"
    deletion = ("unsubscribe", "SubscriptionArn")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Subscribe."""
        arn = aws.client("sns").subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return arn, {"arn": arn}


def _set_policy(aws: Clients, topic: str, policy: str) -> None:
    aws.client("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=policy
    )
