// What was attended to at an exchange: the picture's cells, and the words of descriptions.

function attention(talks, row, t) {
  const parts = [cellMap(talks, row, t), ...wordLines(talks, row, t)].filter(Boolean);
  return parts.length ? make("div", { class: "attention" }, parts) : null;
}

// Weights of one exchange: stored over their largest, which is stored beside them.
function weights(values, largest, start, count, place) {
  return Array.from({ length: count }, (_, one) => (values[start + one] / COARSE) * (largest[place] / FINE));
}

function cellMap(talks, row, t) {
  const { cells, cells_most: most } = talks.arrays;
  if (!cells) return null;
  const count = cells.length / (talks.shown * talks.exchanges);
  const [height, width] = talks.grid.length ? talks.grid : [1, count];
  const place = row * talks.exchanges + t;
  const weighed = weights(cells, most, place * count, count, place);
  const largest = Math.max(...weighed, 1e-9);
  const best = [...weighed.keys()].sort((a, b) => weighed[b] - weighed[a]).slice(0, 3);
  const text = best.map((cell) => `row ${Math.floor(cell / width) + 1}, column ${(cell % width) + 1}: ${share(weighed[cell])}`).join("; ");
  const grid = make("span", { class: "cells", style: { "--columns": width, "--rows": height } },
    weighed.map((weight, cell) => make("i", { style: { "--w": (weight / largest).toFixed(3) }, title: `Row ${Math.floor(cell / width) + 1}, column ${(cell % width) + 1}: ${share(weight)}` })));
  const shot = picture(talks, row, "");
  if (shot.tagName === "IMG") shot.addEventListener("load", () => fitCells(shot, grid));
  return make("figure", { class: "looked" },
    make("span", { class: "stack", role: "img", "aria-label": `The Sender looks most at ${text}` }, shot, grid),
    make("figcaption", {}, `Sender looks: most ${share(largest)}`));
}

// The network saw the middle of the picture: a square, of so much of its shorter side.
function fitCells(shot, grid) {
  const { naturalWidth: width, naturalHeight: height } = shot;
  const side = INDEX.seen * Math.min(width, height);
  grid.style.setProperty("inset", `${50 * (1 - side / height)}% ${50 * (1 - side / width)}%`);
}

function wordLines(talks, row, t) {
  const { words, words_most: most } = talks.arrays;
  if (!words) return [];
  const count = words.length / (talks.shown * talks.exchanges * 2);
  const columns = [talks.target(row), talks.answer(row).column];
  return (columns[0] === columns[1] ? [0] : [0, 1]).map((which) => {
    const place = (row * talks.exchanges + t) * 2 + which;
    const texts = talks.words[columns[which]] ?? [];
    const weighed = weights(words, most, place * count, texts.length, place);
    const largest = Math.max(...weighed, 1e-9);
    return make("div", { class: "read" },
      make("p", {}, "Receiver reads ", named(talks.labels[columns[which]]), ":"),
      make("ul", { class: "weighed" }, texts.map((word, one) => make("li", { style: { "--w": (weighed[one] / largest).toFixed(3) } }, named(word), " ", make("small", {}, weighed[one].toFixed(2))))));
  });
}
