// Puts products into the basket without loading the page again. Without it, each press loads the page.
"use strict";

const CHOOSE_TIMEOUT = 10000; // milliseconds

// The buttons say which quantity they set, so a press that is sent twice changes nothing more.
function showChosen(card, chosen) {
  card.dataset.chosen = chosen;
  card.querySelector("[data-number]").textContent = chosen;
  for (const button of card.querySelectorAll("[data-step]")) {
    button.value = Math.min(Math.max(chosen + Number(button.dataset.step), 0), 1000);
  }
  const focused = card.contains(document.activeElement);
  const wanted = chosen === 0 ? ".add" : "[data-step='1']";
  if (focused && document.activeElement.offsetParent === null) card.querySelector(wanted).focus();
}

for (const form of document.querySelectorAll("form[data-choosing]")) {
  let before = Promise.resolve(); // one after the other, so that the last press counts

  async function send(body) {
    const headers = { Basket: "alone" };
    const signal = AbortSignal.timeout(CHOOSE_TIMEOUT);
    const response = await fetch(form.action, { method: "POST", body, headers, signal, keepalive: true });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    document.querySelector("[data-bar]").innerHTML = await response.text();
  }

  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.dataset.step) return;
    event.preventDefault();
    const body = new FormData(form);
    body.set(button.name, button.value);
    showChosen(button.closest(".product"), Number(button.value));
    // Where it can't be said, the page is loaded again, and shows what is in the basket.
    before = before.then(() => send(body)).catch(() => location.reload());
  });
}

// A page from the back/forward cache shows a basket that has changed since.
addEventListener("pageshow", (event) => event.persisted && location.reload());
