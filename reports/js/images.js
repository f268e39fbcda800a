// The per-image table: BD-rate of every codec on every image.

const imageOrder = { column: null, down: false };

function drawImages() {
  const { images, nImages, sizes, anchor, codecs: names } = section();
  const others = names.filter((codec) => codec !== anchor && shown(codec));
  const bd = metric().imageBd;
  const rows = images.map((name, index) => {
    const values = others.map((codec) => (bd[codec] || [])[index]);
    const known = values.filter(isNumber);
    return { name, index, values, least: known.length ? Math.min(...known, 0) : null };
  });
  const columns = [
    { title: "Image", text: true, value: (r) => r.name, cell: (r) => el("button", { type: "button", class: "link", title: "show its curves", onclick: () => showImage(r.index), text: r.name }) },
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
