"""SNS: the topic that alarms write to, who may, and who reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Resource, key_values, same_document, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class Topic(Resource):
    """A topic; its id is its ARN."""

    type = "aws:sns/topic:Topic"
    takes = frozenset({"name", "displayName", "tags"})
    named_by = "name"
    replaced_by = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the topic."""
        arn = aws.client("sns").create_topic(
            Name=inputs["name"],
            Attributes={"DisplayName": inputs.get("displayName", "")},
            Tags=key_values(inputs.get("tags", {})),
        )["TopicArn"]
        return arn, {"name": inputs["name"], "arn": arn, "owner": aws.account}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:  # noqa: ARG002 - the id says it
        """Read its display name and tags."""
        sns = aws.client("sns")
        return {
            "displayName": sns.get_topic_attributes(TopicArn=id_)["Attributes"]["DisplayName"],
            "tags": tags_of(sns.list_tags_for_resource(ResourceArn=id_)["Tags"]),
        }

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Set its display name and tags."""
        sns, tags = aws.client("sns"), inputs.get("tags", {})
        _set(aws, id_, "DisplayName", inputs.get("displayName", ""))
        if gone := sorted(set(state.get("tags", {})) - set(tags)):
            sns.untag_resource(ResourceArn=id_, TagKeys=gone)
        sns.tag_resource(ResourceArn=id_, Tags=key_values(tags))
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Delete it."""
        aws.client("sns").delete_topic(TopicArn=id_)


class TopicPolicy(Resource):
    """Who may write to a topic; its id is the topic's ARN."""

    type = "aws:sns/topicPolicy:TopicPolicy"
    takes = frozenset({"arn", "policy"})
    replaced_by = frozenset({"arn"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the policy."""
        _set(aws, inputs["arn"], "Policy", inputs["policy"])
        return inputs["arn"], {"owner": aws.account}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read the policy."""
        found = aws.client("sns").get_topic_attributes(TopicArn=id_)["Attributes"]["Policy"]
        return {"policy": same_document(state["policy"], json.loads(found))}

    def update(
        self,
        id_: str,  # noqa: ARG002 - the topic says it
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],  # noqa: ARG002 - it is put whole
        aws: Clients,
    ) -> dict[str, Any]:
        """Put the other policy in its place."""
        self.create(inputs, aws)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Leave the topic to its account alone, as the provider does: there is always a policy."""
        owner = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{aws.account}:root"},
                    "Action": "sns:Publish",
                    "Resource": id_,
                }
            ],
        }
        _set(aws, id_, "Policy", json.dumps(owner))


class TopicSubscription(Resource):
    """Who is told. AWS mails a link first; moto takes any address as confirmed."""

    type = "aws:sns/topicSubscription:TopicSubscription"
    takes = frozenset({"topic", "protocol", "endpoint"})
    replaced_by = takes

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Subscribe."""
        arn = aws.client("sns").subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return arn, {"arn": arn}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:  # noqa: ARG002 - the id says it
        """Read who is told of what, and how."""
        found = aws.client("sns").get_subscription_attributes(SubscriptionArn=id_)["Attributes"]
        return {
            "topic": found["TopicArn"],
            "protocol": found["Protocol"],
            "endpoint": found["Endpoint"],
        }

    def update(
        self,
        id_: str,  # noqa: ARG002 - any other input is another subscription
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],  # noqa: ARG002 - the same
        aws: Clients,
    ) -> dict[str, Any]:
        """Subscribe once more, which changes nothing."""
        self.create(inputs, aws)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Unsubscribe."""
        aws.client("sns").unsubscribe(SubscriptionArn=id_)


def _set(aws: Clients, topic: str, name: str, value: str) -> None:
    aws.client("sns").set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)
