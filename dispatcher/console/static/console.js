// Keeps a page up to date: asks for its live part every few seconds and changes what differs, where it stands, so that
// focus, selection and what was opened stay. Without this script the link "Refresh" does the same.
"use strict";

const page = document.body.dataset;
const live = document.getElementById("live");
const pulse = document.getElementById("pulse");
const hold = document.getElementById("hold");
const said = document.getElementById("said");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let held = false;

async function ask() {
  // Without an end, a connection that died silently would leave old figures "Live" for as long as TCP waits.
  const signal = AbortSignal.timeout(20_000);
  return fetch(location.href, { headers: { "X-Outbox-Live": "1" }, redirect: "error", cache: "no-store", signal });
}

async function update() {
  const response = await ask();
  if (response.status === 401) return location.reload();
  if (!response.ok) throw new Error(response.statusText);
  const fresh = document.createElement("template");
  fresh.innerHTML = await response.text(); // made and escaped by our own server
  if (held) return;
  change(live, fresh.content);
  say();
}

// Brings the children of `there` to what they are in `fresh`, changing as little as can be.
function change(there, fresh) {
  let at = there.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    while (at?.nodeType === Node.TEXT_NODE && wanted.nodeType !== Node.TEXT_NODE) at = drop(at);
    const known = wanted.id && [...there.children].find((child) => child.id === wanted.id);
    if (known) {
      if (known !== at) there.insertBefore(known, at);
      same(known, wanted);
      at = known.nextSibling;
    } else if (at && !at.id && !wanted.id && at.nodeName === wanted.nodeName) {
      same(at, wanted);
      at = at.nextSibling;
    } else {
      there.insertBefore(document.importNode(wanted, true), at);
    }
  }
  while (at) at = drop(at);
}

function drop(gone) {
  const next = gone.nextSibling;
  gone.remove();
  return next;
}

function same(there, wanted) {
  if (there.nodeType !== Node.ELEMENT_NODE) {
    if (there.nodeValue !== wanted.nodeValue) there.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...there.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") there.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  }
  change(there, wanted);
}

// Tells a screen reader when the state of things has changed, not when a number has.
function say() {
  const news = live.querySelector("[data-say]")?.dataset.say ?? "";
  if (news !== page.said) said.textContent = page.said === undefined ? "" : news;
  page.said = news;
}

async function watch() {
  if (!document.hidden && !held) {
    try {
      await update();
      pulse.textContent = "Live";
      pulse.classList.remove("away");
    } catch {
      pulse.textContent = "Not up to date, trying again";
      pulse.classList.add("away");
    }
  }
  // Who wants less movement gets fewer changes.
  setTimeout(watch, page.live * 1000 * (calm.matches ? 4 : 1));
}

// A page that could not be shown is tried again until it can.
async function retry() {
  try {
    if (!document.hidden && (await ask()).ok) return location.reload();
  } catch {
    // still away
  }
  setTimeout(retry, page.retry * 1000);
}

if (page.live && pulse) {
  hold.addEventListener("click", () => {
    held = !held;
    hold.setAttribute("aria-pressed", held);
    pulse.hidden = held;
  });
  pulse.hidden = hold.hidden = false;
  say();
  setTimeout(watch, page.live * 1000);
} else if (page.retry) {
  setTimeout(retry, page.retry * 1000);
}
