// While an order is being placed: says that it has arrived, and what is being arranged. The answer to the form is its page.
"use strict";

const FIRST_ASK = 1000; // milliseconds; most orders are placed before
const ASK_LIMIT = 5000; // of one question

async function arrivedText(form) {
  const headers = { "Draft-Key": form.elements.key.value };
  const response = await fetch(form.dataset.became, { headers, signal: AbortSignal.timeout(ASK_LIMIT) });
  if (response.status !== 200) return "";
  return new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-sending]")?.dataset.sending ?? "";
}

function followSending(form) {
  const status = form.querySelector("[data-guard-status]");
  let pause = FIRST_ASK;

  async function ask() {
    if (!form.dataset.lock) return; // it was answered, or may be sent again
    let text = "";
    try {
      text = await arrivedText(form);
    } catch {
      // Nothing is known, so nothing is said; the next question may get an answer.
    }
    // Said once; what comes of it is said by the order's page.
    if (text && form.dataset.lock) status.textContent = text;
    else plan();
  }

  function plan() {
    setTimeout(ask, pause);
    pause *= 2;
  }

  form.addEventListener("submit", () => {
    pause = FIRST_ASK;
    setTimeout(() => form.dataset.lock && plan(), 0); // once the guard has decided whether it is sent
  });
}

document.querySelectorAll("form[data-became]").forEach(followSending);
