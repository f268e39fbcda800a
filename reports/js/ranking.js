// Who needs how many bits: the ranking on the first screen, and the table with every number.

function rankingRows() {
  if (state.image < 0) return metric().rows;
  const anchor = section().anchor;
  const rows = section().codecs.map((codec) => {
    if (codec === anchor) return { codec, bd_rate: 0 };
    const value = (metric().imageBd[codec] || [])[state.image];
    return { codec, bd_rate: isNumber(value) ? value : null, reason: "undefined on this image" };
  });
  const rank = (row) => (isNumber(row.bd_rate) ? row.bd_rate : Infinity);
  return rows.sort((a, b) => rank(a) - rank(b));
}

// The part of the axis that is shown. Where a few codecs lie far from all others, these would be
// drawn as one point: then what most codecs span is shown, and the few are marked at its end.
function rankingRange(rows) {
  const ends = rows.flatMap((r) => [r.bd_rate, r.ci_low, r.ci_high]).filter(isNumber);
  const whole = extent([0, ...ends], 0.06);
  const rates = rows.map((r) => r.bd_rate).filter(isNumber).sort((a, b) => a - b);
  if (rates.length < 6) return whole;
  const at = (share) => rates[Math.round(share * (rates.length - 1))];
  const [first, third] = [at(0.25), at(0.75)];
  const far = (v) => v < first - 3 * (third - first) || v > third + 3 * (third - first);
  const near = rows.filter((r) => isNumber(r.bd_rate) && !far(r.bd_rate));
  const most = extent([0, ...near.flatMap((r) => [r.bd_rate, r.ci_low, r.ci_high]).filter(isNumber)], 0.06);
  return most[1] - most[0] < 0.4 * (whole[1] - whole[0]) ? most : whole;
}

function rankingTrack(row, [low, high]) {
  const place = (value) => (100 * (Math.min(high, Math.max(low, value)) - low)) / (high - low) + "%";
  const track = el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "zero", style: { left: place(0) } }));
  if (row.bd_rate < low || row.bd_rate > high) {
    const right = row.bd_rate > high;
    track.append(el("span", { class: "beyond", style: right ? { right: 0 } : { left: 0 }, text: right ? "▸" : "◂" }));
    return track;
  }
  if (isNumber(row.ci_low) && isNumber(row.ci_high)) {
    track.append(el("span", { class: "whisker", style: { left: place(row.ci_low), right: `calc(100% - ${place(row.ci_high)})` } }));
  }
  track.append(el("span", { class: row.codec === section().anchor ? "dot anchor" : "dot", style: { left: place(row.bd_rate) } }));
  return track;
}

function drawRanking() {
  const rows = rankingRows();
  const anchor = section().anchor;
  const range = rankingRange(rows);
  const beyond = rows.some((r) => isNumber(r.bd_rate) && (r.bd_rate < range[0] || r.bd_rate > range[1]));
  byId("ranking").replaceChildren(...rows.map((row) => {
    const known = isNumber(row.bd_rate);
    const interval = isNumber(row.ci_low) ? `${percent(row.ci_low)} to ${percent(row.ci_high)}` : "";
    return el("li", { class: "c" + look(row.codec).index, title: known ? look(row.codec).title : row.reason },
      el("span", { class: "who" }, swatch(row.codec), el("span", { text: row.codec })),
      known ? rankingTrack(row, range) : el("small", { class: "why", text: row.reason || "" }),
      el("span", { class: "value" }, el("b", { text: row.codec === anchor ? "anchor" : percent(row.bd_rate) }), el("small", { text: known ? interval : "" })));
  }));
  byId("ranking-caption").textContent =
    `BD-rate against ${anchor} by ${metric().title}` +
    (state.image < 0 ? `: bars are 95 % intervals over images${Math.min(...rows.map((r) => r.n_images)) < data.few ? `, narrower than they should be with fewer than ${data.few}` : ""}. Left is better.` : `, on ${section().images[state.image]} alone. Left is better.`) +
    (beyond ? " ▸ and ◂ mark codecs beyond what is shown." : "");
}

// A sentence in which the anchor's name does not break at its hyphens.
function wholeNames(text) {
  const { anchor } = section();
  const parts = text.split(` ${anchor} `);
  return parts.flatMap((part, k) => (k ? [" ", el("span", { class: "whole", text: anchor }), " ", part] : [part]));
}

function drawVerdict() {
  const { headline, details, best } = metric().verdict;
  const starts = best && headline.startsWith(best);
  const rest = starts ? headline.slice(best.length) : headline;
  byId("headline").replaceChildren(
    ...(starts ? [el("mark", { class: "whole c" + look(best).index, text: best })] : []), ...wholeNames(rest));
  byId("sure").replaceChildren(...details.map((text) => el("li", { text })));
}

function sorted(rows, columns, order) {
  const sorted = [...rows];
  if (order.column !== null) {
    const { value } = columns[order.column];
    const key = (row) => value(row);
    sorted.sort((a, b) => {
      const [u, v] = [key(a), key(b)];
      const [mu, mv] = [u === null || u === undefined, v === null || v === undefined];
      if (mu || mv) return mu - mv; // what is not there comes last, whichever way
      const sign = typeof u === "string" ? u.localeCompare(v, undefined, { numeric: true }) : u - v;
      return order.down ? -sign : sign;
    });
  }
  return sorted;
}

