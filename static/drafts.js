// Keeps what was typed and the key: in this tab, so that they survive a reload, Back and a lost answer; and in the browser
// from the press of the button until the answer is seen, so that another visit still knows of an order on its way.
// Before a key is used again, the server is asked whether it has an order.
"use strict";

const DRAFT = "orderapp.draft"; // of this tab
const SEEN = "orderapp.seen"; // the orders whose pages this tab has shown
const SENT = "orderapp.sent"; // of the browser: what was sent, and nobody has seen an answer to
const SENT_KEPT = 3 * 86400000; // milliseconds: a weekend; it holds a name and an address
const SENT_MOST = 5; // more than a person has on the way
const ON_ITS_WAY = 15000; // milliseconds; what was sent later than this ago may arrive yet, perhaps from another tab
const ASK_TIMEOUT = 10000; // milliseconds
const ASK_AGAIN = [1000, 30000]; // milliseconds: the first pause, and the longest

function recall(store, name, otherwise) {
  try {
    return JSON.parse(window[store].getItem(name)) ?? otherwise;
  } catch {
    return otherwise; // the browser stores nothing
  }
}

function keep(store, name, value) {
  try {
    window[store].setItem(name, JSON.stringify(value));
  } catch {
    // The browser stores nothing: the page works as without scripts.
  }
}

const wait = (milliseconds) => new Promise((go) => {
  setTimeout(go, milliseconds * (0.8 + 0.4 * Math.random())); // spread out, so that many pages don't ask at the same moment
  addEventListener("online", go, { once: true });
});

// What was sent, the latest last.
function sentDrafts() {
  const kept = recall("localStorage", SENT, []);
  return (Array.isArray(kept) ? kept : []).filter((one) => Date.now() - one.at < SENT_KEPT);
}

function forgetSent(isIt) {
  keep("localStorage", SENT, sentDrafts().filter((one) => !isIt(one)));
}

// A draft is over once its order's page is shown, and no earlier: that page may fail to come.
function knowOrder(key, order) {
  const marked = (one) => (one?.key === key ? { ...one, order } : one);
  keep("sessionStorage", DRAFT, marked(recall("sessionStorage", DRAFT, null)));
  keep("localStorage", SENT, sentDrafts().map(marked));
}

function forgetDrafts(isIt) {
  const draft = recall("sessionStorage", DRAFT, null);
  if (draft && isIt(draft)) keep("sessionStorage", DRAFT, null);
  forgetSent(isIt);
}

function rememberSent(form) {
  const draft = draftOf(form);
  keep("localStorage", SENT, [...sentDrafts().filter((one) => one.key !== draft.key), { ...draft, at: Date.now() }].slice(-SENT_MOST));
}

// Quantities are in the basket, which the server keeps; the other hidden fields are the page's own.
const NOT_KEPT = /^(csrf_token|key|expected_total|again|duplicate|shown:.*|quantity:.*)$/;

function draftOf(form) {
  return { key: form.elements.key.value, again: form.elements.again?.value, fields: Object.fromEntries([...new FormData(form)].filter(([name]) => !NOT_KEPT.test(name))) };
}

const typedFields = (form) => [...form.querySelectorAll("input[name]:not([type=hidden], .quantity)")];

function putBack(form, fields, isWanted) {
  const stale = typedFields(form).filter((field) => field.name in fields && isWanted(field) && field.value !== fields[field.name]);
  for (const field of stale) field.value = fields[field.name];
  if (stale.length) form.dispatchEvent(new Event("input"));
}

// Returns the notice of the key's order; empty if there is no order, null if the server can't be reached.
async function becameOf(place, key) {
  try {
    const headers = { "Draft-Key": key };
    const response = await fetch(place.dataset.became, { headers, cache: "no-store", signal: AbortSignal.timeout(ASK_TIMEOUT) });
    return response.status === 200 ? await response.text() : response.status === 204 ? "" : null;
  } catch {
    return null;
  }
}

const orderIn = (html) => new DOMParser().parseFromString(html, "text/html").querySelector("[data-order]")?.dataset.order;

function showNotice(place, kind, values = {}) {
  const card = place.querySelector(`template[data-notice=${kind}]`).content.cloneNode(true);
  for (const [name, value] of Object.entries(values)) card.querySelector(`[data-${name}]`).textContent = value;
  place.querySelector("[data-said]").replaceChildren(card);
}

