// Rate-distortion curves: of the data set, or of one image.

function seriesOf(codec) {
  const described = metric();
  const inDecibels = described.decibels && state.decibels;
  const form = (value) => (inDecibels ? toDecibels(value) : value);
  const points = [];
  if (look(codec).published) {
    const curve = described.published.find((c) => c.codec === codec);
    if (!curve) return null;
    curve.r.forEach((rate, k) => points.push({ setting: curve.s[k], rate, value: form(curve.q[k]), rates: [], values: [] }));
  } else if (state.image < 0) {
    const curve = described.curves[codec];
    if (!curve) return null;
    curve.r.forEach((rate, k) => points.push({
      setting: curve.s[k], rate, value: form(curve.q[k]),
      rates: [curve.rl[k], curve.rh[k]], values: [form(curve.ql[k]), form(curve.qh[k])],
    }));
  } else {
    const cells = section().cells[codec];
    if (!cells) return null;
    const rates = cells.r[state.image];
    const values = cells.m[state.metric][state.image];
    rates.forEach((rate, k) => points.push({ setting: cells.s[k], rate, value: form(values[k]), rates: [], values: [] }));
    points.sort((a, b) => a.rate - b.rate);
  }
  const drawn = points.filter((p) => isNumber(p.rate) && isNumber(p.value) && p.rate > 0);
  for (const point of drawn) point.codec = codec;
  return { codec, points: drawn };
}

