"use strict";

// Replaces the live parts of the page by what the server says now.
const BUSY_MILLISECONDS = 1000;
const QUIET_MILLISECONDS = 5000;
const LONGEST_WAIT_MILLISECONDS = 10000;

let timer = 0;
let asking = false;

function show(html) {
  const answer = new DOMParser().parseFromString(html, "text/html");
  for (const part of answer.querySelectorAll("[data-live]")) {
    const shown = document.getElementById(part.id);
    // What has not changed stays, and so do a selection and the focus in it.
    if (shown && shown.outerHTML !== part.outerHTML && !shown.contains(document.activeElement)) {
      shown.replaceWith(part);
    }
  }
}

async function refresh() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  const interrupted = document.getElementById("interrupted");
  try {
    const signal = AbortSignal.timeout(LONGEST_WAIT_MILLISECONDS);
    const answer = await fetch("fragments/activity", { signal });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}`);
    show(await answer.text());
    interrupted.hidden = true;
  } catch {
    interrupted.hidden = false;
  }
  asking = false;
  schedule();
}

function schedule() {
  const isBusy = document.querySelector("[data-busy]") !== null;
  timer = setTimeout(refresh, isBusy ? BUSY_MILLISECONDS : QUIET_MILLISECONDS);
}

document.addEventListener("visibilitychange", refresh);
schedule();
