// The report's script: theme, points, search, cards of pairs. No framework, no request, no module.
(function () {
  "use strict";
  const root = document.documentElement;
  const $ = (selector, within) => (within || document).querySelector(selector);
  const $$ = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  const make = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  const SVG = "http://www.w3.org/2000/svg";
  const GOLDEN = 0.6180339887498949; // as in rows.py

  // -- theme ----------------------------------------------------------------------------------------------------
  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  $$("button.theme").forEach((button) => button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("lumirage-theme", root.dataset.theme); } catch (e) { /* closed to files in some browsers */ }
  }));

  // -- print: what is folded is opened, but for pictures that would have to be loaded first ---------------------
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = $$("details:not([open]):not(#mosaic)");
    opened.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => { opened.forEach((part) => { part.open = false; }); opened = []; });

  $$("button[data-show-rest]").forEach((button) => button.addEventListener("click", () => {
    const all = button.closest(".first-figure").classList.toggle("all");
    button.setAttribute("aria-expanded", String(all));
    button.textContent = button.textContent.replace(/^(Show|Hide)/, all ? "Hide" : "Show");
  }));

  // -- pages of pairs -------------------------------------------------------------------------------------------
  $$("[data-toggle]").forEach((box) => box.addEventListener("change", () => {
    (box.closest("main") || document.body).classList.toggle(box.dataset.toggle, !box.checked);
  }));
  function light(row, on) {
    const page = row.closest("main"), label = row.dataset.label;
    if (label) $$('.contour[data-label="' + label + '"]', page).forEach((path) => path.classList.toggle("lit", on));
    else $$("g.landmark", page).forEach((mark) => { if (mark.dataset.landmark === row.dataset.landmark) mark.classList.toggle("lit", on); });
  }
  $$("tr[data-label], tr[data-landmark]").forEach((row) => {
    ["mouseenter", "focus"].forEach((name) => row.addEventListener(name, () => light(row, true)));
    ["mouseleave", "blur"].forEach((name) => row.addEventListener(name, () => light(row, false)));
  });

  function showPage() {
    const wanted = location.hash.startsWith("#pair-") && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!$$("main[data-pair-page]").length || !$("#data")) return;
    $$("main").forEach((main) => { main.hidden = wanted ? main !== wanted : main.dataset.pairPage !== undefined; });
    const top = document.body.querySelector(":scope > nav.top");
    if (top) top.hidden = Boolean(wanted);
    if (wanted) scrollTo(0, 0);
  }
  addEventListener("hashchange", showPage);
  showPage();

  if (!$("#data")) return;
  const data = JSON.parse($("#data").textContent);
  const ids = new Map(data.pairs.map((pair, k) => [pair[0], k]));
  const narrow = matchMedia("(max-width: 560px)");

  // -- points ---------------------------------------------------------------------------------------------------
  function place(cloud) { // where the points of one row lie, in the figure's own pixels
    const d = cloud.dataset, number = (name) => parseFloat(d[name]);
    const values = data.values[d.strip][Number(d.method)];
    const x0 = number("x0"), wide = number("x1") - x0, v0 = number("v0"), range = number("v1") - v0;
    const points = [];
    values.forEach((value, k) => {
      if (value === null) return;
      const jitter = (k * GOLDEN) % 1 - 0.5;
      points.push([x0 + wide * (value - v0) / range, number("y") + number("h") * jitter, k, value]);
    });
    return points;
  }
  const path = (points) => points.map((p) => "M" + p[0].toFixed(1) + " " + p[1].toFixed(1) + "h0").join("");
  function shapes(points, marker, radius) { // as scene.py: a method's marker at each point, discs where there are many
    const corners = marker !== "circle" && data.outlines[marker];
    if (!corners) return path(points);
    return points.map((p) => "M" + corners.map((c) => (p[0] + 1.2 * radius * c[0]).toFixed(1) + " " + (p[1] + 1.2 * radius * c[1]).toFixed(1)).join("L") + "Z").join("");
  }

  function draw(svg) { // fill the empty clouds of a figure, once, when it is first seen
    if (svg.drawn) return;
    svg.drawn = $$("path[data-strip]", svg).map((cloud) => {
      const points = place(cloud);
      cloud.setAttribute("d", shapes(points, cloud.dataset.marker, parseFloat(cloud.dataset.r)));
      return { cloud, points };
    });
    if (!svg.drawn.length) return;
    svg.setAttribute("tabindex", "0");
    svg.keyAt = null; // where the keyboard is; the mouse comes and goes without moving it
    const ring = document.createElementNS(SVG, "circle");
    ring.setAttribute("class", "cursor");
    ring.setAttribute("r", "6");
    ring.setAttribute("visibility", "hidden");
    svg.append(ring);
    svg.ring = ring;
    svg.addEventListener("mousemove", (event) => point(svg, nearest(svg, event), event));
    svg.addEventListener("mouseleave", () => point(svg, null));
    svg.addEventListener("click", (event) => { const hit = nearest(svg, event); if (hit) open(hit.point[2]); });
    svg.addEventListener("keydown", (event) => walk(svg, event));
    svg.addEventListener("blur", () => point(svg, null));
  }

  function nearest(svg, event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = null, least = 14 * 14;
    svg.drawn.forEach((row, r) => row.points.forEach((p, i) => {
      const far = (p[0] - at.x) ** 2 + (p[1] - at.y) ** 2;
      if (far < least) { least = far; best = { row: r, index: i, point: p }; }
    }));
    return best;
  }

  function point(svg, hit, event) {
    svg.ring.setAttribute("visibility", hit ? "visible" : "hidden");
    svg.style.cursor = hit ? "pointer" : "";
    if (!hit) { hideTip(); return; }
    svg.ring.setAttribute("cx", hit.point[0]);
    svg.ring.setAttribute("cy", hit.point[1]);
    const pair = data.pairs[hit.point[2]];
    const cloud = svg.drawn[hit.row].cloud.dataset;
    const [measure, unit] = data.measures[Number(cloud.strip.split("/")[0])];
    const text = data.methods[Number(cloud.method)] + "\n" + pair[1] + " from " + pair[2] + "\n" + measure + " " + hit.point[3] + " " + unit;
    const box = svg.ring.getBoundingClientRect();
    showTip(text, event ? event.clientX : box.right, event ? event.clientY : box.top);
  }

  function walk(svg, event) {
    const rows = svg.drawn, step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], jump = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && svg.keyAt) {
      event.preventDefault(); // else the same key press would close the card that takes the focus
      open(svg.keyAt.point[2]);
      return;
    }
    if (event.key === "Escape") { hideCard(); return; }
    if (!step && !jump) return;
    event.preventDefault();
    let row = svg.keyAt ? svg.keyAt.row : rows.findIndex((r) => r.points.length);
    const here = svg.keyAt && svg.keyAt.point;
    if (jump) {
      do { row = (row + jump + rows.length) % rows.length; } while (!rows[row].points.length);
    }
    const order = rows[row].points.map((p, i) => i).sort((a, b) => rows[row].points[a][3] - rows[row].points[b][3]);
    let at = 0;
    if (here && jump) at = Math.max(0, order.findIndex((i) => rows[row].points[i][2] === here[2]));
    else if (here) at = (order.indexOf(svg.keyAt.index) + step + order.length) % order.length;
    svg.keyAt = { row, index: order[at], point: rows[row].points[order[at]] };
    point(svg, svg.keyAt);
  }

  // -- tips and cards -------------------------------------------------------------------------------------------
  const tip = make("div", "");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "status");
  document.body.append(tip);
  function showTip(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(6, Math.min(x + 14, innerWidth - box.width - 6)) + "px";
    tip.style.top = Math.max(6, y + 14 + box.height > innerHeight ? y - box.height - 10 : y + 14) + "px";
  }
  function hideTip() { tip.hidden = true; }

  function open(k) { // the pair's own page, or its numbers where none was made
    const id = data.pairs[k][0];
    if (data.pages[id]) location.href = data.pages[id];
    else card(k);
  }
  function hideCard() { $("#card").hidden = true; }
  function card(k) {
    const box = $("#card"), pair = data.pairs[k];
    box.replaceChildren();
    const close = make("button", "×");
    close.className = "close";
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", hideCard);
    const table = make("table", ""), head = table.createTHead().insertRow();
    head.append(make("th", "Method"));
    const shown = data.measures.map((m, i) => i).slice(0, 4);
    shown.forEach((i) => head.append(make("th", data.measures[i][0])));
    const body = table.createTBody();
    data.methods.forEach((method, m) => {
      const row = body.insertRow();
      row.append(make("th", method));
      shown.forEach((i) => { const value = data.values[i + "/0"][m][k]; row.append(make("td", value === null ? "–" : value)); });
    });
    box.append(close, make("h3", pair[1] + " from " + pair[2]), table);
    const how = make("p", "No pictures were made of this pair. They are made by ");
    how.className = "hint";
    how.append(make("code", "lumirage-harness report OUT --pair " + pair[1] + "," + pair[2]));
    box.append(how);
    box.hidden = false;
    close.focus();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-open]");
    if (link) { event.preventDefault(); if (ids.has(link.dataset.open)) open(ids.get(link.dataset.open)); return; }
    const mark = event.target.closest("svg [data-pair]");
    if (mark) open(Number(mark.dataset.pair));
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { hideCard(); hideTip(); } });

  // -- which figures are seen -----------------------------------------------------------------------------------
  function drawSeen() {
    $$("figure:not([hidden])").forEach((figure) => {
      const svg = $(narrow.matches ? ".narrow svg" : ".wide svg", figure);
      if (svg) draw(svg);
    });
    search();
  }
  $$("select[data-picks]").forEach((select) => select.addEventListener("change", () => {
    $$("#" + select.dataset.picks + " [data-pick]").forEach((part) => { part.hidden = part.dataset.pick !== select.value; });
    drawSeen();
  }));
  $$("button[data-copy]").forEach((button) => button.addEventListener("click", () => {
    const range = document.createRange(); // the clipboard API is closed to files in some browsers
    range.selectNodeContents($(button.dataset.copy));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    if (document.execCommand("copy")) button.textContent = "Copied";
  }));

  // -- search ---------------------------------------------------------------------------------------------------
  const find = $("#find");
  let marked = null;
  const subjects = Array.from(new Set(data.pairs.flatMap((pair) => [pair[3], pair[4]]))).sort();
  $("#subjects").append(...subjects.slice(0, 3000).map((subject) => Object.assign(document.createElement("option"), { value: subject })));

  function matches(text) {
    const word = text.trim().toLowerCase().replace(/^sub-/, "");
    if (!word) return null;
    const exact = subjects.some((subject) => subject.toLowerCase() === word);
    const fits = exact
      ? (pair) => pair[3].toLowerCase() === word || pair[4].toLowerCase() === word
      : (pair) => pair.some((part) => part.toLowerCase().includes(word));
    return new Set(data.pairs.flatMap((pair, k) => (fits(pair) ? [k] : [])));
  }

  function search() {
    const typed = matches(find.value), hits = typed || (marked && marked.pairs);
    document.body.classList.toggle("searching", Boolean(hits));
    $$("path.found-points").forEach((old) => old.remove());
    $$("svg [data-pair]").forEach((mark) => mark.classList.toggle("hit", Boolean(hits) && hits.has(Number(mark.dataset.pair))));
    $$(".gallery [data-of]").forEach((link) => { link.parentElement.style.opacity = hits && !hits.has(ids.get(link.dataset.of)) ? 0.25 : ""; });
    $("#found").textContent = hits ? hits.size + " of " + data.pairs.length + " pairs are " + (typed ? "with “" + find.value.trim() + "”" : marked.words) : "";
    if (!hits) return;
    $$("figure:not([hidden]) svg").forEach((svg) => (svg.drawn || []).forEach(({ cloud, points }) => {
      const found = document.createElementNS(SVG, "path");
      found.setAttribute("class", "found-points");
      found.setAttribute("d", path(points.filter((p) => hits.has(p[2]))));
      found.setAttribute("style", "stroke:var(--accent);fill:none;pointer-events:none");
      found.setAttribute("stroke-width", Math.max(7, 2 * parseFloat(cloud.dataset.r)));
      found.setAttribute("stroke-linecap", "round");
      cloud.after(found);
    }));
  }
  // What the explorer needs: the data, a pair's page, tips, and pairs to be marked in every plot.
  window.LUMIRAGE = {
    data, open, hideTip,
    tip: (words, event) => showTip(words, event.clientX, event.clientY),
    mark: (pairs, words) => { marked = pairs ? { pairs, words } : null; search(); },
  };
  let pause = 0;
  find.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(search, 80); });
  narrow.addEventListener("change", drawSeen);
  drawSeen();
  addEventListener("DOMContentLoaded", () => root.dataset.explored = String(Math.round(performance.now())));
  root.dataset.ready = String(Math.round(performance.now()));
})();
