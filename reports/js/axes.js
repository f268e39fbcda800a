// Scales, ticks and axes of the charts.

function linearScale(low, high, from, to) {
  const scale = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  scale.ticks = (count) => linearTicks(low, high, count);
  return scale;
}

function logScale(low, high, from, to) {
  const span = Math.log(high / low) || 1;
  const scale = (value) => from + (Math.log(value / low) / span) * (to - from);
  scale.ticks = (count) => logTicks(low, high, count);
  return scale;
}

function linearTicks(low, high, count) {
  const rough = Math.abs(high - low) / Math.max(count, 1) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((m) => m * power >= rough) || 10);
  const first = Math.ceil(Math.min(low, high) / step - 1e-9);
  const last = Math.floor(Math.max(low, high) / step + 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) + (step / power === 2.5 ? 1 : 0);
  const ticks = [];
  for (let k = first; k <= last; k++) ticks.push({ value: k * step, text: minus((k * step).toFixed(digits)) });
  return ticks;
}

function logTicks(low, high, count) {
  for (const steps of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 5], [1, 3], [1]]) {
    const ticks = [];
    for (let e = Math.floor(Math.log10(low)) - 1; e <= Math.ceil(Math.log10(high)); e++) {
      for (const m of steps) {
        const value = m * 10 ** e;
        if (value >= low * 0.999 && value <= high * 1.001) ticks.push({ value, text: String(+value.toPrecision(2)) });
      }
    }
    if (ticks.length <= count || steps.length === 1) return ticks;
  }
  return [];
}

// Lower and upper end of some numbers, with a margin of a share of their distance.
function extent(values, margin) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = (high - low || Math.abs(high) || 1) * margin;
  return [low - pad, high + pad];
}

function drawAxes(chart, x, y, box, labels) {
  for (const { value, text } of y.ticks(Math.max(3, (box.bottom - box.top) / 56))) {
    const at = y(value);
    chart.append(
      svg("line", { class: "grid", x1: box.left, x2: box.right, y1: at, y2: at }),
      svg("text", { class: "tick", x: box.left - 8, y: at + 4, "text-anchor": "end", text: labels.formatY ? labels.formatY(value) : text }),
    );
  }
  for (const { value, text } of x.ticks(Math.max(3, (box.right - box.left) / 80))) {
    const at = x(value);
    chart.append(
      svg("line", { class: "grid", x1: at, x2: at, y1: box.top, y2: box.bottom }),
      svg("text", { class: "tick", x: at, y: box.bottom + 18, "text-anchor": "middle", text: labels.formatX ? labels.formatX(value) : text }),
    );
  }
  chart.append(
    svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
    svg("text", { class: "label", x: box.right, y: box.bottom + 38, "text-anchor": "end", text: labels.x }),
    svg("text", { class: "label", x: 2, y: 14, text: labels.y }),
  );
}

// Move labels apart that would lie on each other; keeps their order.
function spread(labels, gap, low, high) {
  labels.sort((a, b) => a.y - b.y);
  let last = low - gap;
  for (const label of labels) last = label.y = Math.max(label.y, last + gap);
  let next = high + gap;
  for (const label of [...labels].reverse()) next = label.y = Math.min(label.y, next - gap);
  return labels;
}

// Draw again whenever the width changes; charts are drawn for the width they have.
function watchWidth(node, draw) {
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.round(node.clientWidth);
    if (now && now !== width) {
      width = now;
      draw();
    }
  }).observe(node);
}
