// Tables that a reader can sort by any column and filter by any word. They stay plain tables: they print, and are read aloud.
(function () {
  "use strict";
  const FEWEST = 4; // shorter tables need no filter
  const shown = (cell) => (cell ? cell.textContent.trim() : "");
  function key(cell) { // the leading number of a cell, else its text; nothing comes last
    const text = shown(cell).replace(/\u2212/g, "-").replace(/,/g, "");
    const number = parseFloat(text);
    return text === "" || text === "–" ? null : Number.isNaN(number) || !/^[+\-]?[\d.]/.test(text) ? text.toLowerCase() : number;
  }
  function compare(a, b, way) {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === "number" && typeof b === "number") return way * (a - b);
    return way * String(a).localeCompare(String(b), undefined, { numeric: true });
  }
  function sort(table, at, way) {
    const body = table.tBodies[0], rows = Array.from(body.rows);
    const keyed = rows.map((row, k) => [key(row.cells[at]), k, row]);
    keyed.sort((a, b) => compare(a[0], b[0], way) || a[1] - b[1]);
    body.append(...keyed.map((one) => one[2]));
  }
  function make(table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.setAttribute("aria-label", "Sort by " + (shown(head) || "column " + (at + 1)));
      head.append(" ", button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") === "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        sort(table, at, up ? 1 : -1);
      });
    });
    if (table.tBodies[0].rows.length < FEWEST) return;
    const label = document.createElement("label"), input = document.createElement("input"), count = document.createElement("span");
    label.className = "filter switches";
    input.type = "search";
    input.placeholder = "word, or several";
    count.setAttribute("role", "status");
    label.append("Filter ", input, count);
    (table.closest(".scroll") || table).before(label);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      Array.from(table.tBodies[0].rows).forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        left += row.hidden ? 0 : 1;
      });
      count.textContent = words.length ? left + " of " + table.tBodies[0].rows.length : "";
    });
  }
  window.LUMIRAGE_TABLE = make;
  document.querySelectorAll(".scroll > table").forEach((table) => {
    const plain = table.tHead && table.tBodies.length === 1 && !table.querySelector("[rowspan],[colspan]");
    if (plain && table.tBodies[0].rows.length > 1) make(table);
  });
  // What may scroll is reached by keyboard: by what is in it, else by itself.
  document.querySelectorAll(".scroll").forEach((region) => {
    if (region.querySelector("a, button, input, select, [tabindex]")) return;
    const part = region.closest("section, article"), head = part && part.querySelector("h2, h3");
    const table = region.querySelector("table");
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", (table && table.getAttribute("aria-label")) || "Table: " + (head ? shown(head) : document.title));
  });
})();
