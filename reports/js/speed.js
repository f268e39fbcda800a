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
  // Marks and intervals first, so that a name stands on top of what it can't avoid.
  const taken = points.map((p) => {
    const [low, high] = [p.row.ci_low, p.row.ci_high].map((v) => (isNumber(v) ? x(v) : x(p.row.bd_rate)));
    const left = Math.min(low, x(p.row.bd_rate) - 6);
    return [left, y(p.time) + 4, Math.max(high, x(p.row.bd_rate) + 6) - left];
  });
  const names = svg("g");
  for (const point of points.sort((a, b) => a.row.bd_rate - b.row.bd_rate)) {
    const [px, py] = [x(point.row.bd_rate), y(point.time)];
    const group = svg("g", { class: "c" + look(point.codec).index });
    if (isNumber(point.row.ci_low)) {
      group.append(svg("line", { class: "interval", x1: x(point.row.ci_low), x2: x(point.row.ci_high), y1: py, y2: py }));
    }
    const long = 7.2 * point.codec.length;
    const [from, to] = [point.row.ci_low, point.row.ci_high].map((v) => (isNumber(v) ? x(v) : px));
    const place = freePlace(px, py, [Math.min(from, px - 5), Math.max(to, px + 5)], long, box, taken, points.length <= 10);
    group.append(marker(point.codec, px, py, 5),
      svg("title", { text: `${point.codec}: ${seconds(point.time)} per megapixel, BD-rate ${percent(point.row.bd_rate)}` }));
    chart.append(group);
    if (!place) continue; // crowded: the pointer tells its name
    const [tx, ty] = place;
    taken.push([tx, ty, long]);
    if (Math.abs(ty - 4 - py) > 16) {
      const near = Math.max(tx, Math.min(px, tx + long));
      chart.append(svg("path", { class: `leader c${look(point.codec).index}`, d: `M${px},${py}L${near},${ty > py ? ty - 10 : ty + 2}` }));
    }
    names.append(svg("text", { class: "name", x: tx, y: ty, text: point.codec }));
  }
  chart.append(names);
}

// Where a name can stand beside its mark and interval without covering another name, mark or
// interval; null where there is no such place. Far from its mark only among few.
function freePlace(px, py, ends, long, box, taken, far) {
  const tries = [
    [ends[1] + 6, py + 4], [ends[0] - 6 - long, py + 4], [px - long / 2, py - 9], [px - long / 2, py + 18],
    [px + 4, py - 9], [px + 4, py + 18], [px - 4 - long, py - 9], [px - 4 - long, py + 18],
    // Further away, with a line to the mark.
    ...(far ? [26, 39, 52, 65] : []).flatMap((d) => [-d, d]).flatMap((d) => [-long / 2, 8, -8 - long].map((dx) => [px + dx, py + 4 + d])),
  ];
  const free = ([tx, ty]) => tx > box.left - 4 && tx + long < box.right + 12 && ty > box.top - 6 && ty < box.bottom - 2 &&
    taken.every(([ox, oy, ol]) => Math.abs(oy - ty) > 11 || tx > ox + ol || ox > tx + long);
  return tries.find(free) || null;
}
