// Show the view that the address describes.

let latestRender = 0, focusSearch = false, lastState = null;

const VIEWS = { list: listView, dialogue: dialogueView, bits: bitsView, bit: bitView };

async function render() {
  const thisRender = ++latestRender;
  const state = readState();
  try {
    fillSelection(state);
    const number = setNumber(state.run, state.seed, state.part);
    const available = number >= 0 && INDEX.sets[number].failed === null;
    const dialogues = available ? await openSet(number) : null;
    const rows = dialogues ? matching(dialogues, state) : [];
    const view = Object.hasOwn(VIEWS, state.view) ? state.view : "list";
    const shown = dialogues ? await VIEWS[view](dialogues, state, rows) : emptyView(number, state);
    if (thisRender !== latestRender) return;
    if (dialogues) fillFilters(dialogues, state);
    fillLegend(dialogues, view);
    byId("filters").hidden = view !== "list" || !dialogues;
    byId("main").replaceChildren(...shown.filter(Boolean));
    document.title = `${titleOf(dialogues, state, view)} – ${INDEX.experiment} – Parley`;
    markScrolling();
    moveFocus(state, view);
  } catch (error) {
    byId("count").textContent = "";
    byId("main").replaceChildren(make("p", { class: "notice" }, `This view cannot be shown (${error.message}).`));
    throw error;
  }
}

// Return a view that states why there are no dialogues of a run, seed and split.
function emptyView(number, state) {
  byId("count").textContent = "";
  const heading = make("h2", { tabindex: -1 }, "No dialogues");
  if (number < 0) return [heading, make("p", { class: "notice" }, isolated(missingSet(state)), ".")];
  return [heading, make("p", { class: "notice" }, `Seed ${state.seed} of run ${state.run} failed in training and has no messages. `, isolated(INDEX.sets[number].failed))];
}

// Return which name in the address is not on the page, and the names that are.
function missingSet(state) {
  const ofRun = INDEX.sets.filter((set) => set.run === state.run);
  const ofSeed = ofRun.filter((set) => String(set.seed) === state.seed);
  const listed = (sets, nameOf) => [...new Set(sets.map(nameOf))].join("; ");
  if (ofRun.length === 0) return `This page has no run “${state.run}”, only these: ${listed(INDEX.sets, (set) => set.run)}`;
  if (ofSeed.length === 0) return `Run ${state.run} has no seed “${state.seed}”, only these: ${listed(ofRun, (set) => set.seed)}`;
  return `Seed ${state.seed} of run ${state.run} has no split “${state.part}”, only these: ${listed(ofSeed, (set) => set.part)}`;
}

function titleOf(dialogues, state, view) {
  const set = `run ${state.run}, seed ${state.seed}, ${state.part}`;
  if (!dialogues) return `No dialogues of ${set}`;
  const row = dialogues.rowOf(state.key);
  if (view === "dialogue" && row >= 0) return `${dialogues.labels[dialogues.target(row)]}, ${dialogues.right(row) ? "correct" : "wrong"}, ${set}`;
  if (view === "bit") return `Bit ${state.bit}, ${set}`;
  return `${view === "bits" ? "Bits" : "Dialogues"} of ${set}`;
}

// Move the focus and the scroll position to the heading of a new view, or back to the card of the last open dialogue.
function moveFocus(state, view) {
  const left = lastState;
  lastState = { ...state, view };
  if (focusSearch) { focusSearch = false; byId("search").focus(); return; }
  if (left === null || (left.view === view && left.key === state.key && left.bit === state.bit && left.page === state.page)) return;
  const back = view === "list" && left.key ? document.querySelector(`#main [data-key="${CSS.escape(left.key)}"]`) : null;
  if (back) { back.focus(); return; }
  scrollTo(0, 0);
  document.querySelector("#main h2")?.focus({ preventScroll: true });
}

// Mark boxes whose table is wider than the window, so that they say that they scroll.
function markScrolling() {
  document.querySelectorAll(".scroll").forEach((box) => box.classList.toggle("cut", box.scrollWidth > box.clientWidth + 1));
}

function fillSelection(state) {
  const runs = [...new Set(INDEX.sets.map((set) => set.run))];
  const seeds = [...new Set(INDEX.sets.filter((set) => set.run === state.run).map((set) => set.seed))];
  const failed = (seed) => INDEX.sets.every((set) => set.run !== state.run || set.seed !== seed || set.failed !== null);
  const parts = INDEX.parts.filter((part) => INDEX.sets.some((set) => set.part === part));
  options(byId("run"), runs.map((run) => [run, run]), state.run);
  options(byId("seed"), seeds.map((seed) => [seed, failed(seed) ? `${seed} (failed)` : seed]), state.seed);
  options(byId("part"), parts.map((part) => [part, part]), state.part);
  byId("to-list").href = addressOf({ ...state, view: "list", key: "", beside: "", bit: "" });
  byId("to-bits").href = addressOf({ ...state, view: "bits", key: "", beside: "", bit: "" });
  const inBits = state.view === "bits" || state.view === "bit";
  for (const [id, here] of [["to-list", !inBits], ["to-bits", inBits]]) {
    if (here) byId(id).setAttribute("aria-current", "page");
    else byId(id).removeAttribute("aria-current");
  }
}

// Change the run, seed or split. If a run lacks the seed or the split, or a seed lacks the split, choose another one that
// exists. Another split has other classes and images, so that the class, the page number and an open dialogue are reset.
// Another run or seed has the same ones.
function onSelection(event) {
  const before = readState();
  const { name, value } = event.target;
  const state = { ...before, [name]: value };
  const change = { [name]: value };
  if (name !== "part" && setNumber(state.run, state.seed, state.part) < 0) {
    const ofRun = INDEX.sets.filter((set) => set.run === state.run);
    const { seed, part } = ofRun.find((set) => (name === "seed" ? String(set.seed) === state.seed : set.part === state.part)) ?? ofRun[0] ?? state;
    Object.assign(change, { seed, part });
  }
  const { part } = { ...state, ...change };
  if (part !== before.part) Object.assign(change, { label: "", page: 1 });
  if (state.view === "dialogue" && imageGroup(part) !== imageGroup(before.part)) Object.assign(change, { view: "list", key: "", beside: "" });
  navigate(change);
}

function showLimits() {
  const parts = Object.values(INDEX.groups);
  const some = parts.filter((group) => group.keys.length < group.total);
  byId("limits").textContent = INDEX.per_class === null
    ? "All dialogues are shown."
    : `To stay below ${INDEX.max_mb} MB, this page shows the first ${counted(INDEX.per_class, "image")} by key of each class and split: `
      + `${some.map((group) => `${group.keys.length.toLocaleString("en")} of ${group.total.toLocaleString("en")}`).join(", ")}. Statistics of bits are over all dialogues.`;
}

function start() {
  byId("more").open = matchMedia("(min-width: 48rem)").matches;
  byId("selection").addEventListener("change", onSelection);
  byId("selection").addEventListener("submit", (event) => event.preventDefault());
  listenToFilters();
  startLegend();
  addEventListener("hashchange", render);
  addEventListener("resize", markScrolling);
  addEventListener("keydown", onKey);
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
  showLimits();
  render();
}
