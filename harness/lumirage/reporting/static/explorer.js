// What a reader asks of the numbers: another reference, A against B, who is told from whom, structures. Drawn with D3.
(function () {
  "use strict";
  const shared = window.LUMIRAGE;
  if (!shared || !window.d3) return;
  const data = shared.data, $ = (selector) => document.querySelector(selector);
  const methods = data.methods, color = (m) => "var(--" + data.looks[m][0] + ")";
  const known = (v) => v !== null && v !== undefined;
  const text = (v, half) => { // as core.precision: two digits of half the interval
    const places = half > 0 ? Math.min(Math.max(0, 1 - Math.floor(Math.log10(half))), 4) : 3;
    return (v > 0 ? "+" : v < 0 ? "−" : "") + Math.abs(v).toFixed(places);
  };
  function marker(m, radius) { // as scene.py: the method's own marker, a disc for references
    const corners = data.outlines[data.looks[m][1]] || data.outlines.circle;
    return "M" + corners.map((c) => (1.2 * radius * c[0]).toFixed(1) + " " + (1.2 * radius * c[1]).toFixed(1)).join("L") + "Z";
  }
  function effect(measure, method, reference) { // [difference, low, high, p, pairs, subjects, told]
    for (const row of data.effects[measure]) {
      if (row[0] === method && row[1] === reference) return [row[2], row[3], row[4], row[5], row[6], row[7], row[8]];
      if (row[1] === method && row[0] === reference) {
        const turned = (v) => (known(v) ? -v : null);
        return [turned(row[2]), turned(row[4]), turned(row[3]), row[5], row[6], row[7], -row[8]];
      }
    }
    return null;
  }
  function words(found) {
    if (!found || !known(found[0])) return "–";
    if (!known(found[1])) return text(found[0], 0);
    const half = (found[2] - found[1]) / 2;
    return text(found[0], half) + " [" + text(found[1], half) + ", " + text(found[2], half) + "]";
  }

  // -- the headline's figure, against the reference that the reader chooses ---------------------------------------
  function rebase() {
    const base = methods.indexOf($("#base").value), cells = Array.from(document.querySelectorAll("[data-lane]"));
    const found = new Map(cells.map((cell) => [cell, effect(0, methods.indexOf(cell.dataset.lane), base)]));
    const ends = [0];
    found.forEach((e) => { if (e) ends.push(...e.slice(0, 3).filter(known)); });
    const x = d3.scaleLinear().domain(d3.extent(ends)).range([4, 96]), at = (v) => x(v) + "%";
    cells.forEach((cell) => {
      const e = found.get(cell), name = cell.dataset.lane, mark = cell.dataset.mark || (cell.querySelector(".mark") || { outerHTML: "" }).outerHTML;
      cell.dataset.mark = mark || '<circle class="mark ring" r="4"/>';
      const own = name === methods[base], told = own ? "the reference" : words(e);
      const svg = d3.select(cell).html("").append("svg").attr("class", "lane").attr("role", "img").attr("aria-label", name + ": " + told)
        .attr("style", "--c:" + color(methods.indexOf(name)));
      svg.append("line").attr("class", "zero").attr("x1", at(0)).attr("x2", at(0)).attr("y1", 0).attr("y2", "100%");
      if (e && known(e[1])) svg.append("line").attr("class", "ci").attr("x1", at(e[1])).attr("x2", at(e[2])).attr("y1", "50%").attr("y2", "50%");
      if (own || (e && known(e[0]))) svg.append("svg").attr("x", at(own ? 0 : e[0])).attr("y", "50%").attr("overflow", "visible").html(cell.dataset.mark);
      const beside = Array.from(document.querySelectorAll("[data-told]")).find((one) => one.dataset.told === name);
      if (beside) beside.textContent = told;
    });
    const axis = d3.select("[data-axis]").html("").append("svg").attr("class", "lane axis");
    x.ticks(4).forEach((t) => axis.append("text").attr("x", at(t)).attr("y", 12).attr("text-anchor", "middle").text(String(t).replace("-", "−")));
  }
  if ($("#base")) $("#base").addEventListener("change", rebase);

  // -- A against B ------------------------------------------------------------------------------------------------
  const box = $("#explore");
  if (!box) return;
  const choose = { measure: $("#ex-measure"), a: $("#ex-a"), b: $("#ex-b") };
  const option = (name, k) => new Option(name, k);
  choose.measure.append(...data.measures.map((m, k) => option(m[0], k)));
  const real = methods.map((m, k) => k).filter((k) => !data.references.includes(methods[k]));
  [choose.a, choose.b].forEach((select) => select.append(...methods.map(option)));
  choose.a.value = real.length ? real[0] : 0;
  choose.b.value = real.length > 1 ? real[1] : Math.max(0, methods.indexOf("affine"));

  function scatter() {
    shared.mark(null); // a new plot has no box
    const m = Number(choose.measure.value), a = Number(choose.a.value), b = Number(choose.b.value);
    const va = data.values[m + "/0"][a], vb = data.values[m + "/0"][b], up = data.measures[m][2] ? 1 : -1;
    const pairs = data.pairs.map((p, k) => k).filter((k) => known(va[k]) && known(vb[k]));
    const holder = d3.select("#ex-plot").html(""), width = Math.max(280, Math.min(560, holder.node().clientWidth)), height = Math.round(width * 0.8);
    const svg = holder.append("svg").attr("viewBox", "0 0 " + width + " " + height).attr("role", "img")
      .attr("aria-label", data.measures[m][0] + " of " + methods[a] + " against " + methods[b] + ", " + pairs.length + " pairs; the table beside has the numbers");
    const span = d3.extent(pairs.flatMap((k) => [va[k], vb[k]])), air = ((span[1] - span[0]) || 1) * 0.04;
    const x = d3.scaleLinear().domain([span[0] - air, span[1] + air]).range([52, width - 10]).nice();
    const y = d3.scaleLinear().domain(x.domain()).range([height - 42, 10]);
    svg.append("g").attr("class", "d3-axis").attr("transform", "translate(0," + (height - 42) + ")").call(d3.axisBottom(x).ticks(5));
    svg.append("g").attr("class", "d3-axis").attr("transform", "translate(52,0)").call(d3.axisLeft(y).ticks(5));
    svg.append("text").attr("class", "d3-title").attr("x", width - 10).attr("y", height - 6).attr("text-anchor", "end").text(methods[b] + " →");
    svg.append("text").attr("class", "d3-title").attr("x", 56).attr("y", 18).text("↑ " + methods[a]);
    svg.append("line").attr("class", "diagonal").attr("x1", x.range()[0]).attr("x2", x.range()[1]).attr("y1", y.range()[0]).attr("y2", y.range()[1]);
    const brush = d3.brush().extent([[52, 10], [width - 10, height - 42]]).on("brush end", brushed);
    const layer = svg.append("g").attr("class", "brush").call(brush);
    const winner = (k) => (up * (va[k] - vb[k]) >= 0 ? a : b), radius = pairs.length > 800 ? 2 : 4;
    const dots = svg.append("g").selectAll("path").data(pairs).join("path").attr("d", (k) => marker(winner(k), radius))
      .attr("transform", (k) => "translate(" + x(vb[k]) + "," + y(va[k]) + ")").attr("fill", (k) => color(winner(k)))
      .attr("class", "pair-dot").on("click", (event, k) => shared.open(k)).on("mousemove", (event, k) => shared.tip(told(k), event)).on("mouseleave", shared.hideTip);
    function told(k) { return data.pairs[k][1] + " from " + data.pairs[k][2] + "\n" + methods[a] + " " + va[k] + ", " + methods[b] + " " + vb[k]; }
    function brushed(event) {
      const s = event.selection;
      const hits = s && new Set(pairs.filter((k) => x(vb[k]) >= s[0][0] && x(vb[k]) <= s[1][0] && y(va[k]) >= s[0][1] && y(va[k]) <= s[1][1]));
      dots.classed("out", (k) => Boolean(hits) && !hits.has(k));
      if (event.type === "end") { shared.mark(hits, "in the brush"); list(hits); }
    }
    layer.on("dblclick", () => layer.call(brush.clear));
    // by keyboard: Enter draws a box, arrows move it, with Shift they move its lower right corner, Escape ends it
    const edge = [[52, 10], [width - 10, height - 42]];
    svg.attr("tabindex", 0).attr("aria-describedby", "ex-keys").on("keydown", (event) => {
      const box = d3.brushSelection(layer.node()), step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Escape") { layer.call(brush.clear); return; }
      if (event.key === "Enter" || (step && !box)) { event.preventDefault(); layer.call(brush.move, box || quarter()); return; }
      if (!step) return;
      event.preventDefault();
      const far = event.altKey ? 1 : 12, limit = (v, axis, size) => Math.min(Math.max(v, edge[0][axis]), edge[1][axis] - size);
      const moved = [0, 1].map((axis) => {
        const size = box[1][axis] - box[0][axis];
        if (event.shiftKey) return [box[0][axis], Math.min(Math.max(box[1][axis] + far * step[axis], box[0][axis] + 2), edge[1][axis])];
        const from = limit(box[0][axis] + far * step[axis], axis, size);
        return [from, from + size];
      });
      layer.call(brush.move, [[moved[0][0], moved[1][0]], [moved[0][1], moved[1][1]]]);
    });
    function quarter() { return [[52 + (width - 62) / 4, 10 + (height - 52) / 4], [52 + (width - 62) * 3 / 4, 10 + (height - 52) * 3 / 4]]; }
    function list(hits) {
      const rows = pairs.filter((k) => !hits || hits.has(k)).sort((p, q) => up * (va[p] - vb[p]) - up * (va[q] - vb[q]));
      const mean = rows.length ? d3.mean(rows, (k) => va[k] - vb[k]) : NaN, won = rows.filter((k) => up * (va[k] - vb[k]) > 0).length;
      $("#ex-words").textContent = rows.length + " pairs" + (hits ? " in the brush" : "") + ": " + methods[a] + " is better on " + won + ", mean difference "
        + (rows.length === data.pairs.length ? words(effect(m, a, b)) : text(mean, Math.abs(mean) / 5)
        + (hits ? "" : "; over all pairs, failures filled by the policy: " + words(effect(m, a, b))));
      const body = d3.select("#ex-pairs tbody").html("");
      rows.slice(0, 40).forEach((k) => {
        const row = body.append("tr"), cell = row.append("th").attr("scope", "row");
        cell.append("a").attr("href", "#").attr("data-open", data.pairs[k][0]).text(data.pairs[k][1] + " from " + data.pairs[k][2]);
        [va[k], vb[k], Number((va[k] - vb[k]).toPrecision(3))].forEach((v) => row.append("td").attr("class", "n").text(v));
      });
      $("#ex-more").textContent = rows.length > 40 ? "The 40 pairs on which " + methods[a] + " is worst against " + methods[b] + " of " + rows.length + "; brush the plot to see others." : "";
      $("#ex-ha").textContent = methods[a]; $("#ex-hb").textContent = methods[b];
    }
    list(null);
  }

  // -- who is told from whom --------------------------------------------------------------------------------------
  function matrix() {
    const m = Number(choose.measure.value), up = data.measures[m][2] ? 1 : -1, table = d3.select("#ex-matrix").html("");
    const shownRows = methods.map((name, k) => k);
    const head = table.append("thead").append("tr");
    head.append("th").attr("scope", "col").text("row minus column");
    shownRows.forEach((k) => head.append("th").attr("scope", "col").attr("class", "n").text(methods[k]));
    const body = table.append("tbody");
    shownRows.forEach((i) => {
      const row = body.append("tr");
      row.append("th").attr("scope", "row").text(methods[i]);
      shownRows.forEach((j) => {
        const e = i === j ? null : effect(m, i, j), cell = row.append("td").attr("class", "n");
        if (!e || !known(e[0])) { cell.text(i === j ? "" : "–"); return; }
        const sure = e[6] && known(e[3]) && e[3] < 0.05, better = up * e[0] > 0;
        cell.classed("sure-better", sure && better).classed("sure-worse", sure && !better)
          .attr("title", methods[i] + " minus " + methods[j] + ": " + words(e) + (known(e[3]) ? ", p (Holm) " + e[3].toPrecision(2) : "") + ", " + e[4] + " pairs, " + e[5] + " subjects");
        cell.text((sure ? (better ? "▲ " : "▼ ") : "") + words(e).split(" ")[0]);
      });
    });
  }

  // -- structures -------------------------------------------------------------------------------------------------
  const parts = data.structures || [], pick = $("#st-measure");
  function paired(of, s, a, b) { // the paired difference with its interval; without one the difference of the means
    const here = of.couples.findIndex((c) => c[0] === a && c[1] === b), there = of.couples.findIndex((c) => c[0] === b && c[1] === a);
    const e = s[3][here >= 0 ? here : there];
    if (!e) return { d: known(s[2][a]) && known(s[2][b]) ? s[2][a] - s[2][b] : null, low: null, high: null };
    const turned = (v) => (known(v) ? -v : null);
    return here >= 0 ? { d: e[0], low: e[1], high: e[2] } : { d: turned(e[0]), low: turned(e[2]), high: turned(e[1]) };
  }
  function structures() {
    const of = parts[Number(pick.value)], a = Number($("#st-a").value), b = Number($("#st-b").value), up = of.up ? 1 : -1;
    const order = $("#st-order").value, rows = of.rows.map((r) => ({ name: r[0], group: r[1], sides: r[2].map((s) => s && Object.assign({ side: s[0], a: s[2][a], b: s[2][b], n: s[1] }, paired(of, s, a, b))) }));
    const size = (r) => d3.mean(r.sides.filter(Boolean), (s) => s.d);
    rows.sort((p, q) => (order === "group" ? d3.ascending(p.group, q.group) : 0) || (order === "name" ? d3.ascending(p.name, q.name) : up * ((size(q) ?? -9e9) - (size(p) ?? -9e9))));
    const sides = rows.flatMap((r) => r.sides.filter(Boolean)), most = d3.max(sides, (s) => Math.abs(s.d || 0)) || 1;
    const span = Math.min(2 * most, d3.max(sides, (s) => Math.max(Math.abs(s.d || 0), Math.abs(s.low || 0), Math.abs(s.high || 0))) || 1); // long intervals are cut
    const x = d3.scaleLinear().domain([-span, span]).range([4, 90]).clamp(true), at = (v) => x(v) + "%", body = d3.select("#st-table tbody").html("");
    const shortNumber = (v) => (known(v) ? Number(v.toPrecision(3)) : "–");
    rows.forEach((r) => {
      const row = body.append("tr");
      row.append("th").attr("scope", "row").text(r.name);
      row.append("td").text(r.group);
      const svg = row.append("td").attr("class", "lane-cell").append("svg").attr("class", "lane").attr("aria-hidden", "true");
      svg.append("line").attr("class", "zero").attr("x1", at(0)).attr("x2", at(0)).attr("y1", 0).attr("y2", "100%");
      [0, 1].forEach((side) => {
        const s = r.sides[side];
        const cell = row.append("td").attr("class", "n").attr("title", s ? methods[a] + " " + shortNumber(s.a) + ", " + methods[b] + " " + shortNumber(s.b) + ", each over its own pairs" : null);
        if (s) cell.append("b").text(known(s.d) ? text(s.d, known(s.low) ? (s.high - s.low) / 2 : Math.abs(s.d) / 5) : "–");
        if (s && known(s.low)) cell.append("small").text(" " + words([s.d, s.low, s.high]).replace(/^\S+ /, ""));
        if (!s || !known(s.d)) return;
        const c = color(up * s.d >= 0 ? a : b), y = r.sides.filter(Boolean).length > 1 ? (side ? 68 : 32) : 50;
        const shown = known(s.low) && s.low * s.high > 0;
        if (known(s.low)) svg.append("line").attr("class", "st-ci").attr("x1", at(s.low)).attr("x2", at(s.high)).attr("y1", y + "%").attr("y2", y + "%").attr("stroke", c).attr("stroke-width", 2);
        svg.append("circle").attr("cx", at(s.d)).attr("cy", y + "%").attr("r", 3.2).attr("stroke", c).attr("fill", shown ? c : "var(--paper)");
        svg.append("text").attr("x", at(Math.max(s.d, s.high || s.d))).attr("dx", 5).attr("y", y + "%").attr("dy", 3).style("font-size", "9px").text(s.side);
      });
      row.append("td").attr("class", "n").text(d3.max(r.sides.filter(Boolean), (s) => s.n));
    });
    const has = sides.some((s) => known(s.low));
    $("#st-words").textContent = "To the " + (of.up ? "right" : "left") + " " + methods[a] + " is better. Paired differences over the pairs on which both measured the structure"
      + (has ? ", with 95 % intervals from resampling subjects, each alone: nothing corrects for the number of structures. Filled: the interval excludes 0; intervals are cut at the edge of the plot."
        : of.couples.length ? "; these two have not been compared, so there is no interval." : "; there are no intervals: `lumirage-harness compare` makes them.");
  }
  if (parts.length && pick) {
    pick.append(...parts.map((of, k) => option(of.title, k)));
    [$("#st-a"), $("#st-b")].forEach((select) => select.append(...methods.map(option)));
    $("#st-a").value = choose.a.value;
    $("#st-b").value = methods.includes("affine") ? methods.indexOf("affine") : choose.b.value;
    [pick, $("#st-a"), $("#st-b"), $("#st-order")].forEach((select) => select.addEventListener("change", structures));
    structures();
  }

  // -- the mosaic: its list is read when it is opened, pictures when they are scrolled to, some dozens at a time ----
  const mosaic = $("#mosaic");
  if (mosaic) {
    const SOME = 60, which = $("#mo-method"), more = $("#mo-more"), tiles = $("#mo-tiles"), said = $("#mo-words");
    which.append(...data.mosaic.methods.map((m) => option(methods[m], m)));
    which.value = data.mosaic.methods.find((m) => real.includes(m)) ?? which.value;
    let left = [];
    const next = () => {
      const m = Number(which.value), values = data.values["0/0"][m];
      tiles.append(...left.splice(0, SOME).map(([k, sum]) => {
        const item = document.createElement("li"), link = document.createElement("a"), image = new Image(), pair = data.pairs[k];
        image.loading = "lazy";
        image.alt = pair[2] + " moved onto " + pair[1] + " by " + methods[m];
        image.src = data.mosaic.folder + "/" + encodeURIComponent(methods[m] + "_" + pair[0] + "_" + sum + ".png");
        link.href = "#";
        link.dataset.open = pair[0];
        link.append(image, pair[1] + " from " + pair[2], document.createElement("br"), data.measures[0][0] + " " + (values[k] ?? "–"));
        item.append(link);
        return item;
      }));
      more.hidden = !left.length;
      more.textContent = "Show " + Math.min(SOME, left.length) + " more of " + left.length;
    };
    const fill = () => {
      const m = Number(which.value), values = data.values["0/0"][m], up = data.measures[0][2] ? 1 : -1;
      left = window.LUMIRAGE_MOSAIC[m].slice().sort((p, q) => up * ((values[p[0]] ?? -9e9) - (values[q[0]] ?? -9e9)));
      said.textContent = left.length + " of " + data.pairs.length + " pairs, by " + data.measures[0][0];
      tiles.replaceChildren();
      next();
    };
    which.addEventListener("change", fill);
    more.addEventListener("click", next);
    mosaic.addEventListener("toggle", () => {
      const script = document.createElement("script");
      script.src = data.mosaic.index;
      script.addEventListener("load", fill);
      script.addEventListener("error", () => { said.textContent = "The pictures are in the folder “" + data.mosaic.folder + "” of the report, which is not beside this file."; });
      document.head.append(script);
    }, { once: true });
  }

  const both = () => { scatter(); matrix(); };
  choose.measure.addEventListener("change", both);
  [choose.a, choose.b].forEach((select) => select.addEventListener("change", scatter));
  matchMedia("(max-width: 560px)").addEventListener("change", scatter);
  both();
})();
