// Sends the order form. While the order is being placed it says what is done at the moment; where the line is cut it asks
// what became of the order, and never claims what it doesn't know. The key stays, so sending again is always safe.
"use strict";

const ANSWER_LIMIT = 45000; // milliseconds; an order is decided within its lease, 30 s by default
const FIRST_ASK = 1000; // milliseconds; most orders are placed before
const LONGEST_ASK = 5000; // while somebody looks at the page
const ASK_LIMIT = 5000; // of one question
const ENOUGH = 3; // questions without an order: what was sent before has arrived by then, or hasn't been sent on

function askUnder(form) {
  const headers = { "Draft-Key": form.elements.key.value };
  return fetch(form.dataset.sending, { headers, cache: "no-store", signal: AbortSignal.timeout(ASK_LIMIT) });
}

// Browsers say at times that they are offline though they aren't, so that alone keeps nothing back.
const isCutOff = async (form) => !navigator.onLine && askUnder(form).then(() => false, () => true);

// Returns how far the key's order has come, or null if there is none. Raises if that can't be known.
async function placedUnder(form) {
  const response = await askUnder(form);
  if (response.status === 204) return null;
  if (!response.ok) throw Object.assign(new Error(), { pause: 1000 * (Number(response.headers.get("Retry-After")) || 0) });
  return response.json();
}

// Returns the address of the order's page, an empty text if the answer is another page, or null if none came.
async function answerTo(form) {
  const body = new URLSearchParams(new FormData(form));
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { Sending: "script" }, signal: AbortSignal.timeout(ANSWER_LIMIT) });
    if (response.status >= 500) return null; // nobody knows what it means for the order
    if (!response.ok) return "";
    return response.redirected ? response.url : (await response.json()).order;
  } catch {
    return null;
  }
}

function showSteps(list, steps) {
  list.replaceChildren(...steps.map(({ state, title, text }) => {
    const entry = document.createElement("li");
    const strong = document.createElement("strong");
    strong.textContent = title;
    const note = document.createElement("div");
    note.className = "timeline-time";
    note.textContent = text;
    entry.dataset.state = state;
    entry.append(strong, note);
    return entry;
  }));
  list.hidden = !steps.length;
}

function followSending(form) {
  const { checking, unreachable, missing, offline, online } = form.dataset;
  const list = form.querySelector("[data-steps]");
  let run = 0; // a press or a return ends what went before

  const tell = (text) => {
    const status = form.querySelector("[data-guard-status]");
    if (status.textContent !== text) status.textContent = text; // each thing is announced once
  };
  const open = (address) => {
    run += 1;
    knowOrder(form.elements.key.value, new URL(address, location.href).pathname);
    location.assign(address);
  };
  const release = (text) => {
    unlock(form);
    showSteps(list, []);
    tell(text);
  };

  async function watch(ours) {
    for (let pause = FIRST_ASK; ours === run; pause = Math.min(pause * 1.5, LONGEST_ASK)) {
      await wait(pause);
      const found = ours === run ? await placedUnder(form).catch(() => null) : null;
      if (!found || ours !== run) continue;
      tell(found.told);
      if (!found.placing) return open(found.order);
      showSteps(list, found.steps);
    }
  }

  async function check(ours) {
    tell(checking);
    let nothing = 0;
    for (let [pause, longest] = ASK_AGAIN; ours === run; pause = Math.min(pause * 2, longest)) {
      let wished = 0;
      try {
        const found = await placedUnder(form);
        if (ours !== run) return;
        if (found) return open(found.order);
        nothing += 1;
        if (nothing === ENOUGH) release(missing);
      } catch (error) {
        if (ours !== run) return;
        wished = error.pause ?? 0;
        if (nothing < ENOUGH) release(unreachable);
      }
      await wait(Math.max(pause, wished));
    }
  }

  async function send() {
    const ours = ++run;
    const cutOff = await isCutOff(form);
    if (ours !== run) return;
    const { value: key } = form.elements.key;
    if (cutOff) return sentDrafts().some((one) => one.key === key) ? check(ours) : waitForLine(ours);
    rememberSent(form);
    watch(ours);
    const answer = await answerTo(form);
    if (ours !== run) return;
    run += 1;
    if (answer) open(answer);
    else if (answer === "") form.submit(); // the same again, for the browser to show the page that says what is wrong
    else check(run);
  }

  function waitForLine(ours) {
    release(offline);
    addEventListener("online", () => ours === run && tell(online), { once: true });
  }

  form.dataset.patient = ""; // the guard doesn't let go by itself
  document.addEventListener("submit", (event) => {
    if (event.target !== form || event.defaultPrevented || event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    send();
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    run += 1;
    showSteps(list, []);
  });
}

document.querySelectorAll("form[data-sending]").forEach(followSending);
