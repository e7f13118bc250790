// View of the dialogues that match the filters, one page of the list at a time.

const PER_PAGE = 60;

function listView(dialogues, state, rows) {
  const pages = Math.max(1, Math.ceil(rows.length / PER_PAGE));
  const page = Math.min(pages, Math.max(1, Math.floor(numberOr(state.page, 1))));
  const shown = rows.slice((page - 1) * PER_PAGE, page * PER_PAGE);
  const right = rows.reduce((sum, row) => sum + (dialogues.right(row) ? 1 : 0), 0);
  byId("count").textContent = rows.length === 0
    ? "No dialogue matches these filters."
    : `${counted(rows.length, "dialogue")}, ${right.toLocaleString("en")} correct`
      + (pages > 1 ? `; page ${page} of ${pages}` : "");
  return [
    make("h2", { class: "visually-hidden", tabindex: -1 }, "Dialogues"),
    make("ul", { class: "cards" }, shown.map((row) => card(dialogues, row, state))),
    pages > 1 && pageLinks(page, pages, state),
  ];
}

function pageLinks(page, pages, state) {
  const link = (number, text) => number < 1 || number > pages
    ? make("span", { class: "off" }, text)
    : make("a", { href: addressOf({ ...state, page: number }) }, text);
  return make("nav", { class: "pages", "aria-label": "Pages" }, link(page - 1, "← Previous"), make("span", {}, `${page} of ${pages}`), link(page + 1, "Next →"));
}
