// A pair's page: two pictures over one another (swipe, flicker), outlines of one structure.
(function () {
  "use strict";
  const FLICKER_MS = 500;
  const still = matchMedia("(prefers-reduced-motion: reduce)"); // then each press of the button changes the picture once
  document.querySelectorAll("section.compare").forEach((section) => {
    const page = section.closest("main"), $ = (selector) => section.querySelector(selector);
    const pictures = Array.from(page.querySelectorAll(".panels[data-picture]"));
    if (pictures.length < 2) return;
    const below = $(".compare-below"), above = $(".compare-above"), stage = $(".stage"), slider = $(".compare-swipe"), button = $(".compare-flicker");
    pictures.forEach((picture, k) => [below, above].forEach((select) => select.append(new Option(picture.dataset.picture, k))));
    below.value = 0;
    above.value = Math.min(2, pictures.length - 1);
    let timer = 0;
    function layer(select, name) {
      const copy = pictures[Number(select.value)].cloneNode(true);
      copy.removeAttribute("data-picture");
      copy.classList.add(name);
      return copy;
    }
    function show() {
      stage.replaceChildren(layer(below, "under"), layer(above, "over"));
      swipe();
    }
    function swipe() {
      if (!timer) { stage.lastChild.style.visibility = ""; button.setAttribute("aria-pressed", "false"); }
      Array.from(stage.lastChild.children).forEach((plane) => { plane.style.clipPath = timer ? "" : "inset(0 0 0 " + slider.value + "%)"; });
    }
    function turn() { const top = stage.lastChild; top.style.visibility = top.style.visibility ? "" : "hidden"; }
    function name() { button.textContent = timer ? "Stop" : still.matches ? "Change" : "Flicker"; }
    function flicker() {
      if (still.matches && !timer) {
        Array.from(stage.lastChild.children).forEach((plane) => { plane.style.clipPath = ""; });
        turn();
        button.setAttribute("aria-pressed", String(stage.lastChild.style.visibility === "hidden"));
        return;
      }
      if (timer) { clearInterval(timer); timer = 0; stage.lastChild.style.visibility = ""; }
      else timer = setInterval(turn, FLICKER_MS);
      button.setAttribute("aria-pressed", String(Boolean(timer)));
      name();
      swipe();
    }
    [below, above].forEach((select) => select.addEventListener("change", show));
    slider.addEventListener("input", swipe);
    button.addEventListener("click", flicker);
    still.addEventListener("change", () => { if (timer) flicker(); name(); });
    name();
    stage.addEventListener("pointermove", (event) => {
      if (timer || button.getAttribute("aria-pressed") === "true") return;
      const plane = event.target.closest("svg.panel");
      if (!plane) return;
      const box = plane.getBoundingClientRect();
      slider.value = 100 * (event.clientX - box.left) / box.width;
      swipe();
    });
    section.hidden = false;
    show();
    const structure = $(".compare-structure"), names = new Map();
    page.querySelectorAll("tr[data-label]").forEach((row) => names.set(row.dataset.label, row.cells[1].textContent || "label " + row.dataset.label));
    names.forEach((name, label) => structure.append(new Option(name, label)));
    structure.closest("label").hidden = !names.size;
    const style = document.createElement("style");
    document.head.append(style);
    structure.addEventListener("change", () => {
      style.textContent = structure.value ? ".contour { display: none; } .contour[data-label='" + structure.value + "'] { display: inline; stroke-width: 2; }" : "";
    });
  });
  document.addEventListener("keydown", (event) => { // previous and next pair
    if (event.altKey || event.ctrlKey || event.metaKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    const link = document.querySelector("main:not([hidden]) ~ nav a[rel='" + { p: "prev", n: "next" }[event.key] + "'], nav.top a[rel='" + { p: "prev", n: "next" }[event.key] + "']");
    if (link && !link.closest("[hidden]")) location.href = link.href;
  });
})();
