// A conversation as a card: picture, true class, answer, length and confidence.

function card(talks, row, state, note) {
  const answer = talks.answer(row);
  const right = talks.right(row);
  const said = right
    ? [make("span", { class: "mark", "aria-hidden": "true" }, "✓"), " right"]
    : [make("span", { class: "mark", "aria-hidden": "true" }, "✗"), " taken for ", named(talks.labels[answer.column])];
  const link = addressOf({ ...state, view: "talk", key: talks.key(row), beside: "", bit: "" });
  return make("li", {}, make("a", { class: right ? "card" : "card wrong", href: link, "data-key": talks.key(row) },
    picture(talks, row, ""),
    make("span", { class: "words" },
      make("b", {}, named(talks.labels[talks.target(row)])),
      make("span", {}, said),
      make("small", {}, note ?? `${counted(talks.length(row), "exchange")}, ${share(answer.share)}`))));
}