// A table whose columns sort. Columns: {title, value(row), cell(row), text, hint}. Rows of `apart`
// ({title, rows}) stand below under a heading of their own, sorted among themselves.
function sortableTable(host, caption, columns, rows, order, apart = { rows: [] }) {
  const heads = columns.map((column, k) => el("th", {
    scope: "col", class: column.text ? "text" : null,
    "aria-sort": order.column === k ? (order.down ? "descending" : "ascending") : null,
  }, el("button", {
    type: "button", title: column.hint,
    onclick: () => {
      order.down = order.column === k ? !order.down : false;
      order.column = k;
      sortableTable(host, caption, columns, rows, order, apart);
      host.querySelectorAll("th button")[k].focus();
    },
  }, column.title)));
  const body = (some) => sorted(some, columns, order).map((row) => el("tr", {}, columns.map((column, k) =>
    el(k ? "td" : "th", { scope: k ? null : "row", class: column.text ? "text" : null }, column.cell(row)))));
  const below = apart.rows.length
    ? el("tbody", { class: "apart" },
      el("tr", {}, el("th", { scope: "rowgroup", class: "text", colspan: columns.length }, el("span", { class: "apart-title", text: apart.title }))),
      body(apart.rows))
    : null;
  host.replaceChildren(el("table", {},
    ...[el("caption", { class: "hidden-visually", text: caption }),
      el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body(rows)), below].filter(Boolean)));
}

const bdOrder = { column: null, down: false };

function drawBdTable() {
  const described = metric();
  const anchor = section().anchor;
  const unit = described.decibels ? "dB" : described.unit;
  const digits = unit === "dB" ? 2 : 4;
  const interval = (low, high) => (isNumber(low) ? `${percent(low)} … ${percent(high)}` : "");
  const codecCell = (row) => [
    el("span", { class: "who c" + look(row.codec).index }, swatch(row.codec), nameOf(row.codec) + (row.codec === anchor ? " (anchor)" : "")),
    row.reason || row.note ? el("small", { class: "reason", text: [row.reason && "NA: " + row.reason, row.note].filter(Boolean).join("; ") }) : null,
  ].filter(Boolean);
  const published = (row) => look(row.codec).published;
  const none = () => el("span", { title: "results of single images were not published", text: "NA" });
  const signed = (value) => (isNumber(value) ? (value > 0 ? "+" : "") + fixed(value, digits) : "NA");
  const columns = [
    { title: "Codec", text: true, value: (r) => r.codec, cell: codecCell },
    { title: "BD-rate", hint: "more (+) or fewer (−) bits at equal quality, over the curve of means", value: (r) => r.bd_rate, cell: (r) => el("b", { text: percent(r.bd_rate) }) },
    { title: "95 % interval", hint: "of BD-rate, by resampling images", value: (r) => r.ci_low, cell: (r) => (published(r) ? none() : interval(r.ci_low, r.ci_high)) },
    { title: "Mean of images", hint: "mean of the BD-rates of single images", value: (r) => (r.codec === anchor ? 0 : r.image_mean), cell: (r) => (published(r) ? none() : r.codec === anchor ? "" : `${percent(r.image_mean)} (n = ${r.image_n})`) },
    { title: "95 % interval", hint: "of the mean of images", value: (r) => r.image_ci_low, cell: (r) => (published(r) ? none() : interval(r.image_ci_low, r.image_ci_high)) },
    { title: `BD-quality${unit ? " in " + unit : ""}`, hint: "difference of quality at equal rate" + (described.lower ? "; lower is better" : ""), value: (r) => r.bd_quality, cell: (r) => (r.codec === anchor ? "" : signed(r.bd_quality)) },
    { title: "Over the range", hint: described.scale, value: (r) => r.range_low, cell: (r) => (isNumber(r.range_low) ? `${fixed(r.range_low, digits)} … ${fixed(r.range_high, digits)}` : "") },
    { title: "Overlap", hint: "what both curves share of the quality that they cover together", value: (r) => r.overlap, cell: (r) => (isNumber(r.overlap) ? fixed(100 * r.overlap, 0) + "\u202f%" : "") },
    { title: "Images", value: (r) => r.n_images, cell: (r) => String(r.n_images) },
  ];
  sortableTable(byId("bd-table"), `BD-rates against ${anchor} by ${described.title}`, columns, described.rows, bdOrder, publishedRows());
  byId("bd-caption").textContent =
    `Against ${anchor} by ${described.title}, over the whole data set. The range is stated in: ${described.scale}.`;
}

function publishedRows() {
  const here = state.published ? new Set(publishedHere().filter(shown)) : new Set();
  const rows = metric().published.filter((row) => here.has(row.codec));
  const count = rows.length ? rows[0].n_images : 0;
  return {
    title: `Published by others, not measured here: means over the same ${count} images. No interval, because results of single images were not published.`,
    rows,
  };
}
