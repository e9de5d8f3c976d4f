// Follows an order while it changes: asks the server with growing pauses, never from a hidden tab, and stops at the end.
"use strict";

const FIRST_PAUSE = 1500; // milliseconds; most changes come within seconds
const LONGEST_PAUSE = 30000; // an order that waits for another system may wait for long
const ANSWER_TIMEOUT = 10000;

function clock(at) {
  return new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium", hourCycle: "h23" }).format(at);
}

function follow(page) {
  const region = page.querySelector("[data-region]");
  const updated = page.querySelector("[data-updated]");
  const announcement = page.querySelector("[data-announcement]");
  let pause = FIRST_PAUSE;
  let timer = 0;

  const story = () => region.firstElementChild;
  const isOver = () => story().dataset.changing !== "yes";

  function show(html) {
    const held = region.contains(document.activeElement);
    const before = story().dataset.told;
    region.innerHTML = html;
    document.title = story().dataset.pageTitle;
    if (held) region.focus();
    if (story().dataset.told !== before) announcement.textContent = story().dataset.told;
    pause = FIRST_PAUSE;
  }

  async function ask() {
    try {
      const response = await fetch(page.dataset.follow, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_TIMEOUT) });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const html = (await response.text()).trim();
      const fresh = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
      if (fresh && fresh.dataset.version !== story().dataset.version) show(html);
      updated.textContent = `Updated ${clock(new Date())}.`;
    } catch {
      updated.textContent = "We can't be reached just now. This page keeps trying.";
    }
    plan();
  }

  function plan() {
    clearTimeout(timer);
    if (isOver() || document.hidden) return;
    // Spread out, so that many open pages don't ask at the same moment.
    timer = setTimeout(ask, pause * (0.8 + 0.4 * Math.random()));
    pause = Math.min(pause * 1.5, LONGEST_PAUSE);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    // What is over may have been cancelled, or tried again in another tab: whoever comes back to the page sees it.
    if (!document.hidden) ask();
  });
  updated.textContent = `Updated ${clock(new Date())}.`;
  plan();
}

document.querySelectorAll("[data-follow]").forEach(follow);
