// Curves that others published: dashed, beside those of the run, never among them.

// Those of this metric that have a place in the legend, in the order of the catalogue.
const publishedHere = () => metric().published.map((c) => c.codec).filter((c) => state.offered.has(c)).sort((a, b) => look(a).index - look(b).index);

// Those that are drawn: they are means over a whole data set, so none on a single image.
const publishedShown = () => (state.published && state.image < 0 ? publishedHere().filter(shown) : []);

function offerPublished() {
  for (const { metrics } of data.sections) {
    for (const { published } of Object.values(metrics)) {
      for (const { codec, drawn } of published) if (drawn) state.offered.add(codec);
    }
  }
}

function whyUnpublished() {
  const some = Object.values(section().metrics).some((m) => m.published.length);
  if (!some) return section().unpublished ? section().unpublished + "." : "";
  if (!metric().published.length) return `No curves are published by ${metric().title}.`;
  return state.image < 0 ? "" : "Published curves are means over all images: none is drawn for one image.";
}

function drawPublished() {
  const why = whyUnpublished();
  byId("published-why").textContent = why;
  byId("published-why").hidden = !why;
  const there = metric().published;
  byId("published").hidden = Boolean(why) || !there.length;
  if (why || !there.length) return;
  byId("published-on").checked = state.published;
  byId("published-legend").hidden = !state.published;
  byId("published-legend").replaceChildren(...publishedHere().map((codec) =>
    chip(codec, `${look(codec).title}, published: ${look(codec).source}`)));
  fillPublished(there.map((c) => c.codec).filter((codec) => !state.offered.has(codec)));
}

// The chooser: what is not in the legend yet, by who published it.
function fillPublished(rest) {
  const groups = new Map();
  for (const codec of rest.sort((a, b) => nameOf(a).localeCompare(nameOf(b)))) {
    const { group } = look(codec);
    groups.set(group, [...(groups.get(group) || []), codec]);
  }
  byId("published-add").replaceChildren(
    el("option", { value: "", text: `add one of ${rest.length}` }),
    ...[...groups].map(([label, names]) =>
      el("optgroup", { label }, names.map((codec) => el("option", { value: codec, text: nameOf(codec) })))));
  byId("published-add").disabled = !rest.length;
}

function listenToPublished() {
  offerPublished();
  byId("published-on").addEventListener("change", (e) => change({ published: e.target.checked }));
  byId("published-add").addEventListener("change", (e) => {
    if (!e.target.value) return;
    const hidden = new Set(state.hidden);
    hidden.delete(e.target.value);
    change({ hidden, published: true, offered: new Set([...state.offered, e.target.value]) });
  });
}
