"""The real program, deployed to the local AWS, and looked at through AWS's own API."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.program import PROJECT
from sandbox.local_aws.resources import RESOURCES
from tests.sandbox.deployments import REGION, ROOT, SECRETS, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.local_aws.engine import Deployment

TAGS = [{"Key": "project", "Value": PROJECT}, {"Key": "stack", "Value": "test"}]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """Give a local AWS."""
    with Aws(REGION) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(aws: Aws) -> Deployment:
    """Give the program's deployment, which the tests only look at."""
    return deployed(
        aws,
        RESERVED_CONCURRENCY="7",
        LOG_RETENTION_DAYS="30",
        MEMORY_MB="256",
        ALARM_EMAIL="oncall@example.com",
        KMS_KEY_ALIAS="oncall-state",
        DEPLOY_REPOSITORY="acme/oncall",
    )


def test_bucket_is_private_versioned_and_encrypted(aws: Aws, deployment: Deployment) -> None:
    """Every setting of the state bucket is in force, in the stack's region."""
    s3, name = aws.client("s3"), deployment.outputs["state_bucket"]
    assert name == f"indent-deploy-state-{aws.account}-test"
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == REGION
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == TAGS
    assert s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"] == {
        "Rules": [
            {
                "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"},
                "BucketKeyEnabled": True,
            }
        ]
    }
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    controls = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_bucket_forgets_old_versions_and_aborted_uploads(aws: Aws, deployment: Deployment) -> None:
    """After 90 and 7 days."""
    name = deployment.outputs["state_bucket"]
    rules = aws.client("s3").get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    by_name = {rule["ID"]: rule for rule in rules}
    old = by_name["expire-old-versions"]["NoncurrentVersionExpiration"]
    aborted = by_name["abort-uploads"]["AbortIncompleteMultipartUpload"]
    assert (old, aborted) == ({"NoncurrentDays": 90}, {"DaysAfterInitiation": 7})
    assert {rule["Status"] for rule in rules} == {"Enabled"}


def test_bucket_still_serves_moto_cannot_evaluate_its_policy(
    aws: Aws, deployment: Deployment
) -> None:
    """The TLS-only policy is recorded and not put: moto would deny every call by it."""
    s3, name = aws.client("s3"), deployment.outputs["state_bucket"]
    assert "aws:s3/bucketPolicy:BucketPolicy" in {made.type for made in deployment.resources}
    s3.put_object(Bucket=name, Key="state.json", Body=b"{}")
    assert s3.get_object(Bucket=name, Key="state.json")["Body"].read() == b"{}"


def test_secret_holds_the_secret_keys_as_json(aws: Aws, deployment: Deployment) -> None:
    """The version that the function is told of is the current one."""
    variables = deployment.function.config.environment
    stored = aws.client("secretsmanager").get_secret_value(SecretId=variables["HANDLER_SECRET_ARN"])
    assert json.loads(stored["SecretString"]) == SECRETS
    assert stored["VersionId"] == variables["HANDLER_SECRET_VERSION"]
    assert stored["VersionStages"] == ["AWSCURRENT"]
    assert stored["ARN"] == deployment.outputs["secret_arn"]
    described = aws.client("secretsmanager").describe_secret(SecretId=stored["ARN"])
    assert described["Tags"] == TAGS


def test_role_may_write_its_log_and_read_its_secret(aws: Aws, deployment: Deployment) -> None:
    """The documents in IAM hold real ARNs: of this log group and this secret."""
    iam, name = aws.client("iam"), id_of(deployment, "aws:iam/role:Role", "approval-webhook-role")
    role = iam.get_role(RoleName=name)["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
    assert role["Tags"] == TAGS
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    log = deployment.outputs["log_group"]
    assert [(each["Action"], each["Resource"]) for each in document["Statement"]] == [
        (
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"arn:aws:logs:{REGION}:{aws.account}:log-group:{log}:*",
        ),
        ("secretsmanager:GetSecretValue", deployment.outputs["secret_arn"]),
    ]


def test_boundary_is_what_the_role_may_and_what_it_carries(
    aws: Aws, deployment: Deployment
) -> None:
    """With a repository that deploys, the role's own policy is the most that it can ever have."""
    iam, name = aws.client("iam"), id_of(deployment, "aws:iam/role:Role", "approval-webhook-role")
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    boundary = iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    version = iam.get_policy(PolicyArn=boundary)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=boundary, VersionId=version)["PolicyVersion"]
    own = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    assert found["Document"] == own


