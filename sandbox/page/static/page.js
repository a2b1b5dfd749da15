// Keeps the page up to date without reloading it, so that what somebody types, unfolds or focuses
// stays. Without this script every form still works.
"use strict";

const BUSY_MS = 300;
const IDLE_MS = 1000;
const news = document.getElementById("news");
const lostNotice = document.getElementById("gone"); // on screen wherever the page is scrolled to
const PAGE = new URL("..", document.currentScript.src); // its path begins with the run's key
const htmlById = new Map(); // the server's HTML of each part, as last shown
let submitting = false; // a form is on its way
let submissions = 0; // a poll from before a submission may be older than its answer
let timer = 0;

const parts = (root) => root.querySelectorAll("[data-live] > *");

function withoutProblems(part) {
  const copy = part.cloneNode(true);
  copy.querySelectorAll(".problem").forEach((problem) => problem.remove());
  return copy.outerHTML;
}

function announce(sentence) {
  if (sentence) news.textContent = sentence;
}

// Whether a fold has to stay as it is: somebody has folded or unfolded it, or is busy in it.
function isInUse(fold) {
  if (fold.open !== (fold.dataset.default === "open")) return true;
  if (!fold.open) return false;
  const hasText = (input) => input.type === "text" && input.value !== "";
  return fold.contains(document.activeElement) || [...fold.querySelectorAll("input")].some(hasText);
}

function keepState(old, fresh, emptied) {
  if (old.localName === "option") fresh.selected = old.selected;
  const controls = "details[id], input[id], select[id]";
  for (const control of [old, ...old.querySelectorAll(controls)].filter((e) => e.matches(controls))) {
    const id = `#${CSS.escape(control.id)}`;
    const twin = fresh.matches(id) ? fresh : fresh.querySelector(id);
    if (!twin) continue;
    if (control.localName !== "details") {
      if (!emptied) twin.value = control.value;
    } else if (isInUse(control) && !twin.querySelector(".problem")) {
      twin.open = control.open;
    }
  }
}

function replace(old, fresh, sender) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  keepState(old, fresh, old.contains(sender) && !fresh.querySelector(".problem"));
  const selection = focused?.localName === "input" ? [focused.selectionStart, focused.selectionEnd] : null;
  old.replaceWith(fresh);
  if (!focused) return;
  const twin = (focused.id && document.getElementById(focused.id)) || fresh;
  twin.focus({ preventScroll: true });
  if (selection && twin.setSelectionRange) twin.setSelectionRange(...selection);
}

function sync(region, fresh, sender) {
  const announcements = [];
  const isKept = (part) => !sender && part.matches(".problem");
  const freshIds = new Set([...fresh.children].map((part) => part.id));
  for (const part of [...region.children]) {
    if (!freshIds.has(part.id) && !isKept(part)) part.remove();
  }
  let next = region.firstElementChild;
  for (const child of [...fresh.children]) {
    const part = document.importNode(child, true);
    const html = withoutProblems(part);
    const old = document.getElementById(part.id);
    while (next && next !== old && isKept(next)) next = next.nextElementSibling;
    if (part.dataset.news && part.dataset.news !== old?.dataset.news) announcements.push(part.dataset.news);
    if (next === old && next) next = next.nextElementSibling;
    const problems = sender && (part.querySelector(".problem") || old?.querySelector(".problem"));
    if (!old) region.insertBefore(part, next);
    else if (htmlById.get(part.id) !== html || problems) replace(old, part, sender);
    htmlById.set(part.id, html);
  }
  return announcements;
}

function show(html, sender) {
  const next = new DOMParser().parseFromString(html, "text/html");
  const refusal = next.getElementById("refusal");
  if (refusal) throw new Error(refusal.textContent);
  const announcements = [];
  for (const region of document.querySelectorAll("[data-live]")) {
    const fresh = next.getElementById(region.id);
    if (fresh) announcements.push(...sync(region, fresh, sender));
    if (fresh) region.dataset.busy = fresh.dataset.busy ?? "no";
  }
  announce(announcements.join(". "));
  lostNotice.hidden = true;
  document.body.dataset.state = "live";
}

function showLost(error) {
  const sentence = error instanceof TypeError
    ? "The sandbox does not answer. If it has stopped, run `make up` again and open the address that it prints."
    : error.message;
  if (lostNotice.hidden || lostNotice.textContent !== sentence) announce(sentence);
  document.body.dataset.state = "lost";
  lostNotice.textContent = sentence;
  lostNotice.hidden = false;
}

async function poll() {
  clearTimeout(timer);
  if (!document.hidden && !submitting) {
    try {
      const before = submissions;
      const html = await (await fetch(PAGE)).text();
      if (submissions === before) show(html, null);
    } catch (error) {
      showLost(error);
    }
  }
  const busy = document.querySelector('[data-live][data-busy="yes"]');
  clearTimeout(timer);
  timer = setTimeout(poll, busy ? BUSY_MS : IDLE_MS);
}

// Leaves the page only if the server answers: else the browser's own error would replace it.
async function leave(form) {
  try {
    await fetch(PAGE, { method: "HEAD" });
    form.submit();
  } catch (error) {
    submitting = false;
    showLost(error);
  }
}

async function submit(event) {
  const form = event.target;
  event.preventDefault();
  if (submitting) return;
  submitting = true;
  if (!form.matches("form[data-stay]")) {
    await leave(form);
    return;
  }
  submissions += 1;
  try {
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.action, { method: "POST", body });
    show(await answer.text(), form);
  } catch (error) {
    showLost(error);
  } finally {
    submitting = false;
  }
}

// The address may name a request or a duty that is folded away.
function unfoldTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target?.matches("article, form")) return;
  for (const fold of document.querySelectorAll("details")) {
    if (fold.contains(target) || fold.parentElement === target) fold.open = true;
  }
}

// The address of a problem: a reload shows the page without it.
if (location.search) history.replaceState(null, "", PAGE);
parts(document).forEach((part) => htmlById.set(part.id, withoutProblems(part)));
unfoldTarget();
window.addEventListener("hashchange", unfoldTarget);
document.body.dataset.state = "live";
document.addEventListener("submit", submit);
window.addEventListener("pageshow", () => { submitting = false; });
document.addEventListener("visibilitychange", () => document.hidden || poll());
timer = setTimeout(poll, BUSY_MS);
