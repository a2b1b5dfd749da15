"""What the program makes can be read, changed and deleted, as Pulumi's engine asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.local_aws.clients import Credentials
from sandbox.local_aws.deployment import CreatedResource
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.plugin import LocalAwsProvider, RefusedEndpointError
from sandbox.local_aws.resources import resource_of
from tests.sandbox.deployments import deployed


def _state(aws: Aws, made: CreatedResource) -> Mapping[str, Any]:
    """The inputs, and the outputs that a later step needs."""
    arns = {
        "aws:cloudwatch/logGroup:LogGroup": f"arn:aws:logs:{aws.region}:{aws.account}:log-group:",
        "aws:lambda/function:Function": f"arn:aws:lambda:{aws.region}:{aws.account}:function:",
    }
    return {**made.inputs, "arn": f"{arns.get(made.type, '')}{made.id}"}


def test_all_that_is_made_can_be_read_changed_and_deleted() -> None:
    """No drift in what was just made, none after a change to the same, and nothing after it all."""
    with Aws("us-west-2") as aws:
        switches = {
            "ALARM_EMAIL": "oncall@example.com",
            "KMS_KEY_ALIAS": "oncall-state",
            "DEPLOY_REPOSITORY": "acme/oncall",
        }
        made = deployed(aws, **switches).resources
        for each in made:
            resource, state = resource_of(each.type), _state(aws, each)
            found = resource.read(each.id, state, aws)
            assert found is not None, each.type
            kept = {key: value for key, value in found.items() if key != "codeSha256"}
            assert kept.items() <= state.items(), each.type
            if each.inputs.keys() - resource.replaced_by:
                resource.update(each.id, each.inputs, {**state, "tags": {"old": "tag"}}, aws)
                again = resource.read(each.id, state, aws)
                assert again is not None, each.type
                assert {k: again[k] for k in kept} == kept, each.type
        for each in reversed(made):
            resource_of(each.type).delete(each.id, _state(aws, each), aws)
        assert aws.client("s3").list_buckets()["Buckets"] == []
        assert aws.client("iam").list_roles()["Roles"] == []
        assert aws.client("iam").list_policies(Scope="Local")["Policies"] == []
        assert aws.client("lambda").list_functions()["Functions"] == []
        assert aws.client("logs").describe_log_groups()["logGroups"] == []
        assert aws.client("logs").describe_metric_filters()["metricFilters"] == []
        assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
        assert aws.client("cloudwatch").list_dashboards()["DashboardEntries"] == []
        assert aws.client("sns").list_topics()["Topics"] == []
        assert aws.client("sns").list_subscriptions()["Subscriptions"] == []
        assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
        (key,) = (each.id for each in made if each.type == "aws:kms/key:Key")
        assert "DeletionDate" in aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]


def test_drift_of_a_key_is_found_and_mended() -> None:
    """A policy, a rotation or tags that somebody changed by hand, and an alias that leads away."""
    with Aws("us-west-2") as aws:
        made = {each.type: each for each in deployed(aws, KMS_KEY_ALIAS="oncall-state").resources}
        key, alias = made["aws:kms/key:Key"], made["aws:kms/alias:Alias"]
        kms, key_type = aws.client("kms"), resource_of(key.type)
        kms.put_key_policy(KeyId=key.id, PolicyName="default", Policy='{"Statement": []}')
        kms.disable_key_rotation(KeyId=key.id)
        kms.untag_resource(KeyId=key.id, TagKeys=["stack"])
        kms.update_alias(AliasName=alias.id, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
        drifted = key_type.read(key.id, key.inputs, aws)
        assert drifted == {
            "description": key.inputs["description"],
            "enableKeyRotation": False,
            "policy": '{"Statement": []}',
            "tags": {"project": "oncall-approvals"},
        }
        assert resource_of(alias.type).read(alias.id, alias.inputs, aws) != alias.inputs
        for each in (key, alias):
            kind = resource_of(each.type)
            kind.update(each.id, each.inputs, drifted, aws)
            found = kind.read(each.id, each.inputs, aws)
            assert found is not None
            assert found.items() <= each.inputs.items()


def test_drift_of_a_boundary_is_found_and_mended() -> None:
    """A version that somebody put in force, and a role without its boundary or with another."""
    with Aws("us-west-2") as aws:
        made = {each.name: each for each in deployed(aws, DEPLOY_REPOSITORY="a/b").resources}
        role, boundary = made["approval-webhook-role"], made["approval-webhook-boundary"]
        other = made["deploy-role-rights"].inputs["policy"]
        iam, ours = aws.client("iam"), {"permissionsBoundary": boundary.id}
        role_type, policy_type = resource_of(role.type), resource_of(boundary.type)
        iam.create_policy_version(PolicyArn=boundary.id, PolicyDocument=other, SetAsDefault=True)
        drifted = policy_type.read(boundary.id, boundary.inputs, aws)
        assert drifted is not None
        assert json.loads(drifted["policy"]) == json.loads(other)
        for _ in range(6):  # more versions than IAM keeps
            policy_type.update(boundary.id, boundary.inputs, drifted, aws)
        assert policy_type.read(boundary.id, boundary.inputs, aws) == {
            "policy": boundary.inputs["policy"],
            "tags": boundary.inputs["tags"],
        }
        for taken_off in (True, False):
            if taken_off:
                iam.delete_role_permissions_boundary(RoleName=role.id)
            else:
                unbounded = {k: v for k, v in role.inputs.items() if k not in ours}
                role_type.update(role.id, unbounded, role.inputs, aws)
            found = role_type.read(role.id, role.inputs, aws)
            assert found is not None
            assert found["permissionsBoundary"] is None
            role_type.update(role.id, role.inputs, found, aws)
            found = role_type.read(role.id, role.inputs, aws)
            assert found is not None
            assert ours.items() <= found.items()


def test_bucket_that_was_cut_short_is_there_and_has_no_tags() -> None:
    """By its id alone it is told whole, as `pulumi import` asks; what is not there is an error."""
    bucket = resource_of("aws:s3/bucket:Bucket")
    with Aws("us-west-2") as aws:
        with pytest.raises(ClientError, match="404"):
            bucket.read("state", {}, aws)
        where = {"LocationConstraint": "us-west-2"}
        aws.client("s3").create_bucket(Bucket="state", CreateBucketConfiguration=where)
        assert bucket.read("state", {}, aws) == {
            "bucket": "state",
            "arn": "arn:aws:s3:::state",
            "region": "us-west-2",
            "tags": {},
        }
        assert bucket.read("state", {"bucket": "state"}, aws) == {"tags": {}}


@pytest.mark.parametrize(
    "endpoint", ["", "https://lambda.us-west-2.amazonaws.com", "http://127.0.0.1.example.com:80"]
)
def test_stand_in_provider_serves_no_other_aws(endpoint: str) -> None:
    """An AWS that is not of this machine is refused before a call."""
    with pytest.raises(RefusedEndpointError, match="AWS_ENDPOINT_URL is"):
        LocalAwsProvider({"AWS_ENDPOINT_URL": endpoint, **Credentials.new().variables()})


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_stand_in_provider_needs_the_key_of_the_local_aws(name: str) -> None:
    """Without it, boto3 would look for the machine's own."""
    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **Credentials.new().variables()}
    del environment[name]
    with pytest.raises(RefusedEndpointError, match=f"{name} is not set"):
        LocalAwsProvider(environment)


