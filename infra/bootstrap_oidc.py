"""GitHub as somebody whose tokens the account takes, made where the stack is deployed from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.aws_account import error_code
from infra.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.aws_account import Account

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"


def ensure_oidc_provider(account: Account, report_step: Callable[[str], None]) -> None:
    """Make the account's identity provider for GitHub, of which there can be one; or leave it.

    Raises:
        SetupError: it is there, for others only.
    """
    iam = account.client("iam")
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    arns = [
        provider["Arn"]
        for provider in providers
        if provider["Arn"].endswith(f":oidc-provider/{ISSUER}")
    ]
    if not arns:
        report_step(f"makes the identity provider {ISSUER}")
        try:
            iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=[AUDIENCE])
        except ClientError as error:
            if error_code(error) != "EntityAlreadyExists":
                raise
        return
    (arn,) = arns
    audiences = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"]
    if AUDIENCE not in audiences:
        raise SetupError(
            f"the account's identity provider {ISSUER} doesn't accept the audience {AUDIENCE}; run "
            "`aws iam add-client-id-to-open-id-connect-provider "
            f"--open-id-connect-provider-arn {arn} --client-id {AUDIENCE}`"
        )
