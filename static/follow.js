// Follows an order: asks the server with growing pauses while it changes, rarely after its end, never from a hidden
// tab. Shows times in the reader's time zone.
"use strict";

const FIRST_PAUSE = 1500; // milliseconds; most changes come within seconds
const LONGEST_PAUSE = 30000; // an order that waits for another system may wait for long
const SELDOM_PAUSE = 60000; // only people change an ended order: a minute later is soon enough
const SELDOM_ASKS = 60; // for an hour; a return to the tab starts another hour
const ANSWER_TIMEOUT = 10000;

const WORDS = document.currentScript.dataset; // in the page's language
// English dates as the server writes them: as in Europe.
const LANGUAGE = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;

// The format is that of the server's times, with the name of the reader's zone.
function clock(at, day) {
  const format = new Intl.DateTimeFormat(LANGUAGE, { ...day, timeStyle: "long", hourCycle: "h23" });
  return format.format(at);
}

function inReadersZone(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = clock(new Date(time.dateTime), { dateStyle: "medium" });
  }
}

inReadersZone(document);

function follow(page) {
  const region = page.querySelector("[data-region]");
  const updated = page.querySelector("[data-updated]");
  const announcement = page.querySelector("[data-announcement]");
  let pause = FIRST_PAUSE;
  let seldomLeft = SELDOM_ASKS;
  let timer = 0;

  const story = () => region.firstElementChild;

  function show(html) {
    const held = region.contains(document.activeElement);
    const before = story().dataset.told;
    region.innerHTML = html;
    inReadersZone(region);
    document.title = story().dataset.pageTitle;
    if (held) region.focus();
    if (story().dataset.told !== before) announcement.textContent = story().dataset.told;
    pause = FIRST_PAUSE;
    seldomLeft = SELDOM_ASKS;
  }

  async function ask() {
    try {
      const response = await fetch(page.dataset.follow, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_TIMEOUT) });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const html = (await response.text()).trim();
      const fresh = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
      if (fresh && fresh.dataset.version !== story().dataset.version) show(html);
      updated.textContent = WORDS.textUpdated.replace("{time}", clock(new Date()));
    } catch {
      updated.textContent = WORDS.textLost;
    }
    plan();
  }

  function plan() {
    clearTimeout(timer);
    const { changing } = story().dataset;
    if (changing === "no" || document.hidden) return;
    if (changing === "seldom" && seldomLeft-- <= 0) {
      updated.textContent += ` ${WORDS.textResting}`;
      return;
    }
    // Spread out, so that many open pages don't ask at the same moment.
    timer = setTimeout(ask, (changing === "seldom" ? SELDOM_PAUSE : pause) * (0.8 + 0.4 * Math.random()));
    pause = Math.min(pause * 1.5, LONGEST_PAUSE);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) return;
    // An ended order may be cancelled or retried in another tab: a return to the page shows it.
    seldomLeft = SELDOM_ASKS;
    ask();
  });
  updated.textContent = WORDS.textUpdated.replace("{time}", clock(new Date()));
  plan();
}

document.querySelectorAll("[data-follow]").forEach(follow);
