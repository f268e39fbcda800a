// Codecs at one rate, or at one quality: read off the curves by the interpolation of BD-rates.

const target = { by: "rate", values: {}, order: { column: null, down: false } };

// Slopes of the monotone cubic through points (Fritsch and Butland), as bench/analysis has them.
function pchipSlopes(x, y) {
  const n = x.length - 1;
  const width = x.slice(1).map((v, k) => v - x[k]);
  const secant = width.map((w, k) => (y[k + 1] - y[k]) / w);
  const inner = (k) => {
    const [before, after] = [secant[k - 1], secant[k]];
    if (before * after <= 0) return 0;
    const [u, v] = [2 * width[k] + width[k - 1], width[k] + 2 * width[k - 1]];
    return (u + v) / (u / before + v / after);
  };
  const end = (w0, w1, s0, s1) => {
    const slope = ((2 * w0 + w1) * s0 - w0 * s1) / (w0 + w1);
    if (Math.sign(slope) !== Math.sign(s0)) return 0;
    return Math.sign(s0) !== Math.sign(s1) && Math.abs(slope) > 3 * Math.abs(s0) ? 3 * s0 : slope;
  };
  return x.map((_, k) =>
    k === 0 ? end(width[0], width[1], secant[0], secant[1])
      : k === n ? end(width[n - 1], width[n - 2], secant[n - 1], secant[n - 2]) : inner(k));
}

function pchip(x, y, at) {
  const slope = pchipSlopes(x, y);
  let k = x.findIndex((v) => v > at) - 1;
  if (k < 0) k = x.length - 2;
  const width = x[k + 1] - x[k];
  const t = (at - x[k]) / width;
  const [start, stop, rise] = [width * slope[k], width * slope[k + 1], y[k + 1] - y[k]];
  return y[k] + t * (start + t * (3 * rise - 2 * start - stop + t * (start + stop - 2 * rise)));
}

// The points of a curve on the scale of BD-rates, of the data set or of the image chosen; or why
// nothing can be read off it.
function curveOf(codec) {
  const described = metric();
  const one = look(codec).published ? described.published.find((c) => c.codec === codec) : described.curves[codec];
  if (state.image < 0 || look(codec).published) {
    if (!one) return { problem: "not measured" };
    return checked(one.r, one.q, one.s, one.problem);
  }
  const cells = section().cells[codec];
  return cells ? checked(cells.r[state.image], cells.m[state.metric][state.image], cells.s) : { problem: "not measured" };
}

function checked(rates, values, settings, problem) {
  if (problem) return { problem };
  const described = metric();
  const sign = described.lower ? -1 : 1;
  const points = rates.map((rate, k) => ({ rate, value: described.decibels ? toDecibels(values[k]) : values[k], setting: settings[k] }))
    .sort((a, b) => a.rate - b.rate)
    .filter((p, k, all) => !k || p.rate !== all[k - 1].rate || p.value !== all[k - 1].value);
  if (!points.every((p) => isNumber(p.rate) && isNumber(p.value))) return { problem: "a setting has no value" };
  if (points.length < 4) return { problem: "fewer than 4 points" };
  const rises = points.every((p, k) => !k || (p.rate > points[k - 1].rate && sign * (p.value - points[k - 1].value) > 0));
  return rises ? { points, sign } : { problem: "quality does not improve with rate" };
}

// {value, between: [setting, setting]} of a codec at the target, or {reason}.
function readOff(codec, wanted) {
  const { points, sign, problem } = curveOf(codec);
  if (problem) return { reason: problem };
  const byRate = target.by === "rate";
  const logs = points.map((p) => Math.log(p.rate));
  const rising = points.map((p) => sign * p.value);
  const [x, y, at] = byRate ? [logs, rising, Math.log(wanted)] : [rising, logs, sign * wanted];
  const ends = [points[0], points[points.length - 1]].map((p) => (byRate ? p.rate : p.value)).sort((a, b) => a - b);
  if (!(wanted >= ends[0] && wanted <= ends[1])) {
    return { reason: `its curve covers ${ends.map((v) => targetText(v, byRate)).join(" … ")}` };
  }
  const above = Math.max(1, x.findIndex((v) => v >= at));
  const value = pchip(x, y, at);
  return { value: byRate ? sign * value : Math.exp(value), between: [points[above - 1].setting, points[above].setting] };
}

const scaleUnit = () => (metric().decibels ? "dB" : metric().unit);
const targetText = (value, isRate) => (isRate ? fixed(value, 3) : fixed(value, scaleUnit() === "dB" ? 2 : 4));

