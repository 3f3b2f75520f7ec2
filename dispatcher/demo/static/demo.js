// Polls the state of the conversions on this page until none is pending.
"use strict";

const PATIENCE = 60_000;
const panel = document.getElementById("recorded");
const since = Date.now();

async function update() {
  const response = await fetch("/recorded");
  if (!response.ok) return;
  for (const one of await response.json()) {
    const row = panel.querySelector(`[data-row="${one.id}"]`);
    if (!row) continue;
    for (const { destination, state, label, reason } of one.states) {
      const shown = row.querySelector(`[data-destination="${CSS.escape(destination)}"]`);
      shown.className = `state ${state}`;
      shown.title = reason;
      shown.querySelector("i").textContent = label;
    }
  }
}

async function watch() {
  await update().catch(() => {});
  if (panel.querySelector(".pending") && Date.now() - since < PATIENCE) setTimeout(watch, 300);
}

if (panel && panel.querySelector(".pending")) watch();
