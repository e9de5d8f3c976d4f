// Keeps the total of the order form up to date while quantities are changed. The server's total is the one that counts.
"use strict";

// The number of digits comes from the server: browsers know how a country writes money, not its minor unit.
function amountText(minor, currency, digits) {
  const fraction = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const format = new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency, ...fraction });
  return format.format(minor / 10 ** digits);
}

function basketTotal(form) {
  const sums = new Map();
  const digits = new Map();
  for (const field of form.querySelectorAll("[data-price-minor]")) {
    const text = field.value.trim();
    const quantity = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
    if (quantity === 0) continue;
    const { currency, minorDigits, priceMinor } = field.dataset;
    digits.set(currency, Number(minorDigits));
    sums.set(currency, (sums.get(currency) || 0) + quantity * Number(priceMinor));
  }
  return [...sums].map(([currency, minor]) => amountText(minor, currency, digits.get(currency))).join(" + ") || "–";
}

function showTotal(form) {
  form.querySelector("[data-total]").textContent = basketTotal(form);
}

for (const form of document.querySelectorAll("form[data-basket]")) {
  for (const button of form.querySelectorAll("[data-only-without-script]")) button.hidden = true;
  form.addEventListener("input", () => {
    showTotal(form);
    // The error "nothing chosen" ends as soon as any product is chosen.
    const first = document.getElementById("field-lines");
    if (first && basketTotal(form) !== "–") mend(first);
  });
  // The browser may have put earlier quantities back into the fields.
  addEventListener("pageshow", () => showTotal(form));
}