let visits = 0; // the page may be shown again while an earlier question waits for its answer

// Asks until it is known what became of a draft that was sent; returns the notice of its order, empty if there is none.
async function askAboutSent(place, draft, ours) {
  showNotice(place, "checking");
  for (let [pause, longest] = ASK_AGAIN; ours === visits; pause = Math.min(pause * 2, longest)) {
    const html = await becameOf(place, draft.key);
    if (html || (html === "" && Date.now() - draft.at > ON_ITS_WAY)) return html;
    if (html === null && ours === visits) showNotice(place, "unreachable");
    await wait(pause);
  }
  return null;
}

// The order of a sent draft is told of, or the draft is shown to be sent again. Returns the order's address, if there is one.
async function tellOfSent(place, draft) {
  const ours = ++visits;
  const html = await (draft.at ? askAboutSent(place, draft, ours) : becameOf(place, draft.key));
  if (ours !== visits) return null;
  if (html) place.querySelector("[data-said]").innerHTML = html;
  else if (draft.at) {
    const at = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" }).format(draft.at);
    showNotice(place, "missing", { at });
  }
  const order = html ? orderIn(html) : null;
  if (order) knowOrder(draft.key, order);
  return order;
}

async function comeBack(form, place, isKept) {
  const { draft: kind } = form.dataset;
  const { key } = form.elements;
  const sent = sentDrafts();
  const own = { key: key.value, fields: {} }; // the server has filled in what belongs to it
  const kept = recall("sessionStorage", DRAFT, null) ?? sent.at(-1) ?? own;
  const draft = kind === "typed" || kind === "preview" ? own : kept;
  const at = sent.find((one) => one.key === draft.key)?.at;
  if (kind === "again" && !(at && draft.again === form.elements.again.value)) return putBack(form, draft.fields, (field) => field.value === "");
  // A page from the back/forward cache, or one that was reloaded, is no new visit.
  const isVisit = !isKept && performance.getEntriesByType("navigation")[0]?.type === "navigate";
  if (draft === own && isVisit && !at) return; // the page says itself what is known of its key
  const isUntouched = (field) => field.value === field.defaultValue;
  if (at) {
    key.value = draft.key; // immediately, so that a quick press is the same order
    putBack(form, draft.fields, isUntouched);
  }
  const order = await tellOfSent(place, { ...draft, at });
  if (form.dataset.lock) return; // it is on its way as it is
  if (order && isVisit && draft !== own && recall("sessionStorage", SEEN, []).includes(order)) {
    key.value = own.key; // the customer knows that order; this form is for a new one
    place.querySelector("[data-said]").replaceChildren();
    forgetDrafts((one) => one.key === draft.key);
    return;
  }
  if (order) key.value = draft.key;
  if (!at) putBack(form, draft.fields, isUntouched);
}

// The page of an order is shown, so its draft is over. Of a draft whose answer this page may be, the server knows the order.
async function seeOrder(page) {
  keep("sessionStorage", SEEN, [...recall("sessionStorage", SEEN, []), location.pathname].slice(-20));
  const isIt = (one) => one.order === location.pathname;
  forgetDrafts(isIt);
  for (const { key } of sentDrafts().filter((one) => !one.order)) {
    const html = await becameOf(page, key);
    if (html) knowOrder(key, orderIn(html));
  }
  forgetDrafts(isIt);
}

const draftForm = document.querySelector("form[data-draft]");
const draftPlace = document.querySelector("[data-became]");
const orderPage = document.querySelector("[data-follow]");
for (const form of document.querySelectorAll("form[data-answered]")) {
  forgetSent((one) => one.key === form.elements.key.value); // this page says that nothing was ordered
}
if (orderPage) seeOrder(orderPage);
else if (draftForm) {
  const save = () => keep("sessionStorage", DRAFT, draftOf(draftForm));
  addEventListener("pageshow", (event) => comeBack(draftForm, draftPlace, event.persisted));
  draftForm.addEventListener("input", (event) => event.isTrusted && save());
  draftForm.addEventListener("submit", save);
} else if (draftPlace) {
  const sent = sentDrafts().at(-1);
  if (new URLSearchParams(location.search).has("new")) forgetDrafts(() => true); // the customer starts a new order
  else if (sent && !draftPlace.querySelector("[data-order]")) tellOfSent(draftPlace, sent);
}
