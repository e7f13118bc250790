// Search, filters and order of the list of dialogues.

const FILTERS = ["search", "label", "answer", "shortest", "longest", "from", "to", "order"];

function numberOr(text, otherwise) {
  const number = Number.parseFloat(text);
  return Number.isFinite(number) ? number : otherwise;
}

function matching(dialogues, state) {
  const column = dialogues.labels.indexOf(state.label);
  const [shortest, longest] = [numberOr(state.shortest, 1), numberOr(state.longest, Infinity)];
  const [from, to] = [numberOr(state.from, 0) / 100, numberOr(state.to, 100) / 100];
  const isFound = searching(dialogues, state.search);
  const rows = [];
  for (let row = 0; row < dialogues.shown; row++) {
    if (state.label !== "" && dialogues.target(row) !== column) continue;
    if (dialogues.length(row) < shortest || dialogues.length(row) > longest) continue;
    const confidence = dialogues.answer(row).probability;
    if (confidence < from || confidence > to) continue;
    if (state.answer !== "" && dialogues.right(row) !== (state.answer === "right")) continue;
    if (isFound(row)) rows.push(row);
  }
  return ordered(dialogues, rows, state.order);
}

// Return a function that tells whether every word of the search is in the name of a dialogue's true class or of the
// class it was taken for, or begins its image key.
function searching(dialogues, search) {
  const plain = (text) => text.normalize("NFKC").toLowerCase();
  const whole = plain(search).trim();
  if (whole === "") return () => true;
  const words = whole.split(/\s+/);
  const names = dialogues.labels.map(plain);
  return (row) => {
    const key = plain(dialogues.key(row));
    const own = [names[dialogues.target(row)], names[dialogues.answer(row).column]];
    return key.startsWith(whole) || words.every((word) => key.startsWith(word) || own.some((name) => name.includes(word)));
  };
}

function ordered(dialogues, rows, order) {
  const confidence = (row) => dialogues.answer(row).probability;
  const surest = (a, b) => confidence(b) - confidence(a);
  const rules = {
    surest,
    least: (a, b) => confidence(a) - confidence(b),
    longest: (a, b) => dialogues.length(b) - dialogues.length(a),
  };
  if (rules[order]) return rows.sort((a, b) => rules[order](a, b) || a - b);
  if (order !== "beside") return rows;
  // By class: the most confident correct answer, the most confident wrong one, the next correct one, and so on.
  rows.sort((a, b) => surest(a, b) || a - b);
  const place = rounds(rows, (row) => `${dialogues.target(row)} ${dialogues.right(row)}`);
  return rows.sort((a, b) => dialogues.target(a) - dialogues.target(b) || place.get(a) - place.get(b)
    || dialogues.right(b) - dialogues.right(a));
}

// Return for each row its position among the rows of its group.
function rounds(rows, groupOf) {
  const seen = new Map();
  return new Map(rows.map((row) => {
    const place = seen.get(groupOf(row)) ?? 0;
    seen.set(groupOf(row), place + 1);
    return [row, place];
  }));
}

// Return the search and the filters in words, for a list that they leave empty.
function filtersInWords(state) {
  const range = (name, from, to, unit) => (from || to) && [name, from && `from ${from}`, to && `to ${to}`].filter(Boolean).join(" ") + unit;
  return [
    state.search.trim() && `search “${state.search.trim()}”`,
    state.label && `class “${state.label}”`,
    state.answer && `${state.answer === "right" ? "correct" : "wrong"} answers`,
    range("exchanges", state.shortest, state.longest, ""),
    range("confidence", state.from, state.to, "\u00a0%"),
  ].filter(Boolean).join(", ");
}

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value, selected: String(value) === String(chosen) }, text)));
  select.value = chosen;
}

// Return the names of the classes that the dialogues are about, in the order of the columns.
function classNames(dialogues) {
  const about = new Set(dialogues.arrays.target);
  return dialogues.labels.filter((_, column) => about.has(column));
}

// Set the fields of the form to the values in the address.
function fillFilters(dialogues, state) {
  const names = classNames(dialogues);
  const missing = state.label === "" || names.includes(state.label) ? [] : [[state.label, `${state.label} (not here)`]];
  options(byId("class"), [["", "all"], ...missing, ...names.map((name) => [name, name])], state.label);
  const lengths = Array.from({ length: dialogues.exchanges }, (_, t) => [t + 1, t + 1]);
  options(byId("shortest"), [["", "1"], ...lengths.slice(1)], state.shortest);
  options(byId("longest"), [["", dialogues.exchanges], ...lengths.slice(0, -1).reverse()], state.longest);
  for (const [id, name] of [["answer", "answer"], ["order", "order"], ["surest-from", "from"], ["surest-to", "to"], ["search", "search"]]) {
    if (document.activeElement !== byId(id) || byId(id).value.trim() !== state[name].trim()) byId(id).value = state[name];
  }
}

function clearFilters() {
  navigate({ ...Object.fromEntries(FILTERS.map((name) => [name, ""])), page: 1 });
}

function listenToFilters() {
  const form = byId("filters");
  form.addEventListener("input", (event) => {
    const change = { [event.target.name]: event.target.value, page: 1, view: "list" };
    if (event.target.tagName === "SELECT") navigate(change);
    else navigateWithoutHistory(change);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); clearFilters(); });
}
