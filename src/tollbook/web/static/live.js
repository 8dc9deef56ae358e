// Keeps the live regions of a page as the server has them: elements with data-region, sent whole when they differ.
"use strict";
(() => {
  const main = document.getElementById("main");
  if (!main || !("events" in main.dataset)) return;
  const state = document.getElementById("live");
  const regions = new Map();
  for (const element of main.querySelectorAll("[data-region]")) {
    regions.set(element.dataset.region, { element, html: element.innerHTML.trim() });
  }
  const say = (kind, text) => {
    state.hidden = false;
    state.className = `live ${kind}`;
    if (state.textContent !== text) state.textContent = text;
  };
  // What the browser would make of the text, to be compared with what stands there.
  const parsed = (html) => {
    const made = document.createElement("template");
    made.innerHTML = html;
    return made.innerHTML;
  };
  const place = (within) => {
    const focused = document.activeElement;
    if (!within.contains(focused) || !focused.id && !focused.getAttribute("href")) return null;
    return focused.id ? `#${CSS.escape(focused.id)}` : `a[href="${CSS.escape(focused.getAttribute("href"))}"]`;
  };
  const put = (name, html) => {
    const region = regions.get(name);
    const made = parsed(html);
    if (!region || region.html === made) return;
    const focused = place(region.element);
    const open = [...region.element.querySelectorAll("details")].map((details) => details.open);
    region.element.innerHTML = html;
    region.html = made;
    region.element.querySelectorAll("details").forEach((details, n) => { details.open = Boolean(open[n]); });
    if (focused) region.element.querySelector(focused)?.focus({ preventScroll: true });
    region.element.dispatchEvent(new CustomEvent("tollbook:region", { bubbles: true }));
  };
  let source = null;
  const clock = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const open = () => {
    source = new EventSource(main.dataset.events);
    source.addEventListener("regions", (event) => {
      say("on", "live");
      for (const [name, html] of Object.entries(JSON.parse(event.data))) put(name, html);
    });
    source.addEventListener("still", () => say("off", `standing still since ${clock()}`));
    source.addEventListener("end", () => { source.close(); source = null; say("off", "signed out"); });
    source.addEventListener("error", () => {
      say("off", "not connected");
      // A refusal closes for good; whatever else happened, the browser comes back by itself.
      if (source && source.readyState === EventSource.CLOSED) { source = null; setTimeout(open, 5000); }
    });
  };
  // A hidden page asks for nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; }
    else if (!source) open();
  });
  if (!document.hidden) open();
  addEventListener("pagehide", () => { source?.close(); source = null; });
  addEventListener("pageshow", (event) => { if (event.persisted && !source) open(); });
})();
