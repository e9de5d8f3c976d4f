// Puts products into the basket without loading the page again. Without it, each press loads the page.
"use strict";

const FULL = 409; // no more different products fit
const CHOOSE_TIMEOUT = 10000; // milliseconds
const STOCK_PAUSE = 6000; // milliseconds; the server asks for the stock every five seconds at the most
const STOCK_ASKS = 3;

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

// What is left comes after the page, and only if the stock can be asked at the moment.
async function showWhatIsLeft(form) {
  const places = [...form.querySelectorAll("[data-left]")];
  const skus = new URLSearchParams(places.map((place) => ["sku", place.dataset.left]));
  for (let times = 0; times < STOCK_ASKS; times += 1) {
    if (times) await new Promise((go) => setTimeout(go, STOCK_PAUSE));
    try {
      const response = await fetch(`${form.dataset.stock}?${skus}`, { signal: AbortSignal.timeout(CHOOSE_TIMEOUT) });
      const { left } = await response.json();
      for (const place of places) place.textContent = left[place.dataset.left] ?? place.textContent;
      if (places.every((place) => place.dataset.left in left)) return;
    } catch {
      // Nothing is said of the stock.
    }
  }
}

document.querySelectorAll("form[data-stock]").forEach(showWhatIsLeft);

// A page from the back/forward cache shows a basket that has changed since.
addEventListener("pageshow", (event) => event.persisted && location.reload());