def test_what_was_changed_by_hand_is_seen() -> None:
    """A filter, an alarm, what a dashboard shows, a topic's name and who may write to it."""
    with Aws("us-west-2") as aws:
        made = {each.type: each for each in deployed(aws, ALARM_EMAIL="on@example.com").resources}
        logs, cloudwatch, sns = (aws.client(each) for each in ("logs", "cloudwatch", "sns"))

        def drifted(kind: str) -> set[str]:
            each = next(each for type_, each in made.items() if type_.endswith(f":{kind}"))
            state = _state(aws, each)
            found = resource_of(each.type).read(each.id, state, aws)
            assert found is not None
            return {key for key, value in found.items() if value != state.get(key)}

        def name(kind: str) -> str:
            return next(each.id for type_, each in made.items() if type_.endswith(f":{kind}"))

        log_group = name("LogGroup")
        (kept,) = logs.describe_metric_filters(filterNamePrefix=name("LogMetricFilter"))[
            "metricFilters"
        ]
        logs.delete_metric_filter(logGroupName=log_group, filterName=kept["filterName"])
        (transformation,) = kept["metricTransformations"]
        logs.put_metric_filter(
            logGroupName=log_group,
            filterName=kept["filterName"],
            filterPattern="{ $.message = 1 }",
            metricTransformations=[{**transformation, "metricValue": "2"}],
        )
        assert drifted("LogMetricFilter") == {"pattern", "metricTransformation"}
        cloudwatch.put_metric_alarm(
            AlarmName=name("MetricAlarm"),
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=99,
        )
        assert {"threshold", "comparisonOperator", "alarmActions"} <= drifted("MetricAlarm")
        cloudwatch.put_dashboard(DashboardName=name("Dashboard"), DashboardBody="{}")
        assert drifted("Dashboard") == {"dashboardBody"}
        topic = name("Topic")
        everybody = '{"Version": "2012-10-17", "Statement": []}'
        for attribute, value in (("DisplayName", "x"), ("Policy", everybody)):
            sns.set_topic_attributes(TopicArn=topic, AttributeName=attribute, AttributeValue=value)
        assert drifted("Topic") == {"displayName"}
        assert drifted("TopicPolicy") == {"policy"}
        logs.delete_metric_filter(logGroupName=log_group, filterName=kept["filterName"])
        cloudwatch.delete_alarms(AlarmNames=[name("MetricAlarm")])
        for kind in ("LogMetricFilter", "MetricAlarm"):
            each = next(each for type_, each in made.items() if type_.endswith(f":{kind}"))
            assert resource_of(each.type).read(each.id, _state(aws, each), aws) is None
