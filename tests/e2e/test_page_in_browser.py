"""The page in a real Chromium: its contents, mouse and keyboard."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.webhook_client import DEFAULT_KIND
from sandbox.demo_data import JANE, NORA, RESOURCE, RITA, seed_all
from sandbox.demo_space import open_space
from sandbox.page import Page, page_of
from sandbox.space import Space
from sandbox.space.tokens import Owner
from sandbox.stack import Sandbox
from tests.e2e.browser import Browser, missing_browser
from tests.e2e.page_checks import layout_problems, low_contrast_texts, structure

pytestmark = pytest.mark.skipif(bool(missing_browser()), reason=missing_browser())

NARROW, WIDE = 360, 1400
TAB, ENTER, SPACE = "\ue004", "\ue007", " "
NEWEST = '//article[@class="card"][1]'
IN_SIGHT = """
const { top, bottom } = document.getElementById(arguments[0]).getBoundingClientRect();
return top >= 0 && top < bottom && bottom <= window.innerHeight;
"""
LEAD = """//details[@class="slot" and contains(summary, "Incident Lead:")
  and contains(summary, "INC-1")]"""
# The page's landmarks for screen readers: role and name, each unique.
LANDMARKS = """
const landmarks = "nav, main, section, form[aria-label], form[aria-labelledby]";
const role = (e) => ({ NAV: "navigation", MAIN: "main", FORM: "form" })[e.tagName] ?? "region";
const name = (e) => e.getAttribute("aria-label")
  ?? document.getElementById(e.getAttribute("aria-labelledby"))?.textContent ?? "";
return [...document.querySelectorAll(landmarks)].map((e) => `${role(e)}: ${name(e)}`);
"""
RESOURCES = [{"kind": DEFAULT_KIND, "id": RESOURCE}]


@pytest.fixture(scope="module")
def space(sandbox: Sandbox) -> Iterator[Space]:
    """A space that asks the deployed webhook, with the demo's people at every provider."""
    seed_all({id_: one for id_, one in sandbox.doubles.items() if id_ != "incidentio"})
    with open_space(sandbox) as space:
        yield space


@pytest.fixture(scope="module")
def page(sandbox: Sandbox, space: Space) -> Iterator[Page]:
    """The page, as `make up` serves it."""
    with page_of(sandbox, space) as page:
        yield page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests, since starting it is slow."""
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser, page: Page, sandbox: Sandbox) -> Browser:
    """The browser with the page just opened, wide and light; Jane leads the incident."""
    assert sandbox.double
    sandbox.double.assign_role("INC-1", sandbox.double.lead, JANE)
    chromium.set_viewport(WIDE)
    chromium.open("about:blank")  # a change of the fragment alone wouldn't reload it
    chromium.open(page.url)
    choose(chromium, JANE)  # the form remembers the last requester
    return chromium


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for screenshots, which SCREENSHOTS may name."""
    return Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))


def button(word: str, within: str = "") -> str:
    """Selector of a button with this text."""
    return f'{within}//button[contains(., "{word}")]'


def switch(person: str, *, on: bool) -> str:
    """Selector of a person's switch for the incident's lead, on or off."""
    pressed = "true" if on else "false"
    return f'{LEAD}//button[@aria-pressed="{pressed}" and contains(., "{person}")]'


def choose(browser: Browser, email: str) -> None:
    """Select the requester."""
    browser.script("document.getElementById('who').value = arguments[0]", email)


def timeline(browser: Browser, status: str) -> str:
    """The newest request's timeline, once it has this status."""
    browser.find(f'{NEWEST}//span[contains(@class, "status") and contains(., "{status}")]')
    return browser.find(f"{NEWEST}//ol").text


def active(browser: Browser) -> str:
    """The focused element's id, or its text."""
    text = browser.script("const a = document.activeElement; return a.id || a.textContent")
    return str(text)


