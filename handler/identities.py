"""Whose duties the providers' users have according to the policy's `identities`. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from handler import emails
from handler.duty import Duty, ProviderSnapshot


def identify(
    snapshot: ProviderSnapshot, identities: Mapping[str, Mapping[str, str]]
) -> ProviderSnapshot:
    """Give the duties of each user whom the policy maps to the e-mail to which it maps them.

    The policy's e-mail replaces the one that the provider shows, but what speaks against the shown
    one still speaks against the duty. Whoever declared an incident did so under both e-mails.

    Args:
        snapshot: the providers' answers.
        identities: by a provider's name, maps its user ids to e-mails.
    """

    def holder_of(duty: Duty) -> Duty:
        users = identities.get(duty.provider, {})
        if declarers := {users[name] for name in duty.declarers if name in users}:
            duty = duty._replace(declarers=duty.declarers | declarers)
        email = "" if duty.inactive else users.get(duty.user, "")
        if email in {"", duty.holder}:
            return duty
        return duty._replace(holder=email, shown=duty.holder)

    duties = tuple(map(holder_of, snapshot.duties))
    others = tuple(map(holder_of, snapshot.without_email))
    mapped = tuple(duty for duty in others if emails.is_address(duty.holder))
    # What has an end by now replaces the same duty as it was first read.
    return ProviderSnapshot(mapped).merge(
        snapshot._replace(
            duties=duties,
            without_email=tuple(duty for duty in others if not emails.is_address(duty.holder)),
        )
    )