// A round number in the middle of what all codecs reach, where there is such a place.
function usualTarget() {
  const ranges = section().codecs.filter(shown).map(curveOf).filter((c) => c.points)
    .map(({ points }) => [points[0], points[points.length - 1]].map((p) => (target.by === "rate" ? Math.log(p.rate) : p.value)).sort((a, b) => a - b));
  if (!ranges.length) return target.by === "rate" ? 0.5 : 0;
  const middle = (Math.max(...ranges.map((r) => r[0])) + Math.min(...ranges.map((r) => r[1]))) / 2;
  if (target.by === "rate") return Number(Math.exp(middle).toPrecision(1));
  return scaleUnit() === "dB" ? Math.round(middle) : Number(middle.toPrecision(1));
}

function drawTarget() {
  const byRate = target.by === "rate";
  const key = byRate ? "rate" : `${state.section} ${state.metric}`;
  if (target.values[key] === undefined) target.values[key] = String(usualTarget());
  const input = byId("target-value");
  if (document.activeElement !== input) input.value = target.values[key];
  input.setAttribute("aria-label", byRate ? "bits per pixel" : metric().scale);
  const unit = scaleUnit();
  byId("target-unit").textContent = byRate ? "bits per pixel" : metric().title + (unit ? `, ${unit}` : "");
  const wanted = Number(target.values[key]);
  const good = target.values[key] !== "" && Number.isFinite(wanted) && (!byRate || wanted > 0);
  byId("target-wrong").hidden = good;
  byId("target-table").hidden = !good;
  // Printed pages have no controls.
  byId("target-said").textContent = byRate ? `At ${wanted} bits per pixel.` : `At a quality of ${wanted}, ${metric().scale}.`;
  if (good) drawTargetTable(wanted, byRate);
}

// Whether two curves are means over the same images; on a single image they are.
function sameImages(codec, anchor) {
  const { curves } = metric();
  if (state.image >= 0) return !look(codec).published;
  if (look(codec).published) return curves[anchor].n === section().nImages;
  return curves[codec].over === curves[anchor].over;
}

function drawTargetTable(wanted, byRate) {
  const { anchor, codecs: names } = section();
  const base = readOff(anchor, wanted);
  const described = metric();
  const row = (codec) => {
    const found = readOff(codec, wanted);
    const both = isNumber(found.value) && isNumber(base.value);
    const apart = both && !sameImages(codec, anchor);
    const difference = both && !apart ? (byRate ? found.value - base.value : 100 * (found.value / base.value - 1)) : null;
    return { codec, ...found, difference, apart };
  };
  const sign = byRate && !described.lower ? -1 : 1; // the best first: more quality, fewer bits
  const rank = (r) => (isNumber(r.value) ? sign * r.value : Infinity);
  const rows = names.filter(shown).map(row).sort((a, b) => rank(a) - rank(b));
  const digits = scaleUnit() === "dB" ? 2 : 4;
  const signed = (v) => (isNumber(v) ? (v > 0 ? "+" : "") + fixed(v, digits) : "NA");
  const columns = [
    { title: "Codec", text: true, value: (r) => r.codec, cell: (r) => [
      el("span", { class: "who c" + look(r.codec).index }, swatch(r.codec), nameOf(r.codec) + (r.codec === anchor ? " (anchor)" : "")),
      r.reason || r.apart ? el("small", { class: "reason", text: r.reason ? "NA: " + r.reason : `over other images than ${anchor}: not compared with it` }) : null].filter(Boolean) },
    { title: byRate ? described.title + (scaleUnit() ? ` in ${scaleUnit()}` : "") : "Bits per pixel", value: (r) => r.value ?? null,
      cell: (r) => el("b", { text: isNumber(r.value) ? (byRate ? fixed(r.value, digits) : fixed(r.value, 3)) : "NA" }) },
    { title: `Against ${anchor}`, hint: byRate ? "difference of quality" : "more (+) or fewer (−) bits", value: (r) => r.difference,
      cell: (r) => (r.codec === anchor ? "" : byRate ? signed(r.difference) : percent(r.difference)) },
    { title: "Between settings", hint: "of the codec; the value is interpolated between them", value: (r) => (r.between ? r.between[0] : null),
      cell: (r) => (r.between && r.between.every(isNumber) ? r.between.join(" … ") : "") },
  ];
  const beside = publishedShown().map(row).sort((a, b) => rank(a) - rank(b));
  sortableTable(byId("target-table"), "Codecs at the target", columns, rows, target.order,
    { title: "Published by others, not measured here.", rows: beside });
}

function listenToTarget() {
  byId("target-by").addEventListener("change", (e) => {
    target.by = e.target.value;
    drawTarget();
  });
  byId("target-value").addEventListener("input", (e) => {
    target.values[target.by === "rate" ? "rate" : `${state.section} ${state.metric}`] = e.target.value;
    drawTarget();
  });
}
