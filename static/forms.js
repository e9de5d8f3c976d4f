// Conveniences for every form; each page works without them.
"use strict";

// After this time without an answer the button is unlocked. The form keeps its key, so sending it again is safe.
const LOCK_MILLISECONDS = 30000;
const { overdue: OVERDUE, error: ERROR } = document.currentScript.dataset;

function say(form, text) {
  const status = form.querySelector("[data-guard-status]");
  if (status) status.textContent = text;
}

function unlock(form) {
  clearTimeout(Number(form.dataset.lock));
  delete form.dataset.lock;
  say(form, "");
  for (const button of form.querySelectorAll("button[aria-disabled]")) {
    button.removeAttribute("aria-disabled");
    button.textContent = button.dataset.label;
  }
}

function lock(form, button) {
  const letGo = () => {
    unlock(form);
    say(form, OVERDUE);
  };
  form.dataset.lock = "patient" in form.dataset ? "kept" : setTimeout(letGo, LOCK_MILLISECONDS);
  say(form, form.dataset.guard);
  if (!button) return;
  button.dataset.label = button.textContent;
  button.textContent = form.dataset.guard;
  button.setAttribute("aria-disabled", "true");
}

// While a form is on its way, a second press does nothing; Enter and double taps take the same path.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-guard]")) return;
  if (form.dataset.lock) {
    event.preventDefault();
    return;
  }
  const pressed = event.submitter;
  const button = pressed && !("enter" in pressed.dataset) ? pressed : form.querySelector("[data-guard-button]");
  if (!button || !("unguarded" in button.dataset)) lock(form, button);
});

// A page from the back/forward cache still has its button locked.
addEventListener("pageshow", () => document.querySelectorAll("form[data-lock]").forEach(unlock));

// A field's error is over: its message goes, with its line of the summary; with the last line the summary, and what the
// title says of it.
function mend(field) {
  const message = `${field.id}-error`;
  field.removeAttribute("aria-invalid");
  const described = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== message);
  if (described.length) field.setAttribute("aria-describedby", described.join(" "));
  else field.removeAttribute("aria-describedby");
  document.getElementById(message)?.remove();
  document.querySelector(`.error-summary a[href="#${field.id}"]`)?.closest("li").remove();
  const summary = document.querySelector(".error-summary");
  if (!summary || summary.querySelector("li")) return;
  summary.remove();
  if (document.title.startsWith(ERROR)) document.title = document.title.slice(ERROR.length).trimStart();
}

// An error goes away as soon as something is typed that could be right; the server judges it. Not when the field is left:
// the page would move under the very press that leaves it, and the press would miss its button.
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.matches("[aria-invalid]") && field.checkValidity()) mend(field);
});

// The error summary is read first.
const summary = document.querySelector(".error-summary");
if (summary) summary.focus();
