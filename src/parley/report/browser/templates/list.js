// The list of conversations that fit the filters, a page at a time.

const PER_PAGE = 60;

function listView(talks, state, rows) {
  const pages = Math.max(1, Math.ceil(rows.length / PER_PAGE));
  const page = Math.min(pages, Math.max(1, Math.floor(bound(state.page, 1))));
  const shown = rows.slice((page - 1) * PER_PAGE, page * PER_PAGE);
  const right = rows.reduce((sum, row) => sum + (talks.right(row) ? 1 : 0), 0);
  byId("count").textContent = rows.length === 0
    ? "No conversation fits these filters."
    : `${counted(rows.length, "conversation")}, ${right.toLocaleString("en")} right`
      + (pages > 1 ? `; page ${page} of ${pages}` : "");
  return [
    make("h2", { class: "heard", tabindex: -1 }, "Conversations"),
    make("ul", { class: "cards" }, shown.map((row) => card(talks, row, state))),
    pages > 1 && pageLinks(page, pages, state),
  ];
}

function pageLinks(page, pages, state) {
  const link = (number, text) => number < 1 || number > pages
    ? make("span", { class: "off" }, text)
    : make("a", { href: addressOf({ ...state, page: number }) }, text);
  return make("nav", { class: "pages", "aria-label": "Pages" }, link(page - 1, "← Previous"), make("span", {}, `${page} of ${pages}`), link(page + 1, "Next →"));
}
