// Keeps the order form's values and key in this tab, so that they survive a reload, Back and a lost answer.
// When the form is shown again, the script first asks whether the key has an order.
"use strict";

const DRAFT = "orderapp.draft";
const SEEN = "orderapp.seen"; // the orders whose pages this tab has shown
const ASK_TIMEOUT = 10000; // milliseconds

function recall(name, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise; // the browser stores nothing
  }
}

function keep(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // The browser stores nothing: the page works as without scripts.
  }
}

// Quantities are in the basket, which the server keeps.
const typedFields = (form) => [...form.querySelectorAll("input[name]:not([type=hidden], .quantity)")];

function saveDraft(form) {
  const fields = Object.fromEntries(typedFields(form).map((field) => [field.name, field.value]));
  keep(DRAFT, { key: form.elements.key.value, fields });
}

function putBack(form, fields, isWanted) {
  for (const field of typedFields(form)) {
    if (field.name in fields && isWanted(field)) field.value = fields[field.name];
  }
  form.dispatchEvent(new Event("input"));
}

// Returns the notice of the key's order; empty if there is no order or the server can't be reached.
async function becameOf(form, key) {
  try {
    const headers = { "Draft-Key": key };
    const response = await fetch(form.dataset.became, { headers, signal: AbortSignal.timeout(ASK_TIMEOUT) });
    return response.status === 200 ? await response.text() : "";
  } catch {
    return "";
  }
}

async function comeBack(form) {
  const draft = recall(DRAFT, null);
  if (!draft || form.dataset.draft === "new") return keep(DRAFT, null);
  if (form.dataset.draft === "again") return putBack(form, draft.fields, (field) => field.value === "");
  const fresh = form.elements.key.value;
  const notice = document.querySelector("[data-arrived]");
  if (form.dataset.draft !== "typed") form.elements.key.value = draft.key; // immediately, so that a quick press is the same order
  const html = await becameOf(form, form.elements.key.value);
  const order = new DOMParser().parseFromString(html, "text/html").querySelector("[data-order]");
  const visit = performance.getEntriesByType("navigation")[0]?.type;
  if (order && visit === "navigate" && recall(SEEN, []).includes(order.dataset.order)) {
    form.elements.key.value = fresh; // the customer knows that order; this form is for a new one
    return keep(DRAFT, null);
  }
  const untouched = (field) => field.value === field.defaultValue;
  if (form.dataset.draft !== "typed") putBack(form, draft.fields, untouched);
  notice.innerHTML = html;
}

const draftForm = document.querySelector("form[data-draft]");
if (draftForm) {
  addEventListener("pageshow", () => comeBack(draftForm));
  draftForm.addEventListener("input", (event) => event.isTrusted && saveDraft(draftForm));
  draftForm.addEventListener("submit", () => saveDraft(draftForm));
} else {
  keep(SEEN, [...recall(SEEN, []), location.pathname].slice(-20));
}
