// Keeps what the order costs up to date while it is changed. The server's total is the one that counts.
"use strict";

const ASK_PAUSE = 400; // milliseconds after the last key, so that a number of two digits is asked about once
const SUMMARY_TIMEOUT = 15000; // milliseconds; the systems are asked for at most half of it

// The number of digits comes from the server: browsers know how a country writes money, not its minor unit.
function amountText(minor, currency, digits) {
  const fraction = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const format = new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency, ...fraction });
  return format.format(minor / 10 ** digits);
}

function chosenLines(form) {
  const lines = [];
  for (const field of form.querySelectorAll("[data-price-minor]")) {
    const text = field.value.trim();
    const quantity = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
    const { name, currency, minorDigits, priceMinor } = field.dataset;
    if (quantity) lines.push({ name, quantity, minor: quantity * Number(priceMinor), currency, digits: Number(minorDigits) });
  }
  return lines;
}

function sumText(lines) {
  const sums = new Map();
  for (const { currency, minor, digits } of lines) {
    sums.set(currency, { minor: (sums.get(currency)?.minor ?? 0) + minor, digits });
  }
  return [...sums].map(([currency, { minor, digits }]) => amountText(minor, currency, digits)).join(" + ");
}

const codesOf = (form) => [...form.querySelectorAll("[data-prices]")].map((field) => field.value.trim()).join("\n");

function pair(list, name, amount, kind = "") {
  for (const [tag, text] of [["dt", name], ["dd", amount]]) {
    const element = document.createElement(tag);
    element.className = kind;
    element.append(text);
    list.append(element);
  }
}

function showButton(form, text, agreed) {
  for (const button of form.querySelectorAll("[data-guard-button], [data-enter]")) {
    if (button.hasAttribute("aria-disabled")) button.dataset.label = text;
    else button.textContent = text;
  }
  form.elements.expected_total.value = agreed;
}

// Adds up the lines at the prices on the page. With a code, or where discounts come by themselves, it costs at most this.
function addUp(form) {
  const lines = chosenLines(form);
  const total = document.createElement("output");
  total.dataset.total = "";
  total.textContent = sumText(lines) || "–";
  const list = form.querySelector("[data-sums]");
  list.replaceChildren();
  for (const line of lines) pair(list, `${line.quantity} × ${line.name}`, amountText(line.minor, line.currency, line.digits));
  pair(list, form.dataset.totalLabel, total, "total");
  for (const note of form.querySelectorAll("[data-note]")) note.remove();
  const minor = lines.reduce((sum, line) => sum + line.minor, 0);
  const percent = Number(form.dataset.taxPercent);
  const [first] = lines;
  const tax = first && amountText(Math.floor((minor * percent) / (100 + percent) + 0.5), first.currency, first.digits);
  form.querySelector("[data-tax]").textContent = first ? form.dataset.tax.replace("{tax}", tax) : "";
  const exact = !codesOf(form).trim() && !("discounted" in form.dataset);
  const words = !first ? form.dataset.choose : !exact ? form.dataset.payAtMost : minor ? form.dataset.pay : form.dataset.free;
  showButton(form, words.replace("{total}", total.textContent), first && exact ? `${minor} ${first.currency}` : "");
}

// A wrong code is told beside its field, as the server would.
function showProblems(form, answer) {
  for (const template of answer.querySelectorAll("template[data-problem]")) {
    const field = document.getElementById(`field-${template.dataset.problem}`);
    if (!field) continue;
    mend(field);
    field.before(template.content.cloneNode(true));
    field.setAttribute("aria-invalid", "true");
    const described = field.getAttribute("aria-describedby");
    field.setAttribute("aria-describedby", [described, `${field.id}-error`].filter(Boolean).join(" "));
  }
}

async function askForSummary(form) {
  const body = new FormData(form);
  const response = await fetch(form.dataset.summaryUrl, { method: "POST", body, signal: AbortSignal.timeout(SUMMARY_TIMEOUT) });
  if (response.status === 204) return null;
  if (!response.ok) throw new Error(`status ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-summary]");
}

function follow(form) {
  let applied = null; // the codes whose discounts are shown
  let asked = 0;
  let timer = 0;
  const told = form.querySelector("[data-summary-told]");

  async function apply() {
    clearTimeout(timer);
    const ours = ++asked;
    const codes = codesOf(form);
    let answer = null;
    let words = form.dataset.notChecked;
    try {
      answer = await askForSummary(form);
      words = answer?.dataset.told ?? "";
    } catch {
      // It is said below that nothing could be checked.
    }
    if (ours !== asked) return; // the order was changed meanwhile
    applied = codes;
    if (answer) {
      form.querySelector("[data-summary]").replaceWith(answer);
      showProblems(form, answer);
      showButton(form, answer.dataset.button, answer.dataset.agreed);
    }
    told.textContent = words;
    told.classList.toggle("visually-hidden", Boolean(answer) || !words);
  }

  function changed() {
    asked += 1;
    clearTimeout(timer);
    addUp(form);
    const asksAgain = (applied === codesOf(form) && applied.trim()) || "discounted" in form.dataset;
    if (asksAgain && chosenLines(form).length) timer = setTimeout(apply, ASK_PAUSE);
  }

  form.addEventListener("input", () => {
    changed();
    // The error "nothing chosen" ends as soon as any product is chosen.
    const first = document.getElementById("field-lines");
    if (first && chosenLines(form).length) mend(first);
  });
  for (const button of form.querySelectorAll("[data-apply]")) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      apply();
    });
  }
  for (const button of form.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      const field = button.parentElement.querySelector("[data-price-minor]");
      const number = /^[0-9]{1,4}$/.test(field.value.trim()) ? Number(field.value) : 0;
      field.value = Math.min(Math.max(number + Number(button.dataset.step), 0), 1000);
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
  // The basket follows, so that the other pages say the same. Where it can't, the form still has what was typed.
  form.addEventListener("change", (event) => {
    if (!form.dataset.basketUrl || !event.target.matches("[data-price-minor]")) return;
    const body = new FormData(form);
    fetch(form.dataset.basketUrl, { method: "POST", body, headers: { Basket: "alone" }, keepalive: true }).catch(() => {});
  });
  // Enter in a code's field applies it.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("[data-prices]") || !event.target.value.trim()) return;
    event.preventDefault();
    apply();
  });
  // The browser may have put earlier values back into the fields.
  addEventListener("pageshow", () => {
    const fields = [...form.querySelectorAll("[data-price-minor], [data-prices]")];
    if (form.elements.expected_total.value && fields.every((field) => field.value === field.defaultValue)) applied = codesOf(form);
    else changed();
  });
}

for (const form of document.querySelectorAll("form[data-basket]")) {
  follow(form);
}
