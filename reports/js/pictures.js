// Two codecs on one image at about the same rate: a slider, and where each of them errs.

const view = { image: 0, band: "", left: "", right: "", zoom: 2, gain: 8, split: 50 };
const stages = { loading: 0 };

const gallery = () => section().pictures;
const pictured = () => gallery().images[Math.min(view.image, gallery().images.length - 1)];
const pictureOf = (codec) => pictured().pictures.find((p) => p.codec === codec && p.band === view.band);

function setUpPictures() {
  view.image = 0;
  byId("no-pictures").hidden = Boolean(gallery());
  byId("pictures-body").hidden = !gallery();
  if (!gallery()) return;
  fillSelect(byId("picture-image"), gallery().images.map((image, k) => [String(k), image.image]), "0");
  const order = metric() ? metric().rows.map((row) => row.codec) : section().codecs;
  const anchor = section().anchor;
  const there = (codec) => gallery().images.some((i) => i.pictures.some((p) => p.codec === codec));
  const names = order.filter(there);
  view.left = names.includes(anchor) ? anchor : names[0];
  view.right = names.find((codec) => codec !== view.left) || names[0];
  const options = [...section().codecs.filter(there).map((c) => [c, c]), ["", "original"]];
  fillSelect(byId("picture-left"), options, view.left);
  fillSelect(byId("picture-right"), options, view.right);
  const { words, lossless, error } = gallery();
  byId("picture-truth").textContent =
    `Crops are at full resolution and ${words}` +
    (lossless ? ": every pixel is as the codec decoded it." : `: on average ${error[0]} and at most ${error[1]} grey levels of 255 (mean absolute difference per crop) from what the codec decoded.`) +
    " Each decoded picture was checked against the run by its PSNR. The crop is where the codecs’ errors differ most.";
  drawPictures();
}

function fillSelect(select, options, value) {
  select.replaceChildren(...options.map(([key, text]) => el("option", { value: key, selected: key === value, text })));
  select.value = value;
}

function drawPictures() {
  if (!gallery()) return;
  const bands = Object.keys(pictured().targets);
  const both = (band) => [view.left, view.right].every((c) => !c || pictured().pictures.some((p) => p.codec === c && p.band === band));
  if (!bands.includes(view.band)) view.band = bands.find((b) => b === "medium" && both(b)) || bands.find(both) || bands[0];
  byId("picture-band").replaceChildren(...bands.map((band) => el("label", {},
    el("input", { type: "radio", name: "band", value: band, checked: band === view.band, onchange: () => { view.band = band; drawPictures(); byId("picture-band").querySelector("input:checked").focus(); } }),
    el("span", { text: `${band}, about ${fixed(pictured().targets[band], 2)} bpp` }))));
  drawFacts("left");
  drawFacts("right");
  drawBalance();
  drawStage();
}

function drawFacts(side) {
  const codec = view[side];
  const picture = codec ? pictureOf(codec) : null;
  const host = byId("facts-" + side);
  if (!codec) return host.replaceChildren(el("b", { text: "original" }));
  if (!picture) {
    return host.replaceChildren(el("b", { class: "name c" + look(codec).index, text: codec }), el("span", { text: " has no setting near this rate on this image" }));
  }
  const values = Object.entries(section().metrics).map(([name, described]) => [described.title + (name.endsWith("-db") ? " in dB" : ""), measure(described, picture.values[name])]);
  host.replaceChildren(
    el("b", { class: "name c" + look(codec).index, text: codec }),
    el("span", { text: ` ${look(codec).setting} ${picture.setting}, ${fixed(picture.values.bpp, 3)} bpp, ${picture.values.bytes.toLocaleString("en")} bytes` }),
    el("small", { text: values.map(([name, value]) => `${name} ${value}`).join(" · ") }));
}

function drawBalance() {
  const [left, right] = [view.left && pictureOf(view.left), view.right && pictureOf(view.right)];
  const host = byId("picture-balance");
  if (!left || !right) return (host.textContent = "");
  const more = 100 * (right.values.bpp / left.values.bpp - 1);
  const first = section().metrics[section().first];
  const gain = right.values[section().first] - left.values[section().first];
  const rate = Math.abs(more) < 0.5 ? "spends as many bits as" : `spends ${fixed(Math.abs(more), 0)} % ${more > 0 ? "more" : "fewer"} bits than`;
  const quality = isNumber(gain) ? `, ${first.title} ${gain > 0 ? "+" : ""}${measure(first, gain)}` : "";
  host.textContent = `Here ${view.right} ${rate} ${view.left}${quality}.`;
}

const loaded = new Map();

function load(uri) {
  if (!loaded.has(uri)) {
    if (loaded.size > 64) loaded.clear();
    const image = new Image();
    image.src = uri;
    loaded.set(uri, image.decode().then(() => image));
  }
  return loaded.get(uri);
}

