// Which conversations the list shows, and in what order.

const FILTERS = ["search", "class", "answer", "shortest", "longest", "from", "to", "order"];

function bound(text, otherwise) {
  const number = Number.parseFloat(text);
  return Number.isFinite(number) ? number : otherwise;
}

function matching(talks, state) {
  const column = state.class === "" ? -1 : talks.ids.indexOf(Number(state.class));
  const [shortest, longest] = [bound(state.shortest, 1), bound(state.longest, Infinity)];
  const [from, to] = [bound(state.from, 0) / 100, bound(state.to, 100) / 100];
  const prefix = state.search.trim().toLowerCase();
  const rows = [];
  for (let row = 0; row < talks.shown; row++) {
    if (state.class !== "" && talks.target(row) !== column) continue;
    if (talks.length(row) < shortest || talks.length(row) > longest) continue;
    const sure = talks.answer(row).share;
    if (sure < from || sure > to) continue;
    if (state.answer !== "" && talks.right(row) !== (state.answer === "right")) continue;
    if (prefix && !talks.key(row).toLowerCase().startsWith(prefix)) continue;
    rows.push(row);
  }
  return ordered(talks, rows, state.order);
}

function ordered(talks, rows, order) {
  const sure = (row) => talks.answer(row).share;
  const rules = {
    surest: (a, b) => sure(b) - sure(a),
    least: (a, b) => sure(a) - sure(b),
    longest: (a, b) => talks.length(b) - talks.length(a),
  };
  return rules[order] ? rows.sort((a, b) => rules[order](a, b) || a - b) : rows;
}

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value, selected: String(value) === String(chosen) }, text)));
  select.value = chosen;
}

// The fields of the page say what the address says.
function fillFilters(talks, state) {
  const about = new Set(talks.arrays.target);
  const classes = talks.labels.map((label, column) => [talks.ids[column], label, column]).filter(([, , column]) => about.has(column));
  options(byId("class"), [["", "all"], ...classes], state.class);
  const lengths = Array.from({ length: talks.exchanges }, (_, t) => [t + 1, t + 1]);
  options(byId("shortest"), [["", "1"], ...lengths.slice(1)], state.shortest);
  options(byId("longest"), [["", talks.exchanges], ...lengths.slice(0, -1).reverse()], state.longest);
  for (const [id, name] of [["answer", "answer"], ["order", "order"], ["surest-from", "from"], ["surest-to", "to"], ["search", "search"]]) {
    if (document.activeElement !== byId(id) || byId(id).value.trim() !== state[name].trim()) byId(id).value = state[name];
  }
}

function listenToFilters() {
  const form = byId("filters");
  form.addEventListener("input", (event) => {
    const change = { [event.target.name]: event.target.value, page: 1, view: "list" };
    if (event.target.tagName === "SELECT") go(change);
    else slide(change);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    go({ ...Object.fromEntries(FILTERS.map((name) => [name, ""])), page: 1 });
  });
}
