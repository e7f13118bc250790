// Filters and order of the list of dialogues.

const FILTERS = ["search", "class", "answer", "shortest", "longest", "from", "to", "order"];

function numberOr(text, otherwise) {
  const number = Number.parseFloat(text);
  return Number.isFinite(number) ? number : otherwise;
}

function matching(dialogues, state) {
  const column = state.class === "" ? -1 : dialogues.ids.indexOf(Number(state.class));
  const [shortest, longest] = [numberOr(state.shortest, 1), numberOr(state.longest, Infinity)];
  const [from, to] = [numberOr(state.from, 0) / 100, numberOr(state.to, 100) / 100];
  const prefix = state.search.trim().toLowerCase();
  const rows = [];
  for (let row = 0; row < dialogues.shown; row++) {
    if (state.class !== "" && dialogues.target(row) !== column) continue;
    if (dialogues.length(row) < shortest || dialogues.length(row) > longest) continue;
    const confidence = dialogues.answer(row).probability;
    if (confidence < from || confidence > to) continue;
    if (state.answer !== "" && dialogues.right(row) !== (state.answer === "right")) continue;
    if (prefix && !dialogues.key(row).toLowerCase().startsWith(prefix)) continue;
    rows.push(row);
  }
  return ordered(dialogues, rows, state.order);
}

function ordered(dialogues, rows, order) {
  const confidence = (row) => dialogues.answer(row).probability;
  const rules = {
    surest: (a, b) => confidence(b) - confidence(a),
    least: (a, b) => confidence(a) - confidence(b),
    longest: (a, b) => dialogues.length(b) - dialogues.length(a),
  };
  return rules[order] ? rows.sort((a, b) => rules[order](a, b) || a - b) : rows;
}

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value, selected: String(value) === String(chosen) }, text)));
  select.value = chosen;
}

// Set the fields of the form to the values in the address.
function fillFilters(dialogues, state) {
  const about = new Set(dialogues.arrays.target);
  const classes = dialogues.labels.map((label, column) => [dialogues.ids[column], label, column]).filter(([, , column]) => about.has(column));
  options(byId("class"), [["", "all"], ...classes], state.class);
  const lengths = Array.from({ length: dialogues.exchanges }, (_, t) => [t + 1, t + 1]);
  options(byId("shortest"), [["", "1"], ...lengths.slice(1)], state.shortest);
  options(byId("longest"), [["", dialogues.exchanges], ...lengths.slice(0, -1).reverse()], state.longest);
  for (const [id, name] of [["answer", "answer"], ["order", "order"], ["surest-from", "from"], ["surest-to", "to"], ["search", "search"]]) {
    if (document.activeElement !== byId(id) || byId(id).value.trim() !== state[name].trim()) byId(id).value = state[name];
  }
}

function listenToFilters() {
  const form = byId("filters");
  form.addEventListener("input", (event) => {
    const change = { [event.target.name]: event.target.value, page: 1, view: "list" };
    if (event.target.tagName === "SELECT") navigate(change);
    else navigateWithoutHistory(change);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    navigate({ ...Object.fromEntries(FILTERS.map((name) => [name, ""])), page: 1 });
  });
}
