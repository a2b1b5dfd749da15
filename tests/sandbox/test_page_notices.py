"""The notices on the page: their text, and which receivers accepted them."""

from __future__ import annotations

from sandbox.function_log import FunctionLog
from sandbox.page import Page
from sandbox.page.presenter import MAX_NOTICES
from sandbox.receivers import SLACK, WEBHOOK, ReceivedNotice
from sandbox.space import Space
from tests.sandbox.page_client import SETTINGS, PageClient


def test_notices(space: Space, log: FunctionLog) -> None:
    """Notices are listed newest first, one for both receivers once, with names escaped."""
    notices: list[ReceivedNotice] = []
    with Page(space, [], log, SETTINGS, notices=notices) as page:
        client = PageClient(page.url)
        assert "Notices of approvals" not in client.get().words
        now = space.now()
        for number in range(MAX_NOTICES + 2):
            text = f"jane@example.com was approved for <b>{number}</b>\nUntil: noon\nRule: r"
            notices.append(ReceivedNotice(WEBHOOK, now, text))
            notices.append(ReceivedNotice(SLACK, now, text))
        answer = client.get()
    assert "Notices of approvals" in answer.words
    newest = MAX_NOTICES + 1
    assert (
        f"jane@example.com was approved for <b>{newest}</b> 12:00:00 UTC Until: noon Rule: r "
        "Received by Slack and Standard Webhooks."
    ) in answer.words
    assert answer.html.count('id="notice-') == MAX_NOTICES
    assert answer.html.index(f"notice-{newest}") < answer.html.index(f"notice-{newest - 1}")
    assert "<b>" not in answer.html
