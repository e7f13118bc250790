// State of the page. It is stored in the address, so that links, bookmarks and the back button work for every view. Runs,
// seeds, splits, classes and images stand in it by name or key, so that a link means the same on the page of other results.

const DEFAULTS = {
  view: "list", run: "", seed: "", part: "", label: "", answer: "", shortest: "", longest: "", from: "", to: "",
  order: "", search: "", page: "1", key: "", beside: "", after: "", bit: "",
};

function firstSet() {
  const available = INDEX.sets.filter((set) => set.failed === null);
  const best = available.find((set) => set.part === "test") ?? available[0] ?? INDEX.sets[0];
  return best ? { run: best.run, seed: String(best.seed), part: best.part } : {};
}

function readState() {
  const address = new URLSearchParams(location.hash.slice(1));
  const state = { ...DEFAULTS, ...firstSet() };
  for (const name of Object.keys(DEFAULTS)) if (address.has(name)) state[name] = address.get(name);
  // Links to older pages have another name of this view, and the number of a class instead of its name.
  if (state.view === "talk") state.view = "dialogue";
  if (address.has("class") && state.label === "") state.label = labelOf(state, address.get("class"));
  return state;
}

// Return the name of the class with a number in the class set; the number itself if there is none.
function labelOf(state, number) {
  const set = INDEX.sets[setNumber(state.run, state.seed, state.part)];
  const { labels, ids } = INDEX.shared[set?.candidates] ?? { labels: [], ids: [] };
  return labels[ids.indexOf(Number(number))] ?? number;
}

function addressOf(state) {
  const address = new URLSearchParams();
  for (const name of Object.keys(DEFAULTS)) if (String(state[name]) !== DEFAULTS[name]) address.set(name, state[name]);
  return `#${address}`;
}

function navigate(changes) {
  location.hash = addressOf({ ...readState(), ...changes });
}

// Change the address without adding a history entry, because the state may change with every key press.
function navigateWithoutHistory(changes) {
  history.replaceState(null, "", addressOf({ ...readState(), ...changes }));
  render();
}
