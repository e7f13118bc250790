// State of the page. It is stored in the address, so that links, bookmarks and the back button work for every view.

const DEFAULTS = {
  view: "list", run: "", seed: "", part: "", class: "", answer: "", shortest: "", longest: "", from: "", to: "",
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
  if (state.view === "talk") state.view = "dialogue";  // The name of this view in links to older pages.
  return state;
}

function addressOf(state) {
  const defaults = { ...DEFAULTS, ...firstSet() };
  const address = new URLSearchParams();
  for (const name of Object.keys(DEFAULTS)) if (String(state[name]) !== String(defaults[name])) address.set(name, state[name]);
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
