// Where each codec does best and worst, and BD-rate of every codec on every image.

const imageOrder = { column: null, down: false };
const extremesOrder = { column: null, down: false };

// An image's name, as a way to its curves where these are on the page.
function imageName(name) {
  const index = section().images.indexOf(name);
  if (index < 0) return el("span", { class: "file", text: name });
  return el("button", { type: "button", class: "link", title: "show its curves", onclick: () => showImage(index), text: name });
}

function drawExtremes() {
  const rows = metric().extremes.filter((row) => shown(row.codec));
  const { anchor } = section();
  byId("extremes-caption").hidden = byId("extremes-table").hidden = !rows.length;
  byId("extremes-caption").textContent = `Where each codec saves most and least against ${anchor} by ${metric().title}, over all images.`;
  sortableTable(byId("extremes-table"), "Best and worst image of each codec", [
    { title: "Codec", text: true, value: (r) => r.codec, cell: (r) => el("span", { class: "who c" + look(r.codec).index }, swatch(r.codec), r.codec) },
    { title: "Saves most on", text: true, value: (r) => r.best, cell: (r) => imageName(r.best) },
    { title: "BD-rate", value: (r) => r.best_bd, cell: (r) => percent(r.best_bd) },
    { title: "Saves least on", text: true, value: (r) => r.worst, cell: (r) => imageName(r.worst) },
    { title: "BD-rate", value: (r) => r.worst_bd, cell: (r) => percent(r.worst_bd) },
    { title: "Of images", hint: "on which BD-rate is defined", value: (r) => r.n, cell: (r) => String(r.n) },
  ], rows, extremesOrder);
}

function drawImages() {
  drawExtremes();
  const { images, nImages, sizes, anchor, codecs: names } = section();
  const others = names.filter((codec) => codec !== anchor && shown(codec));
  const bd = metric().imageBd;
  const rows = images.map((name, index) => {
    const values = others.map((codec) => (bd[codec] || [])[index]);
    const known = values.filter(isNumber);
    return { name, index, values, least: known.length ? Math.min(...known, 0) : null };
  });
  const columns = [
    { title: "Image", text: true, value: (r) => r.name, cell: (r) => imageName(r.name) },
    { title: "Size", hint: "width × height in pixels", value: (r) => sizes[r.index][0] * sizes[r.index][1], cell: (r) => (isNumber(sizes[r.index][0]) ? sizes[r.index].join(" × ") : "NA") },
    ...others.map((codec, k) => ({
      title: codec, value: (r) => (isNumber(r.values[k]) ? r.values[k] : null),
      cell: (r) => el(isNumber(r.values[k]) && r.values[k] === r.least ? "b" : "span", { text: percent(r.values[k]) }),
    })),
  ];
  sortableTable(byId("image-table"), `BD-rate of each image against ${anchor}`, columns, rows, imageOrder);
  const some = images.length < nImages ? ` ${images.length} of ${nImages} images are listed, evenly chosen; results.csv has all.` : "";
  byId("image-caption").textContent =
    `BD-rate against ${anchor} by ${metric().title} on each image alone; the codec with the fewest bits in bold. NA: fewer than four points, no shared quality, or quality that does not rise with rate.${some}`;
}

function showImage(index) {
  change({ image: index });
  byId("curves").scrollIntoView({ block: "start" });
  byId("image-choice").focus({ preventScroll: true });
}
