// The Receiver's ranking of the classes after an exchange: the best few, and the true class wherever it stands.

function ranking(talks, row, t) {
  const target = talks.target(row);
  const lines = talks.top(row, t).map((one, place) => ({ ...one, rank: place + 1 }));
  if (!lines.some((line) => line.column === target)) lines.push({ column: target, share: talks.trueShare(row, t), rank: talks.rank(row, t) });
  for (const line of lines) if (line.column === target) line.rank = talks.rank(row, t);
  return make("table", { class: "ranking" },
    make("caption", { class: "heard" }, `Classes after exchange ${t + 1}`),
    make("colgroup", {}, ["rank", "class", "share"].map((name) => make("col", { class: `of-${name}` }))),
    make("thead", {}, make("tr", {}, ["Rank", "Class", "Probability"].map((title) => make("th", { scope: "col" }, heard(title))))),
    make("tbody", {}, lines.map((line) => rankingLine(talks, line, line.column === target))));
}

function rankingLine(talks, line, isTrue) {
  return make("tr", { class: isTrue ? "true" : undefined },
    make("td", { class: "rank" }, line.rank),
    make("th", { scope: "row" }, named(talks.labels[line.column]), isTrue && make("span", { class: "tag" }, "true")),
    make("td", { class: "share" }, make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${100 * line.share}%` } })), share(line.share)));
}

// How the true class moved: its rank after each exchange.
function path(talks, row, exchanges) {
  return Array.from({ length: exchanges }, (_, t) => talks.rank(row, t)).join(" → ");
}
