"""What a person, or his screen reader, would mind about a page: found by scripts run in it."""

from __future__ import annotations

from typing import Any

from tests.e2e.browser import Browser

# Text whose contrast with what is behind it is under WCAG's level AA: 4.5, for large text 3.
_FAINT = """
const channels = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => [r, g, b].reduce((sum, each, i) => {
  const c = each / 255;
  const linear = c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  return sum + [0.2126, 0.7152, 0.0722][i] * linear;
}, 0);
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const found = channels(getComputedStyle(each).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found;
  }
  return [255, 255, 255];
};
const faint = [];
for (const each of document.querySelectorAll("body *")) {
  const text = [...each.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!text || !each.getClientRects().length) continue;
  const style = getComputedStyle(each);
  const [a, b] = [light(channels(style.color)), light(behind(each))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) faint.push(`${each.textContent.trim()}: ${ratio.toFixed(2)}`);
}
return faint;
"""
# What reaches over the page's side, is too small for a finger (WCAG 2.2, 24 pixels), or is squeezed
# into a column of letters.
_CRAMPED = """
const wide = document.documentElement.clientWidth;
const found = [];
if (document.documentElement.scrollWidth > wide) found.push("the page scrolls sideways");
for (const each of document.querySelectorAll("button, input, select, summary, nav a")) {
  const box = each.getBoundingClientRect();
  if (!box.width) continue;
  const html = each.outerHTML;
  if (each.type !== "checkbox" && box.height < 24) found.push(`${html} is ${box.height} high`);
  if (box.right > wide || box.left < 0) found.push(`${html} reaches over the side`);
}
for (const each of document.querySelectorAll("p, li")) {
  const box = each.getBoundingClientRect();
  if (box.width > 2 && box.width < 100 && box.height > 3 * box.width) {
    found.push(`${each.textContent.trim()} is ${box.width} wide and ${box.height} high`);
  }
}
return found;
"""
_SHAPE = """
const rank = (each) => Number(each.localName[1]);
const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")];
const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
const all = [...document.querySelectorAll("*")];
const refers = ["aria-labelledby", "aria-describedby", "for"].flatMap((name) =>
  all.flatMap((each) => (each.getAttribute(name) || "").split(" ").filter(Boolean)));
return {
  skipped: headings.filter((each, i) => rank(each) > (i ? rank(headings[i - 1]) : 0) + 1)
    .map((each) => each.textContent),
  titles: document.querySelectorAll("h1").length,
  twice: ids.filter((each, i) => ids.indexOf(each) !== i),
  dangling: refers.filter((each) => !document.getElementById(each)),
};
"""


def faint(browser: Browser) -> list[str]:
    """Texts that are hard to read."""
    found: list[str] = browser.script(_FAINT)
    return found


def cramped(browser: Browser) -> list[str]:
    """What does not fit."""
    found: list[str] = browser.script(_CRAMPED)
    return found


def shape(browser: Browser) -> dict[str, Any]:
    """Headings that skip a rank, how many titles there are, ids used twice, names of nothing."""
    found: dict[str, Any] = browser.script(_SHAPE)
    return found