def tab_to(browser: Browser, id_: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(80):
        if active(browser) == id_:
            return
        browser.press(TAB)
    pytest.fail(f"the tab key does not lead to {id_}")


def take_screenshots(browser: Browser, pictures: Path, name: str, *, dark: bool) -> None:
    """Take a screenshot at both widths; everything must fit and be legible."""
    for width in (NARROW, WIDE):
        browser.set_viewport(width, dark=dark)
        height = browser.script("return document.documentElement.scrollHeight")
        browser.set_viewport(width, dark=dark, height=height)
        assert layout_problems(browser) == []
        assert low_contrast_texts(browser) == []
        picture = browser.screenshot()
        assert struct.unpack(">II", picture[16:24]) == (width, height)
        (pictures / f"{name}-{width}.png").write_bytes(picture)


def test_on_duty_then_off_duty(browser: Browser, pictures: Path) -> None:
    """On duty, access is granted with a reason; off duty, a human must approve."""
    browser.find('//input[@id="reason"]').type("to fix the checkout")
    browser.find(button("Request access")).click()
    text = timeline(browser, "Granted until")
    assert "“to fix the checkout”" in text
    lead = "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
    assert f"Approved for 6 hours: {lead}." in text
    take_screenshots(browser, pictures, "granted", dark=False)

    browser.find(f"{LEAD}/summary").click()
    browser.find(switch("Jane Lind", on=True)).click()
    browser.find(switch("Jane Lind", on=False))
    browser.find('//option[.="Jane Lind: off duty"]')
    browser.find(button("Request access")).click()
    text = timeline(browser, "Waiting for a human")
    assert "Left to humans: " in text
    take_screenshots(browser, pictures, "waiting", dark=True)

    browser.find(f'{NEWEST}//input[@name="reason"]').type("go ahead")
    browser.find(button("Approve", NEWEST)).click()
    text = timeline(browser, "Granted until")
    assert "Nora Falk approves until" in text
    assert "“go ahead”" in text
    take_screenshots(browser, pictures, "approved", dark=False)

    browser.find(button("Revoke", NEWEST)).click()
    assert "Nora Falk revokes the access." in timeline(browser, "Revoked by Nora Falk")


def test_everything_works_by_keyboard(browser: Browser) -> None:
    """Skip link, switches, request and review all work without a mouse."""
    browser.press(TAB)
    assert active(browser) == "Skip to the content"
    browser.press(ENTER)
    assert active(browser) == "main"
    tab_to(browser, "who")
    browser.press(*"Nora")
    tab_to(browser, "reason")
    browser.press(*"by hand", ENTER)
    assert "“by hand”" in timeline(browser, "Waiting for a human")
    name = browser.script("return document.querySelector('.card').id.replace('petition-', '')")
    assert active(browser) == f"petition-{name}"
    tab_to(browser, f"deny-petition-{name}")
    browser.press(ENTER)
    text = timeline(browser, "Denied by Rita Mora")
    assert "Rita Mora denies the request." in text
    assert active(browser) == f"petition-{name}"

    path = "return document.evaluate(arguments[0], document).iterateNext().id"
    lead, where = browser.script(path, LEAD), browser.script(path, switch("Jane Lind", on=True))
    for _ in range(80):
        browser.press(TAB)
        if browser.script("return document.activeElement.parentElement.id") == lead:
            break
    browser.press(ENTER)
    tab_to(browser, where)
    browser.press(SPACE)
    browser.find(switch("Jane Lind", on=False))
    assert active(browser) == where
    browser.press(SPACE)
    browser.find(switch("Jane Lind", on=True))
    assert active(browser) == where


def test_only_the_newest_is_unfolded(browser: Browser, space: Space) -> None:
    """A new request folds the previous one, unless a person unfolded it."""
    names = []
    for number in range(3):
        body = {"reason": f"number {number}", "resources": RESOURCES}
        names.append(space.petitions.create(Owner(NORA), body, wait=True).name)
        browser.find(f'{NEWEST}//p[.="“number {number}”"]')
        if number == 1:
            browser.find(f'//details[@id="story-petition-{names[0]}"]/summary').click()
    state = browser.script(
        "return arguments[0].map((name) => document.getElementById(`story-petition-${name}`).open)",
        names,
    )
    assert state == [True, False, True]


def test_the_answer_is_in_sight(browser: Browser) -> None:
    """After a request its answer is visible, even on a narrow screen."""
    browser.set_viewport(390, height=844)
    browser.find(button("Request access")).click()
    timeline(browser, "Granted until")
    browser.script("document.querySelector('.card > details > summary').id = 'newest'")
    assert browser.script(IN_SIGHT, "newest")


@pytest.fixture
def without_scripts(browser: Browser, page: Page) -> Iterator[Browser]:
    """The browser with the page open and scripts disabled."""
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page.url)
    yield browser
    browser.devtools("Emulation.setScriptExecutionDisabled", value=False)


