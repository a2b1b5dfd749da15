"""Requests: whether a resource is a person, and which one."""

from __future__ import annotations

import pytest

from handler.request import Resource


@pytest.mark.parametrize(
    ("resource", "addresses"),
    [
        (Resource(), set()),
        (Resource(email=" "), set()),
        (Resource(email="Jane@Example.com"), {"jane@example.com"}),
        (Resource(other_emails=(" Mary@example.com", "")), {"mary@example.com"}),
        (Resource(email="a@x", other_emails=("b@x", "a@x")), {"a@x", "b@x"}),
    ],
)
def test_addresses(resource: Resource, addresses: set[str]) -> None:
    """A resource with any e-mail is a person."""
    assert resource.addresses == addresses
    assert resource.is_person is bool(addresses)


@pytest.mark.parametrize(
    "kind",
    [
        *("user", " user", "slack/user", "okta.v1.User ", "okta.v1.AppUser", "x:User"),
        *("okta.v1.User\u200b", "okta.v1.Us\u00ader", "user\u3164", "slack/us\ufe0fer"),
        *("okta.v1.User/", "okta.v1.User.", "x:User:/", "slack/user-", "(user)", "okta#user;"),
        *("okta.v1.\uff35ser", "okta\uff0ev1\uff0euser", "x\uff1auser", "okta\u2215user"),
        *("app\u00a0user", "app\u2028user", "\u24e4\u24e2\u24d4\u24e1"),
    ],
)
def test_a_person_by_kind(kind: str) -> None:
    """A resource of the kind user, in any spelling, is a person, even without an e-mail."""
    assert Resource(kind, "U1").is_person


@pytest.mark.parametrize(
    "kind", ["", "/", "\u200b", "okta.v1.Group", "users", "user/group", "superuser", "db-user"]
)
def test_other_kinds(kind: str) -> None:
    """Kinds that merely contain the word aren't people."""
    assert not Resource(kind, "U1").is_person


@pytest.mark.parametrize(
    ("person", "may"),
    [
        (Resource("slack/user", "U1", "jane@example.com"), True),
        (Resource("slack/user", "U2", "jane@example.com"), False),
        (Resource("Slack/us\u200ber", "U2", "jane@example.com"), False),
        (Resource("okta/user", "O1", "jane@example.com"), True),
        (Resource("okta/user", "jane@example.com", "jane@example.com"), True),
        (Resource("okta/user", "joan@example.com", "jane@example.com"), False),
        (Resource("okta/user", "joan\uff20example.com", "jane@example.com"), False),
        (Resource("okta/user", "joan%40example.com", "jane@example.com"), False),
        (Resource("okta/user", "O1", "jane\u200b@example.com"), False),
        (Resource("okta/user", "O1"), False),
    ],
)
def test_who_may_be_the_requester(person: Resource, may: bool) -> None:  # noqa: FBT001 - a column of the table
    """Another id of the same kind, or another e-mail, is another person."""
    assert person.may_be(Resource("slack/user", "U1", "jane@example.com")) is may
