// Polls once a second for new arrivals and puts them on top. The HTML comes escaped from the server.
"use strict";

const SHOWN = 200;
const page = document.body.dataset;
const cards = document.getElementById("cards");
const live = document.getElementById("live");
const clear = document.getElementById("clear");

async function update() {
  const query = new URLSearchParams(location.search);
  query.set("after", page.last);
  const response = await fetch(`/updates?${query}`);
  if (!response.ok) throw new Error(response.statusText);
  const news = await response.json();
  if (news.epoch !== page.epoch) return location.reload();
  page.last = news.last;
  for (const cell of document.querySelectorAll("[data-total]")) {
    const [destination, key] = cell.dataset.total.split(".");
    cell.textContent = news.totals[destination][key].toLocaleString("en");
  }
  if (news.html) {
    const shown = new Set([...cards.children].slice(0, 1));
    cards.insertAdjacentHTML("afterbegin", news.html);
    for (const card of cards.children) {
      if (shown.has(card)) break;
      card.classList.add("new");
    }
    document.getElementById("empty").hidden = true;
    while (cards.children.length > SHOWN) cards.lastElementChild.remove();
  }
}

async function watch() {
  if (!document.hidden) {
    try {
      await update();
      live.textContent = "Live";
      live.classList.remove("away");
    } catch {
      live.textContent = "Reconnecting…";
      live.classList.add("away");
    }
  }
  setTimeout(watch, 1000);
}

clear.addEventListener("click", async () => {
  await fetch("/ledger", { method: "DELETE" });
  location.reload();
});
live.hidden = clear.hidden = false;
watch();
