"""If the deployed webhook fails, a waiting script waits for a human."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from approvals import Progress, Request, approval
from indentapi import phase

from sandbox.demo_data import JANE, NORA
from sandbox.space import Space
from sandbox.stack import Sandbox
from sandbox.vendors import faults
from sandbox.vendors.server import Fault
from tests.e2e.proxied_space import Proxy, client_of, space_asking
from tests.e2e.webhook_calls import PATIENCE

REQUEST: Request = {
    "reason": "to reset a password",
    "resources": [{"kind": "action", "id": "reset-password:123"}],
}


def is_down(proxy: Proxy) -> None:
    """Stop listening, so that connections are refused."""
    proxy.close()


def _plays(fault: Fault) -> Callable[[Proxy], None]:
    return lambda proxy: proxy.fail("/", fault)


def _claims(claims: object) -> Callable[[Proxy], None]:
    def answer(proxy: Proxy) -> None:
        proxy.claims = lambda _: claims

    return answer


FAILURES: dict[str, tuple[Callable[[Proxy], None], str]] = {
    "down": (is_down, "does not answer (ConnectionRefusedError)"),
    "hanging up": (_plays(faults.HangUp()), "does not answer (RemoteDisconnected)"),
    "behind a gateway that fails": (_plays(faults.Status(502)), "answered HTTP 502"),
    "no JSON": (_plays(faults.Garbage()), "answered with something other than a JSON object"),
    "no list of claims": (_claims("approved"), "answered in the wrong shape"),
    "claims that are nonsense": (_claims([7, None, {"event": "yes"}]), "was ignored"),
}


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Proxy]:
    """The proxy in front of the webhook."""
    with Proxy(sandbox.url) as proxy:
        yield proxy


@pytest.fixture
def space(
    request: pytest.FixtureRequest, sandbox: Sandbox, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Space]:
    """A space that calls the webhook twice, with a long timeout, and whose script runs as Jane."""
    timeout = getattr(request, "param", PATIENCE)
    with space_asking(
        f"{proxy.url}/", sandbox.webhook_secret, timeout=timeout, pauses=(0,)
    ) as space:
        monkeypatch.setenv("INDENT_API_URL", space.url)
        monkeypatch.setenv("INDENT_SPACE", space.name)
        monkeypatch.setenv("INDENT_API_TOKEN", space.token_for(JANE))
        yield space


@pytest.mark.parametrize(("fails", "note_text"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_left_to_a_human(
    fails: Callable[[Proxy], None], note_text: str, space: Space, proxy: Proxy
) -> None:
    """A failure grants nothing, the script gets no error, and a human can approve."""
    fails(proxy)
    assert_left_to_a_human(space, note_text)


@pytest.mark.parametrize("space", [0.3], indirect=True)
def test_a_slow_webhook_is_left_to_a_human(space: Space, proxy: Proxy) -> None:
    """A webhook that is too slow is left to a human as well."""
    proxy.fail("/", faults.Hang())
    assert_left_to_a_human(space, "does not answer (TimeoutError)")


def assert_left_to_a_human(space: Space, note_text: str) -> None:
    """Run a script, check that its petition stays open for this reason, and approve it."""
    kinds: list[str] = []

    def decide(progress: Progress) -> None:
        kinds.append(progress.kind)
        if progress.kind == "requested":
            petition = space.petitions.wait_for_webhooks(progress.petition["name"])
            assert petition.phase == "open"
            assert any(note_text in note.text for note in petition.notes)
            with client_of(space, NORA, admin=True) as boss:
                boss.petition.approve(petition.name, reason="go ahead")

    petition = asyncio.run(approval(REQUEST, on_event=decide))
    assert (phase(petition), kinds) == ("granted", ["requested", "granted"])
    (claim,) = [e for e in petition["state"]["eventHistory"] if e["event"] == "access/approve"]
    assert (claim["actor"]["email"], claim["reason"]) == (NORA, "go ahead")


def test_one_failure_is_tried_again(space: Space, proxy: Proxy) -> None:
    """After one failure the second try gets the webhook's approval."""
    proxy.fail("/", faults.Status(502), times=1)
    petition = asyncio.run(approval(REQUEST, quiet=True))
    assert phase(petition) == "granted"
    assert space.petitions.all()[-1].claims[0].event["actor"]["kind"] == "indent.v1.Bot"
