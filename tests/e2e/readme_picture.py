"""`python -m tests.e2e.readme_picture`: takes docs/page.png, the picture in the README.

Run it beside `make up`. Jane, who leads an incident, requests access on the sandbox's page; the
picture shows that one request.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

from tests.e2e.browser import Browser

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs/page.png"
WIDTH, MARGIN, SCALE = 760, 12, 2
TALL = 4000  # so that nothing needs scrolling
GRANTED = '(//article[contains(@class, "card")])[1][contains(., "Granted")]'
# Keep the outcome and its reason; hide intermediate steps, details and buttons.
AREA = """
const card = document.querySelector("article.card");
const rest = "form, details details";
for (const element of card.querySelectorAll(rest)) { element.remove(); }
document.activeElement.blur();
card.style.outline = "none";
const { x, y, width, height } = card.getBoundingClientRect();
return [x + window.scrollX, y + window.scrollY, width, height];
"""


def main() -> None:
    """Request access as Jane, and take the picture."""
    variables = (ROOT / ".sandbox/env").read_text(encoding="utf-8")
    page = re.search(r"SANDBOX_PAGE=['\"]?([^\s'\"]+)", variables)
    if page is None:
        raise SystemExit("There is no sandbox: run `make up` beside this.")
    with Browser() as browser:
        browser.set_viewport(WIDTH)
        browser.open(page[1])
        browser.find('//input[@name="reason"]').type("INC-1: checkout fails")
        browser.find('//button[@class="primary"]').click()
        browser.find(GRANTED)
        browser.set_viewport(WIDTH, height=TALL)
        x, y, width, height = browser.script(AREA)
        clip = {
            "x": x - MARGIN,
            "y": y - MARGIN,
            "width": width + 2 * MARGIN,
            "height": height + 2 * MARGIN,
            "scale": SCALE,
        }
        picture = browser(
            "POST",
            "/goog/cdp/execute",
            cmd="Page.captureScreenshot",
            params={"clip": clip},
        )
    PICTURE.write_bytes(base64.b64decode(picture["data"]))


if __name__ == "__main__":
    main()
