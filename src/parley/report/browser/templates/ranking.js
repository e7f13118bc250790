// Show the Receiver's ranking of the classes after an exchange: the best candidates, and the true class.

function ranking(dialogues, row, t) {
  const target = dialogues.target(row);
  const lines = dialogues.top(row, t).map((one, i) => ({ ...one, rank: i + 1 }));
  if (!lines.some((line) => line.column === target)) lines.push({ column: target, probability: dialogues.trueProbability(row, t), rank: dialogues.rank(row, t) });
  for (const line of lines) if (line.column === target) line.rank = dialogues.rank(row, t);
  return make("table", { class: "ranking" },
    make("caption", { class: "visually-hidden" }, `Classes after exchange ${t + 1}`),
    make("colgroup", {}, ["rank", "class", "value"].map((name) => make("col", { class: `of-${name}` }))),
    make("thead", {}, make("tr", {}, ["Rank", "Class", "Probability"].map((title) => make("th", { scope: "col" }, screenReaderOnly(title))))),
    make("tbody", {}, lines.map((line) => rankingLine(dialogues, line, line.column === target))));
}

function rankingLine(dialogues, line, isTrue) {
  return make("tr", { class: isTrue ? "true" : undefined },
    make("td", { class: "rank" }, line.rank),
    make("th", { scope: "row" }, isolated(dialogues.labels[line.column]), isTrue && make("span", { class: "tag" }, "true")),
    make("td", { class: "value" }, make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${100 * line.probability}%` } })), threeDecimals(line.probability)));
}

// Return the rank of the true class after each exchange, as text.
function rankPath(dialogues, row, exchanges) {
  return Array.from({ length: exchanges }, (_, t) => dialogues.rank(row, t)).join(" → ");
}