def test_without_scripts(without_scripts: Browser, space: Space) -> None:
    """Without scripts every form works, and a reload sends nothing again."""
    browser = without_scripts
    assert "does not refresh itself" in browser.find('//section[@id="requests"]').text
    before = len(space.petitions.all())
    choose(browser, NORA)
    browser.find('//input[@id="reason"]').type("by forms alone")
    browser.find(button("Request access")).click()
    browser.find(f'{NEWEST}//p[.="“by forms alone”"]')
    petition = space.petitions.wait_for_webhooks(space.petitions.all()[-1].name)
    browser("POST", "/refresh")
    timeline(browser, "Waiting for a human")
    browser.find(button("Deny", NEWEST)).click()
    timeline(browser, "Denied by Rita Mora")
    browser.find('//input[@id="duration"]').type("soon")
    browser.find(button("Request access")).click()
    for _ in range(2):
        assert "“soon” isn't a duration" in browser.find('//p[@id="problem-request"]').text
        assert active(browser) == "duration"
        browser("POST", "/refresh")
    assert len(space.petitions.all()) == before + 1
    assert space.petitions.get(petition.name).phase == "closed"


def test_a_link_unfolds_what_it_names(browser: Browser, page: Page, space: Space) -> None:
    """A link to an older request unfolds it."""
    first, _ = (space.petitions.create(Owner(NORA), {"resources": RESOURCES}) for _ in range(2))
    browser.open("about:blank")
    browser.open(f"{page.url}#petition-{first.name}")
    browser.find(f'//details[@id="story-petition-{first.name}" and @open]')


def test_refreshes_do_not_disturb(browser: Browser, space: Space) -> None:
    """Updates appear and are announced; typing, focus and folding stay."""
    first = space.petitions.create(Owner(NORA), {"reason": "first", "resources": RESOURCES})
    browser.find(f'{NEWEST}//p[.="“first”"]')
    timeline(browser, "Waiting for a human")
    browser.find(f'{NEWEST}//summary[contains(., "Technical")]').click()
    reason = browser.find(f'{NEWEST}//input[@name="reason"]')
    reason.type("half a sen")
    browser.find('//input[@id="duration"]').type("45")
    reason.type("t")
    second = space.petitions.create(Owner(JANE), {"reason": "second", "resources": RESOURCES})
    browser.find(f'{NEWEST}[@id="petition-{second.name}"]//span[contains(., "Granted")]')
    browser.find('//p[@role="status" and contains(., "Jane Lind, Production: ")]')
    state = browser.script(
        """
        const card = document.getElementById("petition-" + arguments[0]);
        return [card.querySelector("details").open, card.querySelector("details details").open,
          card.querySelector("input[name=reason]").value,
          document.getElementById("duration").value, document.activeElement.id];
        """,
        first.name,
    )
    assert state == [True, True, "half a sent", "45", f"why-petition-{first.name}"]
    browser.press("e")
    assert browser.script("return document.activeElement.value") == "half a sente"


def test_change_while_typing(browser: Browser, space: Space) -> None:
    """If a request changes while a person types, their text, caret and folding stay."""
    petition = space.petitions.create(Owner(NORA), {"resources": RESOURCES})
    timeline(browser, "Waiting for a human")
    browser.find(f'{NEWEST}//summary[contains(., "Technical")]').click()
    browser.find(f'{NEWEST}//input[@name="reason"]').type("too la")
    space.petitions.review(Owner(RITA, admin=True), petition.name, {"event": "access/approve"})
    timeline(browser, "Granted until revoked")
    browser.press("t", "e")
    assert browser.script("return document.activeElement.value") == "too late"
    assert browser.script("return document.querySelector('.card details details').open")


