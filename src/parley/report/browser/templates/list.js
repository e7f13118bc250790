// View of the dialogues that match the filters, one page of the list at a time.

const PER_PAGE = 60;

function listView(dialogues, state, rows) {
  const heading = make("h2", { class: "visually-hidden", tabindex: -1 }, "Dialogues");
  if (rows.length === 0) return [heading, ...emptyList(dialogues, state)];
  const pages = Math.ceil(rows.length / PER_PAGE);
  const page = Math.min(pages, Math.max(1, Math.floor(numberOr(state.page, 1))));
  const shown = rows.slice((page - 1) * PER_PAGE, page * PER_PAGE);
  const right = rows.filter((row) => dialogues.right(row)).length;
  byId("count").textContent = `${counted(rows.length, "dialogue")}, ${right.toLocaleString("en")} correct` + (pages > 1 ? `; page ${page} of ${pages}` : "");
  return [
    heading,
    ...(state.order === "beside" ? besideByClass(dialogues, state, rows, shown) : [make("ul", { class: "cards" }, shown.map((row) => card(dialogues, row, state)))]),
    pages > 1 && pageLinks(page, pages, state),
  ];
}

function emptyList(dialogues, state) {
  byId("count").textContent = "No dialogue matches.";
  const missing = state.label !== "" && !classNames(dialogues).includes(state.label);
  const clear = () => { focusSearch = true; clearFilters(); };
  return [
    make("p", { class: "notice" }, missing
      ? ["This split has no dialogue about a class named “", isolated(state.label), "”."]
      : ["No dialogue of this run, seed and split matches: ", isolated(filtersInWords(state)), "."]),
    make("p", {}, make("button", { type: "button", id: "clear", onclick: clear }, "Clear the search and the filters")),
  ];
}

// Return a section for each class, with its correct answers on the left and its wrong answers on the right.
function besideByClass(dialogues, state, rows, shown) {
  return [...new Set(shown.map((row) => dialogues.target(row)))].map((column) => {
    const side = (right) => {
      const [all, here] = [rows, shown].map((some) => some.filter((row) => dialogues.target(row) === column && dialogues.right(row) === right));
      return make("div", {},
        make("h4", {}, mark(right), ` ${all.length.toLocaleString("en")} ${right ? "correct" : "wrong"}`, here.length < all.length && make("small", {}, `, ${here.length} on this page`)),
        here.length > 0 && make("ul", { class: "cards" }, here.map((row) => card(dialogues, row, state))));
    };
    return make("section", { class: "beside" }, make("h3", {}, isolated(dialogues.labels[column])), side(true), side(false));
  });
}

function pageLinks(page, pages, state) {
  const link = (number, text) => number < 1 || number > pages
    ? make("span", { class: "off" }, text)
    : make("a", { href: addressOf({ ...state, page: number }) }, text);
  return make("nav", { class: "pages", "aria-label": "Pages" }, link(page - 1, "← Previous"), make("span", {}, `${page} of ${pages}`), link(page + 1, "Next →"));
}