const curvesChart = {
  all: [], // points with their places, for the pointer and the arrow keys
  selected: null,

  draw() {
    const host = byId("curves-chart");
    if (!host || !state.metric) return;
    const width = host.clientWidth || 640;
    const narrow = width < 520;
    const height = narrow ? 300 : Math.min(460, Math.round(width * 0.62));
    const described = metric();
    const drawn = [...publishedShown(), ...section().codecs.filter(shown)];
    const series = drawn.map(seriesOf).filter((s) => s && s.points.length);
    const chart = svg("svg", {
      width, height, viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "img",
      "aria-roledescription": "rate-distortion chart", "aria-describedby": "curves-help",
      "aria-label": this.describe(series),
    });
    // Beside more curves than these, lines from curves to names would cross each other.
    const named = !narrow && series.length <= 14;
    const names = series.map((s) => nameOf(s.codec).length);
    const right = named ? Math.min(0.34 * width, 22 + 7.6 * Math.max(4, ...names)) : 10;
    const box = { left: 48, right: width - right, top: 26, bottom: height - 46 };
    this.all = [];
    if (series.length) this.drawSeries(chart, series, box, described, named);
    else chart.append(svg("text", { class: "empty", x: width / 2, y: height / 2, "text-anchor": "middle", text: this.whyEmpty() }));
    this.marks = svg("g", { class: "marks" });
    chart.append(this.marks);
    chart.addEventListener("pointermove", (event) => this.point(event, chart));
    chart.addEventListener("pointerdown", (event) => this.point(event, chart));
    chart.addEventListener("pointerleave", () => this.select(null));
    chart.addEventListener("keydown", (event) => this.key(event));
    chart.addEventListener("blur", () => this.select(null));
    host.replaceChildren(chart);
    this.select(null);
  },

  drawSeries(chart, series, box, described, named) {
    // Published curves are shown as far as the measured ones reach: they don't stretch the axis.
    const measured = series.filter((s) => !look(s.codec).published);
    const end = Math.max(...(measured.length ? measured : series).flatMap((s) => s.points).map((p) => p.rate)) * 1.03;
    const points = series.flatMap((s) => s.points).filter((p) => p.rate <= end);
    const rates = points.map((p) => p.rate);
    const log = state.rate === "log";
    const x = log
      ? logScale(Math.min(...rates) / 1.08, end * 1.05, box.left, box.right)
      : linearScale(0, end, box.left, box.right);
    const [low, high] = extent(points.map((p) => p.value), 0.04);
    const y = described.lower
      ? linearScale(low, high, box.top, box.bottom)
      : linearScale(low, high, box.bottom, box.top);
    const inDecibels = described.decibels && state.decibels;
    const unit = inDecibels ? "dB" : described.unit;
    drawAxes(chart, x, y, box, {
      x: "bits per pixel" + (log ? " (log scale)" : ""),
      y: described.title + (unit ? " in " + unit : "") + (described.lower ? ", lower is better" : ""),
    });
    chart.append(svg("clipPath", { id: "curves-clip" },
      svg("rect", { x: box.left, y: box.top - 8, width: box.right - box.left + 4, height: box.bottom - box.top + 8 })));
    const labels = [];
    for (const { codec, points: mine } of series) {
      const published = look(codec).published;
      const group = svg("g", { class: `series c${look(codec).index}${published ? " published" : ""}`, "data-codec": codec });
      group.append(svg("path", {
        class: "curve", "stroke-dasharray": dashes(codec), "clip-path": "url(#curves-clip)",
        d: mine.map((p, k) => `${k ? "L" : "M"}${x(p.rate).toFixed(1)},${y(p.value).toFixed(1)}`).join(""),
      }));
      const inside = mine.filter((p) => p.rate <= end);
      for (const point of inside) {
        Object.assign(point, { x: x(point.rate), y: y(point.value), scaleX: x, scaleY: y });
        group.append(marker(codec, point.x, point.y, published ? 3 : 3.6));
        this.all.push(point);
      }
      chart.append(group);
      const last = inside[inside.length - 1];
      // A name beside a published curve that ends far to the left would need a line across the others.
      if (last && (!published || last.x > box.left + 0.6 * (box.right - box.left))) labels.push({ codec, x: last.x, y: last.y, end: last });
    }
    // Where there are more curves than lines of text, the legend and the pointer tell them.
    const room = (box.bottom - box.top) / 15;
    const kept = labels.length > room ? labels.filter((l) => !look(l.codec).published) : labels;
    if (named && kept.length <= room) this.label(chart, kept, box);
  },

  label(chart, labels, box) {
    const at = box.right + 12;
    const most = Math.floor((chart.width.baseVal.value - at) / 7.6);
    const short = (name) => (name.length > most ? name.slice(0, most - 1) + "…" : name);
    for (const label of spread(labels, 15, box.top + 4, box.bottom - 4)) {
      chart.append(svg("g", { class: `direct c${look(label.codec).index}${look(label.codec).published ? " published" : ""}` },
        svg("path", { class: "leader", d: `M${label.x + 6},${label.end.y}L${at - 3},${label.y}` }),
        svg("text", { x: at, y: label.y + 4, text: short(nameOf(label.codec)) })));
    }
  },

  point(event, chart) {
    const frame = chart.getBoundingClientRect();
    const [px, py] = [event.clientX - frame.left, event.clientY - frame.top];
    let best = null;
    let distance = event.pointerType === "mouse" ? 45 : 70;
    for (const point of this.all) {
      const d = Math.hypot(point.x - px, point.y - py);
      if (d < distance) [best, distance] = [point, d];
    }
    this.select(best);
  },

  key(event) {
    if (event.key === "Escape") return this.select(null);
    const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step || !this.all.length) return;
    event.preventDefault();
    if (!this.selected) return this.select(this.all[0]);
    const order = [...new Set(this.all.map((p) => p.codec))];
    const mine = this.all.filter((p) => p.codec === this.selected.codec);
    if (step[0]) return this.select(mine[mine.indexOf(this.selected) + step[0]] || this.selected);
    const other = order[(order.indexOf(this.selected.codec) + step[1] + order.length) % order.length];
    const theirs = this.all.filter((p) => p.codec === other);
    const near = (p) => Math.abs(p.x - this.selected.x);
    this.select(theirs.reduce((a, b) => (near(b) < near(a) ? b : a)));
  },

  select(point) {
    this.selected = point;
    const tip = byId("curves-tip");
    this.marks.replaceChildren();
    for (const series of byId("curves-chart").querySelectorAll(".series")) {
      series.classList.toggle("dim", Boolean(point) && series.dataset.codec !== point.codec);
    }
    tip.hidden = !point;
    if (!point) return;
    this.marks.setAttribute("class", "marks c" + look(point.codec).index);
    const { scaleX, scaleY } = point;
    if (isNumber(point.values[0]) && isNumber(point.values[1])) {
      this.marks.append(svg("line", { class: "interval", x1: point.x, x2: point.x, y1: scaleY(point.values[0]), y2: scaleY(point.values[1]) }));
    }
    if (isNumber(point.rates[0]) && isNumber(point.rates[1])) {
      this.marks.append(svg("line", { class: "interval", x1: scaleX(point.rates[0]), x2: scaleX(point.rates[1]), y1: point.y, y2: point.y }));
    }
    this.marks.append(svg("circle", { class: "halo", cx: point.x, cy: point.y, r: 7 }));
    tip.replaceChildren(...this.words(point).map((line, k) => el(k ? "div" : "strong", { text: line })));
    const host = byId("curves-chart");
    const left = point.x + 14 + tip.offsetWidth > host.clientWidth ? point.x - tip.offsetWidth - 14 : point.x + 14;
    tip.style.left = Math.max(0, left) + "px";
    tip.style.top = Math.max(0, point.y - tip.offsetHeight / 2) + "px";
  },

  words(point) {
    const described = metric();
    const inDecibels = described.decibels && state.decibels;
    const one = look(point.codec);
    const interval = (ends, form) => (isNumber(ends[0]) && isNumber(ends[1]) ? ` (95 %: ${form(ends[0])} to ${form(ends[1])})` : "");
    const value = (v) => measure(described, v, inDecibels);
    const lines = [
      one.published ? `${one.short} (published)` : one.name,
      `${one.setting} ${isNumber(point.setting) ? point.setting : "not stated"}`,
      `${fixed(point.rate, 3)} bpp${interval(point.rates, (v) => fixed(v, 3))}`,
      `${described.title} ${value(point.value)}${interval(point.values, value)}`,
    ];
    if (!one.published) return lines;
    const { note } = described.published.find((c) => c.codec === point.codec);
    return [...lines, `Source: ${one.source}`, ...(note ? [`Note: ${note}`] : [])];
  },

  describe(series) {
    const where = state.image < 0 ? `mean over ${section().nImages} images` : section().images[state.image];
    return `${metric().title} against bits per pixel, ${where}: ${series.map((s) => nameOf(s.codec) + (look(s.codec).published ? " (published)" : "")).join(", ") || "nothing shown"}`;
  },

  whyEmpty() {
    return section().codecs.some(shown) ? "No codec has a point here" : "All codecs are hidden";
  },
};

function chip(codec, title) {
  return el("button", {
    type: "button", class: "chip c" + look(codec).index, "aria-pressed": String(shown(codec)),
    title, "data-codec": codec,
    onclick: () => {
      const hidden = new Set(state.hidden);
      if (!hidden.delete(codec)) hidden.add(codec);
      change({ hidden });
      // The button was made anew: keep the reader's place.
      byId("curves").querySelectorAll("button.chip").forEach((b) => b.dataset.codec === codec && b.focus());
    },
  }, swatch(codec), nameOf(codec));
}

function drawLegend() {
  const anchor = section().anchor;
  byId("legend").replaceChildren(...section().codecs.map((codec) =>
    chip(codec, look(codec).title + (codec === anchor ? " (anchor)" : ""))));
}

function drawCurveNotes() {
  const notes = [];
  for (const codec of section().codecs) {
    const curve = metric().curves[codec];
    if (state.image < 0 && curve && curve.note) notes.push(`${codec}: ${curve.note}.`);
  }
  byId("curves-notes").replaceChildren(...notes.map((text) => el("li", { text })));
}
