// Puts products into the basket without loading the page again. Without it, each press loads the page.
"use strict";

const FULL = 409; // no more different products fit
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

// Screen readers announce a change only inside of what was there before.
function showBar(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const bar = document.querySelector("[data-bar]");
  bar.querySelector("[role=status]").replaceChildren(...fresh.querySelector("[role=status]").childNodes);
  bar.querySelector(".btn").className = fresh.querySelector(".btn").className;
}

// As without a script: the page that comes says what is in the basket, or why nothing is.
function sendAsPage(form, name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  form.append(field);
  form.submit();
}

for (const form of document.querySelectorAll("form[data-choosing]")) {
  let before = Promise.resolve(); // one after the other, so that the last press counts

  async function send(body) {
    const headers = { Basket: "alone" };
    const signal = AbortSignal.timeout(CHOOSE_TIMEOUT);
    const response = await fetch(form.action, { method: "POST", body, headers, signal, keepalive: true });
    if (![200, FULL].includes(response.status)) throw new Error(`status ${response.status}`);
    showBar(await response.text());
    return response.status;
  }

  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.dataset.step) return;
    event.preventDefault();
    const body = new FormData(form);
    body.set(button.name, button.value);
    const card = button.closest(".product");
    showChosen(card, Number(body.get(button.name)));
    before = before
      .then(() => send(body))
      .then((status) => status === FULL && showChosen(card, 0))
      .catch(() => sendAsPage(form, button.name, body.get(button.name)));
  });
}

// A page from the back/forward cache shows a basket that has changed since.
addEventListener("pageshow", (event) => event.persisted && location.reload());
