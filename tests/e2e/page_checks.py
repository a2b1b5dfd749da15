"""Checks for layout and accessibility, by scripts that run in the page."""

from __future__ import annotations

from typing import Any

from tests.e2e.browser import Browser

# Texts with a contrast below WCAG's level AA: 4.5, or 3 for large text.
_LOW_CONTRAST = """
const channels = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
const luminance = ([r, g, b]) => [r, g, b].reduce((sum, channel, i) => {
  const c = channel / 255;
  const linear = c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  return sum + [0.2126, 0.7152, 0.0722][i] * linear;
}, 0);
const background = (element) => {
  for (let ancestor = element; ancestor; ancestor = ancestor.parentElement) {
    const color = channels(getComputedStyle(ancestor).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
const texts = [];
for (const element of document.querySelectorAll("body *")) {
  const text = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!text || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const [a, b] = [luminance(channels(style.color)), luminance(background(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) texts.push(`${element.textContent.trim()}: ${ratio.toFixed(2)}`);
}
return texts;
"""
# Elements wider than the page, too small to touch (WCAG 2.2: 24 pixels), or squeezed into a
# column of letters.
_LAYOUT_PROBLEMS = """
const wide = document.documentElement.clientWidth;
const problems = [];
if (document.documentElement.scrollWidth > wide) problems.push("the page scrolls sideways");
for (const element of document.querySelectorAll("button, input, select, summary, nav a")) {
  const box = element.getBoundingClientRect();
  if (!box.width) continue;
  const html = element.outerHTML;
  const small = element.type !== "checkbox" && box.height < 24;
  if (small) problems.push(`${html} is ${box.height} high`);
  if (box.right > wide || box.left < 0) problems.push(`${html} reaches over the side`);
}
for (const element of document.querySelectorAll("p, li")) {
  const box = element.getBoundingClientRect();
  if (box.width > 2 && box.width < 100 && box.height > 3 * box.width) {
    problems.push(`${element.textContent.trim()} is ${box.width} wide and ${box.height} high`);
  }
}
return problems;
"""
_STRUCTURE = """
const rank = (heading) => Number(heading.localName[1]);
const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")];
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
const all = [...document.querySelectorAll("*")];
const references = ["aria-labelledby", "aria-describedby", "for"].flatMap((name) =>
  all.flatMap((element) => (element.getAttribute(name) || "").split(" ").filter(Boolean)));
return {
  skipped: headings.filter((heading, i) => rank(heading) > (i ? rank(headings[i - 1]) : 0) + 1)
    .map((heading) => heading.textContent),
  titles: document.querySelectorAll("h1").length,
  duplicates: ids.filter((id, i) => ids.indexOf(id) !== i),
  dangling: references.filter((id) => !document.getElementById(id)),
};
"""


def low_contrast_texts(browser: Browser) -> list[str]:
    """Texts with a low contrast, and the contrast."""
    texts: list[str] = browser.script(_LOW_CONTRAST)
    return texts


def layout_problems(browser: Browser) -> list[str]:
    """Elements that don't fit."""
    problems: list[str] = browser.script(_LAYOUT_PROBLEMS)
    return problems


def structure(browser: Browser) -> dict[str, Any]:
    """Skipped heading ranks, number of titles, duplicate ids, and dangling references."""
    result: dict[str, Any] = browser.script(_STRUCTURE)
    return result
