// Keeps a page up to date: fetches its live part every few seconds and patches the differences in place, so that focus,
// selection and opened details stay. Without this script, the link "Refresh" does the same.
"use strict";

const page = document.body.dataset;
const live = document.getElementById("live");
const pulse = document.getElementById("pulse");
const hold = document.getElementById("hold");
const announcement = document.getElementById("announcement");
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
let held = false;

async function fetchLive() {
  // Without a timeout, a dead connection would leave old figures marked "Live" for as long as TCP waits.
  const signal = AbortSignal.timeout(20_000);
  return fetch(location.href, { headers: { "X-Outbox-Live": "1" }, redirect: "error", cache: "no-store", signal });
}

async function update() {
  const response = await fetchLive();
  if (response.status === 401) return location.reload();
  if (!response.ok) throw new Error(response.statusText);
  const fresh = document.createElement("template");
  fresh.innerHTML = await response.text(); // rendered and escaped by our own server
  if (held) return;
  patchChildren(live, fresh.content);
  announce();
}

// Makes the children of `current` equal to those of `fresh`, with as few changes as possible.
function patchChildren(current, fresh) {
  let at = current.firstChild;
  for (const target of [...fresh.childNodes]) {
    while (at?.nodeType === Node.TEXT_NODE && target.nodeType !== Node.TEXT_NODE) at = removeNode(at);
    const match = target.id && [...current.children].find((child) => child.id === target.id);
    if (match) {
      if (match !== at) current.insertBefore(match, at);
      patch(match, target);
      at = match.nextSibling;
    } else if (at && !at.id && !target.id && at.nodeName === target.nodeName) {
      patch(at, target);
      at = at.nextSibling;
    } else {
      current.insertBefore(document.importNode(target, true), at);
    }
  }
  while (at) at = removeNode(at);
}

function removeNode(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function patch(current, target) {
  if (current.nodeType !== Node.ELEMENT_NODE) {
    if (current.nodeValue !== target.nodeValue) current.nodeValue = target.nodeValue;
    return;
  }
  for (const { name } of [...current.attributes]) {
    if (!target.hasAttribute(name) && name !== "open") current.removeAttribute(name);
  }
  for (const { name, value } of target.attributes) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
  patchChildren(current, target);
}

// Announces to screen readers that the situation has changed, but not every changed number.
function announce() {
  const news = live.querySelector("[data-announce]")?.dataset.announce ?? "";
  if (news !== page.announced) announcement.textContent = page.announced === undefined ? "" : news;
  page.announced = news;
}

async function watch() {
  if (!document.hidden && !held) {
    try {
      await update();
      pulse.textContent = "Live";
      pulse.classList.remove("away");
    } catch {
      pulse.textContent = "Out of date, retrying";
      pulse.classList.add("away");
    }
  }
  // Viewers who prefer reduced motion get fewer updates.
  setTimeout(watch, page.live * 1000 * (reducedMotion.matches ? 4 : 1));
}

// Reloads an error page as soon as the page itself is available.
async function retry() {
  try {
    if (!document.hidden && (await fetchLive()).ok) return location.reload();
  } catch {
    // not available yet
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
  announce();
  setTimeout(watch, page.live * 1000);
} else if (page.retry) {
  setTimeout(retry, page.retry * 1000);
}