async function drawStage() {
  const turn = ++stages.loading;
  const original = pictured().original;
  const uris = [view.left, view.right].map((codec) => (codec ? (pictureOf(codec) || {}).uri : original));
  const images = await Promise.all([original, ...uris].map((uri) => (uri ? load(uri) : null))).catch(() => null);
  if (turn !== stages.loading) return; // the reader has gone on
  byId("picture-failed").hidden = Boolean(images);
  if (!images) return;
  const [reference, left, right] = images;
  const [, , width, height] = pictured().box;
  const stage = byId("stage");
  const room = byId("stage-room").clientWidth;
  const zoom = view.zoom;
  stage.style.width = width * zoom + "px";
  stage.style.height = height * zoom + "px";
  byId("stage-room").classList.toggle("wide", width * zoom > room);
  paint(byId("stage-left"), left, width, height);
  paint(byId("stage-right"), right, width, height);
  byId("tag-left").textContent = view.left || "original";
  byId("tag-right").textContent = view.right || "original";
  drawErrorMap("left", left, reference, width, height);
  drawErrorMap("right", right, reference, width, height);
  drawWhere();
  moveSplit(view.split);
}

function paint(canvas, image, width, height) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  if (image) context.drawImage(image, 0, 0);
}

// Dark to bright, even steps of lightness (after "inferno", by N. Smith and S. van der Walt).
const heat = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];

function heatAt(share) {
  const at = Math.min(Math.max(share, 0), 1) * (heat.length - 1);
  const k = Math.min(Math.floor(at), heat.length - 2);
  return [0, 1, 2].map((c) => heat[k][c] + (at - k) * (heat[k + 1][c] - heat[k][c]));
}

function pixelsOf(image, width, height) {
  const canvas = document.createElement("canvas");
  paint(canvas, image, width, height);
  return canvas.getContext("2d").getImageData(0, 0, width, height).data;
}

function drawErrorMap(side, image, reference, width, height) {
  const canvas = byId("error-" + side);
  canvas.width = width;
  canvas.height = height;
  byId("error-figure-" + side).hidden = !image || image === reference;
  if (!image || image === reference) return;
  const [a, b] = [pixelsOf(image, width, height), pixelsOf(reference, width, height)];
  const context = canvas.getContext("2d");
  const map = context.createImageData(width, height);
  let total = 0;
  for (let k = 0; k < a.length; k += 4) {
    const error = (Math.abs(a[k] - b[k]) + Math.abs(a[k + 1] - b[k + 1]) + Math.abs(a[k + 2] - b[k + 2])) / 3;
    total += error;
    const [r, g, blue] = heatAt((error * view.gain) / 255);
    map.data.set([r, g, blue, 255], k);
  }
  context.putImageData(map, 0, 0);
  const mean = (4 * total) / a.length;
  canvas.setAttribute("aria-label", `error map of ${view[side]}: mean absolute error ${fixed(mean, 1)} of 255`);
  byId("error-caption-" + side).textContent = `${view[side]}: mean error ${fixed(mean, 1)} levels`;
}

function drawWhere() {
  const { size, box, preview, image } = pictured();
  const picture = byId("where-image");
  picture.src = preview;
  picture.alt = `${image}, whole`;
  const share = (value, whole) => (100 * value) / whole + "%";
  Object.assign(byId("where-box").style, {
    left: share(box[0], size[0]), top: share(box[1], size[1]), width: share(box[2], size[0]), height: share(box[3], size[1]),
  });
  byId("where-caption").textContent = `${image}, ${size[0]} × ${size[1]}; crop ${box[2]} × ${box[3]} at (${box[0]}, ${box[1]})`;
  byId("heat-caption").textContent = `0 … ${Math.round(255 / view.gain)} levels`;
}

function moveSplit(value) {
  view.split = Number(value);
  byId("stage-right").style.clipPath = `inset(0 0 0 ${view.split}%)`;
  byId("stage-line").style.left = view.split + "%";
  const input = byId("split");
  input.value = view.split;
  input.setAttribute("aria-valuetext", `${view.left || "original"} on the left ${Math.round(view.split)} %`);
}

function listenToPictures() {
  const on = (id, event, act) => byId(id).addEventListener(event, act);
  on("picture-image", "change", (e) => { view.image = Number(e.target.value); drawPictures(); });
  on("picture-left", "change", (e) => { view.left = e.target.value; drawPictures(); });
  on("picture-right", "change", (e) => { view.right = e.target.value; drawPictures(); });
  on("picture-zoom", "change", (e) => { view.zoom = Number(e.target.value); drawStage(); });
  on("picture-gain", "change", (e) => { view.gain = Number(e.target.value); drawStage(); });
  on("split", "input", (e) => moveSplit(e.target.value));
  on("swap", "click", () => {
    [view.left, view.right] = [view.right, view.left];
    byId("picture-left").value = view.left;
    byId("picture-right").value = view.right;
    drawPictures();
  });
  const bar = byId("heat").getContext("2d");
  for (let k = 0; k < 128; k++) {
    bar.fillStyle = `rgb(${heatAt(k / 127).map(Math.round).join(",")})`;
    bar.fillRect(k, 0, 1, 8);
  }
  view.zoom = byId("main").clientWidth < 760 ? 1 : 2;
  byId("picture-zoom").value = String(view.zoom);
}