def test_problem_in_the_form_is_shown_there(browser: Browser) -> None:
    """The wrong field has the focus, and the form keeps its values."""
    browser.find('//input[@id="reason"]').type("to look")
    browser.find('//input[@id="duration"]').type("soon")
    browser.find(button("Request access")).click()
    assert "“soon” isn't a duration" in browser.find('//p[@id="problem-request"]').text
    assert active(browser) == "duration"
    assert browser.script("return document.getElementById('reason').value") == "to look"


def test_problem_of_the_whole_form_is_shown_there(browser: Browser, page: Page) -> None:
    """The problem is visible and focused; a reload sends nothing again."""
    browser.script(
        "document.querySelectorAll('[name=resource]').forEach((box) => { box.checked = false; })"
    )
    browser.find(button("Request access")).click()
    assert browser.find('//p[@id="problem-request"]').text == "Choose at least one resource."
    assert browser.script("return document.activeElement.name") == "resource"
    assert browser.script(IN_SIGHT, "problem-request")
    assert browser.script("return location.href") == page.url
    browser("POST", "/refresh")
    browser.find('//body[@data-state="live"]')
    assert browser.script("return document.getElementById('problem-request') === null")


def test_problem_with_a_switch_is_shown_there(
    browser: Browser, sandbox: Sandbox, space: Space
) -> None:
    """The problem stays until the next form, even if the page refreshes."""
    assert sandbox.double
    incident = sandbox.double.declare_incident("Soon over", lead=NORA)
    slot = f'//details[@class="slot" and contains(summary, "{incident.reference}")][1]'
    pressed = f'{slot}//button[@aria-pressed="true"]'
    browser.find(f"{slot}/summary").click()
    # Refreshes are held back, so the switch is still there after the incident closes.
    browser.script(
        """
        const send = window.fetch;
        const later = new Promise((resolve) => { window.goOn = resolve; });
        window.fetch = (...call) => (call[1] ? send(...call) : later.then(() => send(...call)));
        """
    )
    sandbox.double.close_incident(incident)
    browser.find(pressed).click()
    gone = "This duty does not exist any more. The page now shows the current duties."
    assert browser.find('//p[@id="problem-duties"]').text == gone
    assert "Soon over" not in browser.find("//main").text
    browser.script("window.goOn()")
    space.petitions.create(Owner(NORA), {"reason": "meanwhile", "resources": RESOURCES})
    browser.find(f'{NEWEST}//p[.="“meanwhile”"]')
    assert browser.script("return document.getElementById('problem-duties') !== null")
    browser.find(f"{LEAD}/summary").click()
    browser.find(switch("Jane Lind", on=True)).click()
    browser.find(switch("Jane Lind", on=False))
    assert browser.script("return document.getElementById('problem-duties') === null")


def test_long_words_fit(browser: Browser, space: Space) -> None:
    """Long words don't make the page scroll sideways."""
    long = "x" * 400
    person = space.add_person(f"{'long' * 15}@example.com", "Long" * 30)
    body = {"reason": long, "resources": RESOURCES}
    space.petitions.create(Owner(person["email"]), body)
    for width in (NARROW, WIDE):
        browser.set_viewport(width)
        browser.find(f'{NEWEST}//p[contains(., "{long}")]')
        assert layout_problems(browser) == []


