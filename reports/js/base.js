// State, elements and numbers: what every other part uses.
// The parts are joined in the order that bench/report/html.py names; they share one scope.

const data = JSON.parse(document.getElementById("data").textContent);
const codecs = new Map(data.codecs.map((codec, index) => [codec.name, { ...codec, index }]));

const state = {
  section: 0,
  metric: "",
  image: -1, // -1: the mean over all images
  rate: "linear", // or "log"
  decibels: true, // MS-SSIM as -10 log10(1 - x)
  hidden: new Set(),
  published: true, // whether published curves are shown at all
  offered: new Set(), // those with a place in the legend
};

const listeners = [];
const onChange = (listener) => listeners.push(listener);

function change(patch) {
  Object.assign(state, patch);
  for (const listener of listeners) listener();
}

const section = () => data.sections[state.section];
const metric = () => section().metrics[state.metric];
const look = (codec) => codecs.get(codec);
const shown = (codec) => !state.hidden.has(codec);
const nameOf = (codec) => look(codec).short || codec;
const dashes = (codec) => look(codec).dash.map((length) => 1.8 * length).join(" ") || null;
const byId = (id) => document.getElementById(id);

function append(node, properties, children) {
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const el = (tag, properties, ...children) =>
  append(document.createElement(tag), properties, children);

const svg = (tag, properties, ...children) =>
  append(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);

// Numbers as a reader expects them: a true minus sign, a thin space before the per cent.
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const minus = (text) => text.replace("-", "−");
const fixed = (value, digits) =>
  value === "inf" ? "∞" : isNumber(value) ? minus(value.toFixed(digits)) : "NA";

function percent(value, digits = 1) {
  if (!isNumber(value)) return "NA";
  return (value > 0 ? "+" : "") + fixed(value, digits) + "\u202f%";
}

function digitsOf(described) {
  if (described.unit === "dB") return 2;
  return 4;
}

function measure(described, value, decibels = false) {
  if (value === "inf") return "∞" + (described.unit ? " " + described.unit : "");
  if (!isNumber(value)) return "NA";
  const unit = decibels ? "dB" : described.unit;
  return fixed(value, decibels ? 2 : digitsOf(described)) + (unit ? "\u202f" + unit : "");
}

const toDecibels = (value) => (isNumber(value) && value < 1 ? -10 * Math.log10(1 - value) : null);

function seconds(value) {
  if (!isNumber(value)) return "NA";
  if (value < 0.001) return fixed(value * 1e6, 0) + "\u202fµs";
  if (value < 1) return fixed(value * 1000, value < 0.01 ? 1 : 0) + "\u202fms";
  return fixed(value, value < 10 ? 2 : 0) + "\u202fs";
}

function swatch(codec) {
  return svg(
    "svg",
    { class: "swatch c" + look(codec).index, viewBox: "0 0 22 12", "aria-hidden": "true" },
    svg("line", {
      x1: 0, x2: 22, y1: 6, y2: 6, class: "curve",
      "stroke-dasharray": look(codec).dash.join(" ") || null,
    }),
    marker(codec, 11, 6, 4),
  );
}

// The markers of the figures in papers, as paths of radius r around (x, y).
const shapes = {
  circle: (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0z`,
  square: (r) => polygon([[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]], r),
  diamond: (r) => polygon([[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]], r),
  up: (r) => polygon([[0, -1.1], [1.05, 0.8], [-1.05, 0.8]], r),
  down: (r) => polygon([[0, 1.1], [1.05, -0.8], [-1.05, -0.8]], r),
  left: (r) => polygon([[-1.1, 0], [0.8, -1.05], [0.8, 1.05]], r),
  right: (r) => polygon([[1.1, 0], [-0.8, -1.05], [-0.8, 1.05]], r),
  hexagon: (r) => polygon([0, 1, 2, 3, 4, 5].map((k) => [Math.sin(k * Math.PI / 3) * 1.1, Math.cos(k * Math.PI / 3) * 1.1]), r),
  plus: (r) => polygon([[-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4], [0.4, 1.1], [-0.4, 1.1], [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]], r),
  cross: (r) => polygon([[-1.1, -0.6], [-0.6, -1.1], [0, -0.5], [0.6, -1.1], [1.1, -0.6], [0.5, 0], [1.1, 0.6], [0.6, 1.1], [0, 0.5], [-0.6, 1.1], [-1.1, 0.6], [-0.5, 0]], r),
};

function polygon(points, r) {
  return "M" + points.map(([x, y]) => `${(x * r).toFixed(2)},${(y * r).toFixed(2)}`).join("L") + "z";
}

function marker(codec, x, y, r) {
  return svg("path", {
    d: shapes[look(codec).marker](r),
    transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`,
    class: look(codec).open ? "marker open" : "marker",
  });
}
