// The controls of the page, and its start.

function fillControls() {
  const { metrics, images, nImages, first } = section();
  if (!metrics[state.metric]) state.metric = first;
  if (state.image >= images.length) state.image = -1;
  fillSelect(byId("metric-choice"), Object.entries(metrics).map(([name, m]) => [name, m.title + (name.endsWith("-db") ? ", measured in dB" : "")]), state.metric);
  fillSelect(byId("image-choice"),
    [["-1", `all ${nImages} images (mean)`], ...images.map((name, k) => [String(k), name])], String(state.image));
}

function drawAll() {
  if (!state.metric) return;
  byId("metric-choice").value = state.metric;
  byId("image-choice").value = String(state.image);
  byId("scale-control").hidden = !metric().decibels;
  drawVerdict();
  drawRanking();
  drawLegend();
  drawPublished();
  curvesChart.draw();
  drawCurveNotes();
  drawBdTable();
  drawTarget();
  drawSpeed();
  drawFront();
  drawImages();
  drawAgreement();
}

function showSection(index) {
  state.section = index;
  state.image = -1;
  fillControls();
  drawAll();
  setUpPictures();
}

function listen() {
  const on = (id, act) => byId(id).addEventListener("change", act);
  on("metric-choice", (e) => change({ metric: e.target.value }));
  on("image-choice", (e) => change({ image: Number(e.target.value) }));
  on("log-rate", (e) => change({ rate: e.target.checked ? "log" : "linear" }));
  on("in-decibels", (e) => change({ decibels: e.target.checked }));
  if (byId("section-choice")) on("section-choice", (e) => showSection(Number(e.target.value)));
  watchWidth(byId("curves-chart"), () => state.metric && curvesChart.draw());
  watchWidth(byId("encode-chart"), () => state.metric && drawSpeed());
  watchWidth(byId("front-chart"), () => state.metric && drawFront());
}

function listenToTheme() {
  const themes = ["auto", "light", "dark"];
  const button = byId("theme");
  const root = document.documentElement;
  const set = (theme) => {
    root.dataset.theme = theme;
    button.textContent = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" }[theme];
    try {
      localStorage.setItem("bench-theme", theme);
    } catch {
      // A page on disk may have no storage: the choice then lasts as long as the page.
    }
  };
  let kept = "auto";
  try {
    kept = localStorage.getItem("bench-theme");
  } catch {
    // As above.
  }
  set(themes.includes(kept) ? kept : "auto");
  button.addEventListener("click", () => set(themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length]));
}

document.documentElement.classList.add("scripted");
listenToTheme();
if (data.sections.length) {
  onChange(drawAll);
  listen();
  listenToPublished();
  listenToTarget();
  listenToPictures();
  showSection(0);
}