def test_screen_readers_find_their_way(browser: Browser) -> None:
    """Landmarks, ordered headings, and a unique name for each control."""
    browser.find(button("Request access")).click()
    timeline(browser, "Granted until")
    assert structure(browser) == {"skipped": [], "titles": 1, "duplicates": [], "dangling": []}
    landmarks = "return [...document.querySelectorAll('body > *, nav')].map((e) => e.localName)"
    assert browser.script(landmarks) == ["a", "header", "nav", "main", "footer"]
    for _ in range(2):  # by the same person, for the same resource
        browser.find(button("Request access")).click()
        timeline(browser, "Granted until")
    titles = ("Request access", "Requests", "Policy in force", "On duty now")
    regions = browser.script(LANDMARKS)
    assert regions == [
        "navigation: On this page",
        "main: ",
        *(f"region: {title}" for title in titles),
    ]
    labels = {
        f'//{kind}[@id="{id_}"]': browser.find(f'//{kind}[@id="{id_}"]').label
        for kind, id_ in (("select", "who"), ("input", "reason"), ("input", "duration"))
    }
    assert list(labels.values()) == ["As", "Why (optional)", "For how long (optional)"]
    assert browser.find(f"{NEWEST}//form//button").label == "Revoke Jane Lind, Production"
    assert browser.find(f"{NEWEST}").label == "Jane Lind for Production"
    browser.find(f"{LEAD}/summary").click()
    assert browser.find(switch("Jane Lind", on=True)).label.strip() == "Jane Lind"
    unnamed = browser.script(
        "return [...document.querySelectorAll('input:not([type=hidden]), select')]"
        ".filter((field) => !field.labels.length).map((field) => field.outerHTML)"
    )
    assert unnamed == []


def test_sandbox_that_has_stopped(browser: Browser, sandbox: Sandbox, space: Space) -> None:
    """If the sandbox has stopped, the open page says so."""
    with page_of(sandbox, space) as other:
        browser.open(other.url)
        browser.find('//body[@data-state="live"]')
        assert "efresh" not in browser.find("//main").text  # it runs, so no message is needed
    lost = (
        "The sandbox does not answer. If it has stopped, run `make up` again and open the address "
        "that it prints."
    )
    browser.find('//body[@data-state="lost"]')
    browser.find(f'//p[@role="status" and .="{lost}"]')
    browser.script("window.scrollTo(0, document.body.scrollHeight)")
    assert browser.find(f'//p[@id="gone" and .="{lost}"]').text == lost
    assert browser.script(IN_SIGHT, "gone")
    browser.script("document.querySelector('.primary').scrollIntoView({ block: 'center' })")
    browser.find(button("Request access")).click()
    assert browser.find('//p[@id="gone"]').text == lost


# Sends each server what a page may send, with and without a key, and returns what it could read.
STEAL = """
const headers = {
  authorization: arguments[1],
  "content-type": "application/x-amz-json-1.1",
  "x-amz-target": "secretsmanager.ListSecrets",
};
const tries = [
  {},
  { mode: "no-cors" },
  { method: "POST", body: "{}" },
  { method: "POST", body: "{}", mode: "no-cors" },
  { method: "POST", body: "{}", headers },
];
return (async () => {
  const read = [];
  for (const url of arguments[0]) for (const init of tries) {
    try {
      read.push(await (await fetch(url, init)).text());
    } catch (error) {
      read.push("");
    }
  }
  return read;
})();
"""


@pytest.mark.parametrize("site", ["127.0.0.1", "localhost"])
def test_page_of_another_site_reads_nothing(
    chromium: Browser, page: Page, sandbox: Sandbox, space: Space, site: str
) -> None:
    """A page of another port or host reads nothing, and its requests have no effect."""
    assert sandbox.double
    double = sandbox.double
    chromium.open(f"http://{site}:{urlsplit(double.url).port}/")
    scope = f"AKIDEXAMPLE/20260302/{sandbox.aws.region}/secretsmanager/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    # Except the server of this page.
    others = [space, *(other for other in sandbox.doubles.values() if other is not double)]
    reset = f"{sandbox.aws.endpoint}/moto-api/reset"
    urls = [sandbox.aws.endpoint, reset, sandbox.url, page.url, *(other.url for other in others)]
    before = [len(other.calls) for other in others]
    assert set(chromium.script(STEAL, urls, signed)) == {""}
    assert [len(other.calls) for other in others] == before
    assert sandbox.aws.client("secretsmanager").list_secrets()["SecretList"] != []
