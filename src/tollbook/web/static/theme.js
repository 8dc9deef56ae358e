// Runs before the first paint, so that no page flashes in the other theme.
"use strict";
(() => {
  const KEY = "tollbook-theme";
  const NAMES = { "": "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  const root = document.documentElement;
  const kept = () => {
    try { return localStorage.getItem(KEY) || ""; } catch { return ""; }
  };
  const apply = (theme) => {
    if (theme in NAMES && theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply(kept());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const order = Object.keys(NAMES);
    button.textContent = NAMES[kept()] || NAMES[""];
    button.hidden = false;
    button.addEventListener("click", () => {
      const theme = order[(order.indexOf(root.dataset.theme || "") + 1) % order.length];
      apply(theme);
      try { localStorage.setItem(KEY, theme); } catch { /* it then lasts as long as the page */ }
      button.textContent = NAMES[theme];
      document.dispatchEvent(new Event("tollbook:theme"));
    });
  });
})();
