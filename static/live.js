// Keeps a page of the back office up to date in place: nodes that didn't change stay, and with them focus, ticks and open
// details. It asks rarely where the server is slow, never from a hidden tab, and not while somebody selects or types.
"use strict";

const SHORTEST_PAUSE = 5000; // milliseconds; a person doesn't read faster
const LONGEST_PAUSE = 60000;
const SLOWER = 50; // an answer that took a second is asked for again after fifty: a fiftieth of a processor for each page
const WAIT_AFTER_ERROR = 30000;
const LIVE_TIMEOUT = 10000;

const isText = (node) => node.nodeType === Node.TEXT_NODE;
const alike = (one, other) => one.nodeName === other.nodeName && one.id === other.id;

// Makes a node like a fresh one. What people changed stays: open details, ticks, what was typed.
function renew(node, fresh) {
  if (isText(node) || node.nodeType === Node.COMMENT_NODE) {
    if (node.data !== fresh.data) node.data = fresh.data;
    return;
  }
  if ("aged" in node.dataset && node.dataset.age === fresh.dataset.age) return;
  for (const { name } of [...node.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") node.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (node.getAttribute(name) !== value && name !== "open") node.setAttribute(name, value);
  }
  renewChildren(node, [...fresh.childNodes]);
}

function renewChildren(parent, wanted) {
  const ids = new Set(wanted.map((one) => one.id).filter(Boolean));
  for (const [place, fresh] of wanted.entries()) {
    while (parent.childNodes[place]?.id && !ids.has(parent.childNodes[place].id)) parent.childNodes[place].remove();
    const known = fresh.id ? [...parent.childNodes].find((one) => one.id === fresh.id) : null;
    if (known && known !== parent.childNodes[place]) parent.insertBefore(known, parent.childNodes[place]);
    const here = parent.childNodes[place];
    if (!here) parent.append(fresh);
    else if (alike(here, fresh)) renew(here, fresh);
    else if (ids.has(here.id) || (isText(fresh) && !isText(here))) parent.insertBefore(fresh, here);
    else here.replaceWith(fresh);
  }
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

// Whether somebody is in the middle of something that a change would disturb.
function isBusy(main) {
  const active = document.activeElement;
  const typing = active?.matches?.("input:not([type=checkbox]), select, textarea");
  const ticked = main.querySelector("input[type=checkbox]:checked");
  const typed = [...main.querySelectorAll("form[method=post] input[type=text]")].some((one) => one.value !== one.defaultValue);
  return Boolean(typing || ticked || typed || !document.getSelection().isCollapsed);
}

function showAges() {
  for (const node of document.querySelectorAll("[data-age]")) {
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(node.dataset.age)) / 1000));
    node.dataset.aged = "";
    node.textContent = seconds < 60 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`;
  }
}

function live(main) {
  const said = document.createElement("p");
  said.className = "visually-hidden";
  said.setAttribute("aria-live", "polite");
  main.after(said);
  const told = () => main.querySelector("[data-told]")?.textContent ?? "";
  let timer = 0;

  async function ask() {
    let pause = WAIT_AFTER_ERROR;
    const began = performance.now();
    try {
      const headers = { "Live-Refresh": "1" };
      const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(LIVE_TIMEOUT) });
      const html = await answer.text();
      pause = Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, SLOWER * (performance.now() - began)));
      const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("main");
      if (answer.ok && fresh && !isBusy(main)) {
        const before = told();
        // What an act was answered with stays until the next page.
        const answered = main.querySelector(":scope > [role=status]");
        if (answered && !fresh.querySelector(":scope > [role=status]")) fresh.prepend(answered.cloneNode(true));
        renewChildren(main, [...fresh.childNodes]);
        showAges();
        if (told() !== before) said.textContent = told();
      }
    } catch {
      // The page stays as it is; its age says how old that is.
    }
    plan(pause);
  }

  function plan(pause) {
    clearTimeout(timer);
    timer = setTimeout(() => (document.hidden || isBusy(main) ? plan(SHORTEST_PAUSE) : ask()), pause);
  }

  document.addEventListener("visibilitychange", () => !document.hidden && !isBusy(main) && ask());
  document.addEventListener("live-refresh", () => ask());
  plan(SHORTEST_PAUSE);
}

// Tells the server the reader's time zone, so that the next page is in it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`orderapp-zone=${zone}`)) {
  const secure = location.protocol === "https:" ? ";secure" : "";
  document.cookie = `orderapp-zone=${zone};path=/;max-age=31536000;samesite=lax${secure}`;
}

if (document.querySelector("[data-live]")) {
  showAges();
  setInterval(showAges, 1000);
  live(document.querySelector("main"));
}

// Keys: / to the search, j and k from row to row, x to tick, r to refresh, ? for the sheet that says so.
const sheet = document.getElementById("keys");
const button = document.getElementById("show-keys");
if (button) {
  button.hidden = false;
  button.addEventListener("click", () => sheet.showModal());
}

function step(by) {
  const rows = [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("th a"));
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.querySelector("th a").focus();
}

const KEYS = {
  "/": () => document.querySelector("input[type=search]")?.focus(),
  j: () => step(1),
  k: () => step(-1),
  x: () => document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click(),
  r: () => document.dispatchEvent(new Event("live-refresh")),
  "?": () => sheet?.showModal(),
};

document.addEventListener("keydown", (event) => {
  const writing = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (writing || sheet?.open || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
