// Do the metrics agree? Rank correlations of every two of them, as a triangle.

function drawAgreement() {
  const pairs = section().agreements;
  byId("agreement").hidden = !pairs.length;
  if (!pairs.length) return;
  const names = [...new Set(pairs.flatMap((p) => p.pair))];
  const title = (name) => section().metrics[name].title + (name.endsWith("-db") ? " in dB" : "");
  const found = (a, b) => pairs.find(({ pair }) => pair.includes(a) && pair.includes(b));
  const cell = (a, b) => {
    const { spearman, kendall, n } = found(a, b);
    return el("td", { title: `over ${n} images` }, el("b", { text: fixed(spearman, 3) }), el("small", { class: "below", text: fixed(kendall, 3) }));
  };
  byId("agreement-table").replaceChildren(el("table", {},
    el("caption", { class: "hidden-visually", text: "Rank correlation of metrics: Spearman, below it Kendall" }),
    el("thead", {}, el("tr", {}, el("td"), names.slice(0, -1).map((name) => el("th", { scope: "col", text: title(name) })))),
    el("tbody", {}, names.slice(1).map((name, k) => el("tr", {},
      el("th", { scope: "row", class: "text", text: title(name) }),
      names.slice(0, -1).map((other, j) => (j <= k ? cell(name, other) : el("td"))))))));
}
