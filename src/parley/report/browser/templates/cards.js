// Return the sign of a correct or a wrong answer.
function mark(right) {
  return make("span", { class: right ? "mark right" : "mark", "aria-hidden": "true" }, right ? "✓" : "✗");
}

// Return the card of a dialogue, with its image, true class, answer, length and confidence.

function card(dialogues, row, state, note) {
  const answer = dialogues.answer(row);
  const right = dialogues.right(row);
  const verdict = [mark(right), ...(right ? [" correct"] : [" taken for ", isolated(dialogues.labels[answer.column])])];
  const link = addressOf({ ...state, view: "dialogue", key: dialogues.key(row), beside: "", bit: "" });
  return make("li", {}, make("a", { class: right ? "card" : "card wrong", href: link, "data-key": dialogues.key(row) },
    picture(dialogues, row, ""),
    make("span", { class: "words" },
      make("b", {}, isolated(dialogues.labels[dialogues.target(row)])),
      make("span", {}, verdict),
      make("small", {}, note ?? `${counted(dialogues.length(row), "exchange")}, ${threeDecimals(answer.probability)}`))));
}
