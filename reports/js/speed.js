// Encode and decode time against BD-rate.

function drawSpeed() {
  const speeds = section().speeds.filter((s) => shown(s.codec));
  const measured = speeds.length && speeds.every((s) => s.measured);
  byId("speed-mark").hidden = Boolean(measured);
  for (const side of ["encode", "decode"]) drawSpeedChart(byId(side + "-chart"), side, speeds);
}

function drawSpeedChart(host, side, speeds) {
  const width = host.clientWidth || 480;
  const height = Math.max(250, Math.min(330, width * 0.62));
  const rows = new Map(metric().rows.map((row) => [row.codec, row]));
  const points = speeds
    .map((s) => ({ codec: s.codec, time: s[side], row: rows.get(s.codec) }))
    .filter((p) => isNumber(p.time) && p.time > 0 && p.row && isNumber(p.row.bd_rate));
  const chart = svg("svg", {
    width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${side} time against BD-rate: ` + points.map((p) => `${p.codec} ${seconds(p.time)} per megapixel, ${percent(p.row.bd_rate)}`).join("; "),
  });
  host.replaceChildren(chart);
  if (!points.length) {
    chart.append(svg("text", { class: "empty", x: width / 2, y: height / 2, "text-anchor": "middle", text: "No codec has both a time and a BD-rate" }));
    return;
  }
  const box = { left: 58, right: width - 14, top: 26, bottom: height - 46 };
  const rates = points.flatMap((p) => [p.row.bd_rate, p.row.ci_low, p.row.ci_high]).filter(isNumber);
  const [low, high] = extent(rates, 0.14);
  const times = points.map((p) => p.time);
  const x = linearScale(low, high, box.left, box.right);
  const y = logScale(Math.min(...times) / 1.7, Math.max(...times) * 1.7, box.bottom, box.top);
  drawAxes(chart, x, y, box, {
    x: `BD-rate by ${metric().title}, left is better`, y: `${side === "encode" ? "Encoding" : "Decoding"}, per megapixel`,
    formatY: seconds, formatX: (v) => percent(v, 0),
  });
  const taken = [];
  for (const point of points.sort((a, b) => a.row.bd_rate - b.row.bd_rate)) {
    const [px, py] = [x(point.row.bd_rate), y(point.time)];
    const group = svg("g", { class: "c" + look(point.codec).index });
    if (isNumber(point.row.ci_low)) {
      group.append(svg("line", { class: "interval", x1: x(point.row.ci_low), x2: x(point.row.ci_high), y1: py, y2: py }));
    }
    const long = 7.2 * point.codec.length;
    const [tx, ty, side_] = freePlace(px, py, long, box, taken);
    taken.push([tx, ty, long], [px - 6, py + 4, 12]);
    group.append(marker(point.codec, px, py, 5),
      svg("text", { class: "name", x: side_ === "end" ? tx + long : tx, y: ty, "text-anchor": side_, text: point.codec }),
      svg("title", { text: `${point.codec}: ${seconds(point.time)} per megapixel, BD-rate ${percent(point.row.bd_rate)}` }));
    chart.append(group);
  }
}

// Where a name can stand beside its point without covering another name or point.
function freePlace(px, py, long, box, taken) {
  const tries = [[px + 10, py + 4, "start"], [px - 10 - long, py + 4, "end"], [px - long / 2, py - 11, "start"], [px - long / 2, py + 20, "start"], [px + 8, py - 10, "start"], [px + 8, py + 18, "start"]];
  const free = ([tx, ty]) => tx > box.left - 4 && tx + long < box.right + 12 &&
    taken.every(([ox, oy, ol]) => Math.abs(oy - ty) > 13 || tx > ox + ol || ox > tx + long);
  return tries.find(free) || tries[0];
}
