/* What the theme leaves undone on every page: a box that scrolls can be reached with the keyboard, the search button is
   called by what stands on it, and a page without a table of contents does not make the theme's own script fail. */
"use strict";

(() => {
  const BOXES = ".qd-table, .pst-scrollable-table-container, div.highlight pre, div.math, mjx-container[display='true'], div.output";

  /** A box with more in it than it shows becomes a stop of the Tab key; one that shows all is none. */
  function reachable() {
    for (const box of document.querySelectorAll(BOXES)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      if (scrolls) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".search-button-field[aria-label]").forEach((button) => button.removeAttribute("aria-label"));
    if (!document.querySelector("div.bd-sidebar-secondary")) {  // the theme hides it beside wide tables, there or not
      const nothing = document.createElement("div");
      nothing.className = "bd-sidebar-secondary";
      nothing.hidden = true;
      nothing.style.display = "none";
      document.body.append(nothing);
    }
  });
  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    reachable();
    window.addEventListener("resize", reachable);
    document.addEventListener("toggle", reachable, true);
  });
})();
