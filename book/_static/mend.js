/* What the theme leaves undone on every page: a wide figure can be read on a phone, a box that scrolls can be reached
   with the keyboard, the search button is called by what stands on it, and a page without a table of contents does not
   make the theme's own script fail. */
"use strict";

(() => {
  const BOXES = ".qd-table, .pst-scrollable-table-container, div.highlight pre, div.math, mjx-container[display='true'], div.output, .qd-wide";

  /** On a phone a wide figure keeps a width at which its words can be read, and its box scrolls. */
  function legible() {
    for (const image of document.querySelectorAll(".bd-article figure img, .bd-article .cell_output img")) {
      if (image.naturalWidth > 560) image.parentElement.classList.add("qd-wide");
    }
  }

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
    legible();
    reachable();
    window.addEventListener("resize", reachable);
    document.addEventListener("toggle", reachable, true);
  });
})();
