// The settings that no other one beats, over rate, quality and decoding time.

function frontPoints() {
  const described = metric();
  return section().codecs.flatMap((codec) => {
    const curve = described.curves[codec];
    const { on, t } = described.front[codec] || { on: [], t: [] };
    return on.map((kind, k) => ({
      codec, kind, time: t[k], setting: curve.s[k], rate: curve.r[k],
      value: described.decibels ? toDecibels(curve.q[k]) : curve.q[k],
    }));
  }).filter((p) => isNumber(p.rate) && isNumber(p.value));
}

function drawFront() {
  const points = frontPoints();
  byId("front").hidden = new Set(points.map((p) => p.codec)).size < 2;
  if (byId("front").hidden) return;
  byId("front-mark").hidden = section().speeds.every((s) => s.measured);
  drawFrontChart(points);
  drawFrontTable(points);
}

function drawFrontChart(points) {
  const host = byId("front-chart");
  const width = host.clientWidth || 640;
  const height = Math.max(280, Math.min(420, width * 0.62));
  const described = metric();
  const best = points.filter((p) => p.kind === 2).sort((a, b) => a.rate - b.rate);
  const chart = svg("svg", {
    width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Pareto front by ${described.title}: ${best.map((p) => `${p.codec} at ${p.setting}`).join(", ")}`,
  });
  host.replaceChildren(chart);
  const box = { left: 48, right: width - 14, top: 26, bottom: height - 46 };
  const rates = points.map((p) => p.rate);
  const x = logScale(Math.min(...rates) / 1.1, Math.max(...rates) * 1.1, box.left, box.right);
  const [low, high] = extent(points.map((p) => p.value), 0.05);
  const y = described.lower ? linearScale(low, high, box.top, box.bottom) : linearScale(low, high, box.bottom, box.top);
  const unit = described.decibels ? "dB" : described.unit;
  drawAxes(chart, x, y, box, {
    x: "bits per pixel (log scale)",
    y: described.title + (unit ? " in " + unit : "") + (described.lower ? ", lower is better" : ""),
  });
  const steps = best.map((p, k) => (k ? `H${x(p.rate).toFixed(1)}V${y(p.value).toFixed(1)}` : `M${x(p.rate).toFixed(1)},${y(p.value).toFixed(1)}`));
  chart.append(svg("path", { class: "front-line", d: steps.join("") || "M0,0" }));
  for (const point of [...points].sort((a, b) => a.kind - b.kind)) {
    const words = ["beaten by another setting", "on the front for its decoding time alone", "on the front of rate and quality"];
    const group = svg("g", { class: `c${look(point.codec).index} front-${point.kind}`, "data-codec": point.codec });
    const mark = marker(point.codec, x(point.rate), y(point.value), point.kind ? 4.4 : 2.6);
    mark.setAttribute("class", point.kind === 1 ? "marker open" : "marker");
    group.append(mark, svg("title", { text:
      `${point.codec}, ${look(point.codec).setting} ${point.setting}: ${fixed(point.rate, 3)} bpp, ${fixed(point.value, unit === "dB" ? 2 : 4)}${unit ? " " + unit : ""}, decodes in ${seconds(point.time)}; ${words[point.kind]}` }));
    chart.append(group);
  }
}

function drawFrontTable(points) {
  const list = (codec, kind) => {
    const mine = points.filter((p) => p.codec === codec && p.kind === kind).map((p) => p.setting);
    return mine.length ? mine.join(", ") : "none";
  };
  const time = (codec) => {
    const times = points.filter((p) => p.codec === codec).map((p) => p.time).filter(isNumber);
    return times.length ? `${seconds(Math.min(...times))} … ${seconds(Math.max(...times))}` : "NA";
  };
  const count = (codec, kind) => points.filter((p) => p.codec === codec && p.kind === kind).length;
  const order = [...new Set(points.map((p) => p.codec))].sort((a, b) => count(b, 2) - count(a, 2) || count(b, 1) - count(a, 1));
  const heads = ["Codec", "On the front of rate and quality", "Only for its decoding time", "Beaten", "Decoding, per image"];
  byId("front-table").replaceChildren(el("table", {},
    el("caption", { class: "hidden-visually", text: "Settings on the Pareto front" }),
    el("thead", {}, el("tr", {}, heads.map((text, k) => el("th", { scope: "col", class: k < 4 ? "text" : null, text })))),
    el("tbody", {}, order.map((codec) => el("tr", {},
      el("th", { scope: "row", class: "text" }, el("span", { class: "who c" + look(codec).index }, swatch(codec), codec)),
      el("td", { class: "text" }, el("b", { text: list(codec, 2) })), el("td", { class: "text", text: list(codec, 1) }),
      el("td", { class: "text", text: list(codec, 0) }), el("td", { text: time(codec) }))))));
}