def test_log_group_keeps_its_lines_as_long_as_configured(aws: Aws, deployment: Deployment) -> None:
    """The group that the function names exists, with its retention and tags."""
    name = deployment.outputs["log_group"]
    (group,) = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert group["retentionInDays"] == 30
    tags = aws.client("logs").list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"]
    assert tags == {"project": PROJECT, "stack": "test"}


def test_function_is_configured(aws: Aws, deployment: Deployment) -> None:
    """What Lambda would run is what the program asked for."""
    functions, name = aws.client("lambda"), deployment.outputs["function_name"]
    found = functions.get_function(FunctionName=name)
    config = found["Configuration"]
    assert config["Runtime"] == "python3.13"
    assert config["Architectures"] == ["arm64"]
    assert config["Handler"] == "handler.app.handle"
    assert (config["Timeout"], config["MemorySize"]) == (15, 256)
    role = id_of(deployment, "aws:iam/role:Role", "approval-webhook-role")
    assert config["Role"].endswith(f"/{role}")
    assert found["Tags"] == {"project": PROJECT, "stack": "test"}
    reserved = functions.get_function_concurrency(FunctionName=name)
    assert reserved["ReservedConcurrentExecutions"] == 7
    variables = config["Environment"]["Variables"]
    assert variables["AUTO_APPROVAL_DURATION"] == "6"
    assert not any(value in json.dumps(config) for value in SECRETS.values())


def test_deployed_function_tells_how_to_run_it(deployment: Deployment) -> None:
    """The record holds what a runtime needs, moto's memory gaps filled from the program."""
    function = deployment.function.config
    assert function.name == deployment.outputs["function_name"]
    assert function.arn.endswith(f":function:{function.name}")
    assert function.handler == "handler.app.handle"
    assert (function.timeout, function.memory_mb) == (15, 256)
    assert (function.log_format, function.log_group) == ("JSON", deployment.outputs["log_group"])
    assert deployment.function.reserved_concurrency == 7


def test_url_is_public_by_both_statements(aws: Aws, deployment: Deployment) -> None:
    """The two that AWS asks for, and no other; neither opens Invoke beyond the URL."""
    functions, name = aws.client("lambda"), deployment.outputs["function_name"]
    url = functions.get_function_url_config(FunctionName=name)
    assert url["AuthType"] == "NONE"
    assert deployment.outputs["webhook_url"] == f"{url['FunctionUrl']}/"
    policy = json.loads(functions.get_policy(FunctionName=name)["Policy"])
    said = [
        {key: each[key] for key in each if key not in {"Resource", "Effect"}}
        for each in policy["Statement"]
    ]
    assert said == [
        {
            "Sid": "FunctionURLAllowPublicAccess",
            "Principal": "*",
            "Action": "lambda:InvokeFunctionUrl",
            "FunctionUrlAuthType": "NONE",
        },
        {
            "Sid": "FunctionURLAllowInvokeAction",
            "Principal": "*",
            "Action": "lambda:InvokeFunction",
            "InvokedViaFunctionUrl": True,
        },
    ]


def test_zip_comes_out_again_with_the_handler_alone(aws: Aws, deployment: Deployment) -> None:
    """What is taken out of the local AWS are the Python files of handler/, byte for byte."""
    assert deployment.function.zip == aws.zip_of(deployment.outputs["function_name"])
    with zipfile.ZipFile(io.BytesIO(deployment.function.zip)) as zipped:
        assert {name: zipped.read(name) for name in zipped.namelist()} == {
            path.relative_to(ROOT).as_posix(): path.read_bytes()
            for path in (ROOT / "handler").rglob("*.py")
        }


def test_every_resource_is_listed_once(deployment: Deployment) -> None:
    """The list is what a person is shown: type, name, id, and never what is secret."""
    assert {made.type for made in deployment.resources} == set(RESOURCES)
    names = [(made.type, made.name) for made in deployment.resources]
    assert len(names) == len(set(names))
    assert all(made.name and made.id for made in deployment.resources)
    assert not any(value in repr(deployment) for value in SECRETS.values())


def test_key_is_turned_over_and_named(aws: Aws, deployment: Deployment) -> None:
    """The alias leads to the key, which is turned over by itself."""
    kms, key = aws.client("kms"), id_of(deployment, "aws:kms/key:Key")
    assert kms.describe_key(KeyId="alias/oncall-state")["KeyMetadata"]["KeyId"] == key
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


def id_of(deployment: Deployment, type_: str, name: str = "") -> str:
    """Give the physical id of the one resource of a type, or of that name."""
    (found,) = (
        made.id for made in deployment.resources if made.type == type_ and name in {"", made.name}
    )
    return found
