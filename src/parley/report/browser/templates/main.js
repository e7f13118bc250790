// Shows what the address says.

let turn = 0, focusSearch = false, before = null;

const VIEWS = { list: listView, talk: talkView, bits: bitsView, bit: bitView };

async function render() {
  const mine = ++turn;
  const state = readState();
  try {
    fillWhose(state);
    const place = placeOf(state.run, state.seed, state.part);
    const known = place >= 0 && INDEX.sets[place].failed === null;
    const talks = known ? await openSet(place) : null;
    const rows = talks ? matching(talks, state) : [];
    const view = Object.hasOwn(VIEWS, state.view) ? state.view : "list";
    const shown = talks ? await VIEWS[view](talks, state, rows) : absent(place, state);
    if (mine !== turn) return;
    if (talks) fillFilters(talks, state);
    byId("filters").hidden = view !== "list" || !talks;
    byId("main").replaceChildren(...shown.filter(Boolean));
    document.title = `${titleOf(talks, state, view)} – ${INDEX.experiment} – Parley`;
    settle(state, view);
  } catch (error) {
    byId("count").textContent = "";
    byId("main").replaceChildren(make("p", { class: "notice" }, `This view cannot be shown (${error.message}).`));
    throw error;
  }
}

// Why there is nothing to see of a run, seed and part.
function absent(place, state) {
  byId("count").textContent = "";
  const heading = make("h2", { tabindex: -1 }, "No conversations");
  if (place < 0) return [heading, make("p", { class: "notice" }, "There are no conversations of ", named(`run ${state.run}, seed ${state.seed}, part ${state.part}`), " on this page.")];
  return [heading, make("p", { class: "notice" }, `Seed ${state.seed} of run ${state.run} failed in training and has no messages. `, named(INDEX.sets[place].failed))];
}

function titleOf(talks, state, view) {
  const whose = `run ${state.run}, seed ${state.seed}, ${INDEX.titles[state.part] ?? state.part}`;
  if (!talks) return `No conversations of ${whose}`;
  const row = talks.rowOf(state.key);
  if (view === "talk" && row >= 0) return `${talks.labels[talks.target(row)]}, ${talks.right(row) ? "right" : "wrong"}, ${whose}`;
  if (view === "bit") return `Bit ${state.bit}, ${whose}`;
  return `${view === "bits" ? "Bits" : "Conversations"} of ${whose}`;
}

// Where the focus and the scroll go: to a new view's heading, and back to the card that was left.
function settle(state, view) {
  const left = before;
  before = { ...state, view };
  if (focusSearch) { focusSearch = false; byId("search").focus(); return; }
  if (left === null || (left.view === view && left.key === state.key && left.bit === state.bit && left.page === state.page)) return;
  const back = view === "list" && left.key ? document.querySelector(`#main [data-key="${CSS.escape(left.key)}"]`) : null;
  if (back) { back.focus(); return; }
  scrollTo(0, 0);
  document.querySelector("#main h2")?.focus({ preventScroll: true });
}

function fillWhose(state) {
  const runs = [...new Set(INDEX.sets.map((set) => set.run))];
  const seeds = [...new Set(INDEX.sets.filter((set) => set.run === state.run).map((set) => set.seed))];
  const failed = (seed) => INDEX.sets.every((set) => set.run !== state.run || set.seed !== seed || set.failed !== null);
  const parts = Object.keys(INDEX.titles).filter((part) => INDEX.sets.some((set) => set.part === part));
  options(byId("run"), runs.map((run) => [run, run]), state.run);
  options(byId("seed"), seeds.map((seed) => [seed, failed(seed) ? `${seed} (failed)` : seed]), state.seed);
  options(byId("part"), parts.map((part) => [part, INDEX.titles[part]]), state.part);
  byId("to-list").href = addressOf({ ...state, view: "list", key: "", beside: "", bit: "" });
  byId("to-bits").href = addressOf({ ...state, view: "bits", key: "", beside: "", bit: "" });
  const inBits = state.view === "bits" || state.view === "bit";
  for (const [id, here] of [["to-list", !inBits], ["to-bits", inBits]]) {
    if (here) byId(id).setAttribute("aria-current", "page");
    else byId(id).removeAttribute("aria-current");
  }
}

// Another part has other images and classes; another run or seed has the same.
function onWhose(event) {
  const change = { [event.target.name]: event.target.value };
  const state = { ...readState(), ...change };
  if (placeOf(state.run, state.seed, state.part) < 0) {
    change.seed = INDEX.sets.find((set) => set.run === state.run)?.seed ?? state.seed;
  }
  if (event.target.name === "part") Object.assign(change, { class: "", page: 1 });
  if (event.target.name === "part" && state.view === "talk" && groupOf(state.part) !== groupOf(readState().part)) {
    Object.assign(change, { view: "list", key: "", beside: "" });
  }
  go(change);
}

function tellLimits() {
  const parts = Object.values(INDEX.groups);
  const some = parts.filter((group) => group.keys.length < group.total);
  byId("limits").textContent = INDEX.per_class === null
    ? "All conversations are here."
    : `To stay below ${INDEX.max_mb} MB, this page holds the first ${counted(INDEX.per_class, "image")} by key of each class and part: `
      + `${some.map((group) => `${group.keys.length.toLocaleString("en")} of ${group.total.toLocaleString("en")}`).join(", ")}. What is told of bits is of all.`;
}

function start() {
  byId("more").open = matchMedia("(min-width: 48rem)").matches;
  byId("whose").addEventListener("change", onWhose);
  byId("whose").addEventListener("submit", (event) => event.preventDefault());
  listenToFilters();
  addEventListener("hashchange", render);
  addEventListener("keydown", onKey);
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
  tellLimits();
  render();
}
