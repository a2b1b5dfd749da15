// Keeps the page up to date without loading it anew, so that what somebody types, has unfolded or
// has focused stays. Without this script every form still works.
"use strict";

const BUSY_MS = 300;
const IDLE_MS = 1000;
const news = document.getElementById("news");
const live = document.getElementById("live");
const gone = document.getElementById("gone"); // on screen wherever somebody has scrolled to
const PAGE = new URL("..", document.currentScript.src); // its path begins with the run's key
const known = new Map(); // the server's HTML of each part, as last shown
let asking = false; // a form is on its way
let sent = 0; // how many forms have been: what was polled before may be older than their answers
let timer = 0;

const parts = (root) => root.querySelectorAll("[data-live] > *");

function bare(part) {
  const copy = part.cloneNode(true);
  copy.querySelectorAll(".problem").forEach((each) => each.remove());
  return copy.outerHTML;
}

function tell(sentence) {
  if (sentence) news.textContent = sentence;
}

function keepState(old, fresh, emptied) {
  if (old.localName === "option") fresh.selected = old.selected;
  for (const each of old.querySelectorAll("details[id], input[id], select[id]")) {
    const twin = fresh.querySelector(`#${CSS.escape(each.id)}`);
    if (each.localName === "details" && twin) twin.open = each.open;
    else if (twin && !emptied) twin.value = each.value;
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
  const said = [];
  const stays = (each) => !sender && each.matches(".problem");
  const named = new Set([...fresh.children].map((each) => each.id));
  for (const each of [...region.children]) {
    if (!named.has(each.id) && !stays(each)) each.remove();
  }
  let next = region.firstElementChild;
  for (const child of [...fresh.children]) {
    const part = document.importNode(child, true);
    const html = bare(part);
    const old = document.getElementById(part.id);
    while (next && next !== old && stays(next)) next = next.nextElementSibling;
    if (part.dataset.news && part.dataset.news !== old?.dataset.news) said.push(part.dataset.news);
    if (next === old && next) next = next.nextElementSibling;
    const problems = sender && (part.querySelector(".problem") || old?.querySelector(".problem"));
    if (!old) region.insertBefore(part, next);
    else if (known.get(part.id) !== html || problems) replace(old, part, sender);
    known.set(part.id, html);
  }
  return said;
}

function show(html, sender) {
  const next = new DOMParser().parseFromString(html, "text/html");
  const refusal = next.getElementById("refusal");
  if (refusal) throw new Error(refusal.textContent);
  const said = [];
  for (const region of document.querySelectorAll("[data-live]")) {
    const fresh = next.getElementById(region.id);
    if (fresh) said.push(...sync(region, fresh, sender));
    if (fresh) region.dataset.busy = fresh.dataset.busy ?? "no";
  }
  tell(said.join(". "));
  live.textContent = "Refreshes itself";
  live.classList.remove("lost");
  gone.hidden = true;
}

function lost(error) {
  const sentence = error instanceof TypeError
    ? "The sandbox does not answer: it may have been stopped."
    : error.message;
  if (live.textContent !== sentence) tell(sentence);
  live.textContent = sentence;
  live.classList.add("lost");
  gone.textContent = sentence;
  gone.hidden = false;
}

async function poll() {
  clearTimeout(timer);
  if (!document.hidden && !asking) {
    try {
      const before = sent;
      const html = await (await fetch(PAGE)).text();
      if (sent === before) show(html, null);
    } catch (error) {
      lost(error);
    }
  }
  const busy = document.querySelector('[data-live][data-busy="yes"]');
  clearTimeout(timer);
  timer = setTimeout(poll, busy ? BUSY_MS : IDLE_MS);
}

// Leaves the page only if somebody answers: else the browser's own error would take its place.
async function leave(form) {
  try {
    await fetch(PAGE, { method: "HEAD" });
    form.submit();
  } catch (error) {
    asking = false;
    lost(error);
  }
}

async function submit(event) {
  const form = event.target;
  event.preventDefault();
  if (asking) return;
  asking = true;
  if (!form.matches("form[data-stay]")) {
    await leave(form);
    return;
  }
  sent += 1;
  try {
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.action, { method: "POST", body });
    show(await answer.text(), form);
  } catch (error) {
    lost(error);
  } finally {
    asking = false;
  }
}

// A problem is what a form's own address answers: loaded anew, it would be sent again.
if (location.pathname !== PAGE.pathname) history.replaceState(null, "", PAGE);
parts(document).forEach((each) => known.set(each.id, bare(each)));
live.textContent = "Refreshes itself";
document.addEventListener("submit", submit);
window.addEventListener("pageshow", () => { asking = false; });
document.addEventListener("visibilitychange", () => document.hidden || poll());
timer = setTimeout(poll, BUSY_MS);
